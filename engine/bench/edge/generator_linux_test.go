package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	stdslices "slices"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
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

// answerer serves connections one after the other with what the function does to each, by its number from 0.
func answerer(t *testing.T, serve func(i int, c net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(t.Context(), func() { _ = c.Close() }) // before the clean-ups
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				serve(i, c)
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		wg.Wait()
	})
	return ln.Addr().String()
}

// answerAll answers every request of a connection.
func answerAll(c net.Conn) {
	for br := bufio.NewReader(c); ; {
		if _, _, err := readRequest(br); err != nil {
			return
		}
		if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")); err != nil {
			return
		}
	}
}

// openJob is a load at a fixed rate that counts from its beginning.
func openJob(addr string, connections int) Job {
	return Job{Shape: shapeOpen, Addr: addr, Source: victimSource, Host: victimHost, Path: pathSmall, Connections: connections, Rate: 50,
		Duration: time.Second}
}

// TestAClosedIdleConnectionBreaksNothing: a server may close a connection on which nothing is asked. That is said apart; only what was asked, and a
// connection that was refused, is broken; and a load without a rate always has something in hand.
func TestAClosedIdleConnectionBreaksNothing(t *testing.T) {
	t.Parallel()
	now := time.Now()
	waits, older := now.Add(-time.Second), now.Add(-2*time.Second)
	g := &generator{job: Job{Shape: shapeOpen}, counts: now.Add(-time.Minute), end: now.Add(time.Hour), queue: []time.Time{waits},
		links: []socket{{connected: true}, {connected: true, busy: true, due: older}, {}, {connected: true}}}
	for i := range g.links {
		g.broken(int32(i))
	}
	if g.figures.Idle != 2 || g.figures.Broken != 2 || len(g.dead) != 4 || len(g.queue) != 2 || !g.queue[0].Equal(older) {
		t.Errorf("%d idle, %d broken, %d to be opened again, due %v", g.figures.Idle, g.figures.Broken, len(g.dead), g.queue)
	}
	g.job.Shape = shapeLoris
	g.links[0].connected = true
	if g.broken(0); g.figures.Idle != 2 || g.figures.Broken != 3 {
		t.Errorf("a head that is cut short: %d idle, %d broken", g.figures.Idle, g.figures.Broken)
	}
	for _, c := range []struct {
		of   Figures
		want []string
	}{{Figures{Idle: 7}, []string{"7 idle connections closed"}}, {Figures{Broken: 1}, []string{"WHO: 0 late, 1 broken, 0 refused"}}, {Figures{Good: 1}, nil},
		{Figures{Late: 1, Idle: 2}, []string{"WHO: 1 late, 0 broken, 0 refused", "2 idle connections closed"}}} {
		if got := c.of.trouble("WHO: "); !stdslices.Equal(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.of, got, c.want)
		}
	}
}

// TestABrokenRequestIsAskedAgain: a request whose connection ends is broken, and its latency goes on until it is answered on another one.
func TestABrokenRequestIsAskedAgain(t *testing.T) {
	t.Parallel()
	const held = 300 * time.Millisecond
	addr := answerer(t, func(i int, c net.Conn) {
		if i > 0 {
			answerAll(c)
			return
		}
		_, _, _ = readRequest(bufio.NewReader(c))
		time.Sleep(held) // and ends without an answer
	})
	f, err := generate(t.Context(), openJob(addr, 1))
	if err != nil {
		t.Fatal(err)
	}
	if f.Broken != 1 || f.Idle != 0 || f.Late != 0 || f.Max < held.Microseconds() || f.Samples < 30 || int64(f.Samples) != f.Answers {
		t.Errorf("%+v", f)
	}
}

// TestAnAnswerThatClosesBreaksNothing: an answer that ends its connection is an answer, before figures count too.
func TestAnAnswerThatClosesBreaksNothing(t *testing.T) {
	t.Parallel()
	addr := answerer(t, func(_ int, c net.Conn) {
		_, _, _ = readRequest(bufio.NewReader(c))
		_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")) // the generator closes
	})
	for _, shape := range []string{shapeOpen, shapeClosed} {
		job := openJob(addr, 2)
		job.Shape = shape
		f, err := generate(t.Context(), job)
		if err != nil || f.Good == 0 || f.Broken != 0 || f.Idle != 0 {
			t.Errorf("%s: %v: %+v", shape, err, f)
		}
	}
}

// TestAClientAsksAgain: as TestABrokenRequestIsAskedAgain, for the clients of the rates over TLS.
func TestAClientAsksAgain(t *testing.T) {
	t.Parallel()
	const held = 100 * time.Millisecond
	addr := answerer(t, func(i int, c net.Conn) {
		if i < 1 || i > 3 { // the first request opens the connection, and does not count
			for br := bufio.NewReader(c); ; {
				if _, _, err := readRequest(br); err != nil {
					return
				}
				if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")); err != nil {
					return
				}
			}
		}
		_, _, _ = readRequest(bufio.NewReader(c))
		time.Sleep(held)
	})
	f, err := clients(t.Context(), Job{Shape: shapeClients, Protocol: protocolPlain, Addr: addr, Source: victimSource, Host: victimHost, Path: pathSmall,
		Connections: 1, Rate: 20, Duration: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if f.Broken < 3 || f.Late != 0 || int64(f.Samples) != f.Good || f.Max < 3*held.Microseconds() {
		t.Errorf("%+v", f)
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

// TestAPauseIsAddedToEachGap: a tenant that is to be silent for more than a second never asks sooner, and no two times at the same part of one.
func TestAPauseIsAddedToEachGap(t *testing.T) {
	t.Parallel()
	g := &generator{job: Job{Rate: silentRate, Pause: silentPause}, chance: rand.New(rand.NewPCG(1, 1))} //nolint:gosec // as the generator has it
	shortest, longest := time.Hour, time.Duration(0)
	for range 1000 {
		gap := g.gap()
		shortest, longest = min(shortest, gap), max(longest, gap)
	}
	if shortest <= time.Second || longest-shortest < 400*time.Millisecond || longest > 2*time.Second {
		t.Errorf("from %v to %v between two requests", shortest, longest)
	}
}

// TestASilentTenantIsMeasuredWhereItIsAskedFor: beside each flood of small requests, of a proxy at its defaults, and never in a run of everything.
func TestASilentTenantIsMeasuredWhereItIsAskedFor(t *testing.T) {
	t.Parallel()
	ours := contenders()[0]
	for _, c := range []struct {
		of    string
		tuned bool
		want  int
	}{{"silent tenant", false, 2}, {"silent tenant", true, 0}, {"", false, 0}, {"512 connections: nexus edge", false, 1},
		{"silent tenant beside 512 connections: caddy", false, 0}} {
		r := &rig{Options: Options{Case: c.of}}
		if got := r.silentFloods(ours, c.tuned); len(got) != c.want {
			t.Errorf("%q, tuned %t: %d floods, want %d", c.of, c.tuned, len(got), c.want)
		}
	}
}

// TestClientsMeetTheirBackend: the clients of the rates over TLS reach a real server by each protocol, count what it answers, and a server that is silent makes
// requests late.
func TestClientsMeetTheirBackend(t *testing.T) {
	t.Parallel()
	addr, secure := serveBackend(t), serveProtocols(t)
	for protocol, path := range map[string]string{protocolPlain: pathSmall, protocolH1: "/HTTP/1.1", protocolH2: "/HTTP/2.0", protocolH3: "/HTTP/3.0"} {
		to := secure
		if protocol == protocolPlain {
			to = addr
		}
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			f, err := clients(t.Context(), Job{Shape: shapeClients, Protocol: protocol, Addr: to, Source: victimSource, Host: victimHost, Path: path,
				Connections: 4, Rate: 100, Warm: 100 * time.Millisecond, Duration: 500 * time.Millisecond})
			if err != nil || f.Good < 30 || f.Good+f.Late > 70 || f.Refused+f.Broken > 0 || f.P50 <= 0 || f.P999 < f.P50 {
				t.Errorf("%v: %+v", err, f)
			}
		})
	}
	f, err := quicHandshakes(t.Context(), Job{Addr: secure, Source: offenderSource, Host: victimHost, Connections: 2, Duration: 500 * time.Millisecond})
	if err != nil || f.Good == 0 {
		t.Errorf("handshakes over QUIC: %v, %+v", err, f)
	}
	if _, err := clients(t.Context(), Job{Protocol: "gopher", Connections: 1, Source: victimSource, Addr: addr}); err == nil {
		t.Error("an unknown protocol is spoken")
	}
}

// serveProtocols is a server over TLS and QUIC at one port number; it refuses what does not come by the protocol that its path names.
func serveProtocols(t *testing.T) string {
	t.Helper()
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	config := &tls.Config{Certificates: cert.TLS.Certificates, MinVersion: tls.VersionTLS13}
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != victimHost || r.URL.Path != "/"+r.Proto {
			w.WriteHeader(http.StatusMisdirectedRequest)
		}
		_, _ = w.Write(make([]byte, smallBytes))
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tcp := config.Clone()
	tcp.NextProtos = []string{"h2", "http/1.1"}
	s := &http.Server{Handler: answer, TLSConfig: tcp, ReadHeaderTimeout: time.Minute}
	h3 := &http3.Server{Handler: answer, TLSConfig: http3.ConfigureTLSConfig(config)}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.ServeTLS(ln, "", "") }) // both end with Close
	wg.Go(func() { _ = h3.Serve(udp) })
	t.Cleanup(func() {
		_, _, _ = s.Close(), h3.Close(), udp.Close() // the test is over
		wg.Wait()
	})
	return ln.Addr().String()
}

func TestACaseIsPartOfALine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of     string
		floods int // of nginx, by default
		any    bool
	}{{"", 6, true}, {"broadcasts: nginx", 1, true}, {"nginx, default", 6, true}, {"nginx, tuned", 0, true}, {"connections", 4, true},
		{"most requests: nginx", 0, true}, {"most requests: nginx, tuned", 0, false}, {"most requests: nexus edge, one", 0, false},
		{"QUIC handshakes", 0, true}, {"half QUIC hellos", 0, true},
		{"half QUIC hellos a second: nginx", 0, false}, {"no such", 0, false}, {"over TLS", 0, true}, {"silent tenant", 0, true},
		{"beside 512 connections: caddy", 0, true}, {"silent tenant beside 64", 0, false}, {"a silent tenant beside 512 connections: nexus edge, one", 0, false}} {
		r := &rig{Options: Options{Case: c.of}}
		nginx := contenders()[stdslices.IndexFunc(contenders(), func(c contender) bool { return c.name == "nginx" })]
		if got := len(r.chosen(nginx, "nginx, default")); got != c.floods || r.anyChosen() != c.any {
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

// TestATenantsPercentilesStandOnEnough: however short a run, and no shorter than it.
func TestATenantsPercentilesStandOnEnough(t *testing.T) {
	t.Parallel()
	for run, want := range map[time.Duration]time.Duration{time.Second: tenantLength, 3 * time.Second: tenantLength, 10 * time.Second: 10 * time.Second} {
		r := &rig{Options: Options{Duration: run, Runs: 3}}
		if got := r.tenant("").Duration; got != want || r.victim("").Duration != run {
			t.Errorf("runs of %v: the tenant's %v, want %v", run, got, want)
		}
	}
	r := &rig{Options: Options{Duration: time.Second, Runs: 3}}
	if whole := r.expected(); whole < 25*time.Minute || whole > 33*time.Minute {
		t.Errorf("three runs of a second take %v: docs/bench.md says about half an hour", whole)
	}
	var f Figures
	if f.quantiles([]int64{3, 1, 2}); f.Samples != 3 || f.standsOn() != "3 requests" {
		t.Errorf("percentiles of %d: %q", f.Samples, f.standsOn())
	}
}
