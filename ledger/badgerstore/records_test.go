//go:build unix

package badgerstore

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	badger "github.com/dgraph-io/badger/v4"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/ledgertest"
)

// recordFile makes a file of frames of the given records' sizes, their indexes from first on.
func recordFile(first uint64, sizes ...int) []byte {
	w := recordFiles{limit: recordFileMax}
	for i, n := range sizes {
		w.stage(&ledger.Record{Index: first + uint64(i), Command: bytes.Repeat([]byte{0xa5}, n), Entries: [][]byte{{1}}, Root: nexus.Hash{31: 1}})
	}
	return append([]byte(recordFileMagic), w.buf...)
}

// What a commit that was under way leaves behind the last acknowledged frame is no finding, wherever the writing stopped and whichever of its
// pages came to the disk; in a file that is not the newest it is one.
func TestTornFrames(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 44))
	for shift := range 24 { // bytes of the second frame before a page ends
		const first = 0x01fffffe // so that the index has high bytes, which differ from those of the record before
		size := 17_000 + kernelPage - len(recordFile(first, 17_000))%kernelPage + kernelPage - shift
		whole := recordFile(first, size, 20_000, 16_500)
		start := len(recordFile(first, size))
		if (start+shift)%kernelPage != 0 {
			t.Fatalf("the second frame begins at %d", start)
		}
		for _, cut := range []int{0, 1, 7, 8, 12, frameHeader - 1, frameHeader, frameHeader + 1, 5000, 19_999, 20_100} {
			torn := whole[:start+cut]
			if d := safely(checkNewestRecordFile, torn); d != nil {
				t.Fatalf("shift %d, cut %d: %+v", shift, cut, d)
			}
			if d := safely(checkRecordFile, torn); (d == nil) != (cut == 0) {
				t.Fatalf("shift %d, cut %d, not the newest: %+v", shift, cut, d)
			}
		}
		alone := append([]byte(nil), whole...) // of the frame nothing is lost but what lies before the page's end
		clear(alone[start : start+shift])
		if d := safely(checkNewestRecordFile, alone); d != nil {
			t.Fatalf("%d bytes lost: %+v", shift, d)
		}
		for range 20 {
			lost := append([]byte(nil), whole...)
			n := 0
			for at := start; at < len(lost); {
				next := min(len(lost), at+kernelPage-at%kernelPage)
				if random.IntN(2) == 0 {
					clear(lost[at:next])
					n++
				}
				at = next
			}
			if d := safely(checkNewestRecordFile, lost); d != nil {
				t.Fatalf("shift %d, %d pages lost: %+v", shift, n, d)
			}
		}
	}
}

// A length that changed in an acknowledged frame is found although the file then seems to end within it.
func TestChangedLengthOfAFrame(t *testing.T) {
	t.Parallel()
	whole := recordFile(7, 17_000, 20_000, 16_500)
	for _, start := range []int{len(recordFileMagic), len(recordFile(7, 17_000)), len(recordFile(7, 17_000, 20_000))} {
		for bit := range 32 {
			b := append([]byte(nil), whole...)
			n := binary.BigEndian.Uint32(b[start+12:]) ^ 1<<bit
			binary.BigEndian.PutUint32(b[start+12:], n)
			if safely(checkNewestRecordFile, b) == nil {
				t.Errorf("frame at %d, length %d: not found", start, n)
			}
		}
	}
}

// Frames that are sound by themselves but in another order are none that the store wrote.
func TestFramesOutOfOrder(t *testing.T) {
	t.Parallel()
	b := append(recordFile(7, 17_000), recordFile(6, 17_000)[len(recordFileMagic):]...)
	if d := safely(checkNewestRecordFile, b); d == nil || d.offset != len(recordFile(7, 17_000)) {
		t.Errorf("%+v", d)
	}
}

// The traces behind the end of a file are gone also when the next commit begins a new file.
func TestNextFileAfterTraces(t *testing.T) {
	t.Parallel()
	dir, _, next := largeStore(t)
	appendTo(t, filepath.Join(dir, recordFileName(1)), recordFile(90, 150_000)[len(recordFileMagic):100_000])
	s := openTest(t, dir)
	s.records.limit = 1
	if err := s.Commit(next); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(recordFilesOf(t, dir)); n != 2 {
		t.Fatalf("%d files", n)
	}
	noFindings(t, dir)
}

// largeStore has three acknowledged batches with records in a file, and the batch that comes next.
func largeStore(t *testing.T) (dir string, m *ledgertest.Maker, next ledger.Batch) {
	t.Helper()
	m, dir = ledgertest.NewMaker(4), t.TempDir()
	s := openTest(t, dir)
	for _, b := range []ledger.Batch{m.Genesis(4), m.Next(300), m.Next(2), ledgertest.Join(m.Next(200), m.Next(200))} {
		if err := s.Commit(b); err != nil {
			t.Fatal(err)
		}
	}
	if s.records.end.File != 1 {
		t.Fatalf("no file of records: %+v", s.records.end)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, m, m.Next(250)
}

// The traces of a commit that was under way are gone after the next one, which is stored as if they had not been there.
func TestCommitOverTraces(t *testing.T) {
	t.Parallel()
	dir, _, next := largeStore(t)
	traces := map[string]func(t *testing.T, path string){
		"none":    func(*testing.T, string) {},
		"a whole": func(t *testing.T, path string) { appendTo(t, path, recordFile(90, 60_000)[len(recordFileMagic):]) },
		"half": func(t *testing.T, path string) {
			appendTo(t, path, recordFile(90, 150_000)[len(recordFileMagic):100_000])
		},
		"zeros": func(t *testing.T, path string) { appendTo(t, path, make([]byte, 200_000)) },
		"a new file": func(t *testing.T, path string) {
			appendTo(t, filepath.Join(filepath.Dir(path), recordFileName(2)), []byte("nxr"))
		},
	}
	var want map[string][]byte
	for _, name := range []string{"none", "a whole", "half", "zeros", "a new file"} {
		at := ledgertest.CopyDir(t, dir)
		traces[name](t, filepath.Join(at, recordFileName(1)))
		noFindings(t, at)
		s := openTest(t, at)
		if err := s.Commit(next); err != nil {
			t.Fatal(err)
		}
		if r, err := s.LastRecord(); err != nil || r.Root != next.Records[0].Root {
			t.Fatalf("%s: %v", name, err)
		}
		if findings, err := s.CheckFiles(); err != nil || len(findings) > 0 {
			t.Fatalf("%s: %v, %v", name, findings, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		noFindings(t, at)
		if report, err := verified(t, at, nil); err != nil || !report.Clean() {
			t.Fatalf("%s: %+v, %v", name, report.Findings, err)
		}
		got := recordFilesOf(t, at)
		if name == "none" {
			want = got
		} else if len(got) != len(want) || !bytes.Equal(got[recordFileName(1)], want[recordFileName(1)]) {
			t.Errorf("%s: %d files, other bytes than without traces", name, len(got))
		}
	}
}

func appendTo(t *testing.T, path string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func recordFilesOf(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	names, err := filepath.Glob(filepath.Join(dir, "*"+recordFileExt))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if out[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// A write that the disk refuses stores nothing, and the same batch is taken once the disk takes it.
func TestRefusedFrame(t *testing.T) {
	t.Parallel()
	dir, _, next := largeStore(t)
	s := openTest(t, dir)
	defer s.Close()
	if err := s.records.open(); err != nil {
		t.Fatal(err)
	}
	writable := s.records.f
	readOnly, err := os.Open(writable.Name())
	if err != nil {
		t.Fatal(err)
	}
	s.records.f = readOnly
	size, end := s.Size(), s.records.end
	if err := s.Commit(next); nexus.CodeOf(err) != nexus.CodeUnavailable {
		t.Fatalf("got %v, want a refusal", err)
	}
	if err := writable.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Size() != size || s.records.end != end {
		t.Fatalf("size %d, end %+v after a refusal", s.Size(), s.records.end)
	}
	if err := s.Commit(next); err != nil {
		t.Fatalf("the same batch later: %v", err)
	}
	if r, err := s.LastRecord(); err != nil || r.Root != next.Records[0].Root {
		t.Fatal(err)
	}
}

// A file that is full is followed by the next; all records stay readable, live and at rest, and a missing file is named.
func TestNextFile(t *testing.T) {
	t.Parallel()
	m, dir := ledgertest.NewMaker(8), t.TempDir()
	s := openTest(t, dir)
	if err := s.Commit(m.Genesis(4)); err != nil {
		t.Fatal(err)
	}
	var indexes []uint64
	for i := range 9 {
		if i%3 == 2 {
			s.records.limit = 1
		}
		b := m.Next(200)
		b.Checkpoint = m.Sign()
		if err := s.Commit(b); err != nil {
			t.Fatal(err)
		}
		s.records.limit = recordFileMax
		indexes = append(indexes, b.Applied)
	}
	for range 2 {
		for _, index := range indexes {
			if r, err := s.Record(index); err != nil || r.Index != index || len(r.Entries) == 0 {
				t.Fatalf("record %d: %v", index, err)
			}
		}
		if findings, err := s.CheckFiles(); err != nil || len(findings) > 0 {
			t.Fatal(findings, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openTest(t, dir)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if report, err := verified(t, dir, m); err != nil || !report.Clean() {
		t.Fatal(report.Findings, err)
	}
	for n := uint32(1); n <= 4; n++ {
		at := ledgertest.CopyDir(t, dir)
		gone := filepath.Join(at, recordFileName(n))
		if err := os.Remove(gone); err != nil {
			t.Fatal(err)
		}
		findings, err := CheckFiles(at)
		if n < 4 && (err != nil || len(findings) != 1 || findings[0].File != gone) {
			t.Errorf("file %d removed: %v, %v", n, findings, err)
		}
		if _, err := Open(at, testOptions()); nexus.CodeOf(err) != nexus.CodeCorrupt {
			t.Errorf("opened without file %d: %v", n, err)
		}
	}
	short := ledgertest.CopyDir(t, dir)
	if err := os.Truncate(filepath.Join(short, recordFileName(4)), int64(s.records.end.Size)-1); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(short, testOptions()); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Errorf("opened with a file cut short: %v", err)
	}
}

// A place that points to another record, or to none, is damage and never served.
func TestWrongPlace(t *testing.T) {
	t.Parallel()
	dir, _, _ := largeStore(t)
	s := openTest(t, dir)
	defer s.Close()
	r, err := s.LastRecord()
	if err != nil {
		t.Fatal(err)
	}
	key := recordKey(r.Index, 0)
	good := readPlace(t, s, key)
	first := place{1, uint64(len(recordFileMagic)), uint32(frameLength(recordFilesOf(t, dir)[recordFileName(1)][len(recordFileMagic):]))}
	for name, p := range map[string]place{"another record's": first, "no such file": {9, good.offset, good.length},
		"past the end": {1, good.offset + 1<<30, good.length}, "shorter": {1, good.offset, good.length - 1}, "file 0": {0, good.offset, good.length},
		"longer than any": {1, good.offset, 1 << 31}} {
		setValue(t, s, key, sealValue(key, p.appendTo(nil)))
		if _, err := s.Record(r.Index); nexus.CodeOf(err) != nexus.CodeCorrupt {
			t.Errorf("%s place: %v", name, err)
		}
	}
	setValue(t, s, key, sealValue(key, good.appendTo(nil)))
	if again, err := s.Record(r.Index); err != nil || again.Root != r.Root {
		t.Fatal(err)
	}
}

func readPlace(t *testing.T, s *Store, key []byte) (p place) {
	t.Helper()
	err := s.view("read", func(v snapshot) error {
		payload, err := v.get(key)
		if err == nil {
			p, _ = parsePlace(payload[4:])
		}
		return err
	})
	if err != nil || p.file == 0 {
		t.Fatal(p, err)
	}
	return p
}

func setValue(t *testing.T, s *Store, key, value []byte) {
	t.Helper()
	if err := s.db.Update(func(txn *badger.Txn) error { return txn.SetEntry(badger.NewEntry(key, value)) }); err != nil {
		t.Fatal(err)
	}
}

// A store of version 1 has its large records in Badger, in chunks; they are read, and the next record goes into a file.
func TestRecordInChunks(t *testing.T) {
	t.Parallel()
	m, dir := ledgertest.NewMaker(4), t.TempDir()
	s := openTest(t, dir)
	genesis, b := m.Genesis(4), m.Next(5000)
	for _, b := range []ledger.Batch{genesis, b} {
		if err := s.Commit(b); err != nil {
			t.Fatal(err)
		}
	}
	encoded := b.Records[0].Encode()
	chunks := (len(encoded) + chunkBytes - 1) / chunkBytes
	if chunks < 2 {
		t.Fatalf("%d bytes are no two chunks", len(encoded))
	}
	for i := range chunks {
		key := recordKey(b.Applied, i)
		part := encoded[i*chunkBytes : min(len(encoded), (i+1)*chunkBytes)]
		setValue(t, s, key, sealValue(key, append(binary.BigEndian.AppendUint32(nil, uint32(chunks)), part...)))
	}
	old := head{Version: 1, Applied: b.Applied, LastIndex: b.Applied, Size: s.Size()}
	setValue(t, s, headKey(), sealValue(headKey(), nexus.Encode(old)))
	if err := s.db.Update(func(txn *badger.Txn) error { return txn.Delete(recordsKey()) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, recordFileName(1))); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir)
	if r, err := s.Record(b.Applied); err != nil || !bytes.Equal(r.Encode(), encoded) {
		t.Fatalf("the record in chunks: %v", err)
	}
	next := m.Next(300)
	if err := s.Commit(next); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	noFindings(t, dir)
	if report, err := verified(t, dir, nil); err != nil || !report.Clean() || report.Entries != next.Records[0].Next() {
		t.Fatalf("%+v, %v", report, err)
	}
	if len(recordFilesOf(t, dir)) != 1 {
		t.Error("the next record is in no file")
	}
}
