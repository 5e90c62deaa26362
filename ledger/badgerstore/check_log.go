package badgerstore

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"strconv"
)

// The form of a memtable log (badger memtable.go): 20 bytes of header, then entries, each meta, user meta, lengths of
// key and value and expiry as varints, key with an 8-byte timestamp, value, CRC-32C. Entries of a transaction carry
// logTxn; one with logFin and the timestamp in decimal ends it. The rest of the file is zero.
const (
	logHeaderBytes = 20
	logTxn         = 0x40
	logFin         = 0x80
	logFinKey      = "!badger!txn"
)

// logEntry is an entry as far as it could be read.
type logEntry struct {
	meta, userMeta byte
	keyLen, valLen uint64
	expires        uint64
	head           int // bytes of the head
}

func (e logEntry) size() int { return e.head + int(e.keyLen) + int(e.valLen) + crc32.Size }

// parseLogHead reads an entry's head; false when it is no head or goes past the end of b.
func parseLogHead(b []byte) (logEntry, bool) {
	if len(b) < 5 {
		return logEntry{}, false
	}
	e := logEntry{meta: b[0], userMeta: b[1], head: 2}
	for _, field := range []*uint64{&e.keyLen, &e.valLen, &e.expires} {
		value, n := binary.Uvarint(b[e.head:])
		if n <= 0 {
			return logEntry{}, false
		}
		*field = value
		e.head += n
	}
	if e.keyLen > math.MaxUint16 || e.valLen > math.MaxUint32 {
		return logEntry{}, false
	}
	return e, e.size() <= len(b)
}

// logState is where a walk through a log stands.
type logState struct {
	open uint64 // timestamp of the transaction under way, 0 outside one
	last uint64 // timestamp of the last transaction that ended
}

// checkMemLog checks a memtable log from the first entry to the last byte.
func checkMemLog(b []byte) *damage { return walkLog(b, false) }

// checkNewestLog is checkMemLog for the log that was written last. Its pages come to the disk in any order, so a loss of power may leave later
// ones without earlier ones. Badger goes on before the first entry that lacks a page, and the replicated log, which is cut only after a sync of
// the store, repeats the rest; a store that lost more than that is behind the cut, which the opening of the log refuses.
func checkNewestLog(b []byte) *damage { return walkLog(b, true) }

func walkLog(b []byte, newest bool) *damage {
	if len(b) < logHeaderBytes {
		return checkZero(b) // the process died between making the file and filling it
	}
	if i := firstNonZero(b[:8]); i >= 0 {
		return damaged(i, "key id in an unencrypted store")
	}
	var st logState
	off := logHeaderBytes
	for off < len(b) {
		rest := b[off:]
		e, ok := parseLogHead(rest)
		if ok && e.keyLen > 0 {
			body := rest[:e.size()-crc32.Size]
			if crc32.Checksum(body, crcTable()) == binary.BigEndian.Uint32(rest[len(body):]) {
				if why := st.take(e, body[e.head:]); why != "" {
					return damaged(off, "%s", why)
				}
				off += e.size()
				continue
			}
		}
		if firstNonZero(rest) < 0 || st.torn(rest, off) || newest && lostPage(rest, off) {
			return nil
		}
		return damaged(off, "entry does not fit its checksum, or a byte in unused space is not zero")
	}
	return nil
}

// take follows transactions through a sound entry and says why it cannot stand here.
func (st *logState) take(e logEntry, body []byte) string {
	key, value := body[:e.keyLen], body[e.keyLen:]
	if len(key) < 8 {
		return "key without timestamp"
	}
	ts := math.MaxUint64 - binary.BigEndian.Uint64(key[len(key)-8:])
	switch {
	case e.meta == logTxn && (st.open == 0 && ts > st.last || st.open == ts):
		st.open = ts
	case e.meta == logFin && st.open == ts && string(value) == strconv.FormatUint(ts, 10):
		st.open, st.last = 0, ts
	default:
		return "entry outside its transaction"
	}
	return ""
}

// torn reports whether rest, which lies at off, does not begin with a sound entry and is not all zero, is what the
// death of the process in the middle of copying its last entry leaves: an entry that is plausible as far as it goes,
// with nothing after it and nothing yet in the place of its checksum. A changed byte in a whole entry never looks so:
// the checksum is in its place, or a changed length disagrees with the timestamp in the key or the length in the
// value's seal.
func (st *logState) torn(rest []byte, off int) bool {
	end := len(bytes.TrimRight(rest, "\x00"))
	if border := copyBorder - off%copyBorder; firstNonZero(rest[:min(len(rest), border)]) < 0 {
		return headless(rest[:end], border) && !(border <= 2 && soundUnderHead(rest))
	}
	e, ok := parseLogHead(rest)
	if !ok || e.userMeta != 0 || e.expires != 0 || e.meta != logTxn && e.meta != logFin || end < e.head-1 {
		return false
	}
	if e.keyLen < 11 || e.valLen > sealHeaderMax {
		return false
	}
	if end > e.size()-crc32.Size && !halfChecksum(rest, e, off) {
		return false
	}
	written := rest[e.head:min(max(end, e.head), e.size()-crc32.Size)] // the head's last byte, no expiry, is zero itself
	if len(written) < int(e.keyLen) {
		return true
	}
	key, value := written[:e.keyLen], written[e.keyLen:]
	ts := math.MaxUint64 - binary.BigEndian.Uint64(key[len(key)-8:])
	if st.open != 0 && ts != st.open || st.open == 0 && ts <= st.last {
		return false
	}
	if e.meta == logFin {
		return string(key[:len(key)-8]) == logFinKey && int(e.valLen) == len(strconv.FormatUint(ts, 10))
	}
	if len(value) < len(sealMagic)+4 {
		return true
	}
	return string(value[:len(sealMagic)]) == sealMagic &&
		uint64(binary.BigEndian.Uint32(value[len(sealMagic):]))+uint64(sealHeader) == e.valLen
}

// kernelPage is what the kernel writes back at once.
const kernelPage = 4096

// lostPage reports whether rest, which lies at off and does not begin with a sound entry, lacks a page that was never written back: it is zero
// from where the entry begins, or from a later page's start, to that page's end. Where the page held no more than one byte of what is missing,
// one changed byte looks the same. That counts as lost too, since the opening mends both or refuses both, as it does every lost page.
func lostPage(rest []byte, off int) bool {
	border := min(len(rest), kernelPage-off%kernelPage)
	if firstNonZero(rest[:border]) < 0 {
		return behindBorder(rest[border:])
	}
	e, ok := parseLogHead(rest)
	if !ok || e.userMeta != 0 || e.expires != 0 || e.meta != logTxn && e.meta != logFin || e.keyLen < 11 || e.valLen > sealHeaderMax {
		return false
	}
	for at := border; at < e.size(); at += kernelPage {
		if firstNonZero(rest[at:min(len(rest), at+kernelPage)]) < 0 {
			return true
		}
	}
	return false
}

// behindBorder reports whether behind, which begins with a page, can be what later pages hold of entries: more than one byte, or an entry's last
// byte at a page's start. Anything else may be one changed byte in unused space.
func behindBorder(behind []byte) bool {
	first := firstNonZero(behind)
	return first >= 0 && (first%kernelPage == 0 || firstNonZero(behind[first+1:]) >= 0)
}

// headless reports whether written, which ends with its last byte that is not zero and begins with border zeros, can be
// an entry whose beginning was to be stored last. The first store behind the border is copyBorder bytes long and holds
// the key's inverted timestamp or the seal's hash, so eight bytes of it are never all zero, however early the copying
// ended; one changed byte in unused space is one byte.
func headless(written []byte, border int) bool {
	const least = 8
	first := written[min(border, len(written)):min(border+copyBorder, len(written))]
	return len(first)-bytes.Count(first, []byte{0}) >= least
}

// halfChecksum reports whether the checksum of e, which lies at off, is there up to the border between two stores of the
// copying and zero behind it. When less than two bytes of it are missing, that cannot be told from one changed byte and counts
// as damage.
func halfChecksum(rest []byte, e logEntry, off int) bool {
	body := rest[:e.size()-crc32.Size]
	have := storeBorder(off, e.size()) - len(body)
	if have <= 0 || have >= crc32.Size {
		return false
	}
	sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum(body, crcTable()))
	missing := crc32.Size - have - bytes.Count(sum[have:], []byte{0})
	return missing >= 2 && bytes.Equal(rest[len(body):len(body)+have], sum[:have]) && firstNonZero(rest[len(body)+have:]) < 0
}

// storeBorder gives the last border between two stores of copying size bytes to off that lies before the last store, which
// overlaps with those before: up to 256 bytes, the largest power of two below size; of more, a copyBorder.
func storeBorder(off, size int) int {
	if size > 256 {
		return size - 1 - (off+size-1)%copyBorder
	}
	half := 16
	for half*2 < size {
		half *= 2
	}
	return half
}

// sealHeaderMax is the longest value the store writes: a chunk, its count and its seal.
const sealHeaderMax = chunkBytes + 4 + uint64(sealHeader)

// copyBorder is where copying a long entry begins: Go's memmove (runtime/memmove_amd64.s, avxUnaligned) stores from the
// next 32-byte border on, then what is before it, then the last 128 bytes, so that a torn entry may lack just its
// beginning. A page fault between two of these stores is where a killed process is most likely to end. One changed byte
// can only imitate it when no more than two bytes are missing, of which the second is always zero.
const copyBorder = 32

// soundUnderHead reports whether rest is a whole entry but for its first byte.
func soundUnderHead(rest []byte) bool {
	e, ok := parseLogHead(rest)
	if !ok || e.keyLen == 0 {
		return false
	}
	body := bytes.Clone(rest[:e.size()-crc32.Size])
	for _, meta := range []byte{logTxn, logFin} {
		body[0] = meta
		if crc32.Checksum(body, crcTable()) == binary.BigEndian.Uint32(rest[len(body):]) {
			return true
		}
	}
	return false
}
