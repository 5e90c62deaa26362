// Rule: no data, state or resource passes between units; reads are judged too.
// Reason: what a unit knows is its creator's alone.
// Spec: SPEC section 1, gate 16. Every reach is judged once: changes of compute and network by gate 2, the rest here.

package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

func noCrossIMVULeakage() gates.Gate {
	return gates.Gate{
		Number: 16, Name: "no-cross-imvu-leakage", Version: 1,
		Rule:     "no data, state or resource passes between units; reads are judged too",
		Enforcer: "the control API: every signed read is judged on the applied state before anything is shown",
		Check:    checkNoCrossIMVULeakage,
		Good:     func() gates.Facts { return readSample("ledger") },
		Bad: func() gates.Facts {
			f := readSample("ledger")
			f.Unit.ID, f.Unit.Owner, f.Unit.ActorOwns = sampleID(unitOther), sampleKey(operator), false
			f.Reach[0].Unit, f.Reach[0].Granted = sampleID(unitOther), false
			return f
		},
	}
}

func checkNoCrossIMVULeakage(f *gates.Facts) gates.Verdict {
	if policyGate(f) == 16 {
		return refusePolicy(f)
	}
	concerned := false
	for i := range f.Reach {
		r := &f.Reach[i]
		if touches(f, r) {
			continue
		}
		concerned = true
		// Public is for reading: what everybody may see, nobody may therefore change.
		if !r.Granted && !(f.Read && r.Public) {
			return refuse("foreign_"+word(r.Resource),
				"reaches "+quote(r.Resource)+" of "+unitText(r.Unit)+" without a right there",
				"only what the actor owns, was granted, or what is public to read",
				"leave that unit out, or ask its owner for a grant (nexus approvals)")
		}
	}
	if !concerned {
		return skip()
	}
	return pass("the actor's own, granted, or public to read")
}

// word names a resource in a reason code; codes are a closed list, so other words are not copied into them.
func word(resource string) string {
	switch resource {
	case "compute", "network", "data", "mail", "ledger":
		return resource
	}
	return "resource"
}
