package satellite

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// fuzzKey signs what the fuzzer's tables are compared with.
var fuzzKey = nexus.KeySigner(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, ed25519.SeedSize)))

// FuzzOpenTable: no bytes make the reader panic; whatever is taken was sealed, comes back from its own bytes the same, and is refused with any one bit changed.
func FuzzOpenTable(f *testing.F) {
	empty, err := edge.NewTable(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	b, err := NewSealer(fuzzKey, nexus.ID{1}, true).Seal(empty, 1000, 7)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, 0)
	f.Add(b[:len(b)-1], 1)
	f.Add([]byte(`{"seal":"`+strings.Repeat("0", 2*sealBytes)+`","routes":[{"Host":"a.example"}]}`), 2)
	f.Add([]byte(`{"routes":[{"Host":"a.example"}]}`), 3)
	f.Fuzz(func(t *testing.T, b []byte, bit int) {
		got, err := openTable(b)
		if err != nil {
			return
		}
		flipped := bytes.Clone(b)
		at := int(uint(bit) % uint(8*len(b)))
		flipped[at/8] ^= 1 << (at % 8)
		if _, err := openTable(flipped); err == nil {
			t.Fatalf("%q is taken, and with bit %d changed too", b, at)
		}
		if _, err := got.content(); err != nil {
			return
		}
		again, err := seal(fuzzKey, tableFile{Cluster: got.Cluster, Home: fuzzKey.Public(), Run: got.Run, Index: got.Index, Number: got.Number,
			Capacity: got.Capacity, Reports: got.Reports, Routes: got.Routes, Slices: got.Slices})
		if err != nil {
			t.Fatalf("%q is taken and cannot be written: %v", b, err)
		}
		same, err := openTable(again)
		if err != nil || same.Number != got.Number || same.Index != got.Index || len(same.Routes) != len(got.Routes) {
			t.Fatalf("%q became %q: %v", b, again, err)
		}
	})
}

// FuzzTableContent: no bytes make the table's own reader panic, and a table that is taken is written and read again the same. Here every input is sealed, so
// that the fuzzer reaches what stands behind the seal.
func FuzzTableContent(f *testing.F) {
	f.Add([]byte(`"capacity_bps":1000,"routes":null,"slices":null}`))
	f.Add([]byte(`"capacity_bps":1000,"routes":[{"Host":"a.example"}]}`))
	f.Add([]byte(`"capacity_bps":9,"routes":[{"Host":"a.example","SliceID":"` + nexus.ID{1}.String() + `"}],"slices":[{"id":"` + nexus.ID{1}.String() + `"}]}`))
	f.Fuzz(func(t *testing.T, rest []byte) {
		b, err := sealRaw(fuzzKey, append([]byte(`{"home":"`+fuzzKey.Public().String()+`",`), rest...))
		if err != nil {
			t.Fatal(err)
		}
		got, err := openTable(b)
		if err != nil {
			return
		}
		table, err := got.content()
		if err != nil {
			return
		}
		write := func(table *edge.Table) []byte {
			b, err := NewSealer(fuzzKey, got.Cluster, got.Reports).Seal(table, got.Capacity, got.Index)
			if err != nil {
				t.Fatalf("%q is taken and cannot be written: %v", b, err)
			}
			return b
		}
		again, err := openTable(write(table))
		if err != nil {
			t.Fatalf("%q is taken, and what it is written as is not: %v", b, err)
		}
		second, err := again.content()
		if err != nil || again.Capacity != got.Capacity || len(second.Routes()) != len(table.Routes()) || len(second.Slices()) != len(table.Slices()) {
			t.Fatalf("%q came back as %+v: %v", b, again, err)
		}
	})
}
