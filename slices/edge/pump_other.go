//go:build !linux

package edge

import "errors"

// pumps are there on Linux alone; elsewhere each switched connection is copied by a goroutine of its own.
type pumps struct{ threads *pumpThreads }

func (*pumps) farEnd(up *upstream, buffers *bufferPool) farEnd { return newCopiedEnd(up, buffers) }

// relay is what a pump serves: here nothing.
type relay struct{}

func (*relay) write([]byte) (int, error) { return 0, errors.ErrUnsupported }
