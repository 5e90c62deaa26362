package state

import (
	"crypto/sha256"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
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
	return append(out, s.signalParty(u, kind, body)...)
}
