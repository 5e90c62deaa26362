//go:build unix

package edge

import (
	"syscall"
	"testing"
)

// makePipe puts a named pipe where a folder has files: opening it would wait for ever.
func makePipe(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
}
