// Rule: a unit can leave with everything, and nobody can stop it.
// Reason: only who can leave is free to stay.
// Spec: SPEC section 1, gate 13; section 5, Exit.

package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

func exitPortability() gates.Gate {
	return gates.Gate{
		Number: 13, Name: "exit-portability", Version: 1,
		Rule:     "a unit can leave with everything, and nobody can stop it",
		Enforcer: "the ledger: an exit is its owner's alone, complete only with the manifest of a bundle that holds the unit's whole chain",
		Check:    checkExitPortability,
		Good: func() gates.Facts {
			f := ownerSample("imvu.exit")
			f.Exit.IsExit = true
			return f
		},
		Bad: func() gates.Facts {
			f := operatorSample("imvu.suspend")
			f.Unit.Status, f.Exit.Status, f.Exit.Hinders = "exiting", "exiting", true
			return f
		},
	}
}

func checkExitPortability(f *gates.Facts) gates.Verdict {
	e := &f.Exit
	leaving := e.Status == "exiting"
	left := e.Status == "exited"
	switch {
	case e.Refusing:
		return refuse("refuses_exit", f.Kind+" would refuse or cancel the exit", "an exit that was asked for is completed",
			"let it complete; the unit can be imported again afterwards (nexus imvu import)")
	case leaving && e.Hinders && !(e.ByOwner && e.IsExit):
		return refuse("hinders_exit", f.Kind+" would hinder an exit under way",
			"nothing but the owner's exit touches a leaving unit",
			"wait until the exit is complete (nexus imvu exit-status)")
	case left && e.Hinders && !e.IsExit:
		return refuse("retaliates", f.Kind+" would harm a unit that has left, within its time of grace",
			"what has left is kept for its time of grace and retention", "wait for the end of the retention")
	case e.IsExit && !leaving && !left && !e.ByOwner:
		return refuse("not_owners_exit", "somebody other than the owner would make the unit leave",
			"only a unit's owner exits it",
			"let the owner sign the exit (nexus imvu exit)")
	case !e.IsExit && !leaving && !left:
		return skip()
	}
	return pass("nothing stands in the way of the exit")
}
