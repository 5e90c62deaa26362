// Rule: a unit changes only records in its own zones; the server is no amplifier.
// Reason: a zone is a unit's address in the world, and an open amplifier harms strangers.
// Spec: SPEC section 1, gate 4.

package rules

import "github.com/BobbyBlanco400/nexus-cos/gates"

func dnsAuthorityScoping() gates.Gate {
	return gates.Gate{
		Number: 4, Name: "dns-authority-scoping", Version: 1,
		Rule: "a unit changes only records in its own zones; the server is no amplifier",
		Later: "the DNS server will enforce it: it serves zones built from gated records, and limits ANY and the rate of " +
			"each source",
		Check: checkDNSAuthorityScoping,
		Good:  func() gates.Facts { return zoneSample(unitAda) },
		Bad:   func() gates.Facts { return zoneSample(unitOther) },
	}
}

func zoneSample(holder byte) gates.Facts {
	f := ownerSample("dns.set")
	f.Zone = []gates.ZoneFacts{{Zone: "ada.imvu-001.nexus.localhost", ZoneUnit: sampleID(holder),
		Record: "www.ada.imvu-001.nexus.localhost", InZone: true}}
	return f
}

func checkDNSAuthorityScoping(f *gates.Facts) gates.Verdict {
	if len(f.Zone) == 0 {
		return skip()
	}
	for i := range f.Zone {
		if v := checkZone(f, &f.Zone[i]); !v.Allow {
			return v
		}
	}
	return pass("within the unit's own zone")
}

func checkZone(f *gates.Facts, z *gates.ZoneFacts) gates.Verdict {
	switch {
	case z.QueryAny:
		return refuse("query_any", "an ANY query for "+quote(z.Record), "queries for one record type",
			"ask for one type, or over TCP")
	case z.OverRate:
		return refuse("over_rate", "the source asks faster than its UDP rate", "a source's rate of UDP queries",
			"ask again over TCP, or slow down")
	case f.Read:
		return pass("")
	case z.ZoneUnit.IsZero():
		return refuse("unknown_zone", "nobody holds zone "+quote(z.Zone), "a zone that the unit holds",
			"claim the domain first (nexus dns)")
	case z.ZoneUnit != f.Unit.ID:
		return refuse("foreign_zone", "zone "+quote(z.Zone)+" is held by "+unitText(z.ZoneUnit), "a zone that the unit holds",
			"change records in the unit's own zones only")
	case !z.InZone:
		return refuse("outside_zone", "record "+quote(z.Record)+" lies outside zone "+quote(z.Zone),
			"a record name within the zone",
			"use a name that ends in "+quote(z.Zone))
	}
	return pass("")
}
