package engine_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// rig is one data directory with its keys and, while open, its engine.
type rig struct {
	t    testing.TB
	dir  string
	gen  identity.Genesis
	keys identity.Keys
	eng  *engine.Engine
	bus  *bus.Bus

	gates *gates.Sets // nil: the program's own
	clock func() time.Time

	change func(*engine.Config) // nil: a node's own configuration
}

func newRig(t testing.TB) *rig { return newRigAt(t, time.Now) }

// newRigAt has a clock of its own, for what takes months.
func newRigAt(t testing.TB, clock func() time.Time) *rig { return newRigWith(t, clock, nil) }

func newRigWith(t testing.TB, clock func() time.Time, change func(*engine.Config)) *rig {
	t.Helper()
	dir := t.TempDir()
	gen, err := identity.NewGenesis(dir, identity.GenesisOptions{Profile: identity.ProfileDev, NodeName: "test", OperatorName: "operator"})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := identity.LoadKeys(dir, gen)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, gen: gen, keys: keys, clock: clock, change: change}
	r.open()
	return r
}

func (r *rig) open() {
	r.t.Helper()
	if err := r.tryOpen(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { r.close() })
}

func (r *rig) tryOpen() error {
	act, err := engine.Found(r.gen, r.keys.Platform)
	if err != nil {
		return err
	}
	r.bus = bus.New(bus.Limits{})
	cfg := engine.Config{DataDir: r.dir, NodeName: "test", Cluster: r.gen.Cluster, Node: r.keys.Node, Genesis: act,
		Bus: r.bus, Logger: slog.New(slog.DiscardHandler), Capacity: engine.Capacity{CPUMilli: 2000, MemoryBytes: 8 << 30, NetworkBps: 1e9},
		Gates: r.gates, Clock: r.clock}
	if r.change != nil {
		r.change(&cfg)
	}
	eng, err := engine.Open(cfg)
	if err == nil {
		r.eng = eng
	}
	return err
}

func (r *rig) close() {
	if err := r.eng.Close(); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) operator() nexus.Signer { return r.keys.Operator }

func (r *rig) do(s nexus.Signer, kind string, unit nexus.ID, body any) (nexus.Receipt, error) {
	r.t.Helper()
	sealed, err := r.eng.SealBody(kind, unit, nexus.Encode(body))
	if err != nil {
		return nexus.Receipt{}, err
	}
	a, err := engine.NewActionOf(s, r.gen.Cluster, kind, unit, sealed.Body, r.clock())
	if err != nil {
		r.t.Fatal(err)
	}
	return r.eng.Do(context.Background(), a)
}

func (r *rig) create(name, owner string, key nexus.PublicKey) nexus.ID {
	r.t.Helper()
	rec, err := r.do(r.operator(), state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: name, OwnerName: owner, OwnerKey: key})
	if err != nil {
		r.t.Fatal(err)
	}
	var c state.UnitCreated
	if err := nexus.Decode(rec.Result, &c); err != nil {
		r.t.Fatal(err)
	}
	return c.ID
}

func TestRevenueSplitsSurvivesRestart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	owner := testKey(1)
	unit := r.create("TestProject", "trae-identity", owner.Public())
	post := state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
		{Unit: unit, EventID: "a", Kind: "sale", Currency: "USD", Minor: 1_000_000, TimeMs: 1},
		{Unit: unit, EventID: "b", Kind: "sale", Currency: "USD", Minor: 1, TimeMs: 2}}}
	if _, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, post); err != nil {
		t.Fatal(err)
	}
	rec, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, post)
	if err != nil {
		t.Fatal(err)
	}
	var posted state.RevenuePosted
	if err := nexus.Decode(rec.Result, &posted); err != nil || posted.Posted != 0 || posted.Duplicates != 2 {
		t.Fatalf("second post: %+v, %v", posted, err)
	}
	before := r.eng.Tally(false).Units[0]
	if before.Gross != 1_000_001 || before.Creator != 550_001 || before.Platform != 450_000 {
		t.Fatalf("tally %+v", before)
	}
	var hash nexus.Hash
	r.eng.View(func(s *state.State) { hash = s.Hash() })
	r.close()
	r.open()
	r.eng.View(func(s *state.State) {
		if s.Hash() != hash {
			t.Errorf("state hash changed over a restart")
		}
	})
	if after := r.eng.Tally(false).Units[0]; after != before {
		t.Errorf("tally after restart %+v, before %+v", after, before)
	}
}

func TestRetryIsALookUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, err := engine.NewAction(r.operator(), r.gen.Cluster, state.KindPlatformCreate, nexus.ID{}, state.UnitCreate{Name: "Once"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	first, err := r.eng.Do(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.eng.Do(context.Background(), a)
	if err != nil || !again.Repeated || again.Index != first.Index || string(again.Result) != string(first.Result) {
		t.Fatalf("retry %+v, %v; first %+v", again, err, first)
	}
	b, err := nexus.SignAction(r.operator(), nexus.Action{Version: 1, Cluster: a.Cluster, ID: a.ID, Kind: a.Kind, TimeMs: a.TimeMs,
		ExpiresMs: a.ExpiresMs, Body: nexus.Encode(state.UnitCreate{Name: "Twice"})})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.eng.Do(context.Background(), b); nexus.CodeOf(err) != nexus.CodeConflict {
		t.Fatalf("same id, other content: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	owner, stranger := testKey(2), testKey(3)
	unit := r.create("Mine", "owner", owner.Public())
	sale := state.RevenueEvent{Unit: unit, EventID: "x", Kind: "sale", Currency: "USD", Minor: 5, TimeMs: 1}
	cases := map[string]struct {
		signer nexus.Signer
		kind   string
		unit   nexus.ID
		body   any
		gate   int
	}{
		"unknown identity": {stranger, state.KindUnitScale, unit, state.UnitScale{CPUMilli: 1, MemoryBytes: 1, StorageBytes: 1, Processes: 1}, 1},
		"not the source":   {owner, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{sale}}, 6},
		"operator shrinks": {r.operator(), state.KindUnitScale, unit,
			state.UnitScale{CPUMilli: 1000, MemoryBytes: 1 << 30, StorageBytes: 1 << 30, Processes: 10}, 15},
		"operator sets a route": {r.operator(), state.KindRouteSet, unit, state.RouteSet{Host: "mine.imvu-001.nexus.localhost", Backend: "http://127.0.0.1:9"}, 8},
		"edits the ledger":      {r.operator(), state.KindLedgerEdit, nexus.ID{}, state.LedgerEdit{Seq: 1}, 11},
		"owner makes an operator": {owner, state.KindIdentityIssue, nexus.ID{},
			state.IdentityIssue{Name: "evil", Key: testKey(9).Public(), Role: uint8(gates.RoleOperator)}, 1},
		"foreign domain":       {owner, state.KindDomainClaim, unit, state.DomainClaim{Name: "stream.nexus.localhost"}, 3},
		"unknown jurisdiction": {r.operator(), state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Moon", Jurisdiction: "MOON-LAW"}, 9},
	}
	for name, c := range cases {
		rec, err := r.do(c.signer, c.kind, c.unit, c.body)
		if nexus.CodeOf(err) != nexus.CodeRefused || rec.Allowed {
			t.Errorf("%s: %v %+v", name, err, rec)
			continue
		}
		found := false
		for _, g := range rec.Gates {
			found = found || g == c.gate
		}
		if !found {
			t.Errorf("%s: refused by %v (%s), want gate %d", name, rec.Gates, rec.Reason, c.gate)
		}
		if _, same, err := r.eng.Replay(rec.Index); err != nil || !same {
			t.Errorf("%s: replay same=%v err=%v", name, same, err)
		}
	}
	self := state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{sale}}
	own := r.createOwned(t)
	self.Events[0].Unit = own
	if rec, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, self); nexus.CodeOf(err) != nexus.CodeRefused {
		t.Errorf("operator attests for an own unit: %v %+v", err, rec)
	}
}

func (r *rig) createOwned(t *testing.T) nexus.ID {
	t.Helper()
	rec, err := r.do(r.operator(), state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Operator's own"})
	if err != nil {
		t.Fatal(err)
	}
	var c state.UnitCreated
	if err := nexus.Decode(rec.Result, &c); err != nil {
		t.Fatal(err)
	}
	return c.ID
}

func testKey(seed byte) nexus.KeySigner {
	b := make([]byte, 32)
	b[0] = seed
	return nexus.KeySigner(newKey(b))
}
