package launch

import (
	"context"
	"fmt"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// Phase 10, validation and testing. Rule: the live suites of SPEC section 6 run against the stack as it stands. A suite that
// this version does not have is named and makes the phase degraded, never passed.
func validation(ctx context.Context, env Env, rec *Recorder) error {
	res, err := env.Suites(ctx, nil)
	if err != nil {
		return err
	}
	for _, s := range res.Suites {
		for _, c := range s.Checks {
			c.Name = s.Suite + ": " + c.Name
			rec.Check(c)
		}
		if s.Status == wire.StatusSkipped || s.Status == wire.StatusDegraded {
			rec.Degrade(s.Suite, s.Reason, "")
		}
	}
	rec.Require(res.Checks > 0, "suites", fmt.Sprintf("%d checks, %d passed", res.Checks, res.Passed), "no suite ran: see nexus logs")
	return nil
}
