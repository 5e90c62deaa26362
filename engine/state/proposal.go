package state

import (
	"crypto/sha256"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// A change that needs somebody's word waits as a proposal (SPEC section 1, Approvals and notices): bound to the digest of
// the exact change, to the parties whose signatures it needs and to a time after which silence has refused it. The last
// signature applies it, in the same command, with all gates asked again.

// Bounds of proposals. Lives in milliseconds.
const (
	ProposalLifeMs    = 72 * 60 * 60 * 1000      // when none is asked for
	ProposalLifeMinMs = 60 * 1000                // a minute
	ProposalLifeMaxMs = 30 * 24 * 60 * 60 * 1000 // thirty days

	MaxProposedBytes    = 4096 // body of the proposed change
	maxPendingPerUnit   = 8    // by one proposer for one unit
	maxPendingPerActor  = 256  // by one proposer
	maxClosedProposals  = 1000 // remembered; all stand in the ledger
	proposalDigestWords = "nexus-proposal-v1\n"
)

// What a proposal can be. Stored: never change a word.
const (
	ProposalPending   = "pending"
	ProposalApplied   = "applied"   // every party granted it and the change was made
	ProposalRefused   = "refused"   // a party said no
	ProposalExpired   = "expired"   // silence is refusal
	ProposalStale     = "stale"     // the unit changed meanwhile
	ProposalWithdrawn = "withdrawn" // by the proposer
)

// Roles of a party.
const (
	PartyOwner    = "owner"
	PartyNewOwner = "new-owner"
	PartyPlatform = "platform" // any operator, or the platform's key
	PartyGuardian = "guardian" // whom the unit's own policy names
)

// Party is one signature that a proposal needs.
type Party struct {
	Role      string
	Key       nexus.PublicKey // zero for the platform
	GrantedBy nexus.PublicKey // zero: not yet
	GrantedMs int64
	Index     uint64 // decision of the grant
}

// Proposal is a change that waits for its parties.
type Proposal struct {
	ID           nexus.ID
	Change       nexus.Hash // what the parties sign
	Kind         string     // of the change
	Unit         nexus.ID
	Body         []byte
	Base         nexus.Hash // of what it would change, as it was
	Proposer     nexus.PublicKey
	Parties      []Party
	Reason       string
	OpenedMs     int64
	ExpiresMs    int64
	OpenedIndex  uint64
	Status       string
	DecidedBy    nexus.PublicKey
	DecidedMs    int64
	DecidedIndex uint64
	Why          string
}

// ProposalOpen is the body of proposal.open. The action's unit is the unit of the change.
type ProposalOpen struct {
	Kind   string // of the change: route.set, slice.set, imvu.scale, unit.transfer, ...
	Body   []byte // canonical body of the change
	LifeMs int64  // 0: 72 hours; a minute to thirty days
	Reason string
}

// ProposalOpened is its result.
type ProposalOpened struct {
	ID        nexus.ID
	Change    nexus.Hash
	ExpiresMs int64
}

// ProposalDecide is the body of proposal.grant, .refuse, .withdraw and .expire. Change must be the proposal's.
type ProposalDecide struct {
	Proposal nexus.ID
	Change   nexus.Hash
	Reason   string
}

// ProposalEntry is the body of a proposal's entries, in the chain of its unit.
type ProposalEntry struct {
	Verb     string // "opened", "granted", or what it became
	Proposal nexus.ID
	Change   nexus.Hash
	Kind     string
	Body     []byte // of the change, when opened
	Base     nexus.Hash
	Parties  []Party
	Expires  int64
	By       nexus.PublicKey
	Reason   string
}

// Proposable reports whether a kind of change can be proposed.
func Proposable(kind string) bool {
	_, ok := changes()[kind]
	return ok
}

// Open reports whether the proposal can still be decided at a log time.
func (p *Proposal) Open(nowMs int64) bool { return p.Status == ProposalPending && nowMs < p.ExpiresMs }

// missing counts the signatures that are not there.
func (p *Proposal) missing() int {
	n := 0
	for i := range p.Parties {
		if p.Parties[i].GrantedBy.IsZero() {
			n++
		}
	}
	return n
}

// partyIs reports whether a key may speak for a party.
func (s *State) partyIs(party *Party, key nexus.PublicKey) bool {
	id := s.Identities[key]
	if id == nil || id.Revoked {
		return false
	}
	if party.Role == PartyPlatform {
		return id.Role == gates.RoleOperator || id.Role == gates.RolePlatform
	}
	return party.Key == key
}

// Awaits reports whether a proposal lacks the word of a key.
func (s *State) Awaits(p *Proposal, key nexus.PublicKey) bool {
	for i := range p.Parties {
		if p.Parties[i].GrantedBy.IsZero() && s.partyIs(&p.Parties[i], key) {
			return true
		}
	}
	return false
}

// sign puts a key's name under every party that it speaks for.
func (s *State) sign(p *Proposal, key nexus.PublicKey, nowMs int64, index uint64) {
	for i := range p.Parties {
		if party := &p.Parties[i]; party.GrantedBy.IsZero() && s.partyIs(party, key) {
			party.GrantedBy, party.GrantedMs, party.Index = key, nowMs, index
		}
	}
}

// base is the digest of everything that a change to a unit starts from: its record, its policy and its routes' newest word.
func (s *State) base(u *Unit, kind string, body []byte) nexus.Hash {
	b := nexus.AppendCanonical([]byte("nexus-base-v1\n"), *u)
	var r RouteSet
	if (kind == KindRouteSet || kind == KindRouteDrop) && nexus.Decode(body, &r) == nil {
		b = nexus.AppendCanonical(b, s.Routes[lower(r.Host)])
	}
	if p := s.policies[u.ID]; kind == KindPolicySet && p != nil {
		b = nexus.AppendCanonical(b, p.Version)
	}
	return sha256.Sum256(b)
}

// Digest is what the parties sign: the cluster, the proposal, the change, what it starts from, who must sign and until when. A
// party computes it itself from what it was shown, so that it signs nothing else.
func (p *Proposal) Digest(cluster nexus.ID) nexus.Hash {
	var roles []Party
	for _, party := range p.Parties {
		roles = append(roles, Party{Role: party.Role, Key: party.Key})
	}
	return sha256.Sum256(nexus.AppendCanonical([]byte(proposalDigestWords), struct {
		Cluster  nexus.ID
		Proposal nexus.ID
		Kind     string
		Unit     nexus.ID
		Body     []byte
		Base     nexus.Hash
		Parties  []Party
		Expires  int64
	}{cluster, p.ID, p.Kind, p.Unit, p.Body, p.Base, roles, p.ExpiresMs}))
}

// Current reports whether what the proposal would change is still as it was.
func (s *State) Current(p *Proposal) bool {
	u := s.Units[p.Unit]
	return u != nil && s.base(u, p.Kind, p.Body) == p.Base
}

// partiesOf lists whose signatures a change needs.
func (s *State) partiesOf(u *Unit, kind string, body []byte) []Party {
	out := []Party{{Role: PartyOwner, Key: u.Owner}}
	if owner, about := s.ownerAsked(u, kind, body); about {
		out[0].Key = owner
	}
	var t UnitTransfer
	if kind == KindUnitTransfer && nexus.Decode(body, &t) == nil {
		out = append(out, Party{Role: PartyNewOwner, Key: t.To}, Party{Role: PartyPlatform})
	}
	return out
}

func (st *step) proposalOpen() error {
	var b ProposalOpen
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	st.facts.Identity.MayIssue = st.administers(u) || st.facts.Identity.Role == gates.RolePlatform
	st.text("reason", b.Reason)
	life := orNumber(b.LifeMs, ProposalLifeMs)
	switch {
	case !Proposable(b.Kind):
		st.fail(nexus.CodeMalformed, fmt.Sprintf("change %q", b.Kind), "route.set, slice.set, imvu.scale, unit.transfer and their like", "cannot be proposed")
		return nil
	case len(b.Body) > MaxProposedBytes:
		st.fail(nexus.CodeMalformed, fmt.Sprintf("change of %d bytes", len(b.Body)), "propose smaller changes", "at most %d bytes", MaxProposedBytes)
		return nil
	case life < ProposalLifeMinMs || life > ProposalLifeMaxMs:
		st.fail(nexus.CodeMalformed, fmt.Sprintf("life of %d ms", life), "a minute to thirty days", "out of range")
		return nil
	}
	st.roomForProposal(u)
	digest := st.cmd.Action.Digest()
	parties := append(st.s.partiesOf(u, b.Kind, b.Body), st.s.guardians(u, st.cmd.Action.Actor, st.now, b.Kind, b.Body)...)
	p := &Proposal{ID: nexus.DeriveID("proposal", st.s.Cluster[:], digest[:]), Kind: b.Kind, Unit: u.ID, Body: b.Body,
		Base: st.s.base(u, b.Kind, b.Body), Proposer: st.cmd.Action.Actor, Parties: parties, Reason: b.Reason,
		OpenedMs: st.now, ExpiresMs: st.now + life, OpenedIndex: st.index, Status: ProposalPending}
	p.Change = p.Digest(st.s.Cluster)
	st.s.sign(p, p.Proposer, st.now, st.index)
	st.approvalFacts(p)
	if p.missing() == 0 {
		st.fail(nexus.CodeConflict, "change "+b.Kind, "send the change itself", "nobody else's approval is needed")
	}
	if err := st.rehearse(p, u); err != nil {
		return err
	}
	st.effect = func() { st.openProposal(p, u) }
	return nil
}

// roomForProposal bounds what waits, by proposer, so that nobody can crowd others out.
func (st *step) roomForProposal(u *Unit) {
	mine, here := 0, 0
	for _, p := range st.s.proposalOrder {
		if p.Status != ProposalPending || p.Proposer != st.cmd.Action.Actor {
			continue
		}
		mine++
		if p.Unit == u.ID {
			here++
		}
	}
	if here >= maxPendingPerUnit || mine >= maxPendingPerActor {
		st.fail(nexus.CodeConflict, "proposals of identity "+st.cmd.Action.Actor.Short(), "withdraw one, or wait until one is decided",
			"%d are pending for %s, %d in all; at most %d and %d", here, u.Label, mine, maxPendingPerUnit, maxPendingPerActor)
	}
}

// rehearse asks the gates about the change as if it were granted already: what could never be applied does not bother anybody.
func (st *step) rehearse(p *Proposal, u *Unit) error {
	probe := &step{s: st.s, cmd: st.cmd, admitted: st.admitted, index: st.index, now: st.now, clock: st.clock, look: st.look}
	probe.facts = gates.Facts{Kind: p.Kind, NowMs: st.now, Identity: st.facts.Identity, Platform: st.facts.Platform, Audit: st.facts.Audit}
	granted := *p
	granted.Parties = append([]Party(nil), p.Parties...)
	for i := range granted.Parties {
		granted.Parties[i].GrantedBy = nexus.PublicKey{1}
	}
	probe.unitFacts(u)
	if err := probe.prepareChange(&granted); err != nil {
		return err
	}
	if probe.invalid != nil {
		if st.invalid == nil {
			st.invalid = probe.invalid
		}
		return nil
	}
	d := st.s.chain.Decide(&probe.facts, gates.DecisionInput{Kind: p.Kind, Actor: p.Proposer, Unit: u.ID, Index: st.index, TimeMs: st.now})
	if v, refused := d.FirstRefusal(); refused && d.Verdicts[0].Allow {
		st.fail(nexus.CodeRefused, "change "+p.Kind, v.Fix, "even when granted gate %d %s would refuse it: %s", v.Gate, st.s.chain.Name(int(v.Gate)), v.Observed)
	}
	return nil
}

// prepareChange gathers the facts and the effect of the proposed change, with the parties' approval as a fact of the state.
func (st *step) prepareChange(p *Proposal) error {
	own := st.cmd
	change := *own
	change.Action.Kind, change.Action.Unit, change.Action.Body = p.Kind, p.Unit, p.Body
	st.cmd, st.approval = &change, p
	err := changes()[p.Kind](st)
	st.judgePolicy()
	st.cmd = own
	return err
}

func (st *step) openProposal(p *Proposal, u *Unit) {
	st.s.putProposal(p)
	st.proposalEntry(p, "opened", p.Proposer, p.Reason)
	st.result = nexus.Encode(ProposalOpened{ID: p.ID, Change: p.Change, ExpiresMs: p.ExpiresMs})
	text := fmt.Sprintf("proposal %s awaits your word: %s on %s, by %s; silence refuses it. Decide with nexus approvals grant|refuse %s",
		p.ID, describeChange(p), u.Label, st.s.nameOf(p.Proposer), p.ID)
	told := map[nexus.PublicKey]bool{}
	for _, party := range p.Parties {
		if party.GrantedBy.IsZero() && !party.Key.IsZero() && !told[party.Key] {
			told[party.Key] = true
			st.noticeTo(party.Key, u.ID, "%s", text)
		}
	}
	st.events = append(st.events, nexus.Event{Type: "proposal.opened", Index: st.index, Unit: p.Unit, MustDeliver: true})
}

// named finds the proposal that an action is about and says why it cannot be decided, if it cannot.
func (st *step) named() (*Proposal, *ProposalDecide) {
	var b ProposalDecide
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil, nil
	}
	st.text("reason", b.Reason)
	p := st.s.proposals[b.Proposal]
	switch {
	case p == nil:
		st.fail(nexus.CodeNotFound, "proposal "+b.Proposal.String(), "list them with nexus approvals list", "no such proposal")
		return nil, nil
	case p.Unit != u.ID:
		st.fail(nexus.CodeMalformed, "proposal "+b.Proposal.String(), "name the unit that it is about", "is not about %s", u.Label)
		return nil, nil
	case p.Status != ProposalPending:
		st.fail(nexus.CodeConflict, "proposal "+p.ID.String(), "propose it anew", "was %s at decision %d", p.Status, p.DecidedIndex)
	case b.Change != p.Change:
		st.fail(nexus.CodeConflict, "proposal "+p.ID.String(), "read it again with nexus approvals show", "its digest is %s, the signature is for %s",
			p.Change, b.Change)
	}
	return p, &b
}

// inTime holds a decision to the proposal's time and to the state that it starts from.
func (st *step) inTime(p *Proposal) {
	if st.now >= p.ExpiresMs {
		st.fail(nexus.CodeConflict, "proposal "+p.ID.String(), "propose it anew", "expired %d s ago; silence was refusal", (st.now-p.ExpiresMs)/1000)
	}
	if !st.s.Current(p) {
		st.fail(nexus.CodeConflict, "proposal "+p.ID.String(), "propose it anew on what stands now",
			"%s changed since it was opened, so it is out of date", st.s.Units[p.Unit].Label)
	}
}

func (st *step) approvalFacts(p *Proposal) *gates.ApprovalFacts {
	f := gates.ApprovalFacts{Proposal: p.ID, Change: p.Change, Kind: p.Kind, Parties: uint32(len(p.Parties)),
		Granted: uint32(len(p.Parties) - p.missing())}
	st.facts.Approval = []gates.ApprovalFacts{f}
	return &st.facts.Approval[0]
}

// proposalGrant records a party's signature; the last one applies the change.
func (st *step) proposalGrant() error {
	p, _ := st.named()
	if p == nil {
		return nil
	}
	st.inTime(p)
	signed := *p
	signed.Parties = append([]Party(nil), p.Parties...)
	byParty := st.s.Awaits(p, st.cmd.Action.Actor)
	st.s.sign(&signed, st.cmd.Action.Actor, st.now, st.index)
	f := st.approvalFacts(&signed)
	f.Decides, f.ByParty = true, byParty
	last := signed.missing() == 0
	for i := range signed.Parties {
		if by := signed.Parties[i].GrantedBy; last && !st.s.partyIs(&signed.Parties[i], by) {
			st.fail(nexus.CodeConflict, "proposal "+p.ID.String(), "propose it anew", "the %s's signature is of a key that was revoked since",
				signed.Parties[i].Role)
		}
	}
	if last && st.invalid == nil {
		if err := st.prepareChange(&signed); err != nil {
			return err
		}
	}
	apply := st.effect
	st.effect = func() {
		*p = signed
		if !last {
			st.proposalEntry(p, "granted", st.cmd.Action.Actor, "")
			st.events = append(st.events, nexus.Event{Type: "proposal.granted", Index: st.index, Unit: p.Unit, MustDeliver: true})
			return
		}
		st.closeProposal(p, ProposalApplied, "every party granted it")
		apply()
	}
	return nil
}

// proposalRefuse is any party's no; it is final.
func (st *step) proposalRefuse() error {
	p, b := st.named()
	if p == nil {
		return nil
	}
	if st.now >= p.ExpiresMs {
		st.inTime(p)
	}
	f := st.approvalFacts(p)
	f.Decides = true
	for i := range p.Parties {
		f.ByParty = f.ByParty || st.s.partyIs(&p.Parties[i], st.cmd.Action.Actor)
	}
	st.effect = func() { st.closeProposal(p, ProposalRefused, orDefault(b.Reason, "refused by a party")) }
	return nil
}

func (st *step) proposalWithdraw() error {
	p, b := st.named()
	if p == nil {
		return nil
	}
	st.approvalFacts(p)
	st.facts.Identity.MayIssue = p.Proposer == st.cmd.Action.Actor
	st.effect = func() { st.closeProposal(p, ProposalWithdrawn, orDefault(b.Reason, "withdrawn by the proposer")) }
	return nil
}

// proposalExpire is a node's word that nobody decided in time, or that the unit changed meanwhile. It is refused when not due.
func (st *step) proposalExpire() error {
	p, _ := st.named()
	if p == nil {
		return nil
	}
	st.byNode()
	late, stale := st.now >= p.ExpiresMs, !st.s.Current(p)
	f := st.approvalFacts(p)
	f.Ends, f.Due = true, late || stale
	st.effect = func() {
		if stale {
			st.closeProposal(p, ProposalStale, "the unit changed since it was opened")
		} else {
			st.closeProposal(p, ProposalExpired, "nobody decided in time; silence is refusal")
		}
	}
	return nil
}

// closeProposal ends a proposal and tells the proposer and the owner.
func (st *step) closeProposal(p *Proposal, status, why string) {
	p.Status, p.Why = status, why
	p.DecidedBy, p.DecidedMs, p.DecidedIndex = st.cmd.Action.Actor, st.now, st.index
	st.proposalEntry(p, status, p.DecidedBy, why)
	u := st.s.Units[p.Unit]
	text := fmt.Sprintf("proposal %s (%s on %s) is %s: %s", p.ID, describeChange(p), u.Label, status, why)
	st.noticeTo(u.Owner, u.ID, "%s", text)
	if p.Proposer != u.Owner {
		st.noticeTo(p.Proposer, u.ID, "%s", text)
	}
	st.s.trimProposals()
	st.events = append(st.events, nexus.Event{Type: "proposal." + status, Index: st.index, Unit: p.Unit, MustDeliver: true})
}

func (st *step) proposalEntry(p *Proposal, verb string, by nexus.PublicKey, reason string) {
	e := ProposalEntry{Verb: verb, Proposal: p.ID, Change: p.Change, Kind: p.Kind, Parties: p.Parties, Expires: p.ExpiresMs, By: by, Reason: reason}
	if verb == "opened" {
		e.Body, e.Base = p.Body, p.Base
	}
	st.draft(p.Unit, ledger.KindProposal, e)
}

// ownerApproves reports whether the unit's owner agrees to the change at hand: signed it, or granted the very proposal that
// is being applied. Read from the replicated state, never from the action.
func (st *step) ownerApproves(u *Unit) bool {
	if st.facts.Unit.ActorOwns {
		return true
	}
	if st.approval == nil {
		return false
	}
	for i := range st.approval.Parties {
		if p := &st.approval.Parties[i]; p.Role == PartyOwner && p.Key == u.Owner && !p.GrantedBy.IsZero() {
			return true
		}
	}
	return false
}

// putProposal enters a proposal behind those there are.
func (s *State) putProposal(p *Proposal) {
	if s.proposals == nil {
		s.proposals = map[nexus.ID]*Proposal{}
	}
	s.proposals[p.ID] = p
	s.proposalOrder = append(s.proposalOrder, p)
}

// trimProposals forgets the oldest closed proposals beyond the bound. Those that wait are never forgotten.
func (s *State) trimProposals() {
	closed := 0
	for _, p := range s.proposalOrder {
		if p.Status != ProposalPending {
			closed++
		}
	}
	kept := s.proposalOrder[:0:0]
	for _, p := range s.proposalOrder {
		if p.Status != ProposalPending && closed > maxClosedProposals {
			closed--
			delete(s.proposals, p.ID)
			continue
		}
		kept = append(kept, p)
	}
	s.proposalOrder = kept
}

// Proposals lists all that are remembered, oldest first. The list is the caller's, the proposals are not.
func (s *State) Proposals() []*Proposal { return append([]*Proposal(nil), s.proposalOrder...) }

// FindProposal looks a proposal up by its id or the start of it, at least four digits, when that names one only.
func (s *State) FindProposal(word string) (*Proposal, bool) {
	var found *Proposal
	for _, p := range s.proposalOrder {
		text := p.ID.String()
		if len(word) >= 4 && len(word) <= len(text) && text[:len(word)] == lower(word) {
			if found != nil {
				return nil, false
			}
			found = p
		}
	}
	return found, found != nil
}

// DueProposals lists up to most proposals that a node should end at a log time: late or stale ones.
func (s *State) DueProposals(nowMs int64, most int) []*Proposal {
	var out []*Proposal
	for _, p := range s.proposalOrder {
		if len(out) < most && p.Status == ProposalPending && (nowMs >= p.ExpiresMs || !s.Current(p)) {
			out = append(out, p)
		}
	}
	return out
}

func proposalsPart() part {
	return part{name: "proposals", save: func(s *State) []byte {
		if len(s.proposalOrder) == 0 {
			return nil
		}
		var list struct{ Proposals []Proposal }
		for _, p := range s.proposalOrder {
			list.Proposals = append(list.Proposals, *p)
		}
		return nexus.Encode(list)
	}, load: func(s *State, b []byte) error {
		var list struct{ Proposals []Proposal }
		if err := nexus.Decode(b, &list); err != nil {
			return err
		}
		for i := range list.Proposals {
			s.putProposal(&list.Proposals[i])
		}
		return nil
	}}
}

// describeChange words a change for people.
func describeChange(p *Proposal) string {
	text := func(v any, format string, args func() []any) string {
		if nexus.Decode(p.Body, v) != nil {
			return p.Kind
		}
		return clipTo(fmt.Sprintf(format, args()...), 300)
	}
	switch p.Kind {
	case KindRouteSet:
		var b RouteSet
		return text(&b, "route.set %s to %q", func() []any { return []any{b.Host, b.Backend} })
	case KindRouteDrop:
		var b RouteSet
		return text(&b, "route.drop %s", func() []any { return []any{b.Host} })
	case KindSliceSet:
		var b SliceSet
		return text(&b, "slice.set %s, %d bit/s guaranteed, %d bit/s ceiling", func() []any { return []any{b.Class, b.GuaranteedBps, b.CeilingBps} })
	case KindUnitScale:
		var b UnitScale
		return text(&b, "imvu.scale to %d milli-cores, %d bytes memory, %d bytes storage, %d processes",
			func() []any { return []any{b.CPUMilli, b.MemoryBytes, b.StorageBytes, b.Processes} })
	case KindPolicySet:
		var b PolicySet
		return text(&b, "policy.set in place of version %d: %d rules", func() []any { return []any{b.Base, len(b.Policy.Rules)} })
	case KindTransferMake:
		var b TransferMake
		return text(&b, "transfer.make %s from the owner to the platform: %s",
			func() []any { return []any{nexus.Money{Minor: b.Minor, Currency: b.Currency}, b.Reason} })
	case KindHoldCapture:
		var b HoldEnd
		return text(&b, "hold.capture of hold %s: %s", func() []any { return []any{b.Hold, b.Reason} })
	case KindUnitTransfer:
		var b UnitTransfer
		return text(&b, "unit.transfer to key %s", func() []any { return []any{b.To.Short()} })
	}
	return p.Kind
}

// DescribeChange words a proposal's change for people.
func DescribeChange(p *Proposal) string { return describeChange(p) }
