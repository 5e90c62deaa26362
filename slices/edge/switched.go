package edge

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// switchedBytes is what one direction of a switched connection holds while it waits, in bytes. Thousands of them wait most of the time.
const switchedBytes = 4 << 10

// pumpThreadsMax bounds the threads that a gateway's pumps have for themselves: each slice with a crowd takes one, and Go ends a process that has 10,000.
const pumpThreadsMax = 64

// pumpThreads counts them. Safe for concurrent use.
type pumpThreads struct{ taken atomic.Int32 }

// take reports whether there is one more.
func (t *pumpThreads) take() bool {
	if t.taken.Add(1) <= pumpThreadsMax {
		return true
	}
	t.taken.Add(-1)
	return false
}

func (t *pumpThreads) give() { t.taken.Add(-1) }

// switched is a backend's connection that speaks another protocol than HTTP from now on: a WebSocket, mostly. ReverseProxy copies both ways with
// io.Copy, which leaves the copying to WriteTo and ReadFrom. What comes from the backend goes by a pump of the slice, where there are pumps.
type switched struct {
	io.ReadWriteCloser
	buffers *bufferPool
}

// traceDialed notes the connection that a request goes to its backend by.
func traceDialed(ctx context.Context, x *exchange) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { x.dialed = c.Conn }})
}

// keepSwitched puts a switched in the place of the body of an answer 101.
func keepSwitched(resp *http.Response, x *exchange) {
	body, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		return
	}
	if r := x.target.slice.pumps.take(body, x.dialed); r != nil {
		body = r
	}
	resp.Body = &switched{body, x.conn.gateway.buffers}
}

// CloseWrite ends our side of the stream and keeps the other.
func (s *switched) CloseWrite() error {
	if half, ok := s.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// WriteTo implements io.WriterTo: what the backend says goes to w until its end.
func (s *switched) WriteTo(w io.Writer) (n int64, err error) {
	if r, ok := s.ReadWriteCloser.(*relay); ok {
		if user, ok := w.(net.Conn); ok && connOf(user) != nil {
			return r.relay(connOf(user), user)
		}
	}
	return copySwitched(w, s.ReadWriteCloser, s.buffers)
}

// ReadFrom implements io.ReaderFrom: what the client says goes to the backend until its end.
func (s *switched) ReadFrom(r io.Reader) (n int64, err error) {
	return copySwitched(s.ReadWriteCloser, r, s.buffers)
}

// copySwitched copies until the end. Its buffer is a small one; while src fills it, a large one is taken from the pool.
func copySwitched(dst io.Writer, src io.Reader, pool *bufferPool) (n int64, err error) {
	small := make([]byte, switchedBytes)
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
