//go:build unix

package main

import "syscall"

// ownSession starts a process in a session of its own: what ends this one's terminal does not end it.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
