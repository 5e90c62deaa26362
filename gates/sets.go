package gates

import (
	"fmt"
	stdslices "slices"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Sets are the gate sets that a program can decide with, oldest first. A log starts with the founding one; a later one takes
// over by a replicated command (DESIGN section 1), so every replica and every replay decides each command with the set that
// was in force at its index. Immutable and safe for concurrent use.
type Sets struct{ list []*Chain }

// NewSets builds the list. It refuses (CodeInternal, because the list is part of the program) an empty one and two sets of
// one hash: a set that changed without a new version of the gate that changed could not be told from the one before.
func NewSets(founding *Chain, later ...*Chain) (*Sets, error) {
	s := &Sets{list: append([]*Chain{founding}, later...)}
	for i, c := range s.list {
		if c == nil {
			return nil, nexus.Errf("build gate sets", nexus.CodeInternal, fmt.Sprintf("set %d", i), "list chains only", "is none")
		}
		if other := stdslices.IndexFunc(s.list, func(x *Chain) bool { return x != nil && x.hash == c.hash }); other != i {
			return nil, nexus.Errf("build gate sets", nexus.CodeInternal, fmt.Sprintf("set %d", i),
				"raise the version of the gate that changed", "has the hash of set %d", other)
		}
	}
	return s, nil
}

// Founding is the set that every log starts with.
func (s *Sets) Founding() *Chain { return s.list[0] }

// Newest is the set that this program brings a ledger to.
func (s *Sets) Newest() *Chain { return s.list[len(s.list)-1] }

// Find gives the set of a hash, false when this program does not know it.
func (s *Sets) Find(h nexus.Hash) (*Chain, bool) {
	for _, c := range s.list {
		if c.hash == h {
			return c, true
		}
	}
	return nil, false
}

// Next gives the set that follows the one of a hash, false when there is none or the hash is not known.
func (s *Sets) Next(h nexus.Hash) (*Chain, bool) {
	for i, c := range s.list[:len(s.list)-1] {
		if c.hash == h {
			return s.list[i+1], true
		}
	}
	return nil, false
}

// All gives the sets in order, as a copy.
func (s *Sets) All() []*Chain { return stdslices.Clone(s.list) }

// Without is a hypothetical set for `gates what-if`: the gates of the given numbers allow everything. It has a hash of its own
// and decides nothing in a log, for no Sets lists it.
func (c *Chain) Without(numbers ...int) (*Chain, error) {
	list := c.Gates()
	for _, n := range numbers {
		if n < 1 || n > Count {
			return nil, nexus.Errf("what-if", nexus.CodeUsage, fmt.Sprintf("gate %d", n), "1 to 17", "no such gate")
		}
		g := &list[n-1]
		g.Rule += " (left out)"
		g.Check = func(*Facts) Verdict { return Verdict{Allow: true, ReasonCode: ReasonNotConcerned} }
	}
	return NewChain(list)
}
