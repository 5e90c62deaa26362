//go:build unix

package edge

import (
	"io"
	"os"
	"syscall"
)

// turn is what one wait on a backend's socket does: it looks whether the backend has ended the connection or said anything since, sends the request,
// waits and reads the answer's first piece. In one go, because what begins a wait in Go's poller also forgets what it had heard: begun
// before the request goes out, it needs no read that finds nothing.
type turn struct {
	step  func(fd uintptr) bool
	phase turnPhase
	out   []byte
	in    []byte
	sent  int // bytes of out
	got   int // bytes of in
	err   error
}

type turnPhase int

const (
	turnLook turnPhase = iota
	turnSend
	turnRead
)

func (t *turn) begin() { t.step = t.run }

// run is the callback of a RawConn's Read: false waits for something to read.
func (t *turn) run(fd uintptr) bool {
	if t.phase == turnLook {
		if _, err := retried(syscall.Read, fd, t.in); err != syscall.EAGAIN {
			t.err = errEnded
			return true
		}
		t.phase = turnSend
	}
	if t.phase == turnSend {
		t.phase = turnRead
		n, err := retried(syscall.Write, fd, t.out)
		if err != nil && err != syscall.EAGAIN {
			t.err = os.NewSyscallError("write", err)
			return true
		}
		t.sent = max(n, 0)
		return t.sent < len(t.out) // the rest needs a wait of another kind
	}
	n, err := retried(syscall.Read, fd, t.in)
	switch {
	case err == syscall.EAGAIN:
		return false
	case err != nil:
		t.err = os.NewSyscallError("read", err)
	case n == 0:
		t.err = io.EOF
	}
	t.got = max(n, 0)
	return true
}

// retried does a call that does not wait again while a signal interrupts it.
func retried(call func(fd int, b []byte) (int, error), fd uintptr, b []byte) (int, error) {
	for {
		n, err := call(int(fd), b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// exchange sends what is unsent and reads into p. errEnded: nothing was sent. After a timeout what is still unsent was not begun.
func (u *upstream) exchange(p []byte) (int, error) {
	t := &u.turn
	t.phase = turnSend
	if u.reused {
		t.phase = turnLook
	}
	t.out, t.in, t.sent, t.got, t.err = u.unsent, p, 0, 0, nil
	err := u.raw.Read(t.step)
	rest := t.out[t.sent:]
	t.out, t.in = nil, nil
	if t.phase == turnRead {
		u.unsent = nil
	}
	switch {
	case err != nil:
		return 0, err
	case t.err != nil || len(rest) == 0:
		return t.got, t.err
	}
	if err := u.write(rest, u.stall); err != nil {
		return 0, err
	}
	return u.Conn.Read(p)
}
