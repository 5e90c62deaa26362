package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Record is what the store keeps per command, as one value: the command as it was replicated and the entries it made.
// A command that makes no entry (a repeated action) has no record; Batch.Applied passes over it.
type Record struct {
	Index    uint64     // command index: its place in the replicated log; rises, with gaps
	Term     uint64     // term of the replicated log
	TimeMs   int64      // log time, Unix milliseconds
	Salt     [16]byte   // the command's salt; entry salts derive from it
	Command  []byte     // as it stood in the replicated log; its first field is the canonical Action
	FirstSeq uint64     // Seq of the first entry
	Entries  [][]byte   // canonical entries, at least one
	Root     nexus.Hash // tree root after the last entry
}

// MaxRecordEntries bounds the entries of one record.
const MaxRecordEntries = 1 << 20

// Size is the number of bytes AppendTo adds at most.
func (r Record) Size() int {
	n := 6*binary.MaxVarintLen64 + 16 + 32 + len(r.Command)
	for _, e := range r.Entries {
		n += binary.MaxVarintLen32 + len(e)
	}
	return n
}

// AppendTo appends the record's canonical bytes to dst: what nexus.AppendCanonical writes, without reflection.
func (r Record) AppendTo(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, r.Index)
	dst = binary.AppendUvarint(dst, r.Term)
	dst = binary.AppendVarint(dst, r.TimeMs)
	dst = append(dst, r.Salt[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(r.Command)))
	dst = append(dst, r.Command...)
	dst = binary.AppendUvarint(dst, r.FirstSeq)
	dst = binary.AppendUvarint(dst, uint64(len(r.Entries)))
	for _, e := range r.Entries {
		dst = binary.AppendUvarint(dst, uint64(len(e)))
		dst = append(dst, e...)
	}
	return append(dst, r.Root[:]...)
}

// Encode gives the record's canonical bytes.
func (r Record) Encode() []byte { return r.AppendTo(make([]byte, 0, r.Size())) }

// Next is the Seq of the first entry after this record.
func (r Record) Next() uint64 { return r.FirstSeq + uint64(len(r.Entries)) }

// SaltedEntry is an entry as its leaf commits to it.
type SaltedEntry struct {
	Salt  [16]byte // its own, see EntrySalt
	Bytes []byte   // canonical
}

// Leaf computes its leaf hash.
func (e SaltedEntry) Leaf() nexus.Hash { return LeafHash(Commitment(e.Salt, e.Bytes)) }

// Salted gives entry number seq of the log, which is in this record, with its salt.
func (r Record) Salted(seq uint64) SaltedEntry {
	i := seq - r.FirstSeq
	return SaltedEntry{Salt: EntrySalt(r.Salt, uint32(i)), Bytes: r.Entries[i]}
}

// Leaves computes the leaf hashes of the record's entries.
func (r Record) Leaves() []nexus.Hash {
	out := make([]nexus.Hash, len(r.Entries))
	for i, e := range r.Entries {
		out[i] = LeafHash(Commitment(EntrySalt(r.Salt, uint32(i)), e))
	}
	return out
}

// Entry parses entry number seq of the log out of the record. Errors: nexus.CodeNotFound when it is not in this record,
// nexus.CodeMalformed when its bytes are not an entry.
func (r Record) Entry(seq uint64) (Entry, error) {
	if seq < r.FirstSeq || seq >= r.Next() {
		return Entry{}, nexus.Errf("read entry", nexus.CodeNotFound, fmt.Sprintf("entry %d", seq),
			"ask the store for the record by sequence", "record %d holds %d to %d", r.Index, r.FirstSeq, r.Next()-1)
	}
	return ParseEntry(r.Entries[seq-r.FirstSeq])
}

// ParseRecord reads canonical bytes and refuses what AppendTo would not have written, and a record without entries. The
// record's slices point into b, which must not change afterwards. Error: nexus.CodeMalformed.
func ParseRecord(b []byte) (Record, error) {
	p := parser{b: b}
	var r Record
	r.Index = p.uvarint()
	r.Term = p.uvarint()
	r.TimeMs = p.varint()
	copy(r.Salt[:], p.take(16))
	r.Command = p.bytes()
	r.FirstSeq = p.uvarint()
	n := p.uvarint()
	switch {
	case p.err == nil && (n == 0 || n > MaxRecordEntries || n > uint64(len(p.b))):
		p.fail("%d entries", n)
	case p.err == nil:
		r.Entries = make([][]byte, n)
		for i := range r.Entries {
			r.Entries[i] = p.bytes()
		}
	}
	copy(r.Root[:], p.take(32))
	if p.err == nil && len(p.b) != 0 {
		p.fail("%d bytes left over", len(p.b))
	}
	if p.err != nil {
		return Record{}, p.err
	}
	return r, nil
}

// FindEntry finds entry seq in a record of size canonical bytes, of which read gives the n from off on. It reads neither the command nor what
// lies behind the entry, and so holds the bytes to nothing but their form: the caller holds the entry to its leaf in the tree, which nothing else
// fits. The entry is a copy. Errors: nexus.CodeMalformed, nexus.CodeNotFound when the record does not hold it, else read's.
func FindEntry(seq uint64, size int, read func(off, n int) ([]byte, error)) (SaltedEntry, error) {
	w := window{size: size, read: read, ahead: findHead}
	w.uvarint() // index
	w.uvarint() // term
	w.uvarint() // log time
	var salt [16]byte
	copy(salt[:], w.take(16))
	w.skip(w.uvarint()) // command
	first, n := w.uvarint(), w.uvarint()
	if w.err == nil && (seq < first || seq-first >= min(n, MaxRecordEntries)) {
		return SaltedEntry{}, nexus.Errf("find entry", nexus.CodeNotFound, fmt.Sprintf("entry %d", seq), "ask the store for the record by sequence",
			"%d entries from %d", n, first)
	}
	w.ahead = findAhead + int(uint64(size-w.off)/max(n, 1)*(seq-first)) // up to the entry, were all of one length
	for i := first; i < seq && w.err == nil; i++ {
		w.skip(w.uvarint())
	}
	e := SaltedEntry{Salt: EntrySalt(salt, uint32(seq-first)), Bytes: bytes.Clone(w.take(w.uvarint()))}
	return e, w.err
}

const (
	findHead  = 64      // bytes that hold what stands before the command
	findAhead = 4 << 10 // bytes read where the entries begin, and beyond where the entry should be
)

// window goes over canonical data that is read piece by piece; the first error sticks.
type window struct {
	size, off int    // of the data; of b in it
	b         []byte // read and not passed yet
	ahead     int    // bytes to read the next time
	read      func(off, n int) ([]byte, error)
	err       error
}

// fill has at least n bytes in b, or all that are left.
func (w *window) fill(n int) {
	left := w.size - w.off
	if w.err != nil || len(w.b) >= min(n, left) {
		return
	}
	n, w.ahead = min(max(n, w.ahead), left), findAhead
	if w.b, w.err = w.read(w.off, n); w.err == nil && len(w.b) != n {
		w.fail("%d bytes at %d, want %d", len(w.b), w.off, n)
	}
}

func (w *window) fail(format string, args ...any) {
	if w.err == nil {
		w.err = nexus.Errf("find entry", nexus.CodeMalformed, fmt.Sprintf("byte %d", w.off), "check the store with `nexus ledger verify`", format, args...)
	}
}

func (w *window) uvarint() uint64 {
	w.fill(binary.MaxVarintLen64)
	if w.err != nil {
		return 0
	}
	x, n := binary.Uvarint(w.b)
	if n <= 0 {
		w.fail("no number")
		return 0
	}
	w.b, w.off = w.b[n:], w.off+n
	return x
}

func (w *window) take(n uint64) []byte {
	if w.err == nil && n > uint64(w.size-w.off) {
		w.fail("length %d past the end", n)
	}
	if w.err == nil {
		w.fill(int(n))
	}
	if w.err != nil {
		return nil
	}
	out := w.b[:n]
	w.b, w.off = w.b[n:], w.off+int(n)
	return out
}

func (w *window) skip(n uint64) {
	if n > uint64(w.size-w.off) {
		w.fail("length %d past the end", n)
	}
	if w.err == nil {
		w.b, w.off = w.b[min(n, uint64(len(w.b))):], w.off+int(n)
	}
}

// parser reads canonical data without copying; the first error sticks.
type parser struct {
	b   []byte
	off int
	err error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = nexus.Errf("parse record", nexus.CodeMalformed, fmt.Sprintf("byte %d", p.off),
			"check the store with `nexus ledger verify`", format, args...)
	}
}

func (p *parser) uvarint() uint64 {
	if p.err != nil {
		return 0
	}
	x, n := binary.Uvarint(p.b)
	if n <= 0 || n > 1 && p.b[n-1] == 0 {
		p.fail("varint cut short, too long or longer than needed")
		return 0
	}
	p.b, p.off = p.b[n:], p.off+n
	return x
}

func (p *parser) varint() int64 {
	u := p.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (p *parser) take(n uint64) []byte {
	if p.err != nil {
		return nil
	}
	if n > uint64(len(p.b)) || n > nexus.MaxCanonicalLen {
		p.fail("length %d past the end", n)
		return nil
	}
	out := p.b[:n:n]
	p.b, p.off = p.b[n:], p.off+int(n)
	return out
}

func (p *parser) bytes() []byte { return p.take(p.uvarint()) }
