package state

import (
	"fmt"
	stdslices "slices"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Erasure (decision 28). A person's words stand sealed; whoever destroys the person's key erases them everywhere at once and changes no
// byte of the ledger. The person's own signature asks for it: on the action, or on the request that somebody else brings. Nobody can ask
// for another, and nobody's approval is needed. Each node then destroys its key and states that in an entry of its own.

// The kinds of action about erasure.
const (
	KindIdentityErase  = "identity.erase"
	KindIdentityErased = "identity.erased"
)

// Bounds of erasure.
const (
	maxErasedKeys = 256 // keys of one person: the present one and those it followed
	eraseDomain   = "nexus-erase-v1\n"

	erasurePurpose = "erasure" // what the person's word is for, as gate 10 reads it

	// ErasePatienceMs is how long a node may take to destroy a key before the stack scrub reports it, milliseconds.
	ErasePatienceMs = 60 * 60 * 1000
)

// IdentityErase is the body of identity.erase: a person asks that everything sealed for them until now becomes unreadable.
type IdentityErase struct {
	Subject   nexus.PublicKey
	Number    uint32 // of erasures of this person before, so that a request serves once
	Signature []byte // the person's over SigningBytes; empty when the person signs the action itself
}

// SigningBytes are what the person signs.
func (b IdentityErase) SigningBytes(cluster nexus.ID) []byte {
	b.Signature = nil
	return nexus.AppendCanonical([]byte(eraseDomain), struct {
		Cluster nexus.ID
		Request IdentityErase
	}{cluster, b})
}

// ErasedKey names a person's keys that are erased: all of a number below Number.
type ErasedKey struct {
	Subject nexus.PublicKey
	Number  uint32
}

// IdentityErased is the body of identity.erased: a node states that it has destroyed keys, and that it looked for them afterwards.
type IdentityErased struct {
	Keys  []ErasedKey
	Files uint32 // that were there to destroy
}

// ErasureEntry is the body of a KindErasure entry, in the platform's chain.
type ErasureEntry struct {
	Verb     string // "asked", "destroyed"
	Keys     []ErasedKey
	By       nexus.PublicKey // who signed the action: the person, who brought the request, or the node
	Consents uint32          // of "asked": that ended with it
	Terms    uint32          // of "asked": terms of payouts whose destination went with it
	Files    uint32          // of "destroyed"
}

// Erasure is what the state remembers of a person's erasures: how many, and the newest.
type Erasure struct {
	Subject   nexus.PublicKey
	Count     uint32
	TimeMs    int64 // log time of the newest
	Index     uint64
	Destroyed []Destruction // of the newest, by the nodes that did it
}

// Destruction is one node's statement that it destroyed a key.
type Destruction struct {
	Node   nexus.PublicKey
	TimeMs int64
	Index  uint64
}

// ErasureOf gives what is remembered of a person's erasures; the zero Erasure when there was none. Destroyed is not a copy.
func (s *State) ErasureOf(subject nexus.PublicKey) Erasure {
	if e := s.erasures[subject]; e != nil {
		return *e
	}
	return Erasure{Subject: subject}
}

// Erasures lists them by person. The lists within are not copies.
func (s *State) Erasures() []Erasure {
	out := make([]Erasure, 0, len(s.erasures))
	for _, key := range sortedPublic(s.erasures) {
		out = append(out, *s.erasures[key])
	}
	return out
}

// KeyNumber is the number of the key that a person's texts are sealed under now: how often the earlier ones were erased.
func (s *State) KeyNumber(subject nexus.PublicKey) uint32 { return s.ErasureOf(subject).Count }

// KnowsPerson reports whether anything is recorded under a key: an identity, or a statement about consent.
func (s *State) KnowsPerson(key nexus.PublicKey) bool {
	return s.Identities[key] != nil || s.consents[key] != nil
}

// DestroyedBy reports whether a node has stated that it destroyed what the newest erasure asked for.
func (e *Erasure) DestroyedBy(node nexus.PublicKey) bool {
	return stdslices.ContainsFunc(e.Destroyed, func(d Destruction) bool { return d.Node == node })
}

// Overdue reports whether an admitted node has not stated the destruction that was asked for longer ago than it may take.
func (s *State) Overdue(e *Erasure, nowMs int64) (node *Node, overdue bool) {
	if nowMs-e.TimeMs < ErasePatienceMs {
		return nil, false
	}
	for _, key := range sortedPublic(s.Nodes) {
		if n := s.Nodes[key]; n.Admitted && !e.DestroyedBy(key) {
			return n, true
		}
	}
	return nil, false
}

// lineage lists a key and all keys that it followed: one person's.
func (s *State) lineage(key nexus.PublicKey) []nexus.PublicKey {
	out := []nexus.PublicKey{key}
	for _, old := range sortedPublic(s.Identities) {
		if old != key && s.heir(old) == s.heir(key) {
			out = append(out, old)
		}
	}
	return out
}

// speaksFor reports whether a key may speak for a person: it is the person's newest, and nobody took it out of use but somebody else.
func (s *State) speaksFor(key, subject nexus.PublicKey) bool {
	if key != s.heir(subject) || weak(key) {
		return false
	}
	id := s.Identities[key]
	return id == nil || !id.Revoked || s.revokedByOther(key)
}

// Speaks reports whether a key may speak for a person.
func (s *State) Speaks(key, subject nexus.PublicKey) bool { return s.speaksFor(key, subject) }

func (st *step) identityErase() error {
	var b IdentityErase
	if !st.body(&b) {
		return nil
	}
	s, a := st.s, &st.cmd.Action
	holder := s.heir(b.Subject)
	bySelf := len(b.Signature) == 0 && a.Actor == holder
	signed := s.speaksFor(holder, b.Subject) && (bySelf || len(b.Signature) > 0 && holder.Verify(b.SigningBytes(s.Cluster), b.Signature))
	// A person who gave consents is no identity; the own word is enough for this act.
	st.facts.Identity.Known = st.facts.Identity.Known || bySelf && s.consents[a.Actor] != nil
	// Anybody may bring a request, so that nobody can refuse to; whether it is the person's own is gate 10's.
	st.facts.Consent = []gates.ConsentFacts{{Subject: b.Subject, BySubject: signed, Purpose: erasurePurpose}}
	who := "erasure of " + st.who(b.Subject)
	keys := s.lineage(b.Subject)
	switch {
	case !s.KnowsPerson(b.Subject):
		st.fail(nexus.CodeNotFound, who, "name the identity or the person", "nothing is recorded under that key")
	case b.Number != s.KeyNumber(b.Subject):
		st.fail(nexus.CodeConflict, who, "see nexus identity erasures and sign a new request", "erased %d times, the request says %d",
			s.KeyNumber(b.Subject), b.Number)
	case len(keys) > maxErasedKeys:
		st.fail(nexus.CodeConflict, who, "", "%d keys followed one another, at most %d are erased at once", len(keys), maxErasedKeys)
	}
	st.effect = func() { st.erase(keys) }
	return nil
}

// erase counts the erasure and takes what cannot be read any more out of the state.
func (st *step) erase(keys []nexus.PublicKey) {
	s := st.s
	if s.erasures == nil {
		s.erasures = map[nexus.PublicKey]*Erasure{}
	}
	entry := ErasureEntry{Verb: "asked", By: st.cmd.Action.Actor}
	for _, key := range keys {
		e := &Erasure{Subject: key, Count: s.KeyNumber(key) + 1, TimeMs: st.now, Index: st.index}
		s.erasures[key] = e
		entry.Keys = append(entry.Keys, ErasedKey{key, e.Count})
		entry.Consents += st.endConsents(key)
	}
	for _, k := range sortedPurses(s.money.Terms) {
		if s.stale(s.money.Terms[k].Destination) {
			delete(s.money.Terms, k)
			entry.Terms++
		}
	}
	st.draft(nexus.ID{}, ledger.KindErasure, entry)
	st.events = append(st.events, nexus.Event{Type: "identity.erase", Index: st.index, MustDeliver: true})
}

// endConsents ends what a person consented to: nobody could name its purposes any more. The statements stay what they are. It gives
// how many stood.
func (st *step) endConsents(person nexus.PublicKey) (ended uint32) {
	h := st.s.consents[person]
	if h == nil {
		return 0
	}
	var kept []Consent
	told := map[nexus.ID]bool{}
	for _, c := range h.Standing {
		if c.Given {
			ended++
			if u := st.s.Units[c.Unit]; u != nil && !told[c.Unit] {
				told[c.Unit] = true
				st.notice(u, "person %s erased their words: no consent to %s stands any more", person.Short(), u.Label)
			}
		}
		c.Given, c.TimeMs, c.Index, c.Uses = false, st.now, st.index, 0
		if !personal.Sealed(c.Purpose) {
			kept = append(kept, c)
		}
	}
	h.Standing = kept
	return ended
}

func (st *step) identityErased() error {
	var b IdentityErased
	if !st.body(&b) {
		return nil
	}
	st.measured() // a key is destroyed by the node that held it, and by nobody's word but its own
	node := st.cmd.Action.Actor
	if len(b.Keys) == 0 || len(b.Keys) > maxErasedKeys {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("%d keys", len(b.Keys)), fmt.Sprintf("1 to %d", maxErasedKeys), "out of range")
	}
	for _, k := range b.Keys {
		if e := st.s.ErasureOf(k.Subject); e.Count != k.Number || k.Number == 0 || e.DestroyedBy(node) {
			st.fail(nexus.CodeConflict, "key of "+k.Subject.Short(), "see nexus identity erasures", "erased %d times, said to be destroyed below %d, or stated before",
				e.Count, k.Number)
		}
	}
	st.effect = func() {
		for _, k := range b.Keys {
			e := st.s.erasures[k.Subject]
			e.Destroyed = append(e.Destroyed, Destruction{Node: node, TimeMs: st.now, Index: st.index})
		}
		st.draft(nexus.ID{}, ledger.KindErasure, ErasureEntry{Verb: "destroyed", Keys: b.Keys, By: node, Files: b.Files})
		st.events = append(st.events, nexus.Event{Type: "identity.erased", Index: st.index, MustDeliver: true})
	}
	return nil
}

// actsFor reports whether a key acts for the platform.
func (s *State) actsFor(key nexus.PublicKey) bool {
	id := s.Identities[key]
	if id == nil || id.Revoked {
		return false
	}
	role := s.role(id)
	return role == gates.RoleOperator || role == gates.RoleNode || role == gates.RolePlatform
}

// ActsFor reports whether a key acts for the platform: an operator's, the platform's, or that of a node that is admitted.
func (s *State) ActsFor(key nexus.PublicKey) bool { return s.actsFor(key) }

func erasuresPart() part {
	type picture struct{ List []Erasure }
	return part{name: "erasures", save: func(s *State) []byte {
		if len(s.erasures) == 0 {
			return nil
		}
		return nexus.Encode(picture{s.Erasures()})
	}, load: func(s *State, b []byte) error {
		var p picture
		if err := nexus.Decode(b, &p); err != nil {
			return err
		}
		s.erasures = map[nexus.PublicKey]*Erasure{}
		for i := range p.List {
			s.erasures[p.List[i].Subject] = &p.List[i]
		}
		return nil
	}}
}
