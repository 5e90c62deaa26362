// Rule: no quota or slice of a unit shrinks without its approval and a notice.
// Reason: a unit that is slowed down in secret looks like a unit that fails.
// Spec: SPEC section 1, gate 15. A latency budget shrinks when it allows more microseconds; a ceiling of 0 is the
// gateway's capacity.

package rules

import (
	"math"

	"github.com/BobbyBlanco400/nexus-cos/gates"
)

func noSilentThrottling() gates.Gate {
	return gates.Gate{
		Number: 15, Name: "no-silent-throttling", Version: 1,
		Rule: "no quota or slice of a unit shrinks without its approval and a notice",
		Enforcer: "the state machine: envelope and slice records change only through it, and the gateway shapes " +
			"by these records",
		Check: checkNoSilentThrottling,
		Good: func() gates.Facts {
			f := throttleSample()
			f.Slice[0].OwnerApproved = true
			return f
		},
		Bad: throttleSample,
	}
}

// throttleSample is an operator halving the ceiling of Ada's slice, as the unit's stored policy seems to permit.
func throttleSample() gates.Facts {
	f := operatorSample("slice.set")
	f.Slice = []gates.SliceFacts{{ClassKnown: true, GuaranteedBps: 10_000_000, CeilingBps: 50_000_000,
		CurrentGuaranteed: 10_000_000, CurrentCeiling: 100_000_000, BudgetMicros: 10_000, CurrentBudget: 10_000,
		CapacityBps: 1_000_000_000, ByPolicy: true, NoticeQueued: true}}
	return f
}

func checkNoSilentThrottling(f *gates.Facts) gates.Verdict {
	if len(f.Envelope) == 0 && len(f.Slice) == 0 && len(f.Session) == 0 || !f.Unit.Exists {
		return skip() // what is new has nothing to shrink from
	}
	for i := range f.Envelope {
		e := &f.Envelope[i]
		if what, from, to := envelopeShrinks(e); what != "" {
			if v := judgeShrink(f, what, from, to, e.OwnerApproved, e.NoticeQueued); !v.Allow {
				return v
			}
		}
	}
	for i := range f.Slice {
		s := &f.Slice[i]
		if what, from, to := sliceShrinks(s); what != "" {
			if v := judgeShrink(f, what, from, to, s.OwnerApproved, s.NoticeQueued); !v.Allow {
				return v
			}
		}
	}
	for i := range f.Session {
		s := &f.Session[i]
		if s.Sessions >= s.Current {
			continue
		}
		if v := judgeShrink(f, "the session cap", s.Current, s.Sessions, s.OwnerApproved, s.NoticeQueued); !v.Allow {
			return v
		}
	}
	return pass("nothing shrinks, or the owner agreed and is told")
}

func judgeShrink(f *gates.Facts, what string, from, to int64, granted, noticed bool) gates.Verdict {
	switch {
	case !approved(f, granted):
		return refuse("unapproved_reduction",
			what+" would go from "+number(from)+" to "+number(to)+" without the owner's approval",
			"the owner's signature, or a proposal that the owner granted for this very change",
			"keep "+what+" at "+number(from)+", or propose it to the owner (nexus approvals)")
	case !noticed:
		return refuse("no_notice", what+" would go from "+number(from)+" to "+number(to)+" without a notice",
			"a notice to the owner in the same transaction", "queue the notice to the owner with the change")
	}
	return pass("")
}

// envelopeShrinks names the first ceiling that goes down. An action that only uses the envelope asks for no sizes.
func envelopeShrinks(e *gates.EnvelopeFacts) (what string, from, to int64) {
	if e.InUse && e.CPUMilli == 0 && e.MemoryBytes == 0 && e.StorageBytes == 0 && e.Processes == 0 {
		return "", 0, 0
	}
	switch {
	case e.CPUMilli < e.CurrentCPUMilli:
		return "CPU in milli-cores", e.CurrentCPUMilli, e.CPUMilli
	case e.MemoryBytes < e.CurrentMemory:
		return "memory in bytes", e.CurrentMemory, e.MemoryBytes
	case e.StorageBytes < e.CurrentStorage:
		return "storage in bytes", e.CurrentStorage, e.StorageBytes
	case e.Processes < e.CurrentProcesses:
		return "the number of processes", e.CurrentProcesses, e.Processes
	}
	return "", 0, 0
}

// sliceShrinks names the first promise of a slice that gets worse.
func sliceShrinks(s *gates.SliceFacts) (what string, from, to int64) {
	ceiling := func(v int64) int64 {
		if v == 0 && s.CapacityBps > 0 {
			return s.CapacityBps
		}
		if v == 0 {
			return math.MaxInt64
		}
		return v
	}
	budgetLost := s.CurrentBudget > 0 && (s.BudgetMicros > s.CurrentBudget || s.BudgetMicros <= 0)
	switch {
	case s.GuaranteedBps < s.CurrentGuaranteed:
		return "the guarantee in bit/s", s.CurrentGuaranteed, s.GuaranteedBps
	case ceiling(s.CeilingBps) < ceiling(s.CurrentCeiling):
		return "the ceiling in bit/s", ceiling(s.CurrentCeiling), ceiling(s.CeilingBps)
	case budgetLost:
		return "the latency budget in microseconds", s.CurrentBudget, s.BudgetMicros
	}
	return "", 0, 0
}
