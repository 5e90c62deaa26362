package launch

import (
	"context"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
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
	note := ""
	if after != before {
		own, others, err := env.Meanwhile()
		if err != nil {
			return err
		}
		if own > 0 || others == 0 {
			changed = 1
		} else { // the node answers from phase 6 on: what owners and sources did is not what the launch did
			note = fmt.Sprintf("; others acted meanwhile (%d acts), the launch itself wrote nothing about real units", others)
		}
	}
	if units > 0 {
		rec.Count("changed", changed, 0, "changes", fmt.Sprintf("existing: %d, changed: %d; state %s before, %s after%s", units, changed,
			before.String()[:16], after.String()[:16], note), "see nexus gates log for what was done meanwhile")
	}
	cosigners(ctx, env, rec) // before the report, which has their number too
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

// cosigners says who stands beside the node's own signature (SPEC section 1, gate 17). Their number is no condition: there may be nobody. A
// witness that holds another history is.
func cosigners(ctx context.Context, env Env, rec *Recorder) {
	h := env.Engine().AttestedHead(ctx)
	n, rows := float64(h.Cosigners), env.Engine().Witnesses()
	check := wire.Check{Name: "cosigners", Status: wire.StatusPassed, Value: &n, Unit: "witnesses",
		Detail: fmt.Sprintf("of %d that are asked, over %d entries", len(rows), h.Checkpoint.Size)}
	if len(rows) == 0 {
		check.Detail = "none is asked: only who holds an earlier checkpoint would notice a rewritten log (docs/operate/witness.md)"
	}
	for _, w := range rows {
		if w.Status == wire.WitnessConflict {
			check.Status, check.Detail = wire.StatusDegraded, "witness "+w.Name+": "+w.Error
			check.Remedy = "compare checkpoints with the witness before anything else: see docs/operate/witness.md"
		}
	}
	rec.Check(check)
}
