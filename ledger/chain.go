package ledger

import (
	"bytes"
	"fmt"
	stdslices "slices"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// UnitHead is where a unit's chain stands: its last sequence number and the commitment of that entry.
type UnitHead struct {
	Unit nexus.ID
	Seq  uint64
	Head nexus.Hash
}

// ChainState is a Chain as canonical data, for snapshots. Units are sorted by id, without repeats.
type ChainState struct {
	Size       uint64
	Range      []nexus.Hash // subtree roots, largest first
	LastIndex  uint64
	LastTimeMs int64
	Units      []UnitHead
}

// Chain is the deterministic state of the log that the state machine owns: size, compact Merkle range, unit heads. It
// does no I/O and reads no clock. It is not safe for concurrent use.
type Chain struct {
	tree       merkle.Range
	units      map[nexus.ID]*unitPoint // pointers: a head moves with every entry, and the map need not be written again
	lastIndex  uint64
	lastTimeMs int64
	hash       hasher

	sorted *merkle.Sorted[*UnitCommitment] // brought up to date by Units
	dirty  []nexus.ID                      // units with entries since then
}

type unitPoint struct {
	seq      uint64
	head     nexus.Hash
	balances []Balance
	dirty    bool
}

// NewChain is the chain before genesis.
func NewChain() *Chain {
	return &Chain{units: make(map[nexus.ID]*unitPoint), hash: newHasher(), sorted: &merkle.Sorted[*UnitCommitment]{}}
}

// RestoreChain rebuilds a chain from a snapshot, without balances: see RestoreBalances. Error: nexus.CodeMalformed.
func RestoreChain(s ChainState) (*Chain, error) {
	tree, err := merkle.NewRange(s.Size, s.Range)
	if err != nil {
		return nil, err
	}
	c := NewChain()
	c.tree, c.lastIndex, c.lastTimeMs = tree, s.LastIndex, s.LastTimeMs
	var total uint64
	for i, u := range s.Units {
		if u.Seq == 0 || i > 0 && bytes.Compare(s.Units[i-1].Unit[:], u.Unit[:]) >= 0 {
			return nil, nexus.Errf("restore chain", nexus.CodeMalformed, "unit "+u.Unit.String(),
				"restore from a snapshot that verifies", "heads not sorted or without entries")
		}
		total += u.Seq
		p := &unitPoint{seq: u.Seq, head: u.Head}
		c.units[u.Unit] = p
		c.touch(u.Unit, p)
	}
	if total != s.Size {
		return nil, nexus.Errf("restore chain", nexus.CodeMalformed, fmt.Sprintf("size %d", s.Size),
			"restore from a snapshot that verifies", "the units' entries add up to %d", total)
	}
	return c, nil
}

// Snapshot gives the chain as canonical data.
func (c *Chain) Snapshot() ChainState {
	s := ChainState{Size: c.tree.Size(), Range: c.tree.Hashes(), LastIndex: c.lastIndex, LastTimeMs: c.lastTimeMs,
		Units: make([]UnitHead, 0, len(c.units))}
	for id, p := range c.units {
		s.Units = append(s.Units, UnitHead{Unit: id, Seq: p.seq, Head: p.head})
	}
	stdslices.SortFunc(s.Units, func(a, b UnitHead) int { return bytes.Compare(a.Unit[:], b.Unit[:]) })
	return s
}

// Size is the number of entries so far: the next entry's Seq.
func (c *Chain) Size() uint64 { return c.tree.Size() }

// Root is the RFC 6962 root over all entries so far.
func (c *Chain) Root() nexus.Hash { return c.tree.Root() }

// LastTimeMs is the log time of the last command, 0 before the first. The next must be later.
func (c *Chain) LastTimeMs() int64 { return c.lastTimeMs }

// LastIndex is the index of the last command that made entries, 0 before the first.
func (c *Chain) LastIndex() uint64 { return c.lastIndex }

// Head gives where a unit's chain stands; Seq 0 and a zero Head before its first entry.
func (c *Chain) Head(unit nexus.ID) UnitHead {
	h := UnitHead{Unit: unit}
	if p := c.units[unit]; p != nil {
		h.Seq, h.Head = p.seq, p.head
	}
	return h
}

// Append is Grow for whoever needs the leaf hashes alone.
func (c *Chain) Append(index uint64, timeMs int64, salt [16]byte, drafts []Draft) ([][]byte, []nexus.Hash) {
	entries, grown := c.Grow(index, timeMs, salt, drafts)
	return entries, grown.Leaves()
}

// Grow gives the drafts of one command their places and returns their canonical bytes and what the tree grew by, in order. Entries share
// allocations, which nobody may write to; the drafts' bodies and postings are the caller's again.
//
// Index and timeMs must be above those of the last command and the drafts must pass CheckDrafts; anything else is a
// broken invariant of the state machine and panics before anything has changed, because going on would put a wrong
// entry into the log for ever.
func (c *Chain) Grow(index uint64, timeMs int64, salt [16]byte, drafts []Draft) ([][]byte, merkle.Grown) {
	if len(drafts) == 0 {
		return nil, merkle.Grown{}
	}
	if index <= c.lastIndex || timeMs <= c.lastTimeMs {
		panic(fmt.Sprintf("ledger: command %d at %d ms after command %d at %d ms", index, timeMs, c.lastIndex, c.lastTimeMs))
	}
	if err := CheckDrafts(drafts); err != nil {
		panic("ledger: " + err.Error())
	}
	var arena []byte
	entries := make([][]byte, len(drafts))
	grown := c.tree.Begin(len(drafts))
	for i := range drafts {
		d := &drafts[i]
		p := c.units[d.Unit]
		if p == nil {
			p = &unitPoint{}
			c.units[d.Unit] = p
		}
		if cap(arena)-len(arena) < d.sizeMax() {
			arena = newArena(drafts[i:])
		}
		start := len(arena)
		arena = Entry{Seq: c.tree.Size(), Index: index, TimeMs: timeMs, Unit: d.Unit, UnitSeq: p.seq + 1, UnitPrev: p.head,
			Kind: d.Kind, Body: d.Body, Postings: d.Postings}.AppendTo(arena)
		entries[i] = arena[start:len(arena):len(arena)]
		p.seq++
		p.head = c.hash.commitment(c.hash.entrySalt(salt, uint32(i)), entries[i])
		p.add(d.Postings)
		c.touch(d.Unit, p)
		c.tree.Grow(&grown, c.hash.Leaf(&p.head))
	}
	c.lastIndex, c.lastTimeMs = index, timeMs
	return entries, grown
}

// newArena makes room for the first of the drafts and for more of them: for all together if they are few. Entries are about half of what
// they are at most, so that a piece for the whole of a large batch would be half empty.
func newArena(drafts []Draft) []byte {
	const piece = 32 << 10
	room := 0
	for i := range drafts {
		if room += drafts[i].sizeMax(); room > piece {
			break
		}
	}
	return make([]byte, 0, max(drafts[0].sizeMax(), min(room, piece)))
}
