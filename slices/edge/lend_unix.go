//go:build unix

package edge

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
)

// lentSmall are the buffers that are lent for a read at first; while a client fills them, larger ones are.
var lentSmall = sync.Pool{New: func() any { return new([switchedBytes]byte) }}

// lentRead is one read into a buffer that is there only from the read on: a connection that waits holds none.
type lentRead struct {
	pool  *bufferPool // of large ones
	large bool
	most  int
	buf   []byte // lent; nil: none
	n     int
	err   error
}

func (l *lentRead) take() {
	if l.large {
		l.buf = l.pool.Get()
	} else {
		l.buf = lentSmall.Get().(*[switchedBytes]byte)[:]
	}
}

// give takes the buffer back.
func (l *lentRead) give() {
	switch len(l.buf) {
	case 0:
	case switchedBytes:
		lentSmall.Put((*[switchedBytes]byte)(l.buf))
	default:
		l.pool.Put(l.buf)
	}
	l.buf = nil
}

// step is the callback of a RawConn's Read: false waits for something to read.
func (l *lentRead) step(fd uintptr) bool {
	l.take()
	n, err := retried(syscall.Read, fd, l.buf[:min(l.most, len(l.buf))])
	if err == syscall.EAGAIN {
		l.give()
		return false
	}
	switch l.n = max(n, 0); {
	case err != nil:
		l.err = os.NewSyscallError("read", err)
	case n == 0:
		l.err = io.EOF
	}
	return true
}

// lend takes what the client says to the backend, a piece at a time, until the client's end.
func (p *passage) lend() error {
	l, s := &p.lent, p.conn.bound.Load()
	*l = lentRead{pool: p.conn.gateway.buffers}
	step := l.step
	defer l.give()
	for {
		l.most, l.n, l.err = int(s.quantum.Load()), 0, nil
		if err := p.conn.readRaw(step); err != nil {
			return err
		}
		if l.n > 0 {
			if err := p.pass(s, l.buf[:l.n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(l.err, io.EOF):
			return nil
		case l.err != nil:
			return l.err
		}
		l.large = l.n >= switchedBytes
		l.give()
	}
}
