package ledgertest

import (
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// testGrown: a store that is given what the tree grew by stands where one stands that hashes the leaves itself, gives the same hashes, and
// opens again; what is of another place, of another tree or of another number is refused, and nothing of it stored.
func testGrown(t *testing.T, open Open) {
	m, dir := NewMaker(9), t.TempDir()
	s, other := open(t, dir), open(t, t.TempDir())
	defer other.Close()
	var line merkle.Range
	foreign := func(n int, salt byte) merkle.Grown {
		fork, err := merkle.NewRange(line.Size(), line.Hashes())
		must(t, err)
		g := fork.Begin(n)
		for i := range n {
			fork.Grow(&g, nexus.Hash{byte(i), salt})
		}
		return g
	}
	for i, b := range []ledger.Batch{m.Genesis(3), m.Next(700), Join(m.Next(0), m.Next(255)), m.Next(66_000 / 30)} {
		must(t, other.Commit(b))
		leaves := b.Leaves
		for name, spoil := range map[string]func(){
			"another tree":  func() { b.Grown = []merkle.Grown{foreign(len(leaves), 1)} },
			"one too many":  func() { b.Grown = []merkle.Grown{foreign(len(leaves)+1, 2)} },
			"one too few":   func() { b.Grown = []merkle.Grown{foreign(len(leaves)-1, 3)} },
			"another place": func() { b.Grown = []merkle.Grown{foreign(1, 4), foreign(len(leaves)-1, 5)} },
		} {
			size := s.Size()
			b.Leaves = nil
			spoil()
			if err := s.Commit(b); nexus.CodeOf(err) != nexus.CodeMalformed || s.Size() != size {
				t.Fatalf("batch %d, %s: got %v, size %d after %d", i, name, err, s.Size(), size)
			}
		}
		b.Grown = nil
		for _, r := range b.Records { // one for each command, as the engine does
			g := line.Begin(len(r.Entries))
			for _, leaf := range r.Leaves() {
				line.Grow(&g, leaf)
			}
			b.Grown = append(b.Grown, g)
		}
		must(t, s.Commit(b))
	}
	sameTree(t, s, other)
	must(t, s.Close())
	s = open(t, dir)
	defer s.Close()
	sameTree(t, s, other)
}

func sameTree(t *testing.T, s, other ledger.Store) {
	t.Helper()
	if s.Size() != other.Size() || s.Applied() != other.Applied() {
		t.Fatalf("%d entries, applied %d; want %d and %d", s.Size(), s.Applied(), other.Size(), other.Applied())
	}
	for level := uint8(0); s.Size()>>level > 0; level++ {
		for i := range s.Size() >> level {
			nodes := []merkle.Node{{Level: level, Index: i}}
			got, err := s.Hashes(nodes)
			must(t, err)
			want, err := other.Hashes(nodes)
			must(t, err)
			if got[0] != want[0] {
				t.Fatalf("node %d at level %d differs", i, level)
			}
		}
	}
}
