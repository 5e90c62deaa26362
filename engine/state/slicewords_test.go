package state_test

import (
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// raise brings a world that stands to the next level.
func (w *hall) raise(t *testing.T, level uint32) {
	t.Helper()
	w.must(w.node, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: level})
}

// A latency budget that no minute can be held against is refused from level 7 on, with what is missing and the way out; one microsecond of budget was
// taken below it. What is not a new budget below the least is taken as before.
func TestABudgetThatCannotBeJudgedIsRefused(t *testing.T) {
	t.Parallel()
	w := newHall(t, state.RulesSessionCaps)
	set := func(class string, micros int64) *state.Outcome {
		return w.do(w.ada, state.KindSliceSet, w.unit, state.SliceSet{Class: class, BudgetMicros: micros})
	}
	if !took(set("interactive", 1)) || !took(set("interactive", 400)) {
		t.Fatal("level 6 refuses a budget below 1 ms")
	}
	w.raise(t, state.RulesBudgets)
	const why = "latency budget of 0.999 ms of IMVU-001: the least is 1 ms, 0.001 ms more: a minute in which even the requests straight to the responder " +
		"take longer than the budget is void, and those take about that long (give 1 ms or more; 0 is the 10 ms of class interactive)"
	invalidFor(t, set("interactive", slices.LeastBudgetMicros-1), nexus.CodeMalformed, why)
	invalidFor(t, set("bulk", 1), nexus.CodeMalformed, "0 is the 1000 ms of class bulk")
	invalidFor(t, set("interactive", 401), nexus.CodeMalformed, "the least is 1 ms, 0.599 ms more")
	refusedFor(t, set("interactive", -1), 8, "budget -1 us")
	if got := w.a.Units[w.unit].Slice.BudgetMicros; got != 400 {
		t.Errorf("what was refused is in force: %d us", got)
	}
	w.must(w.ada, state.KindSliceSet, w.unit, state.SliceSet{Class: "interactive", CeilingBps: 5_000_000, BudgetMicros: 400}) // has it already
	w.must(w.ada, state.KindSliceSet, w.unit, state.SliceSet{Class: "interactive", BudgetMicros: slices.LeastBudgetMicros})
	invalidFor(t, set("interactive", 400), nexus.CodeMalformed, "the least is 1 ms")
	w.must(w.ada, state.KindSliceSet, w.unit, state.SliceSet{Class: "interactive"})
	if got := w.a.Units[w.unit].Slice.BudgetMicros; got != 10_000 {
		t.Errorf("0 is %d us", got)
	}
	w.check()
	w.replay()
}

// Nobody is asked for a word on such a budget, and a proposal from before the level is not applied; its parties can still end it.
func TestABudgetThatCannotBeJudgedIsNotProposed(t *testing.T) {
	t.Parallel()
	w := newHall(t, state.RulesSessionCaps)
	open := state.ProposalOpen{Kind: state.KindSliceSet, Body: nexus.Encode(state.SliceSet{Class: "interactive", BudgetMicros: 999})}
	w.must(w.operator, state.KindProposalOpen, w.unit, open)
	p := w.a.Proposals()[0]
	w.raise(t, state.RulesBudgets)
	invalidFor(t, w.do(w.operator, state.KindProposalOpen, w.unit, open), nexus.CodeMalformed, "the least is 1 ms")
	invalidFor(t, w.do(w.ada, state.KindProposalGrant, w.unit, word(p)), nexus.CodeMalformed, "the least is 1 ms")
	if got := w.a.Units[w.unit].Slice.BudgetMicros; got != 10_000 || p.Status != state.ProposalPending {
		t.Errorf("budget %d us, the proposal is %s", got, p.Status)
	}
	w.must(w.ada, state.KindProposalRefuse, w.unit, word(p))
	w.check()
	w.replay()
}

// The notice of a slice that was set says what changed, new in place of old, in units for people, and so does the one that asks for a word on it. Below
// level 7 both have the words they had.
func TestASliceNoticeSaysWhatChanged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		to             state.SliceSet
		earlier, words string
	}{
		{state.SliceSet{Class: "interactive", GuaranteedBps: 20_000_000, CeilingBps: 200_000_000, BudgetMicros: 5500},
			"slice of IMVU-001 is now interactive, 20000000 bit/s guaranteed, 200000000 bit/s ceiling",
			"20 Mbit/s guaranteed in place of a fair share, ceiling 200 Mbit/s in place of the gateway's capacity, latency budget 5.5 ms in place of 10 ms"},
		{state.SliceSet{Class: "interactive", GuaranteedBps: 20_000_000, CeilingBps: 200_000_001, BudgetMicros: 5500},
			"slice of IMVU-001 is now interactive, 20000000 bit/s guaranteed, 200000001 bit/s ceiling", "ceiling 200000.001 kbit/s in place of 200 Mbit/s"},
		{state.SliceSet{Class: "bulk", GuaranteedBps: 1_234_567},
			"slice of IMVU-001 is now bulk, 1234567 bit/s guaranteed, 0 bit/s ceiling, at most 1024 connections at once in place of 4096",
			"class bulk in place of interactive, 1234.567 kbit/s guaranteed in place of 20 Mbit/s, ceiling the gateway's capacity in place of 200000.001 kbit/s, " +
				"latency budget 1000 ms in place of 5.5 ms, at most 1024 connections at once in place of 4096, priority 90 in place of 68"},
		{state.SliceSet{Class: "bulk", GuaranteedBps: 1_234_567, BudgetMicros: 1_000_000},
			"slice of IMVU-001 is now bulk, 1234567 bit/s guaranteed, 0 bit/s ceiling", ""},
	} {
		w := newHall(t, state.RulesSessionCaps)
		later := newHall(t, state.RulesBudgets)
		for _, before := range earlierThan(c.to) {
			w.must(w.ada, state.KindSliceSet, w.unit, before)
			later.must(later.ada, state.KindSliceSet, later.unit, before)
		}
		w.must(w.ada, state.KindSliceSet, w.unit, c.to)
		if got := w.newest(w.ada); got != c.earlier {
			t.Errorf("level 6: told %q\nwant %q", got, c.earlier)
		}
		said, asked := "slice of IMVU-001 changed: "+c.words, "slice.set: "+c.words
		if c.words == "" {
			said, asked = "slice of IMVU-001 was set again as it was", "slice.set: nothing changes"
		}
		later.must(later.operator, state.KindProposalOpen, later.unit, state.ProposalOpen{Kind: state.KindSliceSet, Body: nexus.Encode(c.to)})
		if got := later.newest(later.ada); !strings.Contains(got, " awaits your word: "+asked+" on IMVU-001, by ") {
			t.Errorf("asked %q\nwant %q", got, asked)
		}
		later.must(later.ada, state.KindSliceSet, later.unit, c.to)
		if got := later.newest(later.ada); got != said {
			t.Errorf("told %q\nwant %q", got, said)
		}
		for _, w := range []*hall{w, later} {
			w.swap()
			w.check()
			w.replay()
		}
	}
}

// earlierThan are the slices that a unit of TestASliceNoticeSaysWhatChanged had before.
func earlierThan(to state.SliceSet) (out []state.SliceSet) {
	list := []state.SliceSet{{Class: "interactive", GuaranteedBps: 20_000_000, CeilingBps: 200_000_000, BudgetMicros: 5500},
		{Class: "interactive", GuaranteedBps: 20_000_000, CeilingBps: 200_000_001, BudgetMicros: 5500}, {Class: "bulk", GuaranteedBps: 1_234_567}}
	for _, x := range list {
		if x == to {
			break
		}
		out = append(out, x)
	}
	return out
}

// A cap of the slice's own is not the class's to change, and its notice says what it was.
func TestACapNoticeSaysWhatChanged(t *testing.T) {
	t.Parallel()
	w := newHall(t, state.RulesBudgets)
	for _, c := range []struct {
		kind, want string
		body       any
	}{
		{state.KindSliceSessions, "slice of IMVU-001 now has at most 100 connections at once in place of 4096", sessions(100)},
		{state.KindSliceSessions, "slice of IMVU-001 now has at most 100 connections at once, as before", sessions(100)},
		{state.KindSliceSet, "slice of IMVU-001 changed: class realtime in place of interactive, priority 19 in place of 68", state.SliceSet{Class: "realtime"}},
		{state.KindSliceSessions, "slice of IMVU-001 now has at most 4096 connections at once, the number of class realtime, in place of 100", sessions(0)},
	} {
		w.must(w.ada, c.kind, w.unit, c.body)
		if got := w.newest(w.ada); got != c.want {
			t.Errorf("told %q\nwant %q", got, c.want)
		}
	}
	w.check()
	w.replay()
}

// What a slice missed is told in milliseconds and Mbit/s from level 7 on, in notices and findings; below it every word is as it was.
func TestBreachesAreToldInMilliseconds(t *testing.T) {
	t.Parallel()
	for level, want := range map[uint32][]string{
		state.RulesSessionCaps: {"slice of IMVU-001 is over its budget: added p99 25001 us, budget 10000 us, 300 probes, 2 missed",
			"added p99 of 25001 us in a minute", "at most 10000 us", "300 probes, 2 missed, direct baseline p99 390 us",
			"slice of IMVU-001 keeps its budget again: p99 900 of 10000 us", "slice of IMVU-001 got less than its guaranteed 4000000 bit/s: ",
			"98 % of what is owed of 4000000 bit/s in each window", "gets its guaranteed rate again: 4000000 bit/s; "},
		state.RulesBudgets: {"slice of IMVU-001 is over its budget: added p99 25.001 ms, budget 10 ms, 300 probes, 2 missed",
			"added p99 of 25.001 ms in a minute", "at most 10 ms", "300 probes, 2 missed, direct baseline p99 0.39 ms",
			"slice of IMVU-001 keeps its latency budget again: added p99 0.9 ms, budget 10 ms", "slice of IMVU-001 got less than its guaranteed 4 Mbit/s: ",
			"98 % of what is owed of 4 Mbit/s in each window", "gets its guaranteed rate again: 4 Mbit/s; "},
	} {
		w := newHall(t, level)
		w.now = 10 * hourMs
		b := state.SliceBreach{Open: true, SinceMs: w.now - 60_000, UntilMs: w.now, Budget: 10_000, AddedP99: 25_001, BaselineP99: 390, Samples: 300, Missed: 2}
		finding := func(out *state.Outcome) *state.AuditFinding {
			list := entriesOf(t, out, ledger.KindAudit)
			if len(list) != 1 {
				t.Fatalf("%d findings", len(list))
			}
			return state.DescribeBody(ledger.KindAudit, list[0].Body).(*state.AuditFinding)
		}
		var got []string
		f := finding(w.must(w.node, state.KindSliceBreach, w.unit, b))
		got = append(got, w.newest(w.ada), f.Observed, f.Required, f.Evidence)
		b.Open, b.AddedP99 = false, 900
		w.must(w.node, state.KindSliceBreach, w.unit, b)
		got = append(got, w.newest(w.ada))
		short := state.SliceShort{Open: true, SinceMs: w.now - 60_000, UntilMs: w.now, GuaranteedBps: 4_000_000, Windows: 30, Short: 2, WorstPpm: 612_345}
		f = finding(w.must(w.node, state.KindSliceShort, w.unit, short))
		got = append(got, w.newest(w.ada), f.Required)
		short.Open, short.Short, short.WorstPpm = false, 0, 1_000_000
		w.must(w.node, state.KindSliceShort, w.unit, short)
		got = append(got, w.newest(w.ada))
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("level %d: %q\nwant %q", level, got[i], want[i])
			}
		}
		w.swap()
		w.check()
		w.replay()
	}
}
