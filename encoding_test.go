package nexus_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"pgregory.net/rapid"
)

// sample holds one field of every kind that canonical data knows.
type sample struct {
	Bool   bool
	U8     uint8
	U64    uint64
	I32    int32
	I64    int64
	Text   string
	Bytes  []byte
	ID     nexus.ID
	Kind   nexus.UnitKind
	List   []inner
	Hashes []nexus.Hash
	Inner  inner
}

type inner struct {
	Name  string
	Count int64
	Flags []bool
}

func sampleGen() *rapid.Generator[sample] {
	innerGen := rapid.Custom(func(t *rapid.T) inner {
		flags := orNil(rapid.SliceOfN(rapid.Bool(), 0, 4).Draw(t, "flags"))
		return inner{rapid.String().Draw(t, "name"), rapid.Int64().Draw(t, "count"), flags}
	})
	return rapid.Custom(func(t *rapid.T) sample {
		s := sample{
			Bool: rapid.Bool().Draw(t, "bool"), U8: rapid.Uint8().Draw(t, "u8"), U64: rapid.Uint64().Draw(t, "u64"),
			I32: rapid.Int32().Draw(t, "i32"), I64: rapid.Int64().Draw(t, "i64"), Text: rapid.String().Draw(t, "text"),
			Bytes: orNil(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "bytes")),
			Kind:  nexus.UnitKind(rapid.Uint8().Draw(t, "kind")),
			List:  orNil(rapid.SliceOfN(innerGen, 0, 5).Draw(t, "list")),
			Inner: innerGen.Draw(t, "inner"),
		}
		copy(s.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		for range rapid.IntRange(0, 3).Draw(t, "hashes") {
			s.Hashes = append(s.Hashes, nexus.Hash{rapid.Byte().Draw(t, "hash")})
		}
		return s
	})
}

// orNil: an empty list has one form in canonical data, and decodes to nil.
func orNil[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}

func TestRoundTripOfAnyValue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := sampleGen().Draw(t, "value")
		encoded := nexus.Encode(want)
		// The target is dirty on purpose: what it held before must not shine through.
		got := sample{Bytes: []byte("old"), List: []inner{{Name: "old"}, {}}, Hashes: make([]nexus.Hash, 9), Text: "old"}
		if err := nexus.Decode(encoded, &got); err != nil {
			t.Fatalf("decode %x: %v", encoded, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestEveryCutAndEveryExtraByteIsRefused(t *testing.T) {
	t.Parallel()
	encoded := nexus.Encode(sample{Text: "héllo", Bytes: []byte{1, 2}, List: []inner{{Flags: []bool{true}}},
		U64: math.MaxUint64})
	for cut := range len(encoded) {
		if err := nexus.Decode(encoded[:cut], &sample{}); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("cut at %d of %d: %v", cut, len(encoded), err)
		}
	}
	if err := nexus.Decode(append(encoded, 0), &sample{}); nexus.CodeOf(err) != nexus.CodeMalformed {
		t.Errorf("left-over byte: %v", err)
	}
}

func TestStrictness(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, input, want string
		into              any
	}{
		{"varint longer than needed", "8000", "longer than needed", new(uint64)},
		{"varint of eleven bytes", "8080808080808080808001", "too long", new(uint64)},
		{"varint past 64 bits", "ffffffffffffffffff02", "too long", new(uint64)},
		{"varint cut", "80", "cut short", new(uint64)},
		{"empty input", "", "cut short", new(uint64)},
		{"256 in a uint8", "8002", "does not fit", new(uint8)},
		{"2^31 in an int32", "8080808010", "does not fit", new(int32)},
		{"bool 2", "02", "bool 2", new(bool)},
		{"bool of two bytes", "8000", "bool 128", new(bool)},
		{"string past the end", "0361", "past the end", new(string)},
		{"string of 2^63 bytes", "80808080808080808001", "past the end", new(string)},
		{"string length not minimal", "810061", "longer than needed", new(string)},
		{"array cut", "0102", "past the end", new(nexus.ID)},
		{"count past the end", "05", "past the end", new([]inner)},
		{"count of 2^62", "808080808080808040", "past the end", new([]inner)},
		{"bytes past the end", "ff01", "past the end", new([]byte)},
		{"left over", "0000", "1 bytes left over", new(uint64)},
	}
	for _, tt := range tests {
		input, err := hex.DecodeString(tt.input)
		if err != nil {
			t.Fatal(err)
		}
		err = nexus.Decode(input, tt.into)
		if nexus.CodeOf(err) != nexus.CodeMalformed || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %s gives %v, want %q", tt.name, tt.input, err, tt.want)
		}
	}
}

// A count costs the sender one byte per element; it must not cost the reader a wide struct per byte before the
// elements have been seen to be there.
func TestHostileCountTakesNoMemory(t *testing.T) {
	t.Parallel()
	type wide struct {
		Present bool
		Fields  [64]byte
		Lists   [4096]byte
	}
	const claimed = 8 << 20
	input := append(nexus.Encode(uint64(claimed)), bytes.Repeat([]byte{2}, claimed)...)
	perRun := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			var list []wide
			if err := nexus.Decode(input, &list); nexus.CodeOf(err) != nexus.CodeMalformed {
				b.Fatalf("accepted a list of bad elements: %v", err)
			}
		}
	}).AllocedBytesPerOp()
	if perRun == 0 || perRun > 4<<20 {
		t.Errorf("a claim of %d elements took %d bytes, want at most 4 MiB", claimed, perRun)
	}
}

func TestWhatHasNoCanonicalFormPanics(t *testing.T) {
	t.Parallel()
	number := 1
	values := map[string]any{
		"map":              struct{ M map[string]int }{},
		"float":            struct{ F float64 }{},
		"pointer":          struct{ P *int }{&number},
		"interface":        struct{ A any }{1},
		"unexported field": struct{ hidden uint8 }{1},
		"array of numbers": struct{ A [2]uint16 }{},
		"array of hashes":  struct{ A [2]nexus.Hash }{},
	}
	for name, value := range values {
		if !panics(func() { nexus.Encode(value) }) {
			t.Errorf("encoding a %s did not panic", name)
		}
		target := reflect.New(reflect.TypeOf(value)).Interface()
		if !panics(func() { _ = nexus.Decode(make([]byte, 64), target) }) {
			t.Errorf("decoding into a %s did not panic", name)
		}
	}
	if !panics(func() { _ = nexus.Decode(nil, sample{}) }) || !panics(func() { _ = nexus.Decode(nil, (*sample)(nil)) }) {
		t.Error("decoding without a target did not panic")
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// Whatever is accepted is the only byte string for its value; nothing makes the decoder crash.
func FuzzDecode(f *testing.F) {
	f.Add(nexus.Encode(sample{}))
	f.Add(nexus.Encode(sample{Text: "x", List: []inner{{Name: "a", Count: -1, Flags: []bool{true, false}}}}))
	f.Add([]byte{1, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, input []byte) {
		var s sample
		checkCanonical(t, input, &s)
		var a nexus.Action
		checkCanonical(t, input, &a)
		var q nexus.Query
		checkCanonical(t, input, &q)
	})
}

func checkCanonical(t *testing.T, input []byte, into any) {
	t.Helper()
	if err := nexus.Decode(input, into); err != nil {
		if nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Fatalf("%x gives %v, want code malformed", input, err)
		}
		return
	}
	again := nexus.Encode(reflect.ValueOf(into).Elem().Interface())
	if !bytes.Equal(again, input) {
		t.Fatalf("%x was accepted as %+v, which encodes to %x", input, into, again)
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add(true, uint64(1), int64(-1), "text", []byte{0, 255})
	f.Fuzz(func(t *testing.T, b bool, u uint64, i int64, s string, raw []byte) {
		want := sample{Bool: b, U8: uint8(u), U64: u, I32: int32(i), I64: i, Text: s, Bytes: orNil(raw),
			List: []inner{{Name: s, Count: i, Flags: []bool{b}}}, Hashes: []nexus.Hash{{byte(u)}}}
		var got sample
		if err := nexus.Decode(nexus.Encode(want), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}
