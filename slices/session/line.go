package session

import "strings"

// Subprotocol is the WebSocket subprotocol by which a client asks for a session that moves. The path of the request is the
// program's own, so nothing else in a URL tells such a connection from a plain WebSocket.
const Subprotocol = "nn5g.v1"

// Visit is what an edge knows of a client's connection. It crosses from edge to home as JSON.
type Visit struct {
	Host   string            `json:"host"`   // of the route, in the form of edge.ParseHost
	Path   string            `json:"path"`   // with query, as the client asked
	Remote string            `json:"remote"` // the client's address
	Secure bool              `json:"secure"`
	Edge   string            `json:"edge"`             // name of the edge
	Header map[string]string `json:"header,omitempty"` // of the client's request, those in PassedHeaders
}

// PassedHeaders lists the headers of the client's request that its program gets to see.
func PassedHeaders() []string {
	return []string{"Cookie", "Origin", "User-Agent", "Accept-Language", "Authorization"}
}

// Port is a client's connection as the home sees it.
type Port interface {
	// Deliver hands over one frame's bytes and never blocks; the bytes are taken over. With last the connection ends after
	// them. False: there is no room, the connection is as good as lost.
	Deliver(frame []byte, last bool) bool
}

// Line is a client's connection as its edge sees it, towards the home.
type Line interface {
	// Frame hands over what the client sent; it may block while the home is busy, and copies what it keeps.
	Frame(b []byte)
	// Lost says that the connection has gone. It may be called more than once.
	Lost()
}

// Attacher is a home as an edge sees it: here in the process, or at the other end of a link.
type Attacher interface {
	// Attach begins a connection. Error: nexus.CodeUnavailable when the home cannot be reached.
	Attach(Visit, Port) (Line, error)
}

// The first byte of a payload says what kind of message follows, so that text stays text on its way to and from a program.
const (
	KindText   byte = 1
	KindBinary byte = 2
)

// ExpandAddress puts a session's host into the address of an edge that serves every host: "wss://*:8443" becomes
// "wss://shop.example:8443". An address with a name of its own is left alone.
func ExpandAddress(address, host string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return strings.Replace(address, "://*", "://"+host, 1)
}

// RTTPath is answered with 204 by the gateway on every host, for clients of sessions that measure round trips.
const RTTPath = "/.well-known/nexus/rtt"
