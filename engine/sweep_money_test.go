package engine_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// What falls due about money becomes entries by the node's own acts, at the node's clock: a pending event expires, a hold ends, the
// monthly payout is opened once.
func TestSweepOfMoney(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.close()
	var ahead atomic.Int64
	act, err := engine.Found(r.gen, r.keys.Platform)
	if err != nil {
		t.Fatal(err)
	}
	r.eng, err = engine.Open(engine.Config{DataDir: r.dir, NodeName: "test", Cluster: r.gen.Cluster, Node: r.keys.Node, Genesis: act, Bus: bus.New(bus.Limits{}),
		Logger: slog.New(slog.DiscardHandler), Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	do := func(s nexus.Signer, kind string, unit nexus.ID, body any) {
		t.Helper()
		sealed, err := r.eng.SealBody(kind, unit, nexus.Encode(body))
		if err != nil {
			t.Fatal(err)
		}
		a, err := engine.NewActionOf(s, r.gen.Cluster, kind, unit, sealed.Body, time.Now().Add(time.Duration(ahead.Load())))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.eng.Do(context.Background(), a); err != nil {
			t.Fatal(err)
		}
	}
	ada := testKey(1)
	unit := r.create("Shop", "ada", ada.Public())
	event := state.RevenueEvent{Unit: unit, EventID: "s", Kind: "sale", Currency: "USD", Minor: 10_000, TimeMs: 1}
	do(r.operator(), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{event}})
	event.EventID = "p"
	do(r.operator(), state.KindPendingOpen, nexus.ID{}, state.PendingOpen{Source: state.OperatorSource, Event: event, LifeMs: state.PendingLifeMinMs})
	do(r.operator(), state.KindHoldPlace, unit, state.HoldPlace{Currency: "USD", Minor: 100, LifeMs: state.HoldLifeMinMs, Reason: "check"})
	do(ada, state.KindPayoutSet, unit, state.PayoutSet{Destination: "acct_1"})
	look := func() (pending, holds, payouts int, purse state.Purse) {
		r.eng.View(func(s *state.State) {
			pending, holds, payouts = len(s.PendingList()), len(s.Holds()), len(s.Payouts())
			purse = s.PurseOf(state.PurseKey{Unit: unit, Currency: "USD"})
		})
		return
	}
	sweep := func() {
		t.Helper()
		if err := r.eng.Sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	if pending, holds, payouts, _ := look(); pending != 1 || holds != 1 || payouts != 0 {
		t.Fatalf("swept before its time: %d pending, %d holds, %d payouts", pending, holds, payouts)
	}
	ahead.Store(int64(32 * 24 * time.Hour)) // past both lives and the first of the next month
	sweep()
	sweep()
	pending, holds, payouts, purse := look()
	if pending != 0 || holds != 0 || payouts != 1 || purse != (state.Purse{Drawn: -5500, OnItsWay: 5500}) {
		t.Errorf("%d pending, %d holds, %d payouts, %+v", pending, holds, payouts, purse)
	}
}
