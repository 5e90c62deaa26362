package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// flood sends requests in a closed loop on many connections until ctx ends and returns the number of answers.
func flood(ctx context.Context, addr, host string, connections int) *atomic.Int64 {
	var answers atomic.Int64
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				return
			}
			defer func() { _ = c.Close() }()
			stop := context.AfterFunc(ctx, func() { _ = c.Close() })
			defer stop()
			br := bufio.NewReader(c)
			for ctx.Err() == nil {
				if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
					return
				}
				resp, err := http.ReadResponse(br, nil)
				if err != nil {
					return
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					return
				}
				if resp.StatusCode == http.StatusOK {
					answers.Add(1)
				}
			}
		})
	}
	context.AfterFunc(ctx, wg.Wait)
	return &answers
}

// gaugedBackend counts how many requests are inside it at once.
func gaugedBackend(t *testing.T, peak *atomic.Int64) Backend {
	var inside atomic.Int64
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		n := inside.Add(1)
		defer inside.Add(-1)
		for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
		}
		_, _ = io.WriteString(w, "ok")
	})
}

func TestFloodStaysInItsSlice(t *testing.T) {
	var peak atomic.Int64
	victim := unit("victim")
	hostile := unit("hostile", func(s *slices.Slice) { s.Class, s.MaxInFlight = slices.ClassBulk, 2 })
	g := gateway(t, table(t, []Route{
		route("victim.test", victim, backend(t, text("hello"))),
		route("hostile.test", hostile, gaugedBackend(t, &peak)),
	}, victim, hostile))
	p := NewProber(g, ProberConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answers := flood(ctx, g.Addr(), "hostile.test", 64)
	eventually(t, "the flood runs", func() bool { return answers.Load() > 200 })
	added, err := p.Measure(ctx, victim.ID, 150, 100)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("victim beside the flood, us: added p50 %d p99 %d, through p99 %d, baseline p99 %d, %d samples, %d missed",
		added.AddedP50, added.AddedP99, added.ThroughP99, added.BaselineP99, added.Samples, added.Missed)
	cancel()
	stats := map[string]SliceStats{}
	for _, s := range g.Snapshot() {
		stats[s.Slice.Name] = s
	}
	h, v := stats["hostile"].Gateway, stats["victim"].Gateway
	t.Logf("flood: %d answers, %d stalls, queue %d, refused %d, p99 %d us",
		answers.Load(), h.Stalls, h.Queue, h.Refused, h.P99)
	if p := peak.Load(); p > 2 {
		t.Errorf("%d requests of the flood were inside its backend at once, bound 2", p)
	}
	if h.Stalls == 0 {
		t.Error("the flood's connections were never left unread")
	}
	if h.Refused > 0 {
		t.Errorf("%d requests were answered 503: connections must wait instead", h.Refused)
	}
	if v.Refused != 0 || v.Dropped != 0 || v.Cut != 0 {
		t.Errorf("the victim was touched: %+v", v)
	}
	// How fast they came back is the machine's matter too, so it is shown above and not judged here.
	if added.Samples != 150 {
		t.Errorf("%d of 150 probes of the victim are accounted for", added.Samples)
	}
	if v.Requests != 0 || v.BytesIn != 0 || v.Samples != 0 || v.Sessions != 0 {
		t.Errorf("probes count as the victim's traffic: %+v", v)
	}
}

// TestFirstRequestsWaitInsteadOfBeingRefused: a refused first request ends its connection, and the next one comes at once; so more new
// connections than the queue is long wait their turn, as known connections do.
func TestFirstRequestsWaitInsteadOfBeingRefused(t *testing.T) {
	t.Parallel()
	s := unit("s", func(s *slices.Slice) { s.Class, s.MaxInFlight = slices.ClassInteractive, 1 })
	spec, _ := s.Class.Spec()
	clients := spec.Drop.QueueMax + 40
	release := make(chan struct{})
	let := sync.OnceFunc(func() { close(release) })
	g := gateway(t, table(t, []Route{route("s.test", s, backend(t, func(w http.ResponseWriter, r *http.Request) { <-release }))}, s))
	defer let() // a failure too lets the backend end
	statuses := make(chan string, clients)
	for range clients {
		go func() { // ends with its answer, or with the gateway
			c, err := net.Dial("tcp", g.Addr())
			if err != nil {
				statuses <- err.Error()
				return
			}
			defer func() { _ = c.Close() }()
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: s.test\r\n\r\n"); err != nil {
				statuses <- err.Error()
				return
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				statuses <- err.Error()
				return
			}
			_ = resp.Body.Close()
			statuses <- resp.Status
		}()
	}
	eventually(t, "all but one wait", func() bool { return g.Snapshot()[0].Gateway.Queue == clients-1 })
	let()
	for range clients {
		if got := <-statuses; got != "200 OK" {
			t.Fatalf("a first request got %s", got)
		}
	}
}

func TestFloodOverHTTP2IsBoundedToo(t *testing.T) {
	t.Parallel()
	var peak atomic.Int64
	hostile := unit("hostile", func(s *slices.Slice) { s.MaxInFlight = 2 })
	g := gateway(t, table(t, []Route{route("h.test", hostile, gaugedBackend(t, &peak))}, hostile))
	c := client(t, g.Addr(), h2c)
	var ok, refused atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 20 {
				resp, err := c.Get("http://h.test/")
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				switch resp.StatusCode {
				case 200:
					ok.Add(1)
				case 503:
					refused.Add(1)
					if resp.Header.Get("Retry-After") == "" {
						t.Error("503 without Retry-After")
					}
				default:
					t.Errorf("status %d", resp.StatusCode)
				}
			}
		})
	}
	wg.Wait()
	if ok.Load()+refused.Load() != 64*20 || ok.Load() < 100 {
		t.Errorf("%d served, %d refused", ok.Load(), refused.Load())
	}
	if p := peak.Load(); p > 2 {
		t.Errorf("%d at once, bound 2", p)
	}
}

// TestHTTP2BodiesPassASmallGate is the deadlock test: with one place, large answers need window updates that come over
// a connection whose next request has no turn.
func TestHTTP2BodiesPassASmallGate(t *testing.T) {
	t.Parallel()
	s := unit("s", func(s *slices.Slice) { s.Class, s.MaxInFlight = slices.ClassBulk, 1 })
	const size = 3 << 20
	g := gateway(t, table(t, []Route{route("s.test", s, backend(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintf(w, "%d", n)
		_, _ = w.Write(make([]byte, size))
	}))}, s))
	var wg sync.WaitGroup
	for range 3 {
		c := client(t, g.Addr(), h2c)
		for range 3 {
			wg.Go(func() {
				resp, err := c.Post("http://s.test/", "", io.LimitReader(zeros{}, size))
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = resp.Body.Close() }()
				n, err := io.Copy(io.Discard, resp.Body)
				if err != nil || n != size+int64(len(fmt.Sprint(size))) || resp.StatusCode != 200 {
					t.Errorf("status %d, %d bytes, %v", resp.StatusCode, n, err)
				}
			})
		}
	}
	wg.Wait()
}

// TestHTTP2RequestsWithoutBodyWait: a page's many requests on one connection wait for their turn; the bound on waiting bodies is
// none of theirs.
func TestHTTP2RequestsWithoutBodyWait(t *testing.T) {
	t.Parallel()
	const requests = 8 * parkedBodiesMax
	release := make(chan struct{})
	s := unit("s", func(s *slices.Slice) { s.Class, s.MaxInFlight = slices.ClassBulk, 1 })
	g := gateway(t, table(t, []Route{route("s.test", s, backend(t, func(w http.ResponseWriter, r *http.Request) { <-release }))}, s))
	c := client(t, g.Addr(), h2c)
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() {
			resp, err := c.Get("http://s.test/")
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("status %d", resp.StatusCode)
			}
		})
	}
	eventually(t, "more requests wait than bodies may", func() bool {
		stats := g.Snapshot()[0].Gateway
		return stats.Queue > parkedBodiesMax || stats.Refused > 0
	})
	close(release)
	wg.Wait()
}

func TestSlowRequestsDoNotFillTheGate(t *testing.T) {
	t.Parallel()
	s := unit("s", func(s *slices.Slice) { s.MaxInFlight = 6 })
	release := make(chan struct{})
	var slow atomic.Int32
	g := gateway(t, table(t, []Route{route("s.test", s, backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			slow.Add(1)
			<-release
		}
	}))}, s))
	c := client(t, g.Addr())
	var wg sync.WaitGroup
	ask := func(path string) {
		wg.Go(func() {
			resp, err := c.Get("http://s.test" + path)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	for range 5 {
		ask("/slow")
	}
	eventually(t, "five slow requests pass four turns", func() bool { return slow.Load() == 5 })
	get(t, c, "http://s.test/fast").want(t, 200, "")
	for range 5 {
		ask("/slow")
	}
	eventually(t, "the bound of all requests holds", func() bool {
		got := g.Snapshot()[0].Gateway
		return got.InFlight == 6 && got.Queue == 4 && slow.Load() == 6
	})
	close(release)
	wg.Wait()
	eventually(t, "all places are free", func() bool { return g.Snapshot()[0].Gateway.InFlight == 0 })
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestCeilingHoldsOnRealSockets(t *testing.T) {
	t.Parallel()
	const bps = 16_000_000 // 2 MB/s
	s := unit("s", func(s *slices.Slice) { s.CeilingBps = bps })
	g := gateway(t, table(t, []Route{route("s.test", s, backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 1<<20))
	}))}, s))
	begin := time.Now()
	get(t, client(t, g.Addr()), "http://s.test/").want(t, 200, "")
	took := time.Since(begin)
	// The burst is 20 ms; a loaded machine may take longer, never shorter.
	if least := (1<<20*8*1000/bps - 40) * time.Millisecond; took < least {
		t.Errorf("1 MiB at %d bit/s took %v, must take %v", bps, took, least)
	}
}

func TestGatewayHistogramLeavesTheBackendOut(t *testing.T) {
	t.Parallel()
	s := unit("s")
	g := gateway(t, table(t, []Route{route("s.test", s, backend(t, func(w http.ResponseWriter, r *http.Request) {
		timer := time.NewTimer(300 * time.Millisecond)
		defer timer.Stop()
		<-timer.C
	}))}, s))
	if q := g.Snapshot()[0].Gateway; q.Samples != 0 {
		t.Errorf("samples without traffic: %+v", q)
	}
	get(t, client(t, g.Addr()), "http://s.test/")
	eventually(t, "one sample", func() bool { return g.Snapshot()[0].Gateway.Samples == 1 })
	if q := g.Snapshot()[0].Gateway; q.Max >= 250_000 || q.Max < 1 {
		t.Errorf("300 ms of backend time inside the gateway's %d us", q.Max)
	}
}
