//go:build unix

package badgerstore

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/ledger/ledgertest"
)

// A copy of the lock's descriptor in a process that was just forked goes after a moment: a reader waits for it, and only so long.
func TestReaderWaitsForLock(t *testing.T) {
	t.Parallel()
	m, dir := ledgertest.NewMaker(3), t.TempDir()
	s, err := Open(dir, Options{ReserveBytes: 1 << 20, MemTableBytes: memTableBytesMin})
	if err != nil {
		t.Fatal(err)
	}
	b := m.Genesis(1)
	b.Checkpoint = m.Sign()
	if err := s.Commit(b); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	if _, err := lockShared(dir); err == nil {
		t.Fatal("the lock of another was passed over")
	}
	go func() {
		time.Sleep(100 * time.Millisecond)
		_ = syscall.Flock(int(d.Fd()), syscall.LOCK_UN)
	}()
	release, err := lockShared(dir)
	if err != nil {
		t.Fatal(err)
	}
	// The descriptor's copy, as a forked process has it, must not keep the lock when its owner lets go.
	release()
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatalf("still locked after the release: %v", err)
	}
}
