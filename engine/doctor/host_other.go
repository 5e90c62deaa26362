//go:build !linux

package doctor

import "github.com/BobbyBlanco400/nexus-cos/osfile"

// A node runs on Linux. Elsewhere the checks of the system say what they could not ask, and none of them passes.

func diskOf(string) (disk, error) { return disk{}, osfile.Absent("figures of a file system") }

func fileLimit() (uint64, error) { return 0, osfile.Absent("limit of open files") }

func adjtimex() (status int32, maxErrorUs int64, err error) {
	return 0, 0, osfile.Absent("state of the clock")
}

func kernelRelease() (string, error) { return "", osfile.Absent("a Linux kernel") }
