//go:build unix

package badgerstore

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/ledgertest"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// An entry is read out of its record's file without the record's seal. Whatever byte of the file is changed, and wherever the file ends, it is
// given as it was or not at all, and what is not given names the record.
func TestAnEntryOfADamagedFile(t *testing.T) {
	t.Parallel()
	dir, _, _ := largeStore(t)
	s := openTest(t, dir)
	defer s.Close()
	last, err := s.LastRecord()
	if err != nil {
		t.Fatal(err)
	}
	p := readPlace(t, s, recordKey(last.Index, 0))
	path := filepath.Join(dir, recordFileName(p.file))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	served, refused := 0, 0
	look := func(what string, at int) {
		seq := last.FirstSeq + random.Uint64N(uint64(len(last.Entries)))
		e, err := s.Entry(seq)
		switch want := last.Salted(seq); {
		case err == nil && e.Salt == want.Salt && bytes.Equal(e.Bytes, want.Bytes):
			served++
		case nexus.CodeOf(err) == nexus.CodeCorrupt && strings.Contains(err.Error(), keyName(recordKey(last.Index, 0))):
			refused++
		default:
			t.Fatalf("%s at %d: entry %d: %x, %v", what, at, seq, e.Bytes, err)
		}
	}
	end := int(p.offset) + int(p.length)
	for range 3000 {
		at := int(p.offset) + random.IntN(int(p.length))
		if random.IntN(4) == 0 {
			at = int(p.offset) + random.IntN(120) // what stands before the command
		}
		bad := bytes.Clone(good)
		bad[at] ^= 1 << random.IntN(8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		look("flip", at)
	}
	for at := int(p.offset); at < end; at += 1 + random.IntN(200) {
		if err := os.Truncate(path, int64(at)); err != nil {
			t.Fatal(err)
		}
		look("cut", at)
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if served < 300 || refused < 150 {
		t.Errorf("%d served, %d refused: one of both was not tried", served, refused)
	}
}

// A tile that fits its seal and not its entries is damage: neither side is taken at its word.
func TestAnEntryThatIsNotItsLeaf(t *testing.T) {
	t.Parallel()
	m, dir := ledgertest.NewMaker(4), t.TempDir()
	s := openTest(t, dir)
	for _, b := range []ledger.Batch{m.Genesis(4), m.Next(3), m.Next(300)} { // small records in Badger, one in a file
		if err := s.Commit(b); err != nil {
			t.Fatal(err)
		}
	}
	var tile []byte
	err := s.view("read", func(v snapshot) (err error) {
		tile, err = v.sealedTile(tilePlace{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range []int{1, 200} {
		tile[seq*len(nexus.Hash{})] ^= 1
	}
	setValue(t, s, tileKey(0, 0), sealValue(tileKey(0, 0), tile))
	for seq, wrong := range map[uint64]bool{0: false, 1: true, 199: false, 200: true, 290: false} {
		if _, err := s.Entry(seq); (err != nil) != wrong || wrong && (nexus.CodeOf(err) != nexus.CodeCorrupt || !strings.Contains(err.Error(), "h/0/0")) {
			t.Errorf("entry %d: %v", seq, err)
		}
	}
	s.whole = tileCache{}
	setValue(t, s, tileKey(0, 0), sealValue(tileKey(0, 0), tile[1:]))
	if _, err := s.Entry(3); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Errorf("by a tile that is too short: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Tiles that were read are given without a look into the files, and never more of them are kept than the store says.
func TestKeptTiles(t *testing.T) {
	t.Parallel()
	var c tileCache
	for level, most := range []int{leafTilesMax, upperTilesMax} {
		for i := range uint64(3 * most) {
			at, w := tilePlace{uint8(level), i}, &merkle.Whole{}
			c.put(at, w)
			if c.get(at) != w {
				t.Fatalf("tile %d of level %d is not kept", i, level)
			}
		}
		if tiles, _ := c.of(tilePlace{level: uint8(level)}); len(*tiles) != most {
			t.Errorf("%d tiles of level %d are kept, %d should be", len(*tiles), level, most)
		}
	}
	m, dir := ledgertest.NewMaker(4), t.TempDir()
	s := openTest(t, dir)
	defer s.Close()
	for _, b := range []ledger.Batch{m.Genesis(4), m.Next(600)} {
		if err := s.Commit(b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.kept(0, 1); !errors.Is(err, errNotKept) {
		t.Fatalf("a tile that nobody read: %v", err)
	}
	want, err := ledger.InclusionProof(s, 300, s.Size())
	if err != nil {
		t.Fatal(err)
	}
	setValue(t, s, tileKey(0, 1), []byte("gone"))
	if got, err := ledger.InclusionProof(s, 300, s.Size()); err != nil || len(got) != len(want) {
		t.Errorf("by the tiles in memory: %v", err)
	}
	s.whole = tileCache{}
	if _, err := ledger.InclusionProof(s, 300, s.Size()); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Errorf("by the tiles in the files: %v", err)
	}
}
