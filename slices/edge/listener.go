package edge

import (
	"net"
	"sync"
	"syscall"
)

// listener wraps every accepted socket in a conn and accepts nothing while ConnectionsMax are open: new clients then
// wait in the kernel's backlog.
type listener struct {
	net.Listener
	gateway *Gateway
	once    sync.Once
	closed  chan struct{}
}

func newListener(g *Gateway, ln net.Listener) *listener {
	return &listener{Listener: ln, gateway: g, closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.gateway.open <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	inner, err := l.Listener.Accept()
	if err != nil {
		<-l.gateway.open
		return nil, err
	}
	c := &conn{Conn: inner, gateway: l.gateway}
	if sc, ok := inner.(syscall.Conn); ok {
		c.raw, err = sc.SyscallConn()
	}
	if c.raw == nil || err != nil {
		<-l.gateway.open
		_ = inner.Close() // a socket that is gone already; the client sees the end
		return l.Accept()
	}
	l.gateway.remember(c)
	return c, nil
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// remember keeps track of open connections, so that Close can end those that nobody else ends.
func (g *Gateway) remember(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns[c] = struct{}{}
}

// forget is called once per connection, by its Close.
func (g *Gateway) forget(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
	<-g.open
	if len(g.conns) == 0 && g.drained != nil {
		close(g.drained)
		g.drained = nil
	}
}
