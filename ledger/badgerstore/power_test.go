//go:build unix

package badgerstore

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/ledger/ledgertest"
)

// The power goes: of the pages of the memory table's log that changed since the last sync, any are missing. The store opens by itself, has at
// least what was synced and nothing but a beginning of what was committed, whole batches of it.
func TestLostPages(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	m, dir := ledgertest.NewMaker(7), t.TempDir()
	o := Options{ReserveBytes: 1 << 20, MemTableBytes: memTableBytesMin}
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	batches := map[uint64]uint64{} // size by applied index
	commit := func(n int) {
		for range n {
			b := m.Next(20)
			b.Checkpoint = m.Sign()
			if err := s.Commit(b); err != nil {
				t.Fatal(err)
			}
			batches[s.Applied()] = s.Size()
		}
	}
	b := m.Genesis(12)
	b.Checkpoint = m.Sign()
	if err := s.Commit(b); err != nil {
		t.Fatal(err)
	}
	commit(30)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	synced, base := s.Applied(), ledgertest.CopyDir(t, dir)
	commit(40)
	last, now := s.Applied(), ledgertest.CopyDir(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	shorter := 0
	for range 12 {
		at := ledgertest.CopyDir(t, now)
		losePages(t, at, base, random)
		noFindings(t, at)
		s, err := Open(at, o)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		applied := s.Applied()
		if size, whole := batches[applied]; applied < synced || !whole || size != s.Size() {
			t.Errorf("seed %d: applied %d with %d entries, synced was %d", seed, applied, s.Size(), synced)
		}
		if applied < last {
			shorter++
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if report, err := verified(t, at, nil); err != nil || len(report.Findings) > 0 {
			t.Errorf("seed %d: %v, %v", seed, report.Findings, err)
		}
		if err := os.RemoveAll(at); err != nil {
			t.Fatal(err)
		}
	}
	if shorter == 0 {
		t.Errorf("seed %d: nothing was lost", seed)
	}
}

// losePages gives half of the changed pages of each log back their content of the last sync.
func losePages(t *testing.T, dir, base string, random *rand.Rand) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("%v, %v", logs, err)
	}
	for _, path := range logs {
		now, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		was, err := os.ReadFile(filepath.Join(base, filepath.Base(path)))
		if err != nil {
			t.Fatal(err)
		}
		was = append(was, make([]byte, max(0, len(now)-len(was)))...)
		for i := 0; i+kernelPage <= len(now); i += kernelPage {
			if page := now[i : i+kernelPage]; !bytes.Equal(page, was[i:i+kernelPage]) && random.IntN(2) == 0 {
				copy(page, was[i:])
			}
		}
		if err := os.WriteFile(path, now, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
