package state_test

import (
	"fmt"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// chargedBack is a world with two sales, charged back in one batch after so many raises of the rules, and the owner's notices about it.
func chargedBack(t *testing.T, level uint32) (*world, []string) {
	t.Helper()
	w := newWorld(t)
	shop, ada := signer(30), signer(31)
	w.must(w.operator, state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "shop", Class: state.ClassProvider, Key: shop.Public()})
	unit := w.create(w.operator, state.KindIMVUCreate, state.UnitCreate{Name: "Shop", OwnerName: "ada", OwnerKey: ada.Public()})
	for w.a.Rules < level {
		w.must(w.node, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: w.a.Rules + 1})
	}
	var sales, back []state.RevenueEvent
	for i := range 3 {
		e := state.RevenueEvent{Unit: unit, EventID: fmt.Sprint("s", i), Kind: "sale", Currency: "USD", Minor: 1001, TimeMs: w.now}
		sales = append(sales, e)
		e.EventID, e.Kind, e.Minor, e.RefundOf = fmt.Sprint("c", i), "chargeback", -1001, e.EventID
		if i == 2 {
			e.Kind = "refund" // the owner's own doing: no notice
		}
		back = append(back, e)
	}
	w.must(shop, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: "shop", Events: sales})
	w.must(shop, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: "shop", Events: back})
	var said []string
	for _, n := range w.a.InboxOf(ada.Public()).List {
		if strings.Contains(n.Text, "chargeback") {
			said = append(said, n.Text)
		}
	}
	w.check()
	w.verified()
	w.replay()
	return w, said
}

func TestOwnersAreToldOfChargebacks(t *testing.T) {
	t.Parallel()
	if _, said := chargedBack(t, state.RulesOwnership); len(said) > 0 {
		t.Errorf("by the rules of level 1 nobody was told, now %q: an old log would replay to other entries", said)
	}
	_, said := chargedBack(t, state.RulesMoney)
	if len(said) != 1 || !strings.Contains(said[0], `2 chargeback(s) on IMVU-001 took back USD -20.02; your share changed by USD -11.01 (first event "c0"`) {
		t.Errorf("notices: %q", said)
	}
}

// XXX is no currency from level 2 on; what stands under it from before can still be refunded by nothing and is shown.
func TestNoCurrencyIsNoCurrency(t *testing.T) {
	t.Parallel()
	w, _ := chargedBack(t, state.RulesMoney)
	unit := w.a.SortedUnits()[0].ID
	out := w.do(signer(30), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: "shop", Events: []state.RevenueEvent{
		{Unit: unit, EventID: "x", Kind: "sale", Currency: "XXX", Minor: 5, TimeMs: w.now}}})
	if out.Receipt.Allowed && out.Err == nil || !strings.Contains(out.Receipt.Reason, "no currency is involved") {
		t.Errorf("5 XXX were taken: %+v, %v", out.Receipt, out.Err)
	}
	w.must(signer(30), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: "shop", Events: []state.RevenueEvent{
		{Unit: unit, EventID: "x", Kind: "sale", Currency: "XAU", Minor: 5, TimeMs: w.now}}})
}
