package state

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Deciding on a proposal: its parties grant, refuse or withdraw it, silence ends it, and the last signature applies it.

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
	text := fmt.Sprintf("proposal %s (%s on %s) is %s: %s", p.ID, st.s.changeWords(p), u.Label, status, why)
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
