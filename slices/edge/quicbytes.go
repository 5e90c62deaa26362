package edge

import (
	"context"
	"io"
	"time"
)

// quicWriter schedules what an HTTP/3 response sends in the slice of its connection.
type quicWriter struct {
	*steadyWriter
	ctx  context.Context
	conn *conn
}

// Write implements io.Writer.
func (w *quicWriter) Write(p []byte) (int, error) {
	return w.conn.writeScheduled(w.ctx, p, w.steadyWriter.Write)
}

// quicBody holds back what a request's body brought until the slice's rate allows it; QUIC's windows then stall the sender.
type quicBody struct {
	io.ReadCloser
	ctx  context.Context
	conn *conn
}

// Read implements io.Reader.
func (b *quicBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.conn.payForQUIC(b.ctx, n)
	return n, err
}

// writeScheduled moves p in quanta, each when the slice may.
func (c *conn) writeScheduled(ctx context.Context, p []byte, write func([]byte) (int, error)) (int, error) {
	s, done := c.bound.Load(), 0
	quantum := int(s.quantum.Load())
	for done < len(p) {
		chunk := p[done:min(done+quantum, len(p))]
		if sched := c.gateway.scheduler; !sched.TryTake(s.flow, len(chunk)) && !sched.Take(s.flow, len(chunk), ctx.Done()) {
			return done, context.Cause(ctx)
		}
		n, err := write(chunk)
		done += n
		s.counters.AddBytes(time.Now(), 0, n)
		if err != nil {
			return done, err
		}
	}
	c.lastWriteNs.Store(time.Now().UnixNano())
	return done, nil
}

// payForQUIC waits until the slice's rate allows n bytes that were read. When the wait is ended they are handed over all the same, and
// what follows waits the longer.
func (c *conn) payForQUIC(ctx context.Context, n int) {
	if n <= 0 {
		return
	}
	s, sched := c.bound.Load(), c.gateway.scheduler
	if !sched.TryTake(s.flow, n) && !sched.Take(s.flow, n, ctx.Done()) {
		sched.Charge(s.flow, n)
	}
	s.counters.AddBytes(time.Now(), n, 0)
}
