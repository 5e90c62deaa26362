package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

// A change that needs somebody's word waits as a proposal (SPEC section 1, Approvals and notices). Gate 1 judges whose
// word it is: exactly the parties decide, each once, in time, and what only parties together may do has all of theirs.
// Whether the owner's approval was needed at all is judged by gates 8, 14 and 15 for the change itself.
func checkApprovals(f *gates.Facts) gates.Verdict {
	for i := range f.Approval {
		a := &f.Approval[i]
		what := func() string { return quote(a.Kind) + " by proposal " + a.Proposal.String() }
		switch {
		case a.Decides && !a.ByParty:
			return refuse("not_a_party", "identity "+f.Identity.Actor.Short()+" has no word to give on "+what(),
				"the signature of a party that the proposal names, once",
				"let the parties decide (nexus approvals show); who proposed it has signed already")
		case a.Ends && !a.Due:
			return refuse("not_due", what()+" is neither past its time nor out of date",
				"an end by silence at the expiry, not before", "wait for the expiry (nexus approvals show)")
		case a.Needed && a.Granted < a.Parties:
			return refuse("unapproved_change", f.Kind+" with "+number(int64(a.Granted))+" of "+number(int64(a.Parties))+" signatures",
				"the signatures of all parties, bound to this very change",
				"propose it, and let every party grant it (nexus approvals)")
		}
	}
	return pass("")
}
