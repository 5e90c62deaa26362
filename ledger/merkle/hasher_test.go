package merkle

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"errors"
	"hash"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Sums are those of the standard library: of each length around the borders of blocks and beyond what is padded here, in one part or several.
func TestHasher(t *testing.T) {
	t.Parallel()
	h := NewHasher()
	if h.state == nil {
		t.Fatal("this library's state is not as known: nothing is gained")
	}
	message := make([]byte, 4*longest)
	for i := range message {
		message[i] = byte(i * 7)
	}
	for n := range len(message) {
		if n > 300 && n < longest-5 && n%97 != 0 {
			continue
		}
		want := nexus.Hash(sha256.Sum256(message[:n]))
		if got := h.Sum(message[:n]); got != want {
			t.Fatalf("%d bytes: %s, want %s", n, got, want)
		}
		if got := h.Sum(message[:n/3], nil, message[n/3:n/2], message[n/2:n]); got != want {
			t.Fatalf("%d bytes in parts: %s, want %s", n, got, want)
		}
	}
	if cap(h.block) > 2*longest {
		t.Errorf("%d bytes are held on to", cap(h.block))
	}
	for n := range 200 {
		f := h.Fixed("prefix", n)
		for range 2 {
			copy(f.Message(), message[n:])
			if got, want := f.Sum(), nexus.Hash(sha256.Sum256(append([]byte("prefix"), message[n:2*n]...))); got != want {
				t.Fatalf("%d bytes after a prefix: %s, want %s", n, got, want)
			}
		}
	}
	a, b := nexus.Hash(message[:32]), nexus.Hash(message[32:])
	if h.Leaf(&a) != LeafHash(a) || h.Node(&a, &b) != NodeHash(a, b) {
		t.Error("another leaf or node")
	}
}

// strange is a library whose state is another, or cannot be had.
type strange struct {
	hash.Hash
	state []byte
	err   error
}

func (s strange) AppendBinary(b []byte) ([]byte, error) { return append(b, s.state...), s.err }

// Where the state is not as known the sum is asked for as ever.
func TestHasherOfAnotherLibrary(t *testing.T) {
	t.Parallel()
	want := nexus.Hash(sha256.Sum256([]byte("message")))
	for name, s := range map[string]strange{"nothing": {sha256.New(), nil, nil}, "an error": {sha256.New(), bytes.Repeat([]byte{1}, 108), errors.New("none")}} {
		h := NewHasher()
		h.hash, h.state = s, encoding.BinaryAppender(s)
		if got := h.Sum([]byte("message")); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	h := newHasher(strange{sha256.New(), bytes.Repeat([]byte{1}, 108), nil})
	if h.state != nil || h.Sum([]byte("message")) != want {
		t.Error("a state that is not the sum is taken for it")
	}
	if h := newHasher(struct{ hash.Hash }{sha256.New()}); h.Sum([]byte("message")) != want {
		t.Error("without a state")
	}
}

// BenchmarkHasher is a leaf and a node, by the standard library's Sum256 and by its state.
func BenchmarkHasher(b *testing.B) {
	var x, y nexus.Hash
	h := NewHasher()
	b.Run("Sum256", func(b *testing.B) {
		for b.Loop() {
			x = LeafHash(x)
			y = NodeHash(x, y)
		}
	})
	b.Run("state", func(b *testing.B) {
		for b.Loop() {
			x = h.Leaf(&x)
			y = h.Node(&x, &y)
		}
	})
}
