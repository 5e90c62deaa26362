package edge

import (
	"bufio"
	"context"
	"errors"
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
	turn   turn
	reused bool
	since  time.Time // idle since

	// Of the request in hand, used by the goroutine that reads the answer.
	unsent   []byte    // goes out with the first read of the answer
	asked    time.Time // when the request was begun
	stall    time.Duration
	until    time.Time // reads end then; zero: never
	untilSet time.Time // what the socket has, perhaps passed
	transit  *transit  // whose slow is called once when the backend is silent for slowAfter; nil: not any more
	counts   bool      // waited is wanted
	waited   time.Duration
	got      int64 // bytes of the answer
	head     int   // bytes of the answer's head that still lie in br
	hurried  bool  // a write deadline is set
}

// errEnded says that a backend had ended an idle connection, or had said something on it that nobody asked for, before anything was sent.
var errEnded = errors.New("ended by the backend while idle")

// begin prepares for a request. With unsent the first read of the answer sends it.
func (u *upstream) begin(t *transit, now time.Time, unsent []byte) {
	config := &t.k.g.config
	u.transit, u.asked, u.stall, u.until, u.unsent = t, now, config.StallTimeout, now.Add(config.BackendTimeout), unsent
}

// Read implements io.Reader for br.
func (u *upstream) Read(p []byte) (int, error) {
	begin := u.asked
	if u.asked = (time.Time{}); begin.IsZero() {
		begin = time.Now()
	}
	n, err := u.read(p, begin)
	u.got += int64(n)
	if u.counts {
		u.waited += time.Since(begin)
	}
	return n, err
}

// read is Read with the limits of the request in hand. A deadline that the socket has from an earlier request is left there when it comes before the
// one wanted: it costs a look at the clock when it has passed, which is seldom, and moving it costs more, for each request.
func (u *upstream) read(p []byte, begin time.Time) (int, error) {
	slowAt := begin.Add(slowAfter)
	for now := begin; ; {
		want := u.until
		if u.transit != nil {
			want = slowAt
		}
		u.limit(want, now)
		n, err := u.once(p)
		if n > 0 || err == nil || !isTimeout(err) {
			return n, err
		}
		now = time.Now()
		switch {
		case want.IsZero() || now.Before(want): // that of an earlier request
		case u.transit != nil:
			t := u.transit
			u.transit = nil
			t.slow()
		default:
			return n, err
		}
	}
}

// once sends what is unsent, and reads.
func (u *upstream) once(p []byte) (int, error) {
	if u.unsent == nil {
		return u.Conn.Read(p)
	}
	return u.exchange(p)
}

// limit sees to it that reads end at want at the latest. The zero want is never.
func (u *upstream) limit(want, now time.Time) {
	if u.untilSet.IsZero() && want.IsZero() || u.untilSet.After(now) && (want.IsZero() || !u.untilSet.After(want)) {
		return
	}
	u.untilSet = want
	_ = u.SetReadDeadline(want) // a closed socket says so at the read
}

// write sends bytes, for which the backend has the stall timeout.
func (u *upstream) write(b []byte, stall time.Duration) error {
	u.hurried = true
	_ = u.SetWriteDeadline(time.Now().Add(stall)) // a closed socket says so at the write
	_, err := u.Conn.Write(b)
	return err
}

// rest makes the connection ready to wait for the next request. A read deadline stays.
func (u *upstream) rest() {
	u.until, u.transit, u.got, u.head, u.counts, u.waited = time.Time{}, nil, 0, 0, false, 0
	if u.hurried {
		u.hurried = false
		_ = u.SetWriteDeadline(time.Time{}) // a closed socket is found by its next user
	}
}

// upstreams are the idle connections of one slice. A pool of its own per slice: one slice's slow backend cannot use up another's
// connections. Safe for concurrent use.
type upstreams struct {
	dialer net.Dialer

	mu   sync.Mutex
	idle map[string]*idleUpstreams // by address
}

// idleUpstreams wait for the next request, newest last.
type idleUpstreams struct{ list []*upstream }

func newUpstreams() *upstreams {
	return &upstreams{dialer: net.Dialer{Timeout: upstreamDialFor, KeepAlive: 30 * time.Second}, idle: map[string]*idleUpstreams{}}
}

// get gives a connection to address: the one used last, which the backend may have ended since, or a new one.
func (u *upstreams) get(ctx context.Context, address string, fresh bool, now time.Time) (*upstream, error) {
	for !fresh {
		up := u.take(address)
		if up == nil {
			break
		}
		if now.Sub(up.since) < upstreamIdleFor {
			up.reused = true
			return up, nil
		}
		_ = up.Close() // too old
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
	up.turn.begin()
	up.br = bufio.NewReaderSize(up, upstreamReadBytes)
	return up, nil
}

func (u *upstreams) take(address string) *upstream {
	u.mu.Lock()
	defer u.mu.Unlock()
	idle := u.idle[address]
	if idle == nil || len(idle.list) == 0 {
		return nil
	}
	last := len(idle.list) - 1
	up := idle.list[last]
	idle.list[last] = nil
	idle.list = idle.list[:last]
	return up
}

// put takes a connection back whose last response was read to its end, at now.
func (u *upstreams) put(address string, up *upstream, now time.Time) {
	if up.br.Buffered() > 0 {
		_ = up.Close() // it said something that nobody asked for
		return
	}
	up.since = now
	u.mu.Lock()
	defer u.mu.Unlock()
	idle := u.idle[address]
	if idle == nil {
		idle = &idleUpstreams{}
		u.idle[address] = idle
	}
	for len(idle.list) >= upstreamIdleMax || len(idle.list) > 0 && now.Sub(idle.list[0].since) > upstreamIdleFor {
		_ = idle.list[0].Close() // idle: nothing is lost
		idle.list = append(idle.list[:0], idle.list[1:]...)
	}
	idle.list = append(idle.list, up)
}

// closeIdle ends every connection that nobody uses.
func (u *upstreams) closeIdle() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, idle := range u.idle {
		for _, up := range idle.list {
			_ = up.Close() // idle: nothing is lost
		}
	}
	u.idle = map[string]*idleUpstreams{}
}
