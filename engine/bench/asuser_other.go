//go:build !unix

package bench

import "syscall"

// asUser is never asked: nobody is root here.
func asUser(uint32, uint32) *syscall.SysProcAttr { return nil }
