package edge

import (
	"math/rand/v2"
	"net"
	"os/exec"
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
	}{{"", 6, true}, {"broadcasts: nginx", 1, true}, {"nginx, default", 6, true}, {"nginx, tuned", 0, true}, {"connections", 4, true},
		{"most requests: nginx", 0, true}, {"most requests: nginx, tuned", 0, false}, {"most requests: nexus edge, one", 0, false}, {"no such", 0, false}} {
		r := &rig{Options: Options{Case: c.of}}
		if got := len(r.chosen("nginx, default")); got != c.floods || r.anyChosen() != c.any {
			t.Errorf("%q: %d floods of nginx and any %v, want %d and %v", c.of, got, r.anyChosen(), c.floods, c.any)
		}
	}
}

// TestProcessorTimeIsThatOfTheTree: a child of the process counts, and another process does not.
func TestProcessorTimeIsThatOfTheTree(t *testing.T) {
	t.Parallel()
	start := func(script string) *process {
		p, err := startProcess(exec.Command("sh", "-c", script))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.stop)
		return p
	}
	parent, idle := start("sh -c 'while :; do :; done & wait' & wait"), start("sleep 600 & wait")
	for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		used, ok := parent.processorTime()
		if !ok {
			t.Fatal("the process was not found")
		}
		if used > 50*time.Millisecond {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("a child that computes has used %v", used)
		}
	}
	if used, ok := idle.processorTime(); !ok || used > 40*time.Millisecond {
		t.Errorf("a process that sleeps: %v, found %v", used, ok)
	}
	if _, ok := (*process)(nil).processorTime(); ok {
		t.Error("nothing has processor time")
	}
}

func TestStatLines(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]stat{
		"4 (a) b) R 3 77 0 0 0 0 0 0 0 0 12 30 0 0": {4, 3, 42}, "9 (nexus) S 1 5 0 0 0 0 0 0 0 0 1 0": {9, 1, 1},
	} {
		if got, ok := parseStat([]byte(line)); !ok || got != want {
			t.Errorf("%q: %+v, %v", line, got, ok)
		}
	}
	for _, line := range []string{"", "1 (nexus", "1 (nexus) S 1 5 0", "1 (nexus) S 1 5 0 0 0 0 0 0 0 0 x 0", "y (nexus) S 1 5 0 0 0 0 0 0 0 0 1 0"} {
		if _, ok := parseStat([]byte(line)); ok {
			t.Errorf("%q was taken", line)
		}
	}
}
