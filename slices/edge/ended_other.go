//go:build !linux

package edge

// ended takes every connection that was woken without anything new for one that has ended: it is served where it is.
func ended(int) bool { return true }
