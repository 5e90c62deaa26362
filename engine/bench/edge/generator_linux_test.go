package edge

import (
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// serveBackend starts a backend and gives its address.
func serveBackend(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go newBackend().serve(t.Context(), ln)
	return ln.Addr().String()
}

func TestGeneratorCountsWhatTheBackendAnswers(t *testing.T) {
	addr := serveBackend(t)
	job := func(shape, path string, connections int) Job {
		return Job{Shape: shape, Addr: addr, Source: offenderSource, Host: smallHost, Path: path, Connections: connections, Rate: 100,
			Warm: 200 * time.Millisecond, Duration: time.Second}
	}
	for _, c := range []struct {
		name string
		job  Job
		ok   func(Figures) bool
	}{
		{"every request of a fixed rate is accounted for", job(shapeOpen, pathSmall, 4), func(f Figures) bool {
			return f.P50 > 0 && f.P99 >= f.P50 && f.Max >= f.P999 && f.Good > 0 && f.Refused == 0
		}},
		{"closed loop", job(shapeClosed, pathSmall, 4), func(f Figures) bool { return f.Good > 10 && f.Bytes > f.Good*smallBytes }},
		{"large bodies", job(shapeClosed, pathLarge, 2), func(f Figures) bool { return f.Bytes > largeBytes }},
		{"broadcasts", job(shapeStream, pathBroadcast, 4), func(f Figures) bool { return f.Good > 0 && f.Open == 4 }},
		{"slow headers get no answer", job(shapeLoris, pathSmall, 4), func(f Figures) bool { return f.Good == 0 && f.Open == 4 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, err := generate(t.Context(), c.job)
			if err != nil || !c.ok(f) {
				t.Errorf("%v: %+v", err, f)
			}
		})
	}
}

// TestALatencyCountsFromWhenItWasDue: a backend that answers nothing makes every request late, none is left out.
func TestALatencyCountsFromWhenItWasDue(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	f, err := generate(t.Context(), Job{Shape: shapeOpen, Addr: ln.Addr().String(), Source: victimSource, Host: victimHost, Path: pathSmall,
		Connections: 2, Rate: 50, Warm: 100 * time.Millisecond, Duration: 400 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if f.Late < 16 || f.Late > 24 || f.P50 < lateMost.Microseconds() {
		t.Errorf("%d late of about 20, p50 %d us: silence must count", f.Late, f.P50)
	}
}

// TestArrivalsAreInStepWithNothing: over a few seconds requests come at every part of a broadcast's period, at the rate that was asked for.
func TestArrivalsAreInStepWithNothing(t *testing.T) {
	t.Parallel()
	const requests, parts = 2000, 10
	g := &generator{job: Job{Rate: victimRate}, chance: rand.New(rand.NewPCG(1, 1))} //nolint:gosec // as the generator has it
	var at time.Duration
	var met [parts]int
	for range requests {
		at += g.gap()
		met[int(at%broadcastEvery*parts/broadcastEvery)]++
	}
	if rate := requests / at.Seconds(); rate < 0.98*victimRate || rate > 1.02*victimRate {
		t.Errorf("%.1f requests a second of %d", rate, victimRate)
	}
	for i, n := range met {
		if n < requests/parts/2 || n > requests/parts*2 {
			t.Errorf("part %d of %d met %d of %d requests", i+1, parts, n, requests)
		}
	}
}

func TestACaseIsPartOfALine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of     string
		floods int // of nginx, by default
		any    bool
	}{{"", 6, true}, {"broadcasts: nginx", 1, true}, {"nginx, default", 6, true}, {"nginx, tuned", 0, true}, {"connections", 4, true}, {"no such", 0, false}} {
		r := &rig{Options: Options{Case: c.of}}
		if got := len(r.chosen("nginx, default")); got != c.floods || r.anyChosen() != c.any {
			t.Errorf("%q: %d floods of nginx and any %v, want %d and %v", c.of, got, r.anyChosen(), c.floods, c.any)
		}
	}
}
