//go:build !unix

package main

import "syscall"

// ownSession has nothing to ask for: there are no sessions of terminals here.
func ownSession() *syscall.SysProcAttr { return nil }

// ofShell knows of no jobs: nothing stops a process here by a key.
func ofShell() bool { return false }
