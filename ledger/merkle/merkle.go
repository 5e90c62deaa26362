// Package merkle is the RFC 6962 tree as pure code: hashing, the compact range a chain keeps, tiles of 256 hashes as
// the C2SP tlog-tiles layout has them, and inclusion and consistency proofs with their offline checks.
//
// It promises: no I/O, no clock, no panic on any proof that a stranger hands in. It imports the root package and
// golang.org/x/mod/sumdb/tlog only; it must not import ledger.
package merkle

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/bits"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"golang.org/x/mod/sumdb/tlog"
)

// LeafHash is SHA-256(0x00 || data) for a 32-byte commitment (RFC 6962 section 2.1).
func LeafHash(data nexus.Hash) nexus.Hash {
	var buf [33]byte
	copy(buf[1:], data[:])
	return sha256.Sum256(buf[:])
}

// NodeHash is SHA-256(0x01 || left || right).
func NodeHash(left, right nexus.Hash) nexus.Hash {
	var buf [65]byte
	buf[0] = 1
	copy(buf[1:], left[:])
	copy(buf[33:], right[:])
	return sha256.Sum256(buf[:])
}

// EmptyRoot is the root of the tree without leaves: SHA-256 of nothing.
func EmptyRoot() nexus.Hash { return sha256.Sum256(nil) }

// Range is a compact range: the roots of the perfect subtrees that make up a tree, largest first. The zero value is the
// empty tree. It is not safe for concurrent use.
type Range struct {
	size   uint64
	hashes []nexus.Hash
	hash   *Hasher // made by Begin
}

// NewRange rebuilds a compact range from its parts. Error: nexus.CodeMalformed when their number does not fit size.
func NewRange(size uint64, hashes []nexus.Hash) (Range, error) {
	if bits.OnesCount64(size) != len(hashes) {
		return Range{}, nexus.Errf("restore tree", nexus.CodeMalformed, fmt.Sprintf("compact range of %d leaves", size),
			"restore from a snapshot that verifies", "%d hashes, want %d", len(hashes), bits.OnesCount64(size))
	}
	return Range{size: size, hashes: append([]nexus.Hash(nil), hashes...)}, nil
}

// Size is the number of leaves.
func (r *Range) Size() uint64 { return r.size }

// Hashes is a copy of the subtree roots, largest first.
func (r *Range) Hashes() []nexus.Hash { return append([]nexus.Hash(nil), r.hashes...) }

// Append adds one leaf hash.
func (r *Range) Append(leaf nexus.Hash) {
	for n := r.size; n&1 == 1; n >>= 1 {
		last := len(r.hashes) - 1
		leaf = NodeHash(r.hashes[last], leaf)
		r.hashes = r.hashes[:last]
	}
	r.hashes = append(r.hashes, leaf)
	r.size++
}

// Root is the root of the tree so far.
func (r *Range) Root() nexus.Hash {
	if r.size == 0 {
		return EmptyRoot()
	}
	root := r.hashes[len(r.hashes)-1]
	for i := len(r.hashes) - 2; i >= 0; i-- {
		root = NodeHash(r.hashes[i], root)
	}
	return root
}

// Node names the root of a perfect subtree of 2^Level leaves that starts at leaf Index<<Level.
type Node struct {
	Level uint8
	Index uint64
}

// End is the number of leaves a tree needs before the node exists; false when it passes 64 bits.
func (n Node) End() (uint64, bool) {
	if n.Level >= 63 || n.Index >= math.MaxInt64>>n.Level {
		return 0, false
	}
	return (n.Index + 1) << n.Level, true
}

// Reader gives the hashes of nodes, one for each, in order. A node past the end of the tree is an error.
type Reader interface {
	Hashes(nodes []Node) ([]nexus.Hash, error)
}

// storedReader lets tlog's proofs read through a Reader.
func storedReader(r Reader) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		nodes := make([]Node, len(indexes))
		for i, x := range indexes {
			level, n := tlog.SplitStoredHashIndex(x)
			nodes[i] = Node{Level: uint8(level), Index: uint64(n)}
		}
		hashes, err := r.Hashes(nodes)
		if err != nil {
			return nil, err
		}
		if len(hashes) != len(nodes) {
			return nil, fmt.Errorf("%d hashes for %d nodes", len(hashes), len(nodes))
		}
		out := make([]tlog.Hash, len(hashes))
		for i, h := range hashes {
			out[i] = tlog.Hash(h)
		}
		return out, nil
	})
}

func inRange(op string, what string, size uint64) error {
	if size > math.MaxInt64>>1 {
		return nexus.Errf(op, nexus.CodeMalformed, fmt.Sprintf("%s %d", what, size),
			"use a size the log has had", "too large")
	}
	return nil
}

// InclusionProof proves that leaf seq is in the tree of size leaves. Errors: nexus.CodeMalformed for a seq or size that
// cannot be, else the Reader's.
func InclusionProof(seq, size uint64, r Reader) ([]nexus.Hash, error) {
	const op = "prove inclusion"
	if err := inRange(op, "size", size); err != nil {
		return nil, err
	}
	if seq >= size {
		return nil, nexus.Errf(op, nexus.CodeMalformed, fmt.Sprintf("entry %d", seq),
			"ask for an entry below the size", "the tree has %d", size)
	}
	proof, err := tlog.ProveRecord(int64(size), int64(seq), storedReader(r))
	return fromTlog(proof), err
}

// ConsistencyProof proves that the tree of newSize leaves begins with the tree of oldSize leaves. From an empty tree
// the proof is empty. Errors as InclusionProof.
func ConsistencyProof(oldSize, newSize uint64, r Reader) ([]nexus.Hash, error) {
	const op = "prove consistency"
	if err := inRange(op, "size", newSize); err != nil {
		return nil, err
	}
	if oldSize > newSize {
		return nil, nexus.Errf(op, nexus.CodeMalformed, fmt.Sprintf("old size %d", oldSize),
			"give the smaller size first", "the new size is %d", newSize)
	}
	if oldSize == 0 {
		return nil, nil
	}
	proof, err := tlog.ProveTree(int64(newSize), int64(oldSize), storedReader(r))
	return fromTlog(proof), err
}

// CheckInclusion checks offline that leaf, a leaf hash, is number seq of the tree with this size and root. Error:
// nexus.CodeCorrupt when the proof does not hold.
func CheckInclusion(proof []nexus.Hash, seq, size uint64, root, leaf nexus.Hash) error {
	const op = "check inclusion"
	if err := inRange(op, "size", size); err != nil {
		return err
	}
	if err := inRange(op, "entry", seq); err != nil {
		return err
	}
	err := tlog.CheckRecord(toTlog(proof), int64(size), tlog.Hash(root), int64(seq), tlog.Hash(leaf))
	if err != nil {
		return nexus.Errf(op, nexus.CodeCorrupt, fmt.Sprintf("entry %d in a tree of %d", seq, size),
			"do not trust this entry; ask for the proof again", "%w", err)
	}
	return nil
}

// CheckConsistency checks offline that the tree (newSize, newRoot) begins with the tree (oldSize, oldRoot). Error:
// nexus.CodeCorrupt when the proof does not hold: two histories.
func CheckConsistency(proof []nexus.Hash, oldSize, newSize uint64, oldRoot, newRoot nexus.Hash) error {
	const op = "check consistency"
	fail := func(err error) error {
		return nexus.Errf(op, nexus.CodeCorrupt, fmt.Sprintf("trees of %d and %d", oldSize, newSize),
			"keep both checkpoints: they prove that history was changed", "%w", err)
	}
	if err := inRange(op, "size", newSize); err != nil {
		return err
	}
	if oldSize > newSize {
		return fail(fmt.Errorf("the log shrank"))
	}
	if oldSize == 0 {
		if len(proof) != 0 || oldRoot != EmptyRoot() {
			return fail(fmt.Errorf("the empty tree has one root and needs no proof"))
		}
		if newSize == 0 && newRoot != EmptyRoot() {
			return fail(fmt.Errorf("the empty tree has one root"))
		}
		return nil
	}
	err := tlog.CheckTree(toTlog(proof), int64(newSize), tlog.Hash(newRoot), int64(oldSize), tlog.Hash(oldRoot))
	if err != nil {
		return fail(err)
	}
	return nil
}

func fromTlog(in []tlog.Hash) []nexus.Hash {
	out := make([]nexus.Hash, len(in))
	for i, h := range in {
		out[i] = nexus.Hash(h)
	}
	return out
}

func toTlog(in []nexus.Hash) []tlog.Hash {
	out := make([]tlog.Hash, len(in))
	for i, h := range in {
		out[i] = tlog.Hash(h)
	}
	return out
}
