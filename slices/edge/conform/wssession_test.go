package conform_test

import (
	"crypto/ed25519"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	stdslices "slices"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/host"
)

const sessionHost = "session.test"

// sessionWorld is a gateway with a home of sessions behind it, whose program is serve.
func sessionWorld(t *testing.T, serve http.Handler, edit ...func(*edge.Config)) world {
	t.Helper()
	behind := httptest.NewServer(serve)
	t.Cleanup(behind.Close)
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	tickets, err := session.NewTickets(key, nexus.ID{1})
	if err != nil {
		t.Fatal(err)
	}
	s := unit("session")
	home := host.New(host.Config{Tickets: tickets, Route: func(name string) (host.Route, bool) {
		return host.Route{Slice: s.ID.String(), Address: behind.Listener.Addr().String()}, name == sessionHost
	}})
	t.Cleanup(home.Close)
	return start(t, []site{{sessionHost, s, serve}, neighbourSite()},
		append(edit, func(c *edge.Config) { c.Name, c.Sessions = "here", home })...)
}

// sessionCases are the cases that say something about the endpoint of sessions, which takes binary messages alone and reads them as its frames.
func sessionCases() []wsCase {
	var list []wsCase
	for _, c := range stdslices.Concat(wsViolations(), wsControls(), wsCloses()) {
		switch c.name {
		case "5.1 a frame without a mask":
			c.code = 1006 // section 5.1: the end is a must, a close frame is not; the library ends without one
		case "8.1 a reason that is not UTF-8":
			c.code = 1000 // does not pass: the library does not look into a reason, and the connection ends in any case
		}
		list = append(list, c)
	}
	hello := string(session.Frame{Type: session.FrameHello}.Encode())
	return append(list,
		wsCase{"5.6 a text", []wsFrame{text("no text here")}, nil, 1003, false},
		wsCase{"5.6 a text in fragments", []wsFrame{part(wsText, false, "no text"), part(wsMore, true, "here")}, nil, 1003, false},
		wsCase{"7.4.1 a message above the limit", []wsFrame{bytesOf(strings.Repeat("x", session.MaxFrameBytes+1))}, nil, 1009, false},
		wsCase{"7.4.1 fragments above the limit", []wsFrame{part(wsBinary, false, strings.Repeat("x", session.MaxFrameBytes)), part(wsMore, true, "x")},
			nil, 1009, false},
		wsCase{"a message that is no frame of a session", []wsFrame{bytesOf("\xff\xff")}, nil, 1000, true},
		wsCase{"an empty message", []wsFrame{bytesOf("")}, nil, 1000, true},
		wsCase{"a frame before hello", []wsFrame{bytesOf(string(session.Frame{Type: session.FrameAck}.Encode()))}, nil, 1000, true},
		wsCase{"5.4 a message within a hello in fragments", []wsFrame{part(wsBinary, false, hello[:2]), bytesOf(hello)}, nil, 1002, false},
	)
}

// TestSessionEndpoint holds the endpoint of sessions that move to the same cases, as far as they apply.
func TestSessionEndpoint(t *testing.T) {
	t.Parallel()
	g := sessionWorld(t, strictEcho())
	for name, target := range map[string]wsTarget{
		"clear text": {addr: g.Addr(), host: sessionHost, path: "/", protocol: session.Subprotocol},
		"TLS": {addr: g.TLSAddr(), host: sessionHost, path: "/", protocol: session.Subprotocol,
			tls: &tls.Config{RootCAs: g.ca.Pool(), ServerName: sessionHost}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range sessionCases() {
				t.Run(c.name, func(t *testing.T) { c.play(t, target) })
			}
		})
	}
}

// TestWebSocketHandshake: what an opening handshake must have (section 4.2.1), at the endpoint of sessions and, for what a backend
// decides, that its refusal comes through.
func TestWebSocketHandshake(t *testing.T) {
	t.Parallel()
	g := sessionWorld(t, strictEcho())
	for _, protocol := range []string{session.Subprotocol, ""} {
		for _, c := range []struct {
			name, method, field, value string
		}{
			{"4.2.1 no version", "GET", "Sec-WebSocket-Version", ""},
			{"4.2.2 another version", "GET", "Sec-WebSocket-Version", "7"},
			{"4.2.1 no key", "GET", "Sec-WebSocket-Key", ""},
			{"4.2.1 another method", "POST", "", ""},
			{"4.2.1 no Connection", "GET", "Connection", ""},
			{"4.2.1 another protocol", "GET", "Upgrade", "something"},
		} {
			t.Run(fmt.Sprintf("%s, protocol %q", c.name, protocol), func(t *testing.T) {
				t.Parallel()
				fields := map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
					"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": protocol}
				fields[c.field] = c.value
				_, resp := wsTarget{addr: g.Addr(), host: sessionHost, path: "/"}.open(t, c.method, fields)
				if resp.StatusCode < 400 { // the backend's library may also hang up, which is a 502
					t.Errorf("answered %s", resp.Status)
				}
			})
		}
	}
}
