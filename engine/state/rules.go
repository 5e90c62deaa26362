package state

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// The level of the machine's rules. An old log must replay to the same bytes, so a rule that changes for kinds of action
// that logs already hold changes from a replicated command on, and not before (docs/decisions/0010-rule-levels.md).
const (
	// RulesOwnership: a rotation writes an entry into the chain of every unit that moves; a key that somebody else revoked
	// can still be recovered, its name is never issued again, and its holder can still leave; owners are told of refused
	// attempts on their units and of full inboxes.
	RulesOwnership = 1

	// RulesMoney: an owner is told of every chargeback; XXX, ISO 4217's code for no currency at all, is no currency of an amount.
	RulesMoney = 2

	// RulesNames: a unit is made for somebody who is known here by that identity itself or by the platform's side, which is then said to its
	// owner; names that people take for the platform's own, or for its mail roles, are given to no unit and by no creator to an identity
	// (docs/decisions/0054-whose-name-stands-on-a-unit.md).
	RulesNames = 3

	// RulesStanding: class control, the platform's own signalling, is given by the platform's word only; a removed node speaks for nobody; a hold
	// is not captured after its time; what bounds one owner's payouts, holds and disputes bounds no other owner of the unit; a unit whose
	// resources went takes none; names that the platform gives to nodes and sources are nobody's; owners of a month are told of its statement;
	// and texts that said a thing twice, or a key where a name is known, do not (docs/decisions/0062-level-four.md).
	RulesStanding = 4

	// RulesOwnActs: a notice of what its reader did lies in the inbox as read, so what is unread is what others did
	// (docs/decisions/0067-ones-own-acts-are-no-news.md); a session cap can be proposed (docs/decisions/0073-session-caps.md).
	RulesOwnActs = 5

	// RulesSessionCaps: a class whose number of sessions is smaller shrinks a slice that has no cap of its own; a unit that comes keeps the cap and the
	// latency budget that it left with; a unit's policy can speak of its cap (docs/decisions/0071-caps-that-stay.md).
	RulesSessionCaps = 6

	// RulesBudgets: a latency budget that no minute can be judged by is refused; notices and findings of slices say what changed, from what to what, in
	// milliseconds and Mbit/s (docs/decisions/0081-budgets-that-can-be-judged.md).
	RulesBudgets = 7

	// RulesMax is the level that this version raises a ledger to when it opens it.
	RulesMax = RulesBudgets
)

// RulesRaise is the body of cluster.rules: the level from here on. Levels rise one by one.
type RulesRaise struct{ Level uint32 }

func rulesPart() part {
	return part{name: "rules", save: func(s *State) []byte {
		if s.Rules == 0 {
			return nil
		}
		return nexus.Encode(RulesRaise{s.Rules})
	}, load: func(s *State, b []byte) error {
		var r RulesRaise
		err := nexus.Decode(b, &r)
		if err == nil && r.Level > RulesMax {
			err = fmt.Errorf("rules of level %d, this version knows %d", r.Level, RulesMax)
		}
		s.Rules = r.Level
		return err
	}}
}

func (st *step) rulesRaise() error {
	var b RulesRaise
	if !st.body(&b) {
		return nil
	}
	role := st.facts.Identity.Role
	st.facts.Identity.MayIssue = role == gates.RoleNode || role == gates.RolePlatform || role == gates.RoleOperator
	if b.Level != st.s.Rules+1 || b.Level > RulesMax {
		st.fail(nexus.CodeConflict, fmt.Sprintf("rules of level %d", b.Level), "raise them one by one", "the level is %d of %d", st.s.Rules, RulesMax)
	}
	st.effect = func() {
		st.s.Rules = b.Level
		st.draft(nexus.ID{}, ledger.KindRules, b)
	}
	return nil
}
