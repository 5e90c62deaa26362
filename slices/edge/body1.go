package edge

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge/h1"
)

// body1 is the body of the request in hand. One goroutine reads it.
type body1 struct {
	k       *client1
	chunked *h1.Chunked // nil: left bytes
	left    int64
	most    int64 // that may still come of a chunked one
	expect  bool  // the client waits for a word before it sends
	done    atomic.Bool
}

// body gives the body of the request just parsed; nil: it has none.
func (k *client1) body() *body1 {
	if !k.req.Chunked && k.req.Length == 0 {
		return nil
	}
	b := &body1{k: k, left: k.req.Length, most: k.g.config.BodyBytesMax, expect: k.req.Expect}
	if k.req.Chunked {
		b.chunked = &h1.Chunked{R: k.br}
	}
	return b
}

// ended reports whether all of it was read.
func (b *body1) ended() bool { return b == nil || b.done.Load() }

// Read implements io.Reader. Nothing for the stall timeout is an error, and so is more than the gateway takes.
func (b *body1) Read(p []byte) (int, error) {
	if b.done.Load() {
		return 0, io.EOF
	}
	if b.expect {
		b.expect = false
		if b.k.br.Buffered() == 0 {
			if _, err := io.WriteString(b.k.nc, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
				return 0, err
			}
		}
	}
	if b.k.br.Buffered() == 0 {
		_ = b.k.c.SetReadDeadline(time.Now().Add(b.k.g.config.StallTimeout)) // a closed socket says so at the read
	}
	n, err := b.take(p)
	if b.most -= int64(n); b.most < 0 {
		return 0, &http.MaxBytesError{Limit: b.k.g.config.BodyBytesMax}
	}
	switch {
	case errors.Is(err, io.EOF):
		b.done.Store(true)
		_ = b.k.c.SetReadDeadline(time.Time{})
	case err != nil:
		b.k.c.broken.Store(true) // what follows cannot be told from the body's rest
	}
	return n, err
}

func (b *body1) take(p []byte) (int, error) {
	if b.chunked != nil {
		return b.chunked.Read(p)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.k.br.Read(p)
	b.left -= int64(n)
	switch {
	case b.left == 0:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

var upload1Pool = sync.Pool{New: func() any { return new([copy1Bytes]byte) }}

// upload1 sends a body to the backend while the answer may come already.
type upload1 struct {
	ended     chan struct{}
	clientErr error // set before ended: the body did not come as it should
	whole     bool  // set before ended: all of it was sent
}

// startUpload begins to send the body. The client's connection is read by it alone until endUpload.
func (t *transit) startUpload() *upload1 {
	u := &upload1{ended: make(chan struct{})}
	body, up, stall := t.body, t.up, t.k.g.config.StallTimeout
	go func() {
		defer close(u.ended)
		buf := upload1Pool.Get().(*[copy1Bytes]byte)
		defer upload1Pool.Put(buf)
		var framed []byte
		for {
			n, err := body.Read(buf[:])
			data := buf[:n]
			if body.chunked != nil {
				framed = h1.AppendChunk(framed[:0], data)
				if errors.Is(err, io.EOF) {
					framed = append(framed, "0\r\n\r\n"...)
				}
				data = framed
			}
			if len(data) > 0 {
				if failed := up.write(data, stall); failed != nil {
					return // the backend takes no more; it may have answered
				}
			}
			if errors.Is(err, io.EOF) {
				u.whole = true
				return
			}
			if err != nil {
				u.clientErr = err
				_ = up.Close() // wakes who waits for an answer to half a request
				return
			}
		}
	}()
	return u
}

// uploadEnds gives an upload that is all but over the moment to end, so that the answer need not close the connection.
func (t *transit) uploadEnds() bool {
	if t.upload == nil {
		return true
	}
	select {
	case <-t.upload.ended:
		return t.upload.whole
	case <-time.After(time.Millisecond):
		return false
	}
}

// endUpload ends the upload, if there is one, and reports whether all of the body was sent.
func (t *transit) endUpload() (complete bool) {
	u := t.upload
	if u == nil {
		return true
	}
	select {
	case <-u.ended:
	default:
		_ = t.up.SetWriteDeadline(aLongTimeAgo)
		_ = t.k.c.SetReadDeadline(aLongTimeAgo)
		<-u.ended
		_ = t.k.c.SetReadDeadline(time.Time{})
	}
	return u.whole
}

var aLongTimeAgo = time.Unix(1, 0)
