// Package badgerstore keeps the ledger in Badger: it implements ledger.Store, checks Badger's files read-only before
// Badger opens them, and reads a stopped node's directory without changing it.
//
// It promises: one Badger transaction per Commit; records of 16 KiB and more in files of their own that only grow, synced before the
// transaction that points to them (docs/decisions/0044-records-outside-the-tree.md); every stored value sealed with its length and a SHA-256 over key and
// value and checked on each read; nothing deleted; no value log; memory bounded (see Options). It is the only importer
// of Badger and imports root, ledger and ledger/merkle besides. It must not import gates, slices, cluster or engine.
//
// Keys, all numbers big endian:
//
//	r/ index(8) chunk(2)   a record: 1 (4), then its canonical bytes; or 0 (4), then the file (4), offset (8) and length (4) of
//	                       its frame. Stores of version 1 have all records here, in chunks of at most 512 KiB: their count (4),
//	                       then the chunk
//	q/ first seq(8)        index (8) of the record whose first entry that is
//	h/ level(1) tile(8)    a full tile, 256 hashes; the unfinished ones are rebuilt from the newest records
//	m/head                 head: applied index, last record's index, number of entries
//	m/records              the newest file of records and where the frames in it end
//	m/checkpoint           the last signed note
//	d/ x/                  the engine's own
//
// A stored value is "nxs1", the payload's length (4), SHA-256("nexus-seal-v1\n" || key length (4) || key || payload),
// then the payload. A file of records, 00000001.rec and on, is "nxrec1\r\n" and then frames: index (8), then the sealed
// value as it would stand under r/ index 0.
package badgerstore
