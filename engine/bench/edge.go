package bench

import (
	"context"
	stdslices "slices"

	"github.com/BobbyBlanco400/nexus-cos/engine/bench/edge"
)

// edgeGroups is the case of one edge process beside one per latency group (docs/decisions/0021); it runs when named.
const edgeGroups = "groups"

// edgeBench measures the edge beside other proxies; package edge below says how.
func edgeBench(ctx context.Context, o Options) ([]Row, error) {
	run := edge.Run
	if o.Case == edgeGroups {
		run = edge.Groups
	}
	report, err := run(ctx, edge.Options{Dir: o.Dir, Binary: o.Binary, Env: o.Env, Runs: o.Runs, Duration: o.Duration, Case: o.Case, Progress: o.Progress})
	var rows []Row
	for _, c := range report.Cases {
		row := Row{Case: c.Name, Unit: c.Unit, Runs: len(c.Values), Detail: c.Note}
		if len(c.Values) > 0 {
			value, p50, p99, p999 := c.Medians()
			row.Value, row.Min, row.Max = value, stdslices.Min(c.Values), stdslices.Max(c.Values)
			row.P50Ms, row.P99Ms, row.P999Ms = float64(p50)/1000, float64(p99)/1000, float64(p999)/1000
		}
		rows = append(rows, row)
	}
	return rows, err
}
