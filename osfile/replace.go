package osfile

import (
	"errors"
	"os"
	"path/filepath"
)

// TempSuffix ends the names of files that were being written when a process died; they hold nothing.
const TempSuffix = ".tmp"

// ReplaceStep is one thing that Replace does, in this order.
type ReplaceStep int

// The steps.
const (
	ReplaceWrite  ReplaceStep = iota // of the content, to a file beside
	ReplaceSync                      // of that file
	ReplaceRename                    // over the path
	ReplaceFolder                    // sync of the folder
)

// Replace writes content beside path, readable by the owner alone, syncs, renames over path and syncs the folder. A crash before the rename leaves the old
// file (and one with TempSuffix, which the next call overwrites), a crash after it the new one. One caller at a time for a path. Errors: package os's.
func Replace(path string, content []byte) error {
	return ReplaceWatched(path, content, func(ReplaceStep) error { return nil })
}

// ReplaceWatched is Replace that asks before each step; an error of before is as one of the step.
func ReplaceWatched(path string, content []byte, before func(ReplaceStep) error) error {
	temp := path + TempSuffix
	file, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = before(ReplaceWrite)
	if err == nil {
		_, err = file.Write(content)
	}
	if err == nil {
		err = before(ReplaceSync)
	}
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = before(ReplaceRename)
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := before(ReplaceFolder); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes what was created, renamed or removed in a folder durable. Errors: package os's.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
