package edge

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// handed is the listener from which net/http takes the connections that serve1 does not speak itself: HTTP/2, and requests that ask for
// another protocol.
type handed struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	addr   net.Addr
}

func newHanded() *handed {
	return &handed{conns: make(chan net.Conn), closed: make(chan struct{}), addr: &net.TCPAddr{}}
}

// Accept implements net.Listener.
func (l *handed) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, http.ErrServerClosed
	}
}

// Close implements net.Listener.
func (l *handed) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *handed) Addr() net.Addr { return l.addr }

// give hands a connection over; it is closed when nobody takes any more.
func (l *handed) give(nc net.Conn) {
	select {
	case l.conns <- nc:
	case <-l.closed:
		_ = nc.Close() // the gateway is stopping
	}
}

// prefixed is a connection of which something has been read already. net/http reads it from one goroutine at a time.
type prefixed struct {
	net.Conn
	prefix []byte
}

// Read implements net.Conn.
func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.prefix) > 0 {
		n := copy(b, p.prefix)
		p.prefix = p.prefix[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// CloseWrite ends our side of the stream and keeps the other.
func (p *prefixed) CloseWrite() error { return closeWrite(p.Conn) }

func closeWrite(nc net.Conn) error {
	if half, ok := nc.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// connOf finds our connection below TLS and what was read ahead.
func connOf(nc net.Conn) *conn {
	for {
		switch v := nc.(type) {
		case *conn:
			return v
		case *tls.Conn:
			nc = v.NetConn()
		case *prefixed:
			nc = v.Conn
		case *framed:
			return v.conn
		default:
			return nil
		}
	}
}
