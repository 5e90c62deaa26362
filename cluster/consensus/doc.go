// Package consensus keeps one ordered, durable log of commands and feeds it to a state machine: hashicorp/raft on
// raft-wal, with nothing on disk that a single flipped byte could change unseen (DESIGN.md sections 3 and 4).
//
// First form: ONE voter, so every directory holds the whole log and one disk is one point of failure. The transport
// is a parameter (Config.Transport; nil means an in-memory one that no other node reaches), so growing from one
// voter to three adds a transport and a promotion, not a new format. Installing a snapshot on a follower is not
// built: a snapshot here is a marker that says "the machine holds everything up to this index", and restoring it on
// a machine that does not is refused.
//
// Promises:
//   - Propose returns only after the machine's ApplyBatch of the command has returned and its Later result, if it gave one, has come, hence after the log entry
//     and the machine's transaction are durable. kill -9 at any moment loses no acknowledged command and applies
//     none twice.
//   - Every entry, slot and marker carries its length and SHA-256, checked on each read; what does not match is
//     CodeCorrupt with file and index named, never served and never a crash of the process.
//   - Open checks the files read-only before the log library opens them and refuses damage. It mends only what a
//     crash explains (an unacknowledged torn tail, a rotation cut short) and logs that it did.
//   - A log store that fails or hangs stops the group for good (Failed); reads of the machine stay possible, a
//     restart decides what the disk really holds.
//
// Files under Config.Dir: log/*.wal (raft-wal segments), log/meta-a and log/meta-b (what the log consists of, and
// raft's term and vote; docs/decisions/0003-raft-meta-file.md), snapshots/*.marker, head (written by the state
// machine's owner through HeadFile), lock.
//
// It must not import ledger, gates, slices, engine or tui. It is the only importer of hashicorp/raft and raft-wal.
package consensus
