// Rule: every billable event reaches the ledger from a source that is not its beneficiary.
// Reason: who gains by a figure must not be the one who states it.
// Spec: SPEC section 1, gate 6, Sources and the split. One decision judges a whole batch.

package rules

import (
	"strconv"

	"github.com/BobbyBlanco400/nexus-cos/gates"
)

func revenueMetering() gates.Gate {
	return gates.Gate{
		Number: 6, Name: "revenue-metering", Version: 1,
		Rule:     "every billable event reaches the ledger from a source that is not its beneficiary",
		Enforcer: "the ledger's admission of revenue: postings exist only as the effect of a gated batch",
		Check:    checkRevenueMetering,
		Good:     revenueSample,
		Bad: func() gates.Facts {
			f := revenueSample()
			f.Revenue[0].Beneficiary, f.Revenue[0].BeneficiaryOf = true, sampleID(unitAda)
			return f
		},
	}
}

// revenueSample is a registered source reporting three sales of Ada's unit.
func revenueSample() gates.Facts {
	f := signedSample("revenue.post", shop, gates.RoleSource)
	f.Revenue = []gates.RevenueFacts{{Source: "shop", SourceKnown: true, SourceActive: true, SourceClass: 3,
		ActorIsSource: true, Events: 3, MeterKnown: true, MeterMinor: 5997, ReportedMinor: 5997,
		SplitPercent: 55, RequiredPercent: 55}}
	return f
}

func checkRevenueMetering(f *gates.Facts) gates.Verdict {
	if len(f.Revenue) == 0 {
		return skip()
	}
	for i := range f.Revenue {
		r := &f.Revenue[i]
		if v := checkSource(r); !v.Allow {
			return v
		}
		if v := checkBatch(r); !v.Allow {
			return v
		}
	}
	return pass("from a registered source that gains nothing by it")
}

func checkSource(r *gates.RevenueFacts) gates.Verdict {
	const required = "a registered, active source, signed by the key that the platform bound it to"
	switch {
	case !r.SourceKnown:
		return refuse("unknown_source", "source "+quote(r.Source)+" is not registered", required,
			"register it (nexus revenue sources), or name one that is")
	case !r.SourceActive:
		return refuse("inactive_source", "source "+quote(r.Source)+" is closed", required, "report through an active source")
	case r.SourceClass < 1 || r.SourceClass > 3:
		return refuse("unknown_class", "source "+quote(r.Source)+" has class "+strconv.Itoa(int(r.SourceClass)),
			"metered, provider or attested", "register the source with one of the three classes")
	case !r.ActorIsSource:
		return refuse("not_the_source", "signed by another key than that of source "+quote(r.Source), required,
			"sign with the source's own key")
	case r.Beneficiary:
		return refuse("beneficiary",
			"source "+quote(r.Source)+" reports for "+unitText(r.BeneficiaryOf)+", which its holder owns",
			"nobody states revenue of a unit that they own", "let a source that belongs to somebody else report it")
	}
	return pass("")
}

func checkBatch(r *gates.RevenueFacts) gates.Verdict {
	const whole = "every event of the batch is in order; a batch is posted whole or not at all"
	percent := func(n uint8) string { return strconv.Itoa(int(n)) + " %" }
	where := func() string {
		if r.FirstOffender == 0 {
			return "the batch"
		}
		return "event " + strconv.FormatUint(r.FirstOffender, 10) + " of " + strconv.FormatUint(r.Events, 10)
	}
	switch {
	case r.Conflicts > 0:
		return refuse("conflicting_event", strconv.FormatUint(r.Conflicts, 10)+
			" event ids were used before with other content; first fault: "+where()+": "+r.Fault,
			"an event id means the same event for ever", "send the changed event under a new id, or as a refund of the first")
	case r.FirstOffender > 0 || r.Fault != "":
		return refuse("faulty_event", where()+": "+r.Fault, whole, "mend or leave out that event and send the batch again")
	case r.MeterKnown && r.MeterMinor != r.ReportedMinor:
		return refuse("meter_contradicts",
			"reported "+number(r.ReportedMinor)+", metered "+number(r.MeterMinor)+" minor units",
			"the report agrees with the meter", "report what was metered: "+number(r.MeterMinor)+" minor units")
	case r.RequiredPercent != 55 && r.RequiredPercent != 80:
		return refuse("unknown_split", "the unit's kind would be split at "+percent(r.RequiredPercent),
			"55 % or 80 % for the creator",
			"report for a unit, mini-platform or channel")
	case r.SplitPercent != r.RequiredPercent:
		return refuse("wrong_split", "would be posted with "+percent(r.SplitPercent)+" for the creator",
			percent(r.RequiredPercent)+" for the creator, by the constitution",
			"post with "+percent(r.RequiredPercent)+"; the ratio is a constant of the program")
	}
	return pass("")
}
