package merkle

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/merkle/testonly"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"pgregory.net/rapid"
)

// grown is a tree of ours beside the same tree of transparency-dev/merkle, an implementation we share no code with.
type grown struct {
	tiles Tiles
	line  Range
	full  map[[2]uint64][]nexus.Hash
	other *testonly.Tree
	roots []nexus.Hash // by size
}

func grow(size int) *grown {
	g := &grown{full: map[[2]uint64][]nexus.Hash{}, other: testonly.New(rfc6962.DefaultHasher)}
	for i := range size {
		g.roots = append(g.roots, g.line.Root())
		data := nexus.Hash(sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i))))
		g.other.AppendData(data[:])
		g.line.Append(LeafHash(data))
		for _, tile := range g.tiles.Append(LeafHash(data), nil) {
			g.full[[2]uint64{uint64(tile.Level), tile.Index}] = tile.Hashes
		}
	}
	g.roots = append(g.roots, g.line.Root())
	return g
}

func (g *grown) read(level uint8, index uint64) ([]nexus.Hash, error) {
	hashes, ok := g.full[[2]uint64{uint64(level), index}]
	if !ok {
		return nil, nexus.Errf("read", nexus.CodeNotFound, "tile", "", "absent")
	}
	return hashes, nil
}

func (g *grown) whole(level uint8, index uint64) (*Whole, error) {
	hashes, err := g.read(level, index)
	if err != nil {
		return nil, err
	}
	w, ok := NewWhole(bytes.Join(raw(hashes), nil))
	if !ok {
		return nil, fmt.Errorf("tile %d at level %d is none", index, level)
	}
	return w, nil
}

func (g *grown) Hashes(nodes []Node) ([]nexus.Hash, error) {
	var out []nexus.Hash
	for _, n := range nodes {
		h, err := g.tiles.Node(n, g.whole)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

func raw(hashes []nexus.Hash) [][]byte {
	out := make([][]byte, len(hashes))
	for i := range hashes {
		out[i] = hashes[i][:]
	}
	return out
}

// The sizes go past two tile levels: 256 leaves fill a tile, 65,536 a tile of tiles.
const grownSize = 70_000

func TestAgainstTransparencyDev(t *testing.T) {
	t.Parallel()
	g := grow(grownSize)
	for _, size := range []uint64{0, 1, 2, 3, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, grownSize} {
		if want := g.other.HashAt(size); string(want) != string(g.roots[size][:]) {
			t.Fatalf("root at %d: %x, want %x", size, g.roots[size], want)
		}
	}
	if g.tiles.Root() != g.line.Root() || g.tiles.Size() != grownSize {
		t.Fatal("tiles and compact range disagree")
	}
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Uint64Range(1, grownSize).Draw(t, "size")
		seq, old := rapid.Uint64Range(0, size-1).Draw(t, "seq"), rapid.Uint64Range(0, size).Draw(t, "old")
		inclusion, err := InclusionProof(seq, size, g)
		if err != nil {
			t.Fatal(err)
		}
		leaf := nexus.Hash(g.other.LeafHash(seq))
		root, oldRoot := g.roots[size], g.roots[old]
		err = proof.VerifyInclusion(rfc6962.DefaultHasher, seq, size, leaf[:], raw(inclusion), root[:])
		if err != nil {
			t.Fatal(err)
		}
		if at, err := RootAt(old, g); err != nil || at != oldRoot {
			t.Fatalf("root at %d: %s, want %s, %v", old, at, oldRoot, err)
		}
		if err := CheckInclusion(inclusion, seq, size, g.roots[size], leaf); err != nil {
			t.Fatal(err)
		}
		consistency, err := ConsistencyProof(old, size, g)
		if err != nil {
			t.Fatal(err)
		}
		err = proof.VerifyConsistency(rfc6962.DefaultHasher, old, size, raw(consistency), oldRoot[:], root[:])
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckConsistency(consistency, old, size, g.roots[old], g.roots[size]); err != nil {
			t.Fatal(err)
		}
		if len(consistency) > 0 {
			consistency[0][0] ^= 1
			if CheckConsistency(consistency, old, size, g.roots[old], g.roots[size]) == nil {
				t.Fatal("a changed proof holds")
			}
		}
	})
}

func TestLoadTiles(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 255, 256, 257, 1000, 65_536, 66_000} {
		g := grow(size)
		var newest []nexus.Hash
		for seq := size - size%TileWidth; seq < size; seq++ {
			newest = append(newest, nexus.Hash(g.other.LeafHash(uint64(seq))))
		}
		loaded, err := LoadTiles(uint64(size), newest, g.read)
		if err != nil {
			t.Fatal(err)
		}
		if loaded.Root() != g.roots[size] {
			t.Fatalf("size %d: root differs", size)
		}
		for i := range 300 {
			leaf := nexus.Hash(sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
			loaded.Append(leaf, nil)
			g.line.Append(leaf)
			if loaded.Root() != g.line.Root() {
				t.Fatalf("size %d: root differs after %d more", size, i+1)
			}
		}
	}
}

func TestCloneStays(t *testing.T) {
	t.Parallel()
	g := grow(700)
	before := g.tiles.Clone()
	for i := range 600 {
		g.tiles.Append(nexus.Hash{byte(i)}, nil)
	}
	if before.Root() != g.roots[700] || before.Size() != 700 {
		t.Fatal("the clone changed")
	}
}

func TestNewRange(t *testing.T) {
	t.Parallel()
	g := grow(777)
	again, err := NewRange(g.line.Size(), g.line.Hashes())
	if err != nil || again.Root() != g.line.Root() {
		t.Fatalf("restored range differs: %v", err)
	}
	if _, err := NewRange(776, g.line.Hashes()); nexus.CodeOf(err) != nexus.CodeMalformed {
		t.Fatalf("got %v", err)
	}
}

// FuzzCheck: whatever a stranger hands in as a proof, the checks return.
func FuzzCheck(f *testing.F) {
	f.Add([]byte{}, uint64(0), uint64(1))
	f.Add(make([]byte, 96), uint64(3), uint64(7))
	f.Add(make([]byte, 32*70), uint64(1<<63), ^uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, a, size uint64) {
		var proof []nexus.Hash
		for ; len(b) >= 32; b = b[32:] {
			proof = append(proof, nexus.Hash(b[:32]))
		}
		var root nexus.Hash
		if CheckInclusion(proof, a, size, root, root) == nil && size != 1 {
			t.Fatalf("a made-up proof of %d in %d holds", a, size)
		}
		if CheckConsistency(proof, a, size, root, nexus.Hash{1}) == nil {
			t.Fatalf("a made-up proof from %d to %d holds", a, size)
		}
	})
}
