package satellite

import (
	"fmt"
	"net"
	"os"
	"syscall"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// checkPeer refuses a socket that another user's process listens at: whoever may write to the socket's folder can put one of their own in the place of the
// home's. root is no stranger, for root reads the node's keys.
func checkPeer(c net.Conn) error {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("not a unix socket: %T", c)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return err
	}
	var peer *syscall.Ucred
	var asked error
	if err := raw.Control(func(fd uintptr) {
		peer, asked = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if asked != nil {
		return os.NewSyscallError("getsockopt", asked)
	}
	return checkUser(peer.Uid, os.Geteuid(), u.RemoteAddr().String())
}

// checkUser judges the user of the process that listens.
func checkUser(listens uint32, own int, socket string) error {
	if listens == 0 || int64(listens) == int64(own) {
		return nil
	}
	return nexus.Errf("edge home", nexus.CodeRefused, "socket "+socket, "run node and edge as the same user, in a folder where nobody else may write",
		"user %d listens there, this process runs as %d", listens, own)
}
