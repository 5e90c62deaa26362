package revenue

import (
	"context"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strconv"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// check reads the whole file: forms, units, ids used twice in the file, and every batch against the ledger by a dry run.
func (im *importer) check(ctx context.Context) error {
	im.seen, im.left, im.sales, im.skip = map[[16]byte][8]byte{}, map[[16]byte]int64{}, map[[16]byte]bool{}, map[int]bool{}
	f, err := im.c.Open()
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	err = Read(f, im.c.Options, func(e Event) error {
		im.res.Lines++
		if err := im.checkEvent(ctx, e); err != nil {
			if nexus.CodeOf(err) != nexus.CodeMalformed {
				return err
			}
			return im.bad(&LineError{e.Line, err})
		}
		return ctx.Err()
	}, func(e *LineError) error { im.res.Lines++; return im.bad(e) })
	if err != nil {
		return err
	}
	if im.res.Lines == 0 {
		return nexus.Errf("revenue import", nexus.CodeMalformed, "file", "give a file of events", "holds none")
	}
	// The ledger is asked also when lines are bad already, so that one run shows all that is wrong.
	if err := im.tryCreations(ctx); err != nil {
		return err
	}
	if err := im.tryBatches(ctx); err != nil {
		return err
	}
	return im.seal()
}

// checkEvent judges one event by the file alone and by the registry.
func (im *importer) checkEvent(ctx context.Context, e Event) error {
	t, err := im.resolve(ctx, e.Unit)
	if err != nil {
		return err
	}
	if t.problem != nil {
		return t.problem
	}
	if t.create && e.Currency == nexus.TestCurrency {
		return fieldError("currency "+nexus.TestCurrency, "test money belongs to probe units", "unit %q is none", e.Unit)
	}
	key := keyOf(e.Unit, e.ID)
	content := e
	content.Line = 0
	digest := [8]byte(first(digestOf([]Event{content})))
	if before, twice := im.seen[key]; twice && before != digest {
		return fieldError(fmt.Sprintf("id %q", e.ID), "give the changed event an id of its own", "stands in the file before with other content")
	} else if twice {
		return nil
	}
	if e.RefundOf != "" {
		im.sales[keyOf(e.Unit, e.RefundOf)] = true
	}
	if t.create {
		if err := im.checkRefund(e, key); err != nil {
			return err
		}
	}
	im.seen[key] = digest
	return nil
}

func first(sum [sha256.Size]byte) []byte { return sum[:8] }

func keyOf(unit, id string) [16]byte {
	return nexus.DeriveID("import-event", []byte(unit), []byte(id))
}

// checkRefund judges the refunds of a unit that is yet to be made: all its sales are in the file. Those of other units are
// the ledger's to judge.
func (im *importer) checkRefund(e Event, key [16]byte) error {
	if e.RefundOf == "" {
		im.left[key] = e.Minor
		return nil
	}
	sale := keyOf(e.Unit, e.RefundOf)
	left, here := im.left[sale]
	switch {
	case !here:
		return fieldError(fmt.Sprintf("refund_of %q", e.RefundOf), "put the sale before its refund", "no such sale of this unit")
	case left+e.Minor < 0:
		return fieldError(fmt.Sprintf("amount %d", e.Minor), "refund no more than the sale", "only %d of %q is left", left, e.RefundOf)
	}
	im.left[sale] = left + e.Minor
	return nil
}

// tryCreations asks the gates about every unit that would be made.
func (im *importer) tryCreations(ctx context.Context) error {
	for i, word := range im.missing {
		im.progress(StageCheck, i, im.res.Lines+len(im.missing))
		kind, body, err := im.creation(word)
		if err != nil {
			return err
		}
		a, err := im.action(kind, body, false)
		if err != nil {
			return err
		}
		verdicts, err := im.c.Node.Try(ctx, a)
		if err == nil {
			err = refusal(kind, verdicts)
		}
		if err != nil {
			return fmt.Errorf("create unit %q: %w", word, err)
		}
	}
	return nil
}

// refusal is the first refusing verdict as an error; nil when all 17 allow.
func refusal(kind string, verdicts []wire.Verdict) error {
	for _, v := range verdicts {
		if v.Verdict == wire.VerdictDeny {
			return nexus.Errf(kind, nexus.CodeRefused, fmt.Sprintf("gate %d %s", v.Gate, v.Name), v.Fix, "%s; required: %s", v.Observed, v.Required)
		}
	}
	return nil
}

// heldMax bounds the events that are asked again beside a refund. A sale with more refunds than that in one file is judged
// when it is posted.
const heldMax = 1000

// tryBatches asks the ledger about every batch. Events of units that are yet to be made cannot be there already, so the
// file alone has decided them. A refund is asked together with its sale and the refunds before it, as far as they stand in
// earlier batches of the file: nothing of it is in the ledger yet.
func (im *importer) tryBatches(ctx context.Context) error {
	done := 0
	held := map[[16]byte][]Event{}
	return im.each(func(batch []Event) error {
		im.progress(StageCheck, done+len(im.missing), im.res.Lines+len(im.missing))
		done += len(batch)
		var before, asked []Event
		added := map[[16]byte]bool{}
		for _, e := range batch {
			if im.units[e.Unit].create {
				continue
			}
			asked = append(asked, e)
			if sale := keyOf(e.Unit, e.RefundOf); e.RefundOf != "" && !added[sale] && len(before)+len(held[sale]) <= heldMax {
				before, added[sale] = append(before, held[sale]...), true
			}
		}
		good, err := im.tryBatch(ctx, append(before, asked...))
		if err != nil {
			return err
		}
		for _, e := range good[min(len(before), len(good)):] {
			sale := keyOf(e.Unit, e.RefundOf)
			if e.RefundOf == "" {
				sale = keyOf(e.Unit, e.ID)
			}
			if im.sales[sale] {
				held[sale] = append(held[sale], e)
			}
		}
		return nil
	})
}

// tryBatch asks until the ledger has no more objection, leaving out one offending line each time; it gives what is left.
func (im *importer) tryBatch(ctx context.Context, events []Event) ([]Event, error) {
	for len(events) > 0 {
		a, err := im.action(state.KindRevenuePost, im.body(events), false)
		if err != nil {
			return nil, err
		}
		verdicts, err := im.c.Node.Try(ctx, a)
		if err != nil {
			return nil, err
		}
		refused := refusal(state.KindRevenuePost, verdicts)
		if refused == nil {
			break
		}
		i, fault := offender(verdicts)
		if i < 0 || i >= len(events) {
			return nil, refused
		}
		err = nexus.Errf("", nexus.CodeRefused, fmt.Sprintf("id %q", events[i].ID), "", "%s", fault)
		if err := im.bad(&LineError{events[i].Line, err}); err != nil {
			return nil, err
		}
		events = append(events[:i:i], events[i+1:]...)
	}
	return events, nil
}

// offenderPattern is how gate 6 words the first faulty event of a batch (gates/rules/revenue_metering.go).
var offenderPattern = regexp.MustCompile(`event ([0-9]+) of [0-9]+: (.*)$`)

// offender finds the faulty event of a batch in the verdicts: its place from 0, or -1 when the batch as a whole is
// refused.
func offender(verdicts []wire.Verdict) (int, string) {
	const revenueGate = 6
	for _, v := range verdicts {
		if v.Verdict == wire.VerdictAllow {
			continue
		}
		m := offenderPattern.FindStringSubmatch(v.Observed)
		if v.Gate != revenueGate || m == nil {
			return -1, ""
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return -1, ""
		}
		return n - 1, m[2]
	}
	return -1, ""
}

// seal remembers what the good lines are, so that posting notices a file that changed since.
func (im *importer) seal() error {
	return im.each(func(batch []Event) error {
		im.digests = append(im.digests, digestOf(batch))
		return nil
	})
}
