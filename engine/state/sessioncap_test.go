package state_test

import (
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/slices"
)

func sessions(n uint32) state.SliceSessions { return state.SliceSessions{Sessions: n} }

// The owner sets the cap of a slice and takes it back; it is in the unit's chain, in a restored state, and the unit counts as changed.
func TestTheOwnerCapsTheSlice(t *testing.T) {
	t.Parallel()
	w := newHall(t, state.RulesMax)
	before, slice := w.a.DesiredHash(), w.a.Units[w.unit].Slice
	out := w.must(w.ada, state.KindSliceSessions, w.unit, sessions(100))
	if got := w.a.SessionCap(w.unit); got != 100 || w.a.DesiredHash() == before || w.a.Units[w.unit].UpdatedIndex != out.Receipt.Index {
		t.Fatalf("the cap is %d, changed at %d by %d", got, w.a.Units[w.unit].UpdatedIndex, out.Receipt.Index)
	}
	if w.a.Units[w.unit].Slice != slice {
		t.Errorf("the slice became %+v", w.a.Units[w.unit].Slice)
	}
	list := entriesOf(t, out, ledger.KindSlice)
	if len(list) != 1 || list[0].Unit != w.unit {
		t.Fatalf("entries: %+v", list)
	}
	if e, ok := state.DescribeBody(list[0].Kind, list[0].Body).(*state.SessionsEntry); !ok || e.Sessions != 100 {
		t.Errorf("the entry says %+v", state.DescribeBody(list[0].Kind, list[0].Body))
	}
	spec := nexus.Encode(slice)
	if e, ok := state.DescribeBody(ledger.KindSlice, spec).(*state.SliceSpec); !ok || *e != slice {
		t.Errorf("an entry of slice.set says %+v", e)
	}
	if got := w.newest(w.ada); !strings.HasSuffix(got, "now has at most 100 connections at once in place of 4096") {
		t.Errorf("told: %q", got)
	}
	w.swap()
	if w.b.SessionCap(w.unit) != 100 {
		t.Errorf("restored, the cap is %d", w.b.SessionCap(w.unit))
	}
	w.must(w.ada, state.KindSliceSet, w.unit, state.SliceSet{Class: "bulk"}) // has no word on the cap
	if w.a.SessionCap(w.unit) != 100 {
		t.Errorf("after slice.set the cap is %d", w.a.SessionCap(w.unit))
	}
	w.must(w.ada, state.KindSliceSessions, w.unit, sessions(0))
	const back = "at most 1024 connections at once, the number of class bulk, in place of 100"
	if got := w.newest(w.ada); w.a.SessionCap(w.unit) != 0 || !strings.HasSuffix(got, back) {
		t.Errorf("taken back: %d, %q", w.a.SessionCap(w.unit), got)
	}
	w.swap()
	w.check()
	w.replay()
}

// More than a gateway takes is refused with the arithmetic, a change without the owner's word by gates 8 and, when it lowers, 15.
func TestACapThatCannotBeKeptOrAgreedIsRefused(t *testing.T) {
	t.Parallel()
	w := newHall(t, state.RulesMax)
	refusedFor(t, w.do(w.ada, state.KindSliceSessions, w.unit, sessions(slices.GatewayConnectionsMax+1)), 8,
		"asks for 16385 connections at once; a gateway takes 16384 of all slices together, 1 fewer")
	w.must(w.ada, state.KindSliceSessions, w.unit, sessions(slices.GatewayConnectionsMax))
	for name, c := range map[string]struct {
		by    nexus.Signer
		asked uint32
		gates []int
	}{
		"an operator lowers":     {w.operator, 9, []int{8, 15}},
		"to the class's":         {w.operator, 0, []int{8, 15}},
		"an operator keeps":      {w.operator, slices.GatewayConnectionsMax, []int{8}},
		"a stranger":             {w.bob, 9, []int{2, 8, 15}},
		"the node":               {w.node, 9, []int{2, 8, 15}},
		"the platform lowers it": {w.world.platform, 9, []int{2, 8, 15}},
	} {
		out := w.do(c.by, state.KindSliceSessions, w.unit, sessions(c.asked))
		if out.Receipt.Allowed || !sameGates(out.Receipt.Gates, c.gates) {
			t.Errorf("%s: gates %v, wanted %v", name, out.Receipt.Gates, c.gates)
		}
	}
	if v := w.do(w.operator, state.KindSliceSessions, w.unit, sessions(9)).Decision.Verdicts[14]; v.Allow ||
		v.Observed != "the session cap would go from 16384 to 9 without the owner's approval" {
		t.Errorf("gate 15: %+v", v)
	}
	w.must(w.ada, state.KindSliceSessions, w.unit, sessions(0))
	if v := w.do(w.operator, state.KindSliceSessions, w.unit, sessions(9)).Decision.Verdicts[14]; !strings.Contains(v.Observed, "from 4096 to 9 ") {
		t.Errorf("below the class's number: %+v", v)
	}
	w.must(w.ada, state.KindSliceSessions, w.unit, sessions(9))
	if out := w.do(w.operator, state.KindSliceSessions, w.unit, sessions(0)); !sameGates(out.Receipt.Gates, []int{8}) { // more than 9
		t.Errorf("back to the class's number: gates %v", out.Receipt.Gates)
	}
	w.must(w.ada, state.KindExitBegin, w.unit, state.ExitBegin{})
	if out := w.do(w.operator, state.KindSliceSessions, w.unit, sessions(5)); !sameGates(out.Receipt.Gates, []int{8, 13, 15}) {
		t.Errorf("of a unit that leaves: gates %v", out.Receipt.Gates)
	}
	if w.a.SessionCap(w.unit) != 9 {
		t.Errorf("the cap became %d", w.a.SessionCap(w.unit))
	}
	w.replay()
}

func sameGates(got, want []int) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if got[i] != want[i] {
			return false
		}
	}
	return true
}

// An operator proposes it, the owner grants; before level 5 such a proposal is refused as the versions that wrote those logs did.
func TestACapByProposal(t *testing.T) {
	t.Parallel()
	w := newHall(t, state.RulesStanding)
	open := state.ProposalOpen{Kind: state.KindSliceSessions, Body: nexus.Encode(sessions(64))}
	if out := w.do(w.operator, state.KindProposalOpen, w.unit, open); out.Err == nil || !strings.Contains(out.Err.Error(), "cannot be proposed") {
		t.Errorf("below level 5: %+v, %v", out.Receipt, out.Err)
	}
	w.must(w.node, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: state.RulesOwnActs})
	w.must(w.operator, state.KindProposalOpen, w.unit, open)
	p := w.a.Proposals()[0]
	if got := state.DescribeChange(p); got != "slice.sessions to 64 connections at once (0: the class's number)" {
		t.Errorf("worded %q", got)
	}
	w.must(w.ada, state.KindProposalGrant, w.unit, word(p))
	if w.a.SessionCap(w.unit) != 64 {
		t.Errorf("granted, the cap is %d", w.a.SessionCap(w.unit))
	}
	// What changed meanwhile makes a proposal stale: nobody grants what was not shown.
	w.must(w.operator, state.KindProposalOpen, w.unit, open)
	p = w.a.Proposals()[1]
	w.must(w.ada, state.KindSliceSessions, w.unit, sessions(99))
	if w.a.Current(p) {
		t.Error("a cap that changed leaves the proposal as it was")
	}
	w.replay()
}

// A unit whose resources went has no cap any more, and takes none.
func TestACapGoesWithTheUnit(t *testing.T) {
	t.Parallel()
	w := newHall(t, state.RulesMax)
	probe := w.create(w.ada, state.KindProbeCreate, state.UnitCreate{Name: "probe", Percent: 55})
	w.must(w.ada, state.KindSliceSessions, probe, sessions(5))
	w.must(w.ada, state.KindProbeRetire, probe, state.UnitReason{})
	if w.a.SessionCap(probe) != 0 {
		t.Errorf("a retired probe has a cap of %d", w.a.SessionCap(probe))
	}
	if out := w.do(w.ada, state.KindSliceSessions, probe, sessions(5)); took(out) {
		t.Error("a retired probe takes a cap")
	}
	w.swap()
	w.check()
	w.replay()
}
