package engine

import (
	"errors"
	"sync"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

const (
	dayMs       = 24 * 60 * 60 * 1000
	daysInline  = 50_000 // entries that a read catches up by itself; more are read in the background
	daysAtATime = 50_000 // entries under one lock
	daysKept    = 62     // days before the newest that are kept: the present month and the one before always are among them
)

// periodKey names an account in one period of ownership.
type periodKey struct {
	state.AccountKey
	Period int
}

// moneyDays folds the ledger's revenue by (unit, currency, period of ownership in which it was posted, UTC day of the event time). It
// lies in memory only, is filled when somebody asks, and holds what the stored entries say: nothing in it is an authority. Memory: one cell
// per account, period and day with events.
type moneyDays struct {
	mu     sync.Mutex // guards what follows
	index  uint64     // of the next record to read
	read   uint64     // entries read
	newest int64      // newest day of log time
	days   map[periodKey]map[int64]wire.MoneyPart
	filled bool // the background reader is at work
}

var errEnough = errors.New("enough for now")

// catchUp reads up to most entries more. Callers hold mu.
func (d *moneyDays) catchUp(e *Engine, most uint64) error {
	if d.days == nil {
		d.days = map[periodKey]map[int64]wire.MoneyPart{}
	}
	// No further than the state that says whose the entries are: of a record that it does not hold yet, the owner is not known.
	applied, ends := e.store.Applied(), map[nexus.ID][]uint64{}
	e.View(func(s *state.State) { applied, ends = min(applied, s.Index), s.OwnershipEnds() })
	if d.index > applied {
		return nil
	}
	end := d.read + most
	err := e.store.Records(d.index, applied, func(r ledger.Record) error {
		if d.read >= end {
			return errEnough
		}
		d.newest = max(d.newest, r.TimeMs/dayMs)
		for _, raw := range r.Entries {
			l, ok, err := ledger.ScanRevenue(raw)
			if err != nil {
				return err
			}
			if ok {
				d.add(&l, periodAt(ends[l.Unit], r.Index))
			}
		}
		d.index, d.read = r.Index+1, r.Next()
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// periodAt is the period of ownership in which a decision fell, from the decisions that ended one each, oldest first: the one that ends a
// period belongs to it.
func periodAt(ends []uint64, index uint64) int {
	n := 0
	for n < len(ends) && ends[n] < index {
		n++
	}
	return n
}

func (d *moneyDays) add(l *ledger.RevenueLine, period int) {
	day := dayOf(l.EventMs)
	if day < d.newest-daysKept {
		return
	}
	k := periodKey{state.AccountKey{Unit: l.Unit, Currency: l.Currency}, period}
	of := d.days[k]
	if of == nil {
		of = map[int64]wire.MoneyPart{}
		d.days[k] = of
	}
	if _, have := of[day]; !have && len(of) > 2*daysKept {
		for old := range of {
			if old < d.newest-daysKept {
				delete(of, old)
			}
		}
	}
	of[day] = plus(of[day], wire.MoneyPart{Gross: l.Minor, Creator: l.Creator, Platform: l.Platform, Events: 1})
}

// dayOf counts UTC days since 1970, toward minus infinity.
func dayOf(ms int64) int64 {
	day := ms / dayMs
	if ms%dayMs < 0 {
		day--
	}
	return day
}

func plus(a, b wire.MoneyPart) wire.MoneyPart {
	return wire.MoneyPart{Gross: a.Gross + b.Gross, Creator: a.Creator + b.Creator, Platform: a.Platform + b.Platform, Events: a.Events + b.Events}
}

// between sums the days from first to last.
func (d *moneyDays) between(k periodKey, first, last int64) wire.MoneyPart {
	var sum wire.MoneyPart
	for day, part := range d.days[k] {
		if day >= first && day <= last {
			sum = plus(sum, part)
		}
	}
	return sum
}

// figures brings the days up to date, or as far as one read may take it, and calls fn with them. The rest of a long ledger is read
// in the background, once.
func (e *Engine) figures(fn func(d *moneyDays)) error {
	d := &e.days
	d.mu.Lock()
	defer d.mu.Unlock()
	if behind := e.store.Size() - min(d.read, e.store.Size()); behind > daysInline && !d.filled {
		d.filled = true
		e.running.Go(e.fillDays)
	}
	if !d.filled {
		if err := d.catchUp(e, daysInline*2); err != nil {
			return err
		}
	}
	fn(d)
	return nil
}

// fillDays reads the ledger to its end, a piece at a time, so that reads come between.
func (e *Engine) fillDays() {
	d := &e.days
	for {
		d.mu.Lock()
		before := d.read
		err := d.catchUp(e, daysAtATime)
		if done := err != nil || d.read == before || e.closed.Load(); done {
			d.filled = false
			d.mu.Unlock()
			if err != nil && nexus.CodeOf(err) != nexus.CodeUnavailable {
				e.cfg.Logger.Warn("figures by day not read to the end", "component", "engine", "error", err)
			}
			return
		}
		d.mu.Unlock()
	}
}
