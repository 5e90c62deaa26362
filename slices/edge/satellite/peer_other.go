//go:build !linux

package satellite

import "net"

// checkPeer knows of no user at the other end here (a node runs on Linux): the seal of the first table says whether it is the home.
func checkPeer(net.Conn) error { return nil }
