package engine

import (
	"errors"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// errPast ends a scan at the place that was asked for.
var errPast = errors.New("past the place asked for")

// TallyAt recomputes the tally from the stored entries alone, as of a ledger of size entries, or with size 0 as of a log time in Unix
// milliseconds. Names and owners are those of today; the figures are that moment's. The whole ledger before it is read: about a second
// per few million entries. Errors: nexus.CodeMalformed past the end, nexus.CodeCorrupt.
func (e *Engine) TallyAt(size uint64, timeMs int64, probes bool) (wire.Tally, error) {
	now := e.store.Size()
	if size > now {
		return wire.Tally{}, nexus.Errf("tally", nexus.CodeMalformed, fmt.Sprintf("size %d", size), "see nexus ledger head", "the ledger has %d entries", now)
	}
	sums, at, err := e.foldRevenue(size, timeMs)
	if err != nil {
		return wire.Tally{}, err
	}
	root, err := e.RootAt(at.Size)
	if err != nil {
		return wire.Tally{}, err
	}
	at.Root = base64Root(root)
	t := wire.Tally{Units: []wire.TallyRow{}, At: &at, Time: at.Time, Index: at.Index}
	e.View(func(s *state.State) {
		for _, live := range s.SortedAccounts() {
			u, sum := s.Units[live.Unit], sums[state.AccountKey{Unit: live.Unit, Currency: live.Currency}]
			if sum == nil || u.Kind == nexus.KindProbe && !probes {
				continue
			}
			t.Units = append(t.Units, TallyRow(s, u, sum))
		}
	})
	t.Totals = SumTallies(t.Units)
	return t, nil
}

// foldRevenue adds up what the entries before a size or a log time posted.
func (e *Engine) foldRevenue(size uint64, timeMs int64) (map[state.AccountKey]*state.Account, wire.TallyPlace, error) {
	sums := map[state.AccountKey]*state.Account{}
	var at wire.TallyPlace
	err := e.store.Records(0, e.store.Applied(), func(r ledger.Record) error {
		if size > 0 && r.FirstSeq >= size || size == 0 && r.TimeMs > timeMs {
			return errPast
		}
		for _, raw := range r.Entries {
			l, ok, err := ledger.ScanRevenue(raw)
			if err != nil {
				return err
			}
			if size > 0 && l.Seq >= size {
				break
			}
			at.Size, at.Index, at.Time = l.Seq+1, r.Index, ms(r.TimeMs)
			if ok {
				addLine(sums, &l)
			}
		}
		return nil
	})
	if errors.Is(err, errPast) {
		err = nil
	}
	return sums, at, err
}

func addLine(sums map[state.AccountKey]*state.Account, l *ledger.RevenueLine) {
	k := state.AccountKey{Unit: l.Unit, Currency: l.Currency}
	a := sums[k]
	if a == nil {
		a = &state.Account{Unit: l.Unit, Currency: l.Currency}
		sums[k] = a
	}
	a.Gross, a.Creator, a.Platform, a.Events = a.Gross+l.Minor, a.Creator+l.Creator, a.Platform+l.Platform, a.Events+1
	a.NewestMs, a.PostedMs = max(a.NewestMs, l.EventMs), l.TimeMs
}
