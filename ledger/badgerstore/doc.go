// Package badgerstore keeps the ledger in Badger: it implements ledger.Store, checks Badger's files read-only before
// Badger opens them, and reads a stopped node's directory without changing it.
//
// It promises: one Badger transaction per Commit; every stored value sealed with its length and a SHA-256 over key and
// value and checked on each read; nothing deleted; no value log; memory bounded (see Options). It is the only importer
// of Badger and imports root, ledger and ledger/merkle besides. It must not import gates, slices, cluster or engine.
//
// Keys, all numbers big endian:
//
//	r/ index(8) chunk(2)   a record: chunk count (4), then at most 512 KiB of its canonical bytes
//	q/ first seq(8)        index (8) of the record whose first entry that is
//	h/ level(1) tile(8)    a full tile, 256 hashes; the unfinished ones are rebuilt from the newest records
//	m/head                 head: applied index, last record's index, number of entries
//	m/checkpoint           the last signed note
//	d/ x/                  the engine's own
//
// A stored value is "nxs1", the payload's length (4), SHA-256("nexus-seal-v1\n" || key length (4) || key || payload),
// then the payload.
package badgerstore
