package merkle

import (
	"reflect"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"pgregory.net/rapid"
)

// Tiles that take what a Range grew by, in pieces of any length, become what they are when they hash every leaf themselves.
func TestTilesGrow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var line Range
		var grown, hashed Tiles
		var fullGrown, fullHashed []Tile
		next := uint64(0)
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 700), 1, 8).Draw(t, "pieces") {
			g := line.Begin(n)
			for range n {
				next++
				leaf := LeafHash(nexus.Hash{byte(next), byte(next >> 8), 1})
				line.Grow(&g, leaf)
				fullHashed = hashed.Append(leaf, fullHashed)
			}
			if len(g.nodes) != cap(g.nodes) || g.Len() != n {
				t.Fatalf("%d leaves and %d nodes, room was made for %d and %d", g.Len(), len(g.nodes), n, cap(g.nodes))
			}
			var fits bool
			if fullGrown, fits = grown.Grow(g, fullGrown); !fits {
				t.Fatalf("a piece of %d does not fit at %d", n, grown.Size())
			}
		}
		if !reflect.DeepEqual(grown, hashed) || !reflect.DeepEqual(fullGrown, fullHashed) || grown.Root() != line.Root() {
			t.Fatalf("at %d leaves the trees differ", next)
		}
	})
}

// A piece of another place is refused and changes nothing.
func TestTilesGrowElsewhere(t *testing.T) {
	t.Parallel()
	var line Range
	var tiles Tiles
	first := line.Begin(1)
	line.Grow(&first, nexus.Hash{1})
	second := line.Begin(1)
	line.Grow(&second, nexus.Hash{2})
	if _, fits := tiles.Grow(second, nil); fits || tiles.Size() != 0 {
		t.Fatal("the second leaf was taken for the first")
	}
	if _, fits := tiles.Grow(first, nil); !fits {
		t.Fatal("the first leaf was refused")
	}
	if _, fits := tiles.Grow(first, nil); fits || tiles.Size() != 1 {
		t.Fatal("the first leaf was taken twice")
	}
	if _, fits := tiles.Grow(second, nil); !fits || tiles.Root() != line.Root() {
		t.Fatal("two leaves, another root")
	}
}
