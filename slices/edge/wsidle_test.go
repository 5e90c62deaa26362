package edge

import (
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
	if _, err := fmt.Scan(&addr); err != nil {
		return failed(err)
	}
	conns, err := dialAll(n, func() (net.Conn, error) { return openSocket(addr) })
	if err != nil {
		return failed(err)
	}
	_, _ = fmt.Println("idle")
	_, _ = io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(conns)
	return 0
}

// openSocket opens a WebSocket to a.test.
func openSocket(addr string) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", addr, time.Minute)
	if err != nil {
		return nil, err
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

// idleSocketMost bounds what an idle WebSocket costs, bytes: the figure of docs/edge-figures.md is 24 KiB, and what it has is shown; this is what it must
// not come to.
const idleSocketMost = 64 << 10

// TestIdleWebSocketsAreCheap holds idle WebSockets whose two ends are another process (10,000 of them in make soak) and shows and bounds what one costs the
// gateway's process: heap and stacks, not the kernel's buffers.
func TestIdleWebSocketsAreCheap(t *testing.T) { // alone: it reads the process's memory
	sockets := 500
	if os.Getenv("NEXUS_SOAK") != "" {
		sockets = 10_000
	}
	in, out, end := child(t, fmt.Sprintf("%s=%d", idleSocketsEnv, sockets))
	var backendAddr string
	if _, err := fmt.Fscan(out, &backendAddr); err != nil {
		t.Fatal(err)
	}
	a := unit("a", func(s *slices.Slice) { s.MaxSessions = sockets })
	g := gateway(t, table(t, []Route{route("a.test", a, Backend{Address: backendAddr})}, a), func(c *Config) { c.ConnectionsMax = sockets + 100 })
	before := memoryInUse()
	if _, err := fmt.Fprintln(in, g.Addr()); err != nil {
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
}
