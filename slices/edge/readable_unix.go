//go:build unix

package edge

import "syscall"

// waitReadable waits until the socket has something to read (bytes, its end or an error) and takes nothing out of it.
// It obeys the connection's read deadline. So a connection can be known to want a turn while its request still lies in
// the kernel.
func waitReadable(raw syscall.RawConn) error { return raw.Read(readableNow) }

// readableNow reports whether a socket has something to read.
func readableNow(fd uintptr) bool {
	var one [1]byte
	_, err := peekBytes(int(fd), one[:])
	return err != syscall.EAGAIN
}

// peekBytes copies what lies in a socket and leaves it there, without waiting.
func peekBytes(fd int, b []byte) (int, error) {
	for {
		n, _, err := syscall.Recvfrom(fd, b, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// waitBroken waits until the socket is no connection any more, because its peer has reset it or it was closed here, or until the read
// deadline. What the peer has sent, and the end of its side, do not end the wait.
func waitBroken(raw syscall.RawConn) error {
	return raw.Read(func(fd uintptr) bool {
		code, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
		return err != nil || code != 0
	})
}

// quiet reports whether a socket is open and has nothing to read: what an idle connection to a backend should be. Deadlines do not matter.
func quiet(raw syscall.RawConn) bool {
	var one [1]byte
	again := false
	err := raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		again = err == syscall.EAGAIN
	})
	return err == nil && again
}
