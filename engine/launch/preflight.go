package launch

import "context"

// Phase 1, repository validation (preflight). Rule: nothing is touched before the machine and the configuration are known
// to fit. Reason: a launch that fails half-way leaves work to people. SPEC section 2.
func preflight(ctx context.Context, env Env, rec *Recorder) error {
	for _, c := range env.HostChecks(ctx) {
		rec.Check(c)
	}
	return ctx.Err()
}
