// Package peek finds out for which host a connection is from the first bytes that its client has sent, so that the process that serves the host
// can be chosen before anything is answered (docs/decisions/0052-a-worker-per-latency-group.md).
//
// It promises nothing about the rest: what it reads is read again, strictly, by whoever serves the connection. A host that it names is what the
// client wrote, not checked. It is pure and keeps nothing of what it is given. Of this module it imports nothing.
package peek
