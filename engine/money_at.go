package engine

import (
	"context"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// MoneyAt recomputes Money of an earlier ledger from the stored entries alone. Names, and who may see what, are those of today; the figures
// and the periods of ownership are that moment's, and so are its day and month. What a schedule would have paid next is left out: that is no
// figure of the ledger. Cost and errors as of TallyAt.
func (e *Engine) MoneyAt(ctx context.Context, m Moment, f MoneyFilter) (wire.Money, error) {
	at, err := e.moment(m)
	if err != nil {
		return wire.Money{}, err
	}
	fold := moneyFold{tallyFold: newTallyFold(), days: moneyDays{days: map[periodKey]map[int64]wire.MoneyPart{}}, earned: map[periodKey]int64{},
		purses: map[state.PurseKey]*state.Purse{}}
	e.View(func(s *state.State) { fold.ends = s.OwnershipEnds() })
	if err := e.before(ctx, at, fold.take); err != nil {
		return wire.Money{}, err
	}
	out := wire.Money{Rows: []wire.MoneyRow{}, At: &at, Time: at.Time, Index: at.Index, Entries: at.Size, Read: at.Size}
	e.View(func(s *state.State) { out.Rows = fold.rows(s, &f, &at) })
	out.Totals = moneyTotals(out.Rows)
	return out, nil
}

// moneyFold is what all entries about money add up to.
type moneyFold struct {
	*tallyFold
	ends   map[nexus.ID][]uint64 // decisions that ended periods of ownership, those after the moment too
	days   moneyDays
	earned map[periodKey]int64
	purses map[state.PurseKey]*state.Purse
}

func (f *moneyFold) take(r *ledger.Record, raw []byte) error {
	l, ok, err := f.tallyFold.take(raw)
	if err != nil || !ok {
		if err == nil {
			err = f.move(raw)
		}
		return err
	}
	period := periodAt(f.ends[l.Unit], r.Index)
	f.earned[periodKey{state.AccountKey{Unit: l.Unit, Currency: l.Currency}, period}] += l.Creator
	f.days.newest = max(f.days.newest, r.TimeMs/dayMs)
	f.days.add(&l, period)
	return nil
}

// move takes an entry that moved an owner's money; any other is none of its business.
func (f *moneyFold) move(raw []byte) error {
	kind, err := ledger.KindOf(raw)
	if err != nil || kind != ledger.KindTransfer && kind != ledger.KindHold && kind != ledger.KindPayout {
		return err
	}
	e, err := ledger.ParseEntry(raw)
	if err != nil || len(e.Postings) == 0 {
		return err
	}
	k := state.PurseKey{Unit: e.Unit}
	switch kind {
	case ledger.KindTransfer:
		var b ledger.TransferBody
		err = nexus.Decode(e.Body, &b)
		k.Period, k.Currency = b.Period, b.Currency
	case ledger.KindHold:
		var b ledger.HoldBody
		err = nexus.Decode(e.Body, &b)
		k.Period, k.Currency = b.Period, b.Currency
	default:
		var b ledger.PayoutBody
		err = nexus.Decode(e.Body, &b)
		k.Period, k.Currency = b.Period, b.Currency
	}
	if err != nil {
		return err
	}
	f.account(state.AccountKey{Unit: k.Unit, Currency: k.Currency}) // what was never earned may be moved all the same
	p := f.purses[k]
	if p == nil {
		p = &state.Purse{}
		f.purses[k] = p
	}
	for _, line := range e.Postings {
		p.Add(line.Account, line.Minor)
	}
	return nil
}

// rows are those of Money as of then, in the same order.
func (f *moneyFold) rows(s *state.State, asked *MoneyFilter, at *wire.TallyPlace) []wire.MoneyRow {
	rows := []wire.MoneyRow{}
	today := dayOf(at.Time.UnixMilli())
	first := dayOf(time.Date(at.Time.Year(), at.Time.Month(), 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	last := dayOf(time.Date(at.Time.Year(), at.Time.Month()+1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()) - 1
	for _, a := range ordered(s, f.accounts(), f.waiting) {
		u, k := s.Units[a.Unit], state.AccountKey{Unit: a.Unit, Currency: a.Currency}
		if !asked.concerns(u) {
			continue
		}
		present := periodAt(f.ends[u.ID], at.Index+1)
		for _, p := range s.Periods(u.ID)[:present+1] {
			if !asked.Sees(s, u, p) {
				continue
			}
			p.Open = p.Number == present
			key := periodKey{k, p.Number}
			var purse state.Purse
			if held := f.purses[state.PurseKey{Unit: u.ID, Period: uint32(p.Number), Currency: a.Currency}]; held != nil {
				purse = *held
			}
			row := moneyRow(s, u, a, p, state.Owed{Earned: f.earned[key], Drawn: purse.Drawn}, purse)
			row.Today, row.Month = f.days.between(key, today, today), f.days.between(key, first, last)
			if ofPeriod(s, &row, a, p, f.waiting[k]) {
				rows = append(rows, row)
			}
		}
	}
	return rows
}
