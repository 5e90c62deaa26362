package conform_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	stdslices "slices"
	"testing"
	"time"
)

// floodFor is how long each flood lasts: short in make test, long in make soak.
func floodFor() time.Duration {
	if os.Getenv("NEXUS_SOAK") != "" {
		return 10 * time.Second
	}
	return 100 * time.Millisecond
}

// neighbour is a client of another slice of the same gateway, on one connection, and, in turn, of a backend without a gateway.
type neighbour struct{ through, straight *asker }

// asker asks on one connection.
type asker struct {
	nc net.Conn
	br *bufio.Reader
}

// times are how long answers took, sorted: through the gateway, and straight from a backend at the same time, which is what the machine
// and this process allow.
type times struct{ through, straight []time.Duration }

// neighbourHost is the host that neighbours ask.
const neighbourHost = "neighbour.test"

// neighbourSite is the slice that floods must leave alone.
func neighbourSite() site {
	return site{neighbourHost, unit("neighbour"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "ok") // the neighbour judges
	})}
}

func (g world) neighbour(t *testing.T) *neighbour {
	t.Helper()
	backend := httptest.NewServer(neighbourSite().serve)
	t.Cleanup(backend.Close)
	return &neighbour{through: newAsker(t, g.Addr()), straight: newAsker(t, backend.Listener.Addr().String())}
}

func newAsker(t *testing.T, addr string) *asker {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return &asker{nc, bufio.NewReader(nc)}
}

// ask asks again and again for a time. Every answer must come, and be right.
func (n *neighbour) ask(t *testing.T, d time.Duration) (took times) {
	t.Helper()
	for begin := time.Now(); len(took.through) < 5 || time.Since(begin) < d; time.Sleep(2 * time.Millisecond) {
		took.through = append(took.through, n.through.ask(t))
		took.straight = append(took.straight, n.straight.ask(t))
	}
	stdslices.Sort(took.through)
	stdslices.Sort(took.straight)
	return took
}

// ask gives how long one answer takes.
func (a *asker) ask(t *testing.T) time.Duration {
	t.Helper()
	sent := time.Now()
	_ = a.nc.SetDeadline(sent.Add(10 * time.Second)) // a closed socket says so at the write
	if _, err := io.WriteString(a.nc, "GET / HTTP/1.1\r\nHost: "+neighbourHost+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(a.br, nil)
	if err != nil {
		t.Fatalf("the neighbour was not answered within %v: %v", time.Since(sent), err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil || string(b) != "ok" || resp.StatusCode != http.StatusOK {
		t.Fatalf("the neighbour got %s, %q, %v", resp.Status, b, err)
	}
	return time.Since(sent)
}

// unharmed compares a neighbour beside a flood with the same neighbour alone. Flood, gateway, backend and neighbour share this
// process's cores, and tests share the machine: what is judged is that the neighbour goes on at a pace of the same order. What an answer
// takes without a gateway at that moment is the machine's; with one there are twice as many goroutines to wait for, and allowed is twice that.
func unharmed(t *testing.T, alone, beside times) {
	t.Helper()
	p50, p99 := func(s []time.Duration) time.Duration { return s[len(s)/2] }, func(s []time.Duration) time.Duration { return s[len(s)*99/100] }
	t.Logf("neighbour: alone p50 %v p99 %v of %d, beside the flood p50 %v p99 %v of %d, straight from a backend p50 %v", p50(alone.through),
		p99(alone.through), len(alone.through), p50(beside.through), p99(beside.through), len(beside.through), p50(beside.straight))
	if limit := 300*time.Millisecond + 20*p50(alone.through) + 4*p50(beside.straight); p50(beside.through) > limit {
		t.Errorf("the neighbour's median is %v beside the flood, %v alone, %v without a gateway", p50(beside.through), p50(alone.through),
			p50(beside.straight))
	}
}

// memoryInUse is what the process holds after a collection: heap and stacks, bytes.
func memoryInUse() int64 {
	for range 2 { // pools keep what was used for two collections
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
