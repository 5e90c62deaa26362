package ledger

import (
	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// KV is one key of the engine's own with its new value. Keys begin with "d/" (state) or "x/" (indexes).
type KV struct {
	Key   []byte
	Value []byte
}

// Batch is what one Commit makes visible, whole or not at all.
type Batch struct {
	Records    []Record       // in rising Index; FirstSeq goes on where the store ends
	Leaves     []nexus.Hash   // leaf hashes of all entries of Records, in order
	Grown      []merkle.Grown // in place of Leaves: the same with the nodes above them, as Chain.Grow gave them, in order
	Puts       []KV           // the engine's own keys
	Checkpoint string         // signed note over the tree after Records; empty keeps the one before
	Applied    uint64         // index of the last command contained; never below the one before
}

// LeafCount is the number of leaves in Leaves and Grown.
func (b *Batch) LeafCount() int {
	n := len(b.Leaves)
	for i := range b.Grown {
		n += b.Grown[i].Len()
	}
	return n
}

// Size is an upper bound of the bytes Commit writes for the batch, to compare with Store.MaxBatchBytes.
func (b Batch) Size() int {
	n := 1024 + len(b.Checkpoint) + 40*b.LeafCount()
	for i := range b.Records {
		size := b.Records[i].Size()
		n += size + 512 + size/4096
	}
	for i := range b.Puts {
		n += len(b.Puts[i].Key) + len(b.Puts[i].Value) + 128
	}
	return n
}

// Store keeps records, tree hashes, the engine's keys and the applied index. ledger/ledgertest holds every
// implementation to this contract.
//
// Durability: Commit survives the death of the process as soon as it returns. It survives loss of power only after
// Sync, so the replicated log is the durability promise, and Sync comes before that log is cut. After a loss of power
// the store stands at some earlier Applied with all and only the batches up to it.
//
// Integrity: every value is checked against its own hash, which covers its key too, on each read from the files; an entry that is read without
// its record, against its leaf in the tree. What does not fit is an error of nexus.CodeCorrupt that names the key, never data; so is the
// absence of a key that the log implies.
//
// Concurrency: one goroutine commits; any number read meanwhile and see whole batches only. After Close every method
// returns nexus.CodeUnavailable.
type Store interface {
	// Commit writes the batch in one transaction and takes no part of its memory over. Errors: CodeMalformed for a batch
	// that does not go on where the store ends or passes MaxBatchBytes (nothing written; mend and try again),
	// CodeUnavailable when the disk is nearly full (nothing written; the same batch may be tried again), CodeInternal
	// when the library failed (nothing visible; reopen before going on).
	Commit(Batch) error
	// MaxBatchBytes bounds Batch.Size. A batch of many records may be split between records by raising Applied in steps.
	MaxBatchBytes() int
	// Applied is the Applied of the last batch, 0 in an empty store.
	Applied() uint64
	// Size is the number of entries, the size of the tree.
	Size() uint64
	// Get reads a key of the engine's ("d/", "x/"). Errors: CodeNotFound when absent, CodeCorrupt.
	Get(key []byte) ([]byte, error)
	// Scan calls fn for each of the engine's keys with the prefix, in ascending order, from one consistent view. fn must
	// not keep the slices. The first error ends it and is returned.
	Scan(prefix []byte, fn func(key, value []byte) error) error
	// Record reads the record of one command. Errors: CodeNotFound when that command made no entries, CodeCorrupt when
	// its record is damaged or missing although the entry numbers around it show that it was there.
	Record(index uint64) (Record, error)
	// RecordBySeq reads the record that holds entry seq. Errors: CodeNotFound past the end, CodeCorrupt.
	RecordBySeq(seq uint64) (Record, error)
	// Entry reads entry seq alone, as little of its record as that takes, and holds it to its leaf in the tree. Errors as RecordBySeq.
	Entry(seq uint64) (SaltedEntry, error)
	// Records calls fn for the records with from <= Index <= to in order, checking that entry numbers go on without gap.
	// The first error ends it and is returned.
	Records(from, to uint64, fn func(Record) error) error
	// LastRecord reads the newest record. Error: CodeNotFound in an empty store.
	LastRecord() (Record, error)
	// Hashes implements merkle.Reader over the stored tree. Errors: CodeNotFound for a node past the end, CodeCorrupt.
	Hashes(nodes []merkle.Node) ([]nexus.Hash, error)
	// Checkpoint is the last signed note committed, "" when there is none yet.
	Checkpoint() (string, error)
	// Sync makes everything committed survive loss of power.
	Sync() error
	// SizeOnDisk is the number of bytes the store's files occupy.
	SizeOnDisk() (int64, error)
	// Close ends all work and releases the files.
	Close() error
}

// InclusionProof proves from the store's hashes that entry seq is in the tree of size entries. Errors:
// nexus.CodeMalformed, nexus.CodeNotFound when size is past the end, nexus.CodeCorrupt.
func InclusionProof(s merkle.Reader, seq, size uint64) ([]nexus.Hash, error) {
	return merkle.InclusionProof(seq, size, s)
}

// ConsistencyProof proves from the store's hashes that the tree of newSize begins with the tree of oldSize. Errors as
// InclusionProof.
func ConsistencyProof(s merkle.Reader, oldSize, newSize uint64) ([]nexus.Hash, error) {
	return merkle.ConsistencyProof(oldSize, newSize, s)
}

// CheckInclusion checks a proof offline; see merkle.CheckInclusion.
func CheckInclusion(proof []nexus.Hash, seq, size uint64, root, leaf nexus.Hash) error {
	return merkle.CheckInclusion(proof, seq, size, root, leaf)
}

// CheckConsistency checks a proof offline; see merkle.CheckConsistency.
func CheckConsistency(proof []nexus.Hash, oldSize, newSize uint64, oldRoot, newRoot nexus.Hash) error {
	return merkle.CheckConsistency(proof, oldSize, newSize, oldRoot, newRoot)
}
