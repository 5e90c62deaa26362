package badgerstore

import (
	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// tile reads a full tile.
func (v snapshot) tile(level uint8, index uint64) ([]nexus.Hash, error) {
	key := tileKey(level, index)
	payload, err := v.must(key)
	if err != nil {
		return nil, err
	}
	if len(payload) != merkle.TileWidth*len(nexus.Hash{}) {
		return nil, corrupt(key, "%d bytes", len(payload))
	}
	hashes := make([]nexus.Hash, merkle.TileWidth)
	for i := range hashes {
		copy(hashes[i][:], payload[i*len(nexus.Hash{}):])
	}
	return hashes, nil
}

// Hashes implements ledger.Store. A proof asks for several nodes of one tile, so each is read once per call.
func (s *Store) Hashes(nodes []merkle.Node) ([]nexus.Hash, error) {
	s.mu.RLock()
	tiles := s.tiles.Clone()
	s.mu.RUnlock()
	out := make([]nexus.Hash, len(nodes))
	err := s.view("read tree", func(v snapshot) error {
		type place struct {
			level uint8
			index uint64
		}
		seen := make(map[place][]nexus.Hash)
		read := func(level uint8, index uint64) ([]nexus.Hash, error) {
			if hashes := seen[place{level, index}]; hashes != nil {
				return hashes, nil
			}
			hashes, err := v.tile(level, index)
			seen[place{level, index}] = hashes
			return hashes, err
		}
		for i, n := range nodes {
			var err error
			if out[i], err = tiles.Node(n, read); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
