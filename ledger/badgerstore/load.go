package badgerstore

import (
	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// load rebuilds what the store keeps in memory and checks that it fits the newest record.
func (s *Store) load() error {
	return s.view("open store", func(v snapshot) error {
		h, err := v.head()
		if err != nil {
			return err
		}
		if s.records.end, err = v.recordsEnd(); err != nil {
			return err
		}
		if err := s.records.check(); err != nil {
			return err
		}
		if h.Size == 0 {
			key, _, err := v.first([]byte("r/"), []byte("r/"), false)
			if err == nil && key != nil {
				err = corrupt(headKey(), "missing, although there are records")
			}
			s.head = h
			if err != nil {
				return err
			}
		}
		checkpoint, err := v.get(checkpointKey())
		if err != nil && nexus.CodeOf(err) != nexus.CodeNotFound {
			return err
		}
		newest, root, err := v.newestLeaves(h.Size)
		if err != nil {
			return err
		}
		tiles, err := merkle.LoadTiles(h.Size, newest, v.tile)
		if err != nil {
			return err
		}
		if tiles.Root() != root {
			return corrupt(headKey(), "the tree's root is %s, the newest record says %s", tiles.Root(), root)
		}
		s.head, s.checkpoint, s.tiles = h, string(checkpoint), tiles
		return nil
	})
}

func (v snapshot) recordsEnd() (recordsEnd, error) {
	payload, err := v.get(recordsKey())
	if nexus.CodeOf(err) == nexus.CodeNotFound {
		return recordsEnd{}, nil
	}
	if err != nil {
		return recordsEnd{}, err
	}
	var end recordsEnd
	if err := nexus.Decode(payload, &end); err != nil || end.File == 0 || end.Size < uint64(len(recordFileMagic)) || end.Size > 1<<40 {
		return recordsEnd{}, corrupt(recordsKey(), "no end of the files of records")
	}
	return end, nil
}

// newestLeaves recomputes the leaf hashes after the last full tile, and gives the root the newest record states.
func (v snapshot) newestLeaves(size uint64) ([]nexus.Hash, nexus.Hash, error) {
	if size == 0 {
		return nil, merkle.EmptyRoot(), nil
	}
	last, err := v.holding(size - 1)
	if err != nil {
		return nil, nexus.Hash{}, err
	}
	if last.Next() != size {
		return nil, nexus.Hash{}, corrupt(headKey(), "%d entries, the newest record ends at %d", size, last.Next())
	}
	from := size - size%merkle.TileWidth
	leaves := make([]nexus.Hash, 0, merkle.TileWidth)
	for seq := from; seq < size; {
		r, err := v.holding(seq)
		if err != nil {
			return nil, nexus.Hash{}, err
		}
		leaves = append(leaves, r.Leaves()[seq-r.FirstSeq:]...)
		seq = r.Next()
	}
	return leaves, last.Root, nil
}
