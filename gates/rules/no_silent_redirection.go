// Rule: no route of a unit changes without its policy's approval and a public entry.
// Reason: whoever moves a unit's visitors in silence owns its business.
// Spec: SPEC section 1, gate 14.

package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

func noSilentRedirection() gates.Gate {
	return gates.Gate{
		Number: 14, Name: "no-silent-redirection", Version: 1,
		Rule:     "no route of a unit changes without its policy's approval and a public entry",
		Enforcer: "the routes: the gateway's table is built from gated, public route entries and from nothing else",
		Check:    checkNoSilentRedirection,
		Good: func() gates.Facts {
			f := operatorSample("route.set")
			f.Route = []gates.RouteFacts{routeSample(true, true)}
			f.Route[0].OwnerApproved = true
			return f
		},
		Bad: func() gates.Facts {
			f := operatorSample("route.set")
			f.Route = []gates.RouteFacts{routeSample(true, true)}
			return f
		},
	}
}

func checkNoSilentRedirection(f *gates.Facts) gates.Verdict {
	if len(f.Route) == 0 {
		return skip()
	}
	for i := range f.Route {
		r := &f.Route[i]
		switch {
		case !r.PublicEntry:
			return refuse("no_public_entry", "no public entry for route "+quote(r.Host), "every route stands in a public entry",
				"report this: a route without its entry is a fault of the program")
		case r.Exists && r.Changes && !approved(f, r.OwnerApproved):
			return refuse("unapproved_redirection", "route "+quote(r.Host)+" would change without the owner's approval",
				"the owner's signature, or a proposal that the owner granted for this very change",
				"propose it to the owner, who decides with nexus approvals grant")
		}
	}
	return pass("approved by the owner, or nothing changes, and public")
}
