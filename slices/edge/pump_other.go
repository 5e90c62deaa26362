//go:build !linux

package edge

import (
	"errors"
	"io"
	"net"
)

// pumps are there on Linux alone; elsewhere each switched connection is copied by a goroutine of its own.
type pumps struct{ threads *pumpThreads }

func (*pumps) take(io.ReadWriteCloser, net.Conn) *relay { return nil }

// relay is what take gives: here never.
type relay struct{ io.ReadWriteCloser }

func (*relay) relay(*conn, net.Conn) (int64, error) { return 0, errors.ErrUnsupported }

func (*relay) write([]byte) (int, error) { return 0, errors.ErrUnsupported }
