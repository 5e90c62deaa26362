package state

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// Opening a proposal: what may wait, and a rehearsal of the change before all gates, so that nobody is asked to sign what is refused.

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
	case !Proposable(b.Kind) || b.Kind == KindSliceSessions && st.s.Rules < RulesOwnActs: // versions that knew no level 5 did not know it
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
		st.fail(nexus.CodeConflict, "proposals of identity "+st.who(st.cmd.Action.Actor), "withdraw one, or wait until one is decided",
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
		p.ID, st.s.changeWords(p), u.Label, st.s.nameOf(p.Proposer), p.ID)
	told := map[nexus.PublicKey]bool{}
	for _, party := range p.Parties {
		if party.GrantedBy.IsZero() && !party.Key.IsZero() && !told[party.Key] {
			told[party.Key] = true
			st.noticeTo(party.Key, u.ID, "%s", text)
		}
	}
	st.events = append(st.events, nexus.Event{Type: "proposal.opened", Index: st.index, Unit: p.Unit, MustDeliver: true})
}
