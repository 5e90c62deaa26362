package badgerstore

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// Options of a store. The zero value is ready for use.
//
// Memory: two memtables of MemTableBytes and a half more each for their index (96 MiB with the default), table
// indexes and bloom filters (about 1.3 bytes per stored key and 24 per 4 KiB of data), no block cache: blocks are
// read through the page cache.
type Options struct {
	// ReserveBytes is the free disk space below which Commit refuses, so that what was accepted can still be flushed and
	// the node can still be repaired. 0: DefaultReserveBytes.
	ReserveBytes int64
	// MemTableBytes is the size of Badger's memtables. 0: 32 MiB. At least 8 MiB.
	MemTableBytes int64
	// Logger takes Badger's own messages, at debug level when they are informative. nil: they are dropped.
	Logger *slog.Logger
}

// DefaultReserveBytes is twice the memtable that may still have to be flushed.
const DefaultReserveBytes = 64 << 20

const (
	memTableBytesDefault = 32 << 20
	memTableBytesMin     = 8 << 20
	chunkBytes           = 512 << 10
	storeVersion         = 2 // 1 had all records in Badger; it is read, and goes on as 2
)

// Store implements ledger.Store.
type Store struct {
	db      *badger.DB
	dir     string
	reserve int64
	maxSize int

	commitMu sync.Mutex // held through Commit and Sync: one writer
	records  recordFiles

	whole tileCache // has its own lock
	spare sync.Pool // see recordReader

	lifeMu sync.Mutex // guards closed and entering users
	closed bool
	users  sync.WaitGroup

	mu         sync.RWMutex // guards what follows: the last whole batch
	head       head
	tiles      merkle.Tiles
	checkpoint string
	broken     error // set when a commit failed inside Badger: whether it happened is unknown until the next Open
}

var _ ledger.Store = (*Store)(nil)

// Open opens or creates the store in dir. Run CheckFiles first on a directory of unknown state: Badger ends the process
// on some damages that CheckFiles reports. Errors: nexus.CodeConflict when another process holds it, nexus.CodeCorrupt
// when what is stored does not fit together, nexus.CodeUnavailable for the file system's refusals.
func Open(dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nexus.Errf("open store", nexus.CodeUnavailable, dir, "check the directory and its owner", "%w", err)
	}
	db, err := openBadger(o.badger(dir), dir)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, dir: dir, reserve: o.ReserveBytes, maxSize: int(o.MemTableBytes / 8), records: recordFiles{dir: dir, limit: recordFileMax}}
	if err := s.load(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.ReserveBytes == 0 {
		o.ReserveBytes = DefaultReserveBytes
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = memTableBytesDefault
	}
	o.MemTableBytes = max(o.MemTableBytes, memTableBytesMin)
	return o
}

// badger gives Badger's options; doc.go and DESIGN.md section 3 say why each differs from its default.
func (o Options) badger(dir string) badger.Options {
	return badger.DefaultOptions(dir).
		WithSyncWrites(false).      // the replicated log is the durability promise; Sync before it is cut
		WithDetectConflicts(false). // one writer
		WithNumVersionsToKeep(1).
		WithCompression(options.None). // sealed values hardly compress, and uncompressed blocks can be checked in place
		WithBlockCacheSize(0).
		WithIndexCacheSize(0).
		WithMemTableSize(o.MemTableBytes).
		WithNumMemtables(2).
		WithNumCompactors(2).
		WithValueThreshold(1 << 20). // above every value we write: none goes to the value log
		WithValueLogFileSize(1 << 20).
		WithChecksumVerificationMode(options.OnBlockRead).
		WithMetricsEnabled(false).
		WithLogger(badgerLog{o.Logger})
}

// lockPatience is how long an opening waits for the directory's lock. A process that starts another one shares its open files with it
// until the other runs its own program, and a killed one has them until the kernel has closed them: both are over in a moment.
const lockPatience = 2 * time.Second

// isLocked knows Badger's refusal by its words; it has no error value for it.
func isLocked(err error) bool {
	return err != nil && strings.Contains(err.Error(), "Cannot acquire directory lock")
}

// metEmptyLog knows Badger's refusal of a memtable log without a byte. It makes one on the way to a new log, and on the way from one whose
// entries are in tables: it cuts it to nothing, then removes it. A process killed in between leaves it. The refusal gives the file its full
// length, so the next try takes it for the log of nothing that it is.
func metEmptyLog(err error) bool {
	return err != nil && strings.Contains(err.Error(), "Create a new file")
}

// openBadger turns Badger's errors and panics into ours.
func openBadger(o badger.Options, dir string) (db *badger.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = nexus.Errf("open store", nexus.CodeCorrupt, dir,
				"run `nexus ledger verify --offline` to see which file is damaged", "badger: %v", r)
		}
	}()
	for end := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		if db, err = badger.Open(o); !isLocked(err) && !metEmptyLog(err) || time.Now().After(end) {
			break
		}
	}
	switch {
	case err == nil:
		return db, nil
	case isLocked(err):
		return nil, nexus.Errf("open store", nexus.CodeConflict, dir, "stop the node that holds it", "%w", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EROFS):
		return nil, nexus.Errf("open store", nexus.CodeUnavailable, dir, "check owner, mode and free space", "%w", err)
	default:
		return nil, nexus.Errf("open store", nexus.CodeCorrupt, dir,
			"run `nexus ledger verify --offline` to see which file is damaged", "%w", err)
	}
}

// enter registers a use; Close waits for leave. A use inside another is fine: it fails once Close has begun.
func (s *Store) enter(op string) error {
	s.lifeMu.Lock()
	defer s.lifeMu.Unlock()
	if s.closed {
		return nexus.Errf(op, nexus.CodeUnavailable, s.dir, "start the node again", "the store is closed")
	}
	s.users.Add(1)
	return nil
}

// guard runs fn and turns a panic of the library into an error, so that one damaged block does not end the node.
func guard(op string, fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = nexus.Errf(op, nexus.CodeCorrupt, "badger", "stop the node and run `nexus ledger verify --offline`",
				"%v", r)
		}
	}()
	return fn()
}

// MaxBatchBytes implements ledger.Store: an eighth of the memtable, below the limit of a Badger transaction.
func (s *Store) MaxBatchBytes() int { return s.maxSize }

// Applied implements ledger.Store.
func (s *Store) Applied() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.head.Applied
}

// Size implements ledger.Store.
func (s *Store) Size() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.head.Size
}

// Root is the root over the stored entries.
func (s *Store) Root() nexus.Hash {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tiles.Root()
}

// Checkpoint implements ledger.Store.
func (s *Store) Checkpoint() (string, error) {
	if err := s.enter("read checkpoint"); err != nil {
		return "", err
	}
	defer s.users.Done()
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.checkpoint, nil
}

// Sync implements ledger.Store. Badger's own Sync leaves out memtables that wait to be flushed and the names of new
// files, so both are synced here.
func (s *Store) Sync() error {
	const op = "sync store"
	if err := s.enter(op); err != nil {
		return err
	}
	defer s.users.Done()
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	fail := func(err error) error {
		return nexus.Errf(op, nexus.CodeUnavailable, s.dir, "check the disk; nothing was cut from the log", "%w", err)
	}
	if err := guard(op, s.db.Sync); err != nil {
		return fail(err)
	}
	logs, err := filepath.Glob(filepath.Join(s.dir, "*.mem"))
	if err != nil {
		return fail(err)
	}
	for _, name := range logs {
		// One that is gone by now was flushed to a table, which Badger synced before it removed the log.
		if err := syncFile(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fail(err)
		}
	}
	if err := syncFile(s.dir); err != nil {
		return fail(err)
	}
	return nil
}

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// SizeOnDisk implements ledger.Store: blocks in use, so the holes of sparse files do not count.
func (s *Store) SizeOnDisk() (int64, error) {
	var total int64
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return 0, nexus.Errf("measure store", nexus.CodeUnavailable, s.dir, "check the directory", "%w", err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			continue // removed by a compaction meanwhile
		}
		total += osfile.Allocated(info)
	}
	return total, nil
}

// Close implements ledger.Store. It waits for uses under way; a second Close does nothing.
func (s *Store) Close() error {
	s.lifeMu.Lock()
	if s.closed {
		s.lifeMu.Unlock()
		return nil
	}
	s.closed = true
	s.lifeMu.Unlock()
	s.users.Wait()
	s.records.close()
	if err := guard("close store", s.db.Close); err != nil {
		return nexus.Errf("close store", nexus.CodeInternal, s.dir, "the next start repairs from the log", "%w", err)
	}
	return nil
}

// badgerLog passes Badger's messages on as attributes.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) emit(level func(*slog.Logger, string, ...any), format string, args []any) {
	if l.log != nil {
		level(l.log, "badger", "component", "badger", "text", strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}

func (l badgerLog) Errorf(f string, a ...any)   { l.emit((*slog.Logger).Error, f, a) }
func (l badgerLog) Warningf(f string, a ...any) { l.emit((*slog.Logger).Warn, f, a) }
func (l badgerLog) Infof(f string, a ...any)    { l.emit((*slog.Logger).Debug, f, a) }
func (l badgerLog) Debugf(f string, a ...any)   { l.emit((*slog.Logger).Debug, f, a) }
