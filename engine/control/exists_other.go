//go:build !unix

package control

import "os"

// exists asks by opening the process.
func exists(pid int) bool {
	p, err := os.FindProcess(pid)
	if err == nil {
		_ = p.Release()
	}
	return err == nil
}
