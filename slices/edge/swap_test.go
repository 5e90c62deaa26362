package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// counting streams numbered lines until the client goes, paced by the test through steps.
func countingBackend(t *testing.T, steps *stepper) Backend {
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		mine := steps.join()
		for n := 0; ; n++ {
			if _, err := fmt.Fprintf(w, "%d\n", n); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-mine:
			case <-r.Context().Done():
				return
			}
		}
	})
}

// stepper lets every stream send its next line.
type stepper struct {
	mu  sync.Mutex
	all []chan struct{}
}

func (s *stepper) join() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{}, 1000)
	s.all = append(s.all, c)
	return c
}

func (s *stepper) step() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all {
		c <- struct{}{}
	}
}

func TestSwapCutsNoStream(t *testing.T) {
	t.Parallel()
	const streams, swaps = 25, 10_000
	sockets := 25
	if os.Getenv("NEXUS_SOAK") != "" {
		sockets = 1000
	}
	steps := &stepper{}
	set := []slices.Slice{unit("stream"), unit("socket"), unit("other")}
	routes := []Route{
		route("stream.test", set[0], countingBackend(t, steps)), route("socket.test", set[1], echoBackend(t)),
	}
	g := gateway(t, table(t, routes, set...))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()

	var readers []*bufio.Reader
	for range streams {
		resp, err := client(t, g.Addr()).Get("http://stream.test/")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		readers = append(readers, bufio.NewReader(resp.Body))
	}
	var conns []*websocket.Conn
	for range sockets {
		conns = append(conns, dialWebSocket(ctx, t, g, "socket.test"))
	}
	for n := range swaps {
		// Every swap changes routes and limits; some take a slice with open streams out of the table altogether.
		changed := []slices.Slice{set[0], set[1], set[2]}
		changed[0].MaxInFlight, changed[1].CeilingBps = 1+n%7, uint64(100_000_000+n)
		next := append([]Route{route(fmt.Sprintf("new%d.test", n), set[2], Backend{})}, routes...)
		if n%3 == 2 {
			next, changed = next[:1], changed[2:]
		}
		if err := g.Swap(table(t, next, changed...)); err != nil {
			t.Fatal(err)
		}
		if n%1000 == 0 {
			steps.step()
			for i, c := range conns {
				echo(ctx, t, c, fmt.Sprintf("message %d on %d", n, i))
			}
		}
	}
	for i, r := range readers {
		for n := range swaps/1000 + 1 {
			if line, err := r.ReadString('\n'); err != nil || line != fmt.Sprintf("%d\n", n) {
				t.Fatalf("stream %d, line %d: %q, %v", i, n, line, err)
			}
		}
	}
}

func TestSwapRefusesWhatCannotBeKept(t *testing.T) {
	t.Parallel()
	a := unit("a", func(s *slices.Slice) { s.GuaranteedBps = 60_000_000 })
	b := unit("b", func(s *slices.Slice) { s.GuaranteedBps = 31_000_000 })
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("from a")))}, a), func(c *Config) {
		c.CapacityBps = 100_000_000
	})
	err := g.Swap(table(t, []Route{route("b.test", b, Backend{})}, a, b))
	if nexus.CodeOf(err) != nexus.CodeRefused || !strings.Contains(err.Error(), "= 91000000 bit/s, above 90000000") {
		t.Errorf("error: %v", err)
	}
	get(t, client(t, g.Addr()), "http://a.test/").want(t, 200, "from a")
}

// TestCapacityChangesWithItsTable: a table that another capacity cannot keep changes nothing, one that it can keep is in force with it,
// also for slices that are the same as before.
func TestCapacityChangesWithItsTable(t *testing.T) {
	t.Parallel()
	const ceiling = 4_000_000
	s := unit("a", func(s *slices.Slice) { s.CeilingBps = ceiling })
	g := gateway(t, table(t, nil, s), func(c *Config) { c.CapacityBps = 3_000_000 })
	more := s
	more.GuaranteedBps = 3_000_001
	err := g.SwapWithin(table(t, nil, more), 3_000_002)
	if nexus.CodeOf(err) != nexus.CodeRefused || !strings.Contains(err.Error(), "90 % of the capacity of 3000002 bit/s") {
		t.Errorf("a guarantee above the new capacity: %v", err)
	}
	if c := g.CapacityBps(); c != 3_000_000 || g.Table().Slices()[0] != s {
		t.Errorf("a refused table left capacity %d and %+v", c, g.Table().Slices())
	}
	// A ceiling above the capacity is none: grants are whole. Below it they are 1 % of what it allows in two seconds.
	quantum := func() int { return g.scheduler.Quantum(g.states[s.ID].flow) }
	if q := quantum(); q != shape.QuantumBytes {
		t.Errorf("quantum %d under a ceiling above the capacity", q)
	}
	if err := g.SwapWithin(table(t, nil, s), 100_000_000); err != nil {
		t.Fatal(err)
	}
	if q := quantum(); g.CapacityBps() != 100_000_000 || q != ceiling/8/50 {
		t.Errorf("capacity %d, quantum %d", g.CapacityBps(), q)
	}
}

func TestNewTableRefuses(t *testing.T) {
	t.Parallel()
	a, b := unit("a"), unit("b")
	for name, c := range map[string]struct {
		routes []Route
		part   string
	}{
		"host claimed twice":   {[]Route{route("x.test", a, Backend{}), route("x.test", b, Backend{})}, "claimed by unit"},
		"another unit's slice": {[]Route{{Host: "x.test", Unit: a.Unit, SliceID: b.ID}}, "belongs to unit"},
		"unknown slice":        {[]Route{{Host: "x.test", Unit: a.Unit, SliceID: nexus.ID{9}}}, "is unknown"},
		"upper case":           {[]Route{route("X.test", a, Backend{})}, `write it as "x.test"`},
		"a wildcard":           {[]Route{route("*.test", a, Backend{})}, "not a DNS name"},
		"address and folder":   {[]Route{route("x.test", a, Backend{Address: "127.0.0.1:1", Folder: "/x"})}, "both"},
		"relative folder":      {[]Route{route("x.test", a, Backend{Folder: "x"})}, "relative"},
		"no port":              {[]Route{route("x.test", a, Backend{Address: "127.0.0.1"})}, "backend address"},
		"bad port":             {[]Route{route("x.test", a, Backend{Address: "127.0.0.1:0"})}, "1 to 65535"},
	} {
		if _, err := NewTable(c.routes, []slices.Slice{a, b}); err == nil || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewTable(nil, []slices.Slice{a, a}); err == nil {
		t.Error("a slice listed twice was taken")
	}
}

func TestCloseDrainsThenCuts(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	entered := make(chan struct{})
	a := unit("a")
	g := gateway(t, table(t, []Route{
		route("a.test", a, backend(t, func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			<-release
			_, _ = io.WriteString(w, "finished")
		})), route("ws.test", a, echoBackend(t)),
	}, a))
	socket := dialWebSocket(t.Context(), t, g, "ws.test")
	echo(t.Context(), t, socket, "before")
	got := make(chan string, 1)
	c := client(t, g.Addr())
	go func() {
		resp, err := c.Get("http://a.test/")
		if err != nil {
			got <- err.Error()
			return
		}
		defer func() { _ = resp.Body.Close() }()
		b, _ := io.ReadAll(resp.Body)
		got <- string(b)
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g.config.DrainTimeout = 700 * time.Millisecond
	closed := make(chan error, 1)
	go func() { closed <- g.Run(ctx) }()
	eventually(t, "no new connections while draining", func() bool {
		_, err := client(t, g.Addr()).Get("http://a.test/")
		return err != nil
	})
	close(release)
	if s := <-got; s != "finished" {
		t.Errorf("a request under way at the stop: %q", s)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, _, err := socket.Read(t.Context()); err == nil {
		t.Error("a WebSocket outlived the drain time")
	}
	if err := g.Swap(&Table{}); err == nil {
		t.Error("a closed gateway took a table")
	}
}

func TestTakenPortIsNamed(t *testing.T) {
	t.Parallel()
	first := gateway(t, &Table{})
	second, err := New(Config{Addr: first.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(); nexus.CodeOf(err) != nexus.CodeConflict || !strings.Contains(err.Error(), first.Addr()) {
		t.Errorf("error: %v", err)
	}
	if err := second.Close(0); err != nil {
		t.Error(err)
	}
}

func TestConnectionsMaxStopsAccepting(t *testing.T) {
	t.Parallel()
	a := unit("a")
	var served atomic.Int32
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
	}))}, a), func(c *Config) { c.ConnectionsMax = 1 })
	first := client(t, g.Addr())
	get(t, first, "http://a.test/")
	second := make(chan error, 1)
	other := client(t, g.Addr())
	go func() {
		resp, err := other.Get("http://a.test/")
		if err == nil {
			_ = resp.Body.Close()
		}
		second <- err
	}()
	get(t, first, "http://a.test/")
	if n := served.Load(); n != 2 {
		t.Errorf("%d requests served beside the only connection", n)
	}
	first.CloseIdleConnections()
	if err := <-second; err != nil {
		t.Errorf("the waiting client: %v", err)
	}
}
