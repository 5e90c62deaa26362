package bench

import (
	"context"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
)

// gatesBench measures one decision: facts encoded and hashed, 17 verdicts with evidence.
func gatesBench(_ context.Context, o Options) ([]Row, error) {
	chain, err := gates.NewChain(rules.All())
	if err != nil {
		return nil, err
	}
	facts := rules.All()[6].Good()
	bad := rules.All()[6].Bad()
	var good, refused []sample
	for range o.Runs {
		good = append(good, decideFor(chain, &facts, o.Duration))
		refused = append(refused, decideFor(chain, &bad, o.Duration))
	}
	return []Row{row("17 gates, allowed", "decisions/s", "one core", good), row("17 gates, refused", "decisions/s", "one core", refused)}, nil
}

func decideFor(chain *gates.Chain, f *gates.Facts, d time.Duration) sample {
	n, start := 0, time.Now()
	for time.Since(start) < d {
		for range 100 {
			chain.Decide(f, gates.DecisionInput{Kind: f.Kind})
		}
		n += 100
	}
	return sample{rate: float64(n) / time.Since(start).Seconds()}
}
