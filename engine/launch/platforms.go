package launch

import (
	"context"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/slicing"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// Phase 4, mini-platform integration. Rule: every mini-platform is bound to ledger, creator identity and slice, read back
// from each. SPEC section 2.
func miniPlatforms(_ context.Context, env Env, rec *Recorder) error {
	served := map[nexus.ID]bool{}
	for _, s := range env.SliceStats() {
		served[s.Slice.ID] = true
	}
	count, ledgerBound, owned, sliced, ruled := 0, 0, 0, 0, 0
	var off string
	env.Engine().View(func(s *state.State) {
		for _, u := range s.SortedUnits() {
			if u.Kind != nexus.KindPlatform || u.Status != "active" {
				continue
			}
			count++
			owner := s.Identities[u.Owner]
			inLedger := s.Chain.Head(u.ID).Seq > 0
			ok := []bool{inLedger, owner != nil && !owner.Revoked, u.Dormant || served[slicing.SliceID(u.ID)], u.Percent == 80}
			for i, n := range []*int{&ledgerBound, &owned, &sliced, &ruled} {
				if ok[i] {
					*n++
				} else if off == "" {
					off = u.Label
				}
			}
		}
	})
	detail := func(what string) string {
		if off != "" {
			return fmt.Sprintf("%s; %s has something missing", what, off)
		}
		return what
	}
	rec.Require(count >= 2, "platforms", fmt.Sprintf("%d mini-platforms, stream and ott among them", count), "the genesis is incomplete: restore from a backup")
	rec.Count("bound to ledger", ledgerBound, count, "platforms", detail("have a chain of entries"), "run nexus audit")
	rec.Count("bound to identity", owned, count, "platforms", detail("have a living owner"), "see nexus platform show")
	rec.Count("bound to slice", sliced, count, "platforms", detail("are in the gateway's table"), "see nexus slices list")
	rec.Count("rule 80/20", ruled, count, "platforms", detail("are under 80/20"), "run nexus audit")
	return nil
}

// Phase 5, front-facing modules. Not built in this version; nothing is shown as if it were.
func frontFacing(_ context.Context, _ Env, rec *Recorder) error {
	rec.Skip("Nexus Stream and Nexus OTT Mini are registered but serve nothing: their fabrics are not built in this version")
	return nil
}

// Phase 7, compute fabric. Not built in this version: envelopes are recorded and judged, not enforced by the kernel.
func compute(_ context.Context, _ Env, rec *Recorder) error {
	rec.Skip("the compute fabric is not built in this version: envelopes are recorded, not enforced")
	return nil
}

// Phase 8, DNS and mail. Not built in this version.
func dnsMail(_ context.Context, _ Env, rec *Recorder) error {
	rec.Skip("the DNS and mail fabrics are not built in this version: domains are registered, no zone answers")
	return nil
}
