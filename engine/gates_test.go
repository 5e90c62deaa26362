package engine_test

import (
	"context"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
)

// later gives the program's gates with a stricter gate 7 after them.
func later(t testing.TB) *gates.Sets {
	t.Helper()
	list := rules.All()
	list[6].Version = 2
	list[6].Check = func(f *gates.Facts) gates.Verdict {
		if len(f.Envelope) > 0 && f.Envelope[0].CPUMilli > 3000 {
			return gates.Verdict{Concerned: true, ReasonCode: "too_wide", Observed: "more than 3 cores", Required: "at most 3", Fix: "ask for 3"}
		}
		return gates.Verdict{Allow: true, ReasonCode: "ok"}
	}
	next, err := gates.NewChain(list)
	if err != nil {
		t.Fatal(err)
	}
	first, err := rules.Chain()
	if err != nil {
		t.Fatal(err)
	}
	sets, err := gates.NewSets(first, next)
	if err != nil {
		t.Fatal(err)
	}
	return sets
}

// A data directory of one program is opened by the next with other gates: the switch is an entry, decisions before it replay
// with the old gates, those after it with the new, and the old program refuses to go on with it.
func TestNewProgramsGatesTakeOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	wide := state.UnitCreate{Name: "Wide", CPUMilli: 4000}
	before, err := r.do(r.operator(), state.KindIMVUCreate, nexus.ID{}, wide)
	if err != nil {
		t.Fatal(err)
	}
	sets := later(t)
	r.close()
	r.gates = sets
	r.open()
	if err := r.eng.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	wide.Name = "Wider"
	after, err := r.do(r.operator(), state.KindIMVUCreate, nexus.ID{}, wide)
	if nexus.CodeOf(err) != nexus.CodeRefused || !strings.Contains(err.Error(), "more than 3 cores") {
		t.Fatalf("the new gates do not decide: %v", err)
	}
	for _, index := range []uint64{before.Index, after.Index} {
		if _, same, err := r.eng.Replay(index); !same || err != nil {
			t.Errorf("decision %d: %v, %v", index, same, err)
		}
		if got, err := r.eng.ReplayLog(context.Background(), index, 0); err != nil || !got.Same {
			t.Errorf("decision %d from the log: %+v, %v", index, got, err)
		}
	}
	if s := r.eng.GateSets(); len(s.Sets) != 2 || !s.Sets[1].InForce || s.Sets[0].InForce {
		t.Errorf("sets %+v", s)
	}
	// How would the new gates have decided what the old ones did?
	q, err := r.eng.WhatIfOf(&wire.WhatIfRequest{GateSet: sets.Newest().Hash().String()}, nexus.ID{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.eng.WhatIf(context.Background(), q)
	if err != nil || got.Refused != 1 || got.Changed != 1 || got.Rows[0].Index != before.Index || got.Rows[0].After != "deny 7 too_wide" {
		t.Errorf("what-if %+v, %v", got, err)
	}
	r.close()
	r.gates = nil
	if err := r.tryOpen(); nexus.CodeOf(err) != nexus.CodeUnfit {
		t.Errorf("the old program opens it: %v", err)
	}
	r.gates = sets
	r.open()
}

// A switch to gates that this program does not have stops at the door: as a command it would halt the node for good.
func TestUnknownGateSetIsNoCommand(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var from nexus.Hash
	r.eng.View(func(s *state.State) { from = s.GateSet })
	_, err := r.do(r.operator(), state.KindGateSetSwitch, nexus.ID{}, state.GateSetSwitch{From: from, To: nexus.Hash{1}})
	if nexus.CodeOf(err) != nexus.CodeUnfit {
		t.Errorf("%v", err)
	}
	r.create("Still", "", nexus.PublicKey{})
}

// A flood of validly signed refused actions ends in a few entries, one roll-up with the exact count, and nothing lost at the end.
func TestFloodsAreRolledUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	eve := testKey(7)
	unit := r.create("Shop", "ada", testKey(1).Public())
	issue := state.IdentityIssue{Name: "eve", Key: eve.Public(), Role: uint8(gates.RoleCreator)}
	if _, err := r.do(r.operator(), state.KindIdentityIssue, nexus.ID{}, issue); err != nil {
		t.Fatal(err)
	}
	const sent = 200
	denied := func() (n uint64) {
		r.eng.View(func(s *state.State) { n = s.Gates[1].Denied })
		return n
	}
	size, before := r.eng.Store().Size(), denied()
	sum := nexus.Hash{}
	counted := 0
	for range sent {
		a, err := engine.NewAction(eve, r.gen.Cluster, state.KindUnitSuspend, unit, state.UnitReason{Reason: "flood"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		rec, err := r.eng.Do(context.Background(), a)
		if nexus.CodeOf(err) != nexus.CodeRefused {
			t.Fatalf("not refused: %v", err)
		}
		if rec.Index == 0 {
			digest := a.Digest()
			sum = sha256.Sum256(append(append([]byte(nil), sum[:]...), digest[:]...))
			counted++
		}
	}
	entries := denied() - before
	if entries+uint64(counted) != sent || entries < 8 || entries > 40 {
		t.Fatalf("%d sent: %d entries, %d counted", sent, entries, counted)
	}
	// Others are not held up by it, and the flooder's good actions are not either.
	if _, err := r.do(testKey(1), state.KindUnitSuspend, unit, state.UnitReason{Reason: "own"}); err != nil {
		t.Errorf("the owner: %v", err)
	}
	if _, err := r.do(eve, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Eve's"}); err != nil {
		t.Errorf("the flooder's own unit: %v", err)
	}
	r.close() // posts what is counted
	r.open()
	var floods [gates.Count]uint64
	r.eng.View(func(s *state.State) { floods = s.Floods() })
	if floods[1] != uint64(counted) {
		t.Errorf("rolled up %v, counted %d", floods, counted)
	}
	if grown := r.eng.Store().Size() - size; grown > 200 {
		t.Errorf("the log grew by %d entries", grown)
	}
	if rows := r.eng.GateRows(); rows[1].Denied != denied()+uint64(counted) || rows[1].RolledUp != uint64(counted) || !rows[1].Decides {
		t.Errorf("gate 2: %+v", rows[1])
	}
	if body := r.lastFlood(); body.Count != uint64(counted) || body.Actor != eve.Public() || body.Gate != 2 || body.Actions != sum {
		t.Errorf("entry %+v, digests %s", body, sum)
	}
}

// lastFlood reads the newest roll-up of a flood from the ledger.
func (r *rig) lastFlood() (out state.RefusalFlood) {
	r.t.Helper()
	for seq := r.eng.Store().Size(); seq > 0; {
		rec, err := r.eng.Store().RecordBySeq(seq - 1)
		if err != nil {
			r.t.Fatal(err)
		}
		for i := range rec.Entries {
			e, err := rec.Entry(rec.FirstSeq + uint64(i))
			if err != nil {
				r.t.Fatal(err)
			}
			if body, ok := state.DescribeBody(e.Kind, e.Body).(*state.RefusalFlood); ok {
				return *body
			}
		}
		seq = rec.FirstSeq
	}
	r.t.Fatal("no roll-up in the ledger")
	return out
}

// Another policy over the past: what it would have refused, and what its limits would have counted.
func TestWhatIfPolicy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ada := testKey(1)
	unit := r.create("Shop", "ada", ada.Public())
	for _, cpu := range []int64{1000, 1500, 3000} {
		if _, err := r.do(ada, state.KindUnitScale, unit, state.UnitScale{CPUMilli: cpu, MemoryBytes: 1 << 30, StorageBytes: 1 << 30, Processes: 10}); err != nil {
			t.Fatal(err)
		}
	}
	p := state.UnitPolicy{Rules: []state.PolicyRule{
		{Name: "few", Effect: state.EffectLimit, On: []string{state.KindUnitScale}, Count: 1, PerMs: 3_600_000},
		{Name: "small", Effect: state.EffectDeny, On: []string{state.KindUnitScale},
			When: []state.PolicyTerm{{Field: "cpu_milli", Op: "gt", Values: []string{"2000"}}}}}}
	got, err := r.eng.WhatIf(context.Background(), engine.WhatIf{Policy: &p, Unit: unit})
	if err != nil || got.Refused != 2 || len(got.Rows) != 2 || !strings.Contains(got.Rows[1].Why, `"few", "small"`) || got.Looked < 4 {
		t.Errorf("%+v, %v", got, err)
	}
	none, err := r.eng.WhatIf(context.Background(), engine.WhatIf{Policy: &state.UnitPolicy{}, Unit: unit})
	if err != nil || none.Changed != 0 || none.Looked != got.Looked {
		t.Errorf("no policy: %+v, %v", none, err)
	}
	if _, err := r.eng.WhatIfOf(&wire.WhatIfRequest{}, unit); nexus.CodeOf(err) != nexus.CodeUsage {
		t.Errorf("no question: %v", err)
	}
}

// What the gates refuse the node itself is an entry each, however often: its suites read every refusal back as their evidence.
func TestNodesOwnRefusalsAreEntriesEach(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	seen := map[uint64]bool{}
	for range 40 {
		rec, err := r.eng.Act(context.Background(), state.KindLedgerEdit, nexus.ID{}, state.LedgerEdit{Seq: 1})
		if nexus.CodeOf(err) != nexus.CodeRefused || rec.Index == 0 || seen[rec.Index] {
			t.Fatalf("refusal %d: index %d, %v", len(seen), rec.Index, err)
		}
		seen[rec.Index] = true
	}
}

// TestRefusalsAreToldOf: whoever waits for refusals is told of each that came since the last look, and of nothing else.
func TestRefusalsAreToldOf(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	told := func() bool {
		select {
		case <-r.eng.Refusing():
			return true
		default:
			return false
		}
	}
	told() // what the beginning refused
	if _, err := r.do(r.operator(), state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Allowed"}); err != nil || told() {
		t.Errorf("allowed: %v, told of a refusal", err)
	}
	for range 2 {
		if _, err := r.do(r.operator(), state.KindLedgerEdit, nexus.ID{}, state.LedgerEdit{Seq: 1}); nexus.CodeOf(err) != nexus.CodeRefused {
			t.Fatal(err)
		}
	}
	if !told() || told() {
		t.Error("two refusals are not told of once")
	}
}
