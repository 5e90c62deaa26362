package merkle

import (
	"fmt"
	"math/bits"
	"sync"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// TileWidth is the number of hashes in a full tile, as in the C2SP tlog-tiles layout.
const TileWidth = 256

const tileHeight = 8

// Tile is a full tile: the hashes of nodes at level 8*Level from Index*TileWidth on. Full tiles never change.
type Tile struct {
	Level  uint8
	Index  uint64
	Hashes []nexus.Hash
}

// ReadTile fetches a full tile that Append gave out before.
type ReadTile func(level uint8, index uint64) ([]nexus.Hash, error)

// Whole is a full tile with the nodes above its hashes, which are hashed when the first of them is asked for: a proof takes one from almost
// every row, and each takes all that lies below it. 16 KiB. Safe for concurrent use.
type Whole struct {
	hashes [TileWidth]nexus.Hash
	above  [TileWidth - 2]nexus.Hash // row after row; the root of all is in the tile above
	grow   sync.Once
}

// NewWhole reads a full tile: its hashes one after the other. False when these are not as many as a tile has.
func NewWhole(hashes []byte) (*Whole, bool) {
	w := &Whole{}
	if len(hashes) != TileWidth*len(nexus.Hash{}) {
		return nil, false
	}
	for i := range w.hashes {
		w.hashes[i] = nexus.Hash(hashes[i*len(nexus.Hash{}):])
	}
	return w, true
}

// node gives number i of the nodes of height row above the tile's hashes.
func (w *Whole) node(row, i uint64) nexus.Hash {
	if row == 0 {
		return w.hashes[i]
	}
	w.grow.Do(func() {
		below, above, h := w.hashes[:], w.above[:], NewHasher()
		for len(above) > 0 {
			n := len(below) / 2
			for k := range n {
				above[k] = h.Node(&below[2*k], &below[2*k+1])
			}
			below, above = above[:n], above[n:]
		}
	})
	return w.above[TileWidth-TileWidth>>(row-1)+i]
}

// ReadWhole fetches a full tile that Append gave out before.
type ReadWhole func(level uint8, index uint64) (*Whole, error)

// Tiles is the right edge of a tree in memory: the tile not yet full at each tile level, with all nodes inside it. It
// takes at most 16 KiB per tile level. The zero value is the empty tree.
//
// A copy made by Clone stays as it is while the original goes on: Append only writes past the copy's lengths. So many
// may read copies while one goroutine appends; two copies must not both be appended to.
type Tiles struct {
	size  uint64
	tails []tail
}

// tail holds the nodes of an unfinished tile; row r has those of height r above the tile's hashes.
type tail [tileHeight][]nexus.Hash

// Clone gives a copy that later Appends to t do not change.
func (t *Tiles) Clone() Tiles { return Tiles{size: t.size, tails: append([]tail(nil), t.tails...)} }

// Size is the number of leaves.
func (t *Tiles) Size() uint64 { return t.size }

// Append adds a leaf hash and appends the tiles that became full to full.
func (t *Tiles) Append(leaf nexus.Hash, full []Tile) []Tile {
	t.size++
	hash := leaf
	for level := 0; ; level++ {
		if level == len(t.tails) {
			t.tails = append(t.tails, newTail())
		}
		root, done := t.tails[level].push(hash)
		if !done {
			return full
		}
		full = append(full, t.fullTile(level))
		hash = root
	}
}

// fullTile takes the tile that the last leaf filled out of the edge.
func (t *Tiles) fullTile(level int) Tile {
	tile := Tile{Level: uint8(level), Index: t.size>>(tileHeight*(level+1)) - 1, Hashes: t.tails[level][0]}
	t.tails[level] = newTail()
	return tile
}

func newTail() tail {
	var n tail
	for r := range n {
		n[r] = make([]nexus.Hash, 0, TileWidth>>r)
	}
	return n
}

// push adds one hash to a tile; when that fills it, it returns the tile's root.
func (n *tail) push(hash nexus.Hash) (root nexus.Hash, done bool) {
	for r := range n {
		n[r] = append(n[r], hash)
		if len(n[r])&1 == 1 {
			return nexus.Hash{}, false
		}
		hash = NodeHash(n[r][len(n[r])-2], hash)
	}
	return hash, true
}

// Node gives the hash of a node, reading a full tile when it is not on the right edge. Errors: nexus.CodeNotFound for a
// node past the end, else read's.
func (t *Tiles) Node(n Node, read ReadWhole) (nexus.Hash, error) {
	if end, ok := n.End(); !ok || end > t.size {
		return nexus.Hash{}, nexus.Errf("read tree", nexus.CodeNotFound, fmt.Sprintf("node %d at level %d", n.Index, n.Level),
			"ask for a size the log has reached", "the tree has %d leaves", t.size)
	}
	level, row := int(n.Level)/tileHeight, int(n.Level)%tileHeight
	first := n.Index << row
	tile, offset := first/TileWidth, first%TileWidth
	if tile == t.size>>(tileHeight*level)/TileWidth {
		return t.tails[level][row][offset>>row], nil
	}
	whole, err := read(uint8(level), tile)
	if err != nil {
		return nexus.Hash{}, err
	}
	return whole.node(uint64(row), offset>>row), nil
}

// perfectRoot is the root over 2^k hashes.
func perfectRoot(hashes []nexus.Hash) nexus.Hash {
	var buf [TileWidth]nexus.Hash
	n := copy(buf[:], hashes)
	for ; n > 1; n /= 2 {
		for i := range n / 2 {
			buf[i] = NodeHash(buf[2*i], buf[2*i+1])
		}
	}
	return buf[0]
}

// Root is the root of the tree; it needs no full tile.
func (t *Tiles) Root() nexus.Hash {
	if t.size == 0 {
		return EmptyRoot()
	}
	var root nexus.Hash
	for rest := t.size; rest != 0; rest &= rest - 1 {
		level := bits.TrailingZeros64(rest)
		nodes := t.tails[level/tileHeight][level%tileHeight]
		hash := nodes[t.size>>level&(TileWidth>>(level%tileHeight)-1)-1]
		if rest == t.size {
			root = hash
		} else {
			root = NodeHash(hash, root)
		}
	}
	return root
}

// LoadTiles rebuilds the right edge of a tree of size leaves from its full tiles and the size%TileWidth newest leaf
// hashes. It reads fewer than TileWidth tiles per tile level. Errors: nexus.CodeCorrupt, and read's.
func LoadTiles(size uint64, newest []nexus.Hash, read ReadTile) (Tiles, error) {
	if uint64(len(newest)) != size%TileWidth {
		return Tiles{}, nexus.Errf("load tree", nexus.CodeCorrupt, fmt.Sprintf("tree of %d leaves", size),
			"check the store with `nexus ledger verify`", "%d leaves on the right edge, want %d", len(newest), size%TileWidth)
	}
	t := Tiles{size: size}
	for level := 0; size>>(tileHeight*level) > 0; level++ {
		edge := newTail()
		count := size >> (tileHeight * level)
		for i := count - count%TileWidth; i < count; i++ {
			hash := nexus.Hash{}
			if level == 0 {
				hash = newest[i%TileWidth]
			} else {
				hashes, err := read(uint8(level-1), i)
				if err != nil {
					return Tiles{}, err
				}
				if len(hashes) != TileWidth {
					return Tiles{}, nexus.Errf("load tree", nexus.CodeCorrupt, fmt.Sprintf("tile %d at level %d", i, level-1),
						"check the store with `nexus ledger verify`", "%d hashes, want %d", len(hashes), TileWidth)
				}
				hash = perfectRoot(hashes)
			}
			edge.push(hash)
		}
		t.tails = append(t.tails, edge)
	}
	return t, nil
}
