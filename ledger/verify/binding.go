package verify

import (
	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Keys bound to identities and attestations about them, held with code of this package's own: each carries the signature of the key or
// the identity that said so, over this very statement and this cluster, no statement is taken twice, and none ends that was not taken.

const bindingDomain = "nexus-binding-v1\n"

// bindings is what the entries so far said.
type bindings struct {
	cluster nexus.ID
	numbers map[[32]byte]uint64 // the newest number of an identity's statements
	taken   map[string]bool     // statements as they were taken; true: not ended
}

// bindingEntry holds one entry.
func (c *run) bindingEntry(e *entry) {
	in := reader{b: e.body}
	verb, attests := string(in.bytes()), in.bounded(1, "attests") == 1
	statement := in.b
	subject, by := in.hash(), in.hash()
	claim := in.bytes()
	in.hash() // document
	number := in.uint()
	in.int() // until when it could be brought
	until := in.int()
	unsigned := statement[:len(statement)-len(in.b)]
	signature := in.bytes()
	statement = statement[:len(statement)-len(in.b)]
	actor := in.hash()
	if err := in.end(); err != nil {
		c.foundEntry("not a canonical binding: %v", err)
		return
	}
	if nexus.ID(e.unit) != (nexus.ID{}) || subject == by || len(claim) == 0 {
		c.foundEntry("binds an identity to itself, for nothing, or in the chain of a unit")
	}
	message := append([]byte(bindingDomain), c.bindings.cluster[:]...)
	message = append(message, flag(attests))
	message = append(append(message, unsigned...), 0) // a statement without its signature
	if !nexus.PublicKey(by).Verify(message, signature) {
		c.foundEntry("carries a statement about %s that %s did not sign", nexus.PublicKey(subject).Short(), nexus.PublicKey(by).Short())
	}
	name := string(append([]byte{flag(attests)}, statement...))
	if c.bindings.taken == nil {
		c.bindings.numbers, c.bindings.taken = map[[32]byte]uint64{}, map[string]bool{}
	}
	if verb == "ended" {
		if !c.bindings.taken[name] {
			c.foundEntry("ends a statement about %s that does not stand", nexus.PublicKey(subject).Short())
		}
		c.bindings.taken[name] = false
		return
	}
	switch {
	case verb != "bound" && verb != "attested" || attests != (verb == "attested"):
		c.foundEntry("%q is nothing that becomes of a statement", verb)
	case actor != subject:
		c.foundEntry("a statement about %s was taken by %s", nexus.PublicKey(subject).Short(), nexus.PublicKey(actor).Short())
	case number <= c.bindings.numbers[subject]:
		c.foundEntry("takes statement %d about %s after number %d: it was brought before", number, nexus.PublicKey(subject).Short(), c.bindings.numbers[subject])
	case until < 0:
		c.foundEntry("a statement that holds until %d ms", until)
	}
	c.bindings.numbers[subject] = max(number, c.bindings.numbers[subject])
	c.bindings.taken[name] = true
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}
