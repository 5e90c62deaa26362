package state_test

import (
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// next is a person's next statement to a unit, signed by the person when sign is given.
func (w *court) next(person nexus.PublicKey, unit nexus.ID, purpose string, given bool, sign nexus.Signer) state.ConsentStatement {
	w.t.Helper()
	h := w.a.ConsentsOf(person)
	c := state.ConsentStatement{Subject: person, Purpose: purpose, Seq: h.Seq + 1, Prev: h.Head}
	if sign != nil {
		sig, err := sign.Sign(c.SigningBytes(w.cluster, unit, given))
		if err != nil {
			w.t.Fatalf("%v", err)
		}
		c.Signature = sig
	}
	return c
}

func (w *court) use(by nexus.Signer, person nexus.PublicKey, purpose string) *state.Outcome {
	return w.do(by, state.KindConsentUse, w.imvu, state.ConsentUse{Subject: person, Purpose: purpose})
}

func TestConsentIsThePersonsOwnWord(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	person := signer(70) // no identity here
	key := person.Public()
	refusedFor(t, w.use(w.ada, key, "news"), 10, "no standing consent")
	// Nobody speaks for the person: not the owner, not an operator, not another person's signature.
	refusedFor(t, w.do(w.ada, state.KindConsentGive, w.imvu, w.next(key, w.imvu, "news", true, nil)), 10, "signed by somebody other")
	refusedFor(t, w.do(w.operator, state.KindConsentGive, w.imvu, w.next(key, w.imvu, "news", true, w.operator)), 10, "signed by somebody other")
	refusedFor(t, w.do(w.ada, state.KindConsentGive, w.imvu, w.next(key, w.imvu, "", true, person)), 10, "no purpose")
	said := w.next(key, w.imvu, "news", true, person)
	// A signed statement serves for its unit, its purpose and its word alone.
	refusedFor(t, w.do(w.ada, state.KindConsentWithdraw, w.imvu, said), 10, "signed by somebody other")
	changed := said
	changed.Purpose = "profiling"
	refusedFor(t, w.do(w.ada, state.KindConsentGive, w.imvu, changed), 10, "signed by somebody other")
	if out := w.do(w.bob, state.KindConsentGive, w.imvu, said); out.Receipt.Allowed {
		t.Error("a stranger brought a statement")
	}
	w.must(w.ada, state.KindConsentGive, w.imvu, said)
	w.must(w.ada, state.KindConsentUse, w.imvu, state.ConsentUse{Subject: key, Purpose: "news", What: "issue 1"})
	refusedFor(t, w.use(w.ada, key, "profiling"), 10, "no standing consent")
	refusedFor(t, w.use(w.operator, key, "news"), 16, "without a right there")
	w.swap()
	w.must(w.ada, state.KindConsentWithdraw, w.imvu, w.next(key, w.imvu, "news", false, person))
	refusedFor(t, w.use(w.ada, key, "news"), 10, "no standing consent")
	// What was said before the withdrawal cannot be said again by somebody who kept it.
	invalidFor(t, w.do(w.ada, state.KindConsentGive, w.imvu, said), nexus.CodeConflict, "the next is 3")
	h := w.a.ConsentsOf(key)
	if h.Seq != 2 || len(h.Standing) != 1 || h.Standing[0].Given {
		t.Errorf("history %+v", h)
	}
	w.swap()
	w.check()
}

func TestConsentHistoryIsOrdered(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	// An identity signs the action itself.
	w.must(w.bob, state.KindConsentGive, w.imvu, w.next(w.bob.Public(), w.imvu, "a", true, nil))
	first := w.next(w.bob.Public(), w.imvu, "b", true, w.bob)
	second := first
	second.Seq, second.Prev = first.Seq+1, state.ConsentHash(first, w.cluster, w.imvu, true)
	second.Signature, _ = w.bob.Sign(second.SigningBytes(w.cluster, w.imvu, true))
	invalidFor(t, w.do(w.ada, state.KindConsentGive, w.imvu, second), nexus.CodeConflict, "the next is 2")
	w.must(w.ada, state.KindConsentGive, w.imvu, first)
	w.must(w.ada, state.KindConsentGive, w.imvu, second)
	invalidFor(t, w.do(w.bob, state.KindConsentWithdraw, w.imvu, w.next(w.bob.Public(), w.imvu, "never given", false, nil)), nexus.CodeConflict,
		"nothing stands")
	var weak nexus.PublicKey
	weak[0] = 1 // the neutral point: signatures of anybody verify under it in some implementations
	forged := state.ConsentStatement{Subject: weak, Purpose: "a", Seq: 1, Signature: make([]byte, 64)}
	if out := w.do(w.ada, state.KindConsentGive, w.imvu, forged); out.Receipt.Allowed {
		t.Error("a point of small order is a person")
	}
	w.swap()
	w.check()
}
