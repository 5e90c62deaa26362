// Rule: a unit cannot exceed its envelope; the kernel enforces it.
// Reason: what one unit takes beyond its share, another misses.
// Spec: SPEC section 1, gate 7; section 3, Compute fabric: a ceiling is no reservation, only a reservation is
// admission-checked, and a ceiling above the largest node is a warning.

package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

// reasonAboveLargest is an allowing reason code: the ceiling cannot be reached on any node there is.
const reasonAboveLargest = "ok_above_largest_node"

func resourceQuota() gates.Gate {
	return gates.Gate{
		Number: 7, Name: "resource-quota", Version: 1,
		Rule:  "a unit cannot exceed its envelope; the kernel enforces it",
		Later: "the compute fabric will enforce it with the kernel's control groups",
		Check: checkResourceQuota,
		Good:  createSample,
		Bad: func() gates.Facts {
			f := ownerSample("imvu.start")
			e := envelopeSample(2000, 4*gib)
			e.ReservedCPUMilli = 7000
			e.ByUnit, e.InUse = sampleID(unitAda), true
			e.CurrentCPUMilli, e.CurrentMemory = e.CPUMilli, e.MemoryBytes
			e.CurrentStorage, e.CurrentProcesses = e.StorageBytes, e.Processes
			f.Envelope = []gates.EnvelopeFacts{e}
			return f
		},
	}
}

func checkResourceQuota(f *gates.Facts) gates.Verdict {
	if len(f.Envelope) == 0 {
		return skip()
	}
	if policyGate(f) == 7 {
		return refusePolicy(f)
	}
	for i := range f.Envelope {
		if v := checkEnvelope(f, &f.Envelope[i]); !v.Allow || v.ReasonCode != reasonOK {
			return v
		}
	}
	return pass("a valid envelope, within what can be reserved")
}

func checkEnvelope(f *gates.Facts, e *gates.EnvelopeFacts) gates.Verdict {
	switch {
	case !e.Valid && len(f.Limit) > 0:
		return beyondLimit(e, &f.Limit[0])
	case !e.Valid:
		return refuse("invalid_envelope",
			"asks for "+number(e.CPUMilli)+" milli-cores, "+number(e.MemoryBytes)+" bytes memory, "+
				number(e.StorageBytes)+" bytes storage, "+number(e.Processes)+" processes",
			"each above 0 and within the program's limits", "give positive sizes, for example --cpu 2 --memory 4 --storage 50")
	case e.ReservedCPUMilli < 0 || e.ReservedCPUMilli > max(e.ReservableCPUMilli, 0):
		return refuse("over_reserved",
			"reserves "+number(e.ReservedCPUMilli)+" milli-cores, "+number(max(e.ReservableCPUMilli, 0))+
				" are left to reserve", "a reservation within what is left",
			"reserve at most "+number(max(e.ReservableCPUMilli, 0))+" milli-cores, or none: a ceiling needs no reservation")
	case e.InUse && e.ByUnit.IsZero():
		return refuse("unattributed_use", "a workload that belongs to no unit",
			"only the unit's own workload in its envelope",
			"name the unit whose workload it is")
	case !e.ByUnit.IsZero() && e.ByUnit != f.Unit.ID:
		return refuse("foreign_workload", "the workload of "+unitText(e.ByUnit)+" in the envelope of "+unitText(f.Unit.ID),
			"only the unit's own workload in its envelope", "run and bill it in its own unit")
	case e.InUse && e.UsageMeasured && e.UsageOverCeiling:
		return refuse("over_ceiling", "the unit's measured use is above its ceiling", "use within the envelope",
			"stop something first, or let the owner raise the envelope (nexus imvu scale)")
	case e.LargestCPUMilli > 0 && e.CPUMilli > e.LargestCPUMilli || e.LargestMemory > 0 && e.MemoryBytes > e.LargestMemory:
		return gates.Verdict{Allow: true, Concerned: true, ReasonCode: reasonAboveLargest,
			Observed: "the ceiling is above the largest node (" + number(e.LargestCPUMilli) + " milli-cores, " +
				number(e.LargestMemory) + " bytes), so it cannot be reached there"}
	}
	return pass("")
}

// beyondLimit names the first size that is out of range, and the range.
func beyondLimit(e *gates.EnvelopeFacts, l *gates.LimitFacts) gates.Verdict {
	plain := func(unit string) func(int64) string { return func(n int64) string { return number(n) + " " + unit } }
	of := func(what string) func(int64) string { return func(n int64) string { return binary(n) + " of " + what } }
	for _, s := range []struct {
		asked, most int64
		text        func(int64) string
	}{{e.CPUMilli, l.CPUMilli, plain("milli-cores")}, {e.MemoryBytes, l.MemoryBytes, of("memory")}, {e.StorageBytes, l.StorageBytes, of("storage")},
		{e.Processes, l.Processes, plain("processes")}} {
		required := "above 0, at most " + s.text(s.most)
		switch {
		case s.asked <= 0:
			return refuse("invalid_envelope", "asks for "+s.text(s.asked), required, "ask for more than 0, at most "+s.text(s.most))
		case s.asked > s.most:
			return refuse("invalid_envelope", "asks for "+s.text(s.asked), required, "ask for at most "+s.text(s.most))
		}
	}
	return refuse("invalid_envelope", "sizes that are said to be out of range, and are not", "sizes within the program's limits", "ask again")
}

// binary writes a size in the largest unit that it is a whole number of.
func binary(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"}
	at := 0
	for n != 0 && n%1024 == 0 && at < len(units)-1 {
		n, at = n/1024, at+1
	}
	return number(n) + " " + units[at]
}
