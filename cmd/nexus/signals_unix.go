//go:build unix

package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownSession starts a process in a session of its own: what ends this one's terminal does not end it.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// ofShell reports whether a shell waits for this process as a job, to whom the terminal can be given: its parent is of the same session
// and of another process group. In any other group (ssh -t HOST nexus console, a pane of tmux with this command) the kernel discards a stop
// (POSIX, "orphaned process group"), and who waits to be continued waits for ever.
func ofShell() bool {
	parent := os.Getppid()
	mine, err := unix.Getsid(0)
	if err != nil {
		return false
	}
	theirs, err := unix.Getsid(parent)
	if err != nil || theirs != mine {
		return false
	}
	group, err := unix.Getpgid(parent)
	return err == nil && group != unix.Getpgrp()
}
