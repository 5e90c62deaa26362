package wire

import stdslices "slices"

// VerdictWithheld stands for the word of a gate on a unit that the reader reached for without a right: what it saw there, and whether it would
// have agreed, is the owner's to know (gate 16).
const VerdictWithheld = "withheld"

// toldToAll lists the gates that judge the actor and the reach, and by that nothing of what the unit holds.
func toldToAll(gate int) bool { return gate == 1 || gate == 2 || gate == 16 }

// reached reports whether gates refused because of a reach into another's unit.
func reached(refusing []int) bool {
	return stdslices.Contains(refusing, 2) || stdslices.Contains(refusing, 16)
}

// WithholdVerdicts leaves of the 17 verdicts on an action that reached into another's unit what its actor may know.
func WithholdVerdicts(verdicts []Verdict) []Verdict {
	var refusing []int
	for i := range verdicts {
		if verdicts[i].Verdict == VerdictDeny {
			refusing = append(refusing, verdicts[i].Gate)
		}
	}
	if !reached(refusing) {
		return verdicts
	}
	out := stdslices.Clone(verdicts)
	for i := range out {
		if v := &out[i]; !toldToAll(v.Gate) {
			*v = Verdict{Gate: v.Gate, Name: v.Name, Verdict: VerdictWithheld, Observed: "not yours to know: the unit is another's"}
		}
	}
	return out
}

// Withhold does the same to a decision's row. It reports whether the decision reached into another's unit.
func (r *DecisionRow) Withhold() bool {
	if !reached(r.Gates) {
		return false
	}
	if len(r.Gates) > 0 && !toldToAll(r.Gates[0]) { // whose words the row has
		r.Reason, r.Observed, r.Required, r.Fix = VerdictWithheld, "reaches into a unit without a right there", "", "leave that unit out"
	}
	r.Gates = stdslices.DeleteFunc(stdslices.Clone(r.Gates), func(gate int) bool { return !toldToAll(gate) })
	return true
}
