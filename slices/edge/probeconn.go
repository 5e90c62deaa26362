package edge

import (
	"crypto/tls"
	"math"
	"net"
	"sync"
	"time"
)

// probeKept is how long a closed probe's address stays listed: one that was given up early may still lie in a queue, and is no client when it is taken out.
const probeKept = 10 * time.Second

// probeConn is the prober's end of a connection: listed with the gateway from before its first byte until some time after it was closed, so that
// the gateway's end can say how long limits of the slice itself held a probe: its ceiling, its places. That is no failing of the gateway, and
// the service-level record is judged without it.
type probeConn struct {
	net.Conn
	gateway *Gateway
	address string

	mu    sync.Mutex
	total time.Duration // held by waits that ended
	since time.Time     // a wait began; zero: none
	most  time.Duration // what the slice's own limit can make of it
}

func newProbeConn(g *Gateway, c net.Conn) *probeConn {
	p := &probeConn{Conn: c, gateway: g, address: c.LocalAddr().String()}
	g.probers.Store(p.address, p)
	return p
}

// probeConnOf finds the probe's connection in what the client's transport made of it; nil for the direct baseline's.
func probeConnOf(c net.Conn) *probeConn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	p, _ := c.(*probeConn)
	return p
}

// proberAt gives the probe whose connection comes from an address; nil: it is a client's.
func (g *Gateway) proberAt(address string) *probeConn {
	v, _ := g.probers.Load(address)
	p, _ := v.(*probeConn)
	return p
}

// Close implements net.Conn.
func (p *probeConn) Close() error {
	time.AfterFunc(probeKept, func() { p.gateway.probers.CompareAndDelete(p.address, p) })
	return p.Conn.Close()
}

// next begins another probe on the connection.
func (p *probeConn) next() {
	if p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.total, p.since = 0, time.Time{}
	}
}

// begin and end bracket a wait of which the slice's own limit makes at most most. Of a client, a nil probe, nothing is noted.
func (p *probeConn) begin(most time.Duration) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since, p.most = time.Now(), most
}

func (p *probeConn) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.since.IsZero() {
		p.total += min(time.Since(p.since), p.most)
		p.since = time.Time{}
	}
}

// held gives how long the probe was held until now, a wait that still lasts included: a probe is given up in the middle of one.
func (p *probeConn) held() time.Duration {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		return p.total
	}
	return p.total + min(time.Since(p.since), p.most)
}

// refused notes that the slice's own queue refused the probe: all that it counts with is the slice's own.
func (p *probeConn) refused() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total = math.MaxInt64 / 2
}

// heldByCeiling notes, where the connection is a probe's, that it waits for the link or its slice's ceiling from now on.
func (c *conn) heldByCeiling(s *sliceState) {
	if p := c.probe.Load(); p != nil {
		p.begin(c.gateway.scheduler.OwnWait(s.flow))
	}
}

// heldByGate notes that it waits for a place in its slice's gate.
func (c *conn) heldByGate() { c.probe.Load().begin(math.MaxInt64) }

// heldNoMore notes that the wait is over.
func (c *conn) heldNoMore() { c.probe.Load().end() }
