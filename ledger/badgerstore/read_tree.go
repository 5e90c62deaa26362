package badgerstore

import (
	"errors"
	"sync"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// Full tiles kept in memory, of 16 KiB each. Of the upper ones a log of a million entries has 15, and each proof needs one of each level;
// a leaf tile is needed again at once, by the proof of the entry that was just read.
const (
	leafTilesMax  = 64
	upperTilesMax = 512
)

type tilePlace struct {
	level uint8
	index uint64
}

// tileCache keeps full tiles that were read and fitted their seals. They never change, so that one is right for ever; when there are too many,
// any goes.
type tileCache struct {
	mu            sync.Mutex
	leaves, upper map[tilePlace]*merkle.Whole
}

// of gives the half of the cache that a tile belongs to, and how many it keeps.
func (c *tileCache) of(at tilePlace) (tiles *map[tilePlace]*merkle.Whole, most int) {
	if at.level == 0 {
		return &c.leaves, leafTilesMax
	}
	return &c.upper, upperTilesMax
}

func (c *tileCache) get(at tilePlace) *merkle.Whole {
	c.mu.Lock()
	defer c.mu.Unlock()
	tiles, _ := c.of(at)
	return (*tiles)[at]
}

func (c *tileCache) put(at tilePlace, w *merkle.Whole) {
	c.mu.Lock()
	defer c.mu.Unlock()
	tiles, most := c.of(at)
	if *tiles == nil {
		*tiles = make(map[tilePlace]*merkle.Whole, most)
	}
	for old := range *tiles {
		if len(*tiles) < most {
			break
		}
		delete(*tiles, old)
	}
	(*tiles)[at] = w
}

// sealedTile reads the bytes of a full tile.
func (v snapshot) sealedTile(at tilePlace) ([]byte, error) {
	key := tileKey(at.level, at.index)
	payload, err := v.must(key)
	if err == nil && len(payload) != merkle.TileWidth*len(nexus.Hash{}) {
		err = corrupt(key, "%d bytes", len(payload))
	}
	return payload, err
}

// tile reads a full tile.
func (v snapshot) tile(level uint8, index uint64) ([]nexus.Hash, error) {
	payload, err := v.sealedTile(tilePlace{level, index})
	if err != nil {
		return nil, err
	}
	hashes := make([]nexus.Hash, merkle.TileWidth)
	for i := range hashes {
		copy(hashes[i][:], payload[i*len(nexus.Hash{}):])
	}
	return hashes, nil
}

// errNotKept: the tile has to be read.
var errNotKept = errors.New("tile is not in memory")

// kept gives tiles that were read before.
func (s *Store) kept(level uint8, index uint64) (*merkle.Whole, error) {
	if w := s.whole.get(tilePlace{level, index}); w != nil {
		return w, nil
	}
	return nil, errNotKept
}

// wholes gives tiles, those not kept out of v.
func (s *Store) wholes(v snapshot) merkle.ReadWhole {
	return func(level uint8, index uint64) (*merkle.Whole, error) {
		at := tilePlace{level, index}
		if w := s.whole.get(at); w != nil {
			return w, nil
		}
		payload, err := v.sealedTile(at)
		if err != nil {
			return nil, err
		}
		w, ok := merkle.NewWhole(payload)
		if !ok {
			return nil, corrupt(tileKey(level, index), "%d bytes", len(payload))
		}
		s.whole.put(at, w)
		return w, nil
	}
}

// edge is a copy of the tree's right edge as it is now.
func (s *Store) edge() merkle.Tiles {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tiles.Clone()
}

// Hashes implements ledger.Store. What the edge and the kept tiles give needs no look into the files.
func (s *Store) Hashes(nodes []merkle.Node) ([]nexus.Hash, error) {
	if err := s.enter("read tree"); err != nil {
		return nil, err
	}
	defer s.users.Done()
	tiles := s.edge()
	out := make([]nexus.Hash, len(nodes))
	fill := func(read merkle.ReadWhole) error {
		for i, n := range nodes {
			var err error
			if out[i], err = tiles.Node(n, read); err != nil {
				return err
			}
		}
		return nil
	}
	err := fill(s.kept)
	if errors.Is(err, errNotKept) {
		err = s.view("read tree", func(v snapshot) error { return fill(s.wholes(v)) })
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}
