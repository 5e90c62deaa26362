package verify_test

import (
	stdslices "slices"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/ledgertest"
)

// evidence is what another log of the maker proves of its first unit.
func evidence() ledger.ImportBody {
	from := newBook(4)
	u := from.m.Units[0]
	p := from.m.Chain.Units().Prove(u.Unit)
	return ledger.ImportBody{Unit: u.Unit, Origin: from.m.Cluster, Key: from.m.Signer.Public(), Checkpoint: from.checkpoint, Owner: u.Owner, Kind: u.Kind,
		Percent: u.Percent, Seq: p.Commitment.Seq, Head: p.Commitment.Head, Balances: p.Commitment.Balances, Siblings: p.Proof.Siblings,
		Manifest: nexus.Hash{1}}
}

// imported is a ledger that took a unit in: created under the same id, with the evidence as its second entry.
func imported(t *testing.T, drafts func(u ledger.UnitBody) []ledger.Draft) []string {
	t.Helper()
	b := &book{m: ledgertest.NewMaker(77)}
	b.add(b.m.Genesis(1))
	u := b.m.Units[0]
	u.Unit = evidence().Unit
	u.Kind, u.Percent = nexus.KindIMVU, 55
	list := append([]ledger.Draft{{Kind: ledger.KindDecision, Body: []byte("x")}, {Unit: u.Unit, Kind: ledger.KindUnit, Body: nexus.Encode(u)}}, drafts(u)...)
	b.add(b.m.Command("unit.import", list))
	b.checkpoint = b.m.Sign()
	var out []string
	for _, f := range check(t, unitFile(t, b.unitHeader(t, u.Unit), b.lines(t, u.Unit)), b.options()).Findings {
		out = append(out, f.What)
	}
	return out
}

// The checker holds an import to the other log's signature, map of units and split, and the end of an exit to what there was.
func TestImportsAndExitsAreRecomputed(t *testing.T) {
	t.Parallel()
	entry := func(change func(*ledger.ImportBody)) func(ledger.UnitBody) []ledger.Draft {
		ev := evidence()
		ev.Balances = stdslices.Clone(ev.Balances)
		change(&ev)
		return func(u ledger.UnitBody) []ledger.Draft {
			return []ledger.Draft{{Unit: u.Unit, Kind: ledger.KindImport, Body: nexus.Encode(ev)}}
		}
	}
	done := func(change func(*ledger.ExitDoneBody)) func(ledger.UnitBody) []ledger.Draft {
		return func(u ledger.UnitBody) []ledger.Draft {
			b := ledger.ExitDoneBody{Unit: u.Unit, Manifest: nexus.Hash{1}, Size: 3, UnitSeq: 1, Files: 1, Bytes: 1, GraceMs: 1 << 50, RetainMs: 1 << 51}
			change(&b)
			return []ledger.Draft{{Unit: u.Unit, Kind: ledger.KindExitDone, Body: nexus.Encode(b)}}
		}
	}
	for name, c := range map[string]struct {
		drafts func(ledger.UnitBody) []ledger.Draft
		want   string // "": nothing is found
	}{
		"an import":        {entry(func(*ledger.ImportBody) {}), ""},
		"other balances":   {entry(func(b *ledger.ImportBody) { b.Balances[0].Minor++ }), "evidence that proves nothing"},
		"another key":      {entry(func(b *ledger.ImportBody) { b.Key = ledgertest.NewMaker(5).Signer.Public() }), "evidence that proves nothing"},
		"another log":      {entry(func(b *ledger.ImportBody) { b.Origin[0] ^= 1 }), "evidence that proves nothing"},
		"another unit":     {entry(func(b *ledger.ImportBody) { b.Unit[0] ^= 1 }), "under another rule, or in the chain of"},
		"another rule":     {entry(func(b *ledger.ImportBody) { b.Percent = 80 }), "under another rule, or in the chain of"},
		"an exit":          {done(func(*ledger.ExitDoneBody) {}), ""},
		"future entries":   {done(func(b *ledger.ExitDoneBody) { b.UnitSeq = 9 }), "which were not there"},
		"a longer log":     {done(func(b *ledger.ExitDoneBody) { b.Size = 99 }), "which were not there"},
		"no manifest":      {done(func(b *ledger.ExitDoneBody) { b.Manifest = nexus.Hash{} }), "which were not there"},
		"no time of grace": {done(func(b *ledger.ExitDoneBody) { b.GraceMs = 1 }), "for no time"},
	} {
		got := imported(t, c.drafts)
		if c.want == "" && len(got) != 0 || c.want != "" && !strings.Contains(strings.Join(got, "\n"), c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
