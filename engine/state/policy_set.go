package state

import (
	"fmt"
	stdslices "slices"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// PolicySet is the body of policy.set, signed by the unit's owner: the whole new policy and the version that it replaces.
type PolicySet struct {
	Base   uint64 // version in force; 0: none
	Policy UnitPolicy
}

// PolicyEntry is the body of a policy's entry in the chain of its unit, so that an export holds every version.
type PolicyEntry struct {
	Unit    nexus.ID
	Version uint64
	By      nexus.PublicKey
	Policy  UnitPolicy
	Looser  bool // it no longer forbids all that the version before did
}

// RuleUses are the times at which something counted for a limit, oldest first, log time.
type RuleUses struct {
	Rule  string
	Times []int64
}

// PolicyState is a unit's policy in force.
type PolicyState struct {
	Unit    nexus.ID
	Version uint64
	SetBy   nexus.PublicKey
	SetMs   int64
	Index   uint64
	Policy  UnitPolicy
	Uses    []RuleUses
}

func (p *PolicyState) uses(rule string) []int64 {
	for i := range p.Uses {
		if p.Uses[i].Rule == rule {
			return p.Uses[i].Times
		}
	}
	return nil
}

func (p *PolicyState) took(rule string, nowMs int64) {
	for i := range p.Uses {
		if u := &p.Uses[i]; u.Rule == rule {
			u.Times = keepUses(append(u.Times[:len(u.Times):len(u.Times)], nowMs))
			return
		}
	}
	p.Uses = append(p.Uses, RuleUses{Rule: rule, Times: []int64{nowMs}})
}

// PolicyOf gives a unit's policy in force, false when it never had one. What it returns is not the caller's to change.
func (s *State) PolicyOf(unit nexus.ID) (*PolicyState, bool) {
	p, ok := s.policies[unit]
	return p, ok
}

// successor follows a rotated key to the one that stands for it now.
func (s *State) successor(key nexus.PublicKey) nexus.PublicKey {
	for range 64 {
		id := s.Identities[key]
		if id == nil || id.Successor.IsZero() {
			return key
		}
		key = id.Successor
	}
	return key
}

// guardianOf gives whose word a unit's policy asks for beside the owner's; zero when nobody's. A guardian binds the owner who
// named it, not the one that the unit came to since, and not once its key is gone without a successor.
func (s *State) guardianOf(u *Unit) nexus.PublicKey {
	p := s.policies[u.ID]
	if p == nil || p.Policy.Guardian.IsZero() || s.successor(p.SetBy) != u.Owner {
		return nexus.PublicKey{}
	}
	key := s.successor(p.Policy.Guardian)
	if id := s.Identities[key]; id == nil || id.Revoked {
		return nexus.PublicKey{}
	}
	return key
}

// judgePolicy holds the change at hand against the unit's own policy. It stands at the end of the facts' gathering, for an
// action and for a proposed change alike; the gates answer for what it finds (gates/rules/policies.go).
func (st *step) judgePolicy() {
	u := st.s.Units[st.facts.Unit.ID]
	if u == nil || st.facts.Read {
		return
	}
	p := st.s.policies[u.ID]
	if st.trial != nil {
		wish := PolicyState{Policy: *st.trial}
		if p != nil {
			wish.Uses = p.Uses
		}
		p = &wish
	}
	if p == nil {
		return
	}
	if _, speaks := policyKinds()[st.cmd.Action.Kind]; !speaks {
		return
	}
	q := st.asks(u)
	names, counts := p.Policy.broken(&q, st.guarded(u), p.uses)
	st.facts.Unit.Tightened = names
	if apply := st.effect; apply != nil && len(counts) > 0 {
		st.effect = func() {
			apply()
			for _, rule := range counts {
				p.took(rule, st.now)
			}
		}
	}
}

// asks describes the change at hand. Of a proposed change the proposer is the one who asks.
func (st *step) asks(u *Unit) asked {
	a := &st.cmd.Action
	q := asked{kind: a.Kind, body: a.Body, actor: a.Actor, role: st.facts.Identity.Role, owner: u.Owner == a.Actor, nowMs: st.now}
	if p := st.approval; p != nil {
		q.actor, q.owner = p.Proposer, u.Owner == p.Proposer
		q.role = gates.RoleNone
		if id := st.s.Identities[p.Proposer]; id != nil {
			q.role = id.Role
		}
	}
	return q
}

// guarded reports whether the guardian's word is with the change: it signed it, or granted the very proposal.
func (st *step) guarded(u *Unit) bool {
	g := st.s.guardianOf(u)
	if g.IsZero() {
		return false
	}
	if st.approval == nil {
		return st.cmd.Action.Actor == g
	}
	return stdslices.ContainsFunc(st.approval.Parties, func(p Party) bool {
		return p.Role == PartyGuardian && p.Key == g && !p.GrantedBy.IsZero()
	})
}

// guardians lists the guardian as a party to a change, when the policy in force asks for it.
func (s *State) guardians(u *Unit, proposer nexus.PublicKey, nowMs int64, kind string, body []byte) []Party {
	g := s.guardianOf(u)
	if g.IsZero() {
		return nil
	}
	p := s.policies[u.ID]
	if kind == KindPolicySet {
		var b PolicySet
		if nexus.Decode(body, &b) == nil && !b.Policy.Tightens(&p.Policy) {
			return []Party{{Role: PartyGuardian, Key: g}}
		}
		return nil
	}
	q := asked{kind: kind, body: body, actor: proposer, owner: u.Owner == proposer, nowMs: nowMs}
	if id := s.Identities[proposer]; id != nil {
		q.role = id.Role
	}
	if p.Policy.asksGuardian(&q) {
		return []Party{{Role: PartyGuardian, Key: g}}
	}
	return nil
}

// policySet puts a new policy in force. Only the owner signs it; what its guardian watches over may be loosened only with the
// guardian's word, by a proposal.
func (st *step) policySet() error {
	var b PolicySet
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	st.facts.Identity.MayIssue = st.ownerApproves(u)
	st.reach(u, "ledger", st.ownerApproves(u))
	var version uint64
	var before UnitPolicy
	if have := st.s.policies[u.ID]; have != nil {
		version, before = have.Version, have.Policy
	}
	if err := b.Policy.validate(st.s.policyKinds()); err != nil {
		st.invalid = orErr(st.invalid, err)
	}
	g := st.s.Identities[b.Policy.Guardian]
	switch {
	case b.Base != version:
		st.fail(nexus.CodeConflict, "policy of "+u.Label, "read it again with nexus policy show", "version %d is in force, not %d", version, b.Base)
	case !b.Policy.Guardian.IsZero() && (g == nil || g.Revoked || b.Policy.Guardian == u.Owner):
		st.fail(nexus.CodeNotFound, "guardian "+st.who(b.Policy.Guardian), "name another identity that stands (nexus identity list)",
			"no identity in good order, or the owner's own")
	}
	looser := !b.Policy.Tightens(&before)
	if guardian := st.s.guardianOf(u); looser && !guardian.IsZero() {
		f := gates.ApprovalFacts{Kind: KindPolicySet, Needed: true, Parties: 2}
		if st.facts.Unit.ActorOwns && st.approval == nil {
			f.Granted = 1
		}
		if p := st.approval; p != nil {
			f.Proposal, f.Change, f.Granted = p.ID, p.Change, uint32(len(p.Parties)-p.missing())
			if !st.guarded(u) { // the guardian changed since the proposal was opened
				f.Granted = 1
			}
		}
		st.facts.Approval = append(st.facts.Approval, f)
	}
	st.effect = func() { st.putPolicy(u, &b, looser) }
	return nil
}

func orErr(have *stepErr, err error) *stepErr {
	if e, ok := err.(*nexus.Error); ok && have == nil {
		return e
	}
	return have
}

func (st *step) putPolicy(u *Unit, b *PolicySet, looser bool) {
	p := &PolicyState{Unit: u.ID, Version: b.Base + 1, SetBy: u.Owner, SetMs: st.now, Index: st.index, Policy: b.Policy}
	if old := st.s.policies[u.ID]; old != nil {
		for _, r := range b.Policy.Rules { // what counted for a limit counts on under its name
			if times := old.uses(r.Name); r.Effect == EffectLimit && len(times) > 0 {
				p.Uses = append(p.Uses, RuleUses{Rule: r.Name, Times: times})
			}
		}
	}
	st.s.putPolicy(p)
	st.draft(u.ID, ledger.KindPolicy, PolicyEntry{Unit: u.ID, Version: p.Version, By: p.SetBy, Policy: p.Policy, Looser: looser})
	st.result = nexus.Encode(PolicyEntry{Unit: u.ID, Version: p.Version, By: p.SetBy, Policy: p.Policy, Looser: looser})
	text := fmt.Sprintf("policy of %s: version %d with %d rules is in force", u.Label, p.Version, len(p.Policy.Rules))
	st.notice(u, "%s", text)
	if g := p.Policy.Guardian; !g.IsZero() {
		st.noticeTo(g, u.ID, "%s; you are its guardian", text)
	}
	st.events = append(st.events, nexus.Event{Type: "policy.set", Index: st.index, Unit: u.ID, MustDeliver: true})
}

func (s *State) putPolicy(p *PolicyState) {
	if s.policies == nil {
		s.policies = map[nexus.ID]*PolicyState{}
	}
	s.policies[p.Unit] = p
}

// policiesPart saves the policies in order of their units' creation.
func policiesPart() part {
	type picture struct{ Policies []PolicyState }
	return part{name: "policies", save: func(s *State) []byte {
		if len(s.policies) == 0 {
			return nil
		}
		var p picture
		for _, u := range s.order {
			if have := s.policies[u.ID]; have != nil {
				p.Policies = append(p.Policies, *have)
			}
		}
		return nexus.Encode(p)
	}, load: func(s *State, b []byte) error {
		var p picture
		if err := nexus.Decode(b, &p); err != nil {
			return err
		}
		for i := range p.Policies {
			s.putPolicy(&p.Policies[i])
		}
		return nil
	}}
}

// LimitUse says how far a limit is used at a moment.
type LimitUse struct {
	Rule        string
	Used, Count int
	PerMs       int64
}

// UsesNow lists the limits of a policy with how far they are used at a log time.
func (p *PolicyState) UsesNow(nowMs int64) []LimitUse {
	var out []LimitUse
	for _, r := range p.Policy.Rules {
		if r.Effect != EffectLimit {
			continue
		}
		use := LimitUse{Rule: r.Name, Count: int(r.Count), PerMs: r.PerMs}
		for _, at := range p.uses(r.Name) {
			if at > nowMs-r.PerMs {
				use.Used++
			}
		}
		out = append(out, use)
	}
	return out
}

// GuardianOf gives whose word a unit's policy asks for now; zero when nobody's.
func (s *State) GuardianOf(u *Unit) nexus.PublicKey { return s.guardianOf(u) }
