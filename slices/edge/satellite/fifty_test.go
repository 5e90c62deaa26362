//go:build linux

package satellite

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	stdslices "slices"
	"sync"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/session/link"
)

// TestAChangeReachesEveryEdge: each of many edges serves each change of the table, as clients see it over connections that are open. How long the last
// edge took is shown with -v. 8 edges and 10 changes; in make soak 50 edges and 100 changes.
func TestAChangeReachesEveryEdge(t *testing.T) {
	edges, changes := 8, 10
	if os.Getenv("NEXUS_SOAK") != "" {
		edges, changes = 50, 100
	}
	words := []string{backendThatSays(t, "0"), backendThatSays(t, "1")}
	within, stop := context.WithTimeout(t.Context(), 4*time.Minute)
	defer stop()
	reports := &reports{}
	home, clients := startMany(within, t, edges, sealed(t, testKey, fileOf(t, words[0], 1, 1, 1)), reports)
	var last, each []time.Duration
	for n := 1; n <= changes; n++ {
		want := fmt.Sprint(n % 2)
		b := sealed(t, testKey, fileOf(t, words[n%2], 1, uint64(n), uint64(n+1)))
		took := make([]time.Duration, edges)
		var all sync.WaitGroup
		begin := time.Now()
		home.SetTable(b)
		for i, c := range clients {
			all.Go(func() {
				if err := c.until(within, want); err != nil {
					t.Errorf("change %d, edge at %s: %v", n, c.conn.RemoteAddr(), err)
				}
				took[i] = time.Since(begin)
			})
		}
		all.Wait()
		if t.Failed() {
			return
		}
		each, last = append(each, took...), append(last, stdslices.Max(took))
	}
	eventually(within, t, "every edge says which table it serves", func() bool {
		reports.mu.Lock()
		defer reports.mu.Unlock()
		n := 0
		for _, r := range reports.kept {
			if r.Table.Index == uint64(changes) && r.Table.Number == uint64(changes+1) && r.Table.Refusals() == 0 {
				n++
			}
		}
		return n == edges
	})
	stdslices.Sort(each)
	stdslices.Sort(last)
	t.Logf("%d edges, %d changes: an edge serves after p50 %v, p99 %v; the last of all after p50 %v, at most %v", edges, changes,
		each[len(each)/2], each[len(each)*99/100], last[len(last)/2], last[len(last)-1])
}

// startMany starts a home with a table and edges in this process, and gives a client of each that serves.
func startMany(within context.Context, t *testing.T, edges int, table []byte, reports *reports) (home *link.Server, clients []*asker) {
	t.Helper()
	dir, err := os.MkdirTemp("", "nxfifty") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	home = link.NewServer(noSessions{}, slog.New(slog.DiscardHandler))
	home.OnReport = func(name string, b []byte) { reports.take(t, name, b) }
	home.SetTable(table)
	ln, err := net.Listen("unix", filepath.Join(dir, "home"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	running.Go(func() { _ = home.Serve(ctx, ln) }) // ends with the context
	ready := make(chan Ready, edges)
	for n := range edges {
		running.Go(func() {
			if err := Run(ctx, Config{Name: fmt.Sprintf("edge-%d", n), Home: ln.Addr().String(), Addr: "127.0.0.1:0", DrainFor: 100 * time.Millisecond,
				OnReady: func(r Ready) { ready <- r }}); err != nil {
				t.Errorf("edge %d: %v", n, err)
			}
		})
	}
	for range edges {
		select {
		case r := <-ready:
			clients = append(clients, newAsker(t, r.Addr))
		case <-within.Done():
			t.Fatalf("%d of %d edges serve", len(clients), edges)
		}
	}
	return home, clients
}

// asker is a client with one connection to an edge.
type asker struct {
	conn net.Conn
	in   *bufio.Reader
}

func newAsker(t *testing.T, addr string) *asker {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &asker{c, bufio.NewReader(c)}
}

// until asks for testHost until the answer is want.
func (a *asker) until(ctx context.Context, want string) error {
	for {
		if _, err := io.WriteString(a.conn, "GET / HTTP/1.1\r\nHost: "+testHost+"\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(a.in, nil)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(resp.Body)
		if err == nil {
			err = resp.Body.Close()
		}
		if err != nil || string(b) == want {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("still %s %q", resp.Status, b)
		case <-time.After(2 * time.Millisecond):
		}
	}
}
