//go:build unix && !solaris && !illumos && !aix

package osfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Lock takes the exclusive advisory lock of an open file or folder, and waits for whoever holds it. The lock is that of f and of its copies in processes
// that were forked; the kernel gives it back when the last of them is closed.
func Lock(f *os.File) error { return flock(f, syscall.LOCK_EX) }

// TryLock is Lock without waiting. Held tells of its error whether another holds it.
func TryLock(f *os.File) error { return flock(f, syscall.LOCK_EX|syscall.LOCK_NB) }

// TryLockShared is TryLock of one who only reads: any number of them hold it beside each other, beside Lock nobody.
func TryLockShared(f *os.File) error { return flock(f, syscall.LOCK_SH|syscall.LOCK_NB) }

// Unlock gives a lock back at once, also where a copy of f is left in a process that was just forked.
func Unlock(f *os.File) error { return flock(f, syscall.LOCK_UN) }

func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// Held reports whether an error of TryLock or TryLockShared means that another holds the lock.
func Held(err error) bool { return errors.Is(err, syscall.EWOULDBLOCK) }

// Free gives the bytes that a user without privileges may still write on the file system of dir.
func Free(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // the types differ by system
}

// Owner gives the user id that a file belongs to; ok is false where the system has none.
func Owner(info fs.FileInfo) (uid int, ok bool) {
	if st, is := info.Sys().(*syscall.Stat_t); is {
		return int(st.Uid), true
	}
	return 0, false
}

// Allocated gives the bytes that a file takes on the disk: less than its size where it has holes.
func Allocated(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}
