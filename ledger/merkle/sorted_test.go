package merkle_test

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

func value(n byte) nexus.Hash { return sha256.Sum256([]byte{n}) }

func same(h nexus.Hash) nexus.Hash { return h }

// TestSortedProvesWhatIsThereAndWhatIsNot: over random maps every proof holds for its own key, value and root and for no other.
func TestSortedProvesWhatIsThereAndWhatIsNot(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for size := range 40 {
		var m merkle.Sorted[nexus.Hash]
		held := map[[16]byte]nexus.Hash{}
		for range size {
			var key [16]byte
			key[0], key[15] = byte(rnd.IntN(8)), byte(rnd.IntN(256)) // shared prefixes down to the last byte
			v := value(byte(rnd.IntN(256)))
			m.Set(key, v, v)
			held[key] = v
		}
		f := m.Freeze()
		if f.Len() != len(held) {
			t.Fatalf("%d keys, want %d", f.Len(), len(held))
		}
		for range 50 {
			var key [16]byte
			key[0], key[15] = byte(rnd.IntN(8)), byte(rnd.IntN(256))
			check(t, f, held, key)
		}
		for key := range held {
			check(t, f, held, key)
		}
	}
}

func check(t *testing.T, f *merkle.Sorted[nexus.Hash], held map[[16]byte]nexus.Hash, key [16]byte) {
	t.Helper()
	root := f.Root()
	p, found := f.Prove(key, same)
	want, there := held[key]
	if found != there {
		t.Fatalf("key %x found %v, want %v", key, found, there)
	}
	absent, present := merkle.CheckSortedAbsent(p, root, key), merkle.CheckSorted(p, root, key, want)
	if there && (present != nil || absent == nil) || !there && (absent != nil || present == nil) {
		t.Fatalf("key %x there %v: presence %v, absence %v", key, there, present, absent)
	}
	if there && merkle.CheckSorted(p, root, key, value(0)) == nil && want != value(0) {
		t.Fatal("another value is proved too")
	}
	if merkle.CheckSorted(p, value(9), key, want) == nil {
		t.Fatal("another root is proved too")
	}
	for i := range p.Siblings {
		p.Siblings[i][3] ^= 1
		if merkle.CheckSorted(p, root, key, want) == nil || merkle.CheckSortedAbsent(p, root, key) == nil {
			t.Fatalf("sibling %d may be changed", i)
		}
		p.Siblings[i][3] ^= 1
	}
}

// TestSortedOrderAndFreeze: the root depends on the contents alone, and a frozen map stays as it is.
func TestSortedOrderAndFreeze(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	keys := make([][16]byte, 500)
	for i := range keys {
		for j := range keys[i] {
			keys[i][j] = byte(rnd.IntN(256))
		}
	}
	var a, b merkle.Sorted[nexus.Hash]
	for i, k := range keys {
		a.Set(k, value(1), value(1))
		if i%7 == 0 {
			a.Freeze()
		}
		a.Set(k, value(byte(i)), value(byte(i)))
	}
	for _, i := range rnd.Perm(len(keys)) {
		b.Set(keys[i], value(byte(i)), value(byte(i)))
	}
	if a.Root() != b.Root() {
		t.Fatal("two ways to the same contents give two roots")
	}
	frozen := a.Freeze()
	before := frozen.Root()
	a.Set(keys[0], value(77), value(77))
	a.Set([16]byte{1}, value(5), value(5))
	if frozen.Root() != before || a.Root() == before || frozen.Len() != len(keys) || a.Len() != len(keys)+1 {
		t.Fatal("a frozen map changed, or the original did not")
	}
	if p, ok := frozen.Prove(keys[0], same); !ok || merkle.CheckSorted(p, before, keys[0], value(0)) != nil {
		t.Fatal("a frozen map no longer proves what it held")
	}
	last := [16]byte{}
	a.Each(func(key [16]byte, _ nexus.Hash) bool {
		if string(key[:]) < string(last[:]) {
			t.Fatal("keys out of order")
		}
		last = key
		return true
	})
}

// BenchmarkSortedBatch is what one checkpoint costs: 1,000 of 20,000 units changed.
func BenchmarkSortedBatch(b *testing.B) {
	rnd := rand.New(rand.NewPCG(5, 6))
	keys := make([][16]byte, 20_000)
	var m merkle.Sorted[nexus.Hash]
	for i := range keys {
		for j := range keys[i] {
			keys[i][j] = byte(rnd.IntN(256))
		}
		m.Set(keys[i], value(1), value(1))
	}
	m.Freeze()
	for n := 0; b.Loop(); n++ {
		for i := range 1000 {
			k := keys[(n*1000+i*17)%len(keys)]
			m.Set(k, value(byte(n)), value(byte(n)))
		}
		m.Freeze()
	}
}
