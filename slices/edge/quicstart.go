package edge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Before the hello of a QUIC client is read, a connection is made for it: keys of the first packets, half a dozen goroutines, and nobody knows yet whose slice
// will pay. The library asks, on the goroutine that makes all of them, before it makes one, and there each waits for its turn: while any slice has work one is
// made at a time, and after its hello was read the next waits as long as that took. What comes meanwhile queues in the library, 1,024 datagrams, and then
// is dropped as UDP does. Datagrams of connections that are made, and clients that are asked to show where they are, do not pass here.
// docs/decisions/0068-before-the-hello.md has the why and the figures.

// quicStartMost is how long a hello is waited for: its second half may be late or never come, and must not hold up the next for long.
const quicStartMost = 2 * time.Millisecond

// quicStarts holds the connection that was made last. One goroutine makes them.
type quicStarts struct{ last atomic.Pointer[quicStart] }

// quicStart is one connection from the moment it may be made until its hello was read, or it was given up.
type quicStart struct {
	since time.Time
	once  sync.Once
	read  chan struct{} // closed when took is set
	took  time.Duration
}

type quicStartKey struct{}

// end says that the hello was read, or that none will be. Any call but the first does nothing.
func (s *quicStart) end() {
	s.once.Do(func() {
		s.took = time.Since(s.since)
		close(s.read)
	})
}

// start waits for the turn of the next connection and takes it; its context carries it to admit.
func (f *quicFront) start(ctx context.Context) context.Context {
	if last := f.starts.last.Load(); last != nil && f.gateway.lately.any(time.Now()) {
		last.rest(f.ctx.Done())
	}
	s := &quicStart{since: time.Now(), read: make(chan struct{})}
	f.starts.last.Store(s)
	context.AfterFunc(ctx, s.end)
	return context.WithValue(ctx, quicStartKey{}, s)
}

// rest waits until the hello was read, or quicStartMost is over, and as long again; no longer than until over is closed.
func (s *quicStart) rest(over <-chan struct{}) {
	timer := time.NewTimer(quicStartMost - time.Since(s.since))
	defer timer.Stop()
	took := quicStartMost
	select {
	case <-s.read:
		took = min(s.took, quicStartMost)
	case <-timer.C:
	case <-over:
		return
	}
	timer.Reset(2*took - time.Since(s.since))
	select {
	case <-timer.C:
	case <-over:
	}
}
