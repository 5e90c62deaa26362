package satellite

import (
	"bytes"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// FuzzDecodeTable: no bytes make the decoder panic, and a table that is taken comes back from its own bytes the same.
func FuzzDecodeTable(f *testing.F) {
	empty, err := edge.NewTable(nil, []slices.Slice(nil))
	if err != nil {
		f.Fatal(err)
	}
	b, err := EncodeTable(empty, 1000)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"routes":[{"Host":"a.example"}]}`))
	f.Add([]byte(`{"routes":[{"Host":"a.example","SliceID":"` + nexus.ID{1}.String() + `"}],"slices":[{"id":"` + nexus.ID{1}.String() + `"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, capacity, err := DecodeTable(b)
		if err != nil {
			return
		}
		first, err := EncodeTable(table, capacity)
		if err != nil {
			t.Fatalf("%q is taken and cannot be written: %v", b, err)
		}
		again, capacityAgain, err := DecodeTable(first)
		if err != nil || capacityAgain != capacity {
			t.Fatalf("%q is taken, %q, which it is written as, is not: %v", b, first, err)
		}
		if second, err := EncodeTable(again, capacity); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%q became %q: %v", first, second, err)
		}
	})
}
