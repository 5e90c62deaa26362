package edge

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// slowAfter is how long a backend may be silent before the client's connection is watched for its end.
const slowAfter = 100 * time.Millisecond

// stillHere is what a client that has ended its side is told while its backend works. Who only half-closed may simply discard it
// (RFC 9110, section 15.2.1); the kernel of one that has gone answers with a reset. Nothing else tells the two apart.
const stillHere = "HTTP/1.1 100 Continue\r\n\r\n"

// watch1 notices that a client goes away while its backend is slow. The byte it may read instead is the next request's.
//
// The end of the client's side alone is no going away: a half-closed client gets its answer (RFC 9112, section 9.6). It is taken for one
// after an answer without an end of its own has begun (an event stream), where nothing can be said to find out and nobody half-closes.
type watch1 struct {
	ended  chan struct{} // nil: not watching
	gone   atomic.Bool
	half   atomic.Bool // the client sends nothing more
	ending atomic.Bool
	one    [1]byte
	have   bool // one holds a byte that is to be read next

	mu       sync.Mutex // taken to write to the client while the watch may
	answered bool       // the answer's head is on its way, if a watch begins or has begun
	streamed bool       // of a stream
}

// slow begins the watch. It is called by the goroutine that reads from the backend.
func (t *transit) slow() {
	w := &t.k.watch
	if w.ended != nil || w.have {
		return
	}
	w.ended = make(chan struct{})
	go func() {
		defer close(w.ended)
		if u := t.upload; u != nil { // until then it reads the client's connection
			if <-u.ended; !u.whole {
				return
			}
		}
		if t.left() && !w.ending.Load() {
			w.gone.Store(true)
			_ = t.up.Close() // wakes who waits for an answer that nobody wants any more
		}
	}()
}

// left returns true when the client has gone, or when the watch ends, and false when it sends its next request.
func (t *transit) left() bool {
	w, k := &t.k.watch, t.k
	if !w.half.Load() {
		n, err := k.nc.Read(w.one[:])
		if n == 1 {
			w.have = true
			return false
		}
		w.half.Store(errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
	}
	if w.half.Load() && w.waits(k, t.minor) {
		k.c.waitBroken()
	}
	return true
}

// waits reports whether a client that has ended its side may be waiting for its answer. One that cannot be is found out by what it is told.
func (w *watch1) waits(k *client1, minor int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.answered {
		return !w.streamed
	}
	if minor == 0 {
		return true // HTTP/1.0 knows no such word
	}
	_, err := io.WriteString(k.nc, stillHere)
	return err == nil
}

// answer says that the answer's head goes out next: the watch writes nothing any more.
func (w *watch1) answer(streamed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered, w.streamed = true, streamed
}

// end ends the watch and reports whether the client had gone.
func (w *watch1) end(k *client1) (gone bool) {
	if w.ended == nil {
		return false
	}
	w.ending.Store(true)
	_ = k.c.SetReadDeadline(aLongTimeAgo)
	<-w.ended
	_ = k.c.SetReadDeadline(time.Time{})
	w.ended = nil
	w.ending.Store(false)
	return w.gone.Load()
}

// Read implements io.Reader for the connection's buffer: a byte that the watch has read comes first.
func (k *client1) Read(p []byte) (int, error) {
	if k.watch.have && len(p) > 0 {
		k.watch.have = false
		p[0] = k.watch.one[0]
		return 1, nil
	}
	if k.next.now {
		return k.next.read(p)
	}
	return k.nc.Read(p)
}
