package engine

import (
	"fmt"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// View runs fn over the applied state. fn must not keep or change what it sees.
func (e *Engine) View(fn func(*state.State)) {
	e.rlock()
	defer e.mu.RUnlock()
	fn(e.state)
}

// Version grows whenever something was applied; a reader compares it to know whether to look again.
func (e *Engine) Version() uint64 { return e.version.Load() }

// Cluster is this cluster's id.
func (e *Engine) Cluster() nexus.ID { return e.cfg.Cluster }

// Store gives the ledger's files for reading. Committing to it is not possible from outside: only ApplyBatch does.
func (e *Engine) Store() Reader { return e.store }

// Reader is the reading half of ledger.Store.
type Reader interface {
	merkle.Reader
	Applied() uint64
	Size() uint64
	Get(key []byte) ([]byte, error)
	Scan(prefix []byte, fn func(key, value []byte) error) error
	Record(index uint64) (ledger.Record, error)
	RecordBySeq(seq uint64) (ledger.Record, error)
	Records(from, to uint64, fn func(ledger.Record) error) error
	LastRecord() (ledger.Record, error)
	SizeOnDisk() (int64, error)
}

// Head is the newest signed checkpoint. It covers every acknowledged entry.
func (e *Engine) Head() (ledger.Checkpoint, string, time.Time) {
	h := e.checkpoint.Load()
	if h == nil {
		return ledger.Checkpoint{}, "", time.Time{}
	}
	return h.cp, h.text, h.at
}

// CommittedUnits gives the newest checkpoint with the map of units that it commits to; nil before the first. The map never changes.
func (e *Engine) CommittedUnits() (ledger.Checkpoint, *ledger.UnitMap) {
	h := e.checkpoint.Load()
	if h == nil {
		return ledger.Checkpoint{}, nil
	}
	return h.cp, h.units
}

// rootAt computes the tree root at an earlier size from the stored hashes.
func (e *Engine) rootAt(size uint64) (nexus.Hash, error) { return merkle.RootAt(size, e.store) }

// Tally lists the splits of every unit and currency. Probe units and channels of none are left out unless asked for.
func (e *Engine) Tally(probes bool) wire.Tally {
	e.rlock()
	defer e.mu.RUnlock()
	s := e.state
	t := wire.Tally{Units: []wire.TallyRow{}, Index: s.Index, Time: ms(s.TimeMs)}
	waiting := s.PendingSums()
	for _, a := range tallied(s, waiting) {
		if u := s.Units[a.Unit]; u.Kind != nexus.KindProbe || probes {
			t.Units = append(t.Units, TallyRow(s, u, a, waiting[state.AccountKey{Unit: a.Unit, Currency: a.Currency}]))
		}
	}
	t.Totals = SumTallies(t.Units)
	return t
}

// tallied gives the accounts of now, and in their places those of which nothing was posted yet but something waits.
func tallied(s *state.State, waiting map[state.AccountKey]state.Waiting) []*state.Account {
	if len(waiting) == 0 {
		return s.SortedAccounts()
	}
	return ordered(s, s.SortedAccounts(), waiting)
}

// ordered sorts accounts, with empty ones for what waits alone, by creation of their units and currency.
func ordered(s *state.State, accounts []*state.Account, waiting map[state.AccountKey]state.Waiting) []*state.Account {
	byKey := make(map[state.AccountKey]*state.Account, len(accounts)+len(waiting))
	for _, a := range accounts {
		byKey[state.AccountKey{Unit: a.Unit, Currency: a.Currency}] = a
	}
	for k, w := range waiting {
		if byKey[k] == nil && w.Count > 0 {
			byKey[k] = &state.Account{Unit: k.Unit, Currency: k.Currency}
		}
	}
	keys := make([]state.AccountKey, 0, len(byKey))
	for k := range byKey {
		keys = append(keys, k)
	}
	s.SortKeys(keys)
	out := make([]*state.Account, 0, len(keys))
	for _, k := range keys {
		out = append(out, byKey[k])
	}
	return out
}

// TallyRows describes a unit's split accounts, those with nothing but pending events too.
func TallyRows(s *state.State, u *state.Unit) (rows []wire.TallyRow) {
	waiting := s.PendingSums()
	for _, a := range tallied(s, waiting) {
		if a.Unit == u.ID {
			rows = append(rows, TallyRow(s, u, a, waiting[state.AccountKey{Unit: a.Unit, Currency: a.Currency}]))
		}
	}
	return rows
}

// TallyRow describes one split account as CLI.md prints it.
func TallyRow(s *state.State, u *state.Unit, a *state.Account, waiting state.Waiting) wire.TallyRow {
	row := wire.TallyRow{Unit: u.Label, UnitID: u.ID.String(), Label: u.Label, Name: u.Name, Kind: u.Kind.String(), Rule: RuleOf(u),
		Currency: a.Currency, Gross: a.Gross, Creator: a.Creator, Platform: a.Platform, Events: a.Events, Pending: waiting.Minor, PendingEvents: waiting.Count}
	if a.Events > 0 {
		row.NewestEventTime, row.PostedTime = ms(a.NewestMs), ms(a.PostedMs)
	}
	if u.Kind == nexus.KindChannel {
		row.Channel = u.Slug
		if p := s.Units[u.Parent]; p != nil {
			row.Unit = p.Label
		}
		if o := s.Identities[u.Owner]; o != nil {
			row.Owner = o.Name
		}
	}
	return row
}

// RuleOf words the unit's rule: "55/45" or "80/20".
func RuleOf(u *state.Unit) string { return fmt.Sprintf("%d/%d", u.Percent, 100-u.Percent) }

// UnitRow describes one unit.
func UnitRow(s *state.State, u *state.Unit) wire.UnitRow {
	row := wire.UnitRow{ID: u.ID.String(), Label: u.Label, Name: u.Name, Kind: u.Kind.String(), Owner: u.Owner.String(),
		Status: u.Status, Domain: u.Domain, Jurisdiction: u.Jurisdiction, Dormant: u.Dormant, Slice: u.Label, Rule: RuleOf(u),
		Envelope: wire.Envelope{CPUCores: float64(u.Envelope.CPUMilli) / 1000, MemoryBytes: uint64(u.Envelope.MemoryBytes),
			StorageBytes: uint64(u.Envelope.StorageBytes), Processes: uint64(u.Envelope.Processes)}}
	if o := s.Identities[u.Owner]; o != nil {
		row.OwnerName = o.Name
	}
	if u.Domain != "" {
		row.StageDomain = "stage." + u.Domain
	}
	return row
}

// GateRows lists the 17 gates with their counters.
func (e *Engine) GateRows() []wire.GateRow {
	cosigners := e.PublishedHead().Cosigners
	e.rlock()
	defer e.mu.RUnlock()
	rows := make([]wire.GateRow, 0, gates.Count)
	for i, g := range e.state.Gatekeepers().Gates() {
		c := e.state.Gates[i]
		rolled := e.state.Floods()[i]
		row := wire.GateRow{Gate: g.Number, Name: g.Name, Rule: g.Rule, Allowed: c.Allowed, Denied: c.Denied + rolled, RolledUp: rolled,
			Decides:  c.Allowed+c.Denied == e.state.Counters.Decisions, // it gave a verdict on every one
			Enforced: g.Enforcer != "", EnforcedBy: g.Enforcer, LastReason: c.LastReason}
		if g.Enforcer == "" {
			row.EnforcedBy = g.Later
		}
		if g.Number == gates.Count { // 17, platform-non-repudiation: whose word stands beside the platform's
			row.Cosigners = &cosigners
		}
		if c.LastDeniedMs > 0 {
			t := ms(c.LastDeniedMs)
			row.LastDeniedTime = &t
		}
		rows = append(rows, row)
	}
	return rows
}

// DecisionAt reads one decision from the ledger with its proof.
func (e *Engine) DecisionAt(index uint64) (wire.Decision, error) {
	rec, err := e.store.Record(index)
	if err != nil {
		return wire.Decision{}, err
	}
	body, err := decisionOf(rec)
	if err != nil {
		return wire.Decision{}, err
	}
	out := e.wireDecision(&body, &rec)
	out.Entry, out.Leaf = rec.FirstSeq, rec.Leaves()[0].String()
	h := e.NewestHead()
	proof, err := ledger.InclusionProof(e.store, rec.FirstSeq, h.Checkpoint.Size)
	if err != nil {
		return wire.Decision{}, err
	}
	for _, h := range proof {
		out.Proof = append(out.Proof, h.String())
	}
	out.Checkpoint, out.Size, out.Cosigners = h.Note, h.Checkpoint.Size, h.Cosigners
	return out, nil
}

// Replay runs the gates again over a stored decision's facts (`gates explain`): same must be true.
func (e *Engine) Replay(index uint64) (again gates.Decision, same bool, err error) {
	rec, err := e.store.Record(index)
	if err != nil {
		return again, false, err
	}
	body, err := decisionOf(rec)
	if err != nil {
		return again, false, err
	}
	chain, ok := e.sets.Find(body.Decision.GateSet)
	if !ok {
		return again, false, nexus.Errf("replay decision", nexus.CodeUnfit, fmt.Sprintf("decision %d", index),
			"ask the version that decided it", "gate set %s is not known to this version", body.Decision.GateSet)
	}
	again, same = chain.Replay(body.Decision)
	return again, same, nil
}

func decisionOf(rec ledger.Record) (state.DecisionBody, error) {
	var body state.DecisionBody
	entry, err := rec.Entry(rec.FirstSeq)
	if err != nil {
		return body, err
	}
	if entry.Kind != ledger.KindDecision {
		return body, nexus.Errf("read decision", nexus.CodeCorrupt, fmt.Sprintf("record %d", rec.Index), "run nexus ledger verify",
			"first entry is %s", entry.Kind)
	}
	return body, nexus.Decode(entry.Body, &body)
}

// committedDecision is the Minter's look-up.
func (e *Engine) committedDecision(index uint64) (gates.Decision, bool) {
	rec, err := e.store.Record(index)
	if err != nil {
		return gates.Decision{}, false
	}
	body, err := decisionOf(rec)
	if err != nil || body.Invalid != "" {
		return gates.Decision{}, false
	}
	return body.Decision, true
}

func (e *Engine) wireDecision(b *state.DecisionBody, rec *ledger.Record) wire.Decision {
	d := &b.Decision
	e.rlock()
	row := decisionRow(e.state, b)
	whose(e.state, &row, rec)
	e.mu.RUnlock()
	out := wire.Decision{DecisionRow: row, FactsDigest: d.FactsDigest.String(), GateSet: d.GateSet.String(),
		ActionID: d.Action.String(), Digest: d.Digest.String(), Verdicts: e.WireVerdicts(d)}
	return out
}

// WireVerdicts words the 17 verdicts of a decision.
func (e *Engine) WireVerdicts(d *gates.Decision) []wire.Verdict {
	out := make([]wire.Verdict, 0, len(d.Verdicts))
	for _, v := range d.Verdicts {
		w := wire.Verdict{Gate: int(v.Gate), Name: gates.Names()[v.Gate-1], Verdict: wire.VerdictAllow, ReasonCode: v.ReasonCode,
			Observed: v.Observed, Required: v.Required, Fix: v.Fix}
		if !v.Allow {
			w.Verdict = wire.VerdictDeny
			w.Reason = v.Observed
		}
		out = append(out, w)
	}
	return out
}

func decisionRow(s *state.State, b *state.DecisionBody) wire.DecisionRow {
	d := &b.Decision
	row := wire.DecisionRow{Index: d.Index, Time: ms(d.TimeMs), Verdict: wire.VerdictAllow, Gates: d.Refusing(), Action: d.Kind,
		Actor: d.Actor.String(), Session: wire.SessionOf(d.Action)}
	if id := s.Identities[d.Actor]; id != nil {
		row.ActorName = id.Name
	}
	if u := s.Units[d.Unit]; u != nil {
		row.Unit, row.UnitLabel = u.ID.String(), u.Label
	}
	if v, refused := d.FirstRefusal(); refused {
		row.Verdict, row.Reason, row.Observed, row.Required, row.Fix = wire.VerdictDeny, v.ReasonCode, v.Observed, v.Required, v.Fix
	} else if b.Invalid != "" {
		row.Reason, row.Observed, row.Fix = string(b.Code), b.Invalid, b.Hint
	}
	return row
}

// ProofOf proves a tally: the newest entry of the unit in that currency carries the totals after it, and stands under the
// newest checkpoint.
func (e *Engine) ProofOf(unit nexus.ID, currency string) (wire.Proof, error) {
	var p wire.Proof
	var head ledger.UnitHead
	var found bool
	var seq uint64
	e.View(func(s *state.State) {
		u := s.Units[unit]
		a := s.Accounts[state.AccountKey{Unit: unit, Currency: currency}]
		if u == nil || a == nil {
			return
		}
		found, head, seq = true, s.Chain.Head(unit), a.NewestSeq
		p = wire.Proof{Unit: u.Label, UnitID: u.ID.String(), Currency: currency, Rule: RuleOf(u), CreatorPercent: int64(u.Percent),
			Gross: a.Gross, Creator: a.Creator, Platform: a.Platform, Events: a.Events, Sequence: head.Seq, Head: head.Head.String(),
			Command: fmt.Sprintf("nexus ledger prove %s --currency %s", u.Label, currency)}
	})
	if !found {
		return p, nexus.Errf("prove tally", nexus.CodeNotFound, "unit "+unit.String()+" in "+currency, "list tallies with nexus revenue tally",
			"nothing was posted there")
	}
	entry, err := e.store.Entry(seq)
	if err != nil {
		return p, err
	}
	h := e.NewestHead()
	cp := h.Checkpoint
	leaf := entry.Leaf()
	proof, err := ledger.InclusionProof(e.store, seq, cp.Size)
	if err != nil {
		return p, err
	}
	for _, h := range proof {
		p.Inclusion = append(p.Inclusion, h.String())
	}
	p.Entry, p.Leaf, p.Size, p.Root, p.Checkpoint = seq, leaf.String(), cp.Size, base64Root(cp.Root), h.Note
	p.Cosigners = h.Cosigners
	p.Included = ledger.CheckInclusion(proof, seq, cp.Size, cp.Root, leaf) == nil
	return p, nil
}

func ms(t int64) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(t).UTC()
}

// GateSet is the hash of the newest gates of this binary, those that the ledger is brought to.
func (e *Engine) GateSet() nexus.Hash { return e.sets.Newest().Hash() }

// RootAt computes the tree root at an earlier size from the stored hashes.
func (e *Engine) RootAt(size uint64) (nexus.Hash, error) { return e.rootAt(size) }
