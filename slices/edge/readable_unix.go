//go:build unix

package edge

import "syscall"

// waitReadable waits until the socket has something to read (bytes, its end or an error) and takes nothing out of it.
// It obeys the connection's read deadline. So a connection can be known to want a turn while its request still lies in
// the kernel.
func waitReadable(raw syscall.RawConn) error {
	var one [1]byte
	return raw.Read(func(fd uintptr) bool {
		for {
			_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
			if err != syscall.EINTR {
				return err != syscall.EAGAIN
			}
		}
	})
}
