//go:build unix

package control

import (
	"errors"
	"syscall"
)

// exists asks by a signal that is none; who may not send it learns that somebody is there.
func exists(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
