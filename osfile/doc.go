// Package osfile has what files and folders need of the operating system beyond package os: locks that the kernel gives back at any death, syncs of
// content alone, replacing a file in one step, room, owners. It is small and knows nothing of the house; whoever keeps files may import it. Linux has
// all of it. Where a system lacks something the function says so in its error or its ok, and never pretends: on Windows nothing is locked, so nothing
// that needs a lock opens. Safe for concurrent use.
package osfile

import (
	"errors"
	"fmt"
	"runtime"
)

// ErrAbsent is in every error of something that this system does not have.
var ErrAbsent = errors.New("not on this system")

// Absent makes the error of something that this system does not have: "locks of files: not on this system (windows)".
func Absent(what string) error {
	return fmt.Errorf("%s: %w (%s)", what, ErrAbsent, runtime.GOOS)
}
