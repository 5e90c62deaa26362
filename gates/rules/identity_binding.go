// Rule: every action carries a verified Ed25519 identity; nothing anonymous changes state.
// Reason: every later proof starts with who asked.
// Spec: SPEC section 1, gate 1; section 3, Identity.

package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

func identityBinding() gates.Gate {
	return gates.Gate{
		Number: 1, Name: "identity-binding", Version: 1,
		Rule:     "every action carries a verified Ed25519 identity; nothing anonymous changes state",
		Enforcer: "identity: admission and the state machine verify each signature, on every replica",
		Check:    checkIdentityBinding,
		Good:     createSample,
		Bad: func() gates.Facts {
			f := createSample()
			f.Identity.SignatureValid = false
			return f
		},
	}
}

func checkIdentityBinding(f *gates.Facts) gates.Verdict {
	id := &f.Identity
	if id.Actor.IsZero() && publicRead(f) {
		return pass("reads what is public for everybody")
	}
	const required = "a valid Ed25519 signature of a known identity over this very request"
	who := func() string { return "identity " + id.Actor.Short() }
	switch {
	case id.Actor.IsZero():
		return refuse("anonymous", "no identity", required, "sign with an identity (--identity)")
	case !id.SignatureValid:
		return refuse("unsigned", "the signature is not by "+who(), required, "sign the request with the key of its actor")
	case !id.ClusterMatches:
		return refuse("foreign_cluster", "signed for another cluster", "a signature for this cluster",
			"sign again with this cluster's id (nexus status shows it)")
	case !id.InTime:
		return refuse("out_of_time", "the request is expired or dated ahead of the log's time",
			"dated at most 60 s ahead and applied before its expiry", "check the clock and sign again under a new action id")
	case !id.Known:
		return refuse("unknown_identity", who()+" was never issued here", required, "issue it first (nexus identity new)")
	case id.Revoked:
		return refuse("revoked_identity", who()+" is revoked", required,
			"sign with an identity that stands (nexus identity list)")
	case !id.MayIssue && creating(f) && !f.Unit.ActorOwns:
		return refuse("owner_did_not_sign", who()+" makes a unit in the name of "+f.Unit.Owner.Short()+", who did not sign",
			"a unit is made by its owner, or by the platform's side", "let the owner make it, or an operator; or make it yourself and transfer it")
	case !id.MayIssue:
		return refuse("not_entitled", who()+" may not ask for "+f.Kind,
			"the identity itself, its recovery key, or the role that this kind of action belongs to",
			"let the identity concerned or an operator sign it")
	}
	if v := checkApprovals(f); !v.Allow {
		return v
	}
	if v := checkBindings(f); !v.Allow {
		return v
	}
	return checkNewOwner(f)
}

// checkNewOwner holds a new unit to an owner who exists: a unit is bound to an identity from its first moment.
func checkNewOwner(f *gates.Facts) gates.Verdict {
	const required = "a new unit is bound to an identity in good order"
	switch {
	case !creating(f):
	case !f.Unit.OwnerKnown:
		return refuse("unknown_owner", "the owner named is no identity here", required,
			"issue the owner's identity first (nexus identity new), or name another owner")
	case f.Unit.OwnerRevoked:
		return refuse("revoked_owner", "the owner's identity "+f.Unit.Owner.Short()+" is revoked", required,
			"name an owner whose identity stands (nexus identity list)")
	}
	return pass("signed by a known identity")
}

// publicRead reports whether the action is a read of nothing but what the constitution makes public.
func publicRead(f *gates.Facts) bool {
	for i := range f.Reach {
		if !f.Reach[i].Public {
			return false
		}
	}
	return f.Read && len(f.Reach) > 0
}
