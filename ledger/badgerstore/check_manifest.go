package badgerstore

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	manifestMagic   = "Bdgr"
	manifestVersion = 8
	pageBytes       = 4096
)

// checkManifest reads a manifest (badger manifest.go): magic, external version 0, version 8, then change sets, each
// with its length and CRC-32C. It gives the tables that remain.
//
// A last set cut short is accepted only at a page border and only when what is there is not a whole set under a changed
// length: a process killed inside write(2) leaves whole pages. Badger drops such a set, and so the change it announced
// never happened.
func checkManifest(b []byte) (map[uint64]bool, *damage) {
	tables := map[uint64]bool{}
	if len(b) < 8 || string(b[:4]) != manifestMagic || b[4] != 0 || b[5] != 0 ||
		binary.BigEndian.Uint16(b[6:]) != manifestVersion {
		return tables, damaged(0, "not a manifest of version %d", manifestVersion)
	}
	for off := 8; off < len(b); {
		rest := b[off:]
		if len(rest) < 8 {
			if len(b)%pageBytes == 0 {
				return tables, nil
			}
			return tables, damaged(off, "%d bytes after the last change", len(rest))
		}
		size, sum := int64(binary.BigEndian.Uint32(rest)), binary.BigEndian.Uint32(rest[4:])
		if size > int64(len(rest)-8) {
			if len(b)%pageBytes == 0 && crc32.Checksum(rest[8:], crcTable()) != sum {
				return tables, nil
			}
			return tables, damaged(off, "change of %d bytes, the file has %d more", size, len(rest)-8)
		}
		set := rest[8 : 8+size]
		if crc32.Checksum(set, crcTable()) != sum {
			return tables, damaged(off, "change of %d bytes does not fit its checksum", size)
		}
		if !applyChanges(set, tables) {
			return tables, damaged(off, "change cannot be read or contradicts an earlier one")
		}
		off += 8 + int(size)
	}
	return tables, nil
}

// applyChanges reads a ManifestChangeSet: field 1 repeated, each with id (1), operation (2: 0 create, 1 delete), level
// (3), key id (4), encryption (5) and compression (6).
func applyChanges(set []byte, tables map[uint64]bool) bool {
	for len(set) > 0 {
		if set[0] != 1<<3|2 {
			return false
		}
		size, n := binary.Uvarint(set[1:])
		if n <= 0 || size > uint64(len(set)-1-n) {
			return false
		}
		change := set[1+n : 1+n+int(size)]
		set = set[1+n+int(size):]
		var field [7]uint64
		for len(change) > 0 {
			tag := change[0]
			value, n := binary.Uvarint(change[1:])
			if n <= 0 || tag&7 != 0 || tag>>3 < 1 || tag>>3 > 6 {
				return false
			}
			field[tag>>3] = value
			change = change[1+n:]
		}
		id, operation := field[1], field[2]
		switch {
		case operation == 0 && !tables[id]:
			tables[id] = true
		case operation == 1 && tables[id]:
			delete(tables, id)
		default:
			return false
		}
	}
	return true
}
