package edge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// idleClientsEnv makes the test's program a client that holds idle connections: "address number".
const idleClientsEnv = "NEXUS_TEST_IDLE_CLIENTS"

// holdIdleClients opens the connections, has one answer on each, says so, and holds them until stdin ends. It gives the exit code.
func holdIdleClients() int {
	var addr string
	var n int
	if _, err := fmt.Sscan(os.Getenv(idleClientsEnv), &addr, &n); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	conns, err := dialAll(n, func() (net.Conn, error) { return askOnce(addr) })
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, _ = fmt.Println("idle")
	_, _ = io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(conns)
	return 0
}

// dialAll opens n connections, 32 at a time. The error is that of one of those that failed.
func dialAll(n int, open func() (net.Conn, error)) (conns []net.Conn, failure error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	dialing := make(chan struct{}, 32)
	for range n {
		dialing <- struct{}{}
		wg.Go(func() {
			defer func() { <-dialing }()
			c, err := open()
			mu.Lock()
			defer mu.Unlock()
			if conns = append(conns, c); err != nil {
				failure = err
			}
		})
	}
	wg.Wait()
	return conns, failure
}

// child runs the test's program anew, with one more variable in its environment, until end, which closes its stdin. What it says on stderr is seen.
func child(t testing.TB, variable string) (in io.Writer, out *bufio.Reader, end func()) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env, c.Stderr = append(os.Environ(), variable), os.Stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return stdin, bufio.NewReader(pipe), func() {
		_ = stdin.Close()
		if err := c.Wait(); err != nil {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

func askOnce(addr string) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", addr, time.Minute)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return c, err
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"); err != nil {
		return c, err
	}
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err == nil && !strings.HasPrefix(string(b[:n]), "HTTP/1.1 200") {
		err = fmt.Errorf("answer %.60q", b[:n])
	}
	return c, err
}

// TestIdleConnectionsAreCheap holds idle connections from another process (10,000 of them in make soak) and bounds what one costs the
// gateway's process: heap and stacks, not the kernel's buffers.
func TestIdleConnectionsAreCheap(t *testing.T) { // alone: it reads the process's memory
	const each = 24 << 10 // bytes
	sockets := 500
	if os.Getenv("NEXUS_SOAK") != "" {
		sockets = 10_000
	}
	a := unit("a", func(s *slices.Slice) { s.MaxSessions = sockets })
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("ok")))}, a), func(c *Config) { c.IdleTimeout = 10 * time.Minute })
	before := memoryInUse()
	_, out, end := child(t, fmt.Sprintf("%s=%s %d", idleClientsEnv, g.Addr(), sockets))
	if line, err := out.ReadString('\n'); err != nil || line != "idle\n" {
		t.Errorf("client process: %q, %v", line, err)
	}
	eventually(t, "all are idle", func() bool {
		s := g.Snapshot()[0].Gateway
		return s.InFlight == 0 && s.Sessions == int64(sockets)
	})
	now := memoryInUse()
	t.Logf("%d bytes for each of %d idle connections", (int64(now)-int64(before))/int64(sockets), sockets)
	if now > before && (now-before)/uint64(sockets) > each {
		t.Errorf("%d bytes for each of %d idle connections, at most %d", (now-before)/uint64(sockets), sockets, each)
	}
	end()
	eventually(t, "all sessions are free", func() bool { return g.Snapshot()[0].Gateway.Sessions == 0 })
}

func memoryInUse() uint64 {
	for range 4 { // pools keep what was used for two collections, stacks shrink by half in each
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
