package engine

import (
	"context"
	"fmt"
	"sort"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Moment names an earlier ledger: by the number of its entries, as checkpoints do, or with Size 0 by a log time in Unix milliseconds.
type Moment struct {
	Size   uint64
	TimeMs int64
}

// moment finds the ledger of a moment. Checkpoints stand where a decision's entries end, so a size between two of one decision is none.
// Errors: nexus.CodeMalformed for such a size and for what is yet to come, nexus.CodeCorrupt.
func (e *Engine) moment(m Moment) (wire.TallyPlace, error) {
	now := e.store.Size()
	size := m.Size
	switch {
	case size > now:
		return wire.TallyPlace{}, nexus.Errf("read earlier ledger", nexus.CodeMalformed, fmt.Sprintf("size %d", size),
			fmt.Sprintf("nexus ledger head shows the newest checkpoint; now it is that of %d entries", now), "the ledger has %d entries", now)
	case size == 0 && m.TimeMs > max(e.clock().UnixMilli(), e.logTime()): // log time may be ahead of the clock
		return wire.TallyPlace{}, nexus.Errf("read earlier ledger", nexus.CodeMalformed, "time "+time.UnixMilli(m.TimeMs).UTC().Format(time.RFC3339),
			"name a time that is over, or leave it out for now", "it is yet to come")
	case size == 0:
		var failed error
		size = uint64(sort.Search(int(now), func(i int) bool {
			rec, err := e.store.RecordBySeq(uint64(i))
			if err != nil {
				failed = err
			}
			return err != nil || rec.TimeMs > m.TimeMs
		}))
		if failed != nil || size == 0 {
			return wire.TallyPlace{}, failed
		}
	}
	rec, err := e.store.RecordBySeq(size - 1)
	if err != nil {
		return wire.TallyPlace{}, err
	}
	if rec.Next() != size {
		return wire.TallyPlace{}, nexus.Errf("read earlier ledger", nexus.CodeMalformed, fmt.Sprintf("size %d", size),
			fmt.Sprintf("the nearest are %d and %d entries", rec.FirstSeq, rec.Next()),
			"no checkpoint has this size: decision %d made the entries %d to %d at once", rec.Index, rec.FirstSeq, rec.Next()-1)
	}
	root, err := e.RootAt(size)
	return wire.TallyPlace{Size: size, Root: base64Root(root), Index: rec.Index, Time: ms(rec.TimeMs)}, err
}

// logTime is the time of the newest command applied, in Unix milliseconds.
func (e *Engine) logTime() (at int64) {
	e.View(func(s *state.State) { at = s.TimeMs })
	return at
}

// before calls fn for every entry of an earlier ledger, in order.
func (e *Engine) before(ctx context.Context, at wire.TallyPlace, fn func(r *ledger.Record, raw []byte) error) error {
	if at.Size == 0 {
		return nil
	}
	return e.store.Records(0, at.Index, func(r ledger.Record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, raw := range r.Entries {
			if err := fn(&r, raw); err != nil {
				return err
			}
		}
		return nil
	})
}

// TallyAt recomputes the tally of an earlier ledger from the stored entries alone. Names and owners are those of today; the figures are
// that moment's. The whole ledger before it is read: about a second per few million entries. Errors: as Moment has them, and ctx's.
func (e *Engine) TallyAt(ctx context.Context, m Moment, probes bool) (wire.Tally, error) {
	at, err := e.moment(m)
	if err != nil {
		return wire.Tally{}, err
	}
	f := newTallyFold()
	err = e.before(ctx, at, func(_ *ledger.Record, raw []byte) error {
		_, _, err := f.take(raw)
		return err
	})
	if err != nil {
		return wire.Tally{}, err
	}
	t := wire.Tally{Units: []wire.TallyRow{}, At: &at, Time: at.Time, Index: at.Index}
	e.View(func(s *state.State) {
		for _, sum := range ordered(s, f.accounts(), f.waiting) {
			u := s.Units[sum.Unit]
			if u.Kind == nexus.KindProbe && !probes {
				continue
			}
			t.Units = append(t.Units, TallyRow(s, u, sum, f.waiting[state.AccountKey{Unit: sum.Unit, Currency: sum.Currency}]))
		}
	})
	t.Totals = SumTallies(t.Units)
	return t, nil
}

// tallyFold is what entries of revenue and of announced events add up to.
type tallyFold struct {
	sums    map[state.AccountKey]*state.Account
	waiting map[state.AccountKey]state.Waiting
}

func newTallyFold() *tallyFold {
	return &tallyFold{sums: map[state.AccountKey]*state.Account{}, waiting: map[state.AccountKey]state.Waiting{}}
}

// take adds an entry, and gives its line of revenue if it is one.
func (f *tallyFold) take(raw []byte) (ledger.RevenueLine, bool, error) {
	l, ok, err := ledger.ScanRevenue(raw)
	switch {
	case err != nil:
	case ok:
		f.addLine(&l)
	default:
		err = f.addPending(raw)
	}
	return l, ok, err
}

func (f *tallyFold) accounts() []*state.Account {
	out := make([]*state.Account, 0, len(f.sums))
	for _, sum := range f.sums {
		out = append(out, sum)
	}
	return out
}

// addPending takes an entry of an announced event; any other is none of its business.
func (f *tallyFold) addPending(raw []byte) error {
	kind, err := ledger.KindOf(raw)
	if err != nil || kind != ledger.KindPending {
		return err
	}
	var b ledger.PendingBody
	entry, err := ledger.ParseEntry(raw)
	if err == nil {
		err = nexus.Decode(entry.Body, &b)
	}
	if err != nil {
		return err
	}
	k := state.AccountKey{Unit: entry.Unit, Currency: b.Currency}
	if b.Verb == "opened" {
		f.waiting[k] = f.waiting[k].Add(b.Minor, 1)
	} else {
		f.waiting[k] = f.waiting[k].Add(-b.Minor, -1)
	}
	return nil
}

func (f *tallyFold) addLine(l *ledger.RevenueLine) {
	a := f.account(state.AccountKey{Unit: l.Unit, Currency: l.Currency})
	a.Gross, a.Creator, a.Platform, a.Events = a.Gross+l.Minor, a.Creator+l.Creator, a.Platform+l.Platform, a.Events+1
	a.NewestMs, a.PostedMs = max(a.NewestMs, l.EventMs), l.TimeMs
}

func (f *tallyFold) account(k state.AccountKey) *state.Account {
	a := f.sums[k]
	if a == nil {
		a = &state.Account{Unit: k.Unit, Currency: k.Currency}
		f.sums[k] = a
	}
	return a
}
