package merkle

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Hasher computes SHA-256 of short messages, one after the other, at little more than the rounds themselves: the message is padded here, its
// whole blocks go into the standard library's hash, and what that keeps as its state then is the sum
// (docs/decisions/0063-the-state-is-the-sum.md). Not safe for concurrent use.
type Hasher struct {
	hash  hash.Hash
	state encoding.BinaryAppender // nil: the library's state is not as known, and Sum256 is asked
	block []byte                  // the message and its padding
	out   []byte

	leaf, node Fixed
}

const (
	stateHead = 4       // what stands before the eight words in the state
	longest   = 4 << 10 // bytes of a message; a longer one gains nothing, and would be held on to
)

// NewHasher makes one. Whether the library keeps its state as it always did is tried each time, by a message of two blocks.
func NewHasher() *Hasher { return newHasher(sha256.New()) }

func newHasher(of hash.Hash) *Hasher {
	h := &Hasher{hash: of, block: make([]byte, 0, 512), out: make([]byte, 0, 128)}
	h.state, _ = of.(encoding.BinaryAppender)
	if try := []byte("a message that is padded to two blocks of sixty-four bytes each"); h.Sum(try) != sha256.Sum256(try) {
		h.state = nil
	}
	h.leaf, h.node = h.Fixed("\x00", len(nexus.Hash{})), h.Fixed("\x01", 2*len(nexus.Hash{}))
	return h
}

// Sum gives SHA-256 of the parts, one after the other.
func (h *Hasher) Sum(parts ...[]byte) nexus.Hash {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if n > longest {
		of := sha256.New()
		for _, p := range parts {
			of.Write(p)
		}
		return nexus.Hash(of.Sum(nil))
	}
	b := h.block[:0]
	for _, p := range parts {
		b = append(b, p...)
	}
	h.block = padded(b)
	return h.sum(h.block, n)
}

// padded appends the padding of a message (FIPS 180-4, 5.1.1).
func padded(b []byte) []byte {
	var pad [sha256.BlockSize]byte
	pad[0] = 0x80
	bits := uint64(len(b)) * 8
	b = append(b, pad[:1+(sha256.BlockSize*2-1-8-len(b)%sha256.BlockSize)%sha256.BlockSize]...)
	return binary.BigEndian.AppendUint64(b, bits)
}

// sum is that of the first n bytes of whole blocks, the rest of which is their padding.
func (h *Hasher) sum(blocks []byte, n int) nexus.Hash {
	if h.state != nil {
		h.hash.Reset()
		h.hash.Write(blocks)
		out, err := h.state.AppendBinary(h.out[:0])
		if h.out = out; err == nil && len(out) >= stateHead+sha256.Size {
			return nexus.Hash(out[stateHead:])
		}
	}
	return sha256.Sum256(blocks[:n])
}

// Fixed computes the sums of messages with one prefix and one length. It is padded once. It belongs to its Hasher.
type Fixed struct {
	h      *Hasher
	blocks []byte
	from   int // of the message after the prefix
	to     int
}

// Fixed is for messages of n bytes after a prefix.
func (h *Hasher) Fixed(prefix string, n int) Fixed {
	to := len(prefix) + n
	return Fixed{h: h, blocks: padded(append([]byte(prefix), make([]byte, n)...)), from: len(prefix), to: to}
}

// Message is where the message is written before Sum.
func (f *Fixed) Message() []byte { return f.blocks[f.from:f.to] }

// Sum gives SHA-256 of prefix and message.
func (f *Fixed) Sum() nexus.Hash { return f.h.sum(f.blocks, f.to) }

// Leaf is LeafHash.
func (h *Hasher) Leaf(data *nexus.Hash) nexus.Hash {
	copy(h.leaf.Message(), data[:])
	return h.leaf.Sum()
}

// Node is NodeHash.
func (h *Hasher) Node(left, right *nexus.Hash) nexus.Hash {
	m := h.node.Message()
	copy(m, left[:])
	copy(m[len(left):], right[:])
	return h.node.Sum()
}
