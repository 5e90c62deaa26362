package ledgertest

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// Open opens the store in dir; the suite closes it.
type Open func(t testing.TB, dir string) ledger.Store

// Suite holds a Store to its contract.
func Suite(t *testing.T, open Open) {
	t.Run("empty", func(t *testing.T) { t.Parallel(); testEmpty(t, open) })
	t.Run("reopen", func(t *testing.T) { t.Parallel(); testReopen(t, open) })
	t.Run("refused", func(t *testing.T) { t.Parallel(); testRefused(t, open) })
	t.Run("grown", func(t *testing.T) { t.Parallel(); testGrown(t, open) })
	t.Run("large", func(t *testing.T) { t.Parallel(); testLarge(t, open) })
	t.Run("keys", func(t *testing.T) { t.Parallel(); testKeys(t, open) })
	t.Run("proofs", func(t *testing.T) { t.Parallel(); testProofs(t, open) })
	t.Run("concurrent", func(t *testing.T) { t.Parallel(); testConcurrent(t, open) })
	t.Run("closed", func(t *testing.T) { t.Parallel(); testClosed(t, open) })
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code nexus.Code) {
	t.Helper()
	if nexus.CodeOf(err) != code {
		t.Fatalf("got %v, want code %s", err, code)
	}
}

func testEmpty(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	defer s.Close()
	if s.Applied() != 0 || s.Size() != 0 {
		t.Fatalf("applied %d, size %d in a new store", s.Applied(), s.Size())
	}
	_, err := s.Record(1)
	wantCode(t, err, nexus.CodeNotFound)
	_, err = s.RecordBySeq(0)
	wantCode(t, err, nexus.CodeNotFound)
	_, err = s.Entry(0)
	wantCode(t, err, nexus.CodeNotFound)
	_, err = s.LastRecord()
	wantCode(t, err, nexus.CodeNotFound)
	_, err = s.Get([]byte("d/none"))
	wantCode(t, err, nexus.CodeNotFound)
	must(t, s.Records(0, math.MaxUint64, func(ledger.Record) error { return errors.New("a record in an empty store") }))
	text, err := s.Checkpoint()
	if text != "" || err != nil {
		t.Fatalf("checkpoint %q, %v", text, err)
	}
}

func testReopen(t *testing.T, open Open) {
	m, dir := NewMaker(1), t.TempDir()
	s := open(t, dir)
	var want []ledger.Record
	commit := func(b ledger.Batch) {
		t.Helper()
		must(t, s.Commit(b))
		want = append(want, b.Records...)
	}
	commit(m.Genesis(5))
	for i := range 40 {
		b := m.Next(i % 23)
		b.Checkpoint = m.Sign()
		if i%3 == 0 {
			b = Join(b, m.Next(7), m.Next(0))
		}
		commit(b)
	}
	checkpoint, err := s.Checkpoint()
	must(t, err)
	must(t, s.Commit(ledger.Batch{Applied: want[len(want)-1].Index + 5}))
	for range 2 {
		if got := s.Applied(); got != want[len(want)-1].Index+5 {
			t.Fatalf("applied %d, want %d", got, want[len(want)-1].Index+5)
		}
		if s.Size() != m.Chain.Size() {
			t.Fatalf("size %d, want %d", s.Size(), m.Chain.Size())
		}
		again, err := s.Checkpoint()
		if err != nil || again != checkpoint {
			t.Fatalf("checkpoint %q, %v", again, err)
		}
		compareRecords(t, s, want)
		must(t, s.Sync())
		must(t, s.Close())
		s = open(t, dir)
	}
	must(t, s.Close())
}

func compareRecords(t *testing.T, s ledger.Store, want []ledger.Record) {
	t.Helper()
	var got []ledger.Record
	must(t, s.Records(0, math.MaxUint64, func(r ledger.Record) error { got = append(got, r); return nil }))
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%d records read, %d written, or they differ", len(got), len(want))
	}
	last, err := s.LastRecord()
	must(t, err)
	if last.Index != want[len(want)-1].Index {
		t.Fatalf("last record %d", last.Index)
	}
	known := map[uint64]bool{}
	for _, r := range want {
		known[r.Index] = true
		one, err := s.Record(r.Index)
		must(t, err)
		if !reflect.DeepEqual(one, r) {
			t.Fatalf("record %d differs", r.Index)
		}
		for _, seq := range []uint64{r.FirstSeq, r.Next() - 1} {
			one, err := s.RecordBySeq(seq)
			must(t, err)
			if one.Index != r.Index {
				t.Fatalf("entry %d in record %d, want %d", seq, one.Index, r.Index)
			}
		}
		for seq := r.FirstSeq; seq < r.Next(); seq++ {
			if e, err := s.Entry(seq); err != nil || !reflect.DeepEqual(e, r.Salted(seq)) {
				t.Fatalf("entry %d alone is another than in its record, %v", seq, err)
			}
		}
	}
	for index := range last.Index + 3 {
		if !known[index] {
			_, err := s.Record(index)
			wantCode(t, err, nexus.CodeNotFound)
		}
	}
	from, to := want[3].Index+1, want[9].Index
	n := 0
	must(t, s.Records(from, to, func(r ledger.Record) error { n++; return nil }))
	if n != 6 {
		t.Fatalf("%d records from %d to %d, want 6", n, from, to)
	}
	stop := errors.New("stop")
	if err := s.Records(0, to, func(ledger.Record) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("got %v, want the callback's error", err)
	}
}

func testRefused(t *testing.T, open Open) {
	m := NewMaker(2)
	s := open(t, t.TempDir())
	defer s.Close()
	must(t, s.Commit(m.Genesis(3)))
	size, applied := s.Size(), s.Applied()
	good := Join(m.Next(4), m.Next(4))
	good.Puts = []ledger.KV{{Key: []byte("d/kept"), Value: []byte("yes")}}
	for name, spoil := range map[string]func(b *ledger.Batch){
		"leaf missing":    func(b *ledger.Batch) { b.Leaves = b.Leaves[1:] },
		"leaf changed":    func(b *ledger.Batch) { b.Leaves[2][7] ^= 1 },
		"record missing":  func(b *ledger.Batch) { b.Records = b.Records[1:]; b.Leaves = b.Leaves[5:] },
		"record repeated": func(b *ledger.Batch) { b.Records[1] = b.Records[0] },
		"record empty":    func(b *ledger.Batch) { b.Records[0].Entries = nil },
		"root changed":    func(b *ledger.Batch) { b.Records[1].Root[0] ^= 1 },
		"applied behind":  func(b *ledger.Batch) { b.Applied = 0 },
		"applied short":   func(b *ledger.Batch) { b.Applied = b.Records[0].Index },
		"foreign key":     func(b *ledger.Batch) { b.Puts = []ledger.KV{{Key: []byte("m/head"), Value: []byte("x")}} },
		"too large": func(b *ledger.Batch) {
			for i := range s.MaxBatchBytes()/100_000 + 1 {
				b.Puts = append(b.Puts, ledger.KV{Key: fmt.Appendf(nil, "d/%d", i), Value: make([]byte, 100_000)})
			}
		},
	} {
		b := Join(good)
		b.Leaves = append([]nexus.Hash(nil), good.Leaves...)
		spoil(&b)
		if err := s.Commit(b); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Fatalf("%s: got %v", name, err)
		}
		if s.Size() != size || s.Applied() != applied {
			t.Fatalf("%s: size %d, applied %d after a refusal", name, s.Size(), s.Applied())
		}
		_, err := s.Get([]byte("d/kept"))
		wantCode(t, err, nexus.CodeNotFound)
		_, err = s.Record(good.Records[0].Index)
		wantCode(t, err, nexus.CodeNotFound)
	}
	must(t, s.Commit(good))
	if s.Size() != m.Chain.Size() {
		t.Fatalf("size %d, want %d", s.Size(), m.Chain.Size())
	}
}

func testLarge(t *testing.T, open Open) {
	m, dir := NewMaker(3), t.TempDir()
	s := open(t, dir)
	must(t, s.Commit(m.Genesis(3)))
	body := make([]byte, 1<<20)
	m.fill(body)
	b := m.Command("large", []ledger.Draft{{Kind: ledger.KindDecision, Body: body},
		{Kind: ledger.KindAudit, Body: body[1:]}})
	must(t, s.Commit(b))
	must(t, s.Commit(m.Next(1)))
	must(t, s.Close())
	s = open(t, dir)
	defer s.Close()
	r, err := s.Record(b.Records[0].Index)
	must(t, err)
	if !reflect.DeepEqual(r, b.Records[0]) {
		t.Fatal("large record differs")
	}
	n := 0
	must(t, s.Records(0, math.MaxUint64, func(ledger.Record) error { n++; return nil }))
	if n != 3 {
		t.Fatalf("%d records, want 3", n)
	}
	for seq := r.FirstSeq; seq < r.Next(); seq++ {
		if e, err := s.Entry(seq); err != nil || !reflect.DeepEqual(e, r.Salted(seq)) {
			t.Fatalf("entry %d alone is another than in its record, %v", seq, err)
		}
	}
	_, err = s.Entry(s.Size())
	wantCode(t, err, nexus.CodeNotFound)
}

func testKeys(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	defer s.Close()
	var puts []ledger.KV
	for i := range 300 {
		puts = append(puts, ledger.KV{Key: fmt.Appendf(nil, "x/a/%03d", i), Value: fmt.Appendf(nil, "value %d", i)})
	}
	puts = append(puts, ledger.KV{Key: []byte("x/b"), Value: nil}, ledger.KV{Key: []byte("d/a"), Value: []byte("1")})
	must(t, s.Commit(ledger.Batch{Puts: puts, Applied: 1}))
	must(t, s.Commit(ledger.Batch{Puts: []ledger.KV{{Key: []byte("x/a/007"), Value: []byte("newer")}}, Applied: 2}))
	value, err := s.Get([]byte("x/a/007"))
	if err != nil || string(value) != "newer" {
		t.Fatalf("got %q, %v", value, err)
	}
	value, err = s.Get([]byte("x/b"))
	if err != nil || len(value) != 0 {
		t.Fatalf("got %q, %v", value, err)
	}
	var last []byte
	n := 0
	must(t, s.Scan([]byte("x/a/"), func(key, value []byte) error {
		if bytes.Compare(last, key) >= 0 {
			t.Fatalf("%q after %q", key, last)
		}
		last = append(last[:0], key...)
		n++
		return nil
	}))
	if n != 300 {
		t.Fatalf("%d keys, want 300", n)
	}
	_, err = s.Get([]byte("m/head"))
	wantCode(t, err, nexus.CodeMalformed)
	wantCode(t, s.Scan([]byte("r/"), func(_, _ []byte) error { return nil }), nexus.CodeMalformed)
}

func testProofs(t *testing.T, open Open) {
	m, dir := NewMaker(4), t.TempDir()
	s := open(t, dir)
	must(t, s.Commit(m.Genesis(3)))
	roots := map[uint64]nexus.Hash{0: merkle.EmptyRoot(), m.Chain.Size(): m.Chain.Root()}
	var leaves []nexus.Hash
	leaves = append(leaves, mustRecord(t, s, 0).Leaves()...)
	for i := range 60 {
		b := m.Next(i)
		must(t, s.Commit(b))
		leaves = append(leaves, b.Leaves...)
		roots[m.Chain.Size()] = m.Chain.Root()
	}
	for range 2 {
		checkProofs(t, s, roots, leaves)
		must(t, s.Close())
		s = open(t, dir)
	}
	must(t, s.Close())
}

func mustRecord(t *testing.T, s ledger.Store, seq uint64) ledger.Record {
	t.Helper()
	r, err := s.RecordBySeq(seq)
	must(t, err)
	return r
}

func checkProofs(t *testing.T, s ledger.Store, roots map[uint64]nexus.Hash, leaves []nexus.Hash) {
	t.Helper()
	size := uint64(len(leaves))
	for seq := uint64(0); seq < size; seq += 7 {
		proof, err := ledger.InclusionProof(s, seq, size)
		must(t, err)
		must(t, ledger.CheckInclusion(proof, seq, size, roots[size], leaves[seq]))
		if ledger.CheckInclusion(proof, seq, size, roots[size], leaves[(seq+1)%size]) == nil {
			t.Fatalf("proof of %d holds for another leaf", seq)
		}
	}
	for old, root := range roots {
		proof, err := ledger.ConsistencyProof(s, old, size)
		must(t, err)
		must(t, ledger.CheckConsistency(proof, old, size, root, roots[size]))
		if old > 0 && old < size {
			wrong := root
			wrong[3] ^= 1
			wantCode(t, ledger.CheckConsistency(proof, old, size, wrong, roots[size]), nexus.CodeCorrupt)
		}
	}
	_, err := ledger.InclusionProof(s, 0, size+1)
	wantCode(t, err, nexus.CodeNotFound)
	_, err = ledger.InclusionProof(s, size, size)
	wantCode(t, err, nexus.CodeMalformed)
}

func testConcurrent(t *testing.T, open Open) {
	m := NewMaker(5)
	s := open(t, t.TempDir())
	defer s.Close()
	must(t, s.Commit(m.Genesis(3)))
	done := make(chan struct{})
	var readers sync.WaitGroup
	failed := make(chan error, 4)
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := readWhole(s); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	for range 150 {
		b := m.Next(20)
		value := nexus.Encode(b.Applied)
		b.Puts = []ledger.KV{{Key: []byte("d/a"), Value: value}, {Key: []byte("d/b"), Value: value}}
		must(t, s.Commit(b))
	}
	close(done)
	readers.Wait()
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
}

// readWhole reads two keys of one batch, and proofs, while batches come in.
func readWhole(s ledger.Store) error {
	var values [][]byte
	err := s.Scan([]byte("d/"), func(_, value []byte) error {
		values = append(values, append([]byte(nil), value...))
		return nil
	})
	if err != nil {
		return err
	}
	if len(values) == 2 && !bytes.Equal(values[0], values[1]) {
		return fmt.Errorf("half a batch is visible: %x and %x", values[0], values[1])
	}
	size := s.Size()
	r, err := s.RecordBySeq(size - 1)
	if err != nil {
		return err
	}
	proof, err := ledger.InclusionProof(s, size-1, size)
	if err != nil {
		return err
	}
	if e, err := s.Entry(size - 1); err != nil || e.Leaf() != r.Salted(size-1).Leaf() {
		return fmt.Errorf("entry %d alone is another than in its record, %w", size-1, err)
	}
	if r.Next() != size {
		return fmt.Errorf("record %d ends at %d, size %d", r.Index, r.Next(), size)
	}
	return ledger.CheckInclusion(proof, size-1, size, r.Root, r.Leaves()[size-1-r.FirstSeq])
}

func testClosed(t *testing.T, open Open) {
	m := NewMaker(6)
	s := open(t, t.TempDir())
	must(t, s.Commit(m.Genesis(3)))
	must(t, s.Close())
	must(t, s.Close())
	wantCode(t, s.Commit(m.Next(1)), nexus.CodeUnavailable)
	_, err := s.Record(1)
	wantCode(t, err, nexus.CodeUnavailable)
	_, err = s.Get([]byte("d/a"))
	wantCode(t, err, nexus.CodeUnavailable)
	_, err = s.Entry(0)
	wantCode(t, err, nexus.CodeUnavailable)
	_, err = s.Hashes([]merkle.Node{{}})
	wantCode(t, err, nexus.CodeUnavailable)
	wantCode(t, s.Sync(), nexus.CodeUnavailable)
	wantCode(t, s.Scan([]byte("d/"), func(_, _ []byte) error { return nil }), nexus.CodeUnavailable)
	_, err = s.Checkpoint()
	wantCode(t, err, nexus.CodeUnavailable)
}
