package verify

import (
	"crypto/sha256"
	"encoding/binary"
)

const (
	entryDomain = "nexus-entry-v1\n"
	saltDomain  = "nexus-salt-v1\n"
	sealDomain  = "nexus-seal-v1\n"
	sealMagic   = "nxs1"
	tileWidth   = 256
)

// commitment is SHA-256(domain || salt || entry), the salt being the first half of
// SHA-256(domain || command salt || ordinal). scratch is reused between calls.
func commitment(commandSalt [16]byte, ordinal int, entry []byte, scratch *[]byte) [32]byte {
	buf := append((*scratch)[:0], saltDomain...)
	buf = append(buf, commandSalt[:]...)
	buf = binary.BigEndian.AppendUint32(buf, uint32(ordinal))
	salt := sha256.Sum256(buf)
	buf = append(buf[:0], entryDomain...)
	buf = append(buf, salt[:16]...)
	buf = append(buf, entry...)
	*scratch = buf
	return sha256.Sum256(buf)
}

func leafHash(data [32]byte) [32]byte {
	var buf [33]byte
	copy(buf[1:], data[:])
	return sha256.Sum256(buf[:])
}

func nodeHash(left, right [32]byte) [32]byte {
	var buf [65]byte
	buf[0] = 1
	copy(buf[1:33], left[:])
	copy(buf[33:], right[:])
	return sha256.Sum256(buf[:])
}

// tree keeps, per level, the one subtree that waits for its sibling, and the hashes of the tiles under way.
type tree struct {
	size    uint64
	waiting [64][32]byte // waiting[l] counts when bit l of size is set
	tiles   [8][]byte    // hashes at levels 0, 8, 16, ... since the last full tile
	full    func(level int, index uint64, hashes []byte)
}

func (t *tree) add(leaf [32]byte) {
	hash := leaf
	for level := 0; ; level++ {
		t.intoTile(level, hash)
		if t.size>>level&1 == 0 {
			t.waiting[level] = hash
			break
		}
		hash = nodeHash(t.waiting[level], hash)
	}
	t.size++
}

// intoTile collects the nodes at every eighth level; t.size is still the number of leaves before the new one.
func (t *tree) intoTile(level int, hash [32]byte) {
	if level%8 != 0 || level/8 >= len(t.tiles) {
		return
	}
	tile := append(t.tiles[level/8], hash[:]...)
	if len(tile) == tileWidth*32 {
		t.full(level/8, (t.size+1)>>(level+8)-1, tile)
		tile = tile[:0]
	}
	t.tiles[level/8] = tile
}

func (t *tree) root() [32]byte {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	var root [32]byte
	first := true
	for level := range 64 {
		switch {
		case t.size>>level&1 == 0:
		case first:
			root, first = t.waiting[level], false
		default:
			root = nodeHash(t.waiting[level], root)
		}
	}
	return root
}

// openSeal gives the payload of a stored value, or why it is not what was written under key.
func openSeal(key, value []byte) ([]byte, string) {
	const head = len(sealMagic) + 4 + 32
	if len(value) < head || string(value[:4]) != sealMagic {
		return nil, "no seal"
	}
	payload := value[head:]
	if uint64(binary.BigEndian.Uint32(value[4:])) != uint64(len(payload)) {
		return nil, "length does not fit the seal"
	}
	h := sha256.New()
	h.Write([]byte(sealDomain))
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(key))))
	h.Write(key)
	h.Write(payload)
	if string(h.Sum(nil)) != string(value[8:head]) {
		return nil, "SHA-256 does not fit the seal"
	}
	return payload, ""
}

// creatorTotal is ceil(gross * percent / 100) toward plus infinity, computed piecewise so that nothing overflows:
// gross = 100 q + r with 0 <= r < 100.
func creatorTotal(gross int64, percent uint64) int64 {
	q, r := gross/100, gross%100
	if r < 0 {
		q, r = q-1, r+100
	}
	part := r * int64(percent)
	return q*int64(percent) + (part+99)/100
}
