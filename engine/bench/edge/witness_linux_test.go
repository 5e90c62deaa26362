package edge

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain makes this binary what the bench starts its parts from.
func TestMain(m *testing.M) {
	if len(os.Args) != 3 || os.Args[1] != "bench-part" {
		os.Exit(m.Run())
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	if err := Part(ctx, os.Args[2], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// mute takes connections and never answers.
func mute(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().String()
}

// TestABadGatewayHasAWitness: beside a flood of a gateway that answers nothing the same tenant is answered through the relay, and what others take is known.
func TestABadGatewayHasAWitness(t *testing.T) {
	t.Parallel()
	r := &rig{Options: Options{Binary: os.Args[0], Duration: time.Second, Progress: io.Discard}}
	for i, part := range []string{PartBackend, PartRelay} {
		p, address, err := r.startServing(part, r.backends[0])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.stop)
		if r.relay = address; i == 0 {
			r.backends[0] = address
		}
	}
	bad := &running{addr: mute(t)}
	if err := r.beside(t.Context(), floods()[0], bad, bad, "bad", true); err != nil {
		t.Fatal(err)
	}
	c := r.report.Cases[0]
	relay, others := c.Meanwhile()
	if c.P99[0] < lateMost.Microseconds() || relay <= 0 || relay >= lateMost.Microseconds() || others < 0 || others > 100 {
		t.Errorf("p99 %d us, through the relay %d us, others at %.1f %%", c.P99[0], relay, others)
	}
	if samples := 0; !scanned(c.Note, "%d requests", &samples) || samples < 590 {
		t.Errorf("a percentile of %d requests: %s", samples, c.Note)
	}
	r.relay = ""
	if w, err := r.witness(t.Context()); w != nil || err != nil || w.says(c) != nil || len(c.Machine) != 1 {
		t.Errorf("a witness that was not asked for: %+v, %v", w, err)
	}
}

// scanned finds a number in one of the parts of a note.
func scanned(note, format string, n *int) bool {
	for part := range strings.SplitSeq(note, "; ") {
		if _, err := fmt.Sscanf(part, format, n); err == nil && part == fmt.Sprintf(format, *n) {
			return true
		}
	}
	return false
}

// TestOursIsNotOthers: what a part of the bench used counts as the bench's, while it lives and when it has ended; what else was used is others'.
func TestOursIsNotOthers(t *testing.T) {
	t.Parallel()
	at := time.Now()
	since := work{at: at, all: time.Second, ours: 100 * time.Millisecond}
	now := work{at: at.Add(time.Second), all: 1700 * time.Millisecond, ours: 600 * time.Millisecond}
	if got := now.others(since); got < 19.9/processors || got > 20.1/processors {
		t.Errorf("200 ms of others in a second of %v processors: %.2f %%", processors, got)
	}
	if got := (work{at: at.Add(time.Second), ours: time.Second}).others(work{at: at}); got != 0 {
		t.Errorf("less than nothing: %.2f %%", got)
	}
	if got := since.others(since); got != 0 {
		t.Errorf("in no time: %.2f %%", got)
	}
	before, err := workNow()
	if err != nil {
		t.Fatal(err)
	}
	p := startLoop(t)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if used, _ := p.processorTime(); used > 200*time.Millisecond {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a part that computes uses nothing")
		}
	}
	living, err := workNow()
	if err != nil || living.ours-before.ours < 200*time.Millisecond || living.all <= before.all {
		t.Errorf("while it lives: %+v after %+v, %v", living, before, err)
	}
	p.stop()
	if ended, err := workNow(); err != nil || ended.ours < living.ours {
		t.Errorf("when it has ended: %+v after %+v, %v", ended, living, err)
	}
}

var processors = float64(runtime.NumCPU())

// startLoop starts a process that computes until it is stopped.
func startLoop(t *testing.T) *process {
	t.Helper()
	p, err := startProcess(exec.Command("sh", "-c", "while :; do :; done"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

func FuzzBusy(f *testing.F) {
	f.Add([]byte("cpu  10 20 30 1000 5 6 7 40 0 0\ncpu0 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := parseBusy(b); err == nil && d < 0 {
			t.Errorf("%v of work in %q", d, b)
		}
	})
}

func TestBusyLines(t *testing.T) {
	t.Parallel()
	if d, err := parseBusy([]byte("cpu  10 20 30 1000 5 6 7 40 0 0\ncpu0 1 1 1 1")); err != nil || d != time.Second {
		t.Errorf("%v, %v: want user, nice, system and steal", d, err)
	}
	for _, bad := range []string{"", "cpu", "cpu0 10 20 30 1000 5 6 7 40 0 0", "cpu 10 20 30 1000 5 6 7",
		"cpu 10 x 30 1000 5 6 7 40", "cpu 10 20 -3 1000 5 6 7 40"} {
		if _, err := parseBusy([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
