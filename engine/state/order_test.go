package state_test

import (
	"sort"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
)

// TestListsAreInOrder: units by creation and label, accounts by unit and currency, each once, also in a restored state.
func TestListsAreInOrder(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	owner := d.creator(10)
	ids := []nexus.ID{d.unit(owner, "one"), d.unit(owner, "two"), d.unit(owner, "three")}
	for n, currency := range []string{"USD", "EUR", "USD", "JPY"} {
		for i, id := range ids {
			d.must(deskKey(deskOperator), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
				{Unit: id, EventID: string(rune('a' + n)), Kind: "sale", Currency: currency, Minor: int64(i + 1), TimeMs: 1}}})
		}
	}
	chain, err := gates.NewChain(rules.All())
	if err != nil {
		t.Fatal(err)
	}
	restored, err := state.Restore(chain, d.s.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*state.State{"live": d.s, "restored": restored} {
		units, accounts := s.SortedUnits(), s.SortedAccounts()
		if len(units) != len(s.Units) || len(accounts) != len(s.Accounts) || len(accounts) != 9 {
			t.Fatalf("%s: %d units of %d, %d accounts of %d", name, len(units), len(s.Units), len(accounts), len(s.Accounts))
		}
		if !sort.SliceIsSorted(units, func(i, j int) bool {
			a, b := units[i], units[j]
			return a.CreatedIndex < b.CreatedIndex || a.CreatedIndex == b.CreatedIndex && a.Label < b.Label
		}) {
			t.Errorf("%s: units out of order", name)
		}
		if !sort.SliceIsSorted(accounts, func(i, j int) bool {
			a, b := accounts[i], accounts[j]
			x, y := s.Units[a.Unit].CreatedIndex, s.Units[b.Unit].CreatedIndex
			return x < y || x == y && a.Currency < b.Currency
		}) {
			t.Errorf("%s: accounts out of order", name)
		}
		for _, a := range accounts {
			if s.Accounts[state.AccountKey{Unit: a.Unit, Currency: a.Currency}] != a {
				t.Errorf("%s: the list holds an old value of %+v", name, a)
			}
		}
	}
}
