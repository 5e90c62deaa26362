package engine

import (
	"context"
	"errors"
	"fmt"
	stdslices "slices"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// WhatIf is a question about the past: how would other gates, or another policy of one unit, have decided?
type WhatIf struct {
	What   string            // in words
	Chain  *gates.Chain      // nil: each decision's own gate set
	Policy *state.UnitPolicy // in place of Unit's own; nil: as it was
	Unit   nexus.ID          // zero: all
	Last   uint64            // decisions looked at, newest first; at most WhatIfMost
}

// Bounds of one question.
const (
	WhatIfLast = 10_000
	WhatIfMost = 200_000
	whatIfRows = 200
)

// WhatIf decides the recorded facts again and gives the differences. Only the decisions themselves are asked again: had one
// been another, later facts might have been others too, and that is not claimed. It reads the ledger outside every lock.
func (e *Engine) WhatIf(ctx context.Context, q WhatIf) (wire.WhatIf, error) {
	out := wire.WhatIf{What: q.What, Rows: []wire.WhatIfRow{}, PerGate: []wire.WhatIfGate{}}
	last := q.Last
	if last == 0 {
		last = WhatIfLast
	}
	to := e.store.Applied()
	from := to + 1 - min(to+1, min(last, WhatIfMost))
	w := whatIf{e: e, q: q, out: &out}
	if q.Policy != nil {
		w.trial = state.NewTrial(*q.Policy)
	}
	out.From, out.To = from, to
	if err := e.store.Records(from, to, func(r ledger.Record) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return w.record(&r)
	}); err != nil {
		return out, err
	}
	for i := range w.before {
		if w.before[i] != w.after[i] {
			out.PerGate = append(out.PerGate, wire.WhatIfGate{Gate: i + 1, Name: gates.Names()[i], Before: w.before[i], After: w.after[i]})
		}
	}
	return out, nil
}

// whatIf is one walk over the records.
type whatIf struct {
	e             *Engine
	q             WhatIf
	trial         *state.Trial
	out           *wire.WhatIf
	before, after [gates.Count]uint64 // refusals of each gate
}

func (w *whatIf) record(r *ledger.Record) error {
	body, err := decisionOf(*r)
	if err != nil {
		return err
	}
	d := &body.Decision
	if !w.q.Unit.IsZero() && d.Unit != w.q.Unit {
		return nil
	}
	chain := w.q.Chain
	if chain == nil {
		var ok bool
		if chain, ok = w.e.sets.Find(d.GateSet); !ok {
			return nexus.Errf("what-if", nexus.CodeUnfit, fmt.Sprintf("decision %d", d.Index), "ask the version that decided it", "its gate set is not known")
		}
	}
	var f gates.Facts
	if err := gates.DecodeFacts(d.Facts, &f); err != nil {
		return err
	}
	if w.trial != nil {
		if err := w.judge(r, &f); err != nil {
			return err
		}
	}
	again := chain.Decide(&f, gates.DecisionInput{Action: d.Action, Digest: d.Digest, Kind: d.Kind, Actor: d.Actor, Unit: d.Unit,
		Index: d.Index, TimeMs: d.TimeMs})
	w.out.Looked++
	w.compare(d, &again)
	if w.trial != nil && again.Allow && body.Invalid == "" {
		return w.took(r, &f)
	}
	return nil
}

// judge puts what the policy in question says in place of what the unit's own said.
func (w *whatIf) judge(r *ledger.Record, f *gates.Facts) error {
	var cmd state.Command
	if err := nexus.Decode(r.Command, &cmd); err != nil {
		return err
	}
	// A change by proposal is judged with everybody's word, the guardian's too: who granted is no question of the policy.
	a := &cmd.Action
	f.Unit.Tightened = w.trial.Breaks(a.Kind, a.Body, a.Actor, f.Identity.Role, f.Unit.ActorOwns, a.Actor == w.q.Policy.Guardian, f.NowMs)
	return nil
}

func (w *whatIf) took(r *ledger.Record, f *gates.Facts) error {
	var cmd state.Command
	if err := nexus.Decode(r.Command, &cmd); err != nil {
		return err
	}
	a := &cmd.Action
	w.trial.Took(a.Kind, a.Body, a.Actor, f.Identity.Role, f.Unit.ActorOwns, f.NowMs)
	return nil
}

// compare counts a decision and lists it when it would be another.
func (w *whatIf) compare(was, now *gates.Decision) {
	for i := range was.Verdicts {
		if !was.Verdicts[i].Allow {
			w.before[i]++
		}
		if !now.Verdicts[i].Allow {
			w.after[i]++
		}
	}
	if was.Allow == now.Allow && stdslices.Equal(reasonsOf(was), reasonsOf(now)) {
		return
	}
	o := w.out
	o.Changed++
	switch {
	case was.Allow == now.Allow:
		o.Other++
	case now.Allow:
		o.Allowed++
	default:
		o.Refused++
	}
	if len(o.Rows) >= whatIfRows {
		return
	}
	row := wire.WhatIfRow{Index: was.Index, Time: ms(was.TimeMs), Action: was.Kind, Before: verdictWord(was), After: verdictWord(now)}
	w.e.View(func(s *state.State) {
		if u := s.Units[was.Unit]; u != nil {
			row.Unit = u.Label
		}
		if id := s.Identities[was.Actor]; id != nil {
			row.Actor = id.Name
		}
	})
	v, refused := now.FirstRefusal()
	if !refused {
		v, _ = was.FirstRefusal()
	}
	row.Why = v.Observed
	o.Rows = append(o.Rows, row)
}

// reasonsOf lists which gates refuse and why.
func reasonsOf(d *gates.Decision) []string {
	var out []string
	for _, v := range d.Verdicts {
		if !v.Allow {
			out = append(out, fmt.Sprintf("%d %s", v.Gate, v.ReasonCode))
		}
	}
	return out
}

func verdictWord(d *gates.Decision) string {
	if d.Allow {
		return wire.VerdictAllow
	}
	return wire.VerdictDeny + " " + strings.Join(reasonsOf(d), ", ")
}

// WhatIfOf reads a request. Exactly one of its three questions is asked.
func (e *Engine) WhatIfOf(req *wire.WhatIfRequest, unit nexus.ID) (WhatIf, error) {
	q := WhatIf{Unit: unit, Last: req.Last}
	asked := 0
	var errs []error
	if len(req.Without) > 0 {
		asked++
		chain, err := e.sets.Newest().Without(req.Without...)
		errs = append(errs, err)
		q.Chain, q.What = chain, fmt.Sprintf("without gates %v", req.Without)
	}
	if req.GateSet != "" {
		asked++
		var h nexus.Hash
		err := h.UnmarshalText([]byte(req.GateSet))
		chain, ok := e.sets.Find(h)
		if err != nil || !ok {
			errs = append(errs, nexus.Errf("what-if", nexus.CodeNotFound, "gate set "+req.GateSet, "nexus gates sets lists them", "not known to this node"))
		}
		q.Chain, q.What = chain, "gate set "+h.String()[:16]
	}
	if len(req.Policy) > 0 {
		asked++
		var p state.UnitPolicy
		errs = append(errs, nexus.Decode(req.Policy, &p), p.Validate())
		q.Policy, q.What = &p, "another policy of the unit"
		if unit.IsZero() {
			errs = append(errs, nexus.Errf("what-if", nexus.CodeUsage, "policy", "name the unit", "whose policy it would be"))
		}
	}
	if asked != 1 {
		errs = append(errs, nexus.Errf("what-if", nexus.CodeUsage, "question", "ask one: gates left out, another gate set, or a policy", "%d asked", asked))
	}
	return q, errors.Join(errs...)
}

// GateSets lists the sets that this program knows, oldest first, and which is in force.
func (e *Engine) GateSets() wire.GateSets {
	out := wire.GateSets{Sets: []wire.GateSet{}}
	var force nexus.Hash
	e.View(func(s *state.State) { force = s.GateSet })
	for _, c := range e.sets.All() {
		set := wire.GateSet{Hash: c.Hash().String(), InForce: c.Hash() == force}
		for _, g := range c.Gates() {
			set.Versions = append(set.Versions, g.Version)
		}
		out.Sets = append(out.Sets, set)
	}
	return out
}
