package statement

import (
	"fmt"
	"sort"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Closing is a month that a statement closed, from a size of the ledger on.
type Closing struct {
	Month uint32 // YYYYMM
	Size  uint64
}

// Fold adds a unit's entries up to a statement. Not for use by several goroutines at once.
type Fold struct {
	doc      Document
	month    uint32
	after    uint32 // the newest month closed before
	closings []Closing
	period   uint32
	accounts map[accountKey]*Account
	used     map[usageKey]uint64
	lists    map[uint32]nexus.Hash // digests of the price lists that entries name
	err      error
}

type accountKey struct {
	period   uint32
	currency string
}

// New begins the statement of a unit's month. closings are the unit's closed months, oldest first; those from month on are left out.
func New(unit nexus.ID, month uint32, closings []Closing) *Fold {
	f := &Fold{month: month, accounts: map[accountKey]*Account{}, used: map[usageKey]uint64{}, lists: map[uint32]nexus.Hash{}}
	f.doc = Document{First: First{Version: FormFirst, Unit: unit, Month: state.MonthText(month), Moves: []Move{}, Late: []Late{}}}
	for _, c := range closings {
		if c.Month < month {
			f.closings = append(f.closings, c)
			f.after = c.Month
		}
	}
	if f.after > 0 {
		f.doc.After = state.MonthText(f.after)
	}
	return f
}

// belongs gives the month of an entry: its own, or when that was closed before the entry came, the next open one.
func (f *Fold) belongs(seq uint64, own uint32) uint32 {
	for i := len(f.closings) - 1; i >= 0; i-- {
		if c := f.closings[i]; seq >= c.Size {
			return max(own, state.NextMonth(c.Month))
		}
	}
	return own
}

// place says where the statement shows an entry of a month of its own: before it (in the opening balance), in it, or not yet.
func (f *Fold) place(seq uint64, own uint32) (before, inside bool) {
	m := f.belongs(seq, own)
	return m <= f.after, m > f.after && m <= f.month
}

// Add takes the unit's next entry, whose commitment in the log is given. Error: nexus.CodeCorrupt.
func (f *Fold) Add(e *ledger.Entry, commitment nexus.Hash) error {
	if e.Unit != f.doc.Unit {
		return nil
	}
	if e.UnitSeq != f.doc.UnitSeq+1 || e.UnitPrev != f.doc.UnitHead {
		return f.bad(e, "follows number %d of the unit's chain as number %d", f.doc.UnitSeq, e.UnitSeq)
	}
	f.doc.UnitSeq, f.doc.UnitHead = e.UnitSeq, commitment
	switch e.Kind {
	case ledger.KindUnit:
		var b ledger.UnitBody
		if err := nexus.Decode(e.Body, &b); err != nil {
			return f.bad(e, "%v", err)
		}
		f.doc.Label, f.doc.Name, f.doc.Kind, f.doc.Percent, f.doc.Owner = b.Label, b.Name, b.Kind.String(), b.Percent, b.Owner
	case ledger.KindOwnership:
		var b state.OwnershipEntry
		if err := nexus.Decode(e.Body, &b); err != nil {
			return f.bad(e, "%v", err)
		}
		f.doc.Owner = b.To
		if b.Verb == "transferred" {
			f.period++
		}
	case ledger.KindRevenue, ledger.KindRefund:
		return f.revenue(e)
	case ledger.KindTransfer, ledger.KindHold, ledger.KindPayout:
		return f.move(e)
	case ledger.KindService:
		return f.service(e)
	case ledger.KindUsage:
		return f.usage(e)
	}
	return f.err
}

func (f *Fold) bad(e *ledger.Entry, format string, args ...any) error {
	return nexus.Errf("statement", nexus.CodeCorrupt, fmt.Sprintf("entry %d", e.Seq), "run nexus ledger verify", format, args...)
}

func (f *Fold) account(period uint32, currency string) *Account {
	k := accountKey{period, currency}
	if f.accounts[k] == nil {
		f.accounts[k] = &Account{Period: period, Currency: currency}
	}
	return f.accounts[k]
}

// add sums without passing 64 bits unseen.
func (f *Fold) add(to *int64, minor int64) {
	sum, ok := nexus.AddMinor(*to, minor)
	if !ok && f.err == nil {
		f.err = nexus.Errf("statement", nexus.CodeMalformed, f.doc.Month, "split the month's figures by source", "a sum passes 64 bits")
	}
	*to = sum
}

func (f *Fold) revenue(e *ledger.Entry) error {
	var b ledger.RevenueBody
	if err := nexus.Decode(e.Body, &b); err != nil {
		return f.bad(e, "%v", err)
	}
	own := state.MonthOf(b.EventTimeMs)
	before, inside := f.place(e.Seq, own)
	if !before && !inside {
		return f.err
	}
	var creator, platform int64
	for _, p := range e.Postings {
		switch p.Account {
		case ledger.AccountCreator:
			creator += p.Minor
		case ledger.AccountPlatform:
			platform += p.Minor
		}
	}
	a := f.account(f.period, b.Currency)
	f.add(&a.Closing, creator)
	if before {
		f.add(&a.Opening, creator)
		return f.err
	}
	sum, count := &a.Sales, &a.SalesCount
	switch {
	case b.Minor < 0 && b.Kind == "chargeback":
		sum, count = &a.Chargebacks, &a.ChargebackNum
	case b.Minor < 0:
		sum, count = &a.Refunds, &a.RefundCount
	}
	f.add(sum, b.Minor)
	*count++
	f.add(&a.Net, b.Minor)
	f.add(&a.Creator, creator)
	f.add(&a.Platform, platform)
	if own < f.month {
		a.LateCount++
		f.add(&a.LateNet, b.Minor)
		f.add(&a.LateCreator, creator)
		f.late(Late{Entry: e.Seq, EventMs: b.EventTimeMs, Source: b.Source, Event: b.EventID, Kind: b.Kind, Period: f.period, Currency: b.Currency,
			Minor: b.Minor, Creator: creator})
	}
	return f.err
}

func (f *Fold) late(l Late) {
	if len(f.doc.Late) >= ListMax {
		f.doc.LateLeft++
		return
	}
	f.doc.Late = append(f.doc.Late, l)
}

// movement is what the three kinds of entry about an owner's money have in common.
type movement struct {
	Move
	count func(a *Account) *int64 // the figure of the month that it counts in
	other int64                   // of a captured hold: what the platform took
}

func (f *Fold) move(e *ledger.Entry) error {
	m, ok, err := f.movement(e)
	if err != nil || !ok {
		return err
	}
	before, inside := f.place(e.Seq, state.MonthOf(e.TimeMs))
	if !before && !inside {
		return f.err
	}
	a := f.account(m.Period, m.Currency)
	for _, p := range e.Postings {
		switch p.Account {
		case ledger.AccountOwner:
			f.add(&m.Minor, p.Minor)
		case ledger.AccountHeld:
			f.add(&a.Held, p.Minor)
		case ledger.AccountPayout:
			f.add(&a.OnItsWay, p.Minor)
		}
	}
	f.add(&a.Closing, m.Minor)
	if before {
		f.add(&a.Opening, m.Minor)
		return f.err
	}
	amount := max(m.Minor, -m.Minor)
	if m.What == "payout posted" {
		amount = m.Of
	}
	f.add(m.count(a), amount)
	f.add(&a.HoldsTaken, m.other)
	if len(f.doc.Moves) >= ListMax {
		f.doc.MovesLeft++
		return f.err
	}
	f.doc.Moves = append(f.doc.Moves, m.Move)
	return f.err
}

// movement reads an entry; false: it moves nothing.
func (f *Fold) movement(e *ledger.Entry) (m movement, ok bool, err error) {
	m.Entry, m.TimeMs = e.Seq, e.TimeMs
	switch e.Kind {
	case ledger.KindTransfer:
		var b ledger.TransferBody
		err = nexus.Decode(e.Body, &b)
		m.Period, m.Currency, m.Of, m.Note = b.Period, b.Currency, b.Minor, b.Reason
		m.What, m.count = "transfer to the platform", func(a *Account) *int64 { return &a.Fees }
		if b.ToOwner {
			m.What, m.count = "transfer from the platform", func(a *Account) *int64 { return &a.Received }
		}
	case ledger.KindHold:
		var b ledger.HoldBody
		err = nexus.Decode(e.Body, &b)
		m.Period, m.Currency, m.Of, m.Note, m.other = b.Period, b.Currency, b.Minor, b.Reason, b.Captured
		m.What, m.count = "hold "+b.Verb, func(a *Account) *int64 { return &a.HoldsBack }
		if b.Verb == "placed" {
			m.count = func(a *Account) *int64 { return &a.HoldsPlaced }
		}
	case ledger.KindPayout:
		var b ledger.PayoutBody
		err = nexus.Decode(e.Body, &b)
		m.Period, m.Currency, m.Of, m.Note = b.Period, b.Currency, b.Minor, b.Destination
		m.What = "payout " + b.Verb
		switch b.Verb {
		case "terms":
			return m, false, nil
		case "opened":
			m.count = func(a *Account) *int64 { return &a.PayoutsOpened }
		case "posted":
			m.Note, m.count = b.Destination+", reference "+b.Reference, func(a *Account) *int64 { return &a.Paid }
		default:
			m.Note, m.count = b.Reason, func(a *Account) *int64 { return &a.PayoutsBack }
		}
	}
	if err != nil {
		return m, false, f.bad(e, "%v", err)
	}
	return m, true, nil
}

// service takes what was measured in the month itself, whenever it was posted.
func (f *Fold) service(e *ledger.Entry) error {
	body, err := state.ServiceBody(e.Body)
	if err != nil {
		return f.bad(e, "%v", err)
	}
	b, minutes := body.(*state.ServiceEntry)
	if !minutes { // a guaranteed rate: attainment is of minutes and latency
		return nil
	}
	s := &f.doc.Service
	switch {
	case b.Verb == "minutes" && state.MonthOf(b.FromMs) == f.month:
		s.Kept, s.Broken, s.Void = s.Kept+uint64(b.Minutes.Kept), s.Broken+uint64(b.Minutes.Broken), s.Void+uint64(b.Minutes.Void)
		s.WorstMicros = max(s.WorstMicros, b.Minutes.WorstP99)
	case b.Verb == "breached" && state.MonthOf(b.Breach.SinceMs) == f.month:
		s.Breaches++
	}
	return nil
}

// Document ends the statement, made from a ledger of size entries with the given root. Error: nexus.CodeCorrupt when a price list is not
// the one that the unit's entries name.
func (f *Fold) Document(cluster nexus.ID, size uint64, root nexus.Hash, prices Prices) (Document, error) {
	d := f.doc
	if d.Version == FormUsage {
		var err error
		if d.Usage, err = f.priced(prices); err != nil {
			return d, err
		}
	}
	d.Cluster, d.Size, d.Root = cluster, size, root
	d.Accounts = make([]Account, 0, len(f.accounts))
	for _, a := range f.accounts {
		d.Accounts = append(d.Accounts, *a)
	}
	sort.Slice(d.Accounts, func(i, j int) bool {
		a, b := &d.Accounts[i], &d.Accounts[j]
		return a.Period < b.Period || a.Period == b.Period && a.Currency < b.Currency
	})
	if all := d.Service.Kept + d.Service.Broken; all > 0 {
		d.Service.Judged, d.Service.AttainmentPpm = true, int64(d.Service.Kept*1_000_000/all)
	}
	return d, nil
}
