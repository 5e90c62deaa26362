//go:build !linux

package osfile

import "os"

// Datasync brings a file to the disk, metadata and all: there is no less here.
func Datasync(f *os.File) error { return f.Sync() }

// ReadRandom does nothing: the kernel takes no such advice here, and what is read is the same.
func ReadRandom(*os.File) error { return nil }
