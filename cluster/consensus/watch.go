package consensus

import (
	"os"

	walfs "github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/types"
)

// The steps of the write path that touch a file of the log, by name. A replaced file (ReplaceFile) has four of them, the
// head file two.
const (
	StepLogCreate = "log create"
	StepLogWrite  = "log write"
	StepLogSync   = "log sync"
	StepLogDelete = "log delete"

	StepMetaWrite  = "meta write"
	StepMetaSync   = "meta sync"
	StepMetaRename = "meta rename"
	StepMetaFolder = "meta folder sync"

	StepMarkerWrite  = "marker write"
	StepMarkerSync   = "marker sync"
	StepMarkerRename = "marker rename"
	StepMarkerFolder = "marker folder sync"
	StepMarkerRemove = "marker remove"

	StepHeadWrite = "head write"
	StepHeadSync  = "head sync"

	StepMendWrite = "mend write"
	StepMendSync  = "mend sync"
)

// Steps lists them in the order of the write path: an entry is written and synced, applied, acknowledged by the head file; now and
// then a segment is closed, a marker written and the log cut behind it; mending happens at the next start.
var Steps = []string{StepLogWrite, StepLogSync, StepHeadWrite, StepHeadSync,
	StepLogCreate, StepMetaWrite, StepMetaSync, StepMetaRename, StepMetaFolder,
	StepMarkerWrite, StepMarkerSync, StepMarkerRename, StepMarkerFolder, StepMarkerRemove, StepLogDelete,
	StepMendWrite, StepMendSync}

// Op is one such step: what is about to be done to which file.
type Op struct {
	Step   string
	Path   string
	To     string // the new name of a rename
	Offset int64  // of a write, bytes
	Data   []byte // of a write; the preallocated size of a new segment is its length in Size
	Size   int64
}

// Watch sees every step just before it is done, in the goroutine that does it; an error is given to the caller in the step's place. nil
// in production. Tests record, fail, delay and kill here: what Go links statically cannot be intercepted from outside.
type Watch func(Op) error

func (w Watch) do(op Op) error {
	if w == nil {
		return nil
	}
	return w(op)
}

// replaceSteps names the four steps of replacing one kind of file.
type replaceSteps struct{ write, sync, rename, folder string }

var (
	metaSteps   = replaceSteps{StepMetaWrite, StepMetaSync, StepMetaRename, StepMetaFolder}
	markerSteps = replaceSteps{StepMarkerWrite, StepMarkerSync, StepMarkerRename, StepMarkerFolder}
)

// watchedFS shows raft-wal's file operations to a Watch.
type watchedFS struct {
	types.VFS
	watch Watch
}

func newFS(w Watch) types.VFS {
	if w == nil {
		return walfs.New()
	}
	return watchedFS{walfs.New(), w}
}

// Create implements types.VFS.
func (f watchedFS) Create(dir, name string, size uint64) (types.WritableFile, error) {
	path := dir + string(os.PathSeparator) + name
	if err := f.watch(Op{Step: StepLogCreate, Path: path, Size: int64(size)}); err != nil {
		return nil, err
	}
	file, err := f.VFS.Create(dir, name, size)
	return watchedFile{file, path, f.watch}, err
}

// Delete implements types.VFS.
func (f watchedFS) Delete(dir, name string) error {
	if err := f.watch(Op{Step: StepLogDelete, Path: dir + string(os.PathSeparator) + name}); err != nil {
		return err
	}
	return f.VFS.Delete(dir, name)
}

// OpenWriter implements types.VFS.
func (f watchedFS) OpenWriter(dir, name string) (types.WritableFile, error) {
	file, err := f.VFS.OpenWriter(dir, name)
	return watchedFile{file, dir + string(os.PathSeparator) + name, f.watch}, err
}

type watchedFile struct {
	types.WritableFile
	path  string
	watch Watch
}

// WriteAt implements io.WriterAt.
func (f watchedFile) WriteAt(b []byte, offset int64) (int, error) {
	if err := f.watch(Op{Step: StepLogWrite, Path: f.path, Offset: offset, Data: b}); err != nil {
		return 0, err
	}
	return f.WritableFile.WriteAt(b, offset)
}

// Sync implements types.WritableFile.
func (f watchedFile) Sync() error {
	if err := f.watch(Op{Step: StepLogSync, Path: f.path}); err != nil {
		return err
	}
	return f.WritableFile.Sync()
}
