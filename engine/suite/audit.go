package suite

import (
	"bytes"
	"context"
	"fmt"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Suite audit. Rule: what is done stands in the log, and what stands in the log cannot be changed unnoticed: slices
// allocated, revenue tracked, decisions explained, every tampering found. Reason: a record that can be edited proves
// nothing. SPEC section 6.

const (
	auditEvents    = 300 // of the probe; more than one tile of the tree, so that stored hashes exist to tamper with
	replaysMax     = 500 // newest decisions that are run again
	pollEvery      = 10 * time.Millisecond
	chainScanMax   = 20_000 // records read for one probe's chain
	auditRemedy    = "run nexus ledger verify and nexus audit"
	gatewayRemedy  = "look at nexus slices list; nexus launch starts the gateway"
	decisionRemedy = "see nexus gates explain INDEX"
)

// auditRun is the suite's work on one probe.
type auditRun struct {
	*session
	probe *probe
	book  *book
	first ledger.Checkpoint // signed before anything was done
}

func auditSuite(ctx context.Context, s *session) error {
	w := &auditRun{session: s}
	var err error
	if w.first, err = s.openHead(); err != nil {
		return err
	}
	if w.probe, err = s.create(ctx, 55); err != nil {
		return err
	}
	w.book = newBook(s, w.probe)
	for _, part := range []func(context.Context) error{w.sliceLogged, w.sliceInForce, w.revenueTracked, w.noFindings,
		w.decisions, w.editRefused, w.tampering, w.sliceForgotten, w.consistent} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// openHead checks the newest checkpoint's signature with the node's public key.
func (s *session) openHead() (ledger.Checkpoint, error) {
	shown, text, _ := s.env.Engine.Head()
	return ledger.OpenCheckpoint(text, shown.Origin(), s.env.Engine.NodeKey())
}

// sliceLogged reads the creation of the probe back: unit and slice are entries of its own chain, under the checkpoint.
func (w *auditRun) sliceLogged(context.Context) error {
	rec, err := w.store.Record(w.probe.made.Index)
	if err != nil {
		return err
	}
	var unit ledger.UnitBody
	var slice, want state.SliceSpec
	var places []uint64
	for seq := rec.FirstSeq; seq < rec.Next(); seq++ {
		e, err := rec.Entry(seq)
		if err != nil {
			return err
		}
		if e.Unit != w.probe.unit.ID {
			continue
		}
		switch e.Kind {
		case ledger.KindUnit:
			err = nexus.Decode(e.Body, &unit)
		case ledger.KindSlice:
			err = nexus.Decode(e.Body, &slice)
		default:
			continue
		}
		if err != nil {
			return err
		}
		places = append(places, seq)
	}
	good, cp, err := w.provenUnderHead(places)
	if err != nil {
		return err
	}
	w.env.Engine.View(func(st *state.State) { want = st.Units[w.probe.unit.ID].Slice })
	w.require(unit.Unit == w.probe.unit.ID && unit.Verb == "created" && unit.Percent == uint8(w.probe.percent),
		"unit logged",
		fmt.Sprintf("%s %s in record %d", w.probe.unit.Label, unit.Verb, rec.Index), auditRemedy)
	w.require(slice == want && slice.Class != "" && slice.Index == rec.Index, "slice logged",
		fmt.Sprintf("class %s, guarantee %d bit/s, ceiling %d bit/s, budget %d us, as in force", slice.Class,
			slice.GuaranteedBps,
			slice.CeilingBps, slice.BudgetMicros), auditRemedy)
	w.equal("allocation proven", good, 2, "entries", fmt.Sprintf("unit and slice, under the checkpoint of %d entries",
		cp.Size), auditRemedy)
	return nil
}

// sliceInForce waits until the gateway serves the probe as its decision says.
func (w *auditRun) sliceInForce(ctx context.Context) error {
	return w.atEdge(ctx, "slice in force at the edge", func(index uint64, ok bool) bool {
		return ok && index >= w.probe.made.Index
	})
}

// sliceForgotten retires the probe and waits until the gateway has dropped it.
func (w *auditRun) sliceForgotten(ctx context.Context) error {
	if _, err := w.do(ctx, state.KindProbeRetire, w.probe.unit.ID, state.UnitReason{Reason: "audit suite"}); err != nil {
		return err
	}
	return w.atEdge(ctx, "slice gone after its end", func(_ uint64, ok bool) bool { return !ok })
}

func (w *auditRun) atEdge(ctx context.Context, name string, reached func(index uint64, ok bool) bool) error {
	if w.env.Edge == nil {
		w.checks = append(w.checks, wire.Check{Name: name, Status: wire.StatusSkipped, Detail: "no gateway runs on this node", Remedy: gatewayRemedy})
		return nil
	}
	began := time.Now()
	var index uint64
	var ok bool
	for {
		if index, ok = w.env.Edge.Observe(w.probe.unit.ID); reached(index, ok) || time.Since(began) > w.edgeWithin {
			break
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	took := float64(time.Since(began).Milliseconds())
	w.number(reached(index, ok), name, took, float64(w.edgeWithin.Milliseconds()), wire.BoundMost, "ms",
		fmt.Sprintf("installed: %t, at decision %d; the probe was made by decision %d", ok, index, w.probe.made.Index),
		gatewayRemedy)
	return nil
}

func pause(ctx context.Context) error {
	t := time.NewTimer(pollEvery)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// revenueTracked posts events and follows the probe's chain from its first entry to its head.
func (w *auditRun) revenueTracked(ctx context.Context) error {
	f := newFeed(w.session, w.probe.unit.Slug)
	for sent := 0; sent < auditEvents; {
		all, fresh := f.batch(w.probe, min(eventsPerBatchMax, auditEvents-sent))
		if err := w.book.post(ctx, w.session, state.RevenuePost{Source: state.ProbeSource, Events: all}, fresh); err != nil {
			return err
		}
		sent += len(all)
	}
	w.equal("revenue recomputed", w.book.right, w.book.steps, "entries", orNone(w.book.firstWrong), recomputeRemedy)
	detail, ok := w.book.matches(w.session)
	w.require(ok, "revenue shown", detail, recomputeRemedy)
	c, err := w.chain()
	if err != nil {
		return err
	}
	w.require(c.broken == "", "unit chain",
		fmt.Sprintf("%d entries of %s: numbers without gap, each with the hash of the one before; %s",
			c.length, w.probe.unit.Label, orNone(c.broken)), auditRemedy)
	w.equal("unit chain complete", int(c.length), int(c.head.Seq), "entries",
		fmt.Sprintf("from the first entry to the head, %d of them revenue", c.revenue), auditRemedy)
	w.require(c.last == c.head.Head && c.revenue == int(w.book.events), "unit head",
		fmt.Sprintf("entries hash to %s, the state holds %s", c.last.String()[:16], c.head.Head.String()[:16]), auditRemedy)
	return nil
}

// unitChain is what following a unit's entries gave.
type unitChain struct {
	length  uint64
	revenue int
	last    nexus.Hash
	head    ledger.UnitHead // as the state holds it
	broken  string
}

// chain follows the probe's entries through the log, with hashes computed here.
func (w *auditRun) chain() (unitChain, error) {
	var c unitChain
	w.env.Engine.View(func(st *state.State) { c.head = st.Chain.Head(w.probe.unit.ID) })
	scanned := 0
	err := w.store.Records(w.probe.made.Index, w.store.Applied(), func(rec ledger.Record) error {
		if scanned++; scanned > chainScanMax || c.length >= c.head.Seq {
			return nil
		}
		for i, raw := range rec.Entries {
			e, err := ledger.ParseEntry(raw)
			if err != nil {
				return err
			}
			if e.Unit != w.probe.unit.ID {
				continue
			}
			if c.broken == "" && (e.UnitSeq != c.length+1 || e.UnitPrev != c.last) {
				c.broken = fmt.Sprintf("entry %d is number %d after %d entries", e.Seq, e.UnitSeq, c.length)
			}
			if e.Kind == ledger.KindRevenue || e.Kind == ledger.KindRefund {
				c.revenue++
			}
			c.length++
			c.last = commitment(rec.Salt, uint64(i), raw)
		}
		return nil
	})
	return c, err
}

// noFindings runs the stack scrub. The edge may still be on its way to what was decided a moment ago, so a finding
// counts when it stays; one that is late does not count.
func (w *auditRun) noFindings(ctx context.Context) error {
	var rep wire.AuditReport
	for began := time.Now(); ; {
		var err error
		if rep, err = w.env.Audit(ctx); err != nil {
			return err
		}
		if len(wrong(rep.Findings)) == 0 || time.Since(began) > w.scrubWithin {
			break
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	first, found := "", wrong(rep.Findings)
	if len(found) > 0 {
		f := found[0]
		first = fmt.Sprintf("first: %s %s: %s, required %s", f.Unit, f.Where, f.What, f.Required)
	}
	detail := fmt.Sprintf("%d checks over %d units; %s", rep.Checks, rep.Units, orNone(first))
	if late := len(rep.Findings) - len(found); late > 0 {
		detail += fmt.Sprintf("; %d late beside them", late)
	}
	w.equal("stack scrub", len(found), 0, "findings", detail, "see nexus audit findings")
	w.require(rep.Checks > 0 && rep.Units > 0, "stack scrub looked", fmt.Sprintf("%d checks over %d units", rep.Checks,
		rep.Units), auditRemedy)
	return nil
}

// wrong leaves out what is late: that says nothing of what is stored, and lasts as long as the platform owes it.
func wrong(findings []wire.Finding) (out []wire.Finding) {
	for _, f := range findings {
		if !f.Late {
			out = append(out, f)
		}
	}
	return out
}

// decisions runs the gates again over the newest stored decisions.
func (w *auditRun) decisions(ctx context.Context) error {
	seen, whole, same, first := 0, 0, 0, ""
	for next := w.store.Size(); next > 0 && seen < replaysMax; {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := w.store.RecordBySeq(next - 1)
		if err != nil {
			return err
		}
		next = rec.FirstSeq
		body, _, err := w.decision(rec.Index)
		if err != nil {
			return err
		}
		seen++
		if seventeen(&body.Decision) {
			whole++
		}
		if _, again, err := w.replay(rec.Index); err != nil {
			return err
		} else if again {
			same++
		} else if first == "" {
			first = fmt.Sprintf("decision %d comes out otherwise", rec.Index)
		}
	}
	var all uint64
	w.env.Engine.View(func(st *state.State) { all = st.Counters.Decisions })
	w.equal("17 verdicts each", whole, seen, "decisions", fmt.Sprintf("the newest %d of %d decisions", seen, all),
		decisionRemedy)
	w.equal("decisions replayed", same, seen, "decisions", "same facts, same verdicts; "+orNone(first), decisionRemedy)
	return nil
}

// seventeen reports whether a decision holds one verdict of each gate with a reason, and the answer that follows.
func seventeen(d *gates.Decision) bool {
	allow := true
	for i, v := range d.Verdicts {
		if int(v.Gate) != i+1 || v.ReasonCode == "" {
			return false
		}
		allow = allow && v.Allow
	}
	return len(d.Verdicts) == gates.Count && allow == d.Allow
}

// editRefused tries to change a stored entry with the strongest key at hand: refused by gate 11, and the attempt is
// itself an entry that everybody can explain.
func (w *auditRun) editRefused(ctx context.Context) error {
	target := w.book.entries[0]
	before, err := w.store.RecordBySeq(target)
	if err != nil {
		return err
	}
	rec, err := w.do(ctx, state.KindLedgerEdit, nexus.ID{}, state.LedgerEdit{Seq: target})
	if err := w.refusedBy(11, "ledger edit refused and logged", rec, err); err != nil {
		return err
	}
	after, err := w.store.RecordBySeq(target)
	if err != nil {
		return err
	}
	w.require(bytes.Equal(before.Encode(), after.Encode()), "entry unchanged",
		fmt.Sprintf("entry %d has the same bytes before and after the attempt", target), auditRemedy)
	return nil
}

// consistent proves that the log at the end begins with the log at the start.
func (w *auditRun) consistent(context.Context) error {
	last, err := w.openHead()
	if err != nil {
		return err
	}
	proof, err := ledger.ConsistencyProof(w.store, w.first.Size, last.Size)
	if err != nil {
		return err
	}
	err = ledger.CheckConsistency(proof, w.first.Size, last.Size, w.first.Root, last.Root)
	w.require(err == nil && last.Size > w.first.Size, "log only grew",
		fmt.Sprintf("signed checkpoint of %d entries continues that of %d: %s", last.Size, w.first.Size,
			orNone(errText(err))), auditRemedy)
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "nothing else"
	}
	return s
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
