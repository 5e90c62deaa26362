package launch

import (
	"context"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// Phase 12, final system status. Rule: the report is written and signed, its SHA-256 posted to the ledger, and both are read
// back. Launching over existing data must have changed nothing. SPEC section 2.
func status(ctx context.Context, env Env, rec *Recorder) error {
	if env.Engine() == nil {
		rec.Skip("needs phase 2")
		return nil
	}
	before, units := env.Before()
	var after nexus.Hash
	changed := 0
	env.Engine().View(func(s *state.State) { after = s.DesiredHash() })
	if after != before {
		changed = 1
	}
	if units > 0 {
		rec.Count("changed", changed, 0, "changes", fmt.Sprintf("existing: %d, changed: %d; state %s before, %s after", units, changed,
			before.String()[:16], after.String()[:16]), "see nexus gates log for what was done meanwhile")
	}
	rep, err := env.WriteReport(ctx, env.Results())
	if err != nil {
		return err
	}
	receipt, err := env.Operate(ctx, state.KindReportPost, nexus.ID{}, state.ReportPost{SHA256: rep.SHA256, Verdict: rep.Verdict, Name: rep.Path})
	if err != nil {
		return err
	}
	found := false
	env.Engine().View(func(s *state.State) {
		for _, r := range s.Reports {
			found = found || r.Index == receipt.Index && r.SHA256 == rep.SHA256
		}
	})
	rec.Require(found, "report posted", fmt.Sprintf("SHA-256 %s stands in entry %d", rep.SHA256.String()[:16], receipt.FirstEntry), "see nexus report list")
	rec.Pass("report written", rep.Path)
	return nil
}
