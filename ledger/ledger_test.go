package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/merkle/testonly"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/ledgertest"
)

func entries() *rapid.Generator[ledger.Entry] {
	return rapid.Custom(func(t *rapid.T) ledger.Entry {
		e := ledger.Entry{Seq: rapid.Uint64().Draw(t, "seq"), Index: rapid.Uint64().Draw(t, "index"),
			TimeMs: rapid.Int64().Draw(t, "time"), UnitSeq: rapid.Uint64Min(1).Draw(t, "unit seq"),
			Kind: ledger.EntryKind(rapid.IntRange(1, 16).Draw(t, "kind"))}
		copy(e.Unit[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "unit"))
		copy(e.UnitPrev[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "prev"))
		if body := rapid.SliceOf(rapid.Byte()).Draw(t, "body"); len(body) > 0 {
			e.Body = body
		}
		for range rapid.IntRange(0, 4).Draw(t, "postings") {
			e.Postings = append(e.Postings, ledger.Posting{Account: ledger.AccountKind(rapid.IntRange(1, 3).Draw(t, "account")),
				Ref: rapid.String().Draw(t, "ref"), Currency: rapid.StringN(0, 5, -1).Draw(t, "currency"),
				Minor: rapid.Int64().Draw(t, "minor")})
		}
		return e
	})
}

func TestEntryIsCanonical(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := entries().Draw(t, "entry")
		fast, slow := e.AppendTo([]byte("x")), nexus.AppendCanonical([]byte("x"), e)
		if !bytes.Equal(fast, slow) {
			t.Fatalf("fast %x\nslow %x", fast, slow)
		}
		back, err := ledger.ParseEntry(fast[1:])
		if err != nil || !reflect.DeepEqual(back, e) {
			t.Fatalf("%+v came back as %+v, %v", e, back, err)
		}
		if unit, err := ledger.EntryUnit(fast[1:]); err != nil || unit != e.Unit {
			t.Fatalf("the unit of %+v was read as %s, %v", e, unit, err)
		}
		cut := rapid.IntRange(0, min(len(fast)-1, 18)).Draw(t, "cut") // shorter than the three numbers and the id
		if unit, err := ledger.EntryUnit(fast[1 : 1+cut]); err == nil {
			t.Fatalf("a unit %s in %d bytes", unit, cut)
		}
	})
}

func TestRecordIsCanonical(t *testing.T) {
	t.Parallel()
	m := ledgertest.NewMaker(1)
	for _, b := range []ledger.Batch{m.Genesis(4), m.Next(0), m.Next(300)} {
		r := b.Records[0]
		encoded := r.Encode()
		if !bytes.Equal(encoded, nexus.Encode(r)) {
			t.Fatal("fast and slow encoding differ")
		}
		if len(encoded) > r.Size() {
			t.Fatalf("%d bytes, Size says at most %d", len(encoded), r.Size())
		}
		back, err := ledger.ParseRecord(encoded)
		if err != nil || !reflect.DeepEqual(back, r) {
			t.Fatalf("record %d came back different: %v", r.Index, err)
		}
		if !reflect.DeepEqual(back.Leaves(), b.Leaves) {
			t.Fatal("leaves recomputed from the record differ")
		}
		for n := range encoded {
			if n < len(encoded) && n%7 == 0 {
				if _, err := ledger.ParseRecord(encoded[:n]); nexus.CodeOf(err) != nexus.CodeMalformed {
					t.Fatalf("cut at %d: %v", n, err)
				}
			}
		}
		e, err := back.Entry(back.Next() - 1)
		if err != nil || e.Seq != back.Next()-1 {
			t.Fatalf("last entry: %+v, %v", e, err)
		}
		if _, err := back.Entry(back.Next()); nexus.CodeOf(err) != nexus.CodeNotFound {
			t.Fatalf("entry past the end: %v", err)
		}
	}
}

// finder reads a record piece by piece and counts what it is asked for.
func finder(t testing.TB, b []byte, asked *int) func(off, n int) ([]byte, error) {
	return func(off, n int) ([]byte, error) {
		if off < 0 || n < 0 || off+n > len(b) {
			t.Fatalf("asked for %d bytes at %d of %d", n, off, len(b))
		}
		*asked += n
		return b[off : off+n], nil
	}
}

// An entry that is found alone is that of the record, at a part of the reading; one that is not there is not found.
func TestFindEntry(t *testing.T) {
	t.Parallel()
	m := ledgertest.NewMaker(1)
	for _, b := range []ledger.Batch{m.Genesis(4), m.Next(0), m.Next(300), m.Next(3000)} {
		r := b.Records[0]
		encoded, asked := r.Encode(), 0
		for seq := r.FirstSeq; seq < r.Next(); seq++ {
			e, err := ledger.FindEntry(seq, len(encoded), finder(t, encoded, &asked))
			if err != nil || !reflect.DeepEqual(e, r.Salted(seq)) {
				t.Fatalf("entry %d: %v, %v", seq, e, err)
			}
		}
		if each := asked / len(r.Entries); each > len(encoded)/2+3*4096 {
			t.Errorf("%d bytes read for an entry of %d entries in %d bytes", each, len(r.Entries), len(encoded))
		}
		for _, seq := range []uint64{r.FirstSeq - 1, r.Next(), 1 << 63} {
			if _, err := ledger.FindEntry(seq, len(encoded), finder(t, encoded, &asked)); nexus.CodeOf(err) != nexus.CodeNotFound {
				t.Errorf("entry %d: %v", seq, err)
			}
		}
		for n := 0; n < len(encoded); n += 1 + n/50 {
			e, err := ledger.FindEntry(r.Next()-1, n, finder(t, encoded[:n], &asked))
			if err == nil && n < len(encoded)-32 || err != nil && nexus.CodeOf(err) != nexus.CodeMalformed {
				t.Fatalf("cut at %d of %d: %v, %v", n, len(encoded), e, err)
			}
		}
		gone := errors.New("gone")
		if _, err := ledger.FindEntry(r.FirstSeq, len(encoded), func(int, int) ([]byte, error) { return nil, gone }); !errors.Is(err, gone) {
			t.Errorf("the reader's error: %v", err)
		}
		if _, err := ledger.FindEntry(r.FirstSeq, len(encoded), func(int, int) ([]byte, error) { return nil, nil }); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("a reader that gives nothing: %v", err)
		}
	}
}

// FuzzFindEntry: no bytes make it panic or read outside of them, and of a record it finds what ParseRecord has.
func FuzzFindEntry(f *testing.F) {
	r := ledgertest.NewMaker(1).Genesis(9).Records[0]
	f.Add(r.Encode(), r.FirstSeq+3)
	f.Add([]byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, seq uint64) {
		asked := 0
		e, err := ledger.FindEntry(seq, len(b), finder(t, b, &asked))
		r, perr := ledger.ParseRecord(b)
		if perr != nil {
			return
		}
		if in := seq >= r.FirstSeq && seq < r.Next(); in != (err == nil) || in && !reflect.DeepEqual(e, r.Salted(seq)) {
			t.Fatalf("entry %d of %d to %d: %v, %v", seq, r.FirstSeq, r.Next(), e, err)
		}
	})
}

func FuzzParseEntry(f *testing.F) {
	f.Add(ledger.Entry{UnitSeq: 1, Kind: 2, Body: []byte("x"),
		Postings: []ledger.Posting{{Account: 1, Ref: "a", Currency: "USD"}}}.AppendTo(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := ledger.ParseEntry(b); err == nil && !bytes.Equal(e.AppendTo(nil), b) {
			t.Fatalf("%x was accepted and is written %x", b, e.AppendTo(nil))
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add(ledgertest.NewMaker(1).Genesis(1).Records[0].Encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ledger.ParseRecord(b); err == nil && !bytes.Equal(r.Encode(), b) {
			t.Fatalf("%x was accepted and is written %x", b, r.Encode())
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(ledger.Checkpoint{Size: 7, Index: 3}.Text())
	f.Add("nexus/\n\n\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		if cp, err := ledger.ParseCheckpoint(text); err == nil && cp.Text() != text {
			t.Fatalf("%q was accepted and is written %q", text, cp.Text())
		}
	})
}

// FuzzOpenCheckpoint: what nobody signed is never a checkpoint, and what was signed is one only in its one spelling.
func FuzzOpenCheckpoint(f *testing.F) {
	m := ledgertest.NewMaker(3)
	m.Genesis(2)
	name, good := "nexus/"+m.Cluster.String(), m.Sign()
	vkey, err := ledger.VerifierKey(name, m.Signer.Public())
	if err != nil {
		f.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		f.Fatal(err)
	}
	text, signatures, _ := strings.Cut(good, "\n\n")
	f.Add(good, false)
	f.Add(good+"— other AAAAAAAA\n", false)
	f.Add(text+"\n", true)
	f.Add(text+"x\n\n"+signatures, false)
	f.Add(strings.Replace(text, "index ", "index 0", 1)+"\n", true)
	f.Fuzz(func(t *testing.T, in string, sign bool) {
		if !sign {
			cp, err := ledger.OpenCheckpoint(in, name, m.Signer.Public())
			if err == nil && cp.Text() != text+"\n" {
				t.Fatalf("%q was never signed and is %+v", in, cp)
			}
			return
		}
		signed, err := note.Sign(&note.Note{Text: in}, fuzzSigner{verifier, m.Signer})
		if err != nil {
			return // no text that a note can hold
		}
		if cp, err := ledger.OpenCheckpoint(string(signed), name, m.Signer.Public()); err == nil && cp.Text() != in {
			t.Fatalf("%q was accepted and is written %q", in, cp.Text())
		}
	})
}

// fuzzSigner signs notes of any text, checkpoint or not.
type fuzzSigner struct {
	note.Verifier
	nexus.Signer
}

// TestVectors pins the hashes that others recompute (the domains are part of the stored format).
func TestVectors(t *testing.T) {
	t.Parallel()
	salt := [16]byte{1, 2, 3}
	sum := sha256.Sum256(append(append([]byte("nexus-salt-v1\n"), salt[:]...), 0, 0, 1, 2))
	if got := ledger.EntrySalt(salt, 258); !bytes.Equal(got[:], sum[:16]) {
		t.Errorf("entry salt %x, want %x", got, sum[:16])
	}
	for _, n := range []int{0, 5, 700, 800, 5000} {
		entry := bytes.Repeat([]byte{7}, n)
		want := sha256.Sum256(append(append([]byte("nexus-entry-v1\n"), salt[:]...), entry...))
		if got := ledger.Commitment(salt, entry); got != want {
			t.Errorf("commitment of %d bytes %x, want %x", n, got, want)
		}
	}
	if ledger.KindRefusalRollup.String() != "refusal-rollup" || ledger.KindNotice != 16 ||
		ledger.EntryKind(99).String() != "kind(99)" {
		t.Error("kinds were renumbered or renamed")
	}
}

// TestChain compares the chain with an independent tree and holds every unit's chain to its links.
func TestChain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := ledgertest.NewMaker(rapid.Uint64().Draw(t, "seed"))
		other := testonly.New(rfc6962.DefaultHasher)
		batches := []ledger.Batch{m.Genesis(rapid.IntRange(1, 5).Draw(t, "units"))}
		for range rapid.IntRange(0, 12).Draw(t, "commands") {
			batches = append(batches, m.Next(rapid.IntRange(0, 40).Draw(t, "events")))
		}
		heads := map[nexus.ID]ledger.UnitHead{}
		var seq uint64
		for _, b := range batches {
			r := b.Records[0]
			for i, raw := range r.Entries {
				e, err := ledger.ParseEntry(raw)
				head := heads[e.Unit]
				if err != nil || e.Seq != seq || e.UnitSeq != head.Seq+1 || e.UnitPrev != head.Head || e.Index != r.Index {
					t.Fatalf("entry %d: %+v after %+v, %v", seq, e, head, err)
				}
				commitment := ledger.Commitment(ledger.EntrySalt(r.Salt, uint32(i)), raw)
				heads[e.Unit] = ledger.UnitHead{Unit: e.Unit, Seq: e.UnitSeq, Head: commitment}
				other.AppendData(commitment[:])
				seq++
			}
			if want := other.Hash(); string(want) != string(r.Root[:]) {
				t.Fatalf("root at %d: %s, want %x", seq, r.Root, want)
			}
		}
		for unit, head := range heads {
			if m.Chain.Head(unit) != head {
				t.Fatalf("head %+v, want %+v", m.Chain.Head(unit), head)
			}
		}
		again, err := ledger.RestoreChain(m.Chain.Snapshot())
		if err != nil || !reflect.DeepEqual(again.Snapshot(), m.Chain.Snapshot()) || again.Root() != m.Chain.Root() {
			t.Fatalf("the restored chain differs: %v", err)
		}
	})
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	m := ledgertest.NewMaker(3)
	m.Genesis(4)
	for name, spoil := range map[string]func(s *ledger.ChainState){
		"unsorted": func(s *ledger.ChainState) { s.Units[0], s.Units[1] = s.Units[1], s.Units[0] },
		"repeated": func(s *ledger.ChainState) { s.Units[1] = s.Units[0] },
		"range":    func(s *ledger.ChainState) { s.Range = s.Range[1:] },
		"sum":      func(s *ledger.ChainState) { s.Units[2].Seq++ },
	} {
		s := m.Chain.Snapshot()
		spoil(&s)
		if _, err := ledger.RestoreChain(s); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBrokenInvariants: what must never be in the log ends the machine before the chain has changed.
func TestBrokenInvariants(t *testing.T) {
	t.Parallel()
	unbalanced := []ledger.Posting{{Account: 1, Currency: "USD", Minor: 5}, {Account: 2, Currency: "EUR", Minor: -5}}
	for name, call := range map[string]func(c *ledger.Chain){
		"time stands":  func(c *ledger.Chain) { c.Append(9, c.LastTimeMs(), [16]byte{}, []ledger.Draft{{Kind: 2}}) },
		"index stands": func(c *ledger.Chain) { c.Append(c.LastIndex(), 1<<60, [16]byte{}, []ledger.Draft{{Kind: 2}}) },
		"unbalanced": func(c *ledger.Chain) {
			c.Append(9, 1<<60, [16]byte{}, []ledger.Draft{{Kind: 3, Postings: unbalanced}})
		},
		"no kind": func(c *ledger.Chain) { c.Append(9, 1<<60, [16]byte{}, []ledger.Draft{{}}) },
	} {
		m := ledgertest.NewMaker(1)
		m.Genesis(1)
		before := m.Chain.Snapshot()
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			call(m.Chain)
		}()
		if !reflect.DeepEqual(m.Chain.Snapshot(), before) {
			t.Errorf("%s: the chain changed", name)
		}
	}
}

func TestCheckpoint(t *testing.T) {
	t.Parallel()
	m := ledgertest.NewMaker(1)
	m.Genesis(2)
	text := m.Sign()
	name := "nexus/" + m.Cluster.String()
	cp, err := ledger.OpenCheckpoint(text, name, m.Signer.Public())
	if err != nil || cp.Size != m.Chain.Size() || cp.Root != m.Chain.Root() || cp.Cluster != m.Cluster {
		t.Fatalf("%+v, %v", cp, err)
	}
	vkey, err := ledger.VerifierKey(name, m.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open([]byte(text), note.VerifierList(verifier)); err != nil {
		t.Fatalf("other tools cannot open it: %v", err)
	}
	for i := range text {
		changed := []byte(text)
		changed[i] ^= 0x04
		if got, err := ledger.OpenCheckpoint(string(changed), name, m.Signer.Public()); err == nil && got != cp {
			t.Fatalf("byte %d changed and accepted: %+v", i, got)
		}
	}
	if _, err := ledger.OpenCheckpoint(text, name, nexus.PublicKey{1}); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Fatalf("foreign key: %v", err)
	}
	if _, err := ledger.SignCheckpoint(m.Signer, "two words", cp); nexus.CodeOf(err) != nexus.CodeMalformed {
		t.Fatalf("bad name: %v", err)
	}
	for _, bad := range []string{"", strings.Replace(cp.Text(), "index ", "index 0", 1), cp.Text() + "x\n",
		strings.Replace(cp.Text(), "index ", "Index ", 1), strings.ToUpper(cp.Text())} {
		if _, err := ledger.ParseCheckpoint(bad); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// BenchmarkChainAppend appends commands of 1,000 revenue entries; ns/entry is the figure that counts.
func BenchmarkChainAppend(b *testing.B) {
	m := ledgertest.NewMaker(1)
	m.Genesis(50)
	drafts := make([]ledger.Draft, 1000)
	size := 0
	for i := range drafts {
		drafts[i] = m.Revenue(&m.Units[i%50], 1234)
	}
	index, timeMs := uint64(1<<40), int64(1<<45)
	b.ReportAllocs()
	for b.Loop() {
		index, timeMs = index+1, timeMs+1
		entries, _ := m.Chain.Append(index, timeMs, [16]byte{1}, drafts)
		size = len(entries[500])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/entry")
	b.ReportMetric(float64(size), "bytes/entry")
}
