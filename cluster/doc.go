// Package cluster holds the words of cluster membership: Node, View (an immutable picture of the members),
// SignedRecord (what a node says of itself, signed by its key) and Token (the one line that lets a process join).
//
// Promises: membership heard by gossip is a hint and never an authority (DESIGN.md section 4). A member whose
// public key the caller has not admitted from the replicated state is shown as unadmitted and carries no traffic.
// Everything here is pure: no clock is read, no socket opened, no goroutine started.
//
// It imports the root package only: not gossip, consensus, ledger, gates, slices or engine.
package cluster
