package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"sort"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// A validly signed refused action is an entry. One that a gate refuses again and again for one reason would fill the disk at
// the pleasure of whoever sends it, so beyond floodFree of one (identity, gate, reason) in floodQuiet the node counts them and
// posts one entry for each such triple at every roll-up (DESIGN section 1, Refusals). Counted is only what the gates would
// refuse on the applied state for the very same reason; anything else takes the road of every action.

// Bounds of the guard.
const (
	floodFree  = 16               // refusals of one triple in a row that are entries each
	floodQuiet = 60 * time.Second // without one for so long, the next are entries again
	floodMost  = 4096             // triples remembered; beyond that every refusal is an entry
)

// floodKey says who is refused by which gate for what. Keys that are no identities here are one: they cost nothing to make.
type floodKey struct {
	actor  nexus.PublicKey
	gate   uint8
	reason string
}

type flood struct {
	entries int       // refusals that are entries, since it was last quiet
	last    time.Time // of any refusal
	body    state.RefusalFlood
}

// floodGuard is safe for concurrent use.
type floodGuard struct {
	mu   sync.Mutex
	seen map[floodKey]*flood
	post sync.Mutex // one roll-up at a time, so that a count that failed to post is put back before the next is taken
}

// keyOf gives the triple of a refusal, false for a decision that allows.
func keyOf(d *gates.Decision) (floodKey, bool) {
	v, refused := d.FirstRefusal()
	k := floodKey{actor: d.Actor, gate: v.Gate, reason: v.ReasonCode}
	if k.reason == "unknown_identity" {
		k.actor = nexus.PublicKey{}
	}
	return k, refused
}

// note remembers a refusal that became an entry.
func (g *floodGuard) note(d *gates.Decision, now time.Time) {
	k, refused := keyOf(d)
	if !refused {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.seen == nil {
		g.seen = map[floodKey]*flood{}
	}
	f := g.seen[k]
	if f == nil {
		if len(g.seen) >= floodMost && !g.forget(now) {
			return
		}
		f = &flood{}
		g.seen[k] = f
	}
	if now.Sub(f.last) > floodQuiet {
		f.entries = 0
	}
	f.entries, f.last = f.entries+1, now
}

// forget drops triples that are quiet and have nothing to post.
func (g *floodGuard) forget(now time.Time) bool {
	for k, f := range g.seen {
		if f.body.Count == 0 && now.Sub(f.last) > floodQuiet {
			delete(g.seen, k)
		}
	}
	return len(g.seen) < floodMost
}

// hot reports whether an actor, or the crowd of unknown keys, is at its bound: then the gates are asked before consensus.
func (g *floodGuard) hot(actor nexus.PublicKey, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k, f := range g.seen {
		if (k.actor == actor || k.actor.IsZero()) && f.entries >= floodFree && now.Sub(f.last) <= floodQuiet {
			return true
		}
	}
	return false
}

// count takes a refusal that is not to be an entry; false when it has to be one.
func (g *floodGuard) count(d *gates.Decision, now time.Time) bool {
	k, refused := keyOf(d)
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.seen[k]
	if !refused || f == nil || f.entries < floodFree || now.Sub(f.last) > floodQuiet {
		return false
	}
	b := &f.body
	if b.Count == 0 {
		*b = state.RefusalFlood{Actor: k.actor, Gate: k.gate, Reason: k.reason, FirstMs: now.UnixMilli()}
	}
	sum := sha256.New()
	sum.Write(b.Actions[:])
	sum.Write(d.Digest[:])
	b.Actions = nexus.Hash(sum.Sum(nil))
	b.Count, b.LastMs, b.Kind, f.last = b.Count+1, now.UnixMilli(), d.Kind, now
	return true
}

// take gives what is counted and not posted, in one order, and starts anew.
func (g *floodGuard) take() []state.RefusalFlood {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []state.RefusalFlood
	for _, f := range g.seen {
		if f.body.Count > 0 {
			out = append(out, f.body)
			f.body = state.RefusalFlood{}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].FirstMs < out[j].FirstMs })
	return out
}

// putBack returns a count that could not be posted; what was counted since is added behind it.
func (g *floodGuard) putBack(b state.RefusalFlood) {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := floodKey{b.Actor, b.Gate, b.Reason}
	f := g.seen[k]
	if f == nil {
		f = &flood{last: time.UnixMilli(b.LastMs)}
		g.seen[k] = f
	}
	if f.body.Count > 0 {
		// Two chains of digests become one: the later is hashed behind the earlier.
		sum := sha256.New()
		sum.Write(b.Actions[:])
		sum.Write(f.body.Actions[:])
		b.Actions, b.LastMs, b.Kind = nexus.Hash(sum.Sum(nil)), f.body.LastMs, f.body.Kind
		b.Count += f.body.Count
	}
	f.body = b
}

// refuseFlood answers an action that belongs to a flood without making a command of it; nil when it is to go its way. The node's
// own refusals stay entries each: its suites ask the gates for them and read every one back as their evidence.
func (e *Engine) refuseFlood(a *nexus.Action) error {
	now := e.clock()
	if a.Actor == e.NodeKey() || !e.floods.hot(a.Actor, now) {
		return nil
	}
	if _, _, found := e.lookUpAction(a, a.Digest()); found {
		return nil // a retry is answered from the ledger
	}
	d, err := e.DryRun(*a)
	if err != nil || d.Allow || !e.floods.count(&d, now) {
		return nil
	}
	v, _ := d.FirstRefusal()
	return nexus.Errf(a.Kind, nexus.CodeRefused, "counted, not entered singly", v.Fix, "refused by gate %d %s: %s; required: %s", v.Gate,
		gates.Names()[v.Gate-1], v.Observed, v.Required)
}

// postFloods makes one entry of each flood counted so far.
func (e *Engine) postFloods(ctx context.Context) {
	e.floods.post.Lock()
	defer e.floods.post.Unlock()
	for _, b := range e.floods.take() {
		if err := e.actUnchecked(ctx, state.KindRefusalFlood, b); err != nil {
			e.floods.putBack(b)
			e.cfg.Logger.Warn("roll-up of a flood not posted; tried again", "component", "engine", "count", b.Count, "error", err)
		}
	}
}

// postRefusals makes one entry of each reason counted so far; what could not be posted is counted on.
func (e *Engine) postRefusals(ctx context.Context) {
	counts, since := e.refusals.take()
	for reason, n := range counts {
		body := state.RefusalRollup{Reason: reason, Source: "local", Count: n, SinceMs: since.UnixMilli()}
		if err := e.actUnchecked(ctx, state.KindRefusalRollup, body); err != nil {
			e.refusals.putBack(reason, n, since)
			e.cfg.Logger.Warn("refusal roll-up not posted; tried again", "component", "engine", "reason", reason, "count", n, "error", err)
		}
	}
}

// actUnchecked is Act for an engine that is about to close: the door is shut for others already.
func (e *Engine) actUnchecked(ctx context.Context, kind string, body any) error {
	a, err := NewAction(e.cfg.Node, e.cfg.Cluster, kind, nexus.ID{}, body, e.clock())
	if err == nil {
		err = e.room()
	}
	if err == nil {
		_, err = e.propose(ctx, a, a.Digest(), false)
	}
	return err
}

// flushRefusals posts what is counted before consensus stops; bounded, for a log that hangs must not hold up the end.
func (e *Engine) flushRefusals() {
	select {
	case err := <-e.group.Failed():
		e.cfg.Logger.Warn("refusals since the last roll-up are lost: the log has stopped", "component", "engine", "error", err)
		return
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	e.RollUp(ctx)
}

// knownGateSet refuses a switch to a gate set that this program does not have before it becomes a command, which would halt
// this very node.
func (e *Engine) knownGateSet(a *nexus.Action) error {
	var b state.GateSetSwitch
	if a.Kind != state.KindGateSetSwitch || nexus.Decode(a.Body, &b) != nil {
		return nil
	}
	if _, ok := e.sets.Find(b.To); !ok {
		return nexus.Errf(a.Kind, nexus.CodeUnfit, "gate set "+b.To.String(), "upgrade this node first", "not known to this version")
	}
	return nil
}

// switchGates brings the ledger to the newest gate set of this program, one step an entry, as raiseRules does with the rules.
func (e *Engine) switchGates(ctx context.Context) error {
	for {
		var from, to nexus.Hash
		var more bool
		e.View(func(s *state.State) { from = s.GateSet; to, more = s.NextGateSet() })
		if !more {
			return nil
		}
		_, err := e.Act(ctx, state.KindGateSetSwitch, nexus.ID{}, state.GateSetSwitch{From: from, To: to})
		if err == nil {
			continue
		}
		// Another sweep may have taken this very step between the look and the act.
		var now nexus.Hash
		e.View(func(s *state.State) { now = s.GateSet })
		if now == from {
			return errors.Join(errors.New("gate set not switched"), err)
		}
	}
}
