package suite

import (
	"context"
	"fmt"
	"math"
	"math/big"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// Suite creator-splits. Rule: 55/45 and 80/20 hold for every event of every history, to the minor unit, and whoever
// tries to have it otherwise is refused. Reason: it is the constitution. Everything posted goes through the door, is
// read back from the ledger and recomputed with math/big. SPEC sections 1 and 6.

// splits is the suite's work: three probes with their books.
type splits struct {
	*session
	imvu, platform, cents *book
	feeds                 map[*book]*feed
}

const (
	randomBatches   = 5                         // per rule
	centsPerBatch   = 60                        // of the run below zero
	bigSaleMinor    = 4_000_000_000_000_000_000 // taken back in the same batch, so that no account keeps it
	sequenceTries   = 8
	recomputeRemedy = "do not pay out; compare nexus ledger verify and report this"
)

func creatorSplits(ctx context.Context, s *session) error {
	w := &splits{session: s, feeds: map[*book]*feed{}}
	for _, b := range []struct {
		book    **book
		percent uint8
	}{{&w.imvu, 55}, {&w.platform, 80}, {&w.cents, 55}} {
		p, err := s.create(ctx, b.percent)
		if err != nil {
			return err
		}
		*b.book = newBook(s, p)
		w.feeds[*b.book] = newFeed(s, p.unit.Slug)
	}
	for _, part := range []func(context.Context) error{w.examples, w.randomHistories, w.largeAmounts, w.belowZero,
		w.sameEventAgain, w.otherContent, w.pastRange, w.ownUnit, w.alterSplit} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	w.sums()
	if err := w.proofs(); err != nil {
		return err
	}
	return w.independent(ctx)
}

func (w *splits) books() []*book { return []*book{w.imvu, w.platform, w.cents} }

// send posts events of one book by their ids.
func (w *splits) send(ctx context.Context, b *book, all, fresh []state.RevenueEvent) error {
	return b.post(ctx, w.session, state.RevenuePost{Source: state.ProbeSource, Events: all}, fresh)
}

// examples posts the worked examples of the constitution on fresh accounts.
func (w *splits) examples(ctx context.Context) error {
	for _, x := range []struct {
		book              *book
		name              string
		gross             int64
		creator, platform int64
	}{{w.imvu, "55/45 example", 1_000_000, 550_000, 450_000}, {w.platform, "80/20 example", 500_000, 400_000, 100_000},
		{w.cents, "first of three cents", 1, 1, 0}, {w.cents, "second of three cents", 1, 2, 0},
		{w.cents, "third of three cents", 1, 2, 1}} {
		e := []state.RevenueEvent{w.feeds[x.book].sale(x.book.probe, x.gross)}
		if err := w.send(ctx, x.book, e, e); err != nil {
			return err
		}
		var a state.Account
		w.env.Engine.View(func(st *state.State) {
			a = *st.Accounts[state.AccountKey{Unit: x.book.probe.unit.ID, Currency: nexus.TestCurrency}]
		})
		w.require(a.Creator == x.creator && a.Platform == x.platform && a.Gross == a.Creator+a.Platform, x.name,
			fmt.Sprintf("+%d: creator %d, platform %d in total; the constitution says %d and %d", x.gross, a.Creator, a.Platform,
				x.creator, x.platform), recomputeRemedy)
	}
	return nil
}

func (w *splits) randomHistories(ctx context.Context) error {
	for range randomBatches {
		for _, b := range []*book{w.imvu, w.platform} {
			all, fresh := w.feeds[b].batch(b.probe, 1+w.random.IntN(eventsPerBatchMax))
			if err := w.send(ctx, b, all, fresh); err != nil {
				return err
			}
		}
	}
	return nil
}

// largeAmounts sells and takes back a sum near the end of the range in one batch.
func (w *splits) largeAmounts(ctx context.Context) error {
	for _, b := range []*book{w.imvu, w.platform} {
		f := w.feeds[b]
		sold := f.event(b.probe, bigSaleMinor)
		back := f.event(b.probe, -bigSaleMinor)
		back.Kind, back.RefundOf = "refund", sold.EventID
		e := []state.RevenueEvent{sold, back}
		if err := w.send(ctx, b, e, e); err != nil {
			return err
		}
	}
	return nil
}

// belowZero takes the third account through zero and back many times, one or a few minor units at a time, in batches
// that the source numbers itself.
func (w *splits) belowZero(ctx context.Context) error {
	for n := range 3 {
		var events []state.RevenueEvent
		for range centsPerBatch {
			minor := w.random.Int64N(7) - 3
			if minor == 0 || n == 0 && minor > 0 {
				minor = -1
			}
			e := w.feeds[w.cents].event(w.cents.probe, minor)
			e.EventID = ""
			events = append(events, e)
		}
		rec, err := w.sequenced(ctx, events)
		if err != nil {
			return err
		}
		if err := w.cents.readBack(w.session, rec, events); err != nil {
			return err
		}
	}
	low := w.cents.lowest
	w.require(low.Sign() < 0, "refunds below zero", fmt.Sprintf("gross of %s went down to %s minor units",
		w.cents.probe.unit.Label, low),
		"run the suite again and report its seed")
	return nil
}

// sequenced posts a batch under the source's next numbers. Another run may take them first: then it asks again.
func (w *splits) sequenced(ctx context.Context, events []state.RevenueEvent) (rec nexus.Receipt, err error) {
	for range sequenceTries {
		var next uint64
		w.env.Engine.View(func(st *state.State) { next = st.Sources[state.ProbeSource].LastSeq + 1 })
		rec, err = w.do(ctx, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.ProbeSource, FirstSeq: next,
			Events: events})
		if nexus.CodeOf(err) != nexus.CodeRefused {
			break
		}
	}
	return rec, err
}

// sameEventAgain sends events that are there already under a new action: they count once.
func (w *splits) sameEventAgain(ctx context.Context) error {
	f := w.feeds[w.imvu]
	var old []state.RevenueEvent
	for _, s := range f.sales[:min(len(f.sales), eventsPerBatchMax)] {
		old = append(old, s.event)
	}
	rec, err := w.do(ctx, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.ProbeSource, Events: old})
	if err != nil {
		return err
	}
	var posted state.RevenuePosted
	if err := nexus.Decode(rec.Result, &posted); err != nil {
		return err
	}
	detail, same := w.imvu.matches(w.session)
	w.equal("same event again", int(posted.Posted), 0, "postings",
		fmt.Sprintf("%d of %d events recognised, %s", posted.Duplicates, len(old), detail), recomputeRemedy)
	w.require(same && int(posted.Duplicates) == len(old), "duplicates change nothing", detail, recomputeRemedy)
	return nil
}

// otherContent sends a known id with another amount: refused whole by gate 6 and logged.
func (w *splits) otherContent(ctx context.Context) error {
	f := w.feeds[w.platform]
	changed := f.sales[0].event
	changed.Minor++
	fine := f.event(w.platform.probe, 5)
	rec, err := w.do(ctx, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.ProbeSource,
		Events: []state.RevenueEvent{fine, changed}})
	return w.refusedBy(6, "same id, other content", rec, err)
}

// pastRange sends what would take an account past 64 bits: refused whole, nothing wraps round.
func (w *splits) pastRange(ctx context.Context) error {
	f := w.feeds[w.imvu]
	e := []state.RevenueEvent{f.event(w.imvu.probe, math.MaxInt64), f.event(w.imvu.probe, math.MaxInt64)}
	rec, err := w.do(ctx, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.ProbeSource, Events: e})
	return w.refusedBy(6, "amount past 64 bits", rec, err)
}

// sums records what the books have gathered.
func (w *splits) sums() {
	steps, right, balanced, wrong := 0, 0, 0, "every posting as ceil(gross x percent / 100) demands"
	drift, highest := new(big.Rat), new(big.Int)
	for _, b := range w.books() {
		steps, right, balanced = steps+b.steps, right+b.right, balanced+b.balanced
		if b.firstWrong != "" {
			wrong = b.firstWrong
		}
		if b.drift.Cmp(drift) > 0 {
			drift = b.drift
		}
		if b.highest.Cmp(highest) > 0 {
			highest = b.highest
		}
		detail, ok := b.matches(w.session)
		w.require(ok, "tally of "+b.probe.unit.Label, detail, recomputeRemedy)
	}
	w.equal("steps recomputed", right, steps, "entries", fmt.Sprintf("%s; seed %#x", wrong, w.seed), recomputeRemedy)
	w.equal("double entry", balanced, steps, "entries", "postings of each entry sum to zero", recomputeRemedy)
	apart, _ := drift.Float64()
	w.atMost("drift", apart, 1, "minor units", "largest distance of a creator's total from the exact percentage",
		recomputeRemedy)
	w.require(highest.Cmp(big.NewInt(bigSaleMinor)) >= 0, "large amounts",
		"gross went up to "+highest.String()+" minor units, exactly", recomputeRemedy)
	hidden := true
	for _, row := range w.env.Engine.Tally(false).Units {
		for _, b := range w.books() {
			hidden = hidden && row.UnitID != b.probe.unit.ID.String()
		}
	}
	w.require(hidden, "test money apart", "no probe stands in the tallies of real units",
		"report this: test money is mixed in")
}

// proofs shows that each posted entry is under the signed checkpoint, with the public key and the proof alone.
func (w *splits) proofs() error {
	var all []uint64
	for _, b := range w.books() {
		all = append(all, b.entries...)
	}
	good, cp, err := w.provenUnderHead(all)
	if err != nil {
		return err
	}
	w.equal("inclusion proofs", good, len(all), "entries",
		fmt.Sprintf("each proven offline under the signed checkpoint of %d entries", cp.Size),
		"run nexus ledger verify")
	return nil
}

// independent has ledger/verify add the stored bytes up, and the node verify itself.
func (w *splits) independent(ctx context.Context) error {
	size := w.store.Size()
	if size > wholeEntriesMax {
		w.checks = append(w.checks, wire.Check{Name: "independent totals", Status: wire.StatusSkipped,
			Detail: fmt.Sprintf("0 of %d entries: more than %d are left to nexus ledger verify", size, wholeEntriesMax)})
	} else if err := w.independentTotals(ctx); err != nil {
		return err
	}
	rep, err := w.env.Verify(ctx)
	if err != nil {
		return err
	}
	first := "none"
	if len(rep.Findings) > 0 {
		first = rep.Findings[0].Where + ": " + rep.Findings[0].What
	}
	w.require(rep.Verified == rep.Entries && rep.Entries >= size, "ledger verified",
		fmt.Sprintf("verified %d of %d entries, %d stood when asked", rep.Verified, rep.Entries, size),
		"run nexus ledger verify")
	w.equal("ledger findings", len(rep.Findings), 0, "findings", "first: "+first, "run nexus ledger verify")
	return nil
}

func (w *splits) independentTotals(ctx context.Context) error {
	src, err := w.stored()
	if err != nil {
		return err
	}
	rep, err := w.checker(ctx, src, verify.Options{Cluster: w.env.Engine.Cluster(), Key: w.env.Engine.NodeKey()})
	if closed := src.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	right, detail := 0, ""
	for _, b := range w.books() {
		t := rep.Totals[verify.Account{Unit: b.probe.unit.ID, Currency: nexus.TestCurrency}]
		if isInt(b.gross, t.Gross) && isInt(b.creator, t.Creator) && isInt(b.platform, t.Platform) && t.Events == b.events {
			right++
		} else {
			detail += fmt.Sprintf(" %s adds up to %s;", b.probe.unit.Label, figures(t))
		}
	}
	w.equal("independent totals", right, len(w.books()), "accounts",
		fmt.Sprintf("ledger/verify over %d stored entries, %d findings%s", rep.Entries, rep.FindingsTotal, detail),
		recomputeRemedy)
	w.require(rep.Clean(), "stored bytes", fmt.Sprintf("%d findings in %d entries", rep.FindingsTotal, rep.Entries),
		"run nexus ledger verify")
	return nil
}
