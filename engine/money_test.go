package engine_test

import (
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func everything(*state.State, *state.Unit, state.Period) bool { return true }

// Today, this month and all are what the entries posted, by event time, also after a restart when they are read anew.
func TestMoneyOfTodayMonthAndAll(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	unit := r.create("Shop", "ada", testKey(1).Public())
	now := time.Now().UTC()
	monthStart := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	post := func(id string, minor int64, at time.Time, of string) {
		t.Helper()
		if _, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
			{Unit: unit, EventID: id, Kind: "sale", Currency: "USD", Minor: minor, TimeMs: at.UnixMilli(), RefundOf: of}}}); err != nil {
			t.Fatal(err)
		}
	}
	post("old", 1000, monthStart.Add(-time.Millisecond), "")
	post("first", 100, monthStart, "")
	post("now", 10, now, "")
	post("back", -3, now, "now")
	post("early", 7, time.UnixMilli(-5), "")
	check := func() {
		t.Helper()
		m, err := r.eng.Money(engine.MoneyFilter{Sees: everything})
		if err != nil || len(m.Rows) != 1 || m.Read != m.Entries {
			t.Fatalf("%+v, %v", m, err)
		}
		row := m.Rows[0]
		today, month := int64(7), int64(107)
		if now.Truncate(24 * time.Hour).Equal(monthStart) {
			today = 107
		}
		if row.Today.Gross != today || row.Month.Gross != month || row.All.Gross != 1114 || row.All.Creator != 613 || row.Payable != 613 ||
			row.Earned != 613 || row.Month.Creator+row.Month.Platform != month || row.Month.Events != 3 {
			t.Errorf("%+v", row)
		}
		if len(m.Totals) != 1 || m.Totals[0].All != row.All || m.Totals[0].Payable != 613 {
			t.Errorf("totals %+v", m.Totals)
		}
	}
	check()
	r.close()
	r.open()
	check()
}

// A reader sees what the filter lets through, and no totals of anything else.
func TestMoneyIsFiltered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ada, bob := r.create("Ada", "ada", testKey(1).Public()), r.create("Bob", "bob", testKey(2).Public())
	for i, unit := range []nexus.ID{ada, bob} {
		if _, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
			{Unit: unit, EventID: "x", Kind: "sale", Currency: "EUR", Minor: int64(100 * (i + 1)), TimeMs: 1}}}); err != nil {
			t.Fatal(err)
		}
	}
	m, err := r.eng.Money(engine.MoneyFilter{Sees: func(_ *state.State, u *state.Unit, _ state.Period) bool { return u.ID == bob }})
	if err != nil || len(m.Rows) != 1 || m.Rows[0].UnitID != bob.String() || len(m.Totals) != 1 || m.Totals[0].All.Gross != 200 {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := r.eng.Money(engine.MoneyFilter{Unit: ada, Sees: everything}); err != nil || len(m.Rows) != 1 || m.Rows[0].All != (wire.MoneyPart{Gross: 100,
		Creator: 55, Platform: 45, Events: 1}) {
		t.Errorf("%+v, %v", m, err)
	}
}
