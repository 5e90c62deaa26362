package session

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestNearestOverAMatrix: 1,000 clients among 50 edges on a map, each measuring each edge by the shortest of three round trips, as the clients do, with noise
// on every one. It holds the figure of docs/edge-figures.md for the choice of an edge: within 10 % of the best in at least 90 of 100.
func TestNearestOverAMatrix(t *testing.T) {
	t.Parallel()
	const edges, clients = 50, 1000
	r := rand.New(rand.NewPCG(50, 1))
	place := func() [2]float64 { return [2]float64{r.Float64() * 60, r.Float64() * 60} } // milliseconds one way, as the crow flies
	var at [edges][2]float64
	var detour [edges][]float64 // of each way: networks are no planes
	for e := range at {
		at[e] = place()
		for range clients {
			detour[e] = append(detour[e], 1+r.Float64())
		}
	}
	for _, noise := range []float64{0.02, 0.05, 0.2} {
		fresh, stayed := 0, 0
		for c := range clients {
			client := place()
			var real [edges]float64
			var measured []Measured
			best := math.Inf(1)
			for e := range at {
				real[e] = 0.5 + 2*math.Hypot(at[e][0]-client[0], at[e][1]-client[1])*detour[e][c]
				best = min(best, real[e])
				shortest := math.Inf(1)
				for range 3 {
					shortest = min(shortest, real[e]*(1+noise*r.ExpFloat64()))
				}
				measured = append(measured, Measured{Address: fmt.Sprint(e), RTT: time.Duration(shortest * float64(time.Millisecond))})
			}
			choose := func(present string) float64 {
				var e int
				if _, err := fmt.Sscan(Nearest(present, measured), &e); err != nil {
					t.Fatal(err)
				}
				return real[e]
			}
			if choose("") <= 1.1*best {
				fresh++
			}
			// Where it is already, a client stays unless it gains more than 20 % and 5 ms: that is what it may lose.
			if got := choose(fmt.Sprint(r.IntN(edges))); got <= 1.1*best || got <= best*(1+0.25)*(1+3*noise)+5.5 {
				stayed++
			}
		}
		t.Logf("noise of %2.0f %%: a new client is within 10 %% of the best in %.1f of 100", noise*100, float64(fresh)*100/clients)
		if fresh < clients*90/100 {
			t.Errorf("noise of %2.0f %%: %d of %d new clients are within 10 %% of the best", noise*100, fresh, clients)
		}
		if stayed < clients*97/100 {
			t.Errorf("noise of %2.0f %%: %d of %d clients that were somewhere are as near as the hysteresis allows", noise*100, stayed, clients)
		}
	}
}
