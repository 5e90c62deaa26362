//go:build unix

package badgerstore

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/ledgertest"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// killed makes a directory as a killed process leaves it: tables from an orderly stop, then a log that was never
// flushed.
func killed(t testing.TB, entries int) (string, *ledgertest.Maker) {
	t.Helper()
	m, dir := ledgertest.NewMaker(7), t.TempDir()
	o := Options{ReserveBytes: 1 << 20, MemTableBytes: memTableBytesMin}
	open := func() *Store {
		s, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	commit := func(b ledger.Batch) {
		b.Checkpoint = m.Sign()
		b.Puts = []ledger.KV{{Key: []byte("d/applied"), Value: nexus.Encode(b.Applied)}}
		if err := s.Commit(b); err != nil {
			t.Fatal(err)
		}
	}
	commit(m.Genesis(12))
	for round := range 3 {
		for commit(m.Next(9)); int(m.Chain.Size()) < entries*(round+1)/3; {
			commit(m.Next(199))
		}
		if round < 2 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open()
		}
	}
	image := ledgertest.CopyDir(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return image, m
}

func noFindings(t testing.TB, dir string) {
	t.Helper()
	findings, err := CheckFiles(dir)
	if err != nil || len(findings) > 0 {
		t.Fatalf("%v, %v", findings, err)
	}
}

// verified runs the independent checker over a stopped directory.
func verified(t testing.TB, dir string, m *ledgertest.Maker) (verify.Report, error) {
	t.Helper()
	r, err := OpenReadOnly(dir, Options{MemTableBytes: memTableBytesMin})
	if err != nil {
		return verify.Report{}, err
	}
	defer r.Close()
	o := verify.Options{CommandCheck: verify.ActionSignature}
	if m != nil {
		o.Cluster, o.Key = m.Cluster, m.Signer.Public()
		o.Pinned = []verify.Pin{{Size: m.Chain.Size(), Root: m.Chain.Root()}}
	}
	return verify.Run(context.Background(), r, o)
}

// TestSingleFlips: any changed byte that is occupied is found, with its file or its key, and nothing falls over.
func TestSingleFlips(t *testing.T) {
	t.Parallel()
	dir, m := killed(t, 10_000)
	noFindings(t, dir)
	report, err := verified(t, dir, m)
	if err != nil || !report.Clean() || report.Entries < 10_000 || !report.CheckpointChecked {
		t.Fatalf("clean store: %+v, %v", report.Findings, err)
	}
	names, err := storeFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(11, 13))
	for _, suffix := range []string{".sst", ".mem", ".rec", "MANIFEST"} {
		var files []string
		for _, name := range names {
			if strings.HasSuffix(name, suffix) {
				files = append(files, filepath.Join(dir, name))
			}
		}
		if len(files) == 0 {
			t.Fatalf("no %s in %v", suffix, names)
		}
		for range 45 {
			path := files[random.IntN(len(files))]
			offset, mask := occupied(t, path, random), byte(1+random.IntN(255))
			ledgertest.Flip(t, path, offset, mask)
			findings, err := CheckFiles(dir)
			if err != nil {
				t.Fatal(err)
			}
			named := len(findings) > 0 && findings[0].File == path
			if len(findings) == 0 {
				report, err := verified(t, dir, m)
				named = err != nil || len(report.Findings) > 0
			}
			if !named {
				t.Errorf("%s byte %d changed by %#02x: %v", filepath.Base(path), offset, mask, findings)
			}
			ledgertest.Flip(t, path, offset, mask)
		}
	}
	noFindings(t, dir)
}

// occupied chooses a byte that means something.
func occupied(t testing.TB, path string, random *rand.Rand) int64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := len(bytes.TrimRight(b, "\x00"))
	if strings.HasSuffix(path, ".mem") {
		return int64(logHeaderBytes + random.IntN(end-logHeaderBytes))
	}
	return int64(random.IntN(len(b)))
}

// TestEveryByte changes every byte of small files, in several ways.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	dir, _ := killed(t, 300)
	for name, check := range map[string]func([]byte) *damage{
		"*.mem":       checkNewestLog,
		"*.rec":       checkNewestRecordFile,
		"*.sst":       checkTable,
		"*.vlog":      checkValueLog,
		"KEYREGISTRY": checkRegistry,
		"MANIFEST":    func(b []byte) *damage { _, d := checkManifest(b); return d },
	} {
		files, err := filepath.Glob(filepath.Join(dir, name))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", name, files, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			// A page of the unused rest stands for all of it.
			b = b[:min(len(b), len(bytes.TrimRight(b, "\x00"))+200)]
			if d := safely(check, b); d != nil {
				t.Fatalf("%s is clean but %+v", file, d)
			}
			for i := range b {
				if unread(filepath.Base(file), i) {
					continue
				}
				if strings.HasSuffix(file, recordFileExt) && i > 200 && i%61 != 0 {
					continue // within a record all bytes are alike, and each check is a hash of the whole file
				}
				for _, mask := range []byte{0x01, 0x10, 0x80, 0xff} {
					b[i] ^= mask
					if safely(check, b) == nil {
						t.Errorf("%s byte %d of %d changed by %#02x: not found", filepath.Base(file), i, len(b), mask)
					}
					b[i] ^= mask
				}
			}
		}
	}
}

// unread reports the bytes that CheckFiles states as not covered.
func unread(name string, offset int) bool {
	switch {
	case name == "KEYREGISTRY":
		return offset < 16
	case strings.HasSuffix(name, ".mem"), strings.HasSuffix(name, ".vlog"):
		return offset >= 8 && offset < logHeaderBytes
	default:
		return false
	}
}

// copySteps gives what a copy of n bytes to offset off of a page-aligned mapping has stored after each of its stores, as
// spans [from, to) of the n bytes in the order of Go's memmove (runtime/memmove_amd64.s): up to 256 bytes in stores of 16
// from both ends, ascending; longer ones from the next 32-byte border in stores of 32, then the first 32, then the
// last 128 in stores of 16.
func copySteps(off, n int) [][2]int {
	var steps [][2]int
	if n <= 256 {
		half := 8
		for half*2 < n {
			half *= 2
		}
		half = min(half, n)
		for _, base := range []int{0, n - half} {
			for at := base; at < base+half; at += 16 {
				steps = append(steps, [2]int{at, min(at+16, n)})
			}
		}
		return steps
	}
	at := copyBorder - off%copyBorder
	for left := n - at - 128; ; {
		for range 4 {
			steps = append(steps, [2]int{at, at + 32})
			at += 32
		}
		if left -= 128; left <= 0 {
			break
		}
	}
	steps = append(steps, [2]int{0, 32})
	for at := n - 128; at < n; at += 16 {
		steps = append(steps, [2]int{at, at + 16})
	}
	return steps
}

// TestTornLog: what the death of the process leaves of the last entry is no damage, whichever store of the copying was
// the last, nor wherever else the copying stopped.
func TestTornLog(t *testing.T) {
	t.Parallel()
	dir, _ := killed(t, 300)
	files, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	b = b[:len(bytes.TrimRight(b, "\x00"))+5000]
	cuts, half := 0, 0
	for off := logHeaderBytes; ; {
		e, ok := parseLogHead(b[off:])
		if !ok || e.keyLen == 0 {
			break
		}
		torn := append(bytes.Clone(b[:off]), make([]byte, len(b)-off)...)
		steps := copySteps(off, e.size())
		for i, s := range steps {
			copy(torn[off+s[0]:off+s[1]], b[off+s[0]:off+s[1]])
			if i == len(steps)-1 || i > 8 && i < len(steps)-16 && i%(1+len(steps)/40) != 0 {
				continue // whole, or one of many alike in the middle
			}
			cuts++
			d := safely(checkMemLog, torn)
			if d != nil && oneByteShort(torn[off:off+e.size()], b[off:off+e.size()]) {
				half++ // cannot be told from one changed byte: refused, and rare
				continue
			}
			if d != nil {
				t.Fatalf("entry at %d of %d bytes after store %d of %d (%v): %+v", off, e.size(), i+1, len(steps), s, d)
			}
		}
		if !bytes.Equal(torn[off:off+e.size()], b[off:off+e.size()]) {
			t.Fatalf("entry at %d of %d bytes: the stores do not make it whole", off, e.size())
		}
		for cut := e.head; cut <= e.size()-4; cut += 1 + e.size()/200 {
			clear(torn[off+cut:])
			copy(torn[off:off+cut], b[off:])
			if d := safely(checkMemLog, torn); d != nil {
				t.Fatalf("entry at %d cut after %d of %d bytes: %+v", off, cut, e.size(), d)
			}
			clear(torn[off:])
			cuts++
		}
		off += e.size()
	}
	if cuts < 1000 || half*100 > cuts {
		t.Fatalf("%d cuts tried, %d of them refused as not to be told from a changed byte", cuts, half)
	}
}

// oneByteShort reports whether torn differs from whole in at most one byte.
func oneByteShort(torn, whole []byte) bool {
	n := 0
	for i := range whole {
		if torn[i] != whole[i] {
			n++
		}
	}
	return n <= 1
}

func TestMissingFiles(t *testing.T) {
	t.Parallel()
	dir, _ := killed(t, 300)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	for _, path := range []string{tables[0], filepath.Join(dir, "MANIFEST")} {
		copied := ledgertest.CopyDir(t, dir)
		gone := filepath.Join(copied, filepath.Base(path))
		if err := os.Remove(gone); err != nil {
			t.Fatal(err)
		}
		findings, err := CheckFiles(copied)
		if err != nil || len(findings) == 0 || findings[0].File != gone {
			t.Errorf("%s removed: %v, %v", filepath.Base(path), findings, err)
		}
	}
	if _, err := CheckFiles(filepath.Join(dir, "none")); nexus.CodeOf(err) != nexus.CodeNotFound {
		t.Errorf("no directory: %v", err)
	}
	noFindings(t, t.TempDir())
}

// TestReadOnlyLeavesNoTrace: the verifier changes no byte and leaves nothing behind.
func TestReadOnlyLeavesNoTrace(t *testing.T) {
	t.Parallel()
	dir, m := killed(t, 1000)
	parent := filepath.Dir(dir)
	before := contents(t, dir)
	left, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	keys := 0
	if err := RawScan(dir, func(key, sealed []byte) error {
		keys++
		_, err := openSeal(key, sealed)
		return err
	}); err != nil || keys == 0 {
		t.Fatalf("%d keys, %v", keys, err)
	}
	if report, err := verified(t, dir, m); err != nil || !report.Clean() {
		t.Fatalf("%+v, %v", report.Findings, err)
	}
	if after := contents(t, dir); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Fatal("a file changed")
	}
	now, err := os.ReadDir(parent)
	if err != nil || len(now) != len(left) {
		t.Fatalf("%d entries beside the store, %d before, %v", len(now), len(left), err)
	}
}

func contents(t testing.TB, dir string) map[string]nexus.ID {
	t.Helper()
	out := map[string]nexus.ID{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		b, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[entry.Name()] = nexus.DeriveID("file", b)
	}
	return out
}

// TestLive checks files and content of an open store while batches come in.
func TestLive(t *testing.T) {
	t.Parallel()
	m := ledgertest.NewMaker(9)
	s, err := Open(t.TempDir(), Options{ReserveBytes: 1 << 20, MemTableBytes: memTableBytesMin})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Commit(m.Genesis(12)); err != nil {
		t.Fatal(err)
	}
	for i := range 120 {
		if err := s.Commit(m.Next(1000)); err != nil {
			t.Fatal(err)
		}
		if i%30 != 29 {
			continue
		}
		if findings, err := s.CheckFiles(); err != nil || len(findings) > 0 {
			t.Fatalf("%v, %v", findings, err)
		}
		r, err := s.Reader()
		if err != nil {
			t.Fatal(err)
		}
		report, err := verify.Run(context.Background(), r, verify.Options{})
		if err != nil || !report.Clean() || report.Root != m.Chain.Root() {
			t.Fatalf("%+v, %v", report.Findings, err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

const writerEnv = "NEXUS_TEST_BADGERSTORE_WRITER"

// TestWriterProcess is not a test of its own: TestKill runs it in a process that it kills.
func TestWriterProcess(t *testing.T) {
	dir := os.Getenv(writerEnv)
	if dir == "" {
		return // only the child process has work here
	}
	s, err := Open(dir, Options{ReserveBytes: 1 << 20, MemTableBytes: memTableBytesMin})
	if err != nil {
		t.Fatal(err)
	}
	// The maker is deterministic, so a restarted writer makes what is stored once more and goes on behind it.
	m := ledgertest.NewMaker(21)
	body := bytes.Repeat([]byte("0123456789abcdef"), 40_000)
	for i := 0; ; i++ {
		var b ledger.Batch
		if i == 0 {
			b = m.Genesis(5)
		} else {
			b = m.Next(i % 400)
		}
		if i%7 == 3 {
			b = ledgertest.Join(b, m.Command("large", []ledger.Draft{{Kind: ledger.KindDecision, Body: body}}))
		}
		if b.Applied <= s.Applied() {
			continue
		}
		for _, key := range []string{"d/applied", "x/applied"} {
			b.Puts = append(b.Puts, ledger.KV{Key: []byte(key), Value: nexus.Encode(b.Applied)})
		}
		if err := s.Commit(b); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("\nacked %d\n", b.Applied)
	}
}

// TestKill kills a writer with SIGKILL again and again: nothing acknowledged is lost, no batch is half there, and the
// files give no finding.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 5 {
		acked := killWriter(t, dir, time.Duration(30+50*round)*time.Millisecond)
		noFindings(t, dir)
		report, err := verified(t, dir, nil)
		if err != nil || !report.Clean() {
			t.Fatalf("round %d: %+v, %v", round, report.Findings, err)
		}
		s, err := Open(dir, Options{ReserveBytes: 1 << 20, MemTableBytes: memTableBytesMin})
		if err != nil {
			t.Fatal(err)
		}
		if s.Applied() < acked {
			t.Fatalf("round %d: %d was acknowledged, the store is at %d", round, acked, s.Applied())
		}
		for _, key := range []string{"d/applied", "x/applied"} {
			value, err := s.Get([]byte(key))
			if err != nil || !bytes.Equal(value, nexus.Encode(s.Applied())) {
				t.Fatalf("round %d: %s is %x at %d, %v", round, key, value, s.Applied(), err)
			}
		}
		if last, err := s.LastRecord(); err != nil || last.Index != s.Applied() || last.Next() != s.Size() {
			t.Fatalf("round %d: last record %d, applied %d, %v", round, last.Index, s.Applied(), err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		noFindings(t, dir)
	}
}

// killWriter runs a writer until it has acknowledged something and the time is over, and gives its last
// acknowledgement.
func killWriter(t *testing.T, dir string, after time.Duration) uint64 {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestWriterProcess$", "-test.v")
	cmd.Env = append(os.Environ(), writerEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acked uint64
	var timer *time.Timer
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if word, ok := strings.CutPrefix(lines.Text(), "acked "); ok {
			if acked, err = strconv.ParseUint(word, 10, 64); err != nil {
				t.Fatal(err)
			}
			if timer == nil {
				timer = time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
			}
		}
	}
	if err := cmd.Wait(); err == nil || acked == 0 {
		t.Fatalf("the writer ended by itself after %d", acked)
	}
	return acked
}

// TestEmptyLogs: Badger cuts a memtable log to nothing before it removes it, and makes one empty before it fills it. What a kill in between leaves, one or
// several, is no damage, to nobody who opens or reads the directory, and everything else is there.
func TestEmptyLogs(t *testing.T) {
	t.Parallel()
	dir, m := killed(t, 300)
	logs, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil || len(logs) == 0 {
		t.Fatal(logs, err)
	}
	for _, name := range []string{"00000.mem", "09998.mem", "09999.mem"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	noFindings(t, dir)
	if report, err := verified(t, dir, m); err != nil || !report.Clean() {
		t.Fatalf("read only: %+v, %v", report.Findings, err)
	}
	s, err := Open(dir, Options{ReserveBytes: 1 << 20, MemTableBytes: memTableBytesMin})
	if err != nil {
		t.Fatal(err)
	}
	if s.Size() != m.Chain.Size() {
		t.Errorf("%d entries of %d", s.Size(), m.Chain.Size())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if report, err := verified(t, dir, m); err != nil || !report.Clean() {
		t.Fatalf("afterwards: %+v, %v", report.Findings, err)
	}
}

// TestMissingKeys: a key that the log implies and that is not there is damage, not absence.
func TestMissingKeys(t *testing.T) {
	t.Parallel()
	m, dir := ledgertest.NewMaker(5), t.TempDir()
	s := openTest(t, dir)
	defer s.Close()
	var indexes []uint64
	for i := range 20 {
		var b ledger.Batch
		if i == 0 {
			b = m.Genesis(4)
		} else {
			b = m.Next(30)
		}
		if err := s.Commit(b); err != nil {
			t.Fatal(err)
		}
		indexes = append(indexes, b.Applied)
	}
	lost := indexes[9]
	txn := s.db.NewTransaction(true)
	for _, key := range [][]byte{recordKey(lost, 0), tileKey(0, 0), seqKey(0)} {
		if err := txn.Delete(key); err != nil {
			t.Fatal(err)
		}
	}
	if err := txn.Commit(); err != nil {
		t.Fatal(err)
	}
	fail := func(what string, err error) {
		t.Helper()
		if nexus.CodeOf(err) != nexus.CodeCorrupt {
			t.Errorf("%s: got %v", what, err)
		}
	}
	_, err := s.Record(lost)
	fail("lost record", err)
	none := func(ledger.Record) error { return nil }
	fail("range over it", s.Records(0, indexes[19], none))
	fail("range of it", s.Records(lost, lost, none))
	fail("range up to it", s.Records(indexes[8], lost, none))
	fail("range from it", s.Records(lost, indexes[19], none))
	_, err = s.RecordBySeq(0)
	fail("lost index", err)
	_, err = ledger.InclusionProof(s, 3, s.Size())
	fail("lost tile", err)
	if _, err := s.Record(indexes[12]); err != nil {
		t.Errorf("a record beside it: %v", err)
	}
}

// TestChangedValue: a value changed behind Badger's checksums is never served.
func TestChangedValue(t *testing.T) {
	t.Parallel()
	m, dir := ledgertest.NewMaker(5), t.TempDir()
	s := openTest(t, dir)
	b := m.Genesis(4)
	b.Puts = []ledger.KV{{Key: []byte("d/a"), Value: []byte("one")}, {Key: []byte("d/b"), Value: []byte("two")}}
	if err := s.Commit(b); err != nil {
		t.Fatal(err)
	}
	swap := sealValue([]byte("d/b"), []byte("two"))
	txn := s.db.NewTransaction(true)
	record := newSealed(0)
	for key, value := range map[string][]byte{"d/a": swap, "d/b": []byte("two"), string(recordKey(b.Applied, 0)): record} {
		if err := txn.Set([]byte(key), value); err != nil {
			t.Fatal(err)
		}
	}
	if err := txn.Commit(); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"d/a", "d/b"} {
		if _, err := s.Get([]byte(key)); nexus.CodeOf(err) != nexus.CodeCorrupt || !strings.Contains(err.Error(), key[:2]) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := s.Record(b.Applied); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Errorf("record: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, testOptions()); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Errorf("open: %v", err)
	}
}

func FuzzCheckFiles(f *testing.F) {
	f.Add([]byte("Bdgr\x00\x00\x00\x08\x00\x00\x00\x02\x00\x00\x00\x00\x0a\x00"))
	f.Add(make([]byte, 64))
	f.Add(recordFile(3, 1000, 2))
	f.Add(append(make([]byte, 20), 0x40, 0, 11, 3, 0))
	f.Add(binary.BigEndian.AppendUint32(make([]byte, 40), 5))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, check := range []func([]byte) *damage{checkMemLog, checkNewestLog, checkTable, checkValueLog, checkRegistry, checkZero,
			checkRecordFile, checkNewestRecordFile, func(b []byte) *damage { _, d := checkManifest(b); return d }} {
			if d := safely(check, b); d != nil && (d.offset < 0 || d.offset > len(b) || d.what == "") {
				t.Fatalf("%+v of %d bytes", d, len(b))
			}
		}
		if payload, err := openSeal([]byte("d/a"), b); err == nil && !bytes.Equal(sealValue([]byte("d/a"), payload), b) {
			t.Fatal("a seal was accepted that is written otherwise")
		}
	})
}

// BenchmarkCommit commits records of 1,000 revenue entries, the chain's work included; entries/s is the figure.
func BenchmarkCommit(b *testing.B) {
	m := ledgertest.NewMaker(1)
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	genesis := m.Genesis(50)
	if err := s.Commit(genesis); err != nil {
		b.Fatal(err)
	}
	drafts := make([]ledger.Draft, 1000)
	for i := range drafts {
		drafts[i] = m.Revenue(&m.Units[i%50], 1234)
	}
	index, timeMs := genesis.Applied, m.Chain.LastTimeMs()
	b.ReportAllocs()
	for b.Loop() {
		index, timeMs = index+1, timeMs+1
		r := ledger.Record{Index: index, TimeMs: timeMs, Command: make([]byte, 64_000), FirstSeq: m.Chain.Size()}
		var leaves []nexus.Hash
		r.Entries, leaves = m.Chain.Append(index, timeMs, r.Salt, drafts)
		r.Root = m.Chain.Root()
		if err := s.Commit(ledger.Batch{Records: []ledger.Record{r}, Leaves: leaves, Applied: index}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "entries/s")
}
