package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

// A key is bound to an identity, or something is attested of it, by two signatures (SPEC section 3, Identity): of the key or the identity
// that says so, over this very statement, and of the identity that takes it. Gate 1 judges both: identity binding is this.
func checkBindings(f *gates.Facts) gates.Verdict {
	for i := range f.Binding {
		if v := checkBinding(f, &f.Binding[i]); !v.Allow {
			return v
		}
	}
	return pass("")
}

func checkBinding(f *gates.Facts, b *gates.BindingFacts) gates.Verdict {
	const (
		required = "the signature of the key or identity that says so, over this very statement, and that of the identity it is about"
		anew     = "let who says it sign a new one (nexus identity bind, nexus identity attest)"
	)
	who := func() string { return "identity " + f.Identity.Actor.Short() }
	switch {
	case b.Ends && !b.ByParty:
		return refuse("not_a_party", who()+" neither took this statement nor signed it", "its end by the identity that it is about, or by who signed it",
			"let one of the two sign (nexus identity show)")
	case b.Ends:
		return pass("")
	case !b.BySubject:
		return refuse("not_taken", who()+" brings a statement about identity "+b.Subject.Short(), required, "let that identity bring it (--statement FILE)")
	case b.OwnWord:
		return refuse("own_word", "signed by nobody but the identity that it is about", required, "let the other key or identity sign it")
	case !b.Signed:
		return refuse("unproven_binding", "the statement is not signed by "+b.By.Short()+" for this cluster and this act", required, anew)
	case !b.InTime:
		return refuse("stale_binding", "the time to bring the statement is over", "a statement brought in its time", anew)
	case !b.Next:
		return refuse("replayed_binding", "the statement is not the identity's next one: it was brought before, or another was first",
			"statements in order, each once", anew)
	case b.Held:
		return refuse("bound_elsewhere", "key "+b.By.Short()+" is an identity of its own, or bound to another one", "a key bound to one identity",
			"let the other identity or the key end that binding (nexus identity unbind), or bind another key")
	case b.Attests && !b.AttesterStands:
		return refuse("unknown_attester", b.By.Short()+" is no identity in good order", "an attestation by a known identity that is not revoked",
			"let an identity that stands attest it (nexus identity list)")
	}
	return pass("")
}
