package badgerstore

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/dgraph-io/badger/v4/fb"
)

// crcTable is the CRC-32 polynomial Badger uses everywhere (Castagnoli).
func crcTable() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// checkTable checks a table file (badger table/builder.go, Finish): blocks, index, index length, index checksum, its
// length. The blocks must follow each other from the first byte to the index, so that no byte is outside a checksum.
func checkTable(b []byte) *damage {
	body, d := checkedTail(b, "table index")
	if d != nil {
		return d
	}
	if len(body) < 4 {
		return damaged(0, "no table index")
	}
	indexLen := int64(binary.BigEndian.Uint32(body[len(body)-4:]))
	start := int64(len(body)) - 4 - indexLen
	if start < 0 {
		return damaged(len(body)-4, "table index of %d bytes in a file of %d", indexLen, len(b))
	}
	indexBytes := body[start : len(body)-4]
	if !bytes.Equal(checksum(indexBytes), tailChecksum(b)) {
		return damaged(int(start), "table index does not fit its checksum")
	}
	index := fb.GetRootAsTableIndex(indexBytes, 0)
	at := int64(0)
	for i := range index.OffsetsLength() {
		var block fb.BlockOffset
		if !index.Offsets(&block, i) || int64(block.Offset()) != at || at+int64(block.Len()) > start {
			return damaged(int(start), "block %d of the index does not follow the one before", i)
		}
		data := b[at : at+int64(block.Len())]
		inner, d := checkedTail(data, "block")
		if d != nil {
			return damaged(int(at)+d.offset, "%s", d.what)
		}
		if !bytes.Equal(checksum(inner), tailChecksum(data)) {
			return damaged(int(at), "block %d of %d bytes does not fit its checksum", i, len(data))
		}
		at += int64(block.Len())
	}
	if at != start {
		return damaged(int(at), "%d bytes outside every block", start-at)
	}
	return nil
}

// checkedTail splits off the checksum at the end of b and its 4-byte length.
func checkedTail(b []byte, what string) ([]byte, *damage) {
	if len(b) < 8 {
		return nil, damaged(0, "%s of %d bytes", what, len(b))
	}
	n := binary.BigEndian.Uint32(b[len(b)-4:])
	if n > 16 || int(n) > len(b)-4 {
		return nil, damaged(len(b)-4, "checksum of the %s is %d bytes long", what, n)
	}
	return b[:len(b)-4-int(n)], nil
}

func tailChecksum(b []byte) []byte {
	n := int(binary.BigEndian.Uint32(b[len(b)-4:]))
	return b[len(b)-4-n : len(b)-4]
}

// checksum gives the bytes Badger writes for data: a protocol buffer with CRC-32C in field 2, nothing for zero.
// Comparing bytes, not numbers, leaves no spelling of the same number undetected.
func checksum(data []byte) []byte {
	sum := crc32.Checksum(data, crcTable())
	if sum == 0 {
		return []byte{}
	}
	return binary.AppendUvarint([]byte{0x10}, uint64(sum))
}
