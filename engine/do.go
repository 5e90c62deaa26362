package engine

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/badgerstore"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// Do is the one door. It returns when decision and effect are durable. A refusal by a gate is a Receipt with Allowed
// false and an error of CodeRefused that says what was observed, what is required and the smallest fix. An action whose id
// the actor used before is answered from the ledger (Repeated). Input that is unsigned, foreign or malformed never reaches
// consensus: it is counted and rolled up into an entry every ten seconds.
func (e *Engine) Do(ctx context.Context, a nexus.Action) (nexus.Receipt, error) {
	if e.closed.Load() {
		return nexus.Receipt{}, nexus.Errf(a.Kind, nexus.CodeUnavailable, "node", "start it with nexus launch", "stopping")
	}
	digest, err := e.admit(&a)
	if err != nil {
		return nexus.Receipt{}, err
	}
	if err := e.room(); err != nil {
		return nexus.Receipt{}, err
	}
	if err := e.knownGateSet(&a); err != nil {
		return nexus.Receipt{}, err
	}
	if err := e.refuseFlood(&a); err != nil {
		return nexus.Receipt{}, err
	}
	for _, check := range []func(*nexus.Action) error{e.checkStatement, e.checkExit, e.checkImport, e.checkPublication} {
		if err := check(&a); err != nil {
			return nexus.Receipt{}, err
		}
	}
	if err := e.checkPersonal(&a); err != nil {
		return nexus.Receipt{}, err
	}
	r, err := e.propose(ctx, a, digest, true)
	if err == nil && a.Kind == state.KindIdentityErase {
		err = e.erase(ctx)
	}
	return r, err
}

// room refuses before consensus when the disk is nearly full. What is in the log must be applied, so a machine that finds no
// room can only stop; refused here, the node goes on reading and takes writes again as soon as there is room. The margin of
// twice the store's reserve is for what is in flight.
func (e *Engine) room() error {
	reserve := e.cfg.ReserveDisk
	if reserve == 0 {
		reserve = badgerstore.DefaultReserveBytes
	}
	free, err := osfile.Free(e.cfg.DataDir)
	if err != nil {
		return nexus.Errf("write", nexus.CodeUnavailable, e.cfg.DataDir, "check the disk", "%w", err)
	}
	if free/2 < reserve {
		return nexus.Errf("write", nexus.CodeUnavailable, e.cfg.DataDir, "free disk space; reads go on and no restart is needed",
			"%d MiB free, %d MiB are needed for writing", free>>20, reserve>>19)
	}
	return nil
}

// admit refuses early what cannot be a command, and gives the action's digest. The decision that counts is taken when the command is applied.
func (e *Engine) admit(a *nexus.Action) (digest nexus.Hash, err error) {
	if err := a.Validate(); err != nil {
		e.refusals.add("malformed")
		return digest, err
	}
	if !state.Known(a.Kind) || a.Kind == state.KindGenesis {
		e.refusals.add("unknown-kind")
		return digest, nexus.Errf("action", nexus.CodeMalformed, fmt.Sprintf("kind %q", a.Kind), "see docs/reference/actions.md", "not known to this version")
	}
	if len(a.Body) > state.MaxBodyBytes {
		e.refusals.add("too-large")
		return digest, nexus.Errf(a.Kind, nexus.CodeMalformed, fmt.Sprintf("body of %d bytes", len(a.Body)), "send smaller batches",
			"at most %d bytes", state.MaxBodyBytes)
	}
	signing := a.SigningBytes() // once for both: a body may be large
	digest = sha256.Sum256(signing)
	if !a.Actor.Verify(signing, a.Signature) {
		e.refusals.add("unsigned")
		return digest, nexus.Errf(a.Kind, nexus.CodeRefused, "gate 1 identity-binding: actor "+a.Actor.Short(), "sign the action with the actor's key",
			"the signature is not the actor's over this action")
	}
	if a.Cluster != e.cfg.Cluster {
		e.refusals.add("foreign-cluster")
		return digest, nexus.Errf(a.Kind, nexus.CodeRefused, "gate 1 identity-binding: cluster "+a.Cluster.String(), "sign for cluster "+e.cfg.Cluster.String(),
			"the action is meant for another cluster")
	}
	return digest, nil
}

// propose wraps the action, whose digest this is, with this node's evidence and takes it through consensus. verified: the caller has checked
// the signature.
func (e *Engine) propose(ctx context.Context, a nexus.Action, digest nexus.Hash, verified bool) (nexus.Receipt, error) {
	if r, err, found := e.lookUpAction(&a, digest); found {
		return r, err
	}
	ev := state.Evidence{Node: e.cfg.Node.Public(), NowMs: e.clock().UnixMilli(), Digest: digest,
		LargestCPUMilli: e.cfg.Capacity.CPUMilli, LargestMemory: e.cfg.Capacity.MemoryBytes, CapacityBps: e.cfg.Capacity.NetworkBps}
	if _, err := rand.Read(ev.Salt[:]); err != nil {
		return nexus.Receipt{}, fmt.Errorf("salt: %w", err)
	}
	sig, err := e.cfg.Node.Sign(ev.SigningBytes())
	if err != nil {
		return nexus.Receipt{}, err
	}
	ev.Signature = sig
	cmd := state.Command{Action: a, Evidence: ev}
	const rest = 1024 // more than all but kind and body takes, both signatures included
	data := nexus.AppendCanonical(make([]byte, 0, len(a.Kind)+len(a.Body)+rest), cmd)
	if verified {
		defer e.seen.Note(&cmd, digest, data)()
	}
	if err := e.step(StepPropose); err != nil {
		return nexus.Receipt{}, err
	}
	res, _, err := e.group.Propose(ctx, data)
	if err != nil {
		return nexus.Receipt{}, err
	}
	out := res.(applied).out
	e.floods.note(&out.Decision, e.clock())
	return out.Receipt, answer(a.Kind, out.Receipt, out.Err)
}

// answer turns a receipt into the error a caller acts on; nil when the action took effect.
func answer(kind string, r nexus.Receipt, invalid error) error {
	if !r.Allowed {
		return nexus.Errf(kind, nexus.CodeRefused, fmt.Sprintf("decision %d", r.Index), r.Fix, "refused by %s", r.Reason)
	}
	return invalid
}

// lookUpAction answers a retry from the store (DESIGN.md section 1, Refusals); expiry does not matter then.
func (e *Engine) lookUpAction(a *nexus.Action, digest nexus.Hash) (nexus.Receipt, error, bool) {
	v, err := e.lookup(state.ActionKey(a.Actor, a.ID))
	if err != nil {
		return nexus.Receipt{}, err, true
	}
	if v == nil {
		return nexus.Receipt{}, nil, false
	}
	var ref state.ActionRef
	if err := nexus.Decode(v, &ref); err != nil {
		return nexus.Receipt{}, err, true
	}
	if ref.Digest != digest {
		return nexus.Receipt{}, nexus.Errf(a.Kind, nexus.CodeConflict, "action id "+a.ID.String(), "use a new id for a new action",
			"this id was used at index %d for other content", ref.Index), true
	}
	r := ref.Receipt(a.ID)
	return r, answer(a.Kind, r, ref.Err(a.Kind)), true
}

// DryRun gives the decision that Do would take now, and what the state would say, without any effect or entry.
func (e *Engine) DryRun(a nexus.Action) (gates.Decision, error) { return e.DryRunUnder(a, nil) }

// DryRunUnder is DryRun as if a policy were in force in place of the unit's own; nil: the unit's own.
func (e *Engine) DryRunUnder(a nexus.Action, p *state.UnitPolicy) (gates.Decision, error) {
	ev := state.Evidence{Node: e.cfg.Node.Public(), NowMs: e.clock().UnixMilli(), Digest: a.Digest(),
		LargestCPUMilli: e.cfg.Capacity.CPUMilli, LargestMemory: e.cfg.Capacity.MemoryBytes, CapacityBps: e.cfg.Capacity.NetworkBps}
	sig, err := e.cfg.Node.Sign(ev.SigningBytes())
	if err != nil {
		return gates.Decision{}, err
	}
	ev.Signature = sig
	e.rlock()
	defer e.mu.RUnlock()
	return e.state.TryUnder(&state.Command{Action: a, Evidence: ev}, e.lookup, p)
}

// Act signs an action with the node's own key and does it: measurements, reports, roll-ups.
func (e *Engine) Act(ctx context.Context, kind string, unit nexus.ID, body any) (nexus.Receipt, error) {
	a, err := NewAction(e.cfg.Node, e.cfg.Cluster, kind, unit, body, e.clock())
	if err != nil {
		return nexus.Receipt{}, err
	}
	return e.Do(ctx, a)
}

// NewAction builds and signs an action with a fresh random id, valid for ten minutes.
func NewAction(s nexus.Signer, cluster nexus.ID, kind string, unit nexus.ID, body any, now time.Time) (nexus.Action, error) {
	if p, ok := body.(state.RevenuePost); ok {
		return NewActionOf(s, cluster, kind, unit, p.Encode(), now)
	}
	return NewActionOf(s, cluster, kind, unit, nexus.Encode(body), now)
}

// NewActionOf is NewAction for a body that is encoded already.
func NewActionOf(s nexus.Signer, cluster nexus.ID, kind string, unit nexus.ID, body []byte, now time.Time) (nexus.Action, error) {
	a := nexus.Action{Version: 1, Cluster: cluster, Kind: kind, Unit: unit, TimeMs: now.UnixMilli(),
		ExpiresMs: now.Add(10 * time.Minute).UnixMilli(), Body: body}
	if _, err := rand.Read(a.ID[:]); err != nil {
		return a, err
	}
	if m, ok := s.(interface{ Mark(*nexus.ID) }); ok { // a session's signer names the session in the id
		m.Mark(&a.ID)
	}
	signed, err := nexus.SignAction(s, a)
	if cause := errors.Unwrap(err); nexus.CodeOf(cause) == nexus.CodeRefused { // the signer may not sign, and says why
		err = cause
	}
	return signed, err
}

// Prove completes a receipt: inclusion of its first entry under the newest checkpoint.
func (e *Engine) Prove(r nexus.Receipt) (nexus.Receipt, error) {
	h := e.newest()
	if r.Entries == 0 || h == nil || r.FirstEntry >= h.cp.Size {
		return r, nil
	}
	proof, err := ledger.InclusionProof(e.store, r.FirstEntry, h.cp.Size)
	if err != nil {
		return r, err
	}
	r.Proof, r.Checkpoint = proof, h.text
	return r, nil
}

// refusalCounter counts input that never became a command, by reason; bounded by the fixed set of reasons.
type refusalCounter struct {
	mu     sync.Mutex
	counts map[string]uint64
	since  time.Time
}

func (c *refusalCounter) add(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts, c.since = map[string]uint64{}, time.Now()
	}
	c.counts[reason]++
}

func (c *refusalCounter) take() (map[string]uint64, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, since := c.counts, c.since
	c.counts = nil
	return out, since
}

// putBack counts on what could not be posted.
func (c *refusalCounter) putBack(reason string, n uint64, since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]uint64{}
	}
	c.counts[reason] += n
	if c.since.IsZero() || since.Before(c.since) {
		c.since = since
	}
}

// Refused counts a refusal made in front of Do (an unsigned request at the API) so that it is rolled up too.
func (e *Engine) Refused(reason string) { e.refusals.add(reason) }

// rollupLoop posts one entry per reason at most every ten seconds (DESIGN.md section 1, Refusals).
func (e *Engine) rollupLoop(ctx context.Context) {
	t := time.NewTicker(10 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			e.RollUp(ctx)
		}
	}
}

// RollUp posts the counted refusals now.
func (e *Engine) RollUp(ctx context.Context) {
	e.postRefusals(ctx)
	e.postFloods(ctx)
}
