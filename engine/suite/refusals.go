package suite

import (
	"context"
	"fmt"
	stdslices "slices"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// refusedBy checks that an action was refused by a gate, that it had no effect and that the refusal is an entry. The
// error is a failure to look.
func (s *session) refusedBy(gate int, name string, rec nexus.Receipt, err error) error {
	const remedy = "report this: a gate let through what it must refuse"
	if code := nexus.CodeOf(err); code != nexus.CodeRefused {
		s.require(false, name, fmt.Sprintf("not refused: allowed %t, error %v", rec.Allowed, err), remedy)
		return nil
	}
	body, stored, err := s.decision(rec.Index)
	if err != nil {
		return err
	}
	denied := !body.Decision.Allow && stdslices.Contains(body.Decision.Refusing(), gate)
	alone := len(stored.Entries) == 1
	good, _, err := s.provenUnderHead([]uint64{stored.FirstSeq})
	if err != nil {
		return err
	}
	s.require(denied && alone && good == 1 && stdslices.Contains(rec.Gates, gate), name,
		fmt.Sprintf("refused by %s, logged as entry %d (%d of 1 proven), %d further entries: %s", gatesWords(rec.Gates),
			stored.FirstSeq, good,
			len(stored.Entries)-1, rec.Reason), remedy)
	return nil
}

// decision reads the decision that command index led to.
func (s *session) decision(index uint64) (state.DecisionBody, ledger.Record, error) {
	var body state.DecisionBody
	stored, err := s.store.Record(index)
	if err != nil {
		return body, stored, err
	}
	e, err := stored.Entry(stored.FirstSeq)
	if err != nil {
		return body, stored, err
	}
	if e.Kind != ledger.KindDecision {
		return body, stored, nexus.Errf("read decision", nexus.CodeCorrupt, fmt.Sprintf("record %d", index),
			"run nexus ledger verify",
			"its first entry is %s", e.Kind)
	}
	return body, stored, nexus.Decode(e.Body, &body)
}

// ownUnit has the probes' owner, the node, report for an own unit through the attested source. It holds another key
// than the source's, which alone is refused; the facts must also have found the beneficiary, and over the same facts
// with the right key the gate must refuse for that.
func (w *splits) ownUnit(ctx context.Context) error {
	e := w.feeds[w.imvu].event(w.imvu.probe, 100)
	rec, err := w.do(ctx, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource,
		Events: []state.RevenueEvent{e}})
	if err := w.refusedBy(6, "attest for an own unit", rec, err); err != nil || rec.Index == 0 {
		return err
	}
	body, _, err := w.decision(rec.Index)
	if err != nil {
		return err
	}
	var f gates.Facts
	if err := gates.DecodeFacts(body.Decision.Facts, &f); err != nil {
		return err
	}
	chain, err := gates.NewChain(rules.All())
	if err != nil {
		return err
	}
	found := len(f.Revenue) == 1 && f.Revenue[0].Beneficiary && f.Revenue[0].BeneficiaryOf == w.imvu.probe.unit.ID
	why := "no facts"
	if len(f.Revenue) == 1 {
		f.Revenue[0].ActorIsSource = true
		again := chain.Decide(&f, gates.DecisionInput{Kind: state.KindRevenuePost})
		why = again.Verdicts[5].ReasonCode
	}
	w.require(found && why == "beneficiary", "beneficiary found by the state",
		fmt.Sprintf("owner of the unit found: %t; with the source's own key gate 6 refuses for %q", found, why),
		"report this: a unit could state its own revenue")
	return nil
}

// alterSplit tries what would lead to another ratio: a unit under a third rule, and an edit of the entry that holds
// one.
func (w *splits) alterSplit(ctx context.Context) error {
	const remedy = "report this: a ratio could be changed"
	for _, percent := range []uint8{0, 56, 79, 100, 200} {
		rec, err := w.do(ctx, state.KindProbeCreate, nexus.ID{}, state.UnitCreate{Name: "third rule", Percent: percent})
		if err == nil {
			w.adopt(rec)
		}
		w.require(err != nil && nexus.CodeOf(err) != nexus.CodeInternal, fmt.Sprintf("no rule of %d %%", percent),
			fmt.Sprint(err), remedy)
	}
	stored, err := w.store.Record(w.imvu.probe.made.Index)
	if err != nil {
		return err
	}
	rec, err := w.do(ctx, state.KindLedgerEdit, nexus.ID{}, state.LedgerEdit{Seq: stored.FirstSeq + 1})
	if err := w.refusedBy(11, "edit of a stored split", rec, err); err != nil {
		return err
	}
	for _, b := range w.books() {
		stated, rule, err := w.storedRule(b.probe)
		if err != nil {
			return err
		}
		w.require(stated == b.probe.percent && rule == b.probe.percent, "rule of "+b.probe.unit.Label,
			fmt.Sprintf("%d %% in its entry, %d %% in force, %d %% when it was made", stated, rule, b.probe.percent), remedy)
	}
	return nil
}

// storedRule reads the percentage from the unit's first entry and from the state.
func (s *session) storedRule(p *probe) (stated, inForce int64, err error) {
	s.env.Engine.View(func(st *state.State) { inForce = int64(st.Units[p.unit.ID].Percent) })
	stored, err := s.store.Record(p.made.Index)
	if err != nil {
		return 0, inForce, err
	}
	for seq := stored.FirstSeq; seq < stored.Next(); seq++ {
		e, err := stored.Entry(seq)
		if err != nil {
			return 0, inForce, err
		}
		if e.Kind != ledger.KindUnit {
			continue
		}
		var body ledger.UnitBody
		if err := nexus.Decode(e.Body, &body); err != nil {
			return 0, inForce, err
		}
		return int64(body.Percent), inForce, nil
	}
	return 0, inForce, fmt.Errorf("record %d made %s without a unit entry", p.made.Index, p.unit.Label)
}
