package quicshare

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/quic-go/quic-go"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// IDBytes is the length of a connection id: one block of AES.
const IDBytes = 16

// A connection id before its encryption: the number of the process, zeros, and a random rest. The zeros tell ours from
// those that clients choose for their first datagrams: one of those passes for ours once in 2^48.
const (
	ownerBytes = 2
	zeroBytes  = 6
)

// Secret is what the processes of one port share, 32 random bytes. Whoever has it can see and choose which process a datagram goes to, and
// end connections of one that has gone; it opens no traffic.
type Secret [32]byte

// NewSecret makes one.
func NewSecret() Secret {
	var s Secret
	_, _ = rand.Read(s[:]) // never fails (crypto/rand)
	return s
}

// String gives the hexadecimal form that ParseSecret reads.
func (s Secret) String() string { return hex.EncodeToString(s[:]) }

// ParseSecret reads 64 hexadecimal digits.
func ParseSecret(text string) (Secret, error) {
	var s Secret
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(s) {
		return s, nexus.Errf("edge worker", nexus.CodeMalformed, "secret of the QUIC port", "start the supervisor again", "not %d hexadecimal digits", 2*len(s))
	}
	return Secret(b), nil
}

// derive gives a key for one purpose, so that no key is used for two.
func (s Secret) derive(purpose string, n int) []byte {
	key, err := hkdf.Key(sha256.New, s[:], nil, "nexus edge "+purpose, n)
	if err != nil {
		panic(err) // n is a constant of this package, far below the limit
	}
	return key
}

// ResetKey is the key of stateless resets (RFC 9000 section 10.3): any process of the port may reset the connections of one that has gone.
func (s Secret) ResetKey() *quic.StatelessResetKey {
	k := quic.StatelessResetKey(s.derive("quic stateless reset", 32))
	return &k
}

// TokenKey is the key of address tokens (RFC 9000 section 8.1): a token that one process gave is taken by each.
func (s Secret) TokenKey() *quic.TokenGeneratorKey {
	k := quic.TokenGeneratorKey(s.derive("quic token", 32))
	return &k
}

// IDs makes connection ids that name one process, and reads those of all. It implements quic.ConnectionIDGenerator. Safe for concurrent use.
type IDs struct {
	block cipher.Block
	owner uint16
}

// NewIDs makes the ids of process owner.
func NewIDs(s Secret, owner uint16) *IDs {
	block, err := aes.NewCipher(s.derive("quic connection id", 16))
	if err != nil {
		panic(err) // the key has the length that AES takes
	}
	return &IDs{block: block, owner: owner}
}

// GenerateConnectionID implements quic.ConnectionIDGenerator.
func (g *IDs) GenerateConnectionID() (quic.ConnectionID, error) {
	var id [IDBytes]byte
	binary.BigEndian.PutUint16(id[:], g.owner)
	if _, err := rand.Read(id[ownerBytes+zeroBytes:]); err != nil {
		return quic.ConnectionID{}, fmt.Errorf("random bytes: %w", err)
	}
	g.block.Encrypt(id[:], id[:])
	return quic.ConnectionIDFromBytes(id[:]), nil
}

// ConnectionIDLen implements quic.ConnectionIDGenerator.
func (g *IDs) ConnectionIDLen() int { return IDBytes }

// Owner tells which process a datagram's connection lives in, from the destination id of its first packet (RFC 8999 section 5); false
// when the id is none of ours, as in a client's first datagrams, or the datagram none of QUIC's.
func (g *IDs) Owner(datagram []byte) (uint16, bool) {
	id := destination(datagram)
	if len(id) != IDBytes {
		return 0, false
	}
	var plain [IDBytes]byte
	g.block.Decrypt(plain[:], id)
	for _, b := range plain[ownerBytes : ownerBytes+zeroBytes] {
		if b != 0 {
			return 0, false
		}
	}
	return binary.BigEndian.Uint16(plain[:]), true
}

// destination cuts the destination connection id out of a datagram. A short header does not say how long it is: ours are IDBytes.
func destination(datagram []byte) []byte {
	const longHeader, lengthAt = 0x80, 5
	switch {
	case len(datagram) == 0:
		return nil
	case datagram[0]&longHeader == 0:
		if len(datagram) < 1+IDBytes {
			return nil
		}
		return datagram[1 : 1+IDBytes]
	case len(datagram) <= lengthAt || len(datagram) < lengthAt+1+int(datagram[lengthAt]):
		return nil
	}
	return datagram[lengthAt+1:][:datagram[lengthAt]]
}
