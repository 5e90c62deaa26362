package consensus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"

	"github.com/hashicorp/raft"
)

// A reader of raft-wal 0.4.1's segment files of our own, because the library's trusts its disk: it reads no seal,
// checks no CRC but the last and takes damage for a torn write. All numbers in a segment are little endian.
//
//	header  32 bytes: magic u32, three zero bytes, version 0, base index u64, segment id u64, codec u64
//	frame    8 bytes: type u8, three zero bytes, u32; then the payload, zero-padded to 8 bytes
//	  1 entry   u32 is the payload's length; the payload is a sealed entry (codec.go)
//	  2 index   u32 is the payload's length; the payload lists every entry frame's offset, u32 each; ends a segment
//	  3 commit  u32 is the CRC-32C of everything since the previous commit frame; no payload
//	zeros up to the preallocated size
const (
	segmentMagic   = 0x58eb6b0d
	segmentHeader  = 32
	frameHeader    = 8
	frameEntry     = 1
	frameIndex     = 2
	frameCommit    = 3
	sectorSize     = 512
	pageSize       = 4096
	maxEntryFrame  = 64 << 20
	maxSegmentFile = 1 << 30
)

// segmentScan is what a segment file holds. Bytes [committed, end of file) are either zero or a torn write.
type segmentScan struct {
	info       metaSegment
	entries    uint64 // in committed batches
	terms      []uint64
	committed  int64 // end of the last commit frame whose batch is whole, 0 when there is none
	indexStart int64 // start of the index array if a committed batch ends with an index frame, else 0
	torn       bool  // an unfinished batch follows
	end        int64 // end of the last byte of the file that is not zero
}

// lastIndex is the index of the last committed entry, BaseIndex-1 when there is none.
func (s segmentScan) lastIndex() uint64 { return s.info.BaseIndex + s.entries - 1 }

// term gives the term of a committed entry of the segment.
func (s segmentScan) term(index uint64) (uint64, bool) {
	if index < s.info.BaseIndex || index-s.info.BaseIndex >= uint64(len(s.terms)) {
		return 0, false
	}
	return s.terms[index-s.info.BaseIndex], true
}

// damage is a finding without its file name.
type damage struct {
	at   int64
	what string
}

func damagef(at int64, format string, args ...any) *damage {
	return &damage{at: at, what: fmt.Sprintf(format, args...)}
}

type segmentReader struct {
	raw  []byte
	scan segmentScan

	// The open batch: frames since the last commit frame.
	batchStart int64
	pending    []pendingEntry
	offsets    []uint32 // of all entry frames so far, committed or not
	index      int64    // start of an index array in the open batch
}

type pendingEntry struct{ term uint64 }

// scanSegment checks every occupied byte of a segment's content against its description in the meta file.
func scanSegment(raw []byte, info metaSegment) (segmentScan, *damage) {
	r := &segmentReader{raw: raw, scan: segmentScan{info: info}}
	r.scan.end = lastNonZero(raw)
	if r.scan.end == 0 {
		if info.sealed() {
			return r.scan, damagef(0, "closed segment is empty")
		}
		return r.scan, nil
	}
	if bad := r.header(); bad != nil {
		if !info.sealed() && r.startLost(0) {
			r.scan.torn = true
			return r.scan, nil
		}
		return r.scan, bad
	}
	off := int64(segmentHeader)
	for {
		next, done, bad := r.frame(off)
		if bad != nil {
			if info.sealed() || !r.explainedByTear(bad) {
				return r.scan, bad
			}
			r.scan.torn = true
			return r.scan, nil
		}
		if done {
			return r.scan, r.closing()
		}
		off = next
	}
}

func (r *segmentReader) header() *damage {
	if len(r.raw) < segmentHeader {
		return damagef(0, "segment of %d bytes, shorter than its header", len(r.raw))
	}
	want := make([]byte, segmentHeader)
	binary.LittleEndian.PutUint32(want, segmentMagic)
	binary.LittleEndian.PutUint64(want[8:], r.scan.info.BaseIndex)
	binary.LittleEndian.PutUint64(want[16:], r.scan.info.ID)
	binary.LittleEndian.PutUint64(want[24:], r.scan.info.Codec)
	for i := range want {
		if r.raw[i] != want[i] {
			return damagef(int64(i), "segment header does not fit the log's meta file")
		}
	}
	return nil
}

// at reads n bytes, zeros past the end of the file: a file may be shorter than its preallocated size.
func (r *segmentReader) at(off, n int64) []byte {
	if off+n <= int64(len(r.raw)) {
		return r.raw[off : off+n]
	}
	out := make([]byte, n)
	if off < int64(len(r.raw)) {
		copy(out, r.raw[off:])
	}
	return out
}

// frame reads the frame at off. done means the segment ends here in order. A damage whose bytes a crash may have left
// is returned as damage too; explainedByTear decides.
func (r *segmentReader) frame(off int64) (next int64, done bool, bad *damage) {
	head := r.at(off, frameHeader)
	value := binary.LittleEndian.Uint32(head[4:])
	if head[1]|head[2]|head[3] != 0 {
		return 0, false, damagef(off, "frame header has non-zero reserved bytes")
	}
	switch head[0] {
	case 0:
		if value != 0 {
			return 0, false, damagef(off, "frame of type 0 with content")
		}
		if len(r.offsets) > int(r.scan.entries) || r.index != 0 {
			return 0, false, damagef(off, "batch without a commit frame")
		}
		return 0, true, nil
	case frameEntry:
		return r.entry(off, int64(value))
	case frameIndex:
		return r.indexFrame(off, int64(value))
	case frameCommit:
		return r.commit(off, value)
	default:
		return 0, false, damagef(off, "frame of unknown type %d", head[0])
	}
}

func padded(n int64) int64 { return (n + 7) &^ 7 }

func (r *segmentReader) payload(off, length int64) ([]byte, *damage) {
	if length > maxEntryFrame || off+frameHeader > int64(len(r.raw)) {
		return nil, damagef(off, "frame of %d bytes reaches past the file", length)
	}
	body := r.at(off+frameHeader, padded(length))
	if at := firstNonZero(body[length:]); at >= 0 {
		return nil, damagef(off+frameHeader+length+int64(at), "padding after a frame is not zero")
	}
	return body[:length], nil
}

func (r *segmentReader) entry(off, length int64) (int64, bool, *damage) {
	if r.index != 0 || r.scan.indexStart != 0 {
		return 0, false, damagef(off, "entry after the index of a closed segment")
	}
	body, bad := r.payload(off, length)
	if bad != nil {
		return 0, false, bad
	}
	want := r.scan.info.BaseIndex + uint64(len(r.offsets))
	var l raft.Log
	if err := (entryCodec{}).Decode(body, &l); err != nil {
		return 0, false, damagef(off, "log index %d: %v", want, err)
	}
	if l.Index != want {
		return 0, false, damagef(off, "log index %d where %d belongs", l.Index, want)
	}
	if l.Type > raft.LogConfiguration {
		return 0, false, damagef(off, "log index %d: unknown entry type %d", want, l.Type)
	}
	r.offsets = append(r.offsets, uint32(off))
	r.pending = append(r.pending, pendingEntry{term: l.Term})
	return off + frameHeader + padded(length), false, nil
}

func (r *segmentReader) indexFrame(off, length int64) (int64, bool, *damage) {
	if r.index != 0 || r.scan.indexStart != 0 {
		return 0, false, damagef(off, "second index in one segment")
	}
	if length != int64(len(r.offsets))*4 {
		return 0, false, damagef(off, "segment index of %d bytes for %d entries", length, len(r.offsets))
	}
	body, bad := r.payload(off, length)
	if bad != nil {
		return 0, false, bad
	}
	for i, want := range r.offsets {
		if got := binary.LittleEndian.Uint32(body[i*4:]); got != want {
			return 0, false, damagef(off+frameHeader+int64(i)*4, "segment index says %d for an entry at %d", got, want)
		}
	}
	r.index = off + frameHeader
	return off + frameHeader + padded(length), false, nil
}

func (r *segmentReader) commit(off int64, crc uint32) (int64, bool, *damage) {
	if len(r.pending) == 0 && r.index == 0 {
		return 0, false, damagef(off, "commit frame without a batch")
	}
	if got := crc32.Checksum(r.raw[r.batchStart:off], crc32.MakeTable(crc32.Castagnoli)); got != crc {
		return 0, false, damagef(off, "batch from byte %d does not match its CRC", r.batchStart)
	}
	for _, p := range r.pending {
		r.scan.terms = append(r.scan.terms, p.term)
	}
	r.scan.entries += uint64(len(r.pending))
	r.scan.indexStart = max(r.scan.indexStart, r.index)
	r.pending, r.index = nil, 0
	r.batchStart = off + frameHeader
	r.scan.committed = r.batchStart
	return r.batchStart, false, nil
}

// closing judges a segment whose frames end in order: what follows must be zero, and a closed segment must agree with
// its description.
func (r *segmentReader) closing() *damage {
	if at := max(r.scan.committed, segmentHeader); r.scan.end > at {
		if !r.scan.info.sealed() && r.startLost(at) {
			r.scan.torn = true
			return nil
		}
		return damagef(at+int64(firstNonZero(r.raw[at:])), "bytes after the last batch are not zero")
	}
	info := r.scan.info
	if !info.sealed() {
		if r.scan.committed == 0 {
			// A header alone is the first page of a batch whose frames never came.
			r.scan.torn = true
		}
		return nil
	}
	if r.scan.indexStart == 0 || uint64(r.scan.indexStart) != info.IndexStart {
		return damagef(r.scan.committed, "closed segment has its index at %d, the meta file says %d", r.scan.indexStart,
			info.IndexStart)
	}
	if info.MaxIndex > r.scan.lastIndex() || info.MinIndex < info.BaseIndex || info.MaxIndex < info.BaseIndex {
		return damagef(r.scan.committed, "closed segment holds indexes %d to %d, the meta file says %d to %d",
			info.BaseIndex, r.scan.lastIndex(), info.MinIndex, info.MaxIndex)
	}
	return nil
}

// explainedByTear says whether the open batch may be what a crash left of one write: the kernel copies and the disk
// writes whole sectors, so the frame that does not read must reach into a sector that was never written. One changed
// byte in a batch that is complete has no such sector and stays damage.
func (r *segmentReader) explainedByTear(bad *damage) bool {
	off := r.tornFrame(bad)
	head := r.at(off, frameHeader)
	end := off + frameHeader
	length := int64(binary.LittleEndian.Uint32(head[4:]))
	switch head[0] {
	case frameEntry, frameIndex:
		if length > maxEntryFrame || head[1]|head[2]|head[3] != 0 {
			return false
		}
		end += padded(length)
		seal := r.at(off+frameHeader, 8)
		sealed := firstNonZero(seal) >= 0 && head[0] == frameEntry
		if sealed && (string(seal[:4]) != entryMagic || int64(binary.BigEndian.Uint32(seal[4:]))+entryHeader != length) {
			return false // header and seal disagree: the length itself was changed
		}
		if head[0] == frameIndex && length != int64(len(r.offsets))*4 {
			return false
		}
	case 0:
		if firstNonZero(head) >= 0 {
			return false
		}
	case frameCommit:
		// A commit frame fits one sector; only earlier sectors of its batch can be missing.
	default:
		return false
	}
	for sector := (max(r.batchStart, 0) + sectorSize - 1) &^ (sectorSize - 1); sector < end; sector += sectorSize {
		if firstNonZero(r.at(sector, sectorSize)) < 0 {
			return true
		}
	}
	return false
}

// startLost says whether what follows at may be a write whose beginning never came to the disk while later sectors did: to the end of
// its sector all is zero, and behind it stands more than one changed byte in unused space would be. Whether something
// acknowledged is missing with it is told by the head file.
func (r *segmentReader) startLost(at int64) bool {
	const least = 2 // the least that a commit frame alone in its sector has
	border := (at/sectorSize + 1) * sectorSize
	if border >= r.scan.end || firstNonZero(r.at(at, border-at)) >= 0 {
		return false
	}
	rest := r.raw[border:r.scan.end]
	return len(rest)-bytes.Count(rest, []byte{0}) >= least
}

// tornFrame is the offset of the frame that a damage was found in.
func (r *segmentReader) tornFrame(bad *damage) int64 {
	off := max(r.batchStart, segmentHeader)
	for range len(r.pending) + 2 {
		head := r.at(off, frameHeader)
		if head[0] != frameEntry && head[0] != frameIndex {
			return off
		}
		next := off + frameHeader + padded(int64(binary.LittleEndian.Uint32(head[4:])))
		if bad.at < next {
			return off
		}
		off = next
	}
	return off
}

func lastNonZero(b []byte) int64 {
	for i := len(b); i > 0; i-- {
		if b[i-1] != 0 {
			return int64(i)
		}
	}
	return 0
}

// isMissing reports whether an error says that a file does not exist.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
