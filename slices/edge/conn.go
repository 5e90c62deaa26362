package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// conn is one client's connection, below TLS and HTTP. Once it is bound to a slice, its bytes are scheduled and counted
// there, and a new request is read only when the slice has a free place: unread bytes fill the kernel's buffers and
// stall the sender before we spend CPU on parsing (DESIGN section 5).
type conn struct {
	net.Conn
	gateway *Gateway
	raw     syscall.RawConn
	once    sync.Once

	bound        atomic.Pointer[sliceState]
	place        atomic.Bool               // holds a place in the slice's gate, taken by reading, not yet used by a request
	active       atomic.Bool               // net/http has a request in hand
	http2        atomic.Bool               // requests share the connection, so active says nothing about the next one
	working      atomic.Int32              // requests inside the gate
	broken       atomic.Bool               // a request's body did not end as it should; nothing more may be read
	served       atomic.Bool               // has carried a request
	upgraded     atomic.Bool               // a WebSocket or other stream that is nobody's request any more
	unbound      atomic.Int64              // bytes read before it was bound
	parkedBodies atomic.Int32              // HTTP/2 requests with a body that wait for a place
	phase        atomic.Int32              // of a connection that serve1 speaks with: client1Idle and so on
	signing      atomic.Pointer[computing] // computes a handshake in its slice's turn
	readable     atomic.Bool               // serve1 has seen that there is something to read
	probe        atomic.Pointer[probeConn] // whose end this is: carries probes only, scheduled like all, not counted as the unit's traffic

	turnWithin  time.Duration // how long a request may wait unread, of a connection that serve1 speaks with; 0: until the deadline. Its goroutine's alone
	headUntil   time.Time     // by when the first head, or the handshake, must be here, where it was looked at before; zero: counts from its first byte
	firstByteNs atomic.Int64  // when the present request's first byte was read, Unix nanoseconds
	lastWriteNs atomic.Int64
	asked       atomic.Int64             // requests of HTTP/2 and HTTP/3
	abandoned   atomic.Int64             // of those, ended by a reset within abandonedWithin
	throttledNs atomic.Int64             // when a write last waited for the scheduler, in the future while it does, Unix nanoseconds
	frames      atomic.Pointer[framed]   // what net/http has of it, when it speaks HTTP/2
	relay       atomic.Pointer[relay]    // writes what the backend says, when upgraded
	pending     atomic.Pointer[exchange] // answered, last byte perhaps not yet written (HTTP/1.1)

	readDeadline, writeDeadline deadline
	end                         atomic.Pointer[context.CancelFunc] // of the requests that net/http reads from it

	tlsState  *tls.ConnectionState // set before the connection is handed over; nil without TLS
	silent    *silent              // of HTTP/3, set before its requests are read
	handshake *handshake           // from the hello to the end of the handshake; that goroutine's alone

	mu            sync.Mutex
	writeUntil    time.Time // what the user of the connection set
	writeUntilSet time.Time // what the socket has
	counted       bool      // counts as a session of bound
	shut          bool
}

// bindResult says what became of an attempt to give a connection to a slice.
type bindResult int

const (
	bindOK bindResult = iota
	bindOther
	bindFull
)

// bind gives the connection to a slice for ever. The prober's connections do not count as sessions; they are known by
// their address, which nobody else can have while they are open.
func (c *conn) bind(s *sliceState) bindResult {
	if old := c.bound.Load(); old != nil {
		if old == s {
			return bindOK
		}
		return bindOther
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Two first requests of one HTTP/2 connection may come at the same moment; the first one wins.
	if old := c.bound.Load(); old != nil && old != s {
		return bindOther
	} else if old == s {
		return bindOK
	}
	probe := c.gateway.proberAt(c.RemoteAddr().String())
	if probe == nil && !c.shut {
		if s.counters.Sessions.Add(1) > s.sessionsMax.Load() {
			s.counters.Sessions.Add(-1)
			return bindFull
		}
		c.counted = true
	}
	c.probe.Store(probe)
	c.bound.Store(s)
	if group := c.gateway.config.Group; group != "" && probe == nil && s.slice.Load().Class.Group() != group {
		s.counters.Strays.Add(1)
	}
	if early := int(c.unbound.Swap(0)); early > 0 { // what told us whose it is was the slice's too
		c.gateway.scheduler.Charge(s.flow, early)
		if probe == nil {
			s.counters.AddBytes(time.Now(), early, 0)
		}
	}
	return bindOK
}

// enter marks one request as inside the gate. A reader that waits for a turn must go on without one now: the request's
// body or its window updates come through it.
func (c *conn) enter() {
	c.working.Add(1)
	if c.http2.Load() {
		c.readDeadline.kick()
	}
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if c.handshake != nil {
		c.endSigning() // nothing is computed while the client is waited for
	}
	s := c.bound.Load()
	if s == nil {
		c.readable.Store(false) // this read uses it up; the next, perhaps in a slice, must look again before it takes a place
		n, err := c.readSocket(p)
		if n > 0 {
			c.noteFirstByte(time.Now())
			c.unbound.Add(int64(n))
		}
		return n, err
	}
	if !c.active.Load() || c.http2.Load() {
		// The last read's place, if no request used it: whoever sends a header in crumbs asks anew for each crumb.
		c.leavePlace()
	}
	if c.atBoundary() {
		if err := c.awaitTurn(s); err != nil {
			return 0, err
		}
	}
	if q := int(s.quantum.Load()); len(p) > q {
		p = p[:q]
	}
	n, err := c.readSocket(p)
	if n > 0 {
		now := time.Now()
		c.noteFirstByte(now)
		c.payForRead(s, n, now)
		if c.handshake != nil && c.handshake.twoSteps && err == nil {
			err = c.beginSigning(c.handshake.over)
		}
	}
	return n, err
}

// readSocket reads from the socket until the deadline that is wanted, whichever it has.
func (c *conn) readSocket(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err == nil || n > 0 || !c.readDeadline.early(err, c.Conn.SetReadDeadline) {
			return n, err
		}
	}
}

// readRaw reads from the socket by a RawConn's callback, until the deadline that is wanted.
func (c *conn) readRaw(step func(fd uintptr) bool) error {
	for {
		err := c.raw.Read(step)
		if err == nil || !c.readDeadline.early(err, c.Conn.SetReadDeadline) {
			return err
		}
	}
}

// waitReadable waits until the socket has something to read, until the deadline that is wanted.
func (c *conn) waitReadable() error {
	for {
		err := waitReadable(c.raw)
		if err == nil || !c.readDeadline.early(err, c.Conn.SetReadDeadline) {
			return err
		}
	}
}

// waitBroken waits until the socket is no connection any more, or until the deadline that is wanted.
func (c *conn) waitBroken() {
	for {
		if err := waitBroken(c.raw); err == nil || !c.readDeadline.early(err, c.Conn.SetReadDeadline) {
			return
		}
	}
}

// atBoundary reports whether what comes next is a new request rather than more of one that is being worked on.
func (c *conn) atBoundary() bool {
	if c.upgraded.Load() || c.working.Load() > 0 {
		return false
	}
	if c.handshake != nil {
		return false // what it computes has turns of its own (signing.go); without its end nobody can be told that the slice is full
	}
	return c.http2.Load() || !c.active.Load()
}

// awaitTurn waits until the client has sent something and the slice has a free place, in this order, so that idle
// connections hold nothing.
func (c *conn) awaitTurn(s *sliceState) error {
	if !c.readable.Swap(false) {
		if err := c.waitReadable(); err != nil {
			return err
		}
	}
	if !s.gate.TryEnter() {
		s.counters.Stalls.Add(1)
		if entered, err := c.parkRead(s); !entered {
			return err
		}
	}
	c.place.Store(true)
	if c.readDeadline.isClosed() {
		c.leavePlace() // closed at the same moment: Close did not see the place
		return net.ErrClosed
	}
	return nil
}

// parkRead waits for a place until the read deadline. It reports false with no error when the read needs no place any
// more, because a request of the same connection has got one. A kick that came for a request which has ended since
// changes nothing: the wait begins again.
func (c *conn) parkRead(s *sliceState) (entered bool, err error) {
	if c.turnWithin > 0 {
		c.readDeadline.sooner(time.Now().Add(c.turnWithin))
	}
	for {
		ended := c.readDeadline.begin()
		if !c.atBoundary() {
			c.readDeadline.end()
			return false, nil
		}
		c.heldByGate()
		err := s.gate.EnterRead(ended)
		c.heldNoMore()
		c.readDeadline.end()
		switch {
		case err == nil:
			return true, nil
		case !errors.Is(err, shape.ErrCanceled):
			return false, net.ErrClosed // the gateway is stopping
		case c.readDeadline.isClosed():
			return false, net.ErrClosed
		case c.readDeadline.passed():
			return false, errNoPlace
		}
	}
}

// errNoPlace is what a read ends with when the next request has waited unread for a place until the deadline. Like every deadline it may be moved and
// the read tried again, so it is a timeout that passes.
var errNoPlace net.Error = noPlace{}

type noPlace struct{}

func (noPlace) Error() string   { return "no place in the slice until the deadline" }
func (noPlace) Timeout() bool   { return true }
func (noPlace) Temporary() bool { return true }
func (noPlace) Unwrap() error   { return os.ErrDeadlineExceeded }

// waitError is what a wait that ended without its object means for the caller of Read or Write.
func (c *conn) waitError() error {
	if c.readDeadline.isClosed() {
		return net.ErrClosed
	}
	return os.ErrDeadlineExceeded
}

// payForRead holds back what was read until the slice's rate allows it. When the deadline ends the wait the bytes are
// handed over all the same, and what follows waits the longer. They were read at now.
func (c *conn) payForRead(s *sliceState, n int, now time.Time) {
	sched := c.gateway.scheduler
	if !sched.TryTake(s.flow, n) {
		c.heldByCeiling(s)
		ok := sched.Take(s.flow, n, c.readDeadline.begin())
		c.heldNoMore()
		c.readDeadline.end()
		if !ok {
			sched.Charge(s.flow, n)
		}
		now = time.Now()
	}
	if c.probe.Load() == nil {
		s.counters.AddBytes(now, n, 0)
	}
}

func (c *conn) noteFirstByte(now time.Time) {
	if c.firstByteNs.Load() == 0 {
		c.firstByteNs.Store(now.UnixNano())
	}
}

// throttled reports whether a write of the connection waited for the scheduler since a moment.
func (c *conn) throttled(since time.Time) bool { return c.throttledNs.Load() > since.UnixNano() }

// Write implements net.Conn: it moves p in quanta, each when the slice may, and cuts a client that takes nothing for
// the stall timeout.
func (c *conn) Write(p []byte) (int, error) {
	if r := c.relay.Load(); r != nil {
		return r.write(p)
	}
	c.endSigning()
	s := c.bound.Load()
	quantum := shape.QuantumBytes
	if s != nil {
		quantum = int(s.quantum.Load())
	}
	done := 0
	for done < len(p) {
		chunk := p[done:min(done+quantum, len(p))]
		if err := c.payForWrite(s, len(chunk)); err != nil {
			return done, err
		}
		n, err := c.writePaid(s, chunk)
		done += n
		if err != nil {
			return done, err
		}
	}
	c.lastWriteNs.Store(time.Now().UnixNano())
	return done, nil
}

// payForWrite waits until the slice, if any, may send n bytes.
func (c *conn) payForWrite(s *sliceState, n int) error {
	if s == nil || c.gateway.scheduler.TryTake(s.flow, n) {
		return nil
	}
	c.throttledNs.Store(math.MaxInt64)
	c.heldByCeiling(s)
	ok := c.gateway.scheduler.Take(s.flow, n, c.writeDeadline.begin())
	c.heldNoMore()
	c.writeDeadline.end()
	c.throttledNs.Store(time.Now().UnixNano())
	if !ok {
		return c.waitError()
	}
	return nil
}

// writePaid writes what was paid for. In each stall timeout the client must take a quantum.
func (c *conn) writePaid(s *sliceState, p []byte) (done int, err error) {
	for done < len(p) {
		now := time.Now()
		c.armWrite(now)
		n, err := c.Conn.Write(p[done:min(done+shape.QuantumBytes, len(p))])
		done += n
		c.countWritten(s, now, n)
		if err != nil {
			c.noteStall(s, err)
			return done, err
		}
	}
	return done, nil
}

func (c *conn) countWritten(s *sliceState, now time.Time, n int) {
	if s != nil && n > 0 && c.probe.Load() == nil {
		s.counters.AddBytes(now, 0, n)
		if c.served.Load() {
			c.gateway.lately.note(s, now)
		}
	}
}

// armWrite keeps the socket's write deadline between half and one stall timeout ahead, or at the user's if earlier.
func (c *conn) armWrite(now time.Time) {
	stall := c.gateway.config.StallTimeout
	c.mu.Lock()
	defer c.mu.Unlock()
	want := now.Add(stall)
	if !c.writeUntil.IsZero() && c.writeUntil.Before(want) {
		want = c.writeUntil
	}
	if want.Sub(c.writeUntilSet).Abs() < stall/2 && !c.writeUntilSet.After(want) {
		return
	}
	c.writeUntilSet = want
	// An error here means a closed socket; the write that follows reports it.
	_ = c.Conn.SetWriteDeadline(want)
}

func (c *conn) noteStall(s *sliceState, err error) {
	if s == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	c.mu.Lock()
	byUser := !c.writeUntil.IsZero() && !time.Now().Before(c.writeUntil)
	c.mu.Unlock()
	if !byUser {
		s.counters.Cut.Add(1)
	}
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn; it also ends waits for a turn.
func (c *conn) SetReadDeadline(t time.Time) error {
	return c.readDeadline.set(t, c.Conn.SetReadDeadline)
}

// readBy is SetReadDeadline for the limits of single requests, which cost less when the socket's deadline need not be moved for each.
func (c *conn) readBy(t time.Time) { c.readDeadline.by(t, c.Conn.SetReadDeadline) }

// SetWriteDeadline implements net.Conn; it also ends waits for the scheduler. Without one the stall timeout holds.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeUntil, c.writeUntilSet = t, t
	return c.writeDeadline.set(t, c.Conn.SetWriteDeadline)
}

// CloseWrite ends our side of the stream and keeps the other; net/http needs it for an orderly end.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close implements net.Conn; it may be called more than once.
func (c *conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		c.readDeadline.close()
		c.writeDeadline.close()
		err = c.Conn.Close()
		if end := c.end.Load(); end != nil {
			(*end)()
		}
		c.leavePlace()
		c.mu.Lock()
		c.shut = true
		if c.counted {
			c.bound.Load().counters.Sessions.Add(-1)
		}
		c.mu.Unlock()
		c.gateway.forget(c)
	})
	return err
}

// takePlace hands the place that reading took to a request.
func (c *conn) takePlace() bool { return c.place.Swap(false) }

func (c *conn) leavePlace() {
	if c.takePlace() {
		c.bound.Load().gate.Leave()
	}
}
