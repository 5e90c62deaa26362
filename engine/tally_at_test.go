package engine_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// The tally as of an earlier size is what the tally was then, and its root is the root of then.
func TestTallyAtIsTheTallyOfThen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	unit := r.create("Shop", "ada", testKey(1).Public())
	type moment struct {
		size uint64
		root string
		ms   int64
		rows []wire.TallyRow
	}
	var then []moment
	for i := range 6 {
		event := state.RevenueEvent{Unit: unit, EventID: fmt.Sprint("e", i), Kind: "sale", Currency: []string{"USD", "JPY"}[i%2], Minor: int64(7*i + 1), TimeMs: 1}
		if i == 4 {
			event.Kind, event.Minor, event.RefundOf = "refund", -8, "e2"
		}
		if _, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource,
			Events: []state.RevenueEvent{event}}); err != nil {
			t.Fatal(err)
		}
		cp, _, _ := r.eng.Head()
		tally := r.eng.Tally(false)
		then = append(then, moment{cp.Size, cp.Root.String(), tally.Time.UnixMilli(), tally.Units})
	}
	for i, want := range then {
		for _, got := range []func() (wire.Tally, error){
			func() (wire.Tally, error) {
				return r.eng.TallyAt(context.Background(), engine.Moment{Size: want.size}, false)
			},
			func() (wire.Tally, error) {
				return r.eng.TallyAt(context.Background(), engine.Moment{TimeMs: want.ms}, false)
			},
		} {
			tally, err := got()
			if err != nil || !reflect.DeepEqual(tally.Units, want.rows) || tally.At.Size != want.size {
				t.Fatalf("moment %d: %+v at %+v, want %+v at %d: %v", i, tally.Units, tally.At, want.rows, want.size, err)
			}
			if root, err := r.eng.RootAt(tally.At.Size); err != nil || root.String() != want.root {
				t.Errorf("moment %d: root %s, was %s: %v", i, root, want.root, err)
			}
		}
	}
	first, err := r.eng.Store().RecordBySeq(0)
	if err != nil {
		t.Fatal(err)
	}
	if tally, err := r.eng.TallyAt(context.Background(), engine.Moment{Size: first.Next()}, false); err != nil || len(tally.Units) != 0 {
		t.Errorf("before any revenue: %+v, %v", tally.Units, err)
	}
	if _, err := r.eng.TallyAt(context.Background(), engine.Moment{Size: 1 << 40}, false); nexus.CodeOf(err) != nexus.CodeMalformed {
		t.Errorf("past the end: %v", err)
	}
}

// announce opens a pending event that lives a minute.
func (r *rig) announce(unit nexus.ID, id, currency string, minor int64) (o state.PendingOpened) {
	r.t.Helper()
	rec, err := r.do(r.operator(), state.KindPendingOpen, nexus.ID{}, state.PendingOpen{Source: state.OperatorSource, LifeMs: state.PendingLifeMinMs,
		Event: state.RevenueEvent{Unit: unit, EventID: id, Kind: "sale", Currency: currency, Minor: minor, TimeMs: 1}})
	if err == nil {
		err = nexus.Decode(rec.Result, &o)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return o
}

// What was announced stands beside the split, now and as of any earlier moment: through posting in part, voiding and expiry, also where
// nothing was ever posted.
func TestTallyShowsWhatIsPending(t *testing.T) {
	t.Parallel()
	now := time.Now()
	r := newRigAt(t, func() time.Time { return now })
	unit := r.create("Shop", "ada", testKey(1).Public())
	pending := func(row wire.TallyRow) string {
		return fmt.Sprintf("%s %d: %d pending in %d", row.Currency, row.Gross, row.Pending, row.PendingEvents)
	}
	type moment struct {
		size uint64
		rows []wire.TallyRow
	}
	var then []moment
	look := func(want ...string) {
		t.Helper()
		cp, _, _ := r.eng.Head()
		tally := r.eng.Tally(false)
		var got []string
		for _, row := range tally.Units {
			got = append(got, pending(row))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("tally %q, want %q", got, want)
		}
		then = append(then, moment{cp.Size, tally.Units})
	}
	settle := func(kind string, id nexus.ID, minor int64) {
		t.Helper()
		if _, err := r.do(r.operator(), kind, nexus.ID{}, state.PendingSettle{Pending: id, Minor: minor, Reason: "r"}); err != nil {
			t.Fatal(err)
		}
	}
	look()
	a := r.announce(unit, "a", "USD", 1000)
	look("USD 0: 1000 pending in 1")
	b := r.announce(unit, "b", "EUR", 7)
	r.announce(unit, "c", "USD", 500)
	look("EUR 0: 7 pending in 1", "USD 0: 1500 pending in 2")
	settle(state.KindPendingPost, a.ID, 400)
	look("EUR 0: 7 pending in 1", "USD 400: 500 pending in 1")
	settle(state.KindPendingVoid, b.ID, 0)
	look("USD 400: 500 pending in 1")
	now = now.Add(2 * time.Minute)
	if err := r.eng.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	look("USD 400: 0 pending in 0")
	if totals := r.eng.Tally(false).Totals; len(totals) != 1 || totals[0].Pending != 0 || totals[0].Gross != 400 {
		t.Errorf("totals %+v", totals)
	}
	for i, want := range then {
		tally, err := r.eng.TallyAt(context.Background(), engine.Moment{Size: want.size}, false)
		if err != nil || len(tally.Units) != len(want.rows) || len(want.rows) > 0 && !reflect.DeepEqual(tally.Units, want.rows) {
			t.Errorf("moment %d: %+v, was %+v: %v", i, tally.Units, want.rows, err)
		}
	}
	mid := then[2].rows
	if sums := engine.SumTallies(mid); len(sums) != 2 || sums[0].Pending != 7 || sums[1].PendingEvents != 2 {
		t.Errorf("totals of then %+v", sums)
	}
}
