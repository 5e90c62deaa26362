package audit

import (
	"context"
	"fmt"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/split"
)

// books is what the stored entries themselves say, added up by the auditor: what every account should hold and where every
// unit's chain should stand. It goes on from where the last pass ended, so a pass reads what is new; the first one of a
// process reads the whole ledger. That entries read earlier are still the same bytes is what nexus ledger verify checks.
type books struct {
	index    uint64 // last command read
	size     uint64 // entries read
	accounts map[state.AccountKey]*state.Account
	heads    map[nexus.ID]ledger.UnitHead
	faults   map[nexus.ID]string // the first thing that did not follow in a unit's chain
}

func newBooks() *books {
	return &books{accounts: map[state.AccountKey]*state.Account{}, heads: map[nexus.ID]ledger.UnitHead{}, faults: map[nexus.ID]string{}}
}

// paceEvery is how many commands are read between two rests.
const paceEvery = 256

// read goes on to the command index. With gentle it rests as long as it worked, so that a scrub in the background takes at most
// half of one core.
func (b *books) read(ctx context.Context, from interface {
	Records(from, to uint64, fn func(ledger.Record) error) error
}, index uint64, gentle bool) error {
	if index <= b.index {
		return nil
	}
	n, began := 0, time.Now()
	return from.Records(b.index+1, index, func(r ledger.Record) error {
		if n++; n%paceEvery == 0 {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if gentle {
				time.Sleep(time.Since(began))
				began = time.Now()
			}
		}
		return b.add(&r)
	})
}

// add takes one stored command in. An error is an entry that cannot be read.
func (b *books) add(r *ledger.Record) error {
	for i, raw := range r.Entries {
		e, err := ledger.ParseEntry(raw)
		if err != nil {
			return fmt.Errorf("command %d: %w", r.Index, err)
		}
		last := b.heads[e.Unit]
		if (e.Seq != b.size || e.UnitSeq != last.Seq+1 || e.UnitPrev != last.Head) && b.faults[e.Unit] == "" {
			b.faults[e.Unit] = fmt.Sprintf("entry %d is number %d of the unit after number %d", e.Seq, e.UnitSeq, last.Seq)
		}
		b.heads[e.Unit] = ledger.UnitHead{Unit: e.Unit, Seq: e.UnitSeq, Head: ledger.Commitment(ledger.EntrySalt(r.Salt, uint32(i)), raw)}
		b.size = e.Seq + 1
		l, revenue, err := ledger.ScanRevenue(raw)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		if !revenue {
			continue
		}
		k := state.AccountKey{Unit: l.Unit, Currency: l.Currency}
		a := b.accounts[k]
		if a == nil {
			a = &state.Account{Unit: l.Unit, Currency: l.Currency}
			b.accounts[k] = a
		}
		a.Gross, a.Creator, a.Platform, a.Events = a.Gross+l.Minor, a.Creator+l.Creator, a.Platform+l.Platform, a.Events+1
	}
	b.index = r.Index
	return nil
}

// unit compares what the state holds of a unit with the books.
func (s *scrub) books(b *books, x *subject) {
	label := x.unit.Label
	where := fmt.Sprintf("the first %d entries, read one by one", b.size)
	fault := b.faults[x.unit.ID]
	s.check(fault == "", label, "completeness", fault, "each entry names the one before it", where)
	head := b.heads[x.unit.ID]
	s.check(head.Seq == x.head.Seq && head.Head == x.head.Head, label, "completeness", fmt.Sprintf("the state says %d entries, head %s", x.head.Seq, x.head.Head),
		fmt.Sprintf("%d entries, head %s", head.Seq, head.Head), where)
	if s.units != nil && s.checkpoint.Index == b.index {
		c, _ := s.units.Get(x.unit.ID)
		s.check(c.Seq == head.Seq && c.Head == head.Head, label, "completeness", fmt.Sprintf("the checkpoint says %d entries, head %s", c.Seq, c.Head),
			fmt.Sprintf("%d entries, head %s", head.Seq, head.Head), "map of units under the signed checkpoint at command "+fmt.Sprint(b.index))
	}
	held := map[string]bool{}
	for _, acc := range x.accounts {
		held[acc.Currency] = true
		sum := b.accounts[state.AccountKey{Unit: acc.Unit, Currency: acc.Currency}]
		if sum == nil {
			sum = &state.Account{}
		}
		want := split.CreatorTotal(sum.Gross, split.Rule(x.unit.Percent))
		s.check(acc.Gross == sum.Gross && acc.Events == sum.Events, label, "gross "+acc.Currency, fmt.Sprintf("%d from %d events", acc.Gross, acc.Events),
			fmt.Sprintf("%d from %d events", sum.Gross, sum.Events), where)
		s.check(sum.Creator == want && sum.Platform == sum.Gross-want && acc.Creator == sum.Creator && acc.Platform == sum.Platform, label,
			"posted "+acc.Currency, fmt.Sprintf("creator %d, platform %d", acc.Creator, acc.Platform),
			fmt.Sprintf("creator %d, platform %d; the entries posted %d and %d", want, sum.Gross-want, sum.Creator, sum.Platform), where)
	}
	for k, sum := range b.accounts {
		if k.Unit == x.unit.ID && !held[k.Currency] {
			s.check(false, label, "gross "+k.Currency, "no account", fmt.Sprintf("%d from %d events", sum.Gross, sum.Events), where)
		}
	}
}
