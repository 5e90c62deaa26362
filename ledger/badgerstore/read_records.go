package badgerstore

import (
	"encoding/binary"
	"fmt"
	"math"

	badger "github.com/dgraph-io/badger/v4"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

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
			return pastEnd(seq, size)
		}
		var err error
		r, err = v.holding(seq)
		return err
	})
	return r, err
}

// holding reads the record with entry seq, which is below the size.
func (v snapshot) holding(seq uint64) (ledger.Record, error) {
	first, index, err := v.holder(seq)
	if err != nil {
		return ledger.Record{}, err
	}
	part, err := v.must(recordKey(index, 0))
	if err != nil {
		return ledger.Record{}, err
	}
	return v.held(first, index, seq, part)
}

// holder gives the record that the index has for entry seq, and its first entry.
func (v snapshot) holder(seq uint64) (first, index uint64, err error) {
	first, index, ok, err := v.before(seq)
	if err == nil && !ok {
		err = corrupt(seqKey(seq), "no record holds entry %d", seq)
	}
	return first, index, err
}

// held reads the record that holder gave, from the opened value of its key, and holds it to that.
func (v snapshot) held(first, index, seq uint64, part []byte) (ledger.Record, error) {
	r, err := v.assemble(index, part)
	if err == nil && (r.FirstSeq != first || seq >= r.Next()) {
		err = corrupt(recordKey(index, 0), "it holds the entries %d to %d, the index says from %d over %d",
			r.FirstSeq, r.Next()-1, first, seq)
	}
	return r, err
}

// Entry implements ledger.Store. A record in a file of records is read up to the entry, and its seal is not looked at: the entry's leaf in the
// tree vouches for it. What does not fit is read again with its whole record, which tells what is damaged.
func (s *Store) Entry(seq uint64) (e ledger.SaltedEntry, err error) {
	tiles := s.edge() // no larger than the state that is seen after it
	err = s.view("read entry", func(v snapshot) error {
		if seq >= tiles.Size() {
			return pastEnd(seq, tiles.Size())
		}
		leaf, err := tiles.Node(merkle.Node{Index: seq}, s.wholes(v))
		if err != nil {
			return err
		}
		e, err = v.entry(seq, leaf)
		return err
	})
	return e, err
}

func pastEnd(seq, size uint64) error {
	return nexus.Errf("read record", nexus.CodeNotFound, fmt.Sprintf("entry %d", seq), "ask for an entry below the size",
		"the ledger has %d entries", size)
}

// entry reads an entry that the tree has the leaf of.
func (v snapshot) entry(seq uint64, leaf nexus.Hash) (ledger.SaltedEntry, error) {
	first, index, err := v.holder(seq)
	if err != nil {
		return ledger.SaltedEntry{}, err
	}
	part, err := v.must(recordKey(index, 0))
	if err != nil {
		return ledger.SaltedEntry{}, err
	}
	p, out, err := elsewhere(index, part)
	if err != nil {
		return ledger.SaltedEntry{}, err
	}
	if out {
		if e, err := v.files.entry(seq, p); err == nil && e.Leaf() == leaf {
			return e, nil
		}
	}
	r, err := v.held(first, index, seq, part)
	if err != nil {
		return ledger.SaltedEntry{}, err
	}
	e := r.Salted(seq)
	if e.Leaf() != leaf {
		err = corrupt(tileKey(0, seq/merkle.TileWidth), "leaf %d is not that of the entry in record %d", seq, index)
	}
	return e, err
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
