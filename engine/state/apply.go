package state

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// maxSkewMs is how far an action's own time may lie ahead of the log's, in milliseconds.
const maxSkewMs = 60_000

// maxTimeMs is the last moment of the year 9999, Unix milliseconds.
const maxTimeMs = 253_402_300_799_999

// RecoveryWaitMs is the public wait before a recovery key's rotation may be completed: 72 h (SPEC section 3).
const RecoveryWaitMs = 72 * 60 * 60 * 1000

// Lookup reads a replicated key as of the last committed command, pending puts of the running batch included. It
// returns nil when the key is absent. Any other failure halts the machine.
type Lookup func(key []byte) ([]byte, error)

// DecisionBody is the body of a decision entry: the 17 verdicts and, when the gates allowed but the state could not take
// the effect (a name taken meanwhile), why.
type DecisionBody struct {
	Decision gates.Decision
	Invalid  string     // reason; the action had no effect
	Code     nexus.Code // of Invalid
	Hint     string
}

// Outcome is everything one command leads to.
type Outcome struct {
	Repeated bool // nothing to store: the action had been applied before
	Record   ledger.Record
	Leaves   []nexus.Hash // of Grown
	Grown    merkle.Grown
	Puts     []ledger.KV
	Decision gates.Decision
	Receipt  nexus.Receipt
	Err      error // for the caller: invalid or conflicting; the record still stands
	Events   []nexus.Event
}

// stepErr is how an effect says that the state cannot take the action.
type stepErr = nexus.Error

// step is one command on its way through the machine.
type step struct {
	s   *State
	cmd *Command

	known   *seenCommand // what the door has worked out of these bytes; nil: nothing
	scratch *scratch

	signed   bool // the action is its actor's
	admitted bool // the evidence is an admitted node's, over this action

	index  uint64
	now    int64 // log time: only ever rises
	clock  int64 // the admitting node's clock, by which expiry is judged: a clock that once ran ahead holds up nothing later
	facts  gates.Facts
	look   Lookup
	drafts []ledger.Draft // beside the decision
	puts   []ledger.KV
	events []nexus.Event
	result []byte
	trial  *UnitPolicy // judged by in place of the unit's own: a dry run
	// approval is the proposal whose last signature this command bears: the change at hand is the one it holds.
	approval *Proposal
	// effect applies the change and adds drafts; set by prepare, run only when all gates allow. It cannot fail: whatever
	// can go wrong is found by prepare and stands in invalid.
	effect  func()
	invalid *stepErr
}

// newStep checks the evidence and takes the log time: the admitting node's clock, and always later than the command before.
// A clock that no admitted node signed for, or beyond the year 9999, moves nothing but that least step; otherwise one
// forged command would end the time for all that follow.
func (s *State) newStep(cmd *Command, index uint64, digest nexus.Hash, look Lookup, seen *seenCommand) *step {
	e := &cmd.Evidence
	node, known := s.Nodes[e.Node]
	st := &step{s: s, cmd: cmd, index: index, look: look, known: seen, now: s.TimeMs + 1, signed: seen != nil || cmd.Action.Verify()}
	st.admitted = known && node.Admitted && e.Digest == digest && (seen != nil || e.verify())
	if (st.admitted || s.Cluster.IsZero()) && e.NowMs <= maxTimeMs {
		st.now, st.clock = max(st.now, e.NowMs), e.NowMs
	}
	if st.clock == 0 {
		st.clock = st.now
	}
	return st
}

// Apply applies one committed command. An error is a broken invariant or an unreadable store: the machine must stop.
func (s *State) Apply(index, term uint64, data []byte, look Lookup) (*Outcome, error) {
	cmd, digest, seen, err := s.read(data)
	if err != nil {
		return nil, fmt.Errorf("command %d: %w", index, err)
	}
	if index <= s.Index {
		return nil, fmt.Errorf("command %d after %d: the log runs backwards", index, s.Index)
	}
	if out, err := s.repeated(index, &cmd.Action, digest, look); out != nil || err != nil {
		return out, err
	}
	st := s.newStep(cmd, index, digest, look, seen)
	st.scratch = &s.scratch
	known, err := st.prepare()
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, fmt.Errorf("command %d: action kind %q is not known to this version; start the version that wrote it",
			index, cmd.Action.Kind)
	}
	out := st.decide(term, data, digest)
	if seen != nil {
		seen.done()
	}
	return out, nil
}

// read decodes a command and computes its action's digest, unless the door has done both.
func (s *State) read(data []byte) (*Command, nexus.Hash, *seenCommand, error) {
	if seen := s.seen.find(data); seen != nil {
		return &seen.cmd, seen.digest, seen, nil
	}
	var cmd Command
	if err := nexus.Decode(data, &cmd); err != nil {
		return nil, nexus.Hash{}, nil, err
	}
	return &cmd, cmd.Action.Digest(), nil, nil
}

// scratch is memory that a command needs while it is applied and that the next one writes over: a batch of a thousand events takes some
// 500 KB of it. Whatever an Outcome or the state keeps lies elsewhere.
type scratch struct {
	postings []posting
	drafts   []ledger.Draft // beside the decision
	all      []ledger.Draft // with it
	bodies   []byte         // of the drafts
	lines    []ledger.Posting
}

// repeated answers an action whose id the actor has used before (DESIGN.md section 1, Refusals): the same digest gets the
// stored decision's index again, another digest is a conflict. Neither changes the state.
func (s *State) repeated(index uint64, a *nexus.Action, digest nexus.Hash, look Lookup) (*Outcome, error) {
	v, err := look(ActionKey(a.Actor, a.ID))
	if err != nil || v == nil {
		return nil, err
	}
	var ref ActionRef
	if err := nexus.Decode(v, &ref); err != nil {
		return nil, err
	}
	if ref.Index >= index { // replay of a command whose own key is already stored
		return nil, nil
	}
	out := &Outcome{Repeated: true, Receipt: ref.Receipt(a.ID)}
	if ref.Digest != digest {
		out.Err = nexus.Errf(a.Kind, nexus.CodeConflict, "action id "+a.ID.String(), "use a new id for a new action",
			"this id was used at index %d for other content", ref.Index)
	}
	s.Index = index
	return out, nil
}

// ActionRef is stored under ActionKey: where an action's decision stands and what it answered.
type ActionRef struct {
	Digest     nexus.Hash
	Index      uint64
	Allowed    bool
	FirstEntry uint64
	Entries    uint64
	Gates      []uint8
	Reason     string
	Fix        string
	Result     []byte
	Leaf       nexus.Hash
	Invalid    string
	Code       nexus.Code
	Hint       string
}

// Receipt gives the answer again, marked as repeated.
func (r ActionRef) Receipt(id nexus.ID) nexus.Receipt {
	out := nexus.Receipt{Action: id, Digest: r.Digest, Index: r.Index, Allowed: r.Allowed, Repeated: true, Reason: r.Reason,
		Fix: r.Fix, FirstEntry: r.FirstEntry, Entries: r.Entries, Result: r.Result, Leaf: r.Leaf}
	for _, g := range r.Gates {
		out.Gates = append(out.Gates, int(g))
	}
	return out
}

// Err gives the error that the first application answered with.
func (r ActionRef) Err(kind string) error {
	if r.Invalid == "" {
		return nil
	}
	return nexus.Errf(kind, r.Code, "action at index "+fmt.Sprint(r.Index), r.Hint, "%s", r.Invalid)
}

// ActionKey is the store key of an action's reference.
func ActionKey(actor nexus.PublicKey, id nexus.ID) []byte {
	k := append([]byte("x/a/"), actor[:]...)
	return append(k, id[:]...)
}

// prepare verifies signatures, gathers the facts and finds the effect; false when the kind is unknown.
func (st *step) prepare() (bool, error) {
	a, s := &st.cmd.Action, st.s
	st.facts = gates.Facts{Kind: a.Kind, NowMs: st.now}
	if a.Kind == KindGenesis {
		return true, st.genesis()
	}
	st.facts.Identity = s.identityFacts(a, st.clock, st.signed)
	role := st.facts.Identity.Role
	acts := role == gates.RoleOperator || role == gates.RoleNode || role == gates.RolePlatform
	st.facts.Platform = gates.PlatformFacts{Acts: acts || !st.admitted, Signed: st.facts.Identity.SignatureValid && st.admitted, Logged: true}
	st.facts.Audit = gates.AuditFacts{Privileged: true, EntryPlanned: true, LogWritable: true}
	if !a.Unit.IsZero() {
		st.unitFacts(s.Units[a.Unit])
	}
	prepare, ok := preparers[a.Kind]
	if !ok {
		return false, nil
	}
	err := prepare(st)
	st.judgePolicy()
	if st.facts.Identity.Revoked && st.standsFor() {
		st.facts.Identity.Revoked = false
	}
	return true, err
}

// preparers gather the facts and the effect of each kind. Same order as Kinds.
var preparers = map[string]func(*step) error{
	KindNodeAdmit:        (*step).nodeAdmit,
	KindNodeRemove:       (*step).nodeAdmit,
	KindClusterRekey:     (*step).clusterRekey,
	KindIdentityIssue:    (*step).identityIssue,
	KindIdentityRevoke:   (*step).identityRevoke,
	KindIdentityRotate:   (*step).identityRotate,
	KindIdentityRecover:  (*step).identityRecover,
	KindIdentityComplete: (*step).identityComplete,
	KindIdentityCancel:   (*step).identityCancel,
	KindIMVUCreate:       (*step).unitCreate,
	KindPlatformCreate:   (*step).unitCreate,
	KindChannelCreate:    (*step).unitCreate,
	KindProbeCreate:      (*step).unitCreate,
	KindProbeRetire:      (*step).probeRetire,
	KindUnitScale:        (*step).unitScale,
	KindUnitSuspend:      (*step).unitSuspend,
	KindUnitResume:       (*step).unitSuspend,
	KindSliceSet:         (*step).sliceSet,
	KindRouteSet:         (*step).routeSet,
	KindRouteDrop:        (*step).routeSet,
	KindDomainClaim:      (*step).domainClaim,
	KindSourceRegister:   (*step).sourceRegister,
	KindSourceClose:      (*step).sourceRegister,
	KindRevenuePost:      (*step).revenuePost,
	KindPendingOpen:      (*step).pendingOpen,
	KindPendingPost:      (*step).pendingPost,
	KindPendingVoid:      (*step).pendingVoid,
	KindPendingExpire:    (*step).pendingExpire,
	KindTransferMake:     (*step).transferMake,
	KindHoldPlace:        (*step).holdPlace,
	KindHoldRelease:      (*step).holdRelease,
	KindHoldCapture:      (*step).holdCapture,
	KindHoldExpire:       (*step).holdExpire,
	KindPayoutSet:        (*step).payoutSet,
	KindPayoutOpen:       (*step).payoutOpen,
	KindPayoutPost:       (*step).payoutPost,
	KindPayoutVoid:       (*step).payoutVoid,
	KindStatementIssue:   (*step).statementIssue,
	KindDisputeOpen:      (*step).disputeOpen,
	KindDisputeAnswer:    (*step).disputeAnswer,
	KindDisputeWithdraw:  (*step).disputeWithdraw,
	KindReportPost:       (*step).reportPost,
	KindAuditFinding:     (*step).auditFinding,
	KindRefusalRollup:    (*step).refusalRollup,
	KindNodeStop:         (*step).nodeStop,
	KindLedgerEdit:       (*step).ledgerEdit,
	KindClusterRules:     (*step).rulesRaise,
	KindProposalOpen:     (*step).proposalOpen,
	KindProposalGrant:    (*step).proposalGrant,
	KindProposalRefuse:   (*step).proposalRefuse,
	KindProposalWithdraw: (*step).proposalWithdraw,
	KindProposalExpire:   (*step).proposalExpire,
	KindUnitTransfer:     (*step).unitTransfer,
	KindOwnershipSettle:  (*step).ownershipSettle,
	KindNoticeMark:       (*step).noticeMark,
	KindGateSetSwitch:    (*step).gateSetSwitch,
	KindRefusalFlood:     (*step).refusalFlood,
	KindPolicySet:        (*step).policySet,
	KindConsentGive:      (*step).consentRecord,
	KindConsentWithdraw:  (*step).consentRecord,
	KindConsentUse:       (*step).consentUse,
	KindSliceMinutes:     (*step).sliceMinutes,
	KindSliceBreach:      (*step).sliceBreach,
	KindSliceShort:       (*step).sliceShort,
	KindPhaseRerun:       (*step).phaseRerun,
	KindSessionRecord:    (*step).sessionRecord,
	KindIdentityBind:     (*step).bindingTake,
	KindIdentityAttest:   (*step).bindingTake,
	KindIdentityUnbind:   (*step).bindingEnd,
	KindIdentityErase:    (*step).identityErase,
	KindIdentityErased:   (*step).identityErased,
	KindExitBegin:        (*step).exitBegin,
	KindExitCancel:       (*step).exitCancel,
	KindExitComplete:     (*step).exitComplete,
	KindExitSettle:       (*step).exitSettle,
	KindUnitImport:       (*step).unitImport,
	KindExitFail:         (*step).exitFail,
	KindPublicationIssue: (*step).publicationIssue,
	KindPricesPublish:    (*step).pricesPublish,
	KindPricesTell:       (*step).pricesTell,
	KindUsagePost:        (*step).usagePost,
	KindSliceSessions:    (*step).sliceSessions,
}

// changes are the kinds of preparers that a proposal may hold. Apart, because granting one prepares another.
func changes() map[string]func(*step) error {
	return map[string]func(*step) error{
		KindRouteSet:      (*step).routeSet,
		KindRouteDrop:     (*step).routeSet,
		KindTransferMake:  (*step).transferMake,
		KindHoldCapture:   (*step).holdCapture,
		KindSliceSet:      (*step).sliceSet,
		KindSliceSessions: (*step).sliceSessions,
		KindUnitScale:     (*step).unitScale,
		KindUnitSuspend:   (*step).unitSuspend,
		KindUnitResume:    (*step).unitSuspend,
		KindDomainClaim:   (*step).domainClaim,
		KindUnitTransfer:  (*step).unitTransfer,
		KindPolicySet:     (*step).policySet,
	}
}

// Known reports whether an action kind is known to this version.
func Known(kind string) bool {
	_, ok := preparers[kind]
	return ok || kind == KindGenesis
}

// Try gives the decision that a command would get now. Nothing changes: the effect is prepared and thrown away. The error
// says what the state itself could not take though all gates allow.
func (s *State) Try(cmd *Command, look Lookup) (gates.Decision, error) {
	return s.TryUnder(cmd, look, nil)
}

// TryUnder is Try as if a policy were in force in place of the unit's own; nil: the unit's own.
func (s *State) TryUnder(cmd *Command, look Lookup, p *UnitPolicy) (gates.Decision, error) {
	digest := cmd.Action.Digest()
	st := s.newStep(cmd, s.Index+1, digest, look, nil)
	st.trial, st.scratch = p, new(scratch) // others may try at the same time
	known, err := st.prepare()
	if err == nil && !known {
		err = nexus.Errf("try", nexus.CodeMalformed, fmt.Sprintf("kind %q", cmd.Action.Kind), "see docs/reference/actions.md", "not known")
	}
	if err != nil {
		return gates.Decision{}, err
	}
	a := &cmd.Action
	d := s.chain.Decide(&st.facts, gates.DecisionInput{Action: a.ID, Digest: digest, Kind: a.Kind, Actor: a.Actor,
		Unit: st.facts.Unit.ID, Index: st.index, TimeMs: st.now})
	if d.Allow && st.invalid != nil {
		return d, st.invalid
	}
	return d, nil
}

// decide runs the gates, the effect if they allow, and builds the record. Everything it changes in memory belongs to the
// one transaction that the engine commits next; a crash before that leaves the command in the raft log, from which a
// restart applies it again.
func (st *step) decide(term uint64, data []byte, digest nexus.Hash) *Outcome {
	s, a := st.s, &st.cmd.Action
	d := s.chain.Decide(&st.facts, gates.DecisionInput{Action: a.ID, Digest: digest, Kind: a.Kind, Actor: a.Actor,
		Unit: st.facts.Unit.ID, Index: st.index, TimeMs: st.now})
	body := DecisionBody{Decision: d}
	effective := d.Allow && st.invalid == nil
	if d.Allow && st.invalid != nil {
		body.Invalid, body.Code, body.Hint = clip(st.invalid.Error()), st.invalid.Code, clip(st.invalid.Hint)
	}
	s.Index, s.TimeMs = st.index, st.now
	if effective && st.effect != nil {
		st.effect()
	} else {
		st.drafts, st.puts, st.events = nil, nil, nil
		if !d.Allow && s.Rules >= RulesOwnership {
			st.tellOfAttempt(&d)
		}
	}
	s.count(&d)
	// The decision stands in the chain of the unit it is about, when that unit exists now.
	chainUnit := st.facts.Unit.ID
	if _, ok := s.Units[chainUnit]; !ok {
		chainUnit = nexus.ID{}
	}
	drafts := append(st.scratch.all[:0], ledger.Draft{Unit: chainUnit, Kind: ledger.KindDecision, Body: nexus.Encode(body)})
	drafts = append(drafts, st.drafts...)
	st.scratch.all = drafts
	first := s.Chain.Size()
	entries, grown := s.Chain.Grow(st.index, st.now, st.cmd.Evidence.Salt, drafts)
	out := &Outcome{Leaves: grown.Leaves(), Grown: grown, Decision: d, Events: st.events, Record: ledger.Record{Index: st.index, Term: term,
		TimeMs: st.now, Salt: st.cmd.Evidence.Salt, Command: data, FirstSeq: first, Entries: entries, Root: s.Chain.Root()}}
	st.finish(out, &body, effective)
	return out
}

// finish makes the receipt, the look-up entry for retries and the events.
func (st *step) finish(out *Outcome, body *DecisionBody, effective bool) {
	a, d := &st.cmd.Action, &body.Decision
	ref := ActionRef{Digest: d.Digest, Index: st.index, Allowed: d.Allow, FirstEntry: out.Record.FirstSeq,
		Entries: uint64(len(out.Record.Entries)), Leaf: out.Leaves[0]}
	if v, refused := d.FirstRefusal(); refused {
		ref.Reason = clip(fmt.Sprintf("gate %d %s: %s; required: %s", v.Gate, st.s.chain.Name(int(v.Gate)), v.Observed, v.Required))
		ref.Fix = clip(v.Fix)
		for _, g := range d.Refusing() {
			ref.Gates = append(ref.Gates, uint8(g))
		}
	} else if effective {
		ref.Result = st.result
	} else {
		ref.Invalid, ref.Code, ref.Hint = body.Invalid, body.Code, body.Hint
		out.Err = st.invalid
	}
	out.Puts = append(st.puts, ledger.KV{Key: ActionKey(a.Actor, a.ID), Value: nexus.Encode(ref)})
	out.Receipt = ref.Receipt(a.ID)
	out.Receipt.Repeated = false
	kind := "gate.allowed"
	if !d.Allow {
		kind = "gate.denied"
	}
	out.Events = append(out.Events, nexus.Event{Type: kind, Index: st.index, Unit: d.Unit, MustDeliver: !d.Allow})
}

func (s *State) count(d *gates.Decision) {
	s.Counters.Decisions++
	if !d.Allow {
		s.Counters.Refused++
	}
	for i, v := range d.Verdicts {
		g := &s.Gates[i]
		if v.Allow {
			g.Allowed++
			continue
		}
		g.Denied++
		g.LastDeniedMs, g.LastReason = d.TimeMs, clip(v.Observed)
	}
}

// draft adds an entry to the unit's chain.
func (st *step) draft(unit nexus.ID, kind ledger.EntryKind, body any, postings ...ledger.Posting) {
	st.drafts = append(st.drafts, ledger.Draft{Unit: unit, Kind: kind, Body: nexus.Encode(body), Postings: postings})
}

// fail records why the state cannot take the action; the first reason stands.
func (st *step) fail(code nexus.Code, subject, hint, format string, args ...any) {
	if st.invalid == nil {
		st.invalid = nexus.Errf(st.cmd.Action.Kind, code, subject, hint, format, args...)
	}
}

// body decodes the action's body; a malformed one is refused, not applied.
func (st *step) body(v any) bool {
	if err := nexus.Decode(st.cmd.Action.Body, v); err != nil {
		st.fail(nexus.CodeMalformed, "body", "build the action with the nexus command or the API", "%v", err)
		return false
	}
	return true
}
