//go:build unix

package badgerstore

import (
	"os"
	"syscall"
	"testing"
	"time"

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

// TestFailedWrite: when the library fails in the middle of a commit, nothing of the batch is visible, nothing more is
// accepted, and the store opens again as it was before.
func TestFailedWrite(t *testing.T) {
	t.Parallel()
	m, dir := ledgertest.NewMaker(1), t.TempDir()
	s := openTest(t, dir)
	if err := s.Commit(m.Genesis(2)); err != nil {
		t.Fatal(err)
	}
	size, applied := s.Size(), s.Applied()
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	b := m.Next(5)
	b.Puts = []ledger.KV{{Key: []byte("d/a"), Value: []byte("1")}}
	for range 2 {
		if err := s.Commit(b); nexus.CodeOf(err) != nexus.CodeInternal {
			t.Fatalf("got %v, want a failed commit", err)
		}
		if s.Size() != size || s.Applied() != applied {
			t.Fatalf("size %d, applied %d after a failure", s.Size(), s.Applied())
		}
	}
	again := openTest(t, dir)
	defer again.Close()
	if again.Size() != size || again.Applied() != applied {
		t.Fatalf("size %d, applied %d after reopening", again.Size(), again.Applied())
	}
	if _, err := again.Get([]byte("d/a")); nexus.CodeOf(err) != nexus.CodeNotFound {
		t.Fatalf("part of the failed batch is there: %v", err)
	}
	if err := again.Commit(b); err != nil {
		t.Fatalf("the batch once more: %v", err)
	}
}

// A lock that goes away in a moment, as that of a process just killed or being started, does not refuse an opening.
func TestOpenWaitsForALockThatGoes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	holder, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(holder.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, func() { _ = holder.Close() })
	again, err := Open(dir, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}
