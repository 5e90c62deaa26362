package suite

import (
	"context"
	"fmt"
	"math/big"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// book is what a probe's account must be, kept beside the ledger with math/big: nothing of it is shared with the code
// that posts, so that a common mistake cannot hide.
type book struct {
	probe    *probe
	formula  func(gross *big.Int, percent int64) *big.Int
	gross    *big.Int
	creator  *big.Int
	platform *big.Int
	events   uint64
	lowest   *big.Int
	highest  *big.Int

	steps      int // entries compared
	right      int // of them as recomputed
	balanced   int // of them with postings that sum to zero
	firstWrong string
	drift      *big.Rat // largest distance of the creator's total from the exact percentage, in minor units
	entries    []uint64 // places in the log
}

func newBook(s *session, p *probe) *book {
	return &book{probe: p, formula: s.formula, gross: new(big.Int), creator: new(big.Int), platform: new(big.Int),
		lowest: new(big.Int), highest: new(big.Int), drift: new(big.Rat)}
}

// creatorTotal is ceil(gross * percent / 100), toward plus infinity (SPEC section 1).
func creatorTotal(gross *big.Int, percent int64) *big.Int {
	product := new(big.Int).Mul(gross, big.NewInt(percent))
	total, rest := new(big.Int).DivMod(product, big.NewInt(100), new(big.Int)) // Euclidean: the rest is never below zero
	if rest.Sign() > 0 {
		total.Add(total, big.NewInt(1))
	}
	return total
}

// step compares one posted entry with what the event must lead to.
func (b *book) step(e *ledger.Entry, want *state.RevenueEvent) error {
	var body ledger.RevenueBody
	if err := nexus.Decode(e.Body, &body); err != nil {
		return err
	}
	amount := big.NewInt(want.Minor)
	b.gross.Add(b.gross, amount)
	creator := b.formula(b.gross, b.probe.percent)
	part := new(big.Int).Sub(creator, b.creator)
	rest := new(big.Int).Sub(amount, part)
	b.creator = creator
	b.platform.Add(b.platform, rest)
	b.events++
	b.steps++
	b.entries = append(b.entries, e.Seq)
	if b.gross.Cmp(b.lowest) < 0 {
		b.lowest.Set(b.gross)
	}
	if b.gross.Cmp(b.highest) > 0 {
		b.highest.Set(b.gross)
	}
	b.measureDrift(body.CreatorAfter)
	sum, posted := postings(e)
	if sum.Sign() == 0 {
		b.balanced++
	}
	same := e.Unit == b.probe.unit.ID && body.EventID == want.EventID && body.Minor == want.Minor &&
		body.Currency == nexus.TestCurrency && isInt(b.gross, body.GrossAfter) && isInt(creator, body.CreatorAfter) &&
		posted[ledger.AccountSource].Cmp(new(big.Int).Neg(amount)) == 0 &&
		posted[ledger.AccountCreator].Cmp(part) == 0 && posted[ledger.AccountPlatform].Cmp(rest) == 0
	if same {
		b.right++
	} else if b.firstWrong == "" {
		b.firstWrong = fmt.Sprintf("entry %d of %s: event %d, stated gross %d creator %d postings %s, recomputed %s %s %s/%s",
			e.Seq, b.probe.unit.Label, want.Minor, body.GrossAfter, body.CreatorAfter, postingsWords(e.Postings), b.gross, creator, part, rest)
	}
	return nil
}

// measureDrift takes |stated creator total - gross * percent / 100|.
func (b *book) measureDrift(stated int64) {
	exact := new(big.Rat).SetFrac(new(big.Int).Mul(b.gross, big.NewInt(b.probe.percent)), big.NewInt(100))
	apart := exact.Sub(new(big.Rat).SetInt64(stated), exact)
	if apart.Abs(apart); apart.Cmp(b.drift) > 0 {
		b.drift = apart
	}
}

func isInt(want *big.Int, have int64) bool { return want.Cmp(big.NewInt(have)) == 0 }

// postings sums an entry's postings: all together and per account.
func postings(e *ledger.Entry) (*big.Int, map[ledger.AccountKind]*big.Int) {
	sum := new(big.Int)
	per := map[ledger.AccountKind]*big.Int{ledger.AccountSource: new(big.Int), ledger.AccountCreator: new(big.Int),
		ledger.AccountPlatform: new(big.Int)}
	for _, p := range e.Postings {
		amount := big.NewInt(p.Minor)
		sum.Add(sum, amount)
		if per[p.Account] != nil && p.Currency == nexus.TestCurrency {
			per[p.Account].Add(per[p.Account], amount)
		}
	}
	return sum, per
}

// post sends a batch and compares what it led to, entry by entry. fresh are the events that are not there already.
func (b *book) post(ctx context.Context, s *session, batch state.RevenuePost, fresh []state.RevenueEvent) error {
	rec, err := s.do(ctx, state.KindRevenuePost, nexus.ID{}, batch)
	if err != nil {
		return err
	}
	return b.readBack(s, rec, fresh)
}

// readBack compares the entries of a posted batch with the events, in order.
func (b *book) readBack(s *session, rec nexus.Receipt, fresh []state.RevenueEvent) error {
	stored, err := s.store.Record(rec.Index)
	if err != nil {
		return err
	}
	next := 0
	for seq := stored.FirstSeq; seq < stored.Next(); seq++ {
		e, err := stored.Entry(seq)
		if err != nil {
			return err
		}
		if e.Kind != ledger.KindRevenue && e.Kind != ledger.KindRefund {
			continue
		}
		if next == len(fresh) {
			return fmt.Errorf("command %d posted more entries than its batch has new events, %d", rec.Index, len(fresh))
		}
		if err := b.step(&e, &fresh[next]); err != nil {
			return fmt.Errorf("entry %d: %w", seq, err)
		}
		next++
	}
	if next != len(fresh) {
		return fmt.Errorf("command %d posted %d entries for %d new events", rec.Index, next, len(fresh))
	}
	return nil
}

// matches compares the account that the state shows with the book.
func (b *book) matches(s *session) (string, bool) {
	var a state.Account
	s.env.Engine.View(func(st *state.State) {
		if have := st.Accounts[state.AccountKey{Unit: b.probe.unit.ID, Currency: nexus.TestCurrency}]; have != nil {
			a = *have
		}
	})
	ok := isInt(b.gross, a.Gross) && isInt(b.creator, a.Creator) && isInt(b.platform, a.Platform) && a.Events == b.events
	return fmt.Sprintf("%s shows %d = %d + %d in %d events, recomputed %s = %s + %s in %d", b.probe.unit.Label, a.Gross,
		a.Creator, a.Platform, a.Events, b.gross, b.creator, b.platform, b.events), ok
}
