package conform_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
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

// neighbour is a client of another slice of the same gateway, on one connection.
type neighbour struct {
	nc net.Conn
	br *bufio.Reader
}

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
	nc, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return &neighbour{nc, bufio.NewReader(nc)}
}

// ask asks again and again for a time, and gives how long the answers took, sorted. Every answer must come, and be right.
func (n *neighbour) ask(t *testing.T, d time.Duration) []time.Duration {
	t.Helper()
	var took []time.Duration
	for begin := time.Now(); len(took) < 5 || time.Since(begin) < d; time.Sleep(2 * time.Millisecond) {
		sent := time.Now()
		_ = n.nc.SetDeadline(sent.Add(10 * time.Second)) // a closed socket says so at the write
		if _, err := io.WriteString(n.nc, "GET / HTTP/1.1\r\nHost: "+neighbourHost+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(n.br, nil)
		if err != nil {
			t.Fatalf("the neighbour was not answered within %v: %v", time.Since(sent), err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil || string(b) != "ok" || resp.StatusCode != http.StatusOK {
			t.Fatalf("the neighbour got %s, %q, %v", resp.Status, b, err)
		}
		took = append(took, time.Since(sent))
	}
	stdslices.Sort(took)
	return took
}

// unharmed compares a neighbour beside a flood with the same neighbour alone. Flood, gateway, backend and neighbour share this
// process's cores, and tests share the machine: what is judged is that the neighbour goes on at a pace of the same order.
func unharmed(t *testing.T, alone, beside []time.Duration) {
	t.Helper()
	p50, p99 := func(s []time.Duration) time.Duration { return s[len(s)/2] }, func(s []time.Duration) time.Duration { return s[len(s)*99/100] }
	t.Logf("neighbour: alone p50 %v p99 %v of %d, beside the flood p50 %v p99 %v of %d", p50(alone), p99(alone), len(alone),
		p50(beside), p99(beside), len(beside))
	if limit := 300*time.Millisecond + 20*p50(alone); p50(beside) > limit {
		t.Errorf("the neighbour's median is %v beside the flood, %v alone", p50(beside), p50(alone))
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
