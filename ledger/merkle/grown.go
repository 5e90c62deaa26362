package merkle

import (
	"fmt"
	"math/bits"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Grown is what a tree grew by in one go: the leaf hashes, and each node above them that became whole, in the order in which they did. Two
// keep the tree, the state machine its edge and the store its tiles; what the one has hashed the other need not hash again. Only a Range
// makes one, so that the nodes are those of the leaves. The zero value is no growth.
//
// It is immutable once its last leaf was added, and safe for concurrent readers then.
type Grown struct {
	first         uint64
	leaves, nodes []nexus.Hash
}

// Len is the number of leaves.
func (g Grown) Len() int { return len(g.leaves) }

// Leaves gives the leaf hashes, in order; the caller must not write to them.
func (g Grown) Leaves() []nexus.Hash { return g.leaves }

// Begin gives a Grown for the next n leaves.
func (r *Range) Begin(n int) Grown {
	if r.hash == nil {
		r.hash = NewHasher()
	}
	nodes := n + bits.OnesCount64(r.size) - bits.OnesCount64(r.size+uint64(n))
	return Grown{first: r.size, leaves: make([]nexus.Hash, 0, n), nodes: make([]nexus.Hash, 0, nodes)}
}

// Grow adds one leaf hash, and writes it down in g with the nodes it makes whole. A g of another place panics: it is a mistake of the program.
func (r *Range) Grow(g *Grown, leaf nexus.Hash) {
	if g.first+uint64(len(g.leaves)) != r.size {
		panic(fmt.Sprintf("merkle: leaf %d written down as number %d", r.size, g.first+uint64(len(g.leaves))))
	}
	g.leaves = append(g.leaves, leaf)
	for n := r.size; n&1 == 1; n >>= 1 {
		last := len(r.hashes) - 1
		leaf = r.hash.Node(&r.hashes[last], &leaf)
		g.nodes = append(g.nodes, leaf)
		r.hashes = r.hashes[:last]
	}
	r.hashes = append(r.hashes, leaf)
	r.size++
}

// Grow appends what a Range of the same tree grew by, without hashing it again. False, and nothing is appended, when it does not begin where
// the tree ends. Whether both are the same tree is told by their roots.
func (t *Tiles) Grow(g Grown, full []Tile) ([]Tile, bool) {
	if g.Len() > 0 && g.first != t.size {
		return full, false
	}
	nodes := g.nodes
	for _, hash := range g.leaves {
		t.size++
		for level := 0; ; level++ {
			if level == len(t.tails) {
				t.tails = append(t.tails, newTail())
			}
			tail := &t.tails[level]
			done := true
			for r := range tail {
				tail[r] = append(tail[r], hash)
				if len(tail[r])&1 == 1 {
					done = false
					break
				}
				hash, nodes = nodes[0], nodes[1:]
			}
			if !done {
				break
			}
			full = append(full, t.fullTile(level))
		}
	}
	return full, true
}
