package engine_test

import (
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// TestProofFindsTheNewestEntry: of units and currencies in one batch, and after a restart, the proof is of the entry that
// carries the totals shown, without a walk through the log.
func TestProofFindsTheNewestEntry(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	units := []nexus.ID{r.create("One", "one", testKey(1).Public()), r.create("Two", "two", testKey(2).Public())}
	for _, id := range []string{"a", "b"} {
		var events []state.RevenueEvent
		for _, currency := range []string{"USD", "EUR"} {
			for i, unit := range units {
				events = append(events, state.RevenueEvent{Unit: unit, EventID: id + currency, Kind: "sale", Currency: currency, Minor: int64(7 + i), TimeMs: 1})
			}
		}
		if _, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: events}); err != nil {
			t.Fatal(err)
		}
	}
	check := func() {
		for _, row := range r.eng.Tally(false).Units {
			id, err := nexus.ParseID(row.UnitID)
			if err != nil {
				t.Fatal(err)
			}
			p, err := r.eng.ProofOf(id, row.Currency)
			if err != nil || !p.Included {
				t.Fatalf("%s %s: %v, included %v", row.Label, row.Currency, err, p.Included)
			}
			rec, err := r.eng.Store().RecordBySeq(p.Entry)
			if err != nil {
				t.Fatal(err)
			}
			e, err := rec.Entry(p.Entry)
			if err != nil {
				t.Fatal(err)
			}
			var body ledger.RevenueBody
			if err := nexus.Decode(e.Body, &body); err != nil || e.Unit != id || body.Currency != row.Currency || body.GrossAfter != row.Gross {
				t.Errorf("%s %s stands at %d, its proof is of %+v: %v", row.Label, row.Currency, row.Gross, body, err)
			}
		}
	}
	check()
	r.close()
	r.open()
	check()
}
