package state

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// What becomes of units when their owner's key goes. A rotation moves them, with an entry in each unit's chain. A revocation
// by somebody else than the holder stops the key, and nothing more: it can neither take a unit (nobody else becomes owner, the
// name is never issued again) nor hold one back (the recovery key can still lead to a successor, the holder can still leave).

// maxMovesAtOnce bounds the ownership entries of one command; the rest follows by the node's own actions.
const maxMovesAtOnce = 4096

// move is an ownership entry that is still to be written.
type move struct {
	Verb string
	Unit nexus.ID
	From nexus.PublicKey
	To   nexus.PublicKey
}

// revocation says who else than the holder revoked a key.
type revocation struct {
	Key nexus.PublicKey
	By  nexus.PublicKey
}

// keysState is what a state remembers beside the identities themselves.
type keysState struct {
	Moves   []move
	Revoked []revocation
}

// moveUnits gives every unit of a key to its successor. Who owns what changes at once; the entries follow in order.
func (st *step) moveUnits(from, to nexus.PublicKey, verb string) {
	s := st.s
	for _, u := range s.order {
		if u.Owner != from {
			continue
		}
		u.Owner = to
		if s.Rules >= RulesOwnership {
			s.keys.Moves = append(s.keys.Moves, move{Verb: verb, Unit: u.ID, From: from, To: to})
		}
	}
	if s.Rules < RulesOwnership {
		return
	}
	st.settle()
	s.moveInbox(from, to)
}

// settle writes the next ownership entries.
func (st *step) settle() {
	s := st.s
	n := min(len(s.keys.Moves), maxMovesAtOnce)
	for _, m := range s.keys.Moves[:n] {
		s.holdingOf(m.Unit).Since = st.index
		st.draft(m.Unit, ledger.KindOwnership, OwnershipEntry{Verb: m.Verb, Unit: m.Unit, From: m.From, To: m.To})
	}
	s.keys.Moves = append([]move(nil), s.keys.Moves[n:]...)
}

// UnsettledMoves counts the ownership entries that a node has still to write.
func (s *State) UnsettledMoves() int { return len(s.keys.Moves) }

func (st *step) ownershipSettle() error {
	st.byNode()
	if len(st.s.keys.Moves) == 0 {
		st.fail(nexus.CodeConflict, "ownership entries", "", "none is missing")
	}
	st.effect = st.settle
	return nil
}

// revokedByOther reports whether a key was revoked by somebody else than its holder.
func (s *State) revokedByOther(key nexus.PublicKey) bool {
	for i := range s.keys.Revoked {
		if s.keys.Revoked[i].Key == key {
			return true
		}
	}
	return false
}

// noteRevocation remembers who revoked a key; the holder's own word replaces another's.
func (st *step) noteRevocation(id *Identity) {
	s, by := st.s, st.cmd.Action.Actor
	if s.Rules < RulesOwnership {
		return
	}
	kept := s.keys.Revoked[:0:0]
	for _, r := range s.keys.Revoked {
		if r.Key != id.Key {
			kept = append(kept, r)
		}
	}
	if by != id.Key {
		kept = append(kept, revocation{Key: id.Key, By: by})
		text := fmt.Sprintf("%s revoked the key of %s. Your units stay yours: your recovery key can lead to a successor "+
			"(nexus identity recover), and you can still leave with them", s.nameOf(by), id.Name)
		st.noticeTo(id.Key, nexus.ID{}, "%s", text)
	}
	s.keys.Revoked = kept
}

// standsFor reports whether a key that somebody else revoked may sign the action all the same: leaving with its own units,
// saying no to a recovery of itself, making the revocation its own, and having the own words erased.
func (st *step) standsFor() bool {
	a := &st.cmd.Action
	if st.s.Rules < RulesOwnership || !st.s.revokedByOther(a.Actor) {
		return false
	}
	switch a.Kind {
	case KindIdentityCancel, KindIdentityRevoke:
		var b IdentityChange
		return nexus.Decode(a.Body, &b) == nil && b.Old == a.Actor
	case KindNoticeMark:
		return true
	case KindIdentityErase: // whoever could take a key out of use could otherwise refuse its holder
		var b IdentityErase
		return nexus.Decode(a.Body, &b) == nil && b.Subject == a.Actor
	}
	return st.facts.Exit.IsExit && st.facts.Exit.ByOwner && !st.facts.Exit.Refusing
}

// nameGone reports whether a name belonged to a key that was revoked without a successor: whoever took it would be taken for
// its owner.
func (s *State) nameGone(name string) bool {
	return s.Rules >= RulesOwnership && s.gone[name] > 0
}

// keysPart saves what is remembered of keys.
func keysPart() part {
	return part{name: "keys", save: func(s *State) []byte {
		if len(s.keys.Moves) == 0 && len(s.keys.Revoked) == 0 {
			return nil
		}
		return nexus.Encode(s.keys)
	}, load: func(s *State, b []byte) error { return nexus.Decode(b, &s.keys) }}
}

// readsRevoked reports whether a read by a key that somebody else revoked is one that leaving needs: what is public, and its
// holder's own.
func (s *State) readsRevoked(key nexus.PublicKey, f *gates.Facts, public bool) bool {
	return s.Rules >= RulesOwnership && s.revokedByOther(key) && (public || f.Unit.ActorOwns)
}
