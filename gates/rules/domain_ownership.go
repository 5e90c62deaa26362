// Rule: a domain belongs to exactly one unit.
// Reason: a name that two could claim is a name that can be taken away.
// Spec: SPEC section 1, gate 3; section 5, domains.

package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

func domainOwnership() gates.Gate {
	return gates.Gate{
		Number: 3, Name: "domain-ownership", Version: 1,
		Rule:     "a domain belongs to exactly one unit",
		Enforcer: "the registry in the replicated state: one unit per domain, from which routes are built",
		Check:    checkDomainOwnership,
		Good:     createSample,
		Bad: func() gates.Facts {
			f := createSample()
			f.Domain[0].Bound, f.Domain[0].BoundTo = true, sampleID(unitOther)
			return f
		},
	}
}

func checkDomainOwnership(f *gates.Facts) gates.Verdict {
	if creating(f) && !f.Unit.NameFree {
		return refuse("name_taken", "another unit holds the name that the domain is made from",
			"a name that no other unit holds",
			"choose another name (--name)")
	}
	if len(f.Domain) == 0 {
		return skip()
	}
	for i := range f.Domain {
		if v := checkDomain(f, &f.Domain[i]); !v.Allow {
			return v
		}
	}
	return pass("the domain is free or already this unit's")
}

func checkDomain(f *gates.Facts, d *gates.DomainFacts) gates.Verdict {
	switch {
	case !d.Valid:
		return refuse("invalid_domain", "domain "+quote(d.Name)+" is no DNS name", "a name by RFC 1035 and RFC 5891",
			"use labels of letters, digits and hyphens, at most 63 bytes each and 253 in all")
	case d.Claimant.IsZero() || d.Claimant != f.Unit.ID:
		return refuse("foreign_claimant", "claimed for "+unitText(d.Claimant)+", the action is about "+unitText(f.Unit.ID),
			"a unit claims for itself", "claim it in an action on the unit that shall have it")
	case d.Bound && d.BoundTo != d.Claimant:
		return refuse("domain_taken", "domain "+quote(d.Name)+" belongs to "+unitText(d.BoundTo),
			"exactly one unit per domain",
			"choose another domain, or let the unit that holds it release it")
	case d.Reserved:
		return refuse("domain_reserved", "domain "+quote(d.Name)+" lies under the base domain and is not this unit's name",
			"under the base domain a unit has its own name and what lies below it",
			"choose a name below the unit's own domain, or one outside the base domain")
	case !d.Proven:
		return refuse("control_unproven", "no node has seen proof of control over "+quote(d.Name),
			"control of the domain, seen by a node", "publish the proof that nexus dns shows, then claim again")
	}
	return pass("")
}
