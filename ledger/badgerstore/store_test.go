package badgerstore

import (
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/ledgertest"
)

func testOptions() Options { return Options{ReserveBytes: 1 << 20, MemTableBytes: 32 << 20} }

func openTest(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSuite(t *testing.T) {
	t.Parallel()
	ledgertest.Suite(t, func(t testing.TB, dir string) ledger.Store { return openTest(t, dir) })
}

func TestReserve(t *testing.T) {
	t.Parallel()
	m, dir := ledgertest.NewMaker(1), t.TempDir()
	s := openTest(t, dir)
	if err := s.Commit(m.Genesis(2)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	full, err := Open(dir, Options{ReserveBytes: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	b := m.Next(3)
	if err := full.Commit(b); nexus.CodeOf(err) != nexus.CodeUnavailable {
		t.Fatalf("got %v, want a refusal", err)
	}
	if r, err := full.RecordBySeq(0); err != nil || r.FirstSeq != 0 {
		t.Fatalf("reads ended with the disk: %v", err)
	}
	full.reserve = 0
	if err := full.Commit(b); err != nil {
		t.Fatalf("the same batch after space was freed: %v", err)
	}
	if err := full.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHeldDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openTest(t, dir)
	defer s.Close()
	if _, err := Open(dir, testOptions()); nexus.CodeOf(err) != nexus.CodeConflict {
		t.Fatalf("second Open: %v", err)
	}
	if _, err := OpenReadOnly(dir, testOptions()); nexus.CodeOf(err) != nexus.CodeConflict {
		t.Fatalf("OpenReadOnly beside a running node: %v", err)
	}
}
