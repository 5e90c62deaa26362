//go:build !unix

package proof

import "syscall"

// stopSignal is one that os.Process refuses here, with words that say so: such a system cannot make a process silent.
const stopSignal = syscall.Signal(0x13)
