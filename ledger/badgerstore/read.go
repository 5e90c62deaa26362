package badgerstore

import (
	"encoding/binary"
	"errors"
	"fmt"

	badger "github.com/dgraph-io/badger/v4"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// view runs fn over one consistent state.
func (s *Store) view(op string, fn func(v snapshot) error) error {
	if err := s.enter(op); err != nil {
		return err
	}
	defer s.users.Done()
	return guard(op, func() error {
		files := recordReader{dir: s.dir, spare: &s.spare}
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
