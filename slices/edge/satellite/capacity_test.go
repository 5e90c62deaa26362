//go:build linux

package satellite

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/link"
	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// logged keeps what an edge logs.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) has(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), part)
}

// testKey is the key of the tests' homes, and testHomes their runs: those that take reports, and the others.
var (
	testKey   = nexus.KeySigner(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	testHomes = map[bool]*Sealer{false: NewSealer(testKey, testCluster, false), true: NewSealer(testKey, testCluster, true)}
)

var testCluster = nexus.ID{7}

func testHome(reports bool) *Sealer { return testHomes[reports] }

// bytesOf is a table of testHost in front of address with a guarantee, at a capacity, both in bits per second.
func bytesOf(t *testing.T, address string, guaranteedBps, capacityBps uint64) []byte {
	t.Helper()
	unit := slices.Default(nexus.DeriveID("test-unit", []byte("capacity")), "capacity")
	unit.GuaranteedBps = guaranteedBps
	tab, err := edge.NewTable([]edge.Route{{Host: testHost, Unit: unit.Unit, SliceID: unit.ID, Backend: edge.Backend{Address: address}}},
		[]slices.Slice{unit})
	if err != nil {
		t.Fatal(err)
	}
	b, err := testHome(false).Seal(tab, capacityBps, 0)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// runEdge runs an edge of the home in this process and gives its plain address.
func runEdge(t *testing.T, home *link.Server, name string, log *slog.Logger, edit ...func(*Config)) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nxcap") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", filepath.Join(dir, "home"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan Ready, 1)
	var running sync.WaitGroup
	running.Go(func() { _ = home.Serve(ctx, ln) }) // ends with the context
	running.Go(func() {
		c := Config{Name: name, Home: ln.Addr().String(), Addr: "127.0.0.1:0", Logger: log, OnReady: func(r Ready) { ready <- r }}
		for _, e := range edit {
			e(&c)
		}
		if err := Run(ctx, c); err != nil {
			t.Errorf("edge: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait(); _ = os.RemoveAll(dir) })
	select {
	case r := <-ready:
		return r.Addr
	case <-time.After(time.Minute):
		t.Fatal("no edge within a minute")
		return ""
	}
}

// read copies the answer of testHost through an edge and gives its length.
func read(t *testing.T, addr string, to io.Writer) int64 {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host, req.Close = testHost, true
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	n, err := io.Copy(to, resp.Body)
	if err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	return n
}

// download gets n bytes of testHost through an edge and gives the time that it took.
func download(t *testing.T, addr string, n int64) time.Duration {
	t.Helper()
	begin := time.Now()
	if got := read(t, addr, io.Discard); got != n {
		t.Fatalf("%d bytes of %d", got, n)
	}
	return time.Since(begin)
}

// TestCapacityIsTheNodes: an edge lets through what its node's capacity is, takes a change of it, and refuses a table that promises more
// than that with the arithmetic; the table before stays in force.
func TestCapacityIsTheNodes(t *testing.T) {
	t.Parallel()
	const size = 400 << 10 // 3.3 Mbit
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size)) }))
	defer behind.Close()
	address := behind.Listener.Addr().String()
	home, log := link.NewServer(noSessions{}, slog.New(slog.DiscardHandler)), &logged{}
	home.SetTable(bytesOf(t, address, 0, 10_000_000))
	addr := runEdge(t, home, "edge-1", slog.New(slog.NewTextHandler(log, nil)))
	if took := download(t, addr, size); took < 250*time.Millisecond {
		t.Errorf("%d bytes in %s: more than 10 Mbit/s", size, took)
	}

	home.SetTable(bytesOf(t, address, 9_000_001, 10_000_000))
	deadline := time.Now().Add(time.Minute)
	for !log.has("0 + wanted 9000001 = 9000001 bit/s, above 9000000 = 90 % of the capacity of 10000000 bit/s") {
		if time.Now().After(deadline) {
			t.Fatalf("the arithmetic is not shown: %s", log.b.String())
		}
		time.Sleep(2 * time.Millisecond)
	}
	download(t, addr, size) // the table before serves

	home.SetTable(bytesOf(t, address, 9_000_001, 1_000_000_000))
	for took := time.Minute; took > 150*time.Millisecond; took = download(t, addr, size) {
		if time.Now().After(deadline.Add(10 * time.Second)) {
			t.Fatalf("%s at 1 Gbit/s", took)
		}
	}
}

// TestProcessesShareTheCapacity: two on one link carry together what their home's capacity is; each on its own would have been done in half the time.
func TestProcessesShareTheCapacity(t *testing.T) {
	t.Parallel()
	const size = 400 << 10 // 3.3 Mbit
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size)) }))
	defer behind.Close()
	quiet := slog.New(slog.DiscardHandler)
	home := func() *link.Server { // each edge ends its own
		h := link.NewServer(noSessions{}, quiet)
		h.SetTable(bytesOf(t, behind.Listener.Addr().String(), 0, 10_000_000))
		return h
	}
	shared, err := shape.OpenLink(make([]byte, 64))
	if err != nil {
		t.Fatal(err)
	}
	zero := time.Now()
	share := func(c *Config) { c.Link, c.LinkClock = shared, func() int64 { return int64(time.Since(zero)) } }
	edges := []string{runEdge(t, home(), "front.1", quiet, share), runEdge(t, home(), "front.patient.1", quiet, share)}
	begin := time.Now()
	var all sync.WaitGroup
	for _, addr := range edges {
		all.Go(func() { _ = download(t, addr, size) })
	}
	all.Wait()
	if took := time.Since(begin); took < 560*time.Millisecond {
		t.Errorf("%d bytes in %s: more than 10 Mbit/s", 2*size, took)
	}
	if took := download(t, edges[0], size); took < 250*time.Millisecond || took > time.Minute {
		t.Errorf("alone, %d bytes in %s", size, took)
	}
}
