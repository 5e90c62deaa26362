package tui

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

func TestPrinterTellsOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	p := &Printer{}
	first := strings.Join(p.Print(tuitest.Overview()), "\n")
	for _, want := range []string{"node: edge-1 is launching", "alert: critical: denied by G07",
		"phase 7 of 12: compute degraded in 2200 ms: memory",
		"check in phase 7: memory ceiling degraded, 0 kills", "fix: boot with",
		"phase 5 of 12: front-facing skipped: Nexus Stream",
		"gates: 48211 decisions allowed, 37 denied so far", "slice: IMVU-003 OVER, p99 12.60 ms of 10.0",
		"splits: 55/45 USD, gross 41,220.01",
		"member: edge-4 failed", "edge: west\\x1b[2J failed, its process ended without a goodbye"} {
		if !strings.Contains(first, want) {
			t.Errorf("the first lines lack %q:\n%s", want, first)
		}
	}
	for _, bad := range []string{"\x1b", "✔", "─", "▁"} {
		if strings.Contains(first, bad) {
			t.Errorf("plain lines hold %q", bad)
		}
	}
	if again := p.Print(tuitest.Overview()); len(again) != 0 {
		t.Errorf("nothing changed, and it says %q", again)
	}
	o := tuitest.Overview()
	o.Slices[0].P99Ms = o.Slices[2].P99Ms
	o.Totals[0].Gross += 100
	o.Launch.Phases[9].Status = wire.StatusPassed
	o.Decisions = append([]wire.DecisionRow{{Index: 120443, Verdict: wire.VerdictAllow}, {Index: 120442,
		Verdict: wire.VerdictAllow},
		{Index: 120441, Verdict: wire.VerdictDeny, Gates: []int{6}, Action: "revenue.record", UnitLabel: "IMVU-001",
			Reason: "own revenue", Fix: "use a source"}},
		o.Decisions...)
	o.Cluster = o.Cluster[:3]
	o.Edges[2].State, o.Edges = wire.EdgeServing, o.Edges[:3]
	got := strings.Join(p.Print(o), "\n")
	want := strings.Join([]string{"phase 10 of 12: validation passed in 1200 ms", "gates: 2 allowed, 1 denied",
		"denied: decision 120441, gates [6], revenue.record IMVU-001: own revenue; fix: use a source",
		"slice: IMVU-001 OVER, p99 12.60 ms of 10.0",
		"splits: 55/45 USD, gross 41,221.01, creator 22,671.01, platform 18,549.00, 2118 events, 2 units",
		"edge: front.patient.2 serving", "edge: west\\x1b[2J gone", "member: edge-4 gone"}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// breaksOff shows two pictures and is over, all of it while the first one's lines are being written.
type breaksOff struct {
	*tuitest.Backend
	end            func()
	writing, ended chan struct{}
	out            bytes.Buffer
}

func (b *breaksOff) Watch(_ context.Context, show func(*wire.Overview)) error {
	show(tuitest.Overview())
	<-b.writing
	last := tuitest.Overview()
	last.Launch.Phases[9].Status = wire.StatusPassed
	show(last)
	b.end()
	close(b.ended)
	return nil
}

func (b *breaksOff) Write(p []byte) (int, error) {
	if b.out.Len() == 0 {
		close(b.writing)
		<-b.ended
	}
	return b.out.Write(p)
}

// A recording that is over before its last picture was told is told to its end.
func TestPlainTellsARecordingToItsEnd(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	b := &breaksOff{Backend: tuitest.NewBackend(tuitest.Overview()), end: end, writing: make(chan struct{}), ended: make(chan struct{})}
	if _, err := Plain(ctx, PlainOptions{Backend: b, Out: b, Recorded: true}); err != nil {
		t.Fatal(err)
	}
	if out := b.out.String(); !strings.HasSuffix(out, "phase 10 of 12: validation passed in 1200 ms\n") {
		t.Errorf("the last lines are missing:\n%s", out)
	}
}

func TestPlainFollowsALaunch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		node, out := tuitest.NewBackend(tuitest.Overview()), &bytes.Buffer{}
		go func() {
			time.Sleep(2500 * time.Millisecond)
			node.Kill()
			time.Sleep(3 * time.Second)
			node.Revive()
			time.Sleep(4 * time.Second)
			done := tuitest.Overview()
			done.Launch.Status, done.Launch.Report = wire.StatusDegraded, "report.txt"
			node.Show(done)
		}()
		result, err := Plain(t.Context(), PlainOptions{Backend: node, Out: out, UntilLaunched: true})
		if err != nil || result.Launch != wire.StatusDegraded || result.Quit != QuitDetach || int(result.Bytes) != out.Len() {
			t.Errorf("%+v, %v", result, err)
		}
		for _, want := range []string{"node: lost at", "connection refused", "node: answers again",
			"launch: degraded in 41200 ms, report report.txt"} {
			if strings.Count(out.String(), want) != 1 {
				t.Errorf("%q is not said once:\n%s", want, out)
			}
		}
	})
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestPlainEnds(t *testing.T) {
	t.Parallel()
	if _, err := Plain(t.Context(), PlainOptions{Backend: tuitest.NewBackend(tuitest.Overview()),
		Out: brokenPipe{}}); err == nil {
		t.Error("a broken pipe is no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := Plain(ctx, PlainOptions{Backend: tuitest.NewBackend(nil), Out: &bytes.Buffer{}}); err != nil ||
		r.Quit != QuitLost {
		t.Errorf("%+v, %v", r, err)
	}
}

// A creator's lines begin with what is theirs, in sentences, and hold nothing of how the node came up; later only what changed is said.
func TestPlainBeginsWithWhatIsTheReaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		node, out := tuitest.NewBackend(pictureOf("creator")), &bytes.Buffer{}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(2500 * time.Millisecond)
			node.Leave(wire.ExitRow{Unit: "IMVU-001", UnitID: tuitest.Overview().Units[0].ID, Begun: tuitest.Time()})
			node.Show(pictureOf("creator"))
			time.Sleep(2500 * time.Millisecond)
			cancel()
		}()
		if _, err := Plain(ctx, PlainOptions{Backend: node, Out: out}); err != nil {
			t.Error(err)
		}
		text := out.String()
		if !strings.HasPrefix(text, "home: of aria, ") {
			t.Errorf("it begins with\n%.300s", text)
		}
		for _, want := range []string{"decide: IMVU-001, imvu.scale to 1 core, asked by maria; nexus approvals grant ", "money: USD, your share: ",
			"unit: IMVU-001 aria, active, USD, your share in all 5,500.00 of gross 10,000.00, the split recomputed here is the same; nexus ledger prove",
			"notice: IMVU-001, your slice missed its budget",
			"leaving: IMVU-001, announced"} {
			if strings.Count(text, want) != 1 {
				t.Errorf("%q is not said once:\n%s", want, text)
			}
		}
		for _, bad := range []string{"phase ", "check in", "member:", "splits:", "\x1b", "\u2714", "\u2500"} {
			if strings.Contains(text, bad) {
				t.Errorf("it holds %q:\n%s", bad, text)
			}
		}
	})
}

// Whoever attaches to a node that serves hears what did not pass at its launch and what is now, not each of its checks, and how to leave. Who
// watches a launch hears all of it.
func TestPlainTellsALaunchThatIsOver(t *testing.T) {
	t.Parallel()
	for _, watching := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o := tuitest.Overview()
			o.Launch.Status, o.Launch.Report = wire.StatusDegraded, "report.json"
			for i := range o.Launch.Phases {
				if p := &o.Launch.Phases[i]; p.Status == wire.StatusRunning || p.Status == wire.StatusPending {
					p.Status = wire.StatusPassed
				}
			}
			node, out := tuitest.NewBackend(o), &bytes.Buffer{}
			ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
			defer cancel()
			if _, err := Plain(ctx, PlainOptions{Backend: node, Out: out, UntilLaunched: watching}); err != nil {
				t.Error(err)
			}
			text := out.String()
			for _, want := range []string{"check in phase 7: memory ceiling degraded", "phase 7 of 12: compute degraded", "phase 5 of 12: front-facing skipped",
				"launch: degraded in 41200 ms, report report.json"} {
				if strings.Count(text, want) != 1 {
					t.Errorf("watching %v: %q is not said once:\n%s", watching, want, text)
				}
			}
			summed := strings.Contains(text, "10 of 12 phases passed, nexus report show has every check") && !strings.Contains(text, "preflight passed") &&
				strings.HasSuffix(text, plainWelcome+"\n")
			if summed == watching {
				t.Errorf("watching %v it says:\n%s", watching, text)
			}
		})
	}
}
