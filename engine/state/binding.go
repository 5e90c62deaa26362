package state

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Bindings and attestations (SPEC section 3, Identity; docs/decisions/0045-two-signatures-of-a-binding.md). Both are a statement about an
// identity that somebody else signs, a key that its holder has beside it or another identity, and that takes effect by the
// identity's own signature on the action. So nobody says anything about another here against that other's will, and nobody claims a
// key that is not theirs. Statements of an identity are numbered: an old one is never brought again. A bound key signs nothing for the
// identity: it neither acts nor owns.

// Bounds of bindings.
const (
	maxBindings   = 64                  // standing at once, of one identity
	maxClaim      = 40                  // bytes
	maxBringMs    = 30 * 24 * 3_600_000 // how far ahead the last moment of bringing a statement may lie
	bindingDomain = "nexus-binding-v1\n"
)

// BindingStatement is the body of identity.bind and identity.attest. Signature is By's over SigningBytes; the action is signed by Subject.
type BindingStatement struct {
	Subject   nexus.PublicKey // the identity that it is about
	By        nexus.PublicKey // of identity.bind: the key that is bound; of identity.attest: the identity that attests
	Claim     string          // what the key is for, or what is attested: lower-case letters, digits and hyphens, 1 to 40
	Document  nexus.Hash      // SHA-256 of a document that says more; zero: none
	Number    uint64          // of the statements that Subject took, from 1
	BringMs   int64           // it may be brought before this moment, Unix milliseconds; at most 30 days ahead
	UntilMs   int64           // it holds before this moment, Unix milliseconds; 0: until it is ended
	Signature []byte
}

// SigningBytes are what By signs: the cluster, whether it attests, and the statement.
func (b BindingStatement) SigningBytes(cluster nexus.ID, attests bool) []byte {
	b.Signature = nil
	return nexus.AppendCanonical([]byte(bindingDomain), struct {
		Cluster   nexus.ID
		Attests   bool
		Statement BindingStatement
	}{cluster, attests, b})
}

// BindingEnd is the body of identity.unbind: the statement of that identity with that signer (and claim, of an attestation) ends.
// Signed by the identity, or by who signed the statement.
type BindingEnd struct {
	Subject nexus.PublicKey
	By      nexus.PublicKey
	Attests bool
	Claim   string // of an attestation; empty for a bound key
}

// BindingEntry is the body of a KindBinding entry, in the platform's chain.
type BindingEntry struct {
	Verb      string // "bound", "attested", "ended"
	Attests   bool
	Statement BindingStatement // as it was taken
	Actor     nexus.PublicKey  // who took or ended it
}

// Binding is a statement that was taken and not ended.
type Binding struct {
	Attests   bool
	Statement BindingStatement
	Index     uint64
	TimeMs    int64 // log time at which it was taken
}

// bindingBook is what one identity took: how many statements, and those not ended, oldest first.
type bindingBook struct {
	Subject  nexus.PublicKey
	Number   uint64
	Standing []Binding
}

// BindingsOf gives a copy of an identity's statements that were not ended, oldest first, and the number of its next one.
func (s *State) BindingsOf(subject nexus.PublicKey) (list []Binding, next uint64) {
	book := s.bindings[subject]
	if book == nil {
		return nil, 1
	}
	return append([]Binding(nil), book.Standing...), book.Number + 1
}

// Lapsed says why a statement that was not ended holds no more at a moment (Unix milliseconds); "" when it holds.
func (s *State) Lapsed(b *Binding, nowMs int64) string {
	subject, by := s.Identities[b.Statement.Subject], s.Identities[s.successorOf(b.Statement.By)]
	if subject != nil {
		subject = s.Identities[s.successorOf(subject.Key)]
	}
	switch {
	case b.Statement.UntilMs != 0 && nowMs >= b.Statement.UntilMs:
		return "its time is over"
	case subject == nil || subject.Revoked:
		return "the identity is revoked"
	case b.Attests && (by == nil || by.Revoked):
		return "the identity that attested is revoked"
	case !b.Attests && by != nil: // while it did not hold, the key could become one
		return "the key is an identity of its own"
	}
	return ""
}

// successorOf follows rotations and recoveries to the key in use now; a key without a successor is its own.
func (s *State) successorOf(key nexus.PublicKey) nexus.PublicKey {
	for id := s.Identities[key]; id != nil && !id.Successor.IsZero(); id = s.Identities[key] {
		key = id.Successor
	}
	return key
}

// boundTo gives the identity that a key is bound to, if that binding holds at nowMs.
func (s *State) boundTo(key nexus.PublicKey, nowMs int64) (nexus.PublicKey, bool) {
	subject, ok := s.bound[key]
	if !ok {
		return nexus.PublicKey{}, false
	}
	i := s.bindings[subject].find(key, false, "")
	return subject, s.Lapsed(&s.bindings[subject].Standing[i], nowMs) == ""
}

// find gives the place of a statement among those standing, -1 when it is not there. A key is bound once, whatever for; an
// identity attests each claim once.
func (book *bindingBook) find(by nexus.PublicKey, attests bool, claim string) int {
	if book == nil {
		return -1
	}
	for i := range book.Standing {
		b := &book.Standing[i]
		if b.Attests == attests && b.Statement.By == by && (!attests || b.Statement.Claim == claim) {
			return i
		}
	}
	return -1
}

// bindingTake prepares identity.bind and identity.attest.
func (st *step) bindingTake() error {
	var b BindingStatement
	if !st.body(&b) {
		return nil
	}
	s, a := st.s, &st.cmd.Action
	attests := a.Kind == KindIdentityAttest
	book := s.bindings[b.Subject]
	next := uint64(1)
	if book != nil {
		next = book.Number + 1
	}
	_, own := s.Identities[b.By]
	holder, held := s.boundTo(b.By, st.clock)
	by := s.Identities[b.By]
	st.facts.Binding = []gates.BindingFacts{{Subject: b.Subject, By: b.By, Attests: attests, BySubject: a.Actor == b.Subject,
		OwnWord: b.By == b.Subject, Signed: !weak(b.By) && b.By.Verify(b.SigningBytes(s.Cluster, attests), b.Signature),
		InTime: st.clock < b.BringMs, Next: b.Number == next, Held: !attests && (own || held && holder != b.Subject),
		AttesterStands: attests && by != nil && !by.Revoked}}
	what := fmt.Sprintf("statement %d about %s", b.Number, st.who(b.Subject))
	switch {
	case weak(b.By):
		st.fail(nexus.CodeMalformed, what, "an Ed25519 key made by nexus identity new or ssh-keygen", "key %s is a point of small order", b.By.Short())
	case !validClaim(b.Claim):
		st.fail(nexus.CodeMalformed, what, "1 to 40 lower-case letters, digits and hyphens, such as release-key", "claim %q", clipTo(b.Claim, 80))
	case b.BringMs > st.clock+maxBringMs || b.BringMs > maxTimeMs:
		st.fail(nexus.CodeMalformed, what, "at most 30 days ahead", "it could be brought until %d, now is %d (Unix milliseconds)", b.BringMs, st.clock)
	case b.UntilMs != 0 && (b.UntilMs <= st.clock || b.UntilMs > maxTimeMs):
		st.fail(nexus.CodeMalformed, what, "a moment to come, before the year 10000, or none", "it would hold until %d, now is %d (Unix milliseconds)",
			b.UntilMs, st.clock)
	case book.find(b.By, attests, b.Claim) < 0 && book != nil && len(book.Standing) >= maxBindings:
		st.fail(nexus.CodeConflict, what, "end one first (nexus identity unbind)", "%d statements stand already", len(book.Standing))
	}
	st.effect = func() { st.takeBinding(&b, attests) }
	return nil
}

// validClaim reports whether a claim is 1 to 40 lower-case letters, digits and hyphens.
func validClaim(claim string) bool {
	for _, r := range claim {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') {
			return false
		}
	}
	return claim != "" && len(claim) <= maxClaim
}

func (st *step) takeBinding(b *BindingStatement, attests bool) {
	s := st.s
	if !attests {
		s.dropBound(b.By) // one that lapsed, or this identity's own from before
	}
	book := s.bookOf(b.Subject)
	if i := book.find(b.By, attests, b.Claim); i >= 0 {
		book.Standing = append(book.Standing[:i:i], book.Standing[i+1:]...)
	}
	book.Number = b.Number
	book.Standing = append(book.Standing, Binding{Attests: attests, Statement: *b, Index: st.index, TimeMs: st.now})
	verb := "attested"
	if !attests {
		s.bound[b.By], verb = b.Subject, "bound"
	}
	st.draft(nexus.ID{}, ledger.KindBinding, BindingEntry{Verb: verb, Attests: attests, Statement: *b, Actor: st.cmd.Action.Actor})
	st.events = append(st.events, nexus.Event{Type: "identity." + verb, Index: st.index, MustDeliver: true})
}

// dropBound forgets a key's binding, whoever's it was.
func (s *State) dropBound(key nexus.PublicKey) {
	subject, ok := s.bound[key]
	if !ok {
		return
	}
	book := s.bindings[subject]
	i := book.find(key, false, "")
	book.Standing = append(book.Standing[:i:i], book.Standing[i+1:]...)
	delete(s.bound, key)
}

// bindingEnd prepares identity.unbind. A bound key is no identity of its own; it is known for this one act, so that whoever was
// talked into a binding, or finds the key lost to another, needs nobody's leave to end it.
func (st *step) bindingEnd() error {
	var b BindingEnd
	if !st.body(&b) {
		return nil
	}
	s, actor := st.s, st.cmd.Action.Actor
	book := s.bindings[b.Subject]
	at := book.find(b.By, b.Attests, b.Claim)
	byKey := at >= 0 && !b.Attests && actor == b.By
	byAttester := at >= 0 && b.Attests && actor == s.successorOf(b.By)
	st.facts.Identity.Known = st.facts.Identity.Known || byKey
	st.facts.Binding = []gates.BindingFacts{{Subject: b.Subject, By: b.By, Attests: b.Attests, Ends: true,
		ByParty: actor == b.Subject || byKey || byAttester}}
	if at < 0 {
		st.fail(nexus.CodeNotFound, fmt.Sprintf("statement of %s about %s", st.who(b.By), st.who(b.Subject)), "see nexus identity show",
			"none stands that was not ended")
	}
	st.effect = func() {
		ended := book.Standing[at]
		book.Standing = append(book.Standing[:at:at], book.Standing[at+1:]...)
		if !ended.Attests {
			delete(s.bound, b.By)
		}
		st.draft(nexus.ID{}, ledger.KindBinding, BindingEntry{Verb: "ended", Attests: b.Attests, Statement: ended.Statement, Actor: actor})
		if actor != b.Subject {
			what := fmt.Sprintf("key %s is bound to you no more", b.By.Short())
			if b.Attests {
				what = fmt.Sprintf("%s attests %q of you no more", s.nameOf(actor), b.Claim)
			}
			st.noticeTo(b.Subject, nexus.ID{}, "%s: who signed it ended it", what)
		}
		st.events = append(st.events, nexus.Event{Type: "identity.unbound", Index: st.index, MustDeliver: true})
	}
	return nil
}

// notBoundElsewhere holds a key that becomes an identity to being bound to none, or to the one that it follows.
func (st *step) notBoundElsewhere(key, but nexus.PublicKey) {
	if subject, held := st.s.boundTo(key, st.clock); held && subject != but {
		st.fail(nexus.CodeConflict, "identity key "+key.Short(), "use another key, or end the binding first (nexus identity unbind)",
			"is bound to identity %s", st.s.nameOf(subject))
	}
}

// moveBindings gives an identity's statements to its successor. A key that becomes the identity itself is no more bound to it.
func (s *State) moveBindings(from, to nexus.PublicKey) {
	s.dropBound(to)
	book := s.bindings[from]
	if book == nil {
		return
	}
	delete(s.bindings, from)
	book.Subject = to
	s.bindings[to] = book
	for i := range book.Standing {
		if b := &book.Standing[i]; !b.Attests {
			s.bound[b.Statement.By] = to
		}
	}
}

func (s *State) bookOf(subject nexus.PublicKey) *bindingBook {
	if s.bindings == nil {
		s.bindings, s.bound = map[nexus.PublicKey]*bindingBook{}, map[nexus.PublicKey]nexus.PublicKey{}
	}
	if s.bindings[subject] == nil {
		s.bindings[subject] = &bindingBook{Subject: subject}
	}
	return s.bindings[subject]
}

// bindingsPart saves the books by identity.
func bindingsPart() part {
	type picture struct{ Books []bindingBook }
	return part{name: "bindings", save: func(s *State) []byte {
		if len(s.bindings) == 0 {
			return nil
		}
		var p picture
		for _, key := range sortedPublic(s.bindings) {
			p.Books = append(p.Books, *s.bindings[key])
		}
		return nexus.Encode(p)
	}, load: func(s *State, data []byte) error {
		var p picture
		if err := nexus.Decode(data, &p); err != nil {
			return err
		}
		for i := range p.Books {
			book := s.bookOf(p.Books[i].Subject)
			*book = p.Books[i]
			for j := range book.Standing {
				if b := &book.Standing[j]; !b.Attests {
					s.bound[b.Statement.By] = book.Subject
				}
			}
		}
		return nil
	}}
}
