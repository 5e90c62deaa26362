package state_test

import (
	"fmt"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// What a unit that has left gives back is its own: the hosts and routes of others stay. However many are due, a node settles so many at a time.
func TestAnExitReleasesNothingOfOthers(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	second := w.create(w.operator, state.KindIMVUCreate, state.UnitCreate{Name: "Eve's second", OwnerName: "eve"})
	stays := w.create(w.operator, state.KindIMVUCreate, state.UnitCreate{Name: "Eve's third", OwnerName: "eve"})
	units := []nexus.ID{w.unit, second, stays}
	for i, unit := range units {
		w.must(w.eve, state.KindRouteSet, unit, state.RouteSet{Host: w.a.Units[unit].Domain, Backend: fmt.Sprintf("http://127.0.0.1:%d", 9100+i)})
	}
	for i, unit := range units[:2] {
		w.must(w.eve, state.KindExitBegin, unit, state.ExitBegin{})
		// Its own owner is not hindered by what nobody else may do.
		w.must(w.eve, state.KindRouteSet, unit, state.RouteSet{Host: w.a.Units[unit].Domain, Backend: fmt.Sprintf("http://127.0.0.1:%d", 9200+i)})
		b := w.complete()
		b.UnitSeq, b.UnitHead = w.heads[unit].Seq, w.heads[unit].Head
		w.must(w.eve, state.KindExitComplete, unit, b)
	}
	done, _ := w.a.ExitOf(second)
	for most, want := range []int{0, 1, 2, 2} {
		if due := w.a.DueExits(done.Done.GraceMs, most); len(due) != want {
			t.Errorf("at most %d: %d are due", most, len(due))
		}
	}
	w.now = done.Done.GraceMs
	w.must(w.node, state.KindExitSettle, second, struct{}{})
	for unit, kept := range map[nexus.ID]bool{w.unit: true, second: false, stays: true} {
		u := w.a.Units[unit]
		_, routed := w.a.Routes[u.Domain]
		if owner, bound := w.a.Domains[u.Domain]; routed != kept || bound != kept || kept && owner != unit {
			t.Errorf("%s: host bound %t, routed %t", u.Label, bound, routed)
		}
	}
	w.swap()
	w.check()
}

// As many payouts as may be on their way are enough for a unit that has left, too.
func TestAUnitThatLeftHasNoMorePayoutsOnTheirWay(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.must(w.operator, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
		{Unit: w.unit, EventID: "a", Kind: "sale", Currency: "USD", Minor: 1000, TimeMs: 1}}})
	w.must(w.eve, state.KindPayoutSet, w.unit, state.PayoutSet{Schedule: state.ScheduleMonthly, Destination: "acct"})
	var opened state.PayoutOpened
	for range 64 {
		out := w.must(w.eve, state.KindPayoutOpen, w.unit, state.PayoutOpen{Currency: "USD", Minor: 1})
		if err := nexus.Decode(out.Receipt.Result, &opened); err != nil {
			t.Fatal(err)
		}
	}
	w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
	w.must(w.eve, state.KindExitComplete, w.unit, w.complete())
	if due := w.a.DuePayouts(w.now+1000, 9); len(due) != 0 {
		t.Errorf("%d payouts are due while 64 are on their way", len(due))
	}
	w.must(w.operator, state.KindPayoutPost, w.unit, state.PayoutSettle{Payout: opened.ID, Reference: "tr_1"})
	if due := w.a.DuePayouts(w.now+1000, 9); len(due) != 1 {
		t.Errorf("%d payouts are due when there is room for one", len(due))
	}
	w.check()
}
