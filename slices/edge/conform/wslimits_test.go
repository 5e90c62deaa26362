package conform_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// These tests are what Autobahn's group 9 does: large messages, messages in many fragments, frames in many writes, many small messages. A client of our
// own goes through the gateway to another library's echo, and a library's client to a server of our own, so each direction has fragments and chops.

// wsMessageMax is the largest message, as in Autobahn's cases 9.1.6 and 9.2.6.
const wsMessageMax = 16 << 20

// limitCase is a message and how it is sent.
type limitCase struct {
	op       byte
	size     int
	fragment int // payload bytes of a frame; 0: one frame
	chop     int // bytes of a write; 0: a frame is one
}

func (c limitCase) String() string {
	kind := map[byte]string{wsText: "text", wsBinary: "binary"}[c.op]
	s := fmt.Sprintf("%s of %d bytes", kind, c.size)
	if c.fragment > 0 {
		s += fmt.Sprintf(" in frames of %d", c.fragment)
	}
	if c.chop > 0 {
		s += fmt.Sprintf(" in writes of %d", c.chop)
	}
	return s
}

// limitCases are Autobahn's 9.1 to 9.6. Its messages in fragments have 4 MiB, here 1 MiB outside of make soak.
func limitCases() (list []limitCase) {
	fragmented := 1 << 20
	sizes := []int{64 << 10, 1 << 20, wsMessageMax}
	if os.Getenv("NEXUS_SOAK") != "" {
		fragmented = 4 << 20
		sizes = []int{64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20, wsMessageMax}
	}
	for _, op := range []byte{wsText, wsBinary} {
		for _, n := range sizes {
			list = append(list, limitCase{op: op, size: n})
		}
		for _, n := range []int{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10} {
			list = append(list, limitCase{op: op, size: fragmented, fragment: n})
		}
		for _, n := range []int{64, 128, 256, 512, 1 << 10, 2 << 10} {
			list = append(list, limitCase{op: op, size: 1 << 20, chop: n})
		}
	}
	return list
}

// payload makes a message of random bytes, so that a piece that is missing, twice there or at another place is seen. A text has letters of two
// bytes in it, which fragments cut.
func (c limitCase) payload() []byte {
	b := make([]byte, c.size)
	r := rand.New(rand.NewPCG(uint64(c.size), uint64(c.fragment)<<32|uint64(c.chop)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	if c.op == wsText {
		for i := range b {
			b[i] = 'a' + b[i]%26
			if i%7 == 1 && b[i] < 'e' {
				b[i-1], b[i] = 0xc3, 0xa0+b[i]-'a' // à to ä
			}
		}
	}
	return b
}

// frames cuts a message as the case says.
func (c limitCase) frames(payload []byte) (list []wsFrame) {
	size := c.fragment
	if size == 0 {
		size = max(1, len(payload))
	}
	op := c.op
	for {
		n := min(size, len(payload))
		list = append(list, part(op, n == len(payload), string(payload[:n])))
		if payload, op = payload[n:], wsMore; len(payload) == 0 {
			return list
		}
	}
}

// write sends bytes in the writes of the case.
func (c limitCase) write(w io.Writer, b []byte) error {
	for len(b) > 0 {
		n := len(b)
		if c.chop > 0 {
			n = min(n, c.chop)
		}
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// same compares messages without showing megabytes.
func same(t *testing.T, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	t.Errorf("%d bytes came back of %d; the first %d are right", len(got), len(want), at)
}

// throughGateway are the two ways to a host.
func (g world) throughGateway(host string) map[string]wsTarget {
	return map[string]wsTarget{
		"clear text": {addr: g.Addr(), host: host, path: "/"},
		"TLS":        {addr: g.TLSAddr(), host: host, path: "/", tls: &tls.Config{RootCAs: g.ca.Pool(), ServerName: host}},
	}
}

// TestWebSocketLimits: a client of our own sends them, an echo of a library answers with one frame each.
func TestWebSocketLimits(t *testing.T) {
	t.Parallel()
	g := start(t, []site{{"ws.test", unit("ws"), strictEcho()}})
	for name, target := range g.throughGateway("ws.test") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range limitCases() {
				t.Run(c.String(), func(t *testing.T) {
					p := target.dial(t)
					_ = p.SetDeadline(time.Now().Add(10 * time.Minute)) // a closed socket says so later
					payload := c.payload()
					sent := make(chan error, 1)
					go func() {
						for _, f := range c.frames(payload) {
							if err := c.write(p, f.encode()); err != nil {
								sent <- err
								return
							}
						}
						sent <- nil
					}()
					back, err := p.message()
					if err := <-sent; err != nil {
						t.Fatal(err)
					}
					if err != nil || back.op != c.op {
						t.Fatalf("op %d, %v", back.op, err)
					}
					same(t, []byte(back.payload), payload)
				})
			}
		})
	}
}

// TestWebSocketLimitsOfABackend: a server of our own sends them, and a library's client reads them.
func TestWebSocketLimitsOfABackend(t *testing.T) {
	t.Parallel()
	list := limitCases()
	g := start(t, []site{{"ws.test", unit("ws"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		if _, err := fmt.Sscan(r.URL.Query().Get("case"), &n); err != nil {
			return // the client's dial says so
		}
		c := list[n]
		raw, _, err := accept(w, r, "")
		if err != nil {
			return
		}
		defer func() { _ = raw.Close() }()
		for _, f := range c.frames(c.payload()) {
			f.bare = true
			if c.write(raw, f.encode()) != nil {
				return // the client's reading says what is missing
			}
		}
		_, _ = io.Copy(io.Discard, raw) // until the client has closed
	})}})
	for name, target := range g.throughGateway("ws.test") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n, c := range list {
				t.Run(c.String(), func(t *testing.T) {
					ws := target.library(t, fmt.Sprintf("/?case=%d", n), websocket.CompressionDisabled)
					ws.SetReadLimit(wsMessageMax)
					kind, b, err := ws.Read(t.Context())
					if err != nil || byte(kind) != c.op {
						t.Fatalf("%v, %v", kind, err)
					}
					same(t, b, c.payload())
				})
			}
		})
	}
}

// TestWebSocketRoundTrips is Autobahn's 9.7 and 9.8: a thousand messages of a size, one after the other.
func TestWebSocketRoundTrips(t *testing.T) {
	t.Parallel()
	g := start(t, []site{{"ws.test", unit("ws"), strictEcho()}})
	for name, target := range g.throughGateway("ws.test") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, op := range []byte{wsText, wsBinary} {
				for _, n := range []int{0, 16, 64, 256, 1024, 4096} {
					p := target.dial(t)
					_ = p.SetDeadline(time.Now().Add(10 * time.Minute))
					for i := range 1000 {
						want := limitCase{op: op, size: n, fragment: i}.payload()
						if err := p.send(part(op, true, string(want))); err != nil {
							t.Fatal(err)
						}
						got, err := p.message()
						if err != nil || got.op != op {
							t.Fatalf("message %d of %d bytes: %v, %v", i, n, got, err)
						}
						same(t, []byte(got.payload), want)
					}
				}
			}
		})
	}
}

// library opens a WebSocket to the target with another library.
func (g wsTarget) library(t *testing.T, path string, mode websocket.CompressionMode) *websocket.Conn {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: g.tls, DialContext: dialTo(g.addr)}
	t.Cleanup(tr.CloseIdleConnections)
	scheme := "ws://"
	if g.tls != nil {
		scheme = "wss://"
	}
	ws, _, err := websocket.Dial(t.Context(), scheme+g.host+path, &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}, CompressionMode: mode})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	return ws
}

// accept answers an opening handshake, with an answer to the extensions unless that is empty, and gives the connection.
func accept(w http.ResponseWriter, r *http.Request, extensions string) (io.ReadWriteCloser, *bufio.Reader, error) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455 section 4.2.2
	var b strings.Builder
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n")
	if extensions != "" {
		b.WriteString("Sec-WebSocket-Extensions: " + extensions + "\r\n")
	}
	if _, err := io.WriteString(nc, b.String()+"\r\n"); err != nil {
		_ = nc.Close()
		return nil, nil, err
	}
	return nc, rw.Reader, nil
}

// dialTo connects to one address, whatever the host is.
func dialTo(addr string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}
}
