// Package ledger holds the append-only log of the house: what an entry is and how it is written down, the deterministic
// chain that numbers and hashes entries, the record stored per command, signed checkpoints and the Store contract.
//
// It promises: the same drafts at the same size give the same bytes, leaves and root on every machine; every entry of a
// unit carries the unit's sequence number and the commitment of the entry before it, so nothing can be left out
// unnoticed; what Parse functions accept has exactly one encoding (DESIGN.md section 3).
//
// It imports the root package, its own merkle folder and golang.org/x/mod/sumdb/note. It must not import gates, slices,
// cluster, engine, Badger, or ledger/verify, which checks it with code of its own.
package ledger
