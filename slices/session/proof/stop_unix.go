//go:build unix

package proof

import "syscall"

// stopSignal makes a process silent without ending it.
const stopSignal = syscall.SIGSTOP
