package badgerstore

import (
	"encoding/binary"
	"errors"
	"fmt"

	badger "github.com/dgraph-io/badger/v4"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// Commit implements ledger.Store.
//
// The commit point is Badger's transaction: a crash before it leaves the batch before, a crash after it this one. The
// memory of this process follows only afterwards.
func (s *Store) Commit(b ledger.Batch) error {
	const op = "commit"
	if err := s.enter(op); err != nil {
		return err
	}
	defer s.users.Done()
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	s.mu.RLock()
	before, tiles, broken := s.head, s.tiles.Clone(), s.broken
	s.mu.RUnlock()
	if broken != nil {
		return broken
	}
	after, err := s.check(b, before)
	if err != nil {
		return err
	}
	full, err := grow(&tiles, &b)
	if err != nil {
		return err
	}
	if n := len(b.Records); n > 0 && tiles.Root() != b.Records[n-1].Root {
		return malformed(fmt.Sprintf("record %d", b.Records[n-1].Index), "leaves and entries of one Chain.Append",
			"its root is not the root over the leaves")
	}
	if err := s.room(b.Size()); err != nil {
		return err
	}
	err = guard(op, func() error { return s.write(b, after, full) })
	var own *nexus.Error
	if errors.As(err, &own) && (own.Code == nexus.CodeMalformed || own.Code == nexus.CodeUnavailable) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.broken = nexus.Errf(op, nexus.CodeInternal, s.dir, "restart the node; it goes on from the log", "%w", err)
		return s.broken
	}
	s.head, s.tiles = after, tiles
	if b.Checkpoint != "" {
		s.checkpoint = b.Checkpoint
	}
	return nil
}

// grow appends the batch's leaves to the tree and gives the tiles that became full.
func grow(tiles *merkle.Tiles, b *ledger.Batch) (full []merkle.Tile, err error) {
	for _, leaf := range b.Leaves {
		full = tiles.Append(leaf, full)
	}
	for i := range b.Grown {
		var fits bool
		if full, fits = tiles.Grow(b.Grown[i], full); !fits {
			return nil, malformed(fmt.Sprintf("batch up to %d", b.Applied), "commit in order", "what the tree grew by is of another place")
		}
	}
	return full, nil
}

func malformed(subject, hint, format string, args ...any) error {
	return nexus.Errf("commit", nexus.CodeMalformed, subject, hint, format, args...)
}

// check holds the batch to the contract and gives the head after it.
func (s *Store) check(b ledger.Batch, before head) (head, error) {
	after := head{Version: storeVersion, Applied: b.Applied, LastIndex: before.LastIndex, Size: before.Size}
	if b.Applied < before.Applied {
		return head{}, malformed(fmt.Sprintf("applied %d", b.Applied), "commit in order",
			"the store is at %d", before.Applied)
	}
	if n := b.Size(); n > s.maxSize {
		return head{}, malformed(fmt.Sprintf("batch of up to %d bytes", n), "split it between records",
			"a batch holds at most %d", s.maxSize)
	}
	for i := range b.Records {
		r := &b.Records[i]
		subject := fmt.Sprintf("record %d", r.Index)
		switch {
		case len(r.Entries) == 0 || len(r.Entries) > ledger.MaxRecordEntries:
			return head{}, malformed(subject, "store no record for a command that changed nothing", "%d entries", len(r.Entries))
		case r.FirstSeq != after.Size:
			return head{}, malformed(subject, "commit in order", "first entry %d, the store has %d", r.FirstSeq, after.Size)
		case r.Index <= after.LastIndex && after.Size > 0:
			return head{}, malformed(subject, "commit in order", "the store has record %d", after.LastIndex)
		case r.Index > b.Applied:
			return head{}, malformed(subject, "set Applied to the last index", "applied is only %d", b.Applied)
		}
		after.Size, after.LastIndex = r.Next(), r.Index
	}
	if got, want := uint64(b.LeafCount()), after.Size-before.Size; got != want {
		return head{}, malformed(fmt.Sprintf("batch up to %d", b.Applied), "one leaf per entry",
			"%d leaves, %d entries", got, want)
	}
	for i := range b.Puts {
		if !engineKey(b.Puts[i].Key) {
			return head{}, malformed("key "+keyName(b.Puts[i].Key), "begin keys with d/ or x/, at most 1024 bytes",
				"not one of the engine's keys")
		}
		if len(b.Puts[i].Value) > chunkBytes {
			return head{}, malformed("key "+keyName(b.Puts[i].Key), "spread it over several keys",
				"%d bytes, at most %d", len(b.Puts[i].Value), chunkBytes)
		}
	}
	return after, nil
}

// room refuses a write when the disk is nearly full: Badger maps its files into memory, and a page without a block
// behind it would end the process.
func (s *Store) room(size int) error {
	free, err := osfile.Free(s.dir)
	if err != nil {
		return nexus.Errf("commit", nexus.CodeUnavailable, s.dir, "check the disk", "%w", err)
	}
	if free < s.reserve+int64(size) {
		return nexus.Errf("commit", nexus.CodeUnavailable, s.dir, "free disk space; reads go on and no restart is needed",
			"%d MiB free, %d MiB are kept in reserve", free>>20, s.reserve>>20)
	}
	return nil
}

// write puts the whole batch into one Badger transaction, the large records before it into their files.
func (s *Store) write(b ledger.Batch, after head, full []merkle.Tile) (err error) {
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	end := s.records.end
	defer func() {
		if err != nil {
			s.records.back(end)
		}
	}()
	put := func(key, sealed []byte) {
		if err == nil {
			err = txn.SetEntry(badger.NewEntry(key, sealed))
		}
	}
	for i := range b.Records {
		s.putRecord(&b.Records[i], put)
	}
	if err := s.records.flush(); err != nil {
		return err
	}
	if s.records.end != end {
		put(recordsKey(), sealValue(recordsKey(), nexus.Encode(s.records.end)))
	}
	for _, t := range full {
		key := tileKey(t.Level, t.Index)
		buf := newSealed(len(t.Hashes) * len(nexus.Hash{}))
		for i := range t.Hashes {
			buf = append(buf, t.Hashes[i][:]...)
		}
		put(key, finishSeal(key, buf))
	}
	for i := range b.Puts {
		key := append([]byte(nil), b.Puts[i].Key...)
		put(key, sealValue(key, b.Puts[i].Value))
	}
	if b.Checkpoint != "" {
		put(checkpointKey(), sealValue(checkpointKey(), []byte(b.Checkpoint)))
	}
	put(headKey(), sealValue(headKey(), nexus.Encode(after)))
	if errors.Is(err, badger.ErrTxnTooBig) {
		return malformed(fmt.Sprintf("batch up to %d", b.Applied), "split it between records", "%w", err)
	}
	if err != nil {
		return err
	}
	return txn.Commit()
}

// putRecord writes a record, or where it lies in its file, and the index from its first entry to it.
func (s *Store) putRecord(r *ledger.Record, put func(key, sealed []byte)) {
	const prefix = 4
	key := recordKey(r.Index, 0)
	if size := r.Size(); size >= fileRecordMin {
		put(key, finishSeal(key, s.records.stage(r).appendTo(newSealed(prefix+placeBytes))))
	} else {
		buf := binary.BigEndian.AppendUint32(newSealed(prefix+size), 1)
		put(key, finishSeal(key, r.AppendTo(buf)))
	}
	put(seqKey(r.FirstSeq), sealValue(seqKey(r.FirstSeq), binary.BigEndian.AppendUint64(nil, r.Index)))
}
