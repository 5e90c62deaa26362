package edge

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// idleSocketsEnv makes the test's program the two ends of idle WebSockets, whose number it is: the backend and the clients.
const idleSocketsEnv = "NEXUS_TEST_IDLE_SOCKETS"

// holdIdleSockets serves a backend and says where, reads the gateway's address, opens the WebSockets, says so, and holds them until stdin ends. It gives the
// exit code.
func holdIdleSockets() int {
	failed := func(err error) int {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var n int
	if _, err := fmt.Sscan(os.Getenv(idleSocketsEnv), &n); err != nil {
		return failed(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return failed(err)
	}
	go func() { _ = http.Serve(ln, http.HandlerFunc(swallow)) }() // ends with the process
	_, _ = fmt.Println(ln.Addr())
	var addr string
	var secure bool
	if _, err := fmt.Scan(&addr, &secure); err != nil {
		return failed(err)
	}
	conns, err := dialAll(n, func() (net.Conn, error) { return openSocket(addr, secure) })
	if err != nil {
		return failed(err)
	}
	_, _ = fmt.Println("idle")
	_, _ = io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(conns)
	return 0
}

// openSocket opens a WebSocket to a.test.
func openSocket(addr string, secure bool) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", addr, time.Minute)
	if err != nil {
		return nil, err
	}
	if secure {
		c = tls.Client(c, &tls.Config{ServerName: "a.test", InsecureSkipVerify: true}) // the test's own process
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute)) // a closed socket says so later
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
		return c, err
	}
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err == nil && !strings.HasPrefix(string(b[:n]), "HTTP/1.1 101") {
		err = fmt.Errorf("answer %.60q", b[:n])
	}
	return c, err
}

// idleSocketMost bounds what an idle WebSocket costs, bytes: the figure F22 of docs/edge-figures.md.
const idleSocketMost = 24 << 10

// TestIdleWebSocketsAreCheap holds idle WebSockets whose two ends are another process (in make soak 10,000 of them, or as many as there may be
// descriptors for) and shows and bounds what one costs the gateway's process: heap and stacks, not the kernel's buffers.
func TestIdleWebSocketsAreCheap(t *testing.T) { // alone: it reads the process's memory
	sockets := 500
	if os.Getenv("NEXUS_SOAK") != "" {
		sockets = min(10_000, (descriptors(t)-400)/2)
	}
	ca, err := OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "clear", true: "TLS"}[secure], func(t *testing.T) {
			in, out, end := child(t, fmt.Sprintf("%s=%d", idleSocketsEnv, sockets))
			var backendAddr string
			if _, err := fmt.Fscan(out, &backendAddr); err != nil {
				t.Fatal(err)
			}
			a := unit("a", func(s *slices.Slice) { s.MaxSessions = sockets })
			g := gateway(t, table(t, []Route{route("a.test", a, Backend{Address: backendAddr})}, a), func(c *Config) {
				c.ConnectionsMax, c.TLSAddr, c.Certificate = sockets+100, "127.0.0.1:0", ca.Certificate
			})
			addr := g.Addr()
			if secure {
				addr = g.TLSAddr()
			}
			before := memoryInUse()
			if _, err := fmt.Fprintln(in, addr, secure); err != nil {
				t.Fatal(err)
			}
			var word string
			if _, err := fmt.Fscan(out, &word); err != nil || word != "idle" {
				t.Fatalf("the other process: %q, %v", word, err)
			}
			eventually(t, "all are streams", func() bool { return g.Snapshot()[0].Gateway.Streams == int64(sockets) })
			each := (int64(memoryInUse()) - int64(before)) / int64(sockets)
			t.Logf("%d bytes for each of %d idle WebSockets", each, sockets)
			if each > idleSocketMost {
				t.Errorf("%d bytes for each of %d idle WebSockets, at most %d", each, sockets, idleSocketMost)
			}
			end()
			eventually(t, "all sessions are free", func() bool { return g.Snapshot()[0].Gateway.Sessions == 0 })
		})
	}
}
