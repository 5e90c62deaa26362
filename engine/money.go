package engine

import (
	"sort"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// MoneyFilter says whose money is asked for.
type MoneyFilter struct {
	Unit   nexus.ID // zero: all
	Probes bool     // with the probe units of the suites
	// Sees reports whether the reader may see a unit's money in a period of ownership.
	Sees func(s *state.State, u *state.Unit, p state.Period) bool
}

// Money gives what units earned today, this month and in all, and what their owners are owed (SPEC section 1). Days and months are
// UTC and go by event time.
func (e *Engine) Money(f MoneyFilter) (wire.Money, error) {
	now := e.clock().UTC()
	today := dayOf(now.UnixMilli())
	first := dayOf(time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	last := dayOf(time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()) - 1
	out := wire.Money{Rows: []wire.MoneyRow{}, Totals: []wire.MoneySum{}, Entries: e.store.Size()}
	err := e.figures(func(d *moneyDays) {
		out.Read = min(d.read, out.Entries)
		e.View(func(s *state.State) {
			out.Index, out.Time = s.Index, ms(s.TimeMs)
			waiting := s.PendingSums()
			for _, a := range moneyAccounts(s, f, waiting) {
				u, k := s.Units[a.Unit], state.AccountKey{Unit: a.Unit, Currency: a.Currency}
				for _, p := range s.Periods(u.ID) {
					if !f.Sees(s, u, p) {
						continue
					}
					row := moneyRow(s, u, a, p, s.OwedIn(u.ID, p.Number, a.Currency),
						s.PurseOf(state.PurseKey{Unit: u.ID, Period: uint32(p.Number), Currency: a.Currency}))
					if t := s.TermsOf(u.ID, p.Number); t != nil {
						row.Payout = nextPayout(t, a.Currency, row.Payable)
					}
					at := periodKey{k, p.Number}
					row.Today, row.Month = d.between(at, today, today), d.between(at, first, last)
					if ofPeriod(s, &row, a, p, waiting[k]) {
						out.Rows = append(out.Rows, row)
					}
				}
			}
		})
	})
	out.Totals = moneyTotals(out.Rows)
	return out, err
}

// moneyAccounts lists the split accounts asked for. A currency that only something pending is in has an empty one.
func moneyAccounts(s *state.State, f MoneyFilter, waiting map[state.AccountKey]state.Waiting) []*state.Account {
	var out []*state.Account
	also := s.MovedAccounts()
	for k := range waiting {
		also[k] = true
	}
	for _, u := range s.SortedUnits() {
		if f.concerns(u) {
			out = append(out, s.MoneyAccounts(u.ID, also)...)
		}
	}
	return out
}

// concerns reports whether a unit is among those asked for.
func (f *MoneyFilter) concerns(u *state.Unit) bool {
	return (u.Kind != nexus.KindProbe || f.Probes) && (f.Unit.IsZero() || u.ID == f.Unit || u.Parent == f.Unit)
}

func moneyRow(s *state.State, u *state.Unit, a *state.Account, p state.Period, b state.Owed, purse state.Purse) wire.MoneyRow {
	row := wire.MoneyRow{Unit: u.Label, UnitID: u.ID.String(), Name: u.Name, Kind: u.Kind.String(), Rule: RuleOf(u), Currency: a.Currency,
		Period: p.Number, Current: p.Open, OwnerKey: p.Owner.String(), Earned: b.Earned, Drawn: b.Drawn, Payable: b.Payable(),
		All:  wire.MoneyPart{Gross: a.Gross, Creator: a.Creator, Platform: a.Platform, Events: a.Events},
		Held: purse.Held, OnItsWay: purse.OnItsWay, Paid: purse.Paid, Dues: purse.Dues, Newest: ms(a.NewestMs), Posted: ms(a.PostedMs)}
	if id := s.Identities[p.Owner]; id != nil {
		row.Owner = id.Name
	}
	return row
}

// ofPeriod makes a row its period's: the present one has what waits, one that is over stands as it ended. It reports whether the period had
// anything to do with the currency.
func ofPeriod(s *state.State, row *wire.MoneyRow, a *state.Account, p state.Period, waits state.Waiting) bool {
	if p.Open {
		row.Pending, row.Pendings = waits.Minor, waits.Count
		return true
	}
	return endPeriod(s, row, a, p.Number)
}

// endPeriod leaves in a row what its period of ownership knew when it ended: what the unit earns since is another's (gate 16). It reports
// whether the period had anything to do with the currency.
func endPeriod(s *state.State, row *wire.MoneyRow, a *state.Account, number int) bool {
	p := s.OwnerPeriods(a.Unit)[number]
	row.All = wire.MoneyPart{}
	found := false
	for _, b := range p.Balances {
		if b.Currency == a.Currency {
			found = true
			row.All = wire.MoneyPart{Gross: b.Gross, Creator: b.Creator, Platform: b.Platform, Events: b.Events}
		}
	}
	if a.PostedMs > p.UntilMs {
		row.Newest, row.Posted = time.Time{}, time.Time{}
	}
	return found || row.Earned != 0 || row.Drawn != 0 || row.Held != 0 || row.OnItsWay != 0 || row.Paid != 0 || row.Dues != 0
}

// moneyTotals adds rows up. What a unit earned in all, and what waits, counts once: as its newest row has it, which is its last.
func moneyTotals(rows []wire.MoneyRow) []wire.MoneySum {
	sums := map[string]*wire.MoneySum{}
	newest := map[string]int{}
	for i := range rows {
		newest[rows[i].UnitID+rows[i].Currency] = i
	}
	for i := range rows {
		r := &rows[i]
		t := sums[r.Currency]
		if t == nil {
			t = &wire.MoneySum{Currency: r.Currency}
			sums[r.Currency] = t
		}
		t.Payable, t.Held, t.OnItsWay, t.Paid = t.Payable+r.Payable, t.Held+r.Held, t.OnItsWay+r.OnItsWay, t.Paid+r.Paid
		t.Today, t.Month = plus(t.Today, r.Today), plus(t.Month, r.Month)
		if newest[r.UnitID+r.Currency] == i {
			t.All, t.Pending = plus(t.All, r.All), t.Pending+r.Pending
		}
	}
	out := make([]wire.MoneySum, 0, len(sums))
	for _, t := range sums {
		out = append(out, *t)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Currency < out[j].Currency })
	return out
}

// nextPayout words what the owner's terms do next.
func nextPayout(t *state.PayoutTerms, currency string, payable int64) *wire.NextPayout {
	next := &wire.NextPayout{Time: ms(t.NextMs(currency)), Schedule: t.Schedule, Threshold: t.Threshold(currency), Destination: t.Destination}
	switch {
	case payable < next.Threshold:
		next.Why = "the threshold is not reached"
	case t.Schedule == state.ScheduleManual:
		next.Why = "paid when the owner asks"
	default:
		next.Minor = payable
	}
	return next
}
