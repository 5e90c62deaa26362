package edge

import (
	"bufio"
	"context"
	"net"
	"sync"
	"syscall"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Bounds of a slice's connections to its backends that wait for the next request.
const (
	upstreamIdleMax    = 64 // to one address
	upstreamIdleFor    = 90 * time.Second
	upstreamDialFor    = 5 * time.Second
	upstreamReadBytes  = 16 << 10
	upstreamHeadMax    = 256 << 10
	upstreamHeadersMax = 8 // informational heads before the one that counts
)

// upstream is a connection to a backend.
type upstream struct {
	net.Conn
	raw    syscall.RawConn
	br     *bufio.Reader
	reused bool
	since  time.Time // idle since

	// Of the request in hand, used by the goroutine that reads the answer.
	until    time.Time // reads end then; zero: never
	untilSet time.Time // what the socket has
	slow     func()    // called once when the backend is silent for slowAfter
	waited   time.Duration
	got      int64 // bytes of the answer
	head     int   // bytes of the answer's head that still lie in br
}

// Read implements io.Reader for br.
func (u *upstream) Read(p []byte) (int, error) {
	begin := time.Now()
	defer func() { u.waited += time.Since(begin) }()
	if u.slow != nil {
		u.setUntil(begin.Add(slowAfter))
		n, err := u.Conn.Read(p)
		u.got += int64(n)
		if n > 0 || !isTimeout(err) {
			return n, err
		}
		u.slow()
		u.slow = nil
	}
	u.setUntil(u.until)
	n, err := u.Conn.Read(p)
	u.got += int64(n)
	return n, err
}

func (u *upstream) setUntil(at time.Time) {
	if !u.untilSet.Equal(at) {
		u.untilSet = at
		_ = u.SetReadDeadline(at) // a closed socket says so at the read
	}
}

// rest makes the connection ready to wait for the next request.
func (u *upstream) rest() {
	u.until, u.slow, u.got, u.head = time.Time{}, nil, 0, 0
	u.setUntil(time.Time{})
	_ = u.SetWriteDeadline(time.Time{}) // a closed socket is found by its next user
}

// upstreams are the idle connections of one slice. A pool of its own per slice: one slice's slow backend cannot use up another's
// connections. Safe for concurrent use.
type upstreams struct {
	dialer net.Dialer

	mu   sync.Mutex
	idle map[string][]*upstream // newest last
}

func newUpstreams() *upstreams {
	return &upstreams{dialer: net.Dialer{Timeout: upstreamDialFor, KeepAlive: 30 * time.Second}, idle: map[string][]*upstream{}}
}

// get gives a connection to address: the one used last, if the backend has not ended it since, or a new one.
func (u *upstreams) get(ctx context.Context, address string, fresh bool) (*upstream, error) {
	for !fresh {
		up := u.take(address)
		if up == nil {
			break
		}
		if time.Since(up.since) < upstreamIdleFor && quiet(up.raw) {
			up.reused = true
			return up, nil
		}
		_ = up.Close() // ended by the backend, or too old
	}
	nc, err := u.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	sc, ok := nc.(syscall.Conn)
	if !ok {
		_ = nc.Close()
		return nil, nexus.Errf("edge", nexus.CodeInternal, "backend "+address, "", "connection of type %T", nc)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		_ = nc.Close() // the error before says it
		return nil, err
	}
	up := &upstream{Conn: nc, raw: raw}
	up.br = bufio.NewReaderSize(up, upstreamReadBytes)
	return up, nil
}

func (u *upstreams) take(address string) *upstream {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := u.idle[address]
	if len(list) == 0 {
		return nil
	}
	up := list[len(list)-1]
	list[len(list)-1] = nil
	u.idle[address] = list[:len(list)-1]
	return up
}

// put takes a connection back whose last response was read to its end.
func (u *upstreams) put(address string, up *upstream) {
	if up.br.Buffered() > 0 {
		_ = up.Close() // it said something that nobody asked for
		return
	}
	up.since = time.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	list := u.idle[address]
	for len(list) >= upstreamIdleMax || len(list) > 0 && up.since.Sub(list[0].since) > upstreamIdleFor {
		_ = list[0].Close() // idle: nothing is lost
		list = append(list[:0], list[1:]...)
	}
	u.idle[address] = append(list, up)
}

// closeIdle ends every connection that nobody uses.
func (u *upstreams) closeIdle() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, list := range u.idle {
		for _, up := range list {
			_ = up.Close() // idle: nothing is lost
		}
	}
	u.idle = map[string][]*upstream{}
}
