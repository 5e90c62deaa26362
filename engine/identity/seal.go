package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// A sealed file is magic (8 bytes), payload length (4 bytes, big endian), SHA-256 of the payload (32 bytes), payload.
// Nothing follows, so each byte of the file is either compared with a constant or covered by the digest.
const (
	sealMagicLen  = 8
	sealHeaderLen = sealMagicLen + 4 + sha256.Size
	sealMaxLen    = 64 << 10 // payload limit in bytes: genesis and sidecars are below 1 KiB

	genesisMagic = "NXGENES1"
	sidecarMagic = "NXKEYSU1"
)

// seal wraps payload under an 8-byte magic.
func seal(magic string, payload []byte) []byte {
	sum := sha256.Sum256(payload)
	out := make([]byte, 0, sealHeaderLen+len(payload))
	out = append(out, magic...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(payload)))
	out = append(out, sum[:]...)
	return append(out, payload...)
}

// damage says where sealed bytes are wrong. Offset is the byte at which the fault shows, not always where it lies.
type damage struct {
	offset int64
	what   string
}

func (d *damage) Error() string { return fmt.Sprintf("at byte %d: %s", d.offset, d.what) }

// unseal returns the payload, or a *damage.
func unseal(magic string, b []byte) ([]byte, *damage) {
	if len(b) < sealHeaderLen {
		return nil, &damage{int64(len(b)), fmt.Sprintf("cut short: %d bytes, a header has %d", len(b), sealHeaderLen)}
	}
	for i := range sealMagicLen {
		if b[i] != magic[i] {
			return nil, &damage{int64(i), fmt.Sprintf("magic is %q, not %q", b[:sealMagicLen], magic)}
		}
	}
	n := binary.BigEndian.Uint32(b[sealMagicLen:])
	if n > sealMaxLen || int(n) != len(b)-sealHeaderLen {
		return nil, &damage{sealMagicLen, fmt.Sprintf("length field says %d bytes, the file holds %d", n,
			len(b)-sealHeaderLen)}
	}
	sum := sha256.Sum256(b[sealHeaderLen:])
	if stored := b[sealMagicLen+4 : sealHeaderLen]; !bytes.Equal(sum[:], stored) {
		return nil, &damage{sealMagicLen + 4, fmt.Sprintf("SHA-256 is %x..., the file says %x...", sum[:4], stored[:4])}
	}
	return b[sealHeaderLen:], nil
}

// corrupt is the error for a stored file that is not what was written.
func corrupt(op, path, hint string, cause error) error {
	return &nexus.Error{Op: op, Code: nexus.CodeCorrupt, Subject: path, Cause: cause, Hint: hint}
}
