package edge

import (
	"context"
	"errors"
	"net"
	"time"
)

// Close stops accepting, lets requests and streams finish for at most drain, cuts what is left, and returns when no
// goroutine of the gateway runs any more. Closing twice is harmless. The error says that something had to be cut.
func (g *Gateway) Close(drain time.Duration) error {
	g.mu.Lock()
	if g.closing {
		g.mu.Unlock()
		return nil
	}
	g.closing = true
	started, responder, front := g.started, g.responder, g.quic
	states := make([]*sliceState, 0, len(g.states))
	for _, st := range g.states {
		states = append(states, st)
	}
	g.mu.Unlock()

	var err error
	if front != nil {
		front.shut()
	}
	if started {
		err = g.drain(drain)
	}
	g.scheduler.Close()
	for _, st := range states {
		st.gate.Close()
	}
	cut := g.cutAll()
	if front != nil {
		err = errors.Join(err, front.close())
	}
	g.serveLoops.Wait()
	g.handlers.Wait()
	for _, st := range states {
		st.closeIdle()
	}
	if responder != nil {
		err = errors.Join(err, responder.close())
	}
	if cut > 0 {
		g.log.Info("connections cut at stop", "count", cut)
	}
	return err
}

// drain waits for requests (which net/http knows) and upgraded streams (which only we know) at the same time.
func (g *Gateway) drain(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	g.mu.Lock()
	g.drained = make(chan struct{})
	drained := g.drained
	if len(g.conns) == 0 {
		close(g.drained)
		g.drained = nil
	}
	g.mu.Unlock()
	g.stopAccepting()
	err := g.server.Shutdown(ctx)
	if err == nil {
		select {
		case <-drained:
			return nil
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	// The time is over: net/http closes what it knows, cutAll the rest. Its error would repeat the same closings.
	_ = g.server.Close()
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// stopAccepting ends the listeners and the connections between two requests; the others end after the request in hand.
func (g *Gateway) stopAccepting() {
	g.stopping.Store(true)
	g.mu.Lock()
	listeners := []net.Listener{g.plain, g.secure}
	var idle []*conn
	for c := range g.conns {
		if c.phase.CompareAndSwap(client1Idle, client1Closed) {
			idle = append(idle, c)
		}
	}
	g.mu.Unlock()
	for _, ln := range listeners {
		if ln != nil {
			_ = ln.Close() // it accepts nothing more either way
		}
	}
	for _, c := range idle {
		_ = c.Close() // nothing is lost
	}
}

// cutAll closes every connection that is still open and returns their number.
func (g *Gateway) cutAll() int {
	g.mu.Lock()
	left := make([]*conn, 0, len(g.conns))
	for c := range g.conns {
		left = append(left, c)
	}
	g.mu.Unlock()
	for _, c := range left {
		_ = c.Close() // the socket goes away either way
	}
	return len(left)
}

// context is that of the requests that net/http reads from the connection. It ends with the connection, which net/http does not see to after an upgrade:
// a backend that never ends its side would keep the request, and whoever waits for it, for ever.
func (c *conn) context(ctx context.Context) context.Context {
	ctx, end := context.WithCancel(withConn(ctx, c))
	c.end.Store(&end)
	if c.readDeadline.isClosed() {
		end() // closed at the same moment: Close did not see it
	}
	return ctx
}
