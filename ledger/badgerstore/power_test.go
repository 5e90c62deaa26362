//go:build unix

package badgerstore

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
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

// logOf makes a memory table's log of whole transactions: the first fills the log up to at, the second begins there and takes size bytes.
func logOf(t *testing.T, at, size int) []byte {
	t.Helper()
	b := make([]byte, logHeaderBytes)
	entry := func(ts uint64, meta byte, key string, size int) {
		value := []byte(strconv.FormatUint(ts, 10))
		key += string(binary.BigEndian.AppendUint64(nil, math.MaxUint64-ts))
		if meta == logTxn {
			value = nil
			for fill := size; ; fill-- { // the head's size depends on the value's
				head := binary.AppendUvarint(binary.AppendUvarint([]byte{meta, 0}, uint64(len(key))), uint64(fill))
				if len(head)+1+len(key)+fill+crc32.Size == size {
					value = bytes.Repeat([]byte{7}, fill)
					break
				}
			}
		}
		e := binary.AppendUvarint(binary.AppendUvarint([]byte{meta, 0}, uint64(len(key))), uint64(len(value)))
		e = append(append(append(e, 0), key...), value...)
		b = append(b, binary.BigEndian.AppendUint32(e, crc32.Checksum(e, crcTable()))...)
	}
	const finBytes = 5 + len(logFinKey) + 8 + 1 + crc32.Size
	entry(1, logTxn, "first", at-finBytes-len(b))
	entry(1, logFin, logFinKey, 0)
	if len(b) != at {
		t.Fatalf("the second transaction begins at %d, not at %d", len(b), at)
	}
	entry(2, logTxn, "second", size)
	entry(2, logFin, logFinKey, 0)
	return append(b, make([]byte, 4*kernelPage)...)
}

// A lost page may hold as little as one byte of what is missing, and what came to the disk behind it may be as little as the last byte: both begin
// wherever a page's border happens to be.
func TestLostPageOfFewBytes(t *testing.T) {
	t.Parallel()
	const border = 3 * kernelPage
	for before := 1; before <= 40; before++ {
		b := logOf(t, border-before, 6000)
		if d := checkMemLog(b); d != nil {
			t.Fatalf("whole: %+v", d)
		}
		clear(b[border-before : border])
		if d := checkNewestLog(b); d != nil {
			t.Errorf("a page is lost with the first %d bytes of an entry: %+v", before, d)
		}
		if before <= 2 && checkMemLog(b) == nil { // more may be what the death of the process left of a last entry
			t.Errorf("one byte of an entry is gone in a log that was synced: not found")
		}
	}
	for behind := 1; behind <= 40; behind++ {
		b := logOf(t, border-2000, 2000+behind)
		clear(b[border-2000 : border])
		clear(b[border+behind:])
		if b[border+behind-1] == 0 {
			b[border+behind-1] = 1
		}
		if d := checkNewestLog(b); d != nil {
			t.Errorf("all of an entry but its last %d bytes is lost: %+v", behind, d)
		}
	}
	b := logOf(t, border-2000, 100)
	for _, at := range []int{border - 1, border + 1, border + kernelPage - 1} {
		b[at] = 1
		if checkNewestLog(b) == nil {
			t.Errorf("byte %d of unused space changed: not found", at)
		}
		b[at] = 0
	}
}
