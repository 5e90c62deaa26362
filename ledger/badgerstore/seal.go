package badgerstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

const (
	sealMagic  = "nxs1"
	sealDomain = "nexus-seal-v1\n"
	sealHeader = len(sealMagic) + 4 + sha256.Size
)

// newSealed makes a buffer with room for the seal; the caller appends the payload and calls finishSeal.
func newSealed(payloadMax int) []byte { return make([]byte, sealHeader, sealHeader+payloadMax) }

// finishSeal writes the seal before the payload in buf.
func finishSeal(key, buf []byte) []byte {
	payload := buf[sealHeader:]
	copy(buf, sealMagic)
	binary.BigEndian.PutUint32(buf[len(sealMagic):], uint32(len(payload)))
	sum := sealSum(key, payload)
	copy(buf[len(sealMagic)+4:], sum[:])
	return buf
}

func sealValue(key, payload []byte) []byte {
	return finishSeal(key, append(newSealed(len(payload)), payload...))
}

func sealSum(key, payload []byte) nexus.Hash {
	h := sha256.New()
	head := make([]byte, 0, 64)
	head = append(head, sealDomain...)
	head = binary.BigEndian.AppendUint32(head, uint32(len(key)))
	head = append(head, key...)
	h.Write(head)
	h.Write(payload)
	var sum nexus.Hash
	h.Sum(sum[:0])
	return sum
}

// openSeal gives the payload of a stored value, pointing into it. Error: nexus.CodeCorrupt naming the key.
func openSeal(key, value []byte) ([]byte, error) {
	if len(value) < sealHeader || string(value[:len(sealMagic)]) != sealMagic {
		return nil, corrupt(key, "%d stored bytes carry no seal", len(value))
	}
	payload := value[sealHeader:]
	if n := binary.BigEndian.Uint32(value[len(sealMagic):]); int64(n) != int64(len(payload)) {
		return nil, corrupt(key, "sealed length %d, stored %d", n, len(payload))
	}
	sum := sealSum(key, payload)
	if !bytes.Equal(sum[:], value[len(sealMagic)+4:sealHeader]) {
		return nil, corrupt(key, "SHA-256 does not fit: the bytes changed after they were written")
	}
	return payload, nil
}

func corrupt(key []byte, format string, args ...any) error {
	return nexus.Errf("read store", nexus.CodeCorrupt, "key "+keyName(key),
		"stop the node, run `nexus ledger verify --offline`, restore from a backup or another node", format, args...)
}

// keyName prints a key for people: its prefix in letters, numbers in decimal, the rest in hexadecimal.
func keyName(key []byte) string {
	if len(key) < 2 || key[1] != '/' {
		return fmt.Sprintf("%q", key)
	}
	rest := key[2:]
	switch {
	case key[0] == 'r' && len(rest) == 10:
		return fmt.Sprintf("r/%d/%d", binary.BigEndian.Uint64(rest), binary.BigEndian.Uint16(rest[8:]))
	case key[0] == 'q' && len(rest) == 8:
		return fmt.Sprintf("q/%d", binary.BigEndian.Uint64(rest))
	case key[0] == 'h' && len(rest) == 9:
		return fmt.Sprintf("h/%d/%d", rest[0], binary.BigEndian.Uint64(rest[1:]))
	case key[0] == 'm':
		return string(key)
	default:
		return fmt.Sprintf("%s%x", key[:2], rest)
	}
}

func recordKey(index uint64, chunk int) []byte {
	key := binary.BigEndian.AppendUint64([]byte("r/"), index)
	return binary.BigEndian.AppendUint16(key, uint16(chunk))
}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64([]byte("q/"), seq) }

func tileKey(level uint8, index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{'h', '/', level}, index)
}

func headKey() []byte       { return []byte("m/head") }
func checkpointKey() []byte { return []byte("m/checkpoint") }
func recordsKey() []byte    { return []byte("m/records") }

func engineKey(key []byte) bool {
	return len(key) > 2 && len(key) <= 1024 && (key[0] == 'd' || key[0] == 'x') && key[1] == '/'
}

// head is the value of m/head, canonical.
type head struct {
	Version   uint8
	Applied   uint64
	LastIndex uint64
	Size      uint64
}
