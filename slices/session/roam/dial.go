package roam

import (
	"context"
	"net"
	"strings"
)

// dialContext makes TCP connections. Names under localhost are the loopback's, whatever the resolver knows (RFC 6761, 6.3).
func (s *Session) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if s.options.DialContext != nil {
		return s.options.DialContext(ctx, network, address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, loopback(address))
}

func loopback(address string) string {
	if h, port, err := net.SplitHostPort(address); err == nil && (h == "localhost" || strings.HasSuffix(h, ".localhost")) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}
