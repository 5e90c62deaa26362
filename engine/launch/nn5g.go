package launch

import (
	"context"
	"fmt"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/slicing"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// latencyLimitMs is the promise: added latency at the 99th percentile (SPEC section 4).
const latencyLimitMs = 10.0

// minProbeSamples is how many probes a slice's figure must rest on before it is shown.
const minProbeSamples = 20

// Phase 3, the NN-5G layer. Rule: gateways listen, membership is joined, slices are allocated, and latency is measured
// through the real listener. Reason: a configured slice is not an enforced one. SPEC sections 2 and 4.
func nn5g(ctx context.Context, env Env, rec *Recorder) error {
	if err := env.StartEdge(ctx); err != nil {
		return err
	}
	rec.Pass("gateway listening", env.EdgeAddr())
	if err := env.StartCluster(ctx); err != nil {
		return err
	}
	members := env.Members()
	alive := 0
	for _, m := range members {
		if m.State == "alive" {
			alive++
		}
	}
	rec.Require(alive >= 1, "membership", fmt.Sprintf("%d of %d members alive", alive, len(members)), "see nexus cluster members")
	if env.LedgerOn() != "" {
		rec.Degrade("slices", "none yet: this node is not admitted", "admit it on the node that holds the ledger: nexus cluster admit")
		return nil
	}
	want := 0
	env.Engine().View(func(s *state.State) { want = len(slicing.Desired(s)) })
	rec.Count("slices allocated", len(env.SliceStats()), want, "slices", "one for each running unit and mini-platform", "see nexus logs --component slicing")
	return measure(ctx, env, rec)
}

// measure waits until every slice's probes carry a figure, then holds the worst against the limit.
func measure(ctx context.Context, env Env, rec *Recorder) error {
	deadline := time.Now().Add(15 * time.Second)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		stats := env.SliceStats()
		ready, worst, samples, name := true, 0.0, int64(0), ""
		for _, s := range stats {
			if s.Added.Samples < minProbeSamples {
				ready = false
			}
			samples += s.Added.Samples
			if p := float64(s.Added.AddedP99) / 1000; p >= worst {
				worst, name = p, s.Slice.Name
			}
		}
		if ready || time.Now().After(deadline) {
			if !ready || len(stats) == 0 {
				rec.Fail("slice p99", fmt.Sprintf("only %d probe samples in 15 s", samples), "see nexus slices list and nexus logs --component edge")
				return nil
			}
			limit := latencyLimitMs
			check := wire.Check{Name: "slice p99", Status: wire.StatusPassed, Value: &worst, Unit: "ms", Limit: &limit, Bound: wire.BoundMost,
				Detail: fmt.Sprintf("worst of %d slices is %s, %d probes through the real listener less the direct baseline", len(stats), name, samples)}
			if worst > limit {
				check.Status, check.Remedy = wire.StatusDegraded, "the machine is busy or too small: see nexus slices top"
			}
			rec.Check(check)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
