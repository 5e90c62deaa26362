package state_test

import (
	"crypto/sha256"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// gone has eve's imported unit leave again, from the standing that before gives it, and gives a body that would bring it back.
func gone(t *testing.T, w *house, before func(unit nexus.ID)) state.UnitImport {
	t.Helper()
	b := importOf(foreign(t, w.eve.Public(), 55, 45))
	w.must(w.eve, state.KindUnitImport, nexus.ID{}, b)
	w.unit = b.Evidence.Unit
	before(w.unit)
	w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
	w.must(w.eve, state.KindExitComplete, w.unit, w.complete())
	b.Evidence.Manifest = nexus.Hash{9}
	return b
}

// Leaving and coming back at once is no way out of a suspension.
func TestComingBackEndsNoSuspension(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	b := gone(t, w, func(unit nexus.ID) {
		w.must(w.operator, state.KindUnitSuspend, unit, state.UnitReason{Reason: "phishing"})
	})
	w.must(w.eve, state.KindUnitImport, nexus.ID{}, b)
	if u := w.a.Units[w.unit]; u.Status != "suspended" || w.a.Serving(u) {
		t.Errorf("back as %s", u.Status)
	}
	w.check()
}

// Nobody but its owner brings a unit back that has left: within its time of grace gate 13 refuses, after it the state.
func TestOnlyItsOwnerBringsAUnitBack(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	b := gone(t, w, func(nexus.ID) {})
	refusedBy13(t, "an operator brings it back", w.do(w.operator, state.KindUnitImport, nexus.ID{}, b))
	x, _ := w.a.ExitOf(w.unit)
	for _, at := range []int64{x.Done.GraceMs, x.Done.RetainMs} {
		w.now = at
		w.must(w.node, state.KindExitSettle, w.unit, struct{}{})
	}
	if out := w.do(w.operator, state.KindUnitImport, nexus.ID{}, b); nexus.CodeOf(out.Err) != nexus.CodeConflict || w.status() != state.StatusClosed {
		t.Errorf("an operator brings a closed unit back: %v, it is %s", out.Err, w.status())
	}
	w.must(w.eve, state.KindUnitImport, nexus.ID{}, b)
	if w.status() != "active" {
		t.Errorf("back as %s", w.status())
	}
	w.check()
}

// A log that somebody made up, with a key of its own, may say anything of a unit. What ledger/verify would find wrong in an import's entry
// must not come into this log, whatever the node that took the bundle in let through: it would make the whole ledger one that does not
// verify, for ever.
func TestMadeUpHistoryDoesNotSpoilThisLog(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	b := gone(t, w, func(nexus.ID) {})
	usd := func(account ledger.AccountKind, minor int64) ledger.Balance {
		return ledger.Balance{Currency: "USD", Account: account, Minor: minor}
	}
	for name, c := range map[string]struct {
		kind     nexus.UnitKind
		percent  uint8
		balances []ledger.Balance
		note     func(string) string
		code     nexus.Code
	}{
		"another kind and rule": {kind: nexus.KindPlatform, percent: 80, code: nexus.CodeConflict},
		"no kind":               {kind: 77, percent: 55, code: nexus.CodeMalformed},
		"no account":            {balances: []ledger.Balance{usd(9, 5)}, code: nexus.CodeMalformed},
		"account zero":          {balances: []ledger.Balance{usd(0, 5)}, code: nexus.CodeMalformed},
		"an account twice": {balances: []ledger.Balance{usd(ledger.AccountCreator, 55), usd(ledger.AccountPlatform, 45),
			{Currency: "EUR", Account: ledger.AccountSource}, usd(ledger.AccountCreator, 0)}, code: nexus.CodeMalformed},
		"no currency":         {balances: []ledger.Balance{{Currency: "\x1b[2J", Account: ledger.AccountSource}}, code: nexus.CodeMalformed},
		"loose base64 beside": {note: func(s string) string { return s + "— somebody AAAAAAB=\n" }, code: nexus.CodeMalformed},
	} {
		bad := b
		bad.Evidence = madeUp(t, w.unit, w.eve.Public(), c.balances)
		if c.kind != 0 {
			bad.Evidence.Kind, bad.Evidence.Percent = c.kind, c.percent
		}
		if c.note != nil {
			bad.Evidence.Checkpoint = c.note(bad.Evidence.Checkpoint)
		}
		out := w.do(w.eve, state.KindUnitImport, nexus.ID{}, bad)
		if nexus.CodeOf(out.Err) != c.code || w.status() != state.StatusExited {
			t.Errorf("%s: %v, it is %s", name, out.Err, w.status())
		}
	}
	w.check()
	b.Evidence = madeUp(t, w.unit, w.eve.Public(), []ledger.Balance{usd(ledger.AccountCreator, 55), usd(ledger.AccountPlatform, 45)})
	w.must(w.eve, state.KindUnitImport, nexus.ID{}, b)
	w.check()
}

// madeUp is evidence from a log whose map of units has one unit with the balances given.
func madeUp(t *testing.T, unit nexus.ID, owner nexus.PublicKey, balances []ledger.Balance) ledger.ImportBody {
	t.Helper()
	key, cluster := signer(90), nexus.ID{0x99}
	u := ledger.UnitCommitment{Unit: unit, Seq: 1, Head: nexus.Hash{1}, Balances: balances}
	cp := ledger.Checkpoint{Cluster: cluster, Size: 1, Root: nexus.Hash{2}, Index: 1, Units: oneLeaf(u)}
	text, err := ledger.SignCheckpoint(key, cp.Origin(), cp)
	if err != nil {
		t.Fatal(err)
	}
	return ledger.ImportBody{Unit: unit, Origin: cluster, Key: key.Public(), Checkpoint: text, Owner: owner, Kind: nexus.KindIMVU, Percent: 55,
		Seq: u.Seq, Head: u.Head, Balances: balances, Manifest: nexus.Hash{9}}
}

// oneLeaf is the root of a map with one unit: its leaf (ledger/merkle).
func oneLeaf(u ledger.UnitCommitment) nexus.Hash {
	hash := u.Hash()
	return sha256.Sum256(append(append([]byte{2}, u.Unit[:]...), hash[:]...))
}

// A unit that goes to and fro is remembered for so many logs and no more; it stays with the owner's bundle then, and nothing is half done.
func TestImportsOfAUnitAreBounded(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	b := importOf(foreign(t, w.eve.Public(), 55, 45))
	const most = 64
	for i := range most + 1 {
		b.Evidence.Manifest = nexus.Hash{9, byte(i)}
		out := w.do(w.eve, state.KindUnitImport, nexus.ID{}, b)
		w.unit = b.Evidence.Unit
		if i == most {
			invalidFor(t, out, nexus.CodeConflict, "64 logs already")
			break
		}
		if !out.Receipt.Allowed || out.Err != nil {
			t.Fatalf("import %d: %+v, %v", i, out.Receipt, out.Err)
		}
		w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
		w.must(w.eve, state.KindExitComplete, w.unit, w.complete())
	}
	if n := len(w.a.ImportsOf(w.unit)); n != most || w.status() != state.StatusExited {
		t.Errorf("%d imports remembered, unit %s", n, w.status())
	}
	w.swap()
	w.check()
}
