package archtest

import (
	"fmt"
	"go/token"
	"sort"
	"strings"
	"testing"
)

// way is one function through which a privileged function is reached. Exactly one of three holds: it asks the guard before
// it goes on; or it is inner, and whoever refers to it is looked at in turn; or it stands for itself, and except says why.
type way struct {
	by     string
	guard  string // function it refers to before what it is a way to
	inner  bool
	except string
}

// door is a privileged function and all ways to it. Whoever else refers to it, however far round, is a bypass.
type door struct {
	to   string
	ways []way
}

// doors is the list of DESIGN section 1, Permits: who may change anything, and what is asked first. A line here changes only
// with a reason that a reviewer accepts.
var doors = []door{
	// What the gateway serves changes by a permit that was used up for it.
	{"slices/edge.Gateway.Swap", []way{
		{by: "engine/node.sharedTable.Swap", inner: true},
		{by: "engine/slicing.Fabric.change", guard: "engine/fabric.Permits.Use"},
	}},
	{"slices/edge.Gateway.SwapWithin", []way{
		{by: "slices/edge.Gateway.Swap", inner: true},
		{by: "engine/node.sharedTable.Swap", inner: true},
		{by: "engine/slicing.Fabric.change", guard: "engine/fabric.Permits.Use"},
		{by: "slices/edge/satellite.satellite.serve", except: "an edge process of its own: it serves the table that its home put in force"},
	}},
	// A fabric is asked with a permit minted from the decision in hand.
	{"engine/slicing.Fabric.Apply", []way{{by: "engine/node.Node.applySpec", guard: "gates.Minter.Mint"}}},
	{"engine/slicing.Fabric.Remove", []way{{by: "engine/node.Node.removeGone", guard: "gates.Minter.Mint"}}},
	// One minter, over the committed decisions, given to the reconcilers alone.
	{"gates.NewMinter", []way{{by: "engine.Engine.open", except: "the one minter of a node"}}},
	{"gates.Minter.Mint", []way{
		{by: "engine/node.Node.applySpec", except: "reconciler: Mint itself reads the committed decision"},
		{by: "engine/node.Node.removeGone", except: "reconciler: Mint itself reads the committed decision"},
	}},
	// The state changes by an effect, and an effect runs after the 17 gates.
	{"engine/state.step.effect()", []way{{by: "engine/state.step.decide", guard: "gates.Chain.Decide"}}},
	{"ledger.Chain.Grow", []way{
		{by: "engine/state.step.decide", guard: "gates.Chain.Decide"},
		{by: "ledger.Chain.Append", inner: true},
		{by: "engine/suite.tamperer.forge", except: "the forger of the audit suite: a chain of its own over a copy, to be found out"},
	}},
	{"ledger.Chain.Append", []way{
		{by: "engine/suite.tamperer.forge", except: "the forger of the audit suite: a chain of its own over a copy, to be found out"},
	}},
	{"engine/state.State.Apply", []way{
		{by: "engine.Engine.applyLocked", inner: true},
		{by: "engine.Engine.ApplyBatch", inner: true},
		{by: "cluster/consensus.fsm.ApplyBatch", except: "consensus hands over committed commands only"},
		{by: "engine.Engine.loadState", except: "a restart applies stored records again and compares each root"},
		{by: "engine.Engine.ReplayLog", except: "a replay on a state of its own, thrown away"},
		{by: "engine.Engine.applyBackup", except: "a restore into an empty directory applies every record again and compares the bytes"},
	}},
	// The store takes the outcome of a decided command, and the image of the state in force.
	{"ledger/badgerstore.Store.Commit", []way{
		{by: "engine.pendingBatch.commit", inner: true},
		{by: "engine.Engine.storeBatch", inner: true},
		{by: "engine.Engine.carry", inner: true},
		{by: "engine.Engine.ApplyBatch", guard: "engine.Engine.applyLocked"},
		{by: "engine.Engine.applyBackup", guard: "engine/state.State.Apply"},
		{by: "engine.Engine.commitState", except: "chunks of the state in force, no record; only at the applied index"},
	}},
	{"engine.pendingBatch.add", []way{
		{by: "engine.Engine.applyLocked", guard: "engine/state.State.Apply"},
		{by: "engine.Engine.applyBackup", guard: "engine/state.State.Apply"},
	}},
	// Nothing enters the replicated log unadmitted.
	{"cluster/consensus.Group.Propose", []way{
		{by: "engine.Engine.propose", inner: true},
		{by: "engine.Engine.Do", guard: "engine.Engine.admit"},
		{by: "engine.Engine.found", except: "genesis, which only an empty state takes"},
		{by: "engine.Engine.actUnchecked", except: "the node's own signed roll-up of a flood; gates judge it when it is applied"},
	}},
	// A key of personal texts is destroyed because the ledger says so.
	{"engine/personal/keys.Store.Destroy", []way{
		{by: "engine.Engine.destroyBelow", inner: true},
		{by: "engine.Engine.carryOut", guard: "engine/state.State.Erasures"},
		{by: "engine.Engine.destroyErased", guard: "engine/state.State.KeyNumber"},
	}},
	// A bundle is signed and sent for whoever may read its unit, and kept for whoever may import it.
	{"engine.Engine.SignBundle", []way{
		{by: "engine/bundle.Write", inner: true},
		{by: "engine/node.Node.Bundle", inner: true},
		{by: "engine/control.Server.bundle", guard: "engine/control.Server.findFor"},
		{by: "engine/bench.leaver.leave", except: "a bench on a throw-away directory"},
		{by: "engine/suite.receive", except: "the exit suite has its own probe unit leave"},
	}},
	{"engine/bundle.takeInto", []way{
		{by: "engine/bundle.Take", except: "asks State.MayTakeIn of the unit's owner before a byte is kept"},
		{by: "engine/bundle.Carry", except: "between a data directory and its backup: what the ledger says was taken in, verified again"},
	}},
	// A picture is drawn for whoever the gates let read it now; streams ask again for each.
	{"engine/control.Server.picture", []way{
		{by: "engine/control.Server.follow", guard: "engine/control.Server.stillMay"},
		{by: "engine/control.Server.overview", except: "a route: handle has asked Server.mayRead"},
	}},
	{"engine/control.Server.follow", []way{
		{by: "engine/control.Server.watch", except: "a route: handle has asked Server.mayRead"},
		{by: "engine/control.Server.WatchSession", guard: "engine/control.Server.within"},
	}},
	// Chains of gates: the program's own, and hypothetical ones that decide nothing.
	{"gates.NewSets", []way{
		{by: "gates/rules.Sets", except: "the list of this program's gate sets"},
		{by: "engine/state.onlySet", except: "a state over one given set: tests and replays"},
	}},
	{"gates.Chain.Without", []way{{by: "engine.Engine.WhatIfOf", except: "what-if over history: decides nothing"}}},
}

// judge gives the bypasses of a door and the lines of it that nothing stands behind any more.
func (d door) judge(r *References) (out []string) {
	ways, seen := map[string]way{}, map[string]bool{}
	for _, w := range d.ways {
		ways[w.by] = w
	}
	paths := map[string]string{d.to: d.to}
	for queue := []string{d.to}; len(queue) > 0; queue = queue[1:] {
		for by, at := range r.from[queue[0]] {
			if by == queue[0] || helper(by) {
				continue
			}
			path := by + " -> " + paths[queue[0]]
			w, known := ways[by]
			switch {
			case !known:
				out = append(out, fmt.Sprintf("%s: bypass: %s", r.fset.Position(at), path))
			case w.guard != "" && !r.before(w.guard, by, at):
				out = append(out, fmt.Sprintf("%s: %s is not asked before: %s", r.fset.Position(at), w.guard, path))
			case w.inner && !seen[by]:
				paths[by] = path
				queue = append(queue, by)
			}
			seen[by] = true
		}
	}
	for _, w := range d.ways { // a function that was deleted is no way; renamed, it is a bypass above
		if r.funcs[w.by] != nil && !seen[w.by] {
			out = append(out, fmt.Sprintf("%s: no such way any more: %s", d.to, w.by))
		}
	}
	sort.Strings(out)
	return out
}

// before reports whether a function refers to the guard earlier in its body than at.
func (r *References) before(guard, by string, at token.Pos) bool {
	asked, ok := r.from[guard][by]
	return ok && asked < at
}

// helper reports whether a function is a test helper's, which no program may import (rule "helpers").
func helper(name string) bool {
	for _, dir := range helpers {
		if strings.HasPrefix(name, dir+".") {
			return true
		}
	}
	return false
}

// TestNoWayRoundTheGates holds the doors over the whole house.
func TestNoWayRoundTheGates(t *testing.T) {
	t.Parallel()
	r, err := loadReferences(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range doors {
		for _, line := range d.judge(r) {
			t.Error(line)
		}
	}
	if t.Failed() {
		t.Log("go through the gates, or add the way to its door in doors_test.go with the guard that it asks or the reason why none")
	}
}

// bypasses are planted beside the real code, each another way of hiding a call.
var bypasses = map[string]string{
	"engine/node": `package node
import (
	"context"
	"github.com/BobbyBlanco400/nexus-cos/engine/fabric"
	"github.com/BobbyBlanco400/nexus-cos/engine/slicing"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)
func plantedCall(g *edge.Gateway, t *edge.Table) error { return g.Swap(t) }
func plantedValue(g *edge.Gateway) func(*edge.Table) error { return g.Swap }
func plantedExpression() any { return (*edge.Gateway).Swap }
func plantedClosure(g *edge.Gateway, t *edge.Table) { go func() { defer g.Swap(t) }() }
func plantedInterface(g interface{ Swap(*edge.Table) error }, t *edge.Table) error { return g.Swap(t) }
func plantedGeneric[G interface{ Swap(*edge.Table) error }](g G, t *edge.Table) error { return g.Swap(t) }
func plantedRound(s sharedTable, t *edge.Table) error { return s.Swap(t) }
func plantedZero(f *slicing.Fabric) error { return f.Apply(context.Background(), gates.Permit{}, fabric.Spec[slicing.Body]{}) }
func plantedFabric(f fabric.Fabric[slicing.Body]) error { return f.Remove(context.Background(), gates.Permit{}, fabric.Spec[slicing.Body]{}) }
var plantedVar = (*slicing.Fabric).Apply
func plantedMinter() *gates.Minter { return gates.NewMinter("n", nil) }
func plantedMint(m *gates.Minter) { _, _ = m.Mint(1, "r", 1) }
`,
	"engine": `package engine
import (
	"context"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)
func plantedCommit(e *Engine) error { return e.store.Commit(ledger.Batch{}) }
func plantedBatch(p *pendingBatch) error { p.add(1, &state.Outcome{}); return p.commit("") }
func plantedApply(s *state.State) { _, _ = s.Apply(1, 1, nil, nil) }
func plantedSign(e *Engine) { _, _ = e.SignBundle(e.Cluster(), nil) }
func plantedPropose(e *Engine) { _, _, _ = e.group.Propose(context.Background(), nil) }
`,
	"engine/state": `package state
func plantedEffect(st *step) { st.effect() }
func plantedAppend(s *State) { s.Chain.Append(1, 1, [16]byte{}, nil) }
func plantedGrow(s *State) { s.Chain.Grow(1, 1, [16]byte{}, nil) }
`,
}

// TestPlantedBypassesAreFound proves the check: each planted function is found, and a guard that comes after is none.
func TestPlantedBypassesAreFound(t *testing.T) {
	t.Parallel()
	r, err := loadReferences(bypasses)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, d := range doors {
		found = append(found, d.judge(r)...)
	}
	text := strings.Join(found, "\n")
	for _, name := range []string{"plantedCall", "plantedValue", "plantedExpression", "plantedClosure", "plantedInterface", "plantedGeneric",
		"plantedRound", "plantedZero", "plantedFabric", "var", "plantedMinter", "plantedMint"} {
		if !strings.Contains(text, "bypass: engine/node."+name+" -> ") {
			t.Errorf("engine/node.%s is not found", name)
		}
	}
	for _, name := range []string{"engine.plantedCommit", "engine.plantedBatch", "engine.plantedApply", "engine.plantedPropose", "engine.plantedSign",
		"engine/state.plantedEffect", "engine/state.plantedAppend", "engine/state.plantedGrow"} {
		if !strings.Contains(text, "bypass: "+name+" -> ") {
			t.Errorf("%s is not found", name)
		}
	}
	late := door{"engine/fabric.Permits.Use", []way{{by: "engine/slicing.Fabric.change", guard: "slices/edge.Gateway.Swap"}}}
	if got := strings.Join(late.judge(r), "\n"); !strings.Contains(got, "is not asked before") {
		t.Errorf("a guard that comes too late passes: %q", got)
	}
	gone := door{"gates.NewMinter", []way{{by: "engine.Engine.open", except: "x"}, {by: "engine.Engine.Head", except: "x"}}}
	if got := strings.Join(gone.judge(r), "\n"); !strings.Contains(got, "no such way any more: engine.Engine.Head") {
		t.Errorf("a line with nothing behind it passes: %q", got)
	}
	if t.Failed() {
		t.Log(text)
	}
}
