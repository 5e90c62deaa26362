package state

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// The gate set in force is part of the state. A log starts with the founding set; a program that has a later one brings the
// ledger to it by a command, decided by the gates it replaces (docs/decisions/0014-gate-sets.md).

// GateSetSwitch is the body of cluster.gates: from the next command on the gates of To decide.
type GateSetSwitch struct {
	From nexus.Hash // in force when the command was made
	To   nexus.Hash
}

// NewWith gives the empty state before genesis for a program with several gate sets; the founding one is in force.
func NewWith(sets *gates.Sets) *State {
	s := New(sets.Founding())
	s.sets = sets
	return s
}

// RestoreWith is Restore for a program with several gate sets. A snapshot under a set that the program does not know is
// refused with CodeUnfit: another version wrote it.
func RestoreWith(sets *gates.Sets, b []byte) (*State, error) { return restore(sets, b) }

// onlySet is the list of a program with one set.
func onlySet(c *gates.Chain) *gates.Sets {
	sets, err := gates.NewSets(c)
	if err != nil {
		panic(err) // a chain that is nil: a mistake of the program
	}
	return sets
}

// useSet puts a gate set in force.
func (s *State) useSet(h nexus.Hash) error {
	c, ok := s.sets.Find(h)
	if !ok {
		return nexus.Errf("restore state", nexus.CodeUnfit, "gate set "+h.String(), "start the version that wrote this data",
			"not known to this version")
	}
	s.chain, s.GateSet = c, h
	return nil
}

// Gatekeepers is the chain in force.
func (s *State) Gatekeepers() *gates.Chain { return s.chain }

// NextGateSet gives the set that this program would bring the ledger to, false when the newest is in force.
func (s *State) NextGateSet() (nexus.Hash, bool) {
	c, ok := s.sets.Next(s.GateSet)
	if !ok {
		return nexus.Hash{}, false
	}
	return c.Hash(), true
}

// gateSetSwitch halts on a set that this program does not know: deciding on with the old gates would part this replica from
// those that have the new ones, and nothing that decides is ever skipped (DESIGN section 1). Only a command that the gates
// would let pass can halt anybody; the door refuses an unknown set before it becomes a command.
func (st *step) gateSetSwitch() error {
	var b GateSetSwitch
	if !st.body(&b) {
		return nil
	}
	st.byNode()
	id := &st.facts.Identity
	if b.From != st.s.GateSet || b.To == st.s.GateSet {
		st.fail(nexus.CodeConflict, "gate set "+b.To.String(), "name the set in force and another one", "the set in force is %s", st.s.GateSet)
	}
	to, known := st.s.sets.Find(b.To)
	if !known && st.invalid == nil && st.admitted && id.SignatureValid && id.ClusterMatches && id.InTime && id.Known && !id.Revoked && id.MayIssue {
		return fmt.Errorf("command %d: gate set %s is not known to this version; start a version that has it", st.index, b.To)
	}
	st.effect = func() {
		st.s.chain, st.s.GateSet = to, b.To
		st.draft(nexus.ID{}, ledger.KindRules, b)
		st.events = append(st.events, nexus.Event{Type: "gates.switched", Index: st.index, MustDeliver: true, Data: b.To.String()})
	}
	if !known {
		st.effect = nil
	}
	return nil
}
