package verify_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"

	formats "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

func witnessKey(t testing.TB, seed byte, name string) (verify.WitnessKey, nexus.KeySigner) {
	t.Helper()
	s := nexus.KeySigner(ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+seed)), 32))))
	k, err := verify.NewWitnessKey(name, s.Public())
	if err != nil {
		t.Fatal(err)
	}
	return k, s
}

// cosign gives a signature line over a note's body.
func cosign(t testing.TB, k verify.WitnessKey, s nexus.KeySigner, text string, seconds uint64) string {
	t.Helper()
	body, _, _ := strings.Cut(text, "\n\n")
	sig, err := s.Sign(verify.CosignatureMessage(body+"\n", seconds))
	if err != nil {
		t.Fatal(err)
	}
	return k.CosignatureLine(seconds, sig)
}

// TestCosignaturesAreTheOthers: keys, ids, messages and lines are those of an implementation that shares no code with this house.
func TestCosignaturesAreTheOthers(t *testing.T) {
	t.Parallel()
	b := newBook(2)
	k, s := witnessKey(t, 1, "w.example/one")
	skey := "PRIVATE+KEY+w.example/one+00000000+" + base64.StdEncoding.EncodeToString(append([]byte{4}, ed25519.PrivateKey(s).Seed()...))
	theirs, err := formats.NewSignerForCosignatureV1(skey)
	if err != nil {
		t.Fatal(err)
	}
	if theirs.KeyHash() != k.ID() {
		t.Fatalf("key id %08x, theirs %08x", k.ID(), theirs.KeyHash())
	}
	body, _, _ := strings.Cut(b.checkpoint, "\n\n")
	signed, err := note.Sign(&note.Note{Text: body + "\n"}, theirs)
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(signed), "\n\n")
	if got := verify.Cosignatures(b.checkpoint+line, []verify.WitnessKey{k}); len(got) != 1 || got[0].Line != line || got[0].Seconds < 1_700_000_000 {
		t.Errorf("theirs is not taken: %+v", got)
	}
	v, err := formats.NewVerifierForCosignatureV1(k.String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open([]byte(b.checkpoint+cosign(t, k, s, b.checkpoint, 1_700_000_000)), note.VerifierList(v)); err != nil {
		t.Errorf("ours is not taken: %v", err)
	}
}

// entryProof is the file that proves entry 3 under the book's checkpoint.
func (b *book) entryProof(t testing.TB) []byte {
	r := b.records[0]
	l, err := verify.NewEntryLine(ledger.EntrySalt(r.Salt, 3), r.Entries[3])
	if err != nil {
		t.Fatal(err)
	}
	incl, err := merkle.InclusionProof(3, uint64(len(b.leaves)), b)
	if err != nil {
		t.Fatal(err)
	}
	h := b.header(t)
	out, err := verify.EncodeProof(verify.Proof{Type: verify.ProofInclusion, Key: h.Key, Checkpoint: b.checkpoint, Entry: &l, Proof: incl})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestQuorum: with keys of the caller's a checkpoint is taken with k distinct valid cosignatures of n, in every file it stands in, and
// with none less.
func TestQuorum(t *testing.T) {
	t.Parallel()
	b := newBook(5)
	bare := b.checkpoint
	k1, s1 := witnessKey(t, 1, "one.example")
	k2, s2 := witnessKey(t, 2, "two.example")
	k3, s3 := witnessKey(t, 3, "three.example")
	one, two, three := cosign(t, k1, s1, bare, 10), cosign(t, k2, s2, bare, 1<<62), cosign(t, k3, s3, bare, 12)
	again := cosign(t, k1, s1, bare, 11)
	alias := k1
	alias.Name = "alias.example"
	other := newBook(6)
	own, err := verify.NewWitnessKey("log", b.m.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	keys := []verify.WitnessKey{k1, k2, k3}
	for _, c := range []struct {
		name   string
		lines  string
		keys   []verify.WitnessKey
		quorum int
		want   int // cosigners; -1: refused
	}{
		{"nobody asked", one + two, nil, 0, 0},
		{"nobody demanded", one, keys, 0, 1},
		{"two of three", one + two, keys, 2, 2},
		{"all", one + two + three, keys, 3, 3},
		{"in another order, with strangers", "— stranger.example AAAAAAAA\n" + three + one, keys, 2, 2},
		{"none", "", keys, 1, -1},
		{"one of two demanded", one, keys, 2, -1},
		{"one key twice", one + again, keys, 2, -1},
		{"one key under two names", one + cosign(t, alias, s1, bare, 10), []verify.WitnessKey{k1, alias}, 1, -1},
		{"the log's own key", cosign(t, own, b.m.Signer, bare, 10), []verify.WitnessKey{own}, 1, -1},
		{"more than there are", one + two + three, keys, 4, -1},
		{"of another checkpoint", cosign(t, k1, s1, other.checkpoint, 10), keys, 1, -1},
		{"by another key under the name", cosign(t, k1, s2, bare, 10), keys, 1, -1},
		{"under another name", replace(t, one, "one.example", "eno.example"), keys, 1, -1},
		{"dated otherwise", redate(t, one), keys, 1, -1},
		{"dated past 2^63", cosign(t, k1, s1, bare, 1<<63), keys, 1, -1},
	} {
		b.checkpoint = bare + c.lines
		o := b.options()
		o.Witnesses, o.Quorum = c.keys, c.quorum
		rep, err := verify.CheckExport(context.Background(), strings.NewReader(string(b.whole(t))), o)
		if err != nil {
			t.Fatal(err)
		}
		if rep.Clean() != (c.want >= 0) || rep.Clean() && rep.Cosigners != c.want {
			t.Errorf("%s: export: %d cosigners, %v", c.name, rep.Cosigners, rep.Findings)
		}
		p, err := verify.CheckProof(b.entryProof(t), o)
		if (err == nil) != (c.want >= 0) || err == nil && p.Cosigners != c.want {
			t.Errorf("%s: proof: %d cosigners, %v", c.name, p.Cosigners, err)
		}
		_, n, err := verify.CheckCheckpoint(b.checkpoint, &o)
		if (err == nil) != (c.want >= 0) || err == nil && n != c.want {
			t.Errorf("%s: checkpoint: %d cosigners, %v", c.name, n, err)
		}
		if c.want < 0 && err != nil && c.name == "one of two demanded" && !strings.Contains(err.Error(), "two.example, three.example") {
			t.Errorf("%v does not say who is missing", err)
		}
	}
}

func replace(t *testing.T, s, old, with string) string {
	t.Helper()
	if !strings.Contains(s, old) {
		t.Fatalf("no %q in %q", old, s)
	}
	return strings.ReplaceAll(s, old, with)
}

// redate changes the time of a signature line.
func redate(t *testing.T, line string) string {
	t.Helper()
	words := strings.Split(strings.TrimSuffix(line, "\n"), " ")
	raw, err := base64.StdEncoding.DecodeString(words[2])
	if err != nil {
		t.Fatal(err)
	}
	raw[11]++
	return words[0] + " " + words[1] + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
}

// TestQuorumOfAStoredLedger: the check of a store demands it too, and never passes because no key was given.
func TestQuorumOfAStoredLedger(t *testing.T) {
	t.Parallel()
	m, src := history(t)
	k, s := witnessKey(t, 1, "one.example")
	bare := string(src.values["m/checkpoint"])
	for _, c := range []struct {
		text string
		key  nexus.PublicKey
		want bool
	}{
		{bare + cosign(t, k, s, bare, 10), m.Signer.Public(), true}, {bare, m.Signer.Public(), false},
		{bare + cosign(t, k, s, bare, 10), nexus.PublicKey{}, false},
	} {
		rep, err := verify.Run(context.Background(), src, verify.Options{Cluster: m.Cluster, Key: c.key, Checkpoint: c.text,
			Witnesses: []verify.WitnessKey{k}, Quorum: 1})
		if err != nil || rep.Clean() != c.want || c.want && rep.Cosigners != 1 {
			t.Errorf("%d cosigners, want %v: %v, %v", rep.Cosigners, c.want, rep.Findings, err)
		}
	}
}

// TestCheckWitnesses: who may be named, and how many may be demanded.
func TestCheckWitnesses(t *testing.T) {
	t.Parallel()
	k, _ := witnessKey(t, 1, "one.example")
	other, _ := witnessKey(t, 2, "one.example")
	log := nexus.PublicKey{9}
	for _, c := range []struct {
		keys   []verify.WitnessKey
		log    nexus.PublicKey
		quorum int
		want   nexus.Code
	}{
		{nil, log, 0, ""}, {[]verify.WitnessKey{k, other}, log, 2, ""}, {[]verify.WitnessKey{k}, log, 2, nexus.CodeUsage},
		{[]verify.WitnessKey{k}, log, -1, nexus.CodeUsage}, {[]verify.WitnessKey{k}, k.Public, 0, nexus.CodeUsage},
		{[]verify.WitnessKey{k, k}, log, 1, nexus.CodeUsage},
	} {
		if err := verify.CheckWitnesses(c.keys, c.log, c.quorum); nexus.CodeOf(err) != c.want {
			t.Errorf("%v, %d: %v", c.keys, c.quorum, err)
		}
	}
}

// TestEveryByteOfACosignature: none can be changed.
func TestEveryByteOfACosignature(t *testing.T) {
	t.Parallel()
	b := newBook(1)
	k, s := witnessKey(t, 1, "one.example")
	text := b.checkpoint + cosign(t, k, s, b.checkpoint, 1_700_000_000)
	body := strings.Index(text, "\n\n")
	for i := range text {
		if i > body && i < len(b.checkpoint) {
			continue // the log's own signature, which is not asked here
		}
		changed := text[:i] + string(text[i]^1) + text[i+1:]
		if len(verify.Cosignatures(changed, []verify.WitnessKey{k})) != 0 {
			t.Fatalf("byte %d changed: passes", i)
		}
	}
}

// TestParseWitnessKey: only a key of cosignatures, in its one spelling.
func TestParseWitnessKey(t *testing.T) {
	t.Parallel()
	k, _ := witnessKey(t, 1, "one.example")
	if got, err := verify.ParseWitnessKey(k.String()); err != nil || got != k {
		t.Fatalf("%+v, %v", got, err)
	}
	one, err := note.NewEd25519VerifierKey("one.example", ed25519.PublicKey(k.Public[:]))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "x", one, k.String() + "=", strings.Replace(k.String(), "one", "two", 1), strings.ToUpper(k.String()),
		"a b+" + k.String()[12:], strings.Repeat("x", 2000)} {
		if got, err := verify.ParseWitnessKey(text); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, name := range []string{"", "a b", "a+b", "a\u00a0b", strings.Repeat("x", 300)} {
		if _, err := verify.NewWitnessKey(name, k.Public); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

// FuzzCosignatures: no bytes make the reader of cosignatures panic, and none pass that the key did not sign.
func FuzzCosignatures(f *testing.F) {
	b := newBook(1)
	k, s := witnessKey(f, 1, "one.example")
	line := cosign(f, k, s, b.checkpoint, 1_700_000_000)
	body := b.checkpoint[:strings.Index(b.checkpoint, "\n\n")+2]
	o := b.options()
	o.Witnesses, o.Quorum = []verify.WitnessKey{k}, 1
	f.Add(b.checkpoint+line, k.String())
	f.Add(b.checkpoint, "a+b+c")
	f.Fuzz(func(t *testing.T, text, vkey string) {
		signed := strings.HasPrefix(text, body)
		if got := verify.Cosignatures(text, o.Witnesses); len(got) > 0 && (got[0].Line != line || !signed) {
			t.Errorf("%q passes", text)
		}
		own := o
		if _, _, err := verify.CheckCheckpoint(text, &own); err == nil && !signed {
			t.Errorf("%q passes", text)
		}
		if got, err := verify.ParseWitnessKey(vkey); err == nil && got.String() != vkey {
			t.Errorf("%q is read as %q", vkey, got)
		}
	})
}
