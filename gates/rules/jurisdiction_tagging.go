// Rule: every unit declares a jurisdiction and all its resources carry it.
// Reason: where data lives decides whose law protects the people in it.
// Spec: SPEC section 1, gate 9. An exit is not held up by it: what leaves is no longer placed here.

package rules

import (
	stdslices "slices"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/gates"
)

func jurisdictionTagging() gates.Gate {
	return gates.Gate{
		Number: 9, Name: "jurisdiction-tagging", Version: 1,
		Rule:     "every unit declares a jurisdiction and all its resources carry it",
		Enforcer: "the registry in the replicated state: no unit or resource enters it without its tag",
		Check:    checkJurisdictionTagging,
		Good:     createSample,
		Bad: func() gates.Facts {
			f := createSample()
			f.Tags[0].ResourceTags = []string{"US-CCPA", "EU-GDPR"}
			return f
		},
	}
}

func checkJurisdictionTagging(f *gates.Facts) gates.Verdict {
	if ownersExit(f) {
		return skip()
	}
	if len(f.Tags) == 0 {
		if creating(f) {
			return refuse("untagged", "the new unit declares no jurisdiction", "a jurisdiction for every unit",
				"declare one (--jurisdiction US-CCPA)")
		}
		return skip()
	}
	for i := range f.Tags {
		if v := checkTags(f, &f.Tags[i]); !v.Allow {
			return v
		}
	}
	return pass("a known jurisdiction, carried by every resource")
}

func checkTags(f *gates.Facts, t *gates.TagFacts) gates.Verdict {
	tag := t.Jurisdiction
	switch {
	case tag == "":
		return refuse("untagged", "no jurisdiction", "a jurisdiction for every unit", "declare one (--jurisdiction US-CCPA)")
	case !t.Known || !Known(tag):
		return refuse("unknown_jurisdiction", "jurisdiction "+quote(tag), "one of "+strings.Join(Tags(), ", "),
			"choose one of these tags, spelt exactly so")
	case t.UnitJurisdiction != "" && t.UnitJurisdiction != tag:
		return refuse("tag_crossing", "the unit is of "+quote(t.UnitJurisdiction)+", the action of "+tag,
			"one jurisdiction per unit",
			"act under "+quote(t.UnitJurisdiction))
	case len(t.ResourceTags) == 0:
		return refuse("untagged_resource", "no resource carries a tag", "every resource carries "+tag,
			"tag the resources "+tag)
	}
	for _, resource := range t.ResourceTags {
		if resource == "" {
			return refuse("untagged_resource", "a resource without a tag", "every resource carries "+tag,
				"tag the resource "+tag)
		}
		if resource != tag {
			return refuse("tag_crossing", "a resource tagged "+quote(resource)+" in a unit of "+tag,
				"every resource carries "+tag,
				"tag the resource "+tag+" or leave it out")
		}
	}
	// Only an action that places something needs a place for it: an existing unit stays usable when a node goes.
	if len(t.NodeJurisdictions) > 0 && places(f) && !stdslices.Contains(t.NodeJurisdictions, tag) {
		return refuse("no_node_there", "nodes stand in "+quoteAll(t.NodeJurisdictions)+" only", "a node in "+tag,
			"admit a node in "+tag+", or choose a jurisdiction that has one")
	}
	return pass("")
}

// places reports whether the action puts resources on a node: a creation, or a workload that starts.
func places(f *gates.Facts) bool {
	for i := range f.Envelope {
		if f.Envelope[i].InUse {
			return true
		}
	}
	return creating(f)
}
