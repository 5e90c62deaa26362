package identity

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

const (
	fileMode = 0o600
	dirMode  = 0o700
	// fileMax bounds every file this package reads, in bytes: an OpenSSH ed25519 key is below 1 KiB.
	fileMax = 128 << 10
)

// readPrivate reads a regular file that only its owner may read. The checks are made on the opened file, so that no
// rename between check and read gets by them; O_NONBLOCK keeps a named pipe from holding the caller.
func readPrivate(op, path string) ([]byte, error) {
	f, err := openPrivate(op, path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return readBounded(op, path, f)
}

func openPrivate(op, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fileError(op, path, err)
	}
	if err := checkPrivate(op, path, f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func checkPrivate(op, path string, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fileError(op, path, err)
	}
	if !info.Mode().IsRegular() {
		return nexus.Errf(op, nexus.CodeMalformed, path, "give a key file", "not a regular file (%s)", info.Mode().Type())
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nexus.Errf(op, nexus.CodeUnfit, path, "chmod 600 "+path,
			"mode %04o lets group or others in; only the owner may", perm)
	}
	if owner, ok := osfile.Owner(info); ok {
		if uid := os.Geteuid(); uid != 0 && owner != uid {
			return nexus.Errf(op, nexus.CodeUnfit, path, "use a key file of your own",
				"belongs to user %d, this process is user %d", owner, uid)
		}
	}
	return nil
}

func readBounded(op, path string, r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, fileMax+1))
	if err != nil {
		return nil, fileError(op, path, err)
	}
	if len(b) > fileMax {
		return nil, nexus.Errf(op, nexus.CodeMalformed, path, "is this a key file?", "larger than %d bytes", fileMax)
	}
	return b, nil
}

func fileError(op, path string, err error) error {
	e := &nexus.Error{Op: op, Code: nexus.CodeUnavailable, Subject: path, Cause: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Code = nexus.CodeNotFound
	case errors.Is(err, fs.ErrPermission):
		e.Code, e.Hint = nexus.CodeUnfit, "run as the owner of the file"
	case errors.Is(err, syscall.ENOSPC):
		e.Hint = "free disk space and try again"
	}
	return e
}

// stageFile writes a complete, synced temporary file beside path and returns its name. A crash leaves at most the
// temporary, which recovery completes or removes.
func stageFile(op, path string, data []byte) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*"+tempSuffix)
	if err != nil {
		return "", fileError(op, path, err)
	}
	name := f.Name()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(fileMode)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(name)
		return "", fileError(op, path, err)
	}
	return name, nil
}

// writeAtomic replaces path with data: before the rename the old content stands, after it the new one, and the
// directory is synced before it returns.
func writeAtomic(op, path string, data []byte) error {
	tmp, err := stageFile(op, path, data)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		_ = os.Remove(tmp)
		return fileError(op, path, err)
	}
	return syncDir(op, filepath.Dir(path))
}

func syncDir(op, dir string) error {
	if err := osfile.SyncDir(dir); err != nil {
		return fileError(op, dir, err)
	}
	return nil
}

// makeDir makes dir and its parents for the owner only, and syncs the parent so that the entry outlives a crash.
func makeDir(op, dir string) error {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return fileError(op, dir, err)
	}
	return syncDir(op, filepath.Dir(dir))
}

// withDirLock runs fn while this process alone holds the advisory lock of dir. It waits for the holder; every holder
// in this package works for milliseconds. The kernel frees the lock of a dead process.
func withDirLock(op, dir string, fn func() error) error {
	d, err := os.Open(dir)
	if err != nil {
		return fileError(op, dir, err)
	}
	defer func() { _ = d.Close() }() // closing frees the lock
	if err := osfile.Lock(d); err != nil {
		return fileError(op, dir, fmt.Errorf("lock: %w", err))
	}
	return fn()
}

const tempSuffix = ".tmp"

// isTemp reports whether a directory entry is a temporary of stageFile, and for which file.
func isTemp(entry string) (base string, ok bool) {
	if !strings.HasPrefix(entry, ".") || !strings.HasSuffix(entry, tempSuffix) {
		return "", false
	}
	rest := strings.TrimSuffix(entry[1:], tempSuffix)
	i := strings.LastIndexByte(rest, '.')
	if i <= 0 {
		return "", false
	}
	return rest[:i], true
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
