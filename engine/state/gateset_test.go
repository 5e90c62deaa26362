package state_test

import (
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
)

// stricter is a later gate set: gate 7 takes no envelope above 3 cores any more.
func stricter(t failer) *gates.Chain {
	list := rules.All()
	old := list[6].Check
	list[6].Version = 2
	list[6].Check = func(f *gates.Facts) gates.Verdict {
		for _, e := range f.Envelope {
			if e.CPUMilli > 3000 {
				return gates.Verdict{Concerned: true, ReasonCode: "too_wide", Observed: "more than 3 cores", Required: "at most 3", Fix: "ask for 3"}
			}
		}
		return old(f)
	}
	c, err := gates.NewChain(list)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return c
}

// newEra is a world whose replicas know both gate sets.
func newEra(t failer) (*world, *gates.Sets, *gates.Chain) {
	w := newWorld(t)
	later := stricter(t)
	sets, err := gates.NewSets(w.chain, later)
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, s := range []**state.State{&w.a, &w.b} {
		again, err := state.RestoreWith(sets, (*s).Snapshot())
		if err != nil {
			t.Fatalf("%v", err)
		}
		*s = again
	}
	return w, sets, later
}

// The gates of a new program take over by a command; before it the old ones decide, and replay knows which was when.
func TestGateSetTakesOverByCommand(t *testing.T) {
	t.Parallel()
	w, sets, later := newEra(t)
	wide := state.UnitCreate{Name: "Wide", CPUMilli: 4000}
	w.create(w.operator, state.KindIMVUCreate, wide)
	next, more := w.a.NextGateSet()
	if !more || next != later.Hash() || w.a.GateSet != w.chain.Hash() {
		t.Fatalf("in force %s, next %s %v", w.a.GateSet, next, more)
	}
	body := state.GateSetSwitch{From: w.chain.Hash(), To: later.Hash()}
	refusedFor(t, w.do(signer(50), state.KindGateSetSwitch, nexus.ID{}, body), 1, "never issued")
	out := w.must(w.node, state.KindGateSetSwitch, nexus.ID{}, body)
	if out.Decision.GateSet != w.chain.Hash() {
		t.Error("the switch was decided by the gates that it brings")
	}
	wide.Name = "Wider"
	out = w.do(w.operator, state.KindIMVUCreate, nexus.ID{}, wide)
	refusedFor(t, out, 7, "more than 3 cores")
	if out.Decision.GateSet != later.Hash() {
		t.Error("decided by the old gates")
	}
	if _, same := later.Replay(out.Decision); !same {
		t.Error("the new gates replay it otherwise")
	}
	if _, same := w.chain.Replay(out.Decision); same {
		t.Error("the old gates replay it alike")
	}
	invalidFor(t, w.do(w.node, state.KindGateSetSwitch, nexus.ID{}, body), nexus.CodeConflict, "the set in force")
	w.check()
	// A program that knows the old set only neither opens the state nor decides on: both are refused, nothing is skipped.
	if _, err := state.Restore(w.chain, w.a.Snapshot()); nexus.CodeOf(err) != nexus.CodeUnfit || !strings.Contains(err.Error(), "not known to this version") {
		t.Errorf("an old program opens it: %v", err)
	}
	again, err := state.RestoreWith(sets, w.a.Snapshot())
	if err != nil || again.GateSet != later.Hash() || again.Hash() != w.a.Hash() {
		t.Errorf("restored: %v", err)
	}
}

// An unknown gate set halts the machine, but only at the word of somebody whose switch the gates would let pass.
func TestUnknownGateSetHalts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	unknown := state.GateSetSwitch{From: w.chain.Hash(), To: nexus.Hash{9}}
	cmd := w.command(w.action(w.operator, state.KindGateSetSwitch, nexus.ID{}, unknown))
	if _, err := w.a.Apply(w.index+1, 1, cmd, w.look); err == nil || !strings.Contains(err.Error(), "not known to this version") {
		t.Errorf("an unknown gate set is passed over: %v", err)
	}
	for name, s := range map[string]nexus.Signer{"a stranger": signer(50), "a creator": func() nexus.Signer {
		w.must(w.operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "eve", Key: signer(51).Public(), Role: uint8(gates.RoleCreator)})
		return signer(51)
	}()} {
		if out := w.do(s, state.KindGateSetSwitch, nexus.ID{}, unknown); out.Receipt.Allowed {
			t.Errorf("%s switches gates", name)
		}
	}
	wrong := unknown
	wrong.From = nexus.Hash{8}
	invalidFor(t, w.do(w.operator, state.KindGateSetSwitch, nexus.ID{}, wrong), nexus.CodeConflict, "the set in force")
	w.check()
}

// An unknown kind of action halts as well: money and gates never depend on what a program happens not to know.
func TestUnknownKindHalts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, kind := range []string{"revenue.melt", "gates.bypass", "payout.twice"} {
		cmd := w.command(w.action(w.operator, kind, nexus.ID{}, []byte{}))
		if _, err := w.a.Apply(w.index+1, 1, cmd, w.look); err == nil || !strings.Contains(err.Error(), "not known") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestGateSetsList(t *testing.T) {
	t.Parallel()
	c, err := rules.Chain()
	if err != nil {
		t.Fatal(err)
	}
	twin, _ := rules.Chain()
	if _, err := gates.NewSets(c, twin); err == nil {
		t.Error("two sets of one hash are taken: a gate could change without a new version")
	}
	if _, err := gates.NewSets(nil); err == nil {
		t.Error("no set is a list")
	}
	sets, err := rules.Sets()
	if err != nil || sets.Founding().Hash() != c.Hash() && len(sets.All()) == 1 {
		t.Errorf("the program's own sets: %v", err)
	}
}
