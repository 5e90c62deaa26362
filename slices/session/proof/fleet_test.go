//go:build linux

package proof_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/satellite"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/supervise"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/proof"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/roam"
)

// edgeVariable makes the test binary an edge process: home's socket and name.
const edgeVariable = "NEXUS_TEST_EDGE"

// secureVariable gives such a process TLS and WebTransport too, with an authority of its own.
const secureVariable = "NEXUS_TEST_EDGE_SECURE"

func TestMain(m *testing.M) {
	if spec := os.Getenv(edgeVariable); spec != "" {
		edgeMain(spec)
		return
	}
	if spec := os.Getenv(supervisorVariable); spec != "" {
		if err := supervisorMain(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	deadline := time.Now().Add(time.Minute)
	for code == 0 {
		buf := make([]byte, 1<<20)
		stacks := string(buf[:runtime.Stack(buf, true)])
		if strings.Count(stacks, "nexus-cos/slices/") <= strings.Count(stacks, "proof_test.TestMain") {
			break
		}
		if time.Now().After(deadline) {
			_, _ = os.Stderr.WriteString("goroutines left after all tests:\n" + stacks)
			code = 1
		}
		time.Sleep(10 * time.Millisecond)
	}
	os.Exit(code)
}

func edgeMain(spec string) {
	home, name, _ := strings.Cut(spec, "|")
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	c := satellite.Config{Name: name, Home: home, Addr: "127.0.0.1:0", OnReady: func(r satellite.Ready) {
		b, _ := json.Marshal(r)
		fmt.Println(string(b))
	}}
	ca, err := edge.OpenDevCA("")
	if err == nil {
		if os.Getenv(secureVariable) != "" {
			c.TLSAddr, c.Certificate = "127.0.0.1:0", ca.Certificate
		}
		if os.Getenv(supervise.Variable) != "" {
			err = asWorker(&c)
		}
	}
	if err == nil {
		err = satellite.Run(ctx, c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func startFleet(t *testing.T, edges int, limits session.Limits) *proof.Fleet {
	t.Helper()
	dir, err := os.MkdirTemp("", "nxfleet")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	f, err := proof.StartFleet(ctx, proof.FleetConfig{Dir: dir, Edges: edges, Limits: limits, Edge: func(home, name string) *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), edgeVariable+"="+home+"|"+name)
		cmd.Stderr = os.Stderr
		return cmd
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// eventually retries until ok, for at most twenty seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// moves collects the edges that a session was at.
func moves() (chan roam.Move, roam.Options) {
	seen := make(chan roam.Move, 1000)
	return seen, roam.Options{MeasureEvery: -1, OnMove: func(m roam.Move) {
		select {
		case seen <- m:
		default:
		}
	}}
}

// TestASessionSurvivesItsEdges: one session over planned moves, a killed edge and one that falls silent, with real processes.
func TestASessionSurvivesItsEdges(t *testing.T) {
	f := startFleet(t, 3, session.Limits{})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	_, o := moves()
	const every = 2 * time.Millisecond
	s, err := f.Dial(ctx, f.Edges()[0], every, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run := proof.Start(ctx, s, every)
	flows := func() {
		t.Helper()
		n := run.Received()
		eventually(t, "messages come", func() bool { return run.Received() > n+20 })
	}
	flows()
	eventually(t, "the client knows every edge", func() bool { return len(s.Edges()) == 3 })
	for i := range 6 {
		to := f.Edges()[(i+1)%3].Address()
		begin := time.Now()
		if err := f.Home.Move(s.ID(), []string{to}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the session is at "+to, func() bool { return s.Edge() == to })
		flows()
		t.Logf("planned: gap %v", run.Gap(begin, time.Now()))
	}
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		victim := f.At(s.Edge())
		begin := time.Now()
		if err := victim.Signal(sig); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the session leaves the edge", func() bool { e := s.Edge(); return e != "" && e != victim.Address() })
		flows()
		t.Logf("%v: gap %v", sig, run.Gap(begin, time.Now()))
		f.Kill(victim)
	}
	eventually(t, "the home is told round trips", func() bool { return f.Home.Stats()[0].Trips.Samples > 0 })
	report, err := run.Finish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Clean() {
		t.Fatalf("not clean: %+v", report)
	}
	stats := f.Home.Stats()
	if len(stats) != 1 || stats[0].Planned == 0 || stats[0].Recovered == 0 || stats[0].PerMinute < 8 {
		t.Fatalf("hand-offs not counted: %+v", stats)
	}
	t.Logf("%d down, %d up, %+v", report.DownSent, report.UpSent, stats[0])
}

// TestAnEdgeThatStopsSendsItsSessionsAway: SIGTERM hands every session over before the process ends.
func TestAnEdgeThatStopsSendsItsSessionsAway(t *testing.T) {
	f := startFleet(t, 2, session.Limits{})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	const every = 10 * time.Millisecond
	first := f.Edges()[0]
	var runs []*proof.Run
	for range 5 {
		_, o := moves()
		s, err := f.Dial(ctx, first, every, o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		runs = append(runs, proof.Start(ctx, s, every))
	}
	for _, r := range runs {
		eventually(t, "messages come", func() bool { return r.Received() > 20 })
	}
	if err := first.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(); err != nil {
		t.Fatalf("the edge did not end in order: %v", err)
	}
	f.Kill(first) // forgets it
	for _, r := range runs {
		report, err := r.Finish(ctx)
		if err != nil || !report.Clean() {
			t.Fatalf("%v, %+v, home %+v, client %s", err, report, f.Home.Sessions(), r)
		}
	}
	if s := f.Home.Stats()[0]; s.Planned+s.Recovered < 5 || s.Planned == 0 {
		t.Fatalf("expected 5 hand-offs, planned ones among them: %+v", s)
	}
}

// TestASilenceWithinTheWindowLosesNothing: with its only edge stopped the session has nowhere to go; the program is not read when
// the window is full, and afterwards everything comes.
func TestASilenceWithinTheWindowLosesNothing(t *testing.T) {
	f := startFleet(t, 1, session.Limits{RetainBytes: 8 << 10})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	const every = 2 * time.Millisecond // 8 KiB are used up in some 200 ms
	_, o := moves()
	s, err := f.Dial(ctx, f.Edges()[0], every, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run := proof.Start(ctx, s, every)
	eventually(t, "messages come", func() bool { return run.Received() > 20 })
	if err := f.Edges()[0].Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client has noticed", func() bool { return s.Edge() == "" })
	if err := f.Edges()[0].Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	n := run.Received()
	eventually(t, "messages come again", func() bool { return run.Received() > n+200 })
	report, err := run.Finish(ctx)
	if err != nil || !report.Clean() {
		t.Fatalf("%v, %+v", err, report)
	}
}

// TestBeyondTheWindowTheEndIsSaid: a client that stays away longer than the home waits is told so, never given a hole.
func TestBeyondTheWindowTheEndIsSaid(t *testing.T) {
	f := startFleet(t, 1, session.Limits{RetainFor: 500 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	_, o := moves()
	s, err := f.Dial(ctx, f.Edges()[0], time.Millisecond, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := f.Edges()[0].Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the home has given the session up", func() bool { return len(f.Home.Sessions()) == 0 })
	if err := f.Edges()[0].Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err = s.Receive(ctx); err != nil {
			break
		}
	}
	if !strings.Contains(err.Error(), "not held here any more") && !strings.Contains(err.Error(), "away too long") &&
		!strings.Contains(err.Error(), "ticket refused") {
		t.Fatalf("the reason is not said: %v", err)
	}
	t.Log(err)
}
