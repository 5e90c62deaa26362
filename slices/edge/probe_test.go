package edge

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
)

func TestProberRunsPerSliceAndStops(t *testing.T) {
	t.Parallel()
	a, b, idle := unit("a"), unit("b"), unit("no-host")
	g := gateway(t, table(t, []Route{
		route("a.test", a, Backend{}), route("b.test", b, Backend{Address: "127.0.0.1:1"}),
	}, a, b, idle))
	p := NewProber(g, ProberConfig{PerSecond: 50, Timeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	eventually(t, "samples of both slices", func() bool {
		s := p.Snapshot()
		return s[a.ID].Samples >= 10 && s[b.ID].Samples >= 10
	})
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, s := range g.Snapshot() {
		if s.Slice.ID == idle.ID {
			if s.Added.Samples != 0 {
				t.Errorf("figures of a slice that nobody can reach: %+v", s.Added)
			}
			continue
		}
		if s.Probes < s.Added.Samples || s.Probes == 0 {
			t.Errorf("%s: %d probes in all, %d of the last minute", s.Slice.Name, s.Probes, s.Added.Samples)
		}
		if s.Added.Missed != 0 || s.Added.ThroughP50 <= 0 || s.Added.BaselineP50 <= 0 ||
			s.Added.AddedP50 != max(s.Added.ThroughP50-s.Added.BaselineP50, 0) {
			t.Errorf("%s: %+v", s.Slice.Name, s.Added)
		}
	}
	if _, err := p.Measure(t.Context(), idle.ID, 1, 1); nexus.CodeOf(err) != nexus.CodeNotFound {
		t.Errorf("measuring a slice without a host: %v", err)
	}
}

func TestProbePathBelongsToTheBackendForOthers(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("the unit's own page")))}, a))
	get(t, client(t, g.Addr()), "http://a.test"+ProbePath).want(t, 200, "the unit's own page")
	if n := g.Snapshot()[0].Gateway.Requests; n != 1 {
		t.Errorf("requests %d", n)
	}
}

func TestProbesOverTLSOnly(t *testing.T) {
	t.Parallel()
	ca, err := OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, Backend{})}, a), func(c *Config) {
		c.Addr, c.TLSAddr, c.Certificate = "", "127.0.0.1:0", ca.Certificate
	})
	p := NewProber(g, ProberConfig{Roots: ca.Pool(), Timeout: time.Minute})
	defer p.stop()
	got, err := p.Measure(t.Context(), a.ID, 20, 200)
	if err != nil || got.Samples != 20 || got.Missed != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if s := g.Snapshot()[0].Gateway; s.Sessions != 0 || s.Samples != 0 || s.BytesIn != 0 || s.BytesOut != 0 {
		t.Errorf("probes count as traffic: %+v", s)
	}
}

func TestProbesSeeAFullSlice(t *testing.T) {
	t.Parallel()
	// All places are taken for good: a probe must show that, not hide it.
	a := unit("a")
	a.MaxInFlight = 1
	entered, release := make(chan struct{}), make(chan struct{})
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
	}))}, a))
	c := client(t, g.Addr())
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if resp, err := c.Get("http://a.test/"); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}()
	<-entered
	p := NewProber(g, ProberConfig{Timeout: 200 * time.Millisecond})
	defer p.stop()
	got, err := p.Measure(t.Context(), a.ID, 6, 100)
	close(release)
	<-answered
	if err != nil || got.Samples != 6 || got.Missed != 6 || got.ThroughP50 != 200_000 {
		t.Errorf("%+v, %v", got, err)
	}
	// The places were taken by what its own backend is slow with: no failing of the gateway, and the record does not call it one.
	if got.OwnP99 < got.AddedP99/10 || got.OwnP99+got.Judged() != got.AddedP99 {
		t.Errorf("judged with %d of %d us", got.Judged(), got.AddedP99)
	}
}

// TestProbesOfASliceAtItsCeiling: who wants more than its ceiling makes its own probes wait. They show it, and the gateway does not answer for it;
// for a link that others fill it does.
func TestProbesOfASliceAtItsCeiling(t *testing.T) {
	t.Parallel()
	endless := backend(t, endlessly)
	a := unit("a", func(s *slices.Slice) { s.CeilingBps = 400_000 })
	g := gateway(t, table(t, []Route{route("a.test", a, endless)}, a))
	ctx, cancel := context.WithCancel(t.Context())
	var taking sync.WaitGroup
	defer taking.Wait()
	defer cancel()
	var got [4]atomic.Int64
	for i := range got {
		take(ctx, t, &taking, g.Addr(), "a.test", &got[i])
	}
	eventually(t, "the ceiling is reached", func() bool {
		for i := range got {
			if got[i].Load() == 0 {
				return false
			}
		}
		return g.scheduler.OwnWait(g.states[a.ID].flow) > 0
	})
	p := NewProber(g, ProberConfig{Timeout: time.Minute})
	defer p.stop()
	added, err := p.Measure(t.Context(), a.ID, 20, 20)
	if err != nil || added.Samples != 20 || added.Missed != 0 {
		t.Fatalf("%+v, %v", added, err)
	}
	// A queue of four quanta at 400 kbit/s makes each probe wait for tens of milliseconds, whatever the machine does.
	if added.OwnP99 < 20_000 || added.OwnP99 < added.AddedP99/10 {
		t.Errorf("%d us added, %d of them its own", added.AddedP99, added.OwnP99)
	}
}

func TestTimeThatAProbeIsHeld(t *testing.T) {
	t.Parallel()
	var none *probeConn
	none.next()
	if none.held() != 0 {
		t.Error("a baseline was held")
	}
	p := &probeConn{}
	p.begin(time.Hour)
	time.Sleep(time.Millisecond)
	open := p.held() // given up in the middle of a wait
	p.end()
	if open < time.Millisecond || p.held() < open {
		t.Errorf("held for %v, then for %v", open, p.held())
	}
	had := p.held()
	p.begin(0) // the link was busy with others
	time.Sleep(time.Millisecond)
	p.end()
	p.end() // nothing is open
	if p.held() != had {
		t.Errorf("held for %v by others", p.held()-had)
	}
	if p.next(); p.held() != 0 {
		t.Errorf("the next probe was held for %v already", p.held())
	}
}

func TestProberForgetsOldSamples(t *testing.T) {
	t.Parallel()
	var s probeSeries
	now := time.Unix(1_000_000, 0)
	for i := range probeSamplesMax + 10 {
		s.add(probeSample{atNs: now.UnixNano(), micros: int64(i)})
	}
	if got, _, _ := s.recent(now); len(got) != probeSamplesMax {
		t.Errorf("%d samples kept", len(got))
	}
	if got, _, _ := s.recent(now.Add(probeWindow + 1)); len(got) != 0 {
		t.Errorf("%d samples older than the window", len(got))
	}
	sorted := []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for permille, want := range map[int]int64{1: 1, 500: 5, 501: 6, 990: 10, 999: 10} {
		if got := quantile(sorted, permille); got != want {
			t.Errorf("quantile %d: %d, want %d", permille, got, want)
		}
	}
}

// TestAProbeGivenUpIsNoClient: a machine that is busy takes a connection out of its queue when the prober has closed it long since.
func TestAProbeGivenUpIsNoClient(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, Backend{})}, a))
	c, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	p := newProbeConn(g, c)
	if _, err := io.WriteString(p, "GET "+ProbePath+" HTTP/1.1\r\nHost: a.test\r\n"); err != nil { // no end yet: no host, no slice
		t.Fatal(err)
	}
	rest := p.Conn
	p.Conn = shut{} // what the prober gives up, the queue still has
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(rest, "Connection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(rest); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200") {
		t.Errorf("%.80q, %v", got, err)
	}
	_ = rest.Close()
	if s := g.Snapshot()[0].Gateway; s.Requests != 0 || s.Sessions != 0 || s.BytesOut != 0 {
		t.Errorf("a probe is counted: %+v", s)
	}
}

// shut is a connection whose end changes nothing.
type shut struct{ net.Conn }

func (shut) Close() error { return nil }
