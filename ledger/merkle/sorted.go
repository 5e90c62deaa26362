package merkle

import (
	"crypto/sha256"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Sorted is a Merkle map over 16-byte keys: its root commits to every key with its value's hash, and for any key it proves
// that it is there with this value, or that it is not there. Leaves stand in the order of their keys.
//
// Form: the key's bits, highest first, lead from the root to its place. A subtree without keys hashes to zero, one with a single
// key to that key's leaf hash SHA-256(0x02 || key || value hash), any other to SHA-256(0x03 || left || right). The first bytes
// keep these apart from RFC 6962's 0x00 and 0x01. (The collapsing of single-key subtrees is that of Diem's sparse tree.)
//
// A Sorted is immutable to its readers: Freeze gives a copy in constant time that stays as it is while the original goes on.
// One goroutine changes the original; any number may read frozen copies meanwhile.
type Sorted[V any] struct {
	root *sortedNode[V]
	turn uint64 // nodes of an earlier turn belong to a frozen copy too
	size int
}

// sortedNode is a leaf (children nil) or an inner node of at least two keys below it.
type sortedNode[V any] struct {
	left, right *sortedNode[V]
	turn        uint64
	key         [16]byte // leaf
	value       V        // leaf
	hash        nexus.Hash
	stale       bool // hash must be computed again
}

func (n *sortedNode[V]) leaf() bool { return n.left == nil && n.right == nil }

// Len is the number of keys.
func (m *Sorted[V]) Len() int { return m.size }

// Set gives a key a value, whose hash is what the root commits to.
func (m *Sorted[V]) Set(key [16]byte, value V, hash nexus.Hash) {
	m.root = m.set(m.root, 0, key, value, sortedLeaf(key, hash))
}

func (m *Sorted[V]) set(n *sortedNode[V], depth int, key [16]byte, value V, hash nexus.Hash) *sortedNode[V] {
	if n == nil {
		m.size++
		return &sortedNode[V]{turn: m.turn, key: key, value: value, hash: hash}
	}
	if n.leaf() {
		if n.key == key {
			n = m.own(n)
			n.value, n.hash = value, hash
			return n
		}
		fork := &sortedNode[V]{turn: m.turn, stale: true}
		if bit(n.key, depth) == 0 {
			fork.left = n
		} else {
			fork.right = n
		}
		n = fork
	} else {
		n = m.own(n)
		n.stale = true
	}
	if bit(key, depth) == 0 {
		n.left = m.set(n.left, depth+1, key, value, hash)
	} else {
		n.right = m.set(n.right, depth+1, key, value, hash)
	}
	return n
}

// own gives a node that only the present turn holds.
func (m *Sorted[V]) own(n *sortedNode[V]) *sortedNode[V] {
	if n.turn == m.turn {
		return n
	}
	c := *n
	c.turn = m.turn
	return &c
}

// Root computes the root; only what changed since the last call is hashed again.
func (m *Sorted[V]) Root() nexus.Hash {
	if m.root == nil {
		return nexus.Hash{}
	}
	return m.root.sum()
}

func (n *sortedNode[V]) sum() nexus.Hash {
	if !n.stale {
		return n.hash
	}
	var l, r nexus.Hash
	if n.left != nil {
		l = n.left.sum()
	}
	if n.right != nil {
		r = n.right.sum()
	}
	n.hash, n.stale = sortedInner(l, r), false
	return n.hash
}

// Freeze gives the map as it stands, hashed through, safe for concurrent readers for ever.
func (m *Sorted[V]) Freeze() *Sorted[V] {
	m.Root()
	m.turn++
	return &Sorted[V]{root: m.root, turn: m.turn, size: m.size}
}

// Get gives a key's value.
func (m *Sorted[V]) Get(key [16]byte) (V, bool) {
	n := m.root
	for depth := 0; n != nil && !n.leaf(); depth++ {
		if bit(key, depth) == 0 {
			n = n.left
		} else {
			n = n.right
		}
	}
	if n == nil || n.key != key {
		var none V
		return none, false
	}
	return n.value, true
}

// Each calls fn for every key in ascending order until it returns false.
func (m *Sorted[V]) Each(fn func(key [16]byte, value V) bool) { m.root.each(fn) }

func (n *sortedNode[V]) each(fn func([16]byte, V) bool) bool {
	if n == nil {
		return true
	}
	if n.leaf() {
		return fn(n.key, n.value)
	}
	return n.left.each(fn) && n.right.each(fn)
}

// SortedProof proves a key's presence or absence. Siblings are the hashes beside the path from the root downwards. For an
// absent key whose place is taken by the leaf of another one, Other and OtherHash (that leaf's hash) show it.
type SortedProof struct {
	Siblings  []nexus.Hash
	HasOther  bool
	Other     [16]byte
	OtherHash nexus.Hash // value hash of Other
}

// Prove proves a key under Root of a frozen map. hashOf gives a value's hash, as it was given to Set.
func (m *Sorted[V]) Prove(key [16]byte, hashOf func(V) nexus.Hash) (SortedProof, bool) {
	var p SortedProof
	n := m.root
	for depth := 0; n != nil && !n.leaf(); depth++ {
		next, beside := n.left, n.right
		if bit(key, depth) == 1 {
			next, beside = beside, next
		}
		var h nexus.Hash
		if beside != nil {
			h = beside.hash
		}
		p.Siblings = append(p.Siblings, h)
		n = next
	}
	if n == nil {
		return p, false
	}
	if n.key != key {
		p.HasOther, p.Other, p.OtherHash = true, n.key, hashOf(n.value)
		return p, false
	}
	return p, true
}

// CheckSorted checks that the map with the given root holds key with the value of the given hash.
// Error: nexus.CodeCorrupt.
func CheckSorted(p SortedProof, root nexus.Hash, key [16]byte, hash nexus.Hash) error {
	if p.HasOther {
		return sortedError(key, "a proof of presence shows another key")
	}
	return p.check(root, key, sortedLeaf(key, hash))
}

// CheckSortedAbsent checks that the map with the given root does not hold key. Error: nexus.CodeCorrupt.
func CheckSortedAbsent(p SortedProof, root nexus.Hash, key [16]byte) error {
	var at nexus.Hash
	if p.HasOther {
		if p.Other == key {
			return sortedError(key, "a proof of absence shows the key itself")
		}
		for depth := range p.Siblings {
			if depth >= 128 || bit(p.Other, depth) != bit(key, depth) {
				return sortedError(key, "the key shown does not stand in the way")
			}
		}
		at = sortedLeaf(p.Other, p.OtherHash)
	}
	return p.check(root, key, at)
}

func (p SortedProof) check(root nexus.Hash, key [16]byte, at nexus.Hash) error {
	if len(p.Siblings) > 128 {
		return sortedError(key, "%d hashes, at most 128", len(p.Siblings))
	}
	for depth := len(p.Siblings) - 1; depth >= 0; depth-- {
		if bit(key, depth) == 0 {
			at = sortedInner(at, p.Siblings[depth])
		} else {
			at = sortedInner(p.Siblings[depth], at)
		}
	}
	if at != root {
		return sortedError(key, "the proof gives root %s, not %s", at, root)
	}
	return nil
}

func sortedError(key [16]byte, format string, args ...any) error {
	return nexus.Errf("check map proof", nexus.CodeCorrupt, fmt.Sprintf("key %x", key), "do not trust what it came with", format, args...)
}

func bit(key [16]byte, depth int) byte { return key[depth/8] >> (7 - depth%8) & 1 }

func sortedLeaf(key [16]byte, hash nexus.Hash) nexus.Hash {
	var b [1 + 16 + 32]byte
	b[0] = 2
	copy(b[1:], key[:])
	copy(b[17:], hash[:])
	return sha256.Sum256(b[:])
}

func sortedInner(l, r nexus.Hash) nexus.Hash {
	var b [1 + 64]byte
	b[0] = 3
	copy(b[1:], l[:])
	copy(b[33:], r[:])
	return sha256.Sum256(b[:])
}
