package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	stdslices "slices"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// Balance is the sum of all postings of one unit's chain to one kind of account in one currency, minor units. The balances of
// a unit sum to zero in each currency, as its entries do.
type Balance struct {
	Currency string
	Account  AccountKind
	Minor    int64
}

// UnitCommitment is what every checkpoint commits to for a unit: how many entries its chain has, the commitment of the last one
// and what they add up to, balances sorted by currency, then account, without repeats. Whoever holds the unit's entries and the
// checkpoint sees that none was left out (SPEC section 6; DESIGN section 3, Completeness).
type UnitCommitment struct {
	Unit     nexus.ID // zero: the platform's own chain
	Seq      uint64
	Head     nexus.Hash
	Balances []Balance
}

const unitDomain = "nexus-unit-v1\n"

// Hash is SHA-256("nexus-unit-v1\n" || canonical bytes): the value in the map of units.
func (c UnitCommitment) Hash() nexus.Hash {
	var stack [512]byte
	return sha256.Sum256(c.AppendTo(append(stack[:0], unitDomain...)))
}

// AppendTo appends the canonical bytes to dst: what nexus.AppendCanonical writes, without reflection. It runs for each unit of each batch.
func (c UnitCommitment) AppendTo(dst []byte) []byte {
	dst = append(dst, c.Unit[:]...)
	dst = binary.AppendUvarint(dst, c.Seq)
	dst = append(dst, c.Head[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(c.Balances)))
	for i := range c.Balances {
		b := &c.Balances[i]
		dst = appendText(dst, b.Currency)
		dst = binary.AppendUvarint(dst, uint64(b.Account))
		dst = binary.AppendVarint(dst, b.Minor)
	}
	return dst
}

// UnitMap is the map of units as one checkpoint commits to it: immutable, safe for concurrent use.
type UnitMap struct {
	sorted *merkle.Sorted[*UnitCommitment]
	root   nexus.Hash
}

// Root is what the checkpoint's line "units" says.
func (m *UnitMap) Root() nexus.Hash { return m.root }

// Len is the number of units with entries.
func (m *UnitMap) Len() int { return m.sorted.Len() }

// Get gives a unit's commitment; false when it has no entries.
func (m *UnitMap) Get(unit nexus.ID) (UnitCommitment, bool) {
	c, ok := m.sorted.Get(unit)
	if !ok {
		return UnitCommitment{Unit: unit}, false
	}
	return *c, true
}

// UnitProof proves what a checkpoint says of a unit: its commitment, or that it has no entries (Present false).
type UnitProof struct {
	Present    bool
	Commitment UnitCommitment
	Proof      merkle.SortedProof
}

// Prove proves a unit's commitment, or that it has none, under Root.
func (m *UnitMap) Prove(unit nexus.ID) UnitProof {
	p, found := m.sorted.Prove(unit, func(c *UnitCommitment) nexus.Hash { return c.Hash() })
	c, _ := m.Get(unit)
	return UnitProof{Present: found, Commitment: c, Proof: p}
}

// Check checks the proof against a checkpoint's map root. Error: nexus.CodeCorrupt.
func (p UnitProof) Check(root nexus.Hash) error {
	if p.Present {
		return merkle.CheckSorted(p.Proof, root, p.Commitment.Unit, p.Commitment.Hash())
	}
	return merkle.CheckSortedAbsent(p.Proof, root, p.Commitment.Unit)
}

// add books postings on a unit's balances. Few units have more than a handful, so the walk is short.
func (p *unitPoint) add(postings []Posting) {
	at := -1
	for i := range postings {
		line := &postings[i]
		// Entries list their postings in the order of the balances: most often the next line is the next balance.
		if at++; at >= len(p.balances) || p.balances[at].Account != line.Account || p.balances[at].Currency != line.Currency {
			at = p.find(line)
		}
		sum, ok := nexus.AddMinor(p.balances[at].Minor, line.Minor)
		if !ok {
			panic(fmt.Sprintf("ledger: balance of %s in %s passes 64 bits; the state machine must have refused this", line.Account, line.Currency))
		}
		p.balances[at].Minor = sum
	}
}

// find gives the place of a posting's balance, made if need be.
func (p *unitPoint) find(line *Posting) int {
	at, held := stdslices.BinarySearchFunc(p.balances, line, func(b Balance, l *Posting) int {
		if c := strings.Compare(b.Currency, l.Currency); c != 0 {
			return c
		}
		return int(b.Account) - int(l.Account)
	})
	if !held {
		p.balances = stdslices.Insert(p.balances, at, Balance{Currency: line.Currency, Account: line.Account})
	}
	return at
}

// Units gives the map of units as the chain stands. The cost is that of the units that changed since the last call.
func (c *Chain) Units() *UnitMap {
	for _, id := range c.dirty {
		p := c.units[id]
		u := &UnitCommitment{Unit: id, Seq: p.seq, Head: p.head, Balances: stdslices.Clone(p.balances)}
		c.sorted.Set(id, u, u.Hash())
		p.dirty = false
	}
	c.dirty = c.dirty[:0]
	return &UnitMap{sorted: c.sorted.Freeze(), root: c.sorted.Root()}
}

func (c *Chain) touch(id nexus.ID, p *unitPoint) {
	if !p.dirty {
		p.dirty = true
		c.dirty = append(c.dirty, id)
	}
}

// UnitBalances is the part of a chain that ChainState leaves out: it came later, and ChainState never changes.
type UnitBalances struct {
	Unit     nexus.ID
	Balances []Balance
}

// Balances lists the balances of all units that have any, by unit id, for snapshots.
func (c *Chain) Balances() []UnitBalances {
	out := make([]UnitBalances, 0, len(c.units))
	for id, p := range c.units {
		if len(p.balances) > 0 {
			out = append(out, UnitBalances{Unit: id, Balances: stdslices.Clone(p.balances)})
		}
	}
	stdslices.SortFunc(out, func(a, b UnitBalances) int { return bytes.Compare(a.Unit[:], b.Unit[:]) })
	return out
}

// RestoreBalances completes a chain that RestoreChain made. Error: nexus.CodeMalformed for a unit that has no entries, is listed
// twice, or whose balances are unsorted or do not sum to zero.
func (c *Chain) RestoreBalances(list []UnitBalances) error {
	for i, u := range list {
		p := c.units[u.Unit]
		if p == nil || i > 0 && bytes.Compare(list[i-1].Unit[:], u.Unit[:]) >= 0 || !sortedToZero(u.Balances) {
			return nexus.Errf("restore chain", nexus.CodeMalformed, "balances of unit "+u.Unit.String(),
				"restore from a snapshot that verifies", "unknown unit, out of order, or no double entry")
		}
		p.balances = stdslices.Clone(u.Balances)
		c.touch(u.Unit, p)
	}
	return nil
}

func sortedToZero(list []Balance) bool {
	ps := make([]Posting, len(list))
	for i, b := range list {
		if i > 0 && (b.Currency < list[i-1].Currency || b.Currency == list[i-1].Currency && b.Account <= list[i-1].Account) {
			return false
		}
		ps[i] = Posting{Account: b.Account, Currency: b.Currency, Minor: b.Minor}
	}
	return unbalanced(ps) == ""
}
