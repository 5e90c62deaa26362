package state_test

import (
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// A class with a smaller number of sessions shrinks a slice without a cap of its own: from level 6 on gate 15 says so, and the notice; below it
// every byte is as it was.
func TestAClassWithFewerSessionsShrinks(t *testing.T) {
	t.Parallel()
	bulk := state.SliceSet{Class: "bulk", BudgetMicros: 10_000} // the budget stays: nothing else shrinks
	for _, level := range []uint32{state.RulesOwnActs, state.RulesSessionCaps} {
		w := newHall(t, level)
		refused, told := []int{8}, "bit/s ceiling"
		if level == state.RulesSessionCaps {
			refused, told = []int{8, 15}, "bit/s ceiling, at most 1024 connections at once in place of 4096"
		}
		out := w.do(w.operator, state.KindSliceSet, w.unit, bulk)
		if !sameGates(out.Receipt.Gates, refused) {
			t.Errorf("level %d: gates %v, wanted %v", level, out.Receipt.Gates, refused)
		}
		if v := out.Decision.Verdicts[14]; len(refused) == 2 && v.Observed != "the session cap would go from 4096 to 1024 without the owner's approval" {
			t.Errorf("gate 15: %+v", v)
		}
		var f gates.Facts
		if err := gates.DecodeFacts(out.Decision.Facts, &f); err != nil || len(f.Session) != len(refused)-1 {
			t.Errorf("level %d: facts of caps %+v, %v", level, f.Session, err)
		}
		w.must(w.ada, state.KindSliceSet, w.unit, bulk)
		if got := w.newest(w.ada); !strings.HasSuffix(got, told) {
			t.Errorf("level %d: told %q", level, got)
		}
		if w.a.SessionCap(w.unit) != 0 {
			t.Errorf("level %d: the slice got a cap of its own, %d", level, w.a.SessionCap(w.unit))
		}
		w.check()
		w.replay()
	}
}

// What does not make the number in force smaller is no shrink: a class with more, one of the same, any with a cap of one's own; and a class that
// there is not is refused for that alone.
func TestWhatAClassDoesNotShrink(t *testing.T) {
	t.Parallel()
	w := newHall(t, state.RulesMax)
	refused := func(class string) []int {
		return w.do(w.operator, state.KindSliceSet, w.unit, state.SliceSet{Class: class, BudgetMicros: 10_000}).Receipt.Gates
	}
	for _, class := range []string{"live", "default", "none"} {
		if got := refused(class); !sameGates(got, []int{8}) {
			t.Errorf("%s: gates %v", class, got)
		}
	}
	w.must(w.ada, state.KindSliceSessions, w.unit, sessions(4096))
	if got := refused("bulk"); !sameGates(got, []int{8}) {
		t.Errorf("with a cap of its own: gates %v", got)
	}
	w.replay()
}

// Whoever is asked to grant such a change reads what it does to the cap.
func TestAProposedClassSaysItsCap(t *testing.T) {
	t.Parallel()
	const said = "at most 1024 connections at once in place of 4096, by the class"
	for _, level := range []uint32{state.RulesOwnActs, state.RulesSessionCaps} {
		w := newHall(t, level)
		w.must(w.operator, state.KindProposalOpen, w.unit,
			state.ProposalOpen{Kind: state.KindSliceSet, Body: nexus.Encode(state.SliceSet{Class: "bulk", BudgetMicros: 10_000})})
		if got := w.newest(w.ada); strings.Contains(got, said) != (level == state.RulesSessionCaps) {
			t.Errorf("level %d: %q", level, got)
		}
		w.must(w.ada, state.KindProposalGrant, w.unit, word(w.a.Proposals()[0]))
		if got := w.a.Units[w.unit].Slice.Class; got != "bulk" {
			t.Errorf("level %d: granted, the class is %s", level, got)
		}
		w.replay()
	}
}

// From level 6 on an owner's policy speaks of the cap, and gate 8 answers for it; before, such a policy was refused with the list of that time.
func TestAPolicySpeaksOfTheCap(t *testing.T) {
	t.Parallel()
	w := newHall(t, state.RulesOwnActs)
	p := policy(t, `{"guardian":"bob","rules":[
		{"name":"few","effect":"deny","on":["slice.sessions"],"when":[{"field":"sessions","op":"lt","value":50}]},
		{"name":"many","effect":"require-approval","on":["slice.sessions"],"when":[{"field":"sessions","op":"gt","value":5000}]}]}`, w.bob)
	set := func() *state.Outcome {
		return w.do(w.ada, state.KindPolicySet, w.unit, state.PolicySet{Policy: p})
	}
	const before = `policy: rule "few": a policy cannot speak of "slice.sessions" ` +
		`(one of domain.claim, imvu.resume, imvu.scale, imvu.suspend, route.drop, route.set, slice.set, unit.transfer)`
	if out := set(); out.Err == nil || out.Err.Error() != before {
		t.Fatalf("below level 6: %v", out.Err)
	}
	w.must(w.node, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: state.RulesSessionCaps})
	if out := set(); !took(out) {
		t.Fatalf("%+v, %v", out.Receipt, out.Err)
	}
	refusedFor(t, w.do(w.ada, state.KindSliceSessions, w.unit, sessions(49)), 8, `"few"`)
	refusedFor(t, w.do(w.ada, state.KindSliceSessions, w.unit, sessions(5001)), 8, `"many"`)
	w.must(w.ada, state.KindSliceSessions, w.unit, sessions(50))
	w.must(w.ada, state.KindProposalOpen, w.unit, state.ProposalOpen{Kind: state.KindSliceSessions, Body: nexus.Encode(sessions(6000))})
	if w.a.SessionCap(w.unit) != 50 {
		t.Error("in force without the guardian's word")
	}
	w.must(w.bob, state.KindProposalGrant, w.unit, word(w.a.Proposals()[0]))
	if got := w.a.SessionCap(w.unit); got != 6000 {
		t.Errorf("granted, the cap is %d", got)
	}
	w.swap()
	w.check()
	w.replay()
}
