package edge

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge/peek"
)

// Where each latency group has a process of its own, the one that accepts looks at what a client sends first, without taking it out of the socket,
// and hands the connection on when its host's slice is of another group. What it cannot tell it serves itself: every process has the whole table.

const (
	// peekBytesMax is how much of a connection is looked at. A hello or head whose host comes later is served where it is.
	peekBytesMax = 17 << 10
	// http2Grace is how long a client of HTTP/2 without TLS may take from its preface to its first request. One that waits for an answer to the
	// preface before it asks is served where it is after that.
	http2Grace = 10 * time.Millisecond
)

// peekPool has the memory for looking; a connection holds none of it while it waits.
var peekPool = sync.Pool{New: func() any { return new([peekBytesMax]byte) }}

// passOn hands a connection to the process of its group. It reports true when there is nothing left to do here: it was handed on, or its client
// went away or took too long.
func (g *Gateway) passOn(c *conn, secure bool) (gone bool) {
	if g.proberAt(c.RemoteAddr().String()) != nil {
		return false // this process's own
	}
	answer, err := g.look(c, secure)
	if err != nil {
		return true
	}
	host, err := ParseHost(answer.Host)
	if err != nil {
		return false
	}
	t := g.serving.Load().hosts[host]
	return t != nil && t.group != g.config.Group && g.config.Pass(c.raw, secure)
}

// look waits until the client's first bytes name a host, or cannot name one any more, for as long as a hello or a head may take. The error is that
// of a client which did not say as much in time, or of a connection that was closed here.
func (g *Gateway) look(c *conn, secure bool) (peek.Answer, error) {
	l := looker{ask: peek.HTTP}
	until := time.Now().Add(g.config.HeaderTimeout)
	if secure {
		l.ask, c.headUntil = peek.TLS, until
	}
	defer func() { _ = c.SetReadDeadline(time.Time{}) }() // a closed socket says so at the next read
	for {
		begun := !c.headUntil.IsZero()
		_ = c.SetReadDeadline(until)
		err := c.raw.Read(func(fd uintptr) bool { return l.turn(int(fd), begun) })
		switch {
		case err != nil && l.answer.HTTP2 && errors.Is(err, os.ErrDeadlineExceeded):
			return peek.Answer{}, nil
		case err != nil:
			return peek.Answer{}, err
		}
		if !begun { // a head's time counts from its first byte
			until = time.Now().Add(g.config.HeaderTimeout)
			c.headUntil = until
		}
		if l.done {
			return l.answer, nil
		}
		if l.answer.HTTP2 {
			until = time.Now().Add(http2Grace)
		}
	}
}

// looker is one connection that is looked at.
type looker struct {
	ask    func([]byte) peek.Answer
	seen   int // bytes that were looked at already
	answer peek.Answer
	done   bool
}

// turn looks at what has come. It reports false to wait for more, and true when the time to wait for changes: when it is done, at the first bytes
// (begun says that they were here before), and at HTTP/2. Woken without anything new it waits on. A client that has ended its side sends nothing
// more, and may have done so before the look: then no wake-up comes.
func (l *looker) turn(fd int, begun bool) bool {
	buf := peekPool.Get().(*[peekBytesMax]byte)
	defer peekPool.Put(buf)
	n, err := peekBytes(fd, buf[:])
	if err == syscall.EAGAIN {
		return false
	}
	wasHTTP2 := l.answer.HTTP2
	if n > l.seen {
		l.seen, l.answer = n, l.ask(buf[:n])
	}
	switch {
	case err != nil, n == 0, l.answer.More && (n == len(buf) || ended(fd)):
		l.answer, l.done = peek.Answer{}, true // whoever serves it sees the same
	case !l.answer.More:
		l.done = true
	}
	return l.done || !begun || l.answer.HTTP2 && !wasHTTP2
}
