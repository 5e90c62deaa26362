package enginetest_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/enginetest"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// founded opens an engine of its own with one unit and gives its operator's key.
func founded(t *testing.T) (*engine.Engine, nexus.Signer) {
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
	act, err := engine.Found(gen, keys.Platform)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(engine.Config{DataDir: dir, NodeName: "test", Cluster: gen.Cluster, Node: keys.Node, Genesis: act,
		Bus: bus.New(bus.Limits{}), Logger: slog.New(slog.DiscardHandler), Capacity: engine.Capacity{CPUMilli: 2000, MemoryBytes: 8 << 30, NetworkBps: 1e9}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e, keys.Operator
}

// sell creates a unit, posts two sales and gives the acknowledgement.
func sell(t *testing.T, e *engine.Engine, by nexus.Signer) enginetest.Ack {
	t.Helper()
	do := func(kind string, body any) (nexus.Action, nexus.Receipt) {
		a, err := engine.NewAction(by, e.Cluster(), kind, nexus.ID{}, body, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r, err := e.Do(context.Background(), a)
		if err != nil {
			t.Fatal(err)
		}
		return a, r
	}
	_, r := do(state.KindIMVUCreate, state.UnitCreate{Name: "One", OwnerName: state.PlatformName, Dormant: true})
	var made state.UnitCreated
	if err := nexus.Decode(r.Result, &made); err != nil {
		t.Fatal(err)
	}
	a, r := do(state.KindRevenuePost, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
		{Unit: made.ID, EventID: "a", Kind: "sale", Currency: "USD", Minor: 101, TimeMs: 1},
		{Unit: made.ID, EventID: "b", Kind: "sale", Currency: "USD", Minor: 1, TimeMs: 2}}})
	return enginetest.Ack{Actor: by.Public(), Action: a.ID, Index: r.Index, Entries: 3}
}

func check(t *testing.T, c *enginetest.Checker, e *engine.Engine) map[int]bool {
	t.Helper()
	breaches, err := c.Check(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	out := map[int]bool{}
	for _, b := range breaches {
		out[b.Invariant] = true
	}
	return out
}

// A sound engine breaks nothing; a lost acknowledgement, another history, a changed balance and another ledger's import are each found under
// their own number.
func TestBreachesAreFound(t *testing.T) {
	t.Parallel()
	e, operator := founded(t)
	ack := sell(t, e, operator)
	var c enginetest.Checker
	c.Acknowledged(ack)
	for range 2 {
		if got := check(t, &c, e); len(got) > 0 || c.Acks() != 1 {
			t.Fatalf("a sound ledger breaks %v", got)
		}
	}
	lost := ack
	lost.Action[0]++
	moved := ack
	moved.Index++
	for _, a := range []enginetest.Ack{lost, moved} {
		var c enginetest.Checker
		c.Acknowledged(a)
		if got := check(t, &c, e); !got[3] {
			t.Errorf("acknowledged %+v: %v", a, got)
		}
	}
	other, otherOperator := founded(t)
	sell(t, other, otherOperator)
	if got := check(t, &c, other); !got[3] || !got[7] || !got[13] {
		t.Errorf("another history: %v", got)
	}
	imported := enginetest.Checker{Import: func(*engine.Engine) (*engine.Engine, func() error, error) {
		return other, func() error { return nil }, nil
	}}
	if got := check(t, &imported, e); !got[12] {
		t.Errorf("another ledger's import: %v", got)
	}
	e.View(func(s *state.State) {
		for _, a := range s.Accounts {
			a.Creator++
		}
	})
	if got := check(t, &enginetest.Checker{}, e); !got[6] || !got[10] {
		t.Errorf("a changed balance: %v", got)
	}
}
