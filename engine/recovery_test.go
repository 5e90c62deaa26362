package engine_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/consensus"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// command signs an operator's action and wraps it as admission does.
func (r *rig) command(kind string, body any) []byte {
	r.t.Helper()
	a, err := engine.NewAction(r.operator(), r.gen.Cluster, kind, nexus.ID{}, body, time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	data, err := r.eng.CommandOf(a)
	if err != nil {
		r.t.Fatal(err)
	}
	return data
}

func rollup() state.RefusalRollup {
	return state.RefusalRollup{Reason: "test", Source: "local", Count: 1}
}

// TestStateAheadOfTheStoreIsNotSaved: when a batch halts half-way, what its first commands changed in memory is not durable.
// An orderly end must not store it, or the next start applies them on top of themselves.
func TestStateAheadOfTheStoreIsNotSaved(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	next := r.eng.Store().Applied() + 1
	good := r.command(state.KindRefusalRollup, rollup())
	results := r.eng.ApplyBatch([]consensus.Command{{Index: next, Term: 2, Data: good}, {Index: next + 1, Term: 2, Data: []byte{1}}})
	if _, halted := results[1].(consensus.Halt); !halted {
		t.Fatalf("a command that does not decode gives %v", results[1])
	}
	r.close()
	r.open()
	if _, err := r.do(r.operator(), state.KindRefusalRollup, nexus.ID{}, rollup()); err != nil {
		t.Fatalf("after a halt and an orderly end: %v", err)
	}
}

// TestBigStateIsSaved: a state larger than one transaction of the store is stored in several.
func TestBigStateIsSaved(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	unit := r.create("TestProject", "owner", testKey(1).Public())
	route := nexus.Encode(state.RouteSet{Host: "testproject.imvu-001.nexus.localhost", Backend: "dir:/" + strings.Repeat("r", 4000)})
	for range 900 { // each proposal keeps its change and its reason, also when it was withdrawn
		rec, err := r.do(r.operator(), state.KindProposalOpen, unit, state.ProposalOpen{Kind: state.KindRouteSet, Body: route,
			Reason: strings.Repeat("r", state.MaxTextBytes)})
		var made state.ProposalOpened
		if err != nil || nexus.Decode(rec.Result, &made) != nil {
			t.Fatalf("%+v, %v", rec, err)
		}
		word := state.ProposalDecide{Proposal: made.ID, Change: made.Change}
		if _, err := r.do(r.operator(), state.KindProposalWithdraw, unit, word); err != nil {
			t.Fatal(err)
		}
	}
	size := 0
	r.eng.View(func(s *state.State) { size = len(s.Snapshot()) })
	if size < r.eng.MaxBatchBytes() {
		t.Fatalf("the state has only %d bytes", size)
	}
	if err := r.eng.SaveState(); err != nil {
		t.Fatal(err)
	}
	r.close()
	r.open()
}

// TestFullDiskRefusesBeforeConsensus: no room is an answer, not the end of the node.
func TestFullDiskRefusesBeforeConsensus(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.close()
	var err error
	r.eng, err = engine.Open(engine.Config{DataDir: r.dir, NodeName: "test", Cluster: r.gen.Cluster, Node: r.keys.Node,
		Bus: bus.New(bus.Limits{}), Logger: slog.New(slog.DiscardHandler), ReserveDisk: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := r.do(r.operator(), state.KindRefusalRollup, nexus.ID{}, rollup()); nexus.CodeOf(err) != nexus.CodeUnavailable ||
			!strings.Contains(err.Error(), "MiB free") {
			t.Fatalf("write on a full disk: %v", err)
		}
	}
	if st := r.eng.Status(); !st.Healthy {
		t.Fatalf("a refused write stopped the log: %+v", st)
	}
}

// TestDecisionPagesGoOn: pages read from any place reach the oldest decision and repeat none.
func TestDecisionPagesGoOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 25 {
		if _, err := r.do(r.operator(), state.KindRefusalRollup, nexus.ID{}, rollup()); err != nil {
			t.Fatal(err)
		}
	}
	seen, before := map[uint64]bool{}, ^uint64(0)
	for page := 0; before != 0; page++ {
		rows, next, err := r.eng.Decisions(engine.DecisionFilter{Before: before, Limit: 4, ScanMax: 3})
		if err != nil || page > 26+state.RulesMax || next >= before {
			t.Fatalf("page %d from %d goes on at %d: %v", page, before, next, err)
		}
		for _, row := range rows {
			if seen[row.Index] || row.Index >= before {
				t.Fatalf("page %d shows decision %d out of place", page, row.Index)
			}
			seen[row.Index] = true
		}
		before = next
	}
	if len(seen) != 26+state.RulesMax { // genesis, each level of the rules, and 25
		t.Fatalf("%d decisions in the pages", len(seen))
	}
}
