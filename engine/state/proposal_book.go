package state

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
)

// The book of proposals in the state: those that wait and the newest closed ones, their section of a snapshot, their words.

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

// wordsOfChange is fmt.Sprintf, cut to what a notice has room for.
func wordsOfChange(format string, args ...any) string {
	words, most := fmt.Sprintf(format, args...), 300
	if personal.Holds(words) {
		most = maxInboxSealedBytes / 2
	}
	return clipTo(words, most)
}

// describeChange words a change for people by its bytes alone, so that whoever is asked to sign can word it as the node does.
func describeChange(p *Proposal) string {
	text := func(v any, format string, args func() []any) string {
		if nexus.Decode(p.Body, v) != nil {
			return p.Kind
		}
		return wordsOfChange(format, args()...)
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
	case KindSliceSessions:
		var b SliceSessions
		return text(&b, "slice.sessions to %d connections at once (0: the class's number)", func() []any { return []any{b.Sessions} })
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
