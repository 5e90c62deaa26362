package suite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func TestRunChoosesSuites(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, c := range []struct {
		names []string
		want  string
	}{
		{nil, "creator-splits passed, network-slices skipped, exit passed, audit passed"},
		{[]string{"audit", "exit", "audit"}, "exit passed, audit passed"},
		{[]string{"hostile"}, "hostile skipped"},
	} {
		res, err := Run(context.Background(), r.env, c.names)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		checks := 0
		for _, s := range res.Suites {
			got = append(got, s.Suite+" "+s.Status)
			checks += len(s.Checks)
			if skipped := s.Status == wire.StatusSkipped; skipped != strings.HasPrefix(s.Reason, "not ") ||
				skipped != (len(s.Checks) == 0) {
				t.Errorf("%s: %s, %q, %d checks", s.Suite, s.Status, s.Reason, len(s.Checks))
			}
		}
		if strings.Join(got, ", ") != c.want || res.Checks != checks || res.Passed != checks {
			t.Errorf("%v ran %v with %d of %d checks passed, want %s", c.names, got, res.Passed, res.Checks, c.want)
		}
	}
	all, err := choose([]string{"all"})
	if err != nil || len(all) != 5 {
		t.Errorf("all gives %d suites, %v", len(all), err)
	}
	for _, bad := range []string{"", "creator", "splits audit", "ALL"} {
		if _, err := Run(context.Background(), r.env, []string{"audit", bad}); nexus.CodeOf(err) != nexus.CodeUsage {
			t.Errorf("suite %q: %v", bad, err)
		}
	}
}

// A suite that is stopped half-way leaves no probe behind.
func TestStoppedSuiteRetiresItsProbes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	env := r.env
	env.Verify = func(context.Context) (wire.VerifyReport, error) {
		cancel()
		return wire.VerifyReport{}, ctx.Err()
	}
	if _, err := Run(ctx, env, []string{CreatorSplits}); !errors.Is(err, context.Canceled) {
		t.Fatalf("a stopped run gives %v", err)
	}
	probes, retired := 0, 0
	r.eng.View(func(s *state.State) {
		for _, u := range s.Units {
			if u.Kind == nexus.KindProbe {
				probes++
				if u.Status == "retired" {
					retired++
				}
			}
		}
	})
	if probes != 3 || retired != 3 {
		t.Errorf("%d of %d probes retired", retired, probes)
	}
}

// A suite that touches a real account fails, whatever its checks say.
func TestTouchingRealAccountsFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	act := func(kind string, unit string, body any) entry {
		return entry{name: "touching", run: func(ctx context.Context, s *session) error {
			var id nexus.ID
			r.eng.View(func(st *state.State) { id = st.Slugs[unit] })
			_, err := s.do(ctx, kind, id, body)
			return err
		}}
	}
	for name, e := range map[string]entry{
		"real accounts untouched": act(state.KindIMVUCreate, "", state.UnitCreate{Name: "Real"}),
		"entries in real units":   act(state.KindUnitSuspend, "stream", state.UnitReason{Reason: "no"}),
	} {
		t.Run(name, func(t *testing.T) {
			rep, err := runOne(context.Background(), r.env, e)
			if err != nil {
				t.Fatal(err)
			}
			mustFail(t, rep, name)
		})
	}
}

// What others do meanwhile is not the suite's doing.
func TestOthersMayActMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := entry{name: "meanwhile", run: func(ctx context.Context, s *session) error {
		if _, err := s.create(ctx, 80); err != nil {
			return err
		}
		other := newSession(r.env, "other")
		_, err := other.do(ctx, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Somebody else's"})
		return err
	}}
	rep, err := runOne(context.Background(), r.env, e)
	if err != nil {
		t.Fatal(err)
	}
	mustPass(t, rep)
}

// A probe that cannot be retired, a gate that lets through and a suite without checks all fail.
func TestSuiteMechanicsFail(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	real := func(s *session) { s.env.Node = r.keys.Node }
	left := entry{name: "left", run: func(ctx context.Context, s *session) error {
		_, err := s.create(ctx, 55)
		s.env.Node = r.keys.Platform // known, but neither owner nor operator
		return err
	}}
	ses := newSession(r.env, "left")
	rep, err := runSession(context.Background(), ses, left, wire.SuiteReport{Suite: "left", Started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	mustFail(t, rep, "probes removed")
	real(ses)
	ses.retireAll(context.Background())

	allowed := entry{name: "allowed", run: func(ctx context.Context, s *session) error {
		p, err := s.create(ctx, 55)
		if err != nil {
			return err
		}
		return s.refusedBy(6, "let through", p.made, nil)
	}}
	if rep, err = runOne(context.Background(), r.env, allowed); err != nil {
		t.Fatal(err)
	}
	mustFail(t, rep, "let through")
	broken := entry{name: "broken", run: func(context.Context, *session) error { return fmt.Errorf("lost") }}
	if rep, err = runOne(context.Background(), r.env, broken); err != nil {
		t.Fatal(err)
	}
	mustFail(t, rep, "run to the end")
	if status, _ := sumUp(nil); status != wire.StatusFailed {
		t.Errorf("no check at all is %s", status)
	}
	if status, reason := sumUp([]wire.Check{{Name: "a", Status: wire.StatusPassed}, {Name: "b",
		Status: wire.StatusSkipped}}); status != wire.StatusDegraded || reason == "" {
		t.Errorf("a skipped check makes the suite %s (%s)", status, reason)
	}
}

// A large ledger is tampered with in its first part only, and the suites say so and stay fast.
func TestLargeLedger(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := newSession(r.env, "filler")
	p, err := s.create(context.Background(), 80)
	if err != nil {
		t.Fatal(err)
	}
	f := newFeed(s, "filler")
	for range 10 {
		var events []state.RevenueEvent
		for range 1000 {
			events = append(events, f.event(p, 1))
		}
		if _, err := s.do(context.Background(), state.KindRevenuePost, nexus.ID{},
			state.RevenuePost{Source: state.ProbeSource, Events: events}); err != nil {
			t.Fatal(err)
		}
	}
	rep := r.run(Audit, func(s *session) { s.tamperMax = 500 })
	mustPass(t, rep)
	want := fmt.Sprintf("runs over %d of 10", 1016+2*state.RulesMax) // each level of the rules is a decision and an entry
	for _, c := range rep.Checks {
		if c.Name == "untouched copy" && !strings.Contains(c.Detail, want) {
			t.Errorf("does not say how much it looked at: %s", c.Detail)
		}
	}
}

// What is late is told and fails no suite: it says nothing of what is stored.
func TestWhatIsLateFailsNoSuite(t *testing.T) {
	t.Parallel()
	rep := newRig(t).run(Audit, func(s *session) {
		real := s.env.Audit
		s.env.Audit = func(ctx context.Context) (wire.AuditReport, error) {
			a, err := real(ctx)
			a.Findings = append(a.Findings, wire.Finding{Where: "service level", What: "over the budget", Late: true})
			return a, err
		}
	})
	mustPass(t, rep)
	for _, c := range rep.Checks {
		if c.Name == "stack scrub" && !strings.Contains(c.Detail, "1 late beside them") {
			t.Errorf("not told: %s", c.Detail)
		}
	}
}
