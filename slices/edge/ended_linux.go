package edge

import (
	"encoding/binary"
	"syscall"
)

// tcpEstablished is the state of a connection of which both sides are open (include/net/tcp_states.h).
const tcpEstablished = 1

// ended reports whether a TCP connection is open on one side only, or not at all. Data that was not read hides that from reads.
func ended(fd int) bool {
	info, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO) // its first byte is the state
	if err != nil {
		return true
	}
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], uint32(info))
	return b[0] != tcpEstablished
}
