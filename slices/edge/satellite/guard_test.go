//go:build linux

package satellite

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// fileOf is a table of testHost in front of address, before it is sealed.
func fileOf(t *testing.T, address string, run byte, index, number uint64) tableFile {
	t.Helper()
	var f tableFile
	if err := json.Unmarshal(bytesOf(t, address, 0, 1_000_000_000), &f); err != nil {
		t.Fatal(err)
	}
	f.Run, f.Index, f.Number, f.Reports = nexus.ID{run}, index, number, true
	return f
}

func sealed(t *testing.T, key nexus.Signer, f tableFile) []byte {
	t.Helper()
	f.Home = key.Public()
	b, err := seal(key, f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var otherKey = nexus.KeySigner(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, ed25519.SeedSize)))

// TestWhichTablesAreServed: a story of one edge. What is newer of the same home is taken, everything else is refused by its kind.
func TestWhichTablesAreServed(t *testing.T) {
	t.Parallel()
	at := func(run byte, index, number uint64) []byte {
		return sealed(t, testKey, fileOf(t, "127.0.0.1:1", run, index, number))
	}
	changed := fileOf(t, "127.0.0.1:2", 1, 12, 4)
	otherCluster := fileOf(t, "127.0.0.1:1", 9, 99, 99)
	otherCluster.Cluster = nexus.ID{8}
	g := &guard{}
	for _, s := range []struct {
		what  string
		bytes []byte
		kind  string // "": taken; "same": in force already
	}{
		{"the first names the home", at(1, 10, 1), ""},
		{"it comes again with a new link", at(1, 10, 1), "same"},
		{"a newer one, some left out", at(1, 12, 4), ""},
		{"another of its number", sealed(t, testKey, changed), RefusedForked},
		{"one before it", at(1, 12, 3), RefusedOld},
		{"a newer number of an older ledger", at(1, 11, 5), RefusedOld},
		{"another key", sealed(t, otherKey, fileOf(t, "127.0.0.1:1", 9, 99, 99)), RefusedForeign},
		{"another cluster", sealed(t, testKey, otherCluster), RefusedForeign},
		{"the home's next run, of an older ledger", at(2, 11, 1), RefusedOld},
		{"the home's next run", at(2, 12, 1), ""},
		{"the run before", at(1, 12, 4), RefusedOld},
		{"the run before, as if it went on", at(1, 13, 9), RefusedOld},
		{"the run in force goes on", at(2, 12, 2), ""},
	} {
		f, same, no := g.judge(s.bytes)
		got := ""
		switch {
		case no != nil:
			got = no.kind
		case same:
			got = "same"
		default:
			g.serves(&f, s.bytes)
		}
		if got != s.kind {
			t.Errorf("%s: %q (%+v), wanted %q", s.what, got, no, s.kind)
		}
	}
	fixed := &guard{cluster: testCluster, home: otherKey.Public()}
	if _, _, no := fixed.judge(at(1, 1, 1)); no == nil || no.kind != RefusedForeign {
		t.Errorf("the first table of another home than the one that was named: %+v", no)
	}
	fixed = &guard{cluster: nexus.ID{8}, home: testKey.Public()}
	if _, _, no := fixed.judge(at(1, 1, 1)); no == nil || no.kind != RefusedForeign {
		t.Errorf("the first table of another cluster than the one that was named: %+v", no)
	}
}

// TestNoBitOfATableCanChange: every bit of a sealed table flipped, and every beginning of it, is refused as damaged.
func TestNoBitOfATableCanChange(t *testing.T) {
	t.Parallel()
	b := sealed(t, testKey, fileOf(t, "127.0.0.1:1", 1, 1, 1))
	g := &guard{}
	if _, _, no := g.judge(b); no != nil {
		t.Fatalf("whole: %v", no.err)
	}
	for bit := range 8 * len(b) {
		flipped := bytes.Clone(b)
		flipped[bit/8] ^= 1 << (bit % 8)
		if _, _, no := g.judge(flipped); no == nil || no.kind != RefusedDamaged || !no.ends() {
			t.Fatalf("bit %d of byte %d: %+v", bit%8, bit/8, no)
		}
	}
	for n := range b {
		if _, _, no := g.judge(b[:n]); no == nil || no.kind != RefusedDamaged {
			t.Fatalf("the first %d bytes: %+v", n, no)
		}
	}
	if _, _, no := g.judge(append(bytes.Clone(b), b...)); no == nil || no.kind != RefusedDamaged {
		t.Errorf("twice in one: %+v", no)
	}
}

// TestSealersNumber: the tables of one run rise, an older program reads them as its own form, and two runs are two.
func TestSealersNumber(t *testing.T) {
	t.Parallel()
	unit := slices.Default(nexus.ID{1}, "one")
	tab, err := edge.NewTable([]edge.Route{{Host: testHost, Unit: unit.Unit, SliceID: unit.ID}}, []slices.Slice{unit})
	if err != nil {
		t.Fatal(err)
	}
	s, g := NewSealer(testKey, testCluster, true), &guard{}
	for n := range uint64(3) {
		b, err := s.Seal(tab, 1000, 5)
		if err != nil {
			t.Fatal(err)
		}
		f, same, no := g.judge(b)
		if no != nil || same || f.Number != n+1 || !f.Reports || f.Cluster != testCluster {
			t.Fatalf("table %d: %+v, %v, %+v", n, f, same, no)
		}
		g.serves(&f, b)
		var old struct { // what programs before seals read
			Capacity uint64         `json:"capacity_bps"`
			Routes   []edge.Route   `json:"routes"`
			Slices   []slices.Slice `json:"slices"`
		}
		if err := json.Unmarshal(b, &old); err != nil || old.Capacity != 1000 || len(old.Routes) != 1 || len(old.Slices) != 1 {
			t.Fatalf("an older program reads %+v: %v", old, err)
		}
	}
	if other := NewSealer(testKey, testCluster, true); other.run == s.run {
		t.Error("two runs of one id")
	}
}

// TestALogIsNotFilled: of refusals that repeat, each is counted and each asks for a report, and one in ten seconds of each kind is a line of the log.
func TestALogIsNotFilled(t *testing.T) {
	t.Parallel()
	told, now := &tables{wake: make(chan struct{}, 1)}, time.Unix(1_700_000_000, 0)
	lines := 0
	for n := range 100 { // ten a second
		kind := RefusedOld
		if n%2 == 1 {
			kind = RefusedDamaged
		}
		if told.refused(&refusal{kind, errors.New("no")}, now.Add(time.Duration(n)*100*time.Millisecond)) {
			lines++
		}
	}
	state := told.now()
	if lines != 2 || state.Refusals() != 100 || state.Refused[RefusedOld] != 50 || !state.Standing || len(told.wake) != 1 {
		t.Errorf("%d lines, %+v", lines, state)
	}
	<-told.wake
	told.heard(&state)
	told.took(&guard{index: 3, number: 2})
	if state := told.now(); state.Standing || state.Index != 3 || state.Kind != RefusedDamaged || len(told.wake) != 1 {
		t.Errorf("after a table was taken: %+v", state)
	}
	<-told.wake
	told.took(&guard{index: 3, number: 3})
	if len(told.wake) != 0 {
		t.Error("a report was asked for with nothing new to tell")
	}
}
