package engine_test

import (
	"fmt"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// A decision on a batch of revenue says whose it is when it is of one unit, in the list of the console, in a page of the log and by itself.
func TestDecisionNamesTheUnitOfItsEntries(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	shop, stall := r.create("Shop", "ada", testKey(1).Public()), r.create("Stall", "ada", testKey(1).Public())
	n := 0
	post := func(units ...nexus.ID) {
		t.Helper()
		var events []state.RevenueEvent
		for _, u := range units {
			n++
			events = append(events, state.RevenueEvent{Unit: u, EventID: fmt.Sprint("e", n), Kind: "sale", Currency: "USD", Minor: 100, TimeMs: 1})
		}
		if _, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: events}); err != nil {
			t.Fatal(err)
		}
	}
	many := make([]nexus.ID, 40)
	for i := range many {
		many[i] = shop
	}
	for _, c := range []struct {
		units []nexus.ID
		want  string
	}{{[]nexus.ID{stall}, "IMVU-002"}, {[]nexus.ID{shop, shop, shop}, "IMVU-001"}, {[]nexus.ID{shop, stall}, ""}, {many, ""}} {
		post(c.units...)
		newest := r.eng.RecentDecisions()[0]
		page, _, err := r.eng.Decisions(engine.DecisionFilter{Before: ^uint64(0), Limit: 1})
		if err != nil || len(page) != 1 {
			t.Fatal(page, err)
		}
		alone, err := r.eng.DecisionAt(newest.Index)
		if err != nil {
			t.Fatal(err)
		}
		if newest.UnitLabel != c.want || page[0].UnitLabel != c.want || alone.UnitLabel != c.want || newest.Unit != "" || page[0].Unit != "" {
			t.Errorf("%d events: console %q, page %q, alone %q, want %q; unit %q", len(c.units), newest.UnitLabel, page[0].UnitLabel, alone.UnitLabel, c.want,
				newest.Unit)
		}
	}
}
