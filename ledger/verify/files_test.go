package verify_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/ledgertest"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// book is a small ledger with all that an exporter needs.
type book struct {
	m          *ledgertest.Maker
	records    []ledger.Record
	leaves     []nexus.Hash
	checkpoint string
}

func newBook(commands int) *book {
	b := &book{m: ledgertest.NewMaker(9)}
	b.add(b.m.Genesis(5))
	for range commands {
		b.add(b.m.Next(6))
	}
	b.checkpoint = b.m.Sign()
	return b
}

func (b *book) add(batch ledger.Batch) {
	b.records, b.leaves = append(b.records, batch.Records...), append(b.leaves, batch.Leaves...)
}

// hashes makes the book a merkle.Reader.
func (b *book) Hashes(nodes []merkle.Node) ([]nexus.Hash, error) {
	out := make([]nexus.Hash, len(nodes))
	for i, n := range nodes {
		row := b.leaves[n.Index<<n.Level : (n.Index+1)<<n.Level]
		for len(row) > 1 {
			up := make([]nexus.Hash, len(row)/2)
			for j := range up {
				up[j] = merkle.NodeHash(row[2*j], row[2*j+1])
			}
			row = up
		}
		out[i] = row[0]
	}
	return out, nil
}

func (b *book) options() verify.Options {
	return verify.Options{Key: b.m.Signer.Public(), CommandCheck: verify.ActionSignature}
}

func (b *book) header(t testing.TB) verify.ExportHeader {
	key, err := ledger.VerifierKey("nexus/"+b.m.Cluster.String(), b.m.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	return verify.ExportHeader{Key: key, Checkpoint: b.checkpoint}
}

func (b *book) whole(t testing.TB) []byte {
	var out bytes.Buffer
	w := verify.NewExportWriter(&out, b.header(t))
	for _, r := range b.records {
		if err := w.Record(r.Encode()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type line struct {
	seq  uint64
	salt [16]byte
	b    []byte
}

func (b *book) lines(t testing.TB, unit nexus.ID) (out []line) {
	for _, r := range b.records {
		for i, raw := range r.Entries {
			e, err := ledger.ParseEntry(raw)
			if err != nil {
				t.Fatal(err)
			}
			if e.Unit == unit {
				out = append(out, line{e.Seq, ledger.EntrySalt(r.Salt, uint32(i)), raw})
			}
		}
	}
	return out
}

func (b *book) unitHeader(t testing.TB, unit nexus.ID) verify.ExportHeader {
	h, p := b.header(t), b.m.Chain.Units().Prove(unit)
	h.Unit = &verify.UnitProof{ID: unit, Present: p.Present, Balances: []verify.BalanceLine{}, Siblings: p.Proof.Siblings}
	if p.Proof.HasOther {
		h.Unit.Other = &verify.OtherLeaf{ID: p.Proof.Other, Hash: p.Proof.OtherHash}
	}
	if !p.Present {
		return h
	}
	h.Unit.Sequence, h.Unit.Head = p.Commitment.Seq, p.Commitment.Head
	for _, x := range p.Commitment.Balances {
		h.Unit.Balances = append(h.Unit.Balances, verify.BalanceLine{Currency: x.Currency, Account: uint64(x.Account), Minor: x.Minor})
	}
	lines := b.lines(t, unit)
	last := lines[len(lines)-1].seq
	incl, err := merkle.InclusionProof(last, b.m.Chain.Size(), b)
	if err != nil {
		t.Fatal(err)
	}
	h.Unit.Inclusion = &verify.EntryInclusion{Entry: last, Proof: incl}
	return h
}

func unitFile(t testing.TB, h verify.ExportHeader, lines []line) []byte {
	var out bytes.Buffer
	w := verify.NewExportWriter(&out, h)
	for _, l := range lines {
		if err := w.Entry(l.salt, l.b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func check(t testing.TB, file []byte, o verify.Options) verify.ExportReport {
	t.Helper()
	rep, err := verify.CheckExport(context.Background(), bytes.NewReader(file), o)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// resealed gives the file its last line anew: what somebody who edits an export on purpose would do.
func resealed(file []byte) []byte {
	rest := file[:bytes.LastIndexByte(file[:len(file)-1], '\n')+1]
	b, err := json.Marshal(verify.ExportTrailer{Lines: uint64(bytes.Count(rest, []byte("\n"))) - 1, SHA256: sha256.Sum256(rest)})
	if err != nil {
		panic(err) // two plain fields
	}
	return append(append(bytes.Clone(rest), b...), '\n')
}

func TestExportsVerify(t *testing.T) {
	t.Parallel()
	b := newBook(40)
	rep := check(t, b.whole(t), b.options())
	if !rep.Clean() || rep.Entries != b.m.Chain.Size() || !rep.UnitsChecked || rep.Scope != "ledger" || rep.Root != b.m.Chain.Root() {
		t.Fatalf("%+v", rep)
	}
	for at, want := range b.m.Totals {
		if got := rep.Totals[verify.Account{Unit: at.Unit, Currency: at.Currency}]; got.Gross != want.Gross || got.Creator != want.Creator {
			t.Errorf("%v: %+v, want %+v", at, got, want)
		}
	}
	for _, u := range append(b.m.Units, ledger.UnitBody{}) { // the zero unit is the platform's own chain
		lines := b.lines(t, u.Unit)
		rep := check(t, unitFile(t, b.unitHeader(t, u.Unit), lines), b.options())
		if !rep.Clean() || rep.Entries != uint64(len(lines)) || !rep.Present || rep.Unit != u.Unit {
			t.Fatalf("unit %s: %+v", u.Label, rep)
		}
		for at, got := range rep.Totals {
			if want := b.m.Totals[ledgertest.Account(at)]; at.Unit != u.Unit || got.Gross != want.Gross || got.Creator != want.Creator {
				t.Errorf("%v: %+v, want %+v", at, got, want)
			}
		}
	}
	absent := nexus.ID{0xaa, 1}
	rep = check(t, unitFile(t, b.unitHeader(t, absent), nil), b.options())
	if !rep.Clean() || rep.Present || rep.Entries != 0 {
		t.Fatalf("absent unit: %+v", rep)
	}
}

// TestEveryByteOfAnExport: a changed byte is found, also when the last line's sum is made anew; so is every shorter file.
func TestEveryByteOfAnExport(t *testing.T) {
	t.Parallel()
	b := newBook(1)
	for name, file := range map[string][]byte{"ledger": b.whole(t), "unit": unitFile(t, b.unitHeader(t, b.m.Units[0].Unit), b.lines(t, b.m.Units[0].Unit))} {
		if rep := check(t, file, b.options()); !rep.Clean() {
			t.Fatalf("%s: %+v", name, rep.Findings)
		}
		last := bytes.LastIndexByte(file[:len(file)-1], '\n') + 1
		for i := range file {
			for _, mask := range []byte{1, 0x20} { // 0x20 changes case, which JSON and hexadecimal readers forgive
				if mask == 0x20 && (file[i] < 'A' || file[i] > 'F' && file[i] < 'a' || file[i] > 'f') {
					continue
				}
				broken := bytes.Clone(file)
				broken[i] ^= mask
				if rep := check(t, broken, b.options()); rep.Clean() {
					t.Fatalf("%s: byte %d of %d changed by %#x and not found: %q", name, i, len(file), mask, file[max(0, i-20):i+1])
				}
				if i < last {
					if rep := check(t, resealed(broken), b.options()); rep.Clean() {
						t.Fatalf("%s: byte %d of %d changed by %#x, sum made anew, and not found: %q", name, i, len(file), mask, file[max(0, i-20):i+1])
					}
				}
			}
			if i%3 != 0 && file[i] != '\n' {
				continue
			}
			if rep := check(t, file[:i], b.options()); rep.Clean() {
				t.Fatalf("%s: cut to %d of %d bytes and not found", name, i, len(file))
			}
		}
		for what, longer := range map[string][]byte{"a line": append(bytes.Clone(file), "{}\n"...), "itself": append(bytes.Clone(file), file...),
			"a byte": append(bytes.Clone(file), ' ')} {
			if rep := check(t, longer, b.options()); rep.Clean() {
				t.Errorf("%s: with %s behind it, and not found", name, what)
			}
		}
	}
}

// TestHostileUnitExports: whoever holds the node's records but signs no new checkpoint cannot shape a unit's statement.
func TestHostileUnitExports(t *testing.T) {
	t.Parallel()
	b := newBook(40)
	unit, other := b.m.Units[0].Unit, b.m.Units[1].Unit
	head, lines := b.unitHeader(t, unit), b.lines(t, unit)
	if len(lines) < 6 {
		t.Fatalf("%d entries are too few for this test", len(lines))
	}
	without := func(i int) []line { return append(append([]line{}, lines[:i]...), lines[i+1:]...) }
	swapped := append([]line{}, lines...)
	swapped[2], swapped[3] = swapped[3], swapped[2]
	foreign := append(append([]line{}, lines[:3]...), b.lines(t, other)[1])
	salted := append([]line{}, lines...)
	salted[2].salt[0] ^= 1
	short := b.unitHeader(t, unit)
	short.Unit.Sequence--
	richer := b.unitHeader(t, unit)
	richer.Unit.Balances = append([]verify.BalanceLine{}, richer.Unit.Balances...)
	richer.Unit.Balances[0].Minor++
	renamed := b.unitHeader(t, other)
	renamed.Unit.ID = unit
	denied := b.unitHeader(t, unit)
	denied.Unit.Present, denied.Unit.Sequence, denied.Unit.Head = false, 0, nexus.Hash{}
	denied.Unit.Balances, denied.Unit.Inclusion = []verify.BalanceLine{}, nil
	inTheWay := b.unitHeader(t, unit)
	otherCommitment, _ := b.m.Chain.Units().Get(other)
	*inTheWay.Unit = *denied.Unit
	inTheWay.Unit.Other = &verify.OtherLeaf{ID: other, Hash: otherCommitment.Hash()}
	elsewhere := b.unitHeader(t, unit)
	elsewhere.Unit.Inclusion = &verify.EntryInclusion{Entry: lines[1].seq, Proof: elsewhere.Unit.Inclusion.Proof}
	unproven := b.unitHeader(t, unit)
	unproven.Unit.Inclusion = nil
	for name, c := range map[string]struct {
		head  verify.ExportHeader
		lines []line
	}{
		"first left out": {head, lines[1:]}, "one left out": {head, without(3)}, "last left out": {head, lines[:len(lines)-1]}, "none given": {head, nil},
		"two swapped": {head, swapped}, "one twice": {head, append(append([]line{}, lines...), lines[len(lines)-1])},
		"one of another unit": {head, foreign}, "another unit's for this": {head, b.lines(t, other)}, "salt changed": {head, salted},
		"shorter, and says so": {short, lines[:len(lines)-1]}, "balance changed": {richer, lines}, "another unit's proof": {renamed, b.lines(t, other)},
		"said to be absent": {denied, nil}, "absent behind another": {inTheWay, nil}, "last entry not in the log": {unproven, lines},
		"another entry in the log": {elsewhere, lines},
	} {
		if rep := check(t, unitFile(t, c.head, c.lines), b.options()); rep.Clean() {
			t.Errorf("%s: not found", name)
		}
	}
}

// TestASignedLieAboutAUnit: with the node's key a map that leaves an entry out can be signed; then the balances or the log disagree.
func TestASignedLieAboutAUnit(t *testing.T) {
	t.Parallel()
	b := newBook(30)
	unit := b.m.Units[0].Unit
	lines := b.lines(t, unit)
	cut := lines[:len(lines)-1]
	var sorted merkle.Sorted[nexus.Hash]
	units := b.m.Chain.Units()
	for _, u := range b.m.Units {
		c, _ := units.Get(u.Unit)
		if u.Unit == unit {
			c.Seq, c.Head = c.Seq-1, ledger.Commitment(cut[len(cut)-1].salt, cut[len(cut)-1].b)
		}
		sorted.Set(u.Unit, c.Hash(), c.Hash())
	}
	cp := ledger.Checkpoint{Cluster: b.m.Cluster, Size: b.m.Chain.Size(), Root: b.m.Chain.Root(), Index: b.m.Chain.LastIndex(), Units: sorted.Root()}
	text, err := ledger.SignCheckpoint(b.m.Signer, cp.Origin(), cp)
	if err != nil {
		t.Fatal(err)
	}
	h := b.unitHeader(t, unit)
	h.Checkpoint = text
	p, _ := sorted.Prove(unit, func(x nexus.Hash) nexus.Hash { return x })
	h.Unit.Siblings, h.Unit.Sequence, h.Unit.Head = p.Siblings, h.Unit.Sequence-1, ledger.Commitment(cut[len(cut)-1].salt, cut[len(cut)-1].b)
	if rep := check(t, unitFile(t, h, cut), b.options()); rep.Clean() {
		t.Error("a map that leaves the newest entry out: not found")
	}
	// The whole ledger under that checkpoint does not fit its map either.
	b.checkpoint = text
	if rep := check(t, b.whole(t), b.options()); rep.Clean() {
		t.Error("whole ledger: not found")
	}
}

func TestExportsOfOthers(t *testing.T) {
	t.Parallel()
	b := newBook(5)
	file := b.whole(t)
	wrong := b.options()
	wrong.Key = nexus.KeySigner(ed25519.NewKeyFromSeed(make([]byte, 32))).Public()
	foreign := b.options()
	foreign.Cluster = nexus.ID{1}
	pinned := b.options()
	pinned.Pinned = []verify.Pin{{Size: 10, Root: nexus.Hash{1}}}
	longer := b.options()
	longer.Pinned = []verify.Pin{{Size: b.m.Chain.Size() + 5}}
	for name, o := range map[string]verify.Options{"wrong key": wrong, "no key": {}, "another cluster": foreign, "another history": pinned, "cut off": longer} {
		if rep := check(t, file, o); rep.Clean() {
			t.Errorf("%s: not found", name)
		}
	}
	for name, text := range map[string]string{"another format": "nexus-export-v2", "a proof": verify.ProofFormat} {
		later := resealed(bytes.Replace(file, []byte(verify.ExportFormat), []byte(text), 1))
		if rep := check(t, later, b.options()); rep.Clean() || !strings.Contains(rep.Findings[0].What, "format") {
			t.Errorf("%s: %v", name, rep.Findings)
		}
	}
}

// TestKindsOfTheFuture: an entry of a kind that this version knows no rules for is never passed over.
func TestKindsOfTheFuture(t *testing.T) {
	t.Parallel()
	b := newBook(3)
	last := &b.records[len(b.records)-1]
	e, err := ledger.ParseEntry(last.Entries[len(last.Entries)-1])
	if err != nil {
		t.Fatal(err)
	}
	e.Kind = 60_000
	raw := e.AppendTo(nil)
	lines := b.lines(t, b.m.Units[0].Unit)
	l := unitFile(t, b.unitHeader(t, b.m.Units[0].Unit), lines[:1])
	last.Entries[len(last.Entries)-1] = raw
	rep := check(t, b.whole(t), b.options())
	if rep.Clean() || !strings.Contains(rep.Findings[0].What, "kind 60000 is none that this version knows") {
		t.Errorf("%v", rep.Findings)
	}
	// In a unit's file, where only bytes tell.
	swap := bytes.Replace(l, []byte(base64.StdEncoding.EncodeToString(lines[0].b)), []byte(base64.StdEncoding.EncodeToString(raw)), 1)
	if rep := check(t, resealed(swap), b.options()); rep.Clean() || !strings.Contains(rep.Findings[0].What, "kind 60000") {
		t.Errorf("%v", rep.Findings)
	}
}

func (b *book) inclusion(t testing.TB, l line) verify.Proof {
	incl, err := merkle.InclusionProof(l.seq, b.m.Chain.Size(), b)
	if err != nil {
		t.Fatal(err)
	}
	e, err := verify.NewEntryLine(l.salt, l.b)
	if err != nil {
		t.Fatal(err)
	}
	h := b.header(t)
	return verify.Proof{Type: verify.ProofInclusion, Key: h.Key, Checkpoint: h.Checkpoint, Entry: &e, Proof: incl}
}

func encoded(t testing.TB, p verify.Proof) []byte {
	out, err := verify.EncodeProof(p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestProofFiles(t *testing.T) {
	t.Parallel()
	b := newBook(9)
	files := map[string][]byte{}
	for _, u := range b.m.Units {
		for _, l := range b.lines(t, u.Unit) {
			file := encoded(t, b.inclusion(t, l))
			rep, err := verify.CheckProof(file, b.options())
			if err != nil || rep.Entry.Entry != l.seq || rep.Unit != u.Unit {
				t.Fatalf("entry %d: %+v, %v", l.seq, rep, err)
			}
			files["inclusion"] = file
		}
	}
	// Every older size against the newest, by checkpoints that the same node signed then.
	for size := range b.m.Chain.Size() + 1 {
		root, err := merkle.RootAt(size, b)
		if err != nil {
			t.Fatal(err)
		}
		cp := ledger.Checkpoint{Cluster: b.m.Cluster, Size: size, Root: root}
		older, err := ledger.SignCheckpoint(b.m.Signer, cp.Origin(), cp)
		if err != nil {
			t.Fatal(err)
		}
		proof, err := merkle.ConsistencyProof(size, b.m.Chain.Size(), b)
		if err != nil {
			t.Fatal(err)
		}
		h := b.header(t)
		p := verify.Proof{Type: verify.ProofConsistency, Key: h.Key, Checkpoint: h.Checkpoint, Older: older, Proof: proof}
		if rep, err := verify.CheckProof(encoded(t, p), b.options()); err != nil || rep.Older != size {
			t.Fatalf("from %d: %+v, %v", size, rep, err)
		}
		cp.Root[7] ^= 1 // the node signed another history then
		if p.Older, err = ledger.SignCheckpoint(b.m.Signer, cp.Origin(), cp); err != nil {
			t.Fatal(err)
		}
		if _, err := verify.CheckProof(encoded(t, p), b.options()); err == nil {
			t.Fatalf("a fork at %d: not found", size)
		}
		p.Older = older
		files["consistency"] = encoded(t, p)
		p.Older, p.Checkpoint = p.Checkpoint, p.Older
		if _, err := verify.CheckProof(encoded(t, p), b.options()); err == nil && size < b.m.Chain.Size() {
			t.Fatalf("backwards from %d: not found", size)
		}
	}
	for name, file := range files {
		for i := range file {
			for _, mask := range []byte{1, 0x20} {
				broken := bytes.Clone(file)
				broken[i] ^= mask
				if _, err := verify.CheckProof(broken, b.options()); err == nil {
					t.Fatalf("%s: byte %d changed by %#x and not found: %q", name, i, mask, file[max(0, i-20):i+1])
				}
			}
			if _, err := verify.CheckProof(file[:i], b.options()); err == nil {
				t.Fatalf("%s: cut to %d bytes and not found", name, i)
			}
		}
	}
}

// FuzzCheckExport: no bytes make the checker panic, and nothing passes that an exporter did not write.
func FuzzCheckExport(f *testing.F) {
	b := newBook(2)
	whole, unit := b.whole(f), unitFile(f, b.unitHeader(f, b.m.Units[0].Unit), b.lines(f, b.m.Units[0].Unit))
	f.Add(whole)
	f.Add(unit)
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if rep := check(t, file, b.options()); rep.Clean() && !bytes.Equal(file, whole) && !bytes.Equal(file, unit) {
			t.Errorf("passes: %q", file)
		}
		if _, err := verify.CheckProof(file, b.options()); err == nil {
			t.Errorf("a proof: %q", file)
		}
	})
}

// FuzzOpenCheckpoint: the checker takes a signed note only as its key signed it, and takes none that the ledger's own reader refuses.
func FuzzOpenCheckpoint(f *testing.F) {
	b := newBook(2)
	name := "nexus/" + b.m.Cluster.String()
	text, _, _ := strings.Cut(b.checkpoint, "\n\n")
	f.Add(b.checkpoint)
	f.Add(b.checkpoint + "— other AAAAAAAA\n")
	f.Add(strings.ToUpper(b.checkpoint))
	f.Add(text + "\n\n")
	f.Fuzz(func(t *testing.T, in string) {
		o := b.options()
		pin, err := verify.OpenCheckpoint(in, &o)
		if err != nil {
			return
		}
		cp, err := ledger.OpenCheckpoint(in, name, b.m.Signer.Public())
		if err != nil || cp.Text() != text+"\n" || pin.Size != cp.Size || nexus.Hash(pin.Root) != cp.Root {
			t.Fatalf("%q gives size %d root %x; the ledger's reader %+v, %v", in, pin.Size, pin.Root, cp, err)
		}
	})
}
