// Package engine is the one door: Do takes a signed Action through admission, consensus, the deterministic machine with its
// 17 gates and the ledger, and returns a Receipt when decision and effect are durable. Reads come from the applied state.
//
// Promises: nothing changes state but through Do; an acknowledged action survives kill -9; a retry is a look-up; restart
// uses the live code path (Apply) for whatever the last state snapshot does not hold. It joins the four siblings ledger,
// gates, cluster and slices, and imports no fabric, no phase and no user interface: those stand above it.
package engine
