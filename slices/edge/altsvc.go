package edge

import (
	"net"
	"net/http"
)

// Alt-Svc (RFC 7838) tells clients of HTTP/1.1 and HTTP/2 over TLS that HTTP/3 is spoken here too. It is told only where it is true: while
// the UDP port is bound, and to clients that came to the TLS listener's own port, for through a mapping of ports nobody can know where the
// UDP port is seen. A gateway without QUIC takes back what an earlier one at its address may have said.

// altSvcHeader is the field's name; backends do not know what is spoken in front of them, so their word is left out.
const altSvcHeader = "Alt-Svc"

// What is said. An hour: long enough to save a discovery, short enough for a port that is closed for good.
const (
	altSvcClear  = "clear"
	altSvcMaxAge = "; ma=3600"
)

// alternative is the gateway's HTTP/3 as clients may be told; the zero one says that there is none.
type alternative struct {
	port  string // of TLS: the one that clients who may be told came to
	field string
}

// noteAlternative is called at the start, when the sockets are bound.
func (g *Gateway) noteAlternative() {
	g.alternative = alternative{field: altSvcClear}
	if g.quic == nil {
		return
	}
	_, secure, err := net.SplitHostPort(g.secure.Addr().String())
	_, udp, err2 := net.SplitHostPort(g.quic.udp.LocalAddr().String())
	if err == nil && err2 == nil {
		g.alternative = alternative{port: secure, field: `h3=":` + udp + `"` + altSvcMaxAge}
	}
}

// altSvc gives the field for an answer over TLS to a request for authority, "" for none.
func (g *Gateway) altSvc(authority string) string {
	a := &g.alternative
	if a.port == "" {
		return a.field
	}
	if g.retiring.Load() || g.stopping.Load() || portOf(authority) != a.port {
		return ""
	}
	return a.field
}

// portOf gives the port of an authority, that of https without one.
func portOf(authority string) string {
	for i := len(authority) - 1; i >= 0; i-- {
		switch c := authority[i]; {
		case c == ':' && i+1 < len(authority):
			return authority[i+1:]
		case c < '0' || c > '9':
			return "443"
		}
	}
	return "443"
}

// sayAltSvc sets the field on an answer over TLS.
func (g *Gateway) sayAltSvc(h http.Header, authority string) {
	if v := g.altSvc(authority); v != "" {
		h.Set(altSvcHeader, v)
	}
}
