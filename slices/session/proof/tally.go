package proof

import (
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
)

// Tally is what one direction counted.
type Tally struct {
	Messages  uint64 `json:"messages"`  // that came, each counted
	Lost      uint64 `json:"lost"`      // numbers that were skipped and never came
	Repeated  uint64 `json:"repeated"`  // numbers that came again
	Reordered uint64 `json:"reordered"` // numbers that came after a later one
	Damaged   uint64 `json:"damaged"`   // messages that are none of ours
	Hash      string `json:"hash"`      // rolling hash of everything that came, in order
}

// Clean reports whether exactly the expected messages came, in order, and hashes to what was sent.
func (t Tally) Clean(want uint64) bool {
	return t.Messages == want && t.Lost+t.Repeated+t.Reordered+t.Damaged == 0 && t.Hash == SentHash(want)
}

// counter judges a stream of messages.
type counter struct {
	tally   Tally
	next    uint64
	missing map[uint64]bool
	hash    hash.Hash64
}

func newCounter() *counter { return &counter{missing: map[uint64]bool{}, hash: fnv.New64a()} }

// missingMax bounds what a broken stream makes the counter remember.
const missingMax = 1 << 20

func (c *counter) take(b []byte) {
	c.tally.Messages++
	_, _ = c.hash.Write(b) // a hash takes everything
	if len(b) != messageBytes || binary.BigEndian.Uint64(b[8:]) != mix(binary.BigEndian.Uint64(b)) {
		c.tally.Damaged++
		return
	}
	n := binary.BigEndian.Uint64(b)
	switch {
	case n == c.next:
		c.next++
	case n > c.next:
		for ; c.next < n && len(c.missing) < missingMax; c.next++ {
			c.missing[c.next] = true
		}
		c.next = n + 1
	case c.missing[n]:
		delete(c.missing, n)
		c.tally.Reordered++
	default:
		c.tally.Repeated++
	}
}

func (c *counter) result() Tally {
	t := c.tally
	t.Lost = uint64(len(c.missing))
	t.Hash = fmt.Sprintf("%016x", c.hash.Sum64())
	return t
}

const messageBytes = 16

// message makes number n.
func message(n uint64) []byte {
	b := make([]byte, 0, messageBytes)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, n), mix(n))
}

// mix is a bijection of 64-bit numbers (SplitMix64's finisher): close numbers give far results.
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// SentHash is the rolling hash of the first n messages.
func SentHash(n uint64) string {
	h := fnv.New64a()
	for i := range n {
		_, _ = h.Write(message(i)) // a hash takes everything
	}
	return fmt.Sprintf("%016x", h.Sum64())
}
