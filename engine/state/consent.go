package state

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Consent (SPEC section 1, gate 10). A person is a key of their own, under which nothing else is known here. What they say is a
// statement with a number and the hash of the one before, so the history of a person is complete and ordered by its own form:
// a statement left out, put twice or out of order does not fit. A statement counts only with the person's own signature; a unit
// may bring it, but not make it.

// Bounds of consent. Memory of one person; all statements stand in the ledger.
const (
	maxConsentPurpose  = 80  // bytes
	maxConsentStanding = 256 // pairs of unit and purpose of one person
	consentDomain      = "nexus-consent-v1\n"
)

// ConsentStatement is the body of consent.give and consent.withdraw; the kind and the unit are the action's. Signature is
// the person's over SigningBytes; empty when the person signs the action itself.
type ConsentStatement struct {
	Subject   nexus.PublicKey
	Purpose   string     // what for: "newsletter"
	Text      nexus.Hash // SHA-256 of the words that the person was shown; zero: none
	Seq       uint64     // of the person's statements, from 1
	Prev      nexus.Hash // ConsentHash of the statement before; zero for the first
	Signature []byte
}

// SigningBytes are what the person signs: the cluster, the unit, whether it is given, and the statement.
func (c ConsentStatement) SigningBytes(cluster, unit nexus.ID, given bool) []byte {
	c.Signature = nil
	return nexus.AppendCanonical([]byte(consentDomain), struct {
		Cluster   nexus.ID
		Unit      nexus.ID
		Given     bool
		Statement ConsentStatement
	}{cluster, unit, given, c})
}

// ConsentHash is the hash that the person's next statement carries.
func ConsentHash(c ConsentStatement, cluster, unit nexus.ID, given bool) nexus.Hash {
	return sha256.Sum256(c.SigningBytes(cluster, unit, given))
}

// ConsentUse is the body of consent.use: a unit, or a node for it, is about to process what is a person's for a purpose. Gate
// 10 refuses it without a standing consent.
type ConsentUse struct {
	Subject nexus.PublicKey
	Purpose string
	What    string // for the record
}

// ConsentEntry is the body of consent entries, in the chain of the unit.
type ConsentEntry struct {
	Verb      string // "given", "withdrawn", "used"
	Unit      nexus.ID
	Statement ConsentStatement // of a use: subject and purpose only
	By        nexus.PublicKey  // who brought it
	What      string
}

// Consent is what stands between a person and a unit for one purpose.
type Consent struct {
	Unit    nexus.ID
	Purpose string
	Given   bool
	Seq     uint64 // of the statement that says so
	TimeMs  int64  // log time
	Index   uint64
	Text    nexus.Hash
	Uses    uint64 // since it was given
}

// ConsentHistory is one person's: how many statements, the hash of the newest, and what stands.
type ConsentHistory struct {
	Subject  nexus.PublicKey
	Seq      uint64
	Head     nexus.Hash
	Standing []Consent // as first given
}

func (h *ConsentHistory) find(unit nexus.ID, purpose string) *Consent {
	for i := range h.Standing {
		if c := &h.Standing[i]; c.Unit == unit && c.Purpose == purpose {
			return c
		}
	}
	return nil
}

// ConsentsOf gives a copy of a person's history in force; the zero history of one who never said anything.
func (s *State) ConsentsOf(subject nexus.PublicKey) ConsentHistory {
	h := s.consents[subject]
	if h == nil {
		return ConsentHistory{Subject: subject}
	}
	out := *h
	out.Standing = append([]Consent(nil), h.Standing...)
	return out
}

// ConsentKey is the store key of the mark that a command has an entry about a person; ConsentPrefix begins all of one person's.
func ConsentKey(subject nexus.PublicKey, index uint64) []byte {
	return binary.BigEndian.AppendUint64(ConsentPrefix(subject), index)
}

// ConsentPrefix begins the store keys of a person.
func ConsentPrefix(subject nexus.PublicKey) []byte { return append([]byte("x/c/"), subject[:]...) }

// consentRecord prepares giving and withdrawing.
func (st *step) consentRecord() error {
	var b ConsentStatement
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	a := &st.cmd.Action
	given := a.Kind == KindConsentGive
	bySelf := a.Actor == b.Subject && len(b.Signature) == 0
	signed := bySelf || !weak(b.Subject) && b.Subject.Verify(b.SigningBytes(st.s.Cluster, u.ID, given), b.Signature)
	st.facts.Consent = []gates.ConsentFacts{{Subject: b.Subject, Given: given, BySubject: signed, Purpose: b.Purpose}}
	st.facts.Identity.MayIssue = a.Actor == b.Subject || st.mayBring(u)
	st.reach(u, "ledger", st.facts.Identity.MayIssue)
	h := st.s.ConsentsOf(b.Subject)
	have := h.find(u.ID, b.Purpose)
	who := "statement of " + b.Subject.Short()
	st.fresh(b.Purpose)
	switch {
	case weak(b.Subject):
		st.fail(nexus.CodeMalformed, who, "an Ed25519 key of the person's", "a point of small order: anybody could sign for it")
	case len(b.Purpose) > maxConsentPurpose && !withinSealed(b.Purpose, maxConsentPurpose):
		st.fail(nexus.CodeMalformed, who, fmt.Sprintf("a purpose of at most %d bytes", maxConsentPurpose), "%d bytes", len(b.Purpose))
	case b.Seq != h.Seq+1 || b.Prev != h.Head:
		st.fail(nexus.CodeConflict, who, "read the history (nexus consent log) and sign the next statement",
			"number %d with another predecessor; the next is %d after %s", b.Seq, h.Seq+1, h.Head)
	case !given && (have == nil || !have.Given):
		st.fail(nexus.CodeConflict, who, "see nexus consent log", "nothing stands to withdraw")
	case have == nil && len(h.Standing) >= maxConsentStanding:
		st.fail(nexus.CodeConflict, who, "", "more than %d units and purposes", maxConsentStanding)
	}
	st.effect = func() { st.putConsent(u, &b, given) }
	return nil
}

// mayBring reports whether the actor may bring a statement that somebody else signed, or speak for the unit's use of data.
func (st *step) mayBring(u *Unit) bool {
	role := st.facts.Identity.Role
	return st.facts.Unit.ActorOwns && u.Owner == st.cmd.Action.Actor || role == gates.RoleOperator || role == gates.RoleNode
}

func (st *step) putConsent(u *Unit, b *ConsentStatement, given bool) {
	h := st.s.consentsOf(b.Subject)
	h.Seq, h.Head = b.Seq, ConsentHash(*b, st.s.Cluster, u.ID, given)
	c := h.find(u.ID, b.Purpose)
	if c == nil {
		h.Standing = append(h.Standing, Consent{Unit: u.ID, Purpose: b.Purpose})
		c = &h.Standing[len(h.Standing)-1]
	}
	c.Given, c.Seq, c.TimeMs, c.Index, c.Text, c.Uses = given, b.Seq, st.now, st.index, b.Text, 0
	verb, word := "given", "gave"
	if !given {
		verb, word = "withdrawn", "withdrew"
	}
	st.draft(u.ID, ledger.KindConsent, ConsentEntry{Verb: verb, Unit: u.ID, Statement: *b, By: st.cmd.Action.Actor})
	st.puts = append(st.puts, ledger.KV{Key: ConsentKey(b.Subject, st.index), Value: nexus.Encode(st.index)})
	if !given {
		st.notice(u, "person %s %s consent for %q on %s", b.Subject.Short(), word, b.Purpose, u.Label)
	}
	st.events = append(st.events, nexus.Event{Type: "consent." + verb, Index: st.index, Unit: u.ID, MustDeliver: true})
}

// consentUse asks gate 10 before a person's data is processed; the answer, either way, stands in the ledger.
func (st *step) consentUse() error {
	var b ConsentUse
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	st.text("use", b.Purpose, b.What)
	st.fresh(b.Purpose, b.What)
	st.facts.Identity.MayIssue = st.mayBring(u)
	st.reach(u, "data", st.facts.Unit.ActorOwns || st.facts.Identity.Role == gates.RoleNode)
	h := st.s.ConsentsOf(b.Subject)
	c := h.find(u.ID, b.Purpose)
	st.facts.Consent = []gates.ConsentFacts{{Subject: b.Subject, Purpose: b.Purpose, Required: true, Recorded: c != nil && c.Given}}
	st.effect = func() {
		if c := st.s.consentsOf(b.Subject).find(u.ID, b.Purpose); c != nil {
			c.Uses++
		}
		st.draft(u.ID, ledger.KindConsent, ConsentEntry{Verb: "used", Unit: u.ID, By: st.cmd.Action.Actor, What: b.What,
			Statement: ConsentStatement{Subject: b.Subject, Purpose: b.Purpose}})
		st.puts = append(st.puts, ledger.KV{Key: ConsentKey(b.Subject, st.index), Value: nexus.Encode(st.index)})
	}
	return nil
}

func (s *State) consentsOf(subject nexus.PublicKey) *ConsentHistory {
	if s.consents == nil {
		s.consents = map[nexus.PublicKey]*ConsentHistory{}
	}
	if s.consents[subject] == nil {
		s.consents[subject] = &ConsentHistory{Subject: subject}
	}
	return s.consents[subject]
}

// consentsPart saves the histories by person.
func consentsPart() part {
	type picture struct{ People []ConsentHistory }
	return part{name: "consents", save: func(s *State) []byte {
		if len(s.consents) == 0 {
			return nil
		}
		var p picture
		for _, key := range sortedPublic(s.consents) {
			p.People = append(p.People, *s.consents[key])
		}
		return nexus.Encode(p)
	}, load: func(s *State, b []byte) error {
		var p picture
		if err := nexus.Decode(b, &p); err != nil {
			return err
		}
		for i := range p.People {
			*s.consentsOf(p.People[i].Subject) = p.People[i]
		}
		return nil
	}}
}
