package bundle

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// RemoveLeftovers removes what attempts to take a bundle in left in a data directory when they were killed: folders and files that end in
// ".partial" and did not change for age (0: any). One that is being written is locked, and stays whatever its age. It gives the names that are
// gone; a crash in the middle leaves the rest to the next call. Safe beside Take, and in other processes too: an attempt that meets it is
// told nexus.CodeConflict, as beside any other attempt.
func RemoveLeftovers(dataDir string, age time.Duration) (gone []string, err error) {
	dir := filepath.Join(dataDir, engine.ImportsDir)
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		if !strings.HasSuffix(d.Name(), partial) {
			continue
		}
		if changed, ierr := lastChange(filepath.Join(dir, d.Name())); ierr != nil || time.Since(changed) < age {
			if !errors.Is(ierr, fs.ErrNotExist) {
				err = errors.Join(err, ierr)
			}
			continue
		}
		removed, rerr := removeLeftover(filepath.Join(dir, d.Name()))
		if err = errors.Join(err, rerr); removed {
			gone = append(gone, d.Name())
		}
	}
	return gone, err
}

// removeLeftover removes a folder or file unless somebody has locked it, as whoever writes it does.
func removeLeftover(path string) (bool, error) {
	if d, err := os.Lstat(path); err == nil && !d.IsDir() && !d.Mode().IsRegular() { // no attempt makes one, and opening it may never end
		return true, os.Remove(path)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if osfile.TryLock(f) != nil || !sameFolder(f, path) {
		return false, nil
	}
	return true, os.RemoveAll(path)
}

// lastChange is when something in a folder, or a file, changed last.
func lastChange(path string) (last time.Time, err error) {
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		i, err := d.Info()
		if err == nil && i.ModTime().After(last) {
			last = i.ModTime()
		}
		return err
	})
	return last, err
}
