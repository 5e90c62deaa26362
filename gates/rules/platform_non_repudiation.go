// Rule: every platform action is signed and logged; the platform cannot deny it.
// Reason: the strongest party is the one whose word most needs proof.
// Spec: SPEC section 1, gate 17. What an operator, a node or the platform's key changes is the platform's act, whether
// or not it says so.

package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

func platformNonRepudiation() gates.Gate {
	return gates.Gate{
		Number: 17, Name: "platform-non-repudiation", Version: 1,
		Rule:     "every platform action is signed and logged; the platform cannot deny it",
		Enforcer: "the ledger: each platform act is a signed entry under a signed checkpoint that clients and witnesses keep",
		Check:    checkPlatformNonRepudiation,
		Good:     func() gates.Facts { return operatorSample("report.post") },
		Bad: func() gates.Facts {
			f := operatorSample("report.post")
			f.Platform.Signed = false
			return f
		},
	}
}

func checkPlatformNonRepudiation(f *gates.Facts) gates.Verdict {
	p := &f.Platform
	switch {
	case p.Denies:
		return refuse("denies_act", f.Kind+" would remove or replace an earlier act of the platform",
			"what the platform did stays on record", "add an act that corrects the earlier one")
	case !p.Acts && !platformRole(f):
		return skip()
	case !p.Signed:
		return refuse("unsigned_platform_act", f.Kind+" without a signature of the platform, an admitted node or an operator",
			"every act of the platform is signed by a key that the state binds to it",
			"sign it with an operator's key, through an admitted node (nexus cluster members)")
	case !p.Logged:
		return refuse("unlogged_platform_act", f.Kind+" without a public entry",
			"every act of the platform is a public entry",
			"report this: a platform act without its entry is a fault of the program")
	}
	return pass("signed by the platform's side and logged")
}

// platformRole reports whether the actor's role makes any change an act of the platform.
func platformRole(f *gates.Facts) bool {
	if f.Read {
		return false
	}
	switch f.Identity.Role {
	case gates.RoleOperator, gates.RoleNode, gates.RolePlatform:
		return true
	}
	return false
}
