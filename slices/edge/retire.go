package edge

import "context"

// Retire accepts no more connections and returns when the last one has ended by itself, or when ctx ends and what is left was cut;
// cut is their number. Its listeners close at once: other processes that hold the same sockets go on accepting from them. What comes
// on an open connection is still answered, with the word that the connection ends after it (Connection: close, GOAWAY), so a client never
// loses a request to a connection that is closed while it sends. Over HTTP/2 the word comes at once, and what is on its way is taken.
// Streams run to their own end; idle connections of HTTP/2 end after goAwayAfter, others when their client closes them or at the
// idle timeout. The gateway is closed afterwards. Call it at most once.
func (g *Gateway) Retire(ctx context.Context) (cut int, err error) {
	g.StopListening()
	g.mu.Lock()
	front := g.quic
	g.mu.Unlock()
	if front != nil {
		front.settle(ctx)
	}
	g.mu.Lock()
	drained := make(chan struct{})
	if len(g.conns) == 0 {
		close(drained)
	} else {
		g.drained = drained
	}
	g.mu.Unlock()
	select {
	case <-drained:
	case <-ctx.Done():
		g.mu.Lock()
		cut = len(g.conns)
		g.drained = nil
		g.mu.Unlock()
	}
	return cut, g.Close(0)
}

// StopListening closes the gateway's own descriptors of its listening sockets, and takes no new connection from a shared UDP port.
// Open connections go on. Calling it twice is harmless.
func (g *Gateway) StopListening() {
	if !g.retiring.Swap(true) {
		g.tellToGo()
	}
	g.mu.Lock()
	plain, secure, front := g.plain, g.secure, g.quic
	g.mu.Unlock()
	if front != nil {
		front.retire()
	}
	if plain != nil {
		_ = plain.Close() // closed before: nothing is accepted either way
	}
	if secure != nil {
		_ = secure.Close()
	}
	g.listenLoops.Wait() // what was accepted at the same moment is counted now
}

// Connections is the number of open connections.
func (g *Gateway) Connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.conns)
}
