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

// What a unit earned before it changed hands is of the earlier owner, today's and this month's too: the new owner's home must not show money
// that somebody else is owed.
func TestMoneyOfTodayIsOfWhoOwnedTheUnitThen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ada, bob := testKey(1), testKey(2)
	unit := r.create("Shop", "ada", ada.Public())
	r.create("Other", "bob", bob.Public())
	sale := func(id string, minor int64) {
		t.Helper()
		if _, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
			{Unit: unit, EventID: id, Kind: "sale", Currency: "USD", Minor: minor, TimeMs: time.Now().UnixMilli()}}}); err != nil {
			t.Fatal(err)
		}
	}
	sale("before", 1000)
	open := state.ProposalOpen{Kind: state.KindUnitTransfer, Body: nexus.Encode(state.UnitTransfer{To: bob.Public()}), LifeMs: 600_000}
	rec, err := r.do(r.operator(), state.KindProposalOpen, unit, open)
	if err != nil {
		t.Fatal(err)
	}
	var opened state.ProposalOpened
	if err := nexus.Decode(rec.Result, &opened); err != nil {
		t.Fatal(err)
	}
	for _, key := range []nexus.Signer{ada, bob} {
		if _, err := r.do(key, state.KindProposalGrant, unit, state.ProposalDecide{Proposal: opened.ID, Change: opened.Change}); err != nil {
			t.Fatal(err)
		}
	}
	sale("after", 100)
	if _, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
		{Unit: unit, EventID: "euros", Kind: "sale", Currency: "EUR", Minor: 100, TimeMs: 1}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.do(r.operator(), state.KindPendingOpen, unit, state.PendingOpen{Source: state.OperatorSource, LifeMs: 3_600_000,
		Event: state.RevenueEvent{Unit: unit, EventID: "soon", Kind: "sale", Currency: "USD", Minor: 5000, TimeMs: 1}}); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		earlier := func(_ *state.State, _ *state.Unit, p state.Period) bool { return p.Owner == ada.Public() }
		if m, err := r.eng.Money(engine.MoneyFilter{Sees: earlier}); err != nil || len(m.Rows) != 1 || len(m.Totals) != 1 || m.Rows[0].Currency != "USD" ||
			m.Rows[0].All != (wire.MoneyPart{Gross: 1000, Creator: 550, Platform: 450, Events: 1}) || m.Totals[0].All != m.Rows[0].All ||
			m.Rows[0].Pendings != 0 || m.Totals[0].Pending != 0 || !m.Rows[0].Newest.IsZero() || !m.Rows[0].Posted.IsZero() {
			t.Errorf("the earlier owner sees of the unit what it earns for the next one: %+v, %v", m, err)
		}
		m, err := r.eng.Money(engine.MoneyFilter{Sees: everything})
		if err != nil || len(m.Rows) != 3 || m.Read != m.Entries || m.Totals[1].Pending != 5000 || m.Totals[1].All.Gross != 1100 {
			t.Fatalf("%+v, %v", m, err)
		}
		m.Rows, m.Totals = m.Rows[len(m.Rows)-2:], m.Totals[1:] // EUR before USD
		for i, want := range []int64{550, 55} {
			if row := m.Rows[i]; row.Today.Creator != want || row.Month.Creator != want || row.Earned != want {
				t.Errorf("period %d: today %d, month %d, earned %d, want %d", i, row.Today.Creator, row.Month.Creator, row.Earned, want)
			}
		}
		if sum := m.Totals[0]; sum.Today.Creator != 605 || sum.All.Creator != 605 || sum.Today.Events != 2 {
			t.Errorf("totals %+v", sum)
		}
	}
	check()
	r.close()
	r.open()
	check()
}
