//go:build !unix || solaris || illumos || aix

package osfile

import (
	"io/fs"
	"os"
)

// Lock says that files are not locked here.
func Lock(*os.File) error { return Absent("locks of files") }

// TryLock says that files are not locked here.
func TryLock(*os.File) error { return Absent("locks of files") }

// TryLockShared says that files are not locked here.
func TryLockShared(*os.File) error { return Absent("locks of files") }

// Unlock says that files are not locked here.
func Unlock(*os.File) error { return Absent("locks of files") }

// Held reports whether another holds a lock: nobody can.
func Held(error) bool { return false }

// Free says that the room on a disk is not known here.
func Free(string) (int64, error) { return 0, Absent("room on a disk") }

// Owner gives no owner.
func Owner(fs.FileInfo) (uid int, ok bool) { return 0, false }

// Allocated gives a file's size.
func Allocated(info fs.FileInfo) int64 { return info.Size() }
