package badgerstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	badger "github.com/dgraph-io/badger/v4"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// view runs fn over one consistent state.
func (s *Store) view(op string, fn func(v snapshot) error) error {
	if err := s.enter(op); err != nil {
		return err
	}
	defer s.users.Done()
	return guard(op, func() error {
		files := recordReader{dir: s.dir}
		defer files.close()
		return s.db.View(func(txn *badger.Txn) error { return fn(snapshot{txn, &files}) })
	})
}

// snapshot reads one state of the store. Its methods check seals and tell absence from damage.
type snapshot struct {
	txn   *badger.Txn
	files *recordReader
}

// get reads and opens one value. Error: nexus.CodeNotFound, nexus.CodeCorrupt.
func (v snapshot) get(key []byte) ([]byte, error) {
	item, err := v.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nexus.Errf("read store", nexus.CodeNotFound, "key "+keyName(key), "check the key", "nothing stored there")
	}
	if err != nil {
		return nil, corrupt(key, "%w", err)
	}
	return itemPayload(item)
}

func itemPayload(item *badger.Item) ([]byte, error) {
	value, err := item.ValueCopy(nil)
	if err != nil {
		return nil, corrupt(item.KeyCopy(nil), "%w", err)
	}
	return openSeal(item.Key(), value)
}

// must reads a key that the log implies: its absence is damage.
func (v snapshot) must(key []byte) ([]byte, error) {
	payload, err := v.get(key)
	if nexus.CodeOf(err) == nexus.CodeNotFound {
		return nil, corrupt(key, "missing, although the log implies it")
	}
	return payload, err
}

// first gives the first key at or after from with the prefix; before, with reverse, the last at or before it.
func (v snapshot) first(prefix, from []byte, reverse bool) (key, payload []byte, err error) {
	o := badger.DefaultIteratorOptions
	o.PrefetchValues, o.Reverse, o.Prefix = false, reverse, prefix
	it := v.txn.NewIterator(o)
	defer it.Close()
	it.Seek(from)
	if !it.ValidForPrefix(prefix) {
		return nil, nil, nil
	}
	payload, err = itemPayload(it.Item())
	return it.Item().KeyCopy(nil), payload, err
}

// before gives the index of the record with the greatest first entry at or below seq. ok is false when there is none.
func (v snapshot) before(seq uint64) (firstSeq, index uint64, ok bool, err error) {
	key, payload, err := v.first([]byte("q/"), seqKey(seq), true)
	if err != nil || key == nil {
		return 0, 0, false, err
	}
	if len(key) != 10 || len(payload) != 8 {
		return 0, 0, false, corrupt(key, "%d bytes, want 8", len(payload))
	}
	return binary.BigEndian.Uint64(key[2:]), binary.BigEndian.Uint64(payload), true, nil
}

// record reads a record that must be there.
func (v snapshot) record(index uint64) (ledger.Record, error) {
	part, err := v.must(recordKey(index, 0))
	if err != nil {
		return ledger.Record{}, err
	}
	return v.assemble(index, part)
}

// assemble reads the chunks after the first and parses the whole.
func (v snapshot) assemble(index uint64, part []byte) (ledger.Record, error) {
	whole, err := v.join(index, part)
	if err != nil {
		return ledger.Record{}, err
	}
	r, err := ledger.ParseRecord(whole)
	if err != nil {
		return ledger.Record{}, corrupt(recordKey(index, 0), "%w", err)
	}
	if r.Index != index {
		return ledger.Record{}, corrupt(recordKey(index, 0), "it holds record %d", r.Index)
	}
	return r, nil
}

// elsewhere gives the place of a record whose value, opened, is part; ok is false when the record stands in the value itself.
func elsewhere(index uint64, part []byte) (p place, ok bool, err error) {
	if len(part) < 4 {
		return place{}, false, corrupt(recordKey(index, 0), "%d bytes", len(part))
	}
	if binary.BigEndian.Uint32(part) != 0 {
		return place{}, false, nil
	}
	if p, ok = parsePlace(part[4:]); !ok {
		return place{}, false, corrupt(recordKey(index, 0), "no place in a file of records")
	}
	return p, true, nil
}

// join gives the record's canonical bytes, wherever they lie.
func (v snapshot) join(index uint64, part []byte) ([]byte, error) {
	p, out, err := elsewhere(index, part)
	if err != nil {
		return nil, err
	}
	if out {
		sealed, err := v.files.sealed(index, p)
		if err != nil {
			return nil, err
		}
		if part, err = openSeal(recordKey(index, 0), sealed); err != nil {
			return nil, err
		}
	}
	if len(part) < 4 {
		return nil, corrupt(recordKey(index, 0), "%d bytes", len(part))
	}
	chunks := binary.BigEndian.Uint32(part)
	whole := part[4:]
	if chunks == 0 || chunks > math.MaxUint16 || out && chunks != 1 {
		return nil, corrupt(recordKey(index, 0), "%d chunks", chunks)
	}
	for i := 1; i < int(chunks); i++ {
		next, err := v.must(recordKey(index, i))
		if err != nil {
			return nil, err
		}
		if len(next) < 4 || binary.BigEndian.Uint32(next) != chunks {
			return nil, corrupt(recordKey(index, i), "not chunk %d of %d", i, chunks)
		}
		whole = append(whole, next[4:]...)
	}
	return whole, nil
}

// none checks that no record with from <= index <= to was ever there: the entries before the next record must belong
// to one below from.
func (v snapshot) none(from, to, size uint64) error {
	next := size
	if to < math.MaxUint64 {
		key, part, err := v.first([]byte("r/"), recordKey(to+1, 0), false)
		if err != nil {
			return err
		}
		if key != nil {
			r, err := v.assemble(binary.BigEndian.Uint64(key[2:]), part)
			if err != nil {
				return err
			}
			next = r.FirstSeq
		}
	}
	if next == 0 {
		return nil
	}
	first, index, ok, err := v.before(next - 1)
	if err != nil {
		return err
	}
	if !ok {
		return corrupt(seqKey(next-1), "no record holds entry %d", next-1)
	}
	if index >= from {
		return corrupt(recordKey(index, 0), "missing, although it holds the entries from %d to %d", first, next-1)
	}
	return nil
}

// sized runs fn over a state and the number of entries in that same state.
func (s *Store) sized(op string, fn func(v snapshot, size uint64) error) error {
	return s.view(op, func(v snapshot) error {
		h, err := v.head()
		if err != nil {
			return err
		}
		return fn(v, h.Size)
	})
}

func (v snapshot) head() (head, error) {
	payload, err := v.get(headKey())
	if nexus.CodeOf(err) == nexus.CodeNotFound {
		return head{Version: storeVersion}, nil
	}
	if err != nil {
		return head{}, err
	}
	var h head
	if err := nexus.Decode(payload, &h); err != nil {
		return head{}, corrupt(headKey(), "%w", err)
	}
	if h.Version < 1 || h.Version > storeVersion {
		return head{}, nexus.Errf("open store", nexus.CodeUnfit, fmt.Sprintf("store version %d", h.Version),
			"use a newer program", "this one knows versions up to %d", storeVersion)
	}
	return h, nil
}

// Get implements ledger.Store.
func (s *Store) Get(key []byte) ([]byte, error) {
	var payload []byte
	if !engineKey(key) {
		return nil, nexus.Errf("read store", nexus.CodeMalformed, "key "+keyName(key), "begin keys with d/ or x/",
			"not one of the engine's keys")
	}
	err := s.view("read store", func(v snapshot) (err error) {
		payload, err = v.get(key)
		return err
	})
	return payload, err
}

// Scan implements ledger.Store.
func (s *Store) Scan(prefix []byte, fn func(key, value []byte) error) error {
	if len(prefix) < 2 || !engineKey(append(append([]byte(nil), prefix...), 0)) {
		return nexus.Errf("scan store", nexus.CodeMalformed, "prefix "+keyName(prefix), "begin it with d/ or x/",
			"not of the engine's keys")
	}
	return s.view("scan store", func(v snapshot) error {
		o := badger.DefaultIteratorOptions
		o.Prefix, o.PrefetchSize = prefix, 16
		it := v.txn.NewIterator(o)
		defer it.Close()
		for it.Seek(prefix); it.ValidForPrefix(prefix); it.Next() {
			payload, err := itemPayload(it.Item())
			if err != nil {
				return err
			}
			if err := fn(it.Item().Key(), payload); err != nil {
				return err
			}
		}
		return nil
	})
}

// Record implements ledger.Store.
func (s *Store) Record(index uint64) (ledger.Record, error) {
	var r ledger.Record
	err := s.sized("read record", func(v snapshot, size uint64) error {
		part, err := v.get(recordKey(index, 0))
		if err == nil {
			r, err = v.assemble(index, part)
			return err
		}
		if nexus.CodeOf(err) != nexus.CodeNotFound {
			return err
		}
		if damage := v.none(index, index, size); damage != nil {
			return damage
		}
		return nexus.Errf("read record", nexus.CodeNotFound, fmt.Sprintf("record %d", index),
			"list records with `nexus ledger show`", "that command made no entries")
	})
	return r, err
}

// RecordBySeq implements ledger.Store.
func (s *Store) RecordBySeq(seq uint64) (ledger.Record, error) {
	var r ledger.Record
	err := s.sized("read record", func(v snapshot, size uint64) error {
		if seq >= size {
			return nexus.Errf("read record", nexus.CodeNotFound, fmt.Sprintf("entry %d", seq),
				"ask for an entry below the size", "the ledger has %d entries", size)
		}
		var err error
		r, err = v.holding(seq)
		return err
	})
	return r, err
}

// holding reads the record with entry seq, which is below the size.
func (v snapshot) holding(seq uint64) (ledger.Record, error) {
	first, index, ok, err := v.before(seq)
	if err != nil {
		return ledger.Record{}, err
	}
	if !ok {
		return ledger.Record{}, corrupt(seqKey(seq), "no record holds entry %d", seq)
	}
	r, err := v.record(index)
	if err == nil && (r.FirstSeq != first || seq >= r.Next()) {
		err = corrupt(recordKey(index, 0), "it holds the entries %d to %d, the index says from %d over %d",
			r.FirstSeq, r.Next()-1, first, seq)
	}
	return r, err
}

// LastRecord implements ledger.Store.
func (s *Store) LastRecord() (ledger.Record, error) {
	var r ledger.Record
	err := s.sized("read record", func(v snapshot, size uint64) error {
		if size == 0 {
			return nexus.Errf("read record", nexus.CodeNotFound, "last record", "launch first", "the ledger is empty")
		}
		var err error
		r, err = v.holding(size - 1)
		return err
	})
	return r, err
}

// Records implements ledger.Store.
func (s *Store) Records(from, to uint64, fn func(ledger.Record) error) error {
	if from > to {
		return nil
	}
	return s.sized("read records", func(v snapshot, size uint64) error {
		o := badger.DefaultIteratorOptions
		o.Prefix, o.PrefetchSize = []byte("r/"), 4
		it := v.txn.NewIterator(o)
		defer it.Close()
		var last ledger.Record
		for it.Seek(recordKey(from, 0)); it.ValidForPrefix(o.Prefix); it.Next() {
			key := it.Item().Key()
			if len(key) != 12 {
				return corrupt(key, "no key of a record")
			}
			index, chunk := binary.BigEndian.Uint64(key[2:]), binary.BigEndian.Uint16(key[10:])
			if index > to {
				break
			}
			if chunk != 0 {
				continue // read with its record
			}
			part, err := itemPayload(it.Item())
			if err != nil {
				return err
			}
			r, err := v.assemble(index, part)
			if err != nil {
				return err
			}
			if err := v.follows(last, r, from); err != nil {
				return err
			}
			if err := fn(r); err != nil {
				return err
			}
			last = r
		}
		if len(last.Entries) == 0 {
			return v.none(from, to, size)
		}
		if last.Index == to {
			return nil
		}
		return v.none(last.Index+1, to, size)
	})
}

// follows checks that r goes on where last ended, or, when r is the first read, that none before it is missing.
func (v snapshot) follows(last, r ledger.Record, from uint64) error {
	if len(last.Entries) > 0 {
		if r.FirstSeq != last.Next() {
			return corrupt(recordKey(r.Index, 0), "it begins at entry %d, record %d ends before %d: a record is missing",
				r.FirstSeq, last.Index, last.Next())
		}
		return nil
	}
	if r.Index == from {
		return nil
	}
	return v.none(from, r.Index-1, r.FirstSeq)
}

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
