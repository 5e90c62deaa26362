//go:build unix

package edge

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// next1 reads the next request of a connection in clear text whose slice is known: it takes a place in the slice's gate, tries to read, and gives
// place and buffers back when there is nothing. Under load there mostly is something, and to look before would only cost a call more. While the
// gate is full nothing is read, as everywhere (conn).
type next1 struct {
	step func(fd uintptr) bool
	k    *client1
	now  bool // step reads, from fd
	fd   uintptr
	got  int  // bytes read
	full bool // there is something to read and no place for it
	err  error
}

func (n *next1) begin(k *client1) { n.k, n.step = k, n.run }

// run is the callback of a RawConn's Read: false waits for something to read.
func (n *next1) run(fd uintptr) bool {
	s := n.k.c.bound.Load()
	n.err = nil
	if n.full = !s.gate.TryEnter(); n.full {
		n.k.release()
		return readableNow(fd)
	}
	n.k.acquire()
	n.now, n.fd = true, fd
	_, n.err = n.k.br.Peek(1)
	n.now = false
	if n.err == nil {
		return true
	}
	s.gate.Leave()
	n.k.release()
	return !errors.Is(n.err, errNothing)
}

// read is the Read of the connection's buffer within run: at most a quantum, without waiting.
func (n *next1) read(p []byte) (int, error) {
	p = p[:min(len(p), int(n.k.c.bound.Load().quantum.Load()))]
	got, err := retried(syscall.Read, n.fd, p)
	switch {
	case err == syscall.EAGAIN:
		return 0, errNothing
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case got == 0:
		return 0, io.EOF
	}
	n.got = got
	return got, nil
}

// readNext waits for the next request and reads its first piece, for which it has a place then. It reports false when there is none.
func (k *client1) readNext(s *sliceState) bool {
	c, n := k.c, &k.next
	c.leavePlace() // a place of a read that no request used
	if c.readRaw(n.step) != nil || n.err != nil {
		return false
	}
	if n.full {
		c.readable.Store(true)
		k.acquire()
		return true // the read takes its turn
	}
	c.readable.Store(false)
	c.place.Store(true)
	if c.readDeadline.isClosed() {
		c.leavePlace() // closed at the same moment: Close did not see the place
		return false
	}
	now := time.Now()
	c.noteFirstByte(now)
	c.payForRead(s, n.got, now)
	return true
}
