package state_test

import (
	"fmt"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// says makes by's signed statement about subject, the next of that identity unless change says otherwise.
func (w *house) says(by, subject nexus.KeySigner, attests bool, claim string, change ...func(*state.BindingStatement)) state.BindingStatement {
	w.t.Helper()
	_, next := w.a.BindingsOf(subject.Public())
	b := state.BindingStatement{Subject: subject.Public(), By: by.Public(), Claim: claim, Number: next, BringMs: w.now + 600_000}
	for _, f := range change {
		f(&b)
	}
	return w.signed(by, b, w.cluster, attests)
}

func (w *house) signed(by nexus.Signer, b state.BindingStatement, cluster nexus.ID, attests bool) state.BindingStatement {
	w.t.Helper()
	sig, err := by.Sign(b.SigningBytes(cluster, attests))
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	b.Signature = sig
	return b
}

func (w *house) ends(by nexus.PublicKey, attests bool, claim string) state.BindingEnd {
	return state.BindingEnd{Subject: w.eve.Public(), By: by, Attests: attests, Claim: claim}
}

// done holds the replicas, a restored one, a replay and the independent checker together.
func (w *house) done() {
	w.t.Helper()
	w.swap()
	w.check()
	w.replay()
	w.verified()
}

// standing lists what holds of an identity now: "release-key by 1a2b3c4d".
func (w *house) standing(subject nexus.PublicKey) (out []string) {
	list, _ := w.a.BindingsOf(subject)
	for i := range list {
		if w.a.Lapsed(&list[i], w.now) == "" {
			out = append(out, list[i].Statement.Claim+" by "+list[i].Statement.By.Short())
		}
	}
	return out
}

// A key is bound by two signatures, once, to one identity; an attestation likewise; whoever signed can end it.
func TestBindingTakesTwoSignatures(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	key := signer(80)
	out := w.must(w.eve, state.KindIdentityBind, nexus.ID{}, w.says(key, w.eve, false, "release-key"))
	list := entriesOf(t, out, ledger.KindBinding)
	if len(list) != 1 || !list[0].Unit.IsZero() {
		t.Fatalf("%d entries of a binding", len(list))
	}
	if body, ok := state.DescribeBody(ledger.KindBinding, list[0].Body).(*state.BindingEntry); !ok || body.Verb != "bound" || body.Actor != w.eve.Public() {
		t.Errorf("the entry reads as %+v", body)
	}
	w.must(w.eve, state.KindIdentityAttest, nexus.ID{}, w.says(w.operator, w.eve, true, "holder"))
	w.must(w.eve, state.KindIdentityAttest, nexus.ID{}, w.says(w.bob, w.eve, true, "holder"))
	want := []string{"release-key by " + key.Public().Short(), "holder by " + w.operator.Public().Short(), "holder by " + w.bob.Public().Short()}
	if got := w.standing(w.eve.Public()); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("standing %q, want %q", got, want)
	}
	w.must(w.eve, state.KindIdentityBind, nexus.ID{}, w.says(key, w.eve, false, "device")) // the same key for something else: in its place
	w.must(key, state.KindIdentityUnbind, nexus.ID{}, w.ends(key.Public(), false, ""))
	w.must(w.bob, state.KindIdentityUnbind, nexus.ID{}, w.ends(w.bob.Public(), true, "holder"))
	if box := w.a.InboxOf(w.eve.Public()); len(box.List) != 3 || !strings.Contains(box.List[2].Text, `bob attests "holder" of you no more`) {
		t.Errorf("notices %+v", box.List)
	}
	w.must(w.eve, state.KindIdentityUnbind, nexus.ID{}, w.ends(w.operator.Public(), true, "holder"))
	invalidFor(t, w.do(w.eve, state.KindIdentityUnbind, nexus.ID{}, w.ends(w.operator.Public(), true, "holder")), nexus.CodeNotFound, "none stands")
	if got := w.standing(w.eve.Public()); len(got) != 0 {
		t.Errorf("standing %q after all were ended", got)
	}
	if _, next := w.a.BindingsOf(w.eve.Public()); next != 5 {
		t.Errorf("the next statement is number %d, want 5: ends do not make old ones new", next)
	}
	w.done()
}

// Every way to a binding without both parties' word, in time, once, is refused by gate 1, and the refusal is an entry.
func TestBindingsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	key, stranger := signer(80), signer(81)
	bind, attest := state.KindIdentityBind, state.KindIdentityAttest
	old := w.says(key, w.eve, false, "release-key")
	stale := w.says(key, w.eve, false, "x", func(b *state.BindingStatement) { b.BringMs = w.now })
	last := w.says(key, w.eve, false, "x", func(b *state.BindingStatement) { b.BringMs = 10 * hourMs })
	skipped := w.says(key, w.eve, false, "k", func(b *state.BindingStatement) { b.Number = 2 })
	forged := w.says(stranger, w.eve, false, "release-key")
	forged.By = key.Public()
	changed := w.says(key, w.eve, false, "release-key")
	changed.Claim = "payout-key"
	unsigned := state.BindingStatement{Subject: w.eve.Public(), By: key.Public(), Claim: "k", Number: 1, BringMs: w.now + dayMs}
	other := w.signed(key, unsigned, nexus.ID{8}, false)
	for name, c := range map[string]struct {
		by   nexus.Signer
		kind string
		body state.BindingStatement
		want string
	}{
		"a key that did not sign":            {w.eve, bind, forged, "not signed by"},
		"words changed after the signature":  {w.eve, bind, changed, "not signed by"},
		"no signature":                       {w.eve, bind, unsigned, "not signed by"},
		"signed for another cluster":         {w.eve, bind, other, "not signed by"},
		"an attestation brought as a key":    {w.eve, bind, w.says(key, w.eve, true, "k"), "not signed by"},
		"brought by somebody else":           {w.bob, bind, old, "brings a statement about"},
		"brought by an operator":             {w.operator, attest, w.says(w.operator, w.eve, true, "holder"), "brings a statement about"},
		"one's own word":                     {w.eve, attest, w.says(w.eve, w.eve, true, "holder"), "nobody but the identity"},
		"too late":                           {w.eve, bind, stale, "time to bring"},
		"in the moment that ended it":        {w.eve, bind, last, "time to bring"},
		"another identity's key":             {w.eve, bind, w.says(w.bob, w.eve, false, "k"), "identity of its own"},
		"an attestation by nobody":           {w.eve, attest, w.says(stranger, w.eve, true, "holder"), "no identity in good order"},
		"a number that is not the next":      {w.eve, bind, skipped, "not the identity's next"},
		"the bound key as if it were eve":    {key, bind, old, "never issued"},
		"signed for herself, for an unknown": {stranger, bind, w.says(key, stranger, false, "k"), "never issued"},
	} {
		before := w.now
		if c.body.BringMs == last.BringMs {
			w.now = last.BringMs
		}
		out := w.do(c.by, c.kind, nexus.ID{}, c.body)
		w.now = before + 10
		refusedFor(t, out, 1, c.want)
		if t.Failed() {
			t.Fatalf("%s", name)
		}
	}
	w.must(w.eve, bind, nexus.ID{}, old)
	refusedFor(t, w.do(w.eve, bind, nexus.ID{}, old), 1, "not the identity's next") // replayed under a new action id
	w.must(w.eve, state.KindIdentityUnbind, nexus.ID{}, w.ends(key.Public(), false, ""))
	refusedFor(t, w.do(w.eve, bind, nexus.ID{}, old), 1, "not the identity's next") // and after its end
	w.must(w.eve, bind, nexus.ID{}, w.says(key, w.eve, false, "release-key"))
	refusedFor(t, w.do(w.bob, bind, nexus.ID{}, w.says(key, w.bob, false, "release-key")), 1, "bound to another") // though the key itself signs
	refusedFor(t, w.do(stranger, state.KindIdentityUnbind, nexus.ID{}, w.ends(key.Public(), false, "")), 1, "never issued")
	for name, s := range map[string]nexus.Signer{"bob": w.bob, "an operator": w.operator, "the platform": w.world.platform} {
		out := w.do(s, state.KindIdentityUnbind, nexus.ID{}, w.ends(key.Public(), false, ""))
		if out.Receipt.Allowed {
			t.Errorf("%s ended a binding of others", name)
		}
		refusedFor(t, out, 1, "neither took")
	}
	w.done()
}

// A bound key neither acts for the identity nor becomes another one; it may become that identity's own next key.
func TestBoundKeysAreNoIdentities(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	key := signer(80)
	w.must(w.eve, state.KindIdentityBind, nexus.ID{}, w.says(key, w.eve, false, "device"))
	w.must(w.eve, state.KindIdentityAttest, nexus.ID{}, w.says(w.bob, w.eve, true, "holder"))
	bigger := state.UnitScale{CPUMilli: 2000, MemoryBytes: 4 << 30, StorageBytes: 50 << 30, Processes: 512}
	refusedFor(t, w.do(key, state.KindUnitScale, w.unit, bigger), 1, "never issued")
	for name, out := range map[string]*state.Outcome{
		"issued by an operator": w.do(w.operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "mallory", Key: key.Public(), Role: 2}),
		"issued by itself":      w.do(key, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "mallory", Key: key.Public(), Role: 2}),
		"another's successor":   w.do(w.bob, state.KindIdentityRotate, nexus.ID{}, state.IdentityChange{Old: w.bob.Public(), New: key.Public()}),
		"a source":              w.do(w.operator, state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "s", Class: 2, Key: key.Public()}),
		"a node":                w.do(w.operator, state.KindNodeAdmit, nexus.ID{}, state.NodeAdmit{Name: "n2", Key: key.Public()}),
		"the owner of a unit":   w.do(w.operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "M", OwnerName: "mallory", OwnerKey: key.Public()}),
	} {
		invalidFor(t, out, nexus.CodeConflict, "is bound to identity eve")
		if t.Failed() {
			t.Fatalf("%s", name)
		}
	}
	w.must(w.eve, state.KindIdentityRotate, nexus.ID{}, state.IdentityChange{Old: w.eve.Public(), New: key.Public()})
	list, next := w.a.BindingsOf(key.Public())
	if len(list) != 1 || !list[0].Attests || next != 3 || w.a.Lapsed(&list[0], w.now) != "" {
		t.Errorf("after the rotation %+v, next %d: the attestation goes with the identity, the binding of the key to itself ends", list, next)
	}
	if list, _ := w.a.BindingsOf(w.eve.Public()); len(list) != 0 {
		t.Errorf("the old key keeps %d statements", len(list))
	}
	w.must(w.bob, state.KindIdentityRotate, nexus.ID{}, state.IdentityChange{Old: w.bob.Public(), New: signer(82).Public()})
	if got := w.standing(key.Public()); len(got) != 1 {
		t.Errorf("standing %q after the attester's rotation", got)
	}
	w.must(signer(82), state.KindIdentityUnbind, nexus.ID{}, state.BindingEnd{Subject: key.Public(), By: w.bob.Public(), Attests: true, Claim: "holder"})
	w.done()
}

// A statement lapses with its time, with its identity and with who attested; a key is then free for another.
func TestBindingsLapse(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	key, bind, until := signer(80), state.KindIdentityBind, w.now+dayMs
	w.must(w.eve, bind, nexus.ID{}, w.says(key, w.eve, false, "device", func(b *state.BindingStatement) { b.UntilMs = until }))
	w.must(w.eve, state.KindIdentityAttest, nexus.ID{}, w.says(w.bob, w.eve, true, "holder"))
	w.must(w.bob, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: w.bob.Public()})
	if got := w.standing(w.eve.Public()); len(got) != 1 {
		t.Errorf("standing %q after the attester's revocation", got)
	}
	refusedFor(t, w.do(w.eve, state.KindIdentityAttest, nexus.ID{}, w.says(w.bob, w.eve, true, "holder")), 1, "no identity in good order")
	w.now = until - 1
	refusedFor(t, w.do(w.carl, bind, nexus.ID{}, w.says(key, w.carl, false, "device")), 1, "bound to another") // the last moment
	w.now = until
	w.must(w.carl, bind, nexus.ID{}, w.says(key, w.carl, false, "device"))
	if list, _ := w.a.BindingsOf(w.eve.Public()); len(list) != 1 || !list[0].Attests {
		t.Errorf("eve keeps %+v of a key that is another's now", list)
	}
	w.must(w.carl, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: w.carl.Public()})
	if got := w.standing(w.carl.Public()); len(got) != 0 {
		t.Errorf("standing %q of a revoked identity", got)
	}
	w.must(w.operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "kim", Key: key.Public(), Role: 2})
	w.done()
}

// What a statement says is held to its form, and their number to a bound.
func TestBindingForms(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	key, bind := signer(80), state.KindIdentityBind
	for want, change := range map[string]func(*state.BindingStatement){
		`claim ""`:        func(b *state.BindingStatement) { b.Claim = "" },
		`claim "Release"`: func(b *state.BindingStatement) { b.Claim = "Release" },
		`claim "a b"`:     func(b *state.BindingStatement) { b.Claim = "a b" },
		`claim "aaaa`:     func(b *state.BindingStatement) { b.Claim = strings.Repeat("a", 41) },
		"be brought":      func(b *state.BindingStatement) { b.BringMs = w.now + 31*dayMs },
		"would hold":      func(b *state.BindingStatement) { b.UntilMs = w.now - 1 },
		"would hold ":     func(b *state.BindingStatement) { b.UntilMs = -1 },
	} {
		invalidFor(t, w.do(w.eve, bind, nexus.ID{}, w.says(key, w.eve, false, "k", change)), nexus.CodeMalformed, want)
	}
	weak := state.BindingStatement{Subject: w.eve.Public(), By: nexus.PublicKey{1}, Claim: "k", Number: 1, BringMs: w.now + dayMs, Signature: make([]byte, 64)}
	weak.Signature[0] = 1
	refusedFor(t, w.do(w.eve, bind, nexus.ID{}, weak), 1, "not signed by") // a point of small order, for which anybody signs
	for i := range 64 {
		w.must(w.eve, state.KindIdentityAttest, nexus.ID{}, w.says(w.bob, w.eve, true, fmt.Sprintf("claim-%d", i)))
	}
	invalidFor(t, w.do(w.eve, bind, nexus.ID{}, w.says(key, w.eve, false, "k")), nexus.CodeConflict, "64 statements")
	w.must(w.eve, state.KindIdentityAttest, nexus.ID{}, w.says(w.bob, w.eve, true, "claim-7")) // one in the place of another
	w.done()
}

// The independent checker sees a binding that was written without its signatures, twice, or by another.
func TestVerifyHoldsBindings(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	key := signer(80)
	good := w.says(key, w.eve, false, "release-key")
	second := w.says(key, w.eve, false, "again", func(b *state.BindingStatement) { b.Number = 2 })
	forged := good
	forged.Claim = "payout-key"
	foreign := w.signed(key, good, nexus.ID{9}, false)
	nothing := w.signed(key, state.BindingStatement{Subject: w.eve.Public(), By: key.Public(), Number: 1}, w.cluster, false)
	entry := func(verb string, attests bool, s state.BindingStatement, actor nexus.Signer) state.BindingEntry {
		return state.BindingEntry{Verb: verb, Attests: attests, Statement: s, Actor: actor.Public()}
	}
	for name, c := range map[string]struct {
		unit nexus.ID
		want string
		list []state.BindingEntry
	}{
		"right": {nexus.ID{}, "", []state.BindingEntry{entry("bound", false, good, w.eve), entry("bound", false, second, w.eve),
			entry("ended", false, good, key)}},
		"forged":             {nexus.ID{}, "did not sign", []state.BindingEntry{entry("bound", false, forged, w.eve)}},
		"key as attestation": {nexus.ID{}, "did not sign", []state.BindingEntry{entry("attested", true, good, w.eve)}},
		"taken by another":   {nexus.ID{}, "was taken by", []state.BindingEntry{entry("bound", false, good, w.bob)}},
		"twice":              {nexus.ID{}, "brought before", []state.BindingEntry{entry("bound", false, good, w.eve), entry("bound", false, good, w.eve)}},
		"older after newer":  {nexus.ID{}, "brought before", []state.BindingEntry{entry("bound", false, second, w.eve), entry("bound", false, good, w.eve)}},
		"ended, never taken": {nexus.ID{}, "does not stand", []state.BindingEntry{entry("ended", false, good, w.eve)}},
		"ended twice": {nexus.ID{}, "does not stand", []state.BindingEntry{entry("bound", false, good, w.eve), entry("ended", false, good, w.eve),
			entry("ended", false, good, w.eve)}},
		"nothing that is":     {nexus.ID{}, "nothing that becomes", []state.BindingEntry{entry("attested", false, good, w.eve)}},
		"in a unit's chain":   {w.unit, "chain of a unit", []state.BindingEntry{entry("bound", false, good, w.eve)}},
		"of another cluster":  {nexus.ID{}, "did not sign", []state.BindingEntry{entry("bound", false, foreign, w.eve)}},
		"a statement for ill": {nexus.ID{}, "for nothing", []state.BindingEntry{entry("bound", false, nothing, w.eve)}},
	} {
		found := withEntries(t, w, c.unit, c.list)
		if got := strings.Join(found, "; "); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: found %q, want %q", name, got, c.want)
		}
	}
}

// withEntries puts a record with bindings after the log and gives what the checker says of it.
func withEntries(t *testing.T, w *house, unit nexus.ID, list []state.BindingEntry) []string {
	t.Helper()
	chain, err := ledger.RestoreChain(w.a.Chain.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := chain.RestoreBalances(w.a.Chain.Balances()); err != nil {
		t.Fatal(err)
	}
	drafts := []ledger.Draft{{Kind: ledger.KindDecision, Body: nexus.Encode(state.DecisionBody{Decision: gates.Decision{Allow: true}})}}
	for _, e := range list {
		drafts = append(drafts, ledger.Draft{Unit: unit, Kind: ledger.KindBinding, Body: nexus.Encode(e)})
	}
	first := chain.Size()
	entries, _ := chain.Append(w.index+1, w.now+1000, [16]byte{1}, drafts)
	rec := ledger.Record{Index: w.index + 1, Term: 1, TimeMs: w.now + 1000, Salt: [16]byte{1}, FirstSeq: first, Entries: entries, Root: chain.Root()}
	return findings(t, append(append([][]byte(nil), w.records...), rec.Encode()))
}

// A bound key stays bound after a restart, and to whom the identity became by a rotation, after another restart too.
func TestABoundKeyStaysBound(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	key, bind := signer(80), state.KindIdentityBind
	w.must(w.eve, bind, nexus.ID{}, w.says(key, w.eve, false, "release-key"))
	taken := func(when string) {
		t.Helper()
		refusedFor(t, w.do(w.bob, bind, nexus.ID{}, w.says(key, w.bob, false, "mine")), 1, "bound to another")
		issue := state.IdentityIssue{Name: "key", Key: key.Public(), Role: uint8(gates.RoleCreator)}
		invalidFor(t, w.do(key, state.KindIdentityIssue, nexus.ID{}, issue), nexus.CodeConflict, "is bound to identity")
		if t.Failed() {
			t.Fatal(when)
		}
	}
	w.swap()
	taken("after a restart")
	w.rotate(w.eve, w.next)
	taken("after a rotation")
	w.swap()
	taken("after a rotation and a restart")
	w.must(w.next, bind, nexus.ID{}, w.says(key, w.next, false, "release-key")) // the successor's own from before
	end := w.ends(key.Public(), false, "")
	end.Subject = w.next.Public()
	w.must(key, state.KindIdentityUnbind, nexus.ID{}, end)
	w.must(w.bob, bind, nexus.ID{}, w.says(key, w.bob, false, "mine"))
	w.done()
}
