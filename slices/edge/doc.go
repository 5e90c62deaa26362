// Package edge is the micro-gateway of the NN-5G layer (SPEC section 4): it accepts browsers over HTTP/1.1, HTTP/2 and
// WebSocket, gives every connection to one slice, and proxies to the slice's backend or serves its folder.
//
// It promises that a slice over its share is not read (the kernel's back-pressure stalls the flooder) before any CPU is
// spent on it, that an unknown host reaches no backend, that a connection serves one slice only, that swapping the
// table cuts no stream, and that every figure it shows was measured on real traffic or real probes.
//
// The data plane never waits for the ledger: it reads an immutable Table behind an atomic pointer. The package imports
// the root, slices, slices/shape and slices/meter; ledger, gates, cluster and engine must not be imported here.
package edge
