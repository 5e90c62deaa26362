package backup

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/ledgertest"
)

// answer is what a node answers about the records.
func answer(t testing.TB, recs []ledger.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	last := recs[len(recs)-1]
	err := WriteRecords(&b, func(fn func(ledger.Record) error) error {
		for _, r := range recs {
			if err := fn(r); err != nil {
				return err
			}
		}
		return nil
	}, Trailer{ToIndex: last.Index, ToSize: last.Next(), Checkpoint: "signed"})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPartsFollow(t *testing.T) {
	t.Parallel()
	m, dir := ledgertest.NewMaker(1), t.TempDir()
	first := answer(t, m.Genesis(2).Records)
	second := answer(t, m.Next(5).Records)
	if _, err := Append(dir, nil, Header{Genesis: []byte("g")}, bytes.NewReader(first[:len(first)-1])); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Fatalf("an answer that was cut is kept: %v", err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
		t.Fatalf("it left %v, %v", names, err)
	}
	if _, err := Append(dir, nil, Header{Genesis: []byte("g")}, bytes.NewReader(second)); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Fatalf("an answer that does not begin at the beginning is kept: %v", err)
	}
	for _, stream := range [][]byte{first, second} {
		parts, err := Open(dir)
		if err != nil && nexus.CodeOf(err) != nexus.CodeNotFound {
			t.Fatal(err)
		}
		h := Header{}
		if len(parts) == 0 {
			h.Genesis = []byte("g")
		}
		p, err := Append(dir, parts, h, bytes.NewReader(stream))
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(p.Path); err != nil || info.Size() != p.Bytes {
			t.Errorf("said to have %d bytes: %+v, %v", p.Bytes, info, err)
		}
	}
	parts, err := Open(dir)
	if err != nil || len(parts) != 2 || parts[1].Previous != parts[0].Sum {
		t.Fatalf("%+v, %v", parts, err)
	}
	entries := uint64(0)
	if err := Records(parts, func(r ledger.Record) error { entries += uint64(len(r.Entries)); return nil }); err != nil || entries != parts[1].ToSize {
		t.Fatalf("%d entries of %d, %v", entries, parts[1].ToSize, err)
	}
}

// FuzzReadPart: no content makes the reader panic or take more than it was given, and what it accepts is whole.
func FuzzReadPart(f *testing.F) {
	m, dir := ledgertest.NewMaker(1), f.TempDir()
	p, err := Append(dir, nil, Header{Genesis: []byte("g")}, bytes.NewReader(answer(f, m.Genesis(2).Records)))
	if err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(p.Path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte(magic + "\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := readPart(bufio.NewReader(bytes.NewReader(b)), func(r ledger.Record) error {
			if len(r.Entries) == 0 {
				t.Error("a record without entries")
			}
			return nil
		})
		if err == nil && p.Bytes != int64(len(b)) {
			t.Errorf("accepted %d of %d bytes", p.Bytes, len(b))
		}
		if _, err := readFrame(io.LimitReader(bytes.NewReader(b), 3), 1); err == nil {
			t.Error("a frame of three bytes")
		}
	})
}
