// Rule: a unit reaches no other unit's compute or network.
// Reason: creators who share a machine must not depend on each other's good will.
// Spec: SPEC section 1, gate 2. Every reach is judged once: changes of compute and network here, reads and everything
// else by gate 16.

package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

func imvuIsolation() gates.Gate {
	return gates.Gate{
		Number: 2, Name: "imvu-isolation", Version: 1,
		Rule:  "a unit reaches no other unit's compute or network",
		Later: "the compute fabric will enforce it with envelopes in namespaces of their own and a network per unit",
		Check: checkIMVUIsolation,
		Good: func() gates.Facts {
			f := ownerSample("imvu.start")
			f.Reach = []gates.ReachFacts{{Unit: sampleID(unitAda), Resource: "compute", Granted: true}}
			return f
		},
		Bad: func() gates.Facts {
			f := ownerSample("imvu.exec")
			f.Reach = []gates.ReachFacts{{Unit: sampleID(unitAda), Resource: "compute", Granted: true},
				{Unit: sampleID(unitOther), Resource: "compute"}}
			return f
		},
	}
}

// touches reports whether a reach is gate 2's to judge: a change of compute or network.
func touches(f *gates.Facts, r *gates.ReachFacts) bool {
	return !f.Read && (r.Resource == "compute" || r.Resource == "network")
}

func checkIMVUIsolation(f *gates.Facts) gates.Verdict {
	concerned := false
	for i := range f.Reach {
		r := &f.Reach[i]
		if !touches(f, r) {
			continue
		}
		concerned = true
		if !r.Granted {
			return refuse("foreign_"+r.Resource, "reaches the "+r.Resource+" of "+unitText(r.Unit)+" without a right there",
				"only compute and network that the actor owns or was granted",
				"leave that unit out, or ask its owner for a grant (nexus approvals)")
		}
	}
	if !concerned {
		return skip()
	}
	return pass("stays within units the actor has a right to")
}
