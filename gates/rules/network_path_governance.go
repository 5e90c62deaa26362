// Rule: routing follows the unit's own policy; one unit cannot degrade another.
// Reason: a guarantee that was sold twice is a guarantee to nobody.
// Spec: SPEC section 1, gate 8; section 4. New routes and every slice are judged here; a route that changes by gate 14,
// what shrinks by gate 15.

package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

func networkPathGovernance() gates.Gate {
	return gates.Gate{
		Number: 8, Name: "network-path-governance", Version: 1,
		Rule: "routing follows the unit's own policy; one unit cannot degrade another",
		Enforcer: "the edge gateway: routes from the replicated state, a bound on work in flight and byte scheduling " +
			"per slice",
		Check: checkNetworkPathGovernance,
		Good: func() gates.Facts {
			f := createSample()
			f.Slice[0].GuaranteedBps, f.Slice[0].CeilingBps, f.Slice[0].OthersGuaranteed = 100_000_000, 500_000_000, 700_000_000
			return f
		},
		Bad: func() gates.Facts {
			f := createSample()
			f.Slice[0].GuaranteedBps, f.Slice[0].OthersGuaranteed = 300_000_000, 700_000_000
			return f
		},
	}
}

func checkNetworkPathGovernance(f *gates.Facts) gates.Verdict {
	if len(f.Slice) == 0 && len(f.Route) == 0 && len(f.Session) == 0 {
		return skip()
	}
	if policyGate(f) == 8 {
		return refusePolicy(f)
	}
	for i := range f.Slice {
		if v := checkSlice(f, &f.Slice[i]); !v.Allow {
			return v
		}
	}
	for i := range f.Signal {
		if v := checkSignal(f, &f.Signal[i]); !v.Allow {
			return v
		}
	}
	for i := range f.Session {
		if v := checkSessions(f, &f.Session[i]); !v.Allow {
			return v
		}
	}
	for i := range f.Route {
		if v := checkRoute(f, &f.Route[i]); !v.Allow {
			return v
		}
	}
	return pass("by the unit's own policy, within the gateway's capacity")
}

func checkSlice(f *gates.Facts, s *gates.SliceFacts) gates.Verdict {
	switch {
	case !s.ClassKnown:
		return refuse("unknown_class", "a slice class that does not exist", "one of the slice classes",
			"choose interactive or another class of nexus slices list")
	case s.GuaranteedBps < 0 || s.CeilingBps < 0 || s.BudgetMicros < 0:
		return refuse("negative_rate", "guarantee "+number(s.GuaranteedBps)+" bit/s, ceiling "+number(s.CeilingBps)+
			" bit/s, budget "+number(s.BudgetMicros)+" us", "no rate or budget below 0", "give rates of 0 or more")
	case s.CeilingBps > 0 && s.GuaranteedBps > s.CeilingBps:
		return refuse("guarantee_above_ceiling",
			"guarantee "+number(s.GuaranteedBps)+" bit/s, ceiling "+number(s.CeilingBps)+" bit/s",
			"a guarantee within the ceiling", "guarantee at most "+number(s.CeilingBps)+" bit/s, or raise the ceiling")
	case !s.ByPolicy && !approved(f, s.OwnerApproved):
		return refuse("not_by_policy", "neither the unit's policy nor its owner asks for this slice",
			"the unit's own policy, or its owner's approval", "let the owner sign it or grant the proposal (nexus approvals)")
	}
	return checkGuarantee(f, s)
}

// checkSignal keeps the class of the platform's own signalling to the platform: it is served before all others, so whoever took it for their own
// traffic would take from everybody. A slice that is of it already takes nothing anew.
func checkSignal(f *gates.Facts, s *gates.SignalFacts) gates.Verdict {
	if s.Held && f.Unit.Exists || s.Platform {
		return pass("")
	}
	return refuse("platform_class", "asks for the class of the platform's own signalling without the platform's word",
		"an operator's signature, or a proposal that an operator granted for this very change",
		"choose another class (realtime is as prompt); for a unit that exists, propose it (nexus approvals propose slice.set)")
}

// checkGuarantee admits a guarantee when all guarantees together leave a tenth of the gateway free. A guarantee that
// does not grow takes nothing from anybody and is not asked again.
func checkGuarantee(f *gates.Facts, s *gates.SliceFacts) gates.Verdict {
	if s.GuaranteedBps == 0 || f.Unit.Exists && s.GuaranteedBps <= s.CurrentGuaranteed {
		return pass("")
	}
	capacity, others := max(s.CapacityBps, 0), max(s.OthersGuaranteed, 0)
	usable := capacity/10*9 + capacity%10*9/10
	left := max(usable-others, 0)
	if s.GuaranteedBps <= left {
		return pass("")
	}
	return refuse("over_capacity",
		"asks for "+number(s.GuaranteedBps)+" bit/s guaranteed; capacity "+number(capacity)+" * 0.9 = "+number(usable)+
			", less "+number(others)+" of other slices = "+number(left)+" bit/s left",
		"guarantee <= capacity * 0.9 - others' guarantees: at most "+number(left)+" bit/s",
		"ask for at most "+number(left)+" bit/s guaranteed; the ceiling may be higher")
}

// checkSessions admits a session cap that one gateway can reach, by the owner's word. One that does not grow is not asked again.
func checkSessions(f *gates.Facts, s *gates.SessionFacts) gates.Verdict {
	switch {
	case s.Sessions > s.Most && s.Sessions > s.Current:
		return refuse("over_connections", "asks for "+number(s.Sessions)+" connections at once; a gateway takes "+number(s.Most)+
			" of all slices together, "+number(s.Sessions-s.Most)+" fewer", "a session cap <= the gateway's connections: at most "+number(s.Most),
			"ask for at most "+number(s.Most)+" sessions; 0 is the class's number")
	case !s.ByPolicy && !approved(f, s.OwnerApproved):
		return refuse("not_by_policy", "neither the unit's policy nor its owner asks for this session cap",
			"the unit's own policy, or its owner's approval", "let the owner sign it or grant the proposal (nexus approvals)")
	}
	return pass("")
}

func checkRoute(f *gates.Facts, r *gates.RouteFacts) gates.Verdict {
	switch {
	case r.Unit.IsZero() || r.Unit != f.Unit.ID:
		return refuse("foreign_route", "a route of "+unitText(r.Unit)+", the action is about "+unitText(f.Unit.ID),
			"a unit's own routes", "change it in an action on the unit whose route it is")
	case r.HostUnit.IsZero():
		return refuse("unclaimed_host", "nobody holds host "+quote(r.Host), "a host that the unit holds",
			"claim the domain first (nexus dns)")
	case r.HostUnit != r.Unit:
		return refuse("foreign_host", "host "+quote(r.Host)+" is held by "+unitText(r.HostUnit), "a host that the unit holds",
			"use one of the unit's own domains (nexus imvu show)")
	case r.ForeignBackend || !r.BackendUnit.IsZero() && r.BackendUnit != r.Unit:
		return refuse("foreign_backend", "the backend belongs to "+unitText(r.BackendUnit), "a backend of the unit's own",
			"point the route at an address of the unit's own")
	case !r.LoopbackOnly:
		return refuse("backend_not_allowed", "the backend of "+quote(r.Host)+" lies outside the addresses allowed for units",
			"loopback in the dev profile, the unit's own nodes in prod", "use http://127.0.0.1:PORT or dir:/absolute/folder")
	case !r.Exists && !approved(f, r.OwnerApproved):
		return refuse("not_by_policy", "a new route that the unit's owner did not ask for",
			"the owner's signature, or a proposal that the owner granted",
			"let the owner sign it or grant the proposal (nexus approvals)")
	}
	return pass("")
}
