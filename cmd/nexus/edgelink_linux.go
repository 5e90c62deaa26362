package main

import (
	"os"

	"golang.org/x/sys/unix"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// What the workers of an edge share: a page, of which the link takes the beginning, and a cache line further the work of the prompt group has its place.
// Workers of an older program know the first alone, and leave the rest zero.
const (
	linkPageBytes = 4096
	workOffset    = 64
)

// linkPage makes memory for a link that workers inherit; it has no name and goes with the last of them.
func linkPage() (*os.File, error) {
	fd, err := unix.MemfdCreate("nexus-edge-link", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nexus.Errf("slices edge", nexus.CodeUnavailable, "shared memory", "memfd_create needs Linux 3.17 or later", "%w", err)
	}
	f := os.NewFile(uintptr(fd), "link")
	if err := f.Truncate(linkPageBytes); err != nil {
		_ = f.Close() // the first error matters
		return nil, err
	}
	return f, nil
}

// sharedPage maps an inherited page for the life of this process, and closes the file. A supervisor of an older program gives none: then there is
// neither, and no error.
func sharedPage(f *os.File) (*shape.Link, *edge.Work, error) {
	if f == nil {
		return nil, nil, nil
	}
	page, err := unix.Mmap(int(f.Fd()), 0, linkPageBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return nil, nil, nexus.Errf("slices edge", nexus.CodeUnavailable, "shared memory", "start the supervisor again", "%w", err)
	}
	link, err := shape.OpenLink(page)
	if err != nil {
		return nil, nil, err
	}
	work, err := edge.OpenWork(page[workOffset:])
	return link, work, err
}

// monotonicNs is the clock that all processes of the machine read alike.
func monotonicNs() int64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // fails only for a clock that does not exist
	return now.Nano()
}
