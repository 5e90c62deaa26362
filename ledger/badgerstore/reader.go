package badgerstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	badger "github.com/dgraph-io/badger/v4"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// Reader reads everything a store holds, as one consistent state, for the independent checker. Safe for concurrent use.
type Reader struct {
	txn   *badger.Txn
	dir   string // of the files of records
	close func() error
}

// Reader gives a view of the open store as it is now. Close it; the store's Close waits for that.
func (s *Store) Reader() (*Reader, error) {
	if err := s.enter("read store"); err != nil {
		return nil, err
	}
	txn := s.db.NewTransaction(false)
	return &Reader{txn: txn, dir: s.dir, close: func() error { txn.Discard(); s.users.Done(); return nil }}, nil
}

// OpenReadOnly reads the directory of a stopped node, or a backup of one, without changing a byte of it. Badger's own
// read-only mode refuses a directory whose process was killed, because its logs still have to be replayed, so a
// temporary directory beside dir (or, where that cannot be written, in the system's place for them) gets hard links to
// the tables and the files of records and copies of the other files, and Badger opens that.
//
// Cost: memory as Options says; disk: the logs' used bytes (at most about 100 MiB with default options) until Close, or
// a copy of everything where hard links are not possible. Errors: nexus.CodeConflict when a node runs on dir,
// nexus.CodeCorrupt, nexus.CodeUnavailable. Run CheckFiles first: Badger ends the process on some damages.
func OpenReadOnly(dir string, o Options) (*Reader, error) {
	o = o.withDefaults()
	unlock, err := lockShared(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	names, err := storeFiles(dir)
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp(filepath.Dir(filepath.Clean(dir)), ".nexus-read-")
	if err != nil {
		temp, err = os.MkdirTemp("", "nexus-read-")
	}
	if err != nil {
		return nil, nexus.Errf("open store", nexus.CodeUnavailable, dir, "make room for a temporary directory", "%w", err)
	}
	remove := func() error { return os.RemoveAll(temp) }
	for _, name := range names {
		if err := mirror(filepath.Join(dir, name), filepath.Join(temp, name)); err != nil {
			return nil, errors.Join(nexus.Errf("open store", nexus.CodeUnavailable, filepath.Join(dir, name),
				"check owner, mode and free space", "%w", err), remove())
		}
	}
	// Without compactions and with no limit on the newest tables nothing is rewritten while it is read.
	db, err := openBadger(o.badger(temp).WithNumCompactors(0).WithNumLevelZeroTablesStall(1<<20), dir)
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	txn := db.NewTransaction(false)
	return &Reader{txn: txn, dir: temp, close: func() error {
		txn.Discard()
		return errors.Join(guard("close store", db.Close), remove())
	}}, nil
}

// lockShared takes the lock of a reader on a Badger directory; it fails while a node has it open. It asks for lockPatience: a process that
// was just forked has a copy of its parent's descriptors until it runs its own program, and with them the lock of a store already closed.
func lockShared(dir string) (func(), error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, nexus.Errf("open store", nexus.CodeNotFound, dir, "check the data directory", "%w", err)
	}
	for end := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		if err = osfile.TryLockShared(f); err == nil || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(nexus.Errf("open store", nexus.CodeConflict, dir,
			"stop the node, or ask it with `nexus ledger verify`", "a running node holds it"), f.Close())
	}
	return func() {
		_ = osfile.Unlock(f) // closing alone would leave the lock to a copy in a process just forked
		_ = f.Close()
	}, nil
}

// mirror makes a hard link to a table, which is never written again, or to a file of records, which only grows, and a copy of anything else.
func mirror(from, to string) error {
	if (strings.HasSuffix(from, ".sst") || isRecordFile(from)) && os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(copySparse(in, out), out.Close())
}

// copySparse copies in to out and leaves holes where in is zero: logs are large files with little in them.
func copySparse(in, out *os.File) error {
	buf := make([]byte, 256<<10)
	var off int64
	for {
		n, err := io.ReadFull(in, buf)
		if n > 0 && firstNonZero(buf[:n]) >= 0 {
			if _, err := out.WriteAt(buf[:n], off); err != nil {
				return err
			}
		}
		off += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return out.Truncate(off)
		}
		if err != nil {
			return err
		}
	}
}

// Close releases the view and removes the temporary directory if there is one.
func (r *Reader) Close() error { return r.close() }

// Scan calls fn for every key in ascending order with the bytes as stored, seal included; of a record in a file, with those in the file. fn
// must not keep the slices. The first error ends it and is returned.
func (r *Reader) Scan(fn func(key, sealed []byte) error) error {
	return guard("scan store", func() error {
		files := recordReader{dir: r.dir}
		defer files.close()
		o := badger.DefaultIteratorOptions
		o.PrefetchSize = 4
		it := r.txn.NewIterator(o)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			key := it.Item().Key()
			err := it.Item().Value(func(value []byte) error {
				value, err := files.follow(key, value)
				if err != nil {
					return err
				}
				return fn(key, value)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// follow gives the stored bytes of a key whose value in Badger is given: those of the file for a record that lies in one. What is damaged is
// given as it is.
func (r *recordReader) follow(key, value []byte) ([]byte, error) {
	if len(key) != 12 || string(key[:2]) != "r/" || binary.BigEndian.Uint16(key[10:]) != 0 {
		return value, nil
	}
	part, err := openSeal(key, value)
	if err != nil {
		return value, nil // the caller looks at the seal
	}
	index := binary.BigEndian.Uint64(key[2:])
	p, out, err := elsewhere(index, part)
	if err != nil || !out {
		return value, err
	}
	return r.sealed(index, p)
}

// Get gives the opened value of a key. Errors: nexus.CodeNotFound, nexus.CodeCorrupt naming the key.
func (r *Reader) Get(key []byte) ([]byte, error) {
	var payload []byte
	err := guard("read store", func() (err error) {
		payload, err = snapshot{txn: r.txn}.get(key)
		return err
	})
	return payload, err
}

// Records calls fn for every record in rising index with its canonical bytes, seals checked and removed and chunks
// joined, but not parsed. The first error ends it and is returned; damage is nexus.CodeCorrupt naming the key.
func (r *Reader) Records(fn func(index uint64, encoded []byte) error) error {
	return guard("read records", func() error {
		files := recordReader{dir: r.dir}
		defer files.close()
		v := snapshot{r.txn, &files}
		o := badger.DefaultIteratorOptions
		o.Prefix, o.PrefetchSize = []byte("r/"), 4
		it := r.txn.NewIterator(o)
		defer it.Close()
		for it.Rewind(); it.ValidForPrefix(o.Prefix); it.Next() {
			key := it.Item().KeyCopy(nil)
			if len(key) != 12 {
				return corrupt(key, "no key of a record")
			}
			if binary.BigEndian.Uint16(key[10:]) != 0 {
				continue
			}
			part, err := itemPayload(it.Item())
			if err != nil {
				return err
			}
			index := binary.BigEndian.Uint64(key[2:])
			encoded, err := v.join(index, part)
			if err != nil {
				return err
			}
			if err := fn(index, encoded); err != nil {
				return err
			}
		}
		return nil
	})
}

// RawScan calls fn for every key of a stopped node's directory with the bytes as stored; see OpenReadOnly for what it
// costs and Reader.Scan for the rest.
func RawScan(dir string, fn func(key, sealed []byte) error) error {
	r, err := OpenReadOnly(dir, Options{})
	if err != nil {
		return err
	}
	if err := r.Scan(fn); err != nil {
		return errors.Join(fmt.Errorf("scan %s: %w", dir, err), r.Close())
	}
	return r.Close()
}
