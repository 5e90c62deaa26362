//go:build unix

package edge

import (
	"syscall"
	"testing"
)

// ownSeconds is the processor time of this process, user and system.
func ownSeconds(t testing.TB) float64 {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
