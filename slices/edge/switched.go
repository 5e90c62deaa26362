package edge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge/h1"
)

// Thousands of switched connections (WebSockets, mostly) are open at a time and wait most of it. So one that waits is one goroutine and a few hundred
// bytes: of the request that opened it nothing is left, what the backend says comes by a pump of the slice, and the client's bytes are read into a
// buffer that is taken when they are here. docs/decisions/0069-idle-websockets.md has the figures.

// switchedBytes is what is read of one direction at first, in bytes; while it fills, copyBufferBytes.
const switchedBytes = 4 << 10

// switchedTLSBytes is the same over TLS, where whether there is something is known only by reading: the buffer is held while the connection waits.
const switchedTLSBytes = 1 << 10

// farEnd is the backend's side of a switched connection. Write waits until the backend has taken all. Close ends every wait, also that for ended.
type farEnd interface {
	io.WriteCloser
	CloseWrite() error
	// begin takes what the backend says to the client from now on. After its end, the client's side is ended too, and after a failure both directions are.
	begin(c *conn, user net.Conn)
	// ended is closed when nothing goes to the client any more.
	ended() <-chan struct{}
}

// passage is a connection that speaks another protocol than HTTP from now on. Its goroutine takes what the client says to the backend.
type passage struct {
	conn   *conn
	user   net.Conn // conn, or TLS over it
	frames *framed  // over user, where idle frames are to be paid for; nil: they are not
	back   farEnd
	early  []byte // came behind the request
	lent   lentRead
}

// switchOver makes a passage of the connections to client and backend after an answer 101. What the backend has said already goes out with the answer.
// It reports whether the client's connection may carry another request: only when there is none.
func (t *transit) switchOver() (again bool) {
	k, up := t.k, t.up
	k.watch.answer(false)
	t.uploadEnds()
	whole, gone := t.endUpload(), k.watch.end(k)
	if gone || !whole {
		_ = up.Close()
		if !gone {
			t.upload = nil // the end of which is ours
			return t.fail(t.failed(errors.New("switched to another protocol before it had all of the request")))
		}
		return false
	}
	k.back = t.switchedHead(k.back[:0])
	_, _ = up.br.Discard(up.head) // from here on the fields of the response are gone
	said, _ := up.br.Peek(up.br.Buffered())
	k.back = append(k.back, said...)
	p := &passage{conn: k.c, user: k.nc, back: t.x.target.slice.pumps.farEnd(up, k.g.buffers)}
	p.early, _ = k.br.Peek(k.br.Buffered())
	p.early = bytes.Clone(p.early)
	if k.watch.have {
		p.early = append(p.early, k.watch.one[0])
	}
	if t.socket {
		p.frames = &framed{Conn: k.nc, conn: k.c, frames: &webSocketFrames{ends: len("\r\n\r\n")}}
		p.user = p.frames
	}
	t.x.becomeStream()
	k.c.upgraded.Store(true)
	if !t.flush() {
		_ = p.back.Close() // the client has gone
		return false
	}
	k.passage = p
	return false
}

// switches reports whether the answer 101 switches to the protocol that was asked for.
func (t *transit) switches() bool {
	r := &t.k.resp
	connection, to := r.Field("connection"), r.Field("upgrade")
	return t.protocol != nil && connection != nil && h1.HasToken(connection.Value, "upgrade") && to != nil && bytes.EqualFold(to.Value, t.protocol)
}

// switchedHead writes the answer 101 for the client.
func (t *transit) switchedHead(out []byte) []byte {
	r := &t.k.resp
	out = appendStatus(append(out, "HTTP/1.1 "...), r.Status, r.Reason)
	out = t.responseFields(out, false)
	if t.k.alt != "" {
		out = append(append(append(out, altSvcHeader+": "...), t.k.alt...), "\r\n"...)
	}
	out = append(append(out, "Connection: Upgrade\r\nUpgrade: "...), r.Field("upgrade").Value...)
	return append(out, "\r\n\r\n"...)
}

// run takes what is said both ways until both have ended their side, or one way has failed. It returns when nothing of the passage is left.
func (p *passage) run() {
	c := p.conn
	_ = c.SetDeadline(time.Time{}) // a closed socket says so at the read
	c.tlsState = nil
	end := context.CancelFunc(func() { _ = p.back.Close() }) // a backend that never ends its side would be waited for for ever
	c.end.Store(&end)
	if c.readDeadline.isClosed() {
		end() // closed at the same moment: Close did not see it
	}
	p.back.begin(c, p.user)
	if p.toBackend() == nil && p.back.CloseWrite() == nil {
		<-p.back.ended()
	}
	_ = p.user.Close() // closed before where that way has failed
	_ = p.back.Close()
	<-p.back.ended()
	c.bound.Load().counters.Streams.Add(-1)
	c.working.Add(-1)
}

// toBackend takes what the client says to the backend until the client's end.
func (p *passage) toBackend() error {
	if len(p.early) > 0 {
		if p.frames != nil {
			if err := p.frames.note(p.early); err != nil {
				return err
			}
		}
		if _, err := p.back.Write(p.early); err != nil {
			return err
		}
		p.early = nil
	}
	if p.below() == net.Conn(p.conn) {
		return p.lend()
	}
	_, err := copySwitched(p.back, p.user, p.conn.gateway.buffers, switchedTLSBytes)
	return err
}

// below is the client's connection without what looks at frames.
func (p *passage) below() net.Conn {
	if p.frames != nil {
		return p.frames.Conn
	}
	return p.user
}

// pass takes a piece to the backend, as far as the slice's rate allows it.
func (p *passage) pass(s *sliceState, piece []byte) error {
	p.conn.payForRead(s, len(piece), time.Now())
	if p.frames != nil {
		if err := p.frames.note(piece); err != nil {
			return err
		}
	}
	_, err := p.back.Write(piece)
	return err
}

// copiedEnd is a backend's connection whose words a goroutine of its own copies: where there are no pumps, or no descriptor is left.
type copiedEnd struct {
	net.Conn
	buffers *bufferPool
	over    chan struct{}
}

func newCopiedEnd(up *upstream, buffers *bufferPool) *copiedEnd {
	_ = up.SetDeadline(time.Time{}) // a closed socket says so at the read
	return &copiedEnd{up.Conn, buffers, make(chan struct{})}
}

func (e *copiedEnd) begin(_ *conn, user net.Conn) {
	go func() {
		defer close(e.over)
		_, err := copySwitched(user, e.Conn, e.buffers, switchedBytes)
		endUser(user, err)
	}()
}

func (e *copiedEnd) ended() <-chan struct{} { return e.over }

// CloseWrite ends our side of the stream and keeps the other.
func (e *copiedEnd) CloseWrite() error { return closeWrite(e.Conn) }

// endUser ends what goes to a client: its side alone after the backend's end, and everything after a failure, which also ends the wait for the client.
func endUser(user net.Conn, failure error) {
	if failure != nil || closeWrite(user) != nil {
		_ = user.Close() // it is gone either way
	}
}

// copySwitched copies until the end. Its buffer is a small one, of as many bytes; while src fills it, a large one is taken from the pool.
func copySwitched(dst io.Writer, src io.Reader, pool *bufferPool, smallBytes int) (n int64, err error) {
	small := make([]byte, smallBytes)
	buf := small
	defer func() {
		if len(buf) > len(small) {
			pool.Put(buf)
		}
	}()
	for {
		got, err := src.Read(buf)
		if got > 0 {
			written, wrong := dst.Write(buf[:got])
			n += int64(written)
			if wrong != nil {
				return n, wrong
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		case len(buf) == len(small) && got == len(small):
			buf = pool.Get()
		case len(buf) > len(small) && got <= len(small):
			pool.Put(buf)
			buf = small
		}
	}
}
