package state_test

import (
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// sealed seals words for a person under a key that only this test knows.
func (w *world) sealed(person nexus.PublicKey, unit nexus.ID, field personal.Field, words string) string {
	w.t.Helper()
	k := &personal.Key{Subject: person, Number: w.a.KeyNumber(person), Secret: [32]byte{9}}
	token, err := personal.Seal(k, w.cluster, unit, field, words, nil)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return token.String()
}

func (w *world) eraseRequest(person nexus.PublicKey, number uint32, sign nexus.Signer) state.IdentityErase {
	w.t.Helper()
	b := state.IdentityErase{Subject: person, Number: number}
	if sign != nil {
		sig, err := sign.Sign(b.SigningBytes(w.cluster))
		if err != nil {
			w.t.Fatalf("%v", err)
		}
		b.Signature = sig
	}
	return b
}

// Only the person's own word counts, each request once, whoever brings it; and nobody has to agree.
func TestErasureIsThePersonsOwnWord(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	ada, erase := w.ada.Public(), state.KindIdentityErase
	for name, s := range map[string]nexus.Signer{"an operator": w.operator, "the platform": w.world.platform, "a node": w.node, "a stranger": w.bob} {
		out := w.do(s, erase, nexus.ID{}, w.eraseRequest(ada, 0, nil))
		if out.Receipt.Allowed {
			t.Errorf("%s asked for another", name)
		}
		refusedFor(t, out, 10, "signed by somebody other")
		refusedFor(t, w.do(s, erase, nexus.ID{}, w.eraseRequest(ada, 0, s)), 10, "signed by somebody other")
	}
	invalidFor(t, w.do(w.ada, erase, nexus.ID{}, w.eraseRequest(ada, 1, nil)), nexus.CodeConflict, "erased 0 times")
	unknown := signer(77)
	invalidFor(t, w.do(w.bob, erase, nexus.ID{}, w.eraseRequest(unknown.Public(), 0, unknown)), nexus.CodeNotFound, "nothing is recorded")
	brought := w.eraseRequest(ada, 0, w.ada)
	changed := brought
	changed.Number = 1
	refusedFor(t, w.do(w.bob, erase, nexus.ID{}, changed), 10, "signed by somebody other")
	w.must(w.bob, erase, nexus.ID{}, brought) // anybody brings it: no platform stands between
	w.swap()
	invalidFor(t, w.do(w.operator, erase, nexus.ID{}, brought), nexus.CodeConflict, "erased 1 times") // and nobody brings it twice
	w.must(w.ada, erase, nexus.ID{}, w.eraseRequest(ada, 1, nil))
	if e := w.a.ErasureOf(ada); e.Count != 2 || e.Index != w.index {
		t.Errorf("%+v", e)
	}
	w.swap()
	w.check()
	w.replay()
}

// Whoever takes a key out of use cannot refuse its holder the erasure by that; a key that its holder revoked does nothing any more,
// and its successor speaks for what the earlier key said.
func TestErasureWithoutALivingKey(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	for w.a.Rules < state.RulesMax {
		w.must(w.node, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: w.a.Rules + 1})
	}
	revoke := func(by, key nexus.Signer) {
		w.must(by, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: key.Public(), Reason: "test"})
	}
	revoke(w.operator, w.bob)
	w.must(w.bob, state.KindIdentityErase, nexus.ID{}, w.eraseRequest(w.bob.Public(), 0, nil))
	w.must(w.carl, state.KindIdentityErase, nexus.ID{}, w.eraseRequest(w.bob.Public(), 1, w.bob))
	revoke(w.carl, w.carl)
	if out := w.do(w.carl, state.KindIdentityErase, nexus.ID{}, w.eraseRequest(w.carl.Public(), 0, nil)); out.Receipt.Allowed {
		t.Error("a key that its holder revoked erases")
	}
	refusedFor(t, w.do(w.operator, state.KindIdentityErase, nexus.ID{}, w.eraseRequest(w.carl.Public(), 0, w.carl)), 10, "signed by somebody other")

	next := signer(88)
	old := w.ada.Public()
	w.must(w.ada, state.KindIdentityRotate, nexus.ID{}, state.IdentityChange{Old: old, New: next.Public()})
	refusedFor(t, w.do(w.operator, state.KindIdentityErase, nexus.ID{}, w.eraseRequest(old, 0, w.ada)), 10, "signed by somebody other")
	out := w.must(next, state.KindIdentityErase, nexus.ID{}, w.eraseRequest(next.Public(), 0, nil))
	if w.a.KeyNumber(old) != 1 || w.a.KeyNumber(next.Public()) != 1 || w.a.KeyNumber(w.operator.Public()) != 0 {
		t.Errorf("erased: old key %d, new key %d", w.a.KeyNumber(old), w.a.KeyNumber(next.Public()))
	}
	entry := entriesOf(t, out, ledger.KindErasure)
	body, ok := state.DescribeBody(ledger.KindErasure, entry[0].Body).(*state.ErasureEntry)
	if !ok || body.Verb != "asked" || len(body.Keys) != 2 || body.By != next.Public() {
		t.Errorf("entry %+v", body)
	}
	w.swap()
	w.check()
	w.replay()
	w.verified()
}

// A person who is no identity may ask by the own key, having given a consent; what stood under it ends.
func TestErasureEndsConsents(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	person := signer(70)
	key := person.Public()
	purpose := w.sealed(key, w.imvu, personal.FieldPurpose, "newsletter of the shop")
	w.must(w.ada, state.KindConsentGive, w.imvu, w.next(key, w.imvu, purpose, true, person))
	w.must(w.ada, state.KindConsentGive, w.imvu, w.next(key, w.imvu, "as before", true, person))
	if out := w.use(w.ada, key, purpose); !out.Receipt.Allowed {
		t.Fatal(out.Receipt)
	}
	head := w.a.ConsentsOf(key)
	before := len(w.a.InboxOf(w.ada.Public()).List)
	out := w.must(person, state.KindIdentityErase, nexus.ID{}, w.eraseRequest(key, 0, nil))
	refusedFor(t, w.use(w.ada, key, "as before"), 10, "no standing consent")
	refusedFor(t, w.use(w.ada, key, purpose), 10, "no standing consent")
	invalidFor(t, w.do(w.ada, state.KindConsentGive, w.imvu, w.next(key, w.imvu, purpose, true, person)), nexus.CodeConflict, "a key that was erased")
	h := w.a.ConsentsOf(key)
	if h.Seq != head.Seq || h.Head != head.Head || len(h.Standing) != 1 || h.Standing[0].Given || h.Standing[0].Purpose != "as before" {
		t.Errorf("history %+v", h)
	}
	entries := entriesOf(t, out, ledger.KindErasure)
	body, _ := state.DescribeBody(ledger.KindErasure, entries[0].Body).(*state.ErasureEntry)
	if body == nil || body.Consents != 2 {
		t.Errorf("entry %+v", body)
	}
	box := w.a.InboxOf(w.ada.Public()).List
	if len(box) != before+1 || !strings.Contains(box[len(box)-1].Text, "erased their words") {
		t.Errorf("the owner was told %d times", len(box)-before)
	}
	again := w.sealed(key, w.imvu, personal.FieldPurpose, "newsletter of the shop")
	if again == purpose {
		t.Fatal("the number of the key is not sealed with")
	}
	w.must(w.ada, state.KindConsentGive, w.imvu, w.next(key, w.imvu, again, true, person))
	w.swap()
	w.check()
	w.replay()
}

// A payout's destination goes with its key: the terms end, money stays where it is, and nothing opens by itself to nowhere.
func TestErasureEndsTermsOfPayouts(t *testing.T) {
	t.Parallel()
	w, unit := moneyStory(t)
	bob := signer(32)
	to := w.sealed(bob.Public(), unit, personal.FieldDestination, strings.Repeat("d", 256))
	if len(to) <= 256 {
		t.Fatal("the bound on plain text is not passed by this")
	}
	set := func() *state.Outcome {
		return w.do(bob, state.KindPayoutSet, unit, state.PayoutSet{Period: 1, Schedule: state.ScheduleDaily, Destination: to})
	}
	set()
	if terms := w.a.TermsOf(unit, 1); terms == nil || terms.Destination != to {
		t.Fatal(terms)
	}
	long := state.PayoutSet{Period: 1, Destination: w.sealed(bob.Public(), unit, personal.FieldDestination, strings.Repeat("d", 300))}
	invalidFor(t, w.do(bob, state.KindPayoutSet, unit, long), nexus.CodeMalformed, "out of range")
	told := w.a.InboxOf(bob.Public()).List
	if last := told[len(told)-1].Text; !strings.Contains(last, to) {
		t.Errorf("the notice holds the sealed text in part, of no use: %q", last)
	}
	owed := w.a.OwedIn(unit, 1, "USD")
	w.must(bob, state.KindIdentityErase, nexus.ID{}, w.eraseRequest(bob.Public(), 0, nil))
	if terms := w.a.TermsOf(unit, 1); terms != nil {
		t.Errorf("terms %+v", terms)
	}
	if now := w.a.OwedIn(unit, 1, "USD"); now != owed {
		t.Errorf("owed %+v, before %+v", now, owed)
	}
	invalidFor(t, set(), nexus.CodeConflict, "a key that was erased")
	w.swap()
	w.check()
	w.checkOwners()
	w.verified()
	w.replay()
}

// A destruction is stated by the node that did it, once, for what was asked.
func TestDestructionIsTheNodesOwnWord(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	ada := w.ada.Public()
	done := func(number uint32) state.IdentityErased {
		return state.IdentityErased{Keys: []state.ErasedKey{{Subject: ada, Number: number}}, Files: 1}
	}
	invalidFor(t, w.do(w.node, state.KindIdentityErased, nexus.ID{}, done(0)), nexus.CodeConflict, "erased 0 times")
	invalidFor(t, w.do(w.node, state.KindIdentityErased, nexus.ID{}, done(1)), nexus.CodeConflict, "erased 0 times")
	w.must(w.ada, state.KindIdentityErase, nexus.ID{}, w.eraseRequest(ada, 0, nil))
	asked := w.a.ErasureOf(ada)
	if n, late := w.a.Overdue(&asked, asked.TimeMs+state.ErasePatienceMs-1); late {
		t.Errorf("overdue at once: %+v", n)
	}
	if n, late := w.a.Overdue(&asked, asked.TimeMs+state.ErasePatienceMs); !late || n.Key != w.node.Public() {
		t.Error("never overdue")
	}
	refusedFor(t, w.do(w.operator, state.KindIdentityErased, nexus.ID{}, done(1)), 1, "")
	refusedFor(t, w.do(w.ada, state.KindIdentityErased, nexus.ID{}, done(1)), 1, "")
	invalidFor(t, w.do(w.node, state.KindIdentityErased, nexus.ID{}, state.IdentityErased{}), nexus.CodeMalformed, "0 keys")
	w.must(w.node, state.KindIdentityErased, nexus.ID{}, done(1))
	invalidFor(t, w.do(w.node, state.KindIdentityErased, nexus.ID{}, done(1)), nexus.CodeConflict, "stated before")
	e := w.a.ErasureOf(ada)
	if _, late := w.a.Overdue(&e, e.TimeMs+2*state.ErasePatienceMs); late || !e.DestroyedBy(w.node.Public()) {
		t.Errorf("%+v, overdue %v", e, late)
	}
	w.must(w.ada, state.KindIdentityErase, nexus.ID{}, w.eraseRequest(ada, 1, nil))
	if e := w.a.ErasureOf(ada); e.DestroyedBy(w.node.Public()) {
		t.Error("the second erasure counts as carried out by the first")
	}
	w.swap()
	w.check()
	w.replay()
}

// Who may read a sealed text is decided by the text itself.
func TestWhoMayReadPersonalTexts(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	token := func(person nexus.PublicKey, field personal.Field) *personal.Token {
		x, err := personal.Parse(w.sealed(person, w.imvu, field, "words"))
		if err != nil {
			t.Fatal(err)
		}
		return &x
	}
	bob, ada := w.bob.Public(), w.ada.Public()
	for _, c := range []struct {
		what   string
		reader nexus.PublicKey
		text   *personal.Token
		may    bool
	}{
		{"the person", bob, token(bob, personal.FieldReason), true},
		{"an operator", w.operator.Public(), token(bob, personal.FieldReason), true},
		{"the owner of the unit", ada, token(bob, personal.FieldReason), false},
		{"the owner of the unit, a consent's purpose", ada, token(bob, personal.FieldPurpose), true},
		{"the owner of the unit, a consent's use", ada, token(bob, personal.FieldUse), true},
		{"another creator, a consent's purpose", w.carl.Public(), token(bob, personal.FieldPurpose), false},
		{"nobody", nexus.PublicKey{}, token(bob, personal.FieldPurpose), false},
	} {
		if got := w.a.MayReadPersonal(c.reader, c.text); got != c.may {
			t.Errorf("%s: may read %v", c.what, got)
		}
	}
	next := signer(89)
	w.must(w.bob, state.KindIdentityRotate, nexus.ID{}, state.IdentityChange{Old: bob, New: next.Public()})
	if !w.a.MayReadPersonal(next.Public(), token(bob, personal.FieldReason)) {
		t.Error("a successor does not read what the earlier key said")
	}
}
