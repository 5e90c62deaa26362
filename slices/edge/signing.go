package edge

import (
	"context"
	"time"
)

// A handshake costs a key exchange and a signature, about a hundred times what a request costs, and Go runs as many at once as there are
// cores: beside a flood of handshakes every other slice would wait for a core. So each slice computes one at a time, and after each
// it rests as long as that took: a slice that is flooded keeps half a core busy with key exchanges, not all there are. What is
// bounded is the computing alone, from the client's hello to the server's answer: a client that is slow to go on holds nothing.

// signingRestMost bounds a rest: a process that was stopped for a while has not computed all that time.
const signingRestMost = 5 * time.Millisecond

// beginSigning waits for the slice's turn to compute a handshake. It is called when the hello was read and before the key is used.
// Error: the handshake's deadline.
func (c *conn) beginSigning(ctx context.Context) error {
	s := c.bound.Load()
	if s == nil || c.signing.Load() != nil {
		return nil
	}
	select {
	case s.signing <- struct{}{}:
		c.signingSince = time.Now()
		c.signing.Store(s)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// endSigning gives the turn back: with the first byte of the answer, and in any case when the handshake has ended.
func (c *conn) endSigning() {
	if s := c.signing.Swap(nil); s != nil {
		time.AfterFunc(min(time.Since(c.signingSince), signingRestMost), func() { <-s.signing })
	}
}
