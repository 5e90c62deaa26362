package osfile

import (
	"errors"
	"os"
	"syscall"
)

// Datasync brings a file's content to the disk, and of its metadata what reading it back needs (fdatasync). It waits for the disk.
func Datasync(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// ReadRandom tells the kernel that f is read here and there, so that it reads nothing ahead (POSIX_FADV_RANDOM). What is read is the same either way.
func ReadRandom(f *os.File) error {
	const random = 1
	if _, _, err := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, random, 0, 0); err != 0 {
		return err
	}
	return nil
}
