package launch

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// fakeEnv answers only what the runner itself asks.
type fakeEnv struct {
	Env
	on string
}

func (f fakeEnv) LedgerOn() string { return f.on }

// runs are phases' work by number.
type runs map[int]func(context.Context, Env, *Recorder) error

// runner makes a runner whose phases pass, but for those given.
func runner(env Env, opts Options, odd runs) *Runner {
	r := New(env, opts)
	for i := range r.phases {
		r.phases[i].Run = func(_ context.Context, _ Env, rec *Recorder) error { rec.Pass("looked", "and saw"); return nil }
		if f := odd[i+1]; f != nil {
			r.phases[i].Run = f
		}
	}
	return r
}

func fails(context.Context, Env, *Recorder) error { return errors.New("no") }

func skips(_ context.Context, _ Env, rec *Recorder) error { rec.Skip("not built"); return nil }

func TestVerdicts(t *testing.T) {
	t.Parallel()
	degrade := func(_ context.Context, _ Env, rec *Recorder) error { rec.Degrade("x", "half", "mend it"); return nil }
	nothing := func(context.Context, Env, *Recorder) error { return nil }
	late := func(ctx context.Context, _ Env, rec *Recorder) error { rec.Pass("x", ""); <-ctx.Done(); return nil }
	for name, c := range map[string]struct {
		opts    Options
		odd     runs
		verdict string
		status  map[int]string
		reason  map[int]string
	}{
		"all pass":        {verdict: "passed", status: map[int]string{1: "passed", 12: "passed"}},
		"one skipped":     {odd: runs{7: skips}, verdict: "degraded", status: map[int]string{7: "skipped", 10: "passed"}},
		"one degraded":    {odd: runs{9: degrade}, verdict: "degraded", status: map[int]string{9: "degraded", 5: "passed"}},
		"nothing checked": {odd: runs{4: nothing}, verdict: "failed", reason: map[int]string{4: "no check ran"}},
		"a failed need": {odd: runs{6: fails}, verdict: "failed", status: map[int]string{3: "skipped", 12: "passed"},
			reason: map[int]string{3: "needs phase 6", 4: "needs phase"}},
		"too slow": {odd: runs{8: late}, verdict: "failed", reason: map[int]string{8: "not done within"}},
		"left out": {opts: Options{Skip: []int{7, 2}}, verdict: "degraded", status: map[int]string{7: "skipped", 2: "passed"},
			reason: map[int]string{7: "--skip"}},
		"only, with needs": {opts: Options{Only: []int{4}}, verdict: "degraded", status: map[int]string{3: "passed", 4: "passed", 7: "skipped", 11: "passed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runner(fakeEnv{}, c.opts, c.odd)
			r.phases[7].Timeout = 50 * time.Millisecond
			if v := r.Run(t.Context()); v != c.verdict {
				t.Errorf("verdict %s, want %s", v, c.verdict)
			}
			results := r.Results()
			for n, want := range c.status {
				if got := results[n-1].Status; got != want {
					t.Errorf("phase %d %s (%s), want %s", n, got, results[n-1].Reason, want)
				}
			}
			for n, want := range c.reason {
				if got := results[n-1].Reason; !strings.Contains(got, want) {
					t.Errorf("phase %d: %q, want %q", n, got, want)
				}
			}
		})
	}
}

// A phase never begins before its needs have ended, and every phase says that it started before it says anything else.
func TestOrder(t *testing.T) {
	t.Parallel()
	done := map[int]bool{}
	started := map[int]bool{}
	needs := map[int][]int{}
	for _, p := range Phases() {
		needs[p.Number] = p.Needs
	}
	emit := func(line any) {
		switch l := line.(type) {
		case wire.PhaseStartedLine:
			started[l.Phase] = true
			for _, n := range needs[l.Phase] {
				if !done[n] {
					t.Errorf("phase %d started before phase %d ended", l.Phase, n)
				}
			}
		case wire.PhaseCheckLine:
			if !started[l.Phase] || done[l.Phase] {
				t.Errorf("check of phase %d outside the phase", l.Phase)
			}
		case wire.PhaseFinishedLine:
			done[l.Phase] = true
		}
	}
	runner(fakeEnv{}, Options{Emit: emit}, nil).Run(t.Context())
	if len(done) != wire.PhaseCount {
		t.Errorf("%d phases ended", len(done))
	}
}

// A node whose ledger is elsewhere runs phases 1 and 3 and says where the ledger is.
func TestJoinedNode(t *testing.T) {
	t.Parallel()
	r := runner(fakeEnv{on: "node x"}, Options{}, nil)
	r.Run(t.Context())
	for _, p := range r.Results() {
		if runs := p.Number == 1 || p.Number == 3; runs != (p.Status == wire.StatusPassed) {
			t.Errorf("phase %d: %s %s", p.Number, p.Status, p.Reason)
		}
	}
}

// Running a failed phase again runs what depends on it, and nothing else.
func TestRerun(t *testing.T) {
	t.Parallel()
	broken := true
	r := runner(fakeEnv{}, Options{}, runs{
		9: func(_ context.Context, _ Env, rec *Recorder) error {
			if broken {
				return errors.New("no")
			}
			rec.Pass("mended", "")
			return nil
		}})
	if v := r.Run(t.Context()); v != wire.StatusFailed {
		t.Fatal(v)
	}
	before := r.Results()
	broken = false
	r.Rerun(t.Context(), 9)
	after := r.Results()
	if v := Verdict(after); v != wire.StatusPassed {
		t.Errorf("%s after the mend: %+v", v, after)
	}
	if before[7].Started != after[7].Started || before[8].Started == after[8].Started {
		t.Error("phase 8 ran again or phase 9 did not")
	}
}

func TestKeepsRule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule                     string
		gross, creator, platform int64
		ok                       bool
	}{
		{"55/45", 1_000_000, 550_000, 450_000, true}, {"80/20", 500_000, 400_000, 100_000, true}, {"55/45", 1, 1, 0, true},
		{"55/45", 1, 0, 1, false}, {"55/45", -1, 0, -1, true}, {"55/45", -1, -1, 0, false}, {"80/20", 7, 6, 1, true},
		{"60/40", 100, 60, 40, false}, {"55/45", 100, 55, 44, false}, {"80/20", 9223372036854775807, 7378697629483820646, 1844674407370955161, true},
	} {
		row := wire.TallyRow{Rule: c.rule, Gross: c.gross, Creator: c.creator, Platform: c.platform}
		if keepsRule(row) != c.ok {
			t.Errorf("%+v: want %v", c, c.ok)
		}
	}
}

// What is late when a node ends never keeps it from starting: it could not be made good then. What is wrong does.
func TestWhatIsLateDoesNotStopALaunch(t *testing.T) {
	t.Parallel()
	late := wire.Finding{Where: "service level", What: "over the budget", Unit: "IMVU-001", Late: true}
	wrong := wire.Finding{Where: "split USD", What: "other figures", Unit: "IMVU-002"}
	for _, c := range []struct {
		found  []wire.Finding
		status string
		words  string
	}{{nil, wire.StatusPassed, ""}, {[]wire.Finding{late}, wire.StatusDegraded, "audit service level: IMVU-001 over the budget"},
		{[]wire.Finding{late, wrong}, wire.StatusFailed, "audit split USD: other figures"}} {
		r := runner(fakeEnv{}, Options{}, runs{2: func(_ context.Context, _ Env, rec *Recorder) error {
			judgeAudit(rec, &wire.AuditReport{Units: 3, Checks: 9, Findings: c.found})
			return nil
		}})
		verdict := r.Run(t.Context())
		got := r.Results()[1]
		if got.Status != c.status || got.Reason != c.words || verdict != c.status {
			t.Errorf("%d findings: phase %s, launch %s: %q", len(c.found), got.Status, verdict, got.Reason)
		}
		count := got.Checks[len(got.Checks)-1]
		if want := float64(len(c.found)); c.status == wire.StatusFailed && (*count.Value != want-1 || !strings.Contains(count.Detail, "1 late")) {
			t.Errorf("counted %+v", count)
		}
	}
}
