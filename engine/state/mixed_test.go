package state_test

import (
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// A batch that goes to and fro between units and currencies posts each event to its own account and clearing balance, though an event like
// the one before it looks neither up again.
func TestMixedBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.create(w.operator, state.KindIMVUCreate, state.UnitCreate{Name: "One", OwnerName: "ada", OwnerKey: signer(31).Public()})
	two := w.create(w.operator, state.KindIMVUCreate, state.UnitCreate{Name: "Two", OwnerName: "ada"})
	w.must(w.operator, state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "till", Class: state.ClassAttested, Key: w.operator.Public()})
	places := []struct {
		unit     nexus.ID
		currency string
	}{{one, "USD"}, {one, "USD"}, {one, "EUR"}, {two, "EUR"}, {one, "USD"}, {two, "USD"}, {two, "EUR"}, {one, "EUR"}, {one, "EUR"}}
	seq, gross, clearing := uint64(1), map[state.AccountKey]int64{}, map[string]int64{}
	for range 3 {
		post := state.RevenuePost{Source: "till", FirstSeq: seq}
		for i, at := range places {
			minor := int64(100 + 7*i)
			post.Events = append(post.Events, state.RevenueEvent{Unit: at.unit, Kind: "sale", Currency: at.currency, Minor: minor, TimeMs: w.now})
			gross[state.AccountKey{Unit: at.unit, Currency: at.currency}] += minor
			clearing[at.currency] -= minor
		}
		seq += uint64(len(places))
		w.must(w.operator, state.KindRevenuePost, nexus.ID{}, post)
		for k, want := range gross {
			if got := w.a.Accounts[k].Gross; got != want {
				t.Errorf("%+v: gross %d, want %d", k, got, want)
			}
		}
		for currency, want := range clearing {
			if got := w.a.Clearing[state.ClearingKey{Source: "till", Currency: currency}]; got != want {
				t.Errorf("clearing of %s: %d, want %d", currency, got, want)
			}
		}
	}
	for _, u := range w.a.Chain.Balances() { // what a checkpoint commits to
		for _, b := range u.Balances {
			acc := w.a.Accounts[state.AccountKey{Unit: u.Unit, Currency: b.Currency}]
			want := map[ledger.AccountKind]int64{ledger.AccountSource: -acc.Gross, ledger.AccountCreator: acc.Creator, ledger.AccountPlatform: acc.Platform}
			if b.Minor != want[b.Account] {
				t.Errorf("unit %s: balance %+v, want %d", u.Unit, b, want[b.Account])
			}
		}
	}
	w.check()
	w.replay()
}
