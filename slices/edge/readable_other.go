//go:build !unix

package edge

import "syscall"

// waitReadable returns at once where sockets cannot be peeked: a connection then asks for its turn before it is known
// to have a request, and an idle one may hold a place until its deadline.
func waitReadable(syscall.RawConn) error { return nil }

// waitBroken cannot tell a connection that was reset from a half-closed one and takes both for gone.
func waitBroken(syscall.RawConn) error { return nil }

// quiet cannot look without taking anything; a request that meets an ended connection is sent again on a new one where it may be.
func quiet(syscall.RawConn) bool { return true }

// peekBytes cannot look without taking anything: every connection is served where it is.
func peekBytes(int, []byte) (int, error) { return 0, nil }
