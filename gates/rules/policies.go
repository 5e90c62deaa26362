package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

// A unit's owner may add policies that tighten the gates (SPEC section 1). One gate answers for a broken one, so that
// the owner reads one reason: gate 8 when the action is about a route, a slice or its session cap, else gate 7 when it is about an
// envelope, else gate 16. An exit that the owner asked for is held up by none.
func policyGate(f *gates.Facts) int {
	switch {
	case len(f.Unit.Tightened) == 0 || ownersExit(f):
		return 0
	case len(f.Route) > 0 || len(f.Slice) > 0 || len(f.Session) > 0:
		return 8
	case len(f.Envelope) > 0:
		return 7
	default:
		return 16
	}
}

func refusePolicy(f *gates.Facts) gates.Verdict {
	return refuse("unit_policy", "breaks the unit's own policy "+quoteAll(f.Unit.Tightened),
		"the policies that the unit's owner set",
		"keep within the policy (nexus policy show), or let the owner change it (nexus policy set)")
}
