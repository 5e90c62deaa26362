package edge

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// TestAGatewayTellsHowItKeepsItsPromises: the windows of a slice with a guaranteed rate are judged while it is asked for more than that, beside a
// neighbour that takes the rest; of one to which nothing is promised there is nothing to tell. How much of the rate went is the machine's word here.
func TestAGatewayTellsHowItKeepsItsPromises(t *testing.T) {
	t.Parallel()
	endless := backend(t, endlessly)
	promised := unit("promised", func(s *slices.Slice) { s.GuaranteedBps = 8_000_000 })
	fair := unit("fair")
	g := gateway(t, table(t, []Route{route("promised.test", promised, endless), route("fair.test", fair, endless)}, promised, fair),
		func(c *Config) { c.CapacityBps = 16_000_000 })
	if k := promise(g, promised); k != (shape.Kept{}) {
		t.Errorf("before anybody asked: %+v", k)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var taking sync.WaitGroup
	defer taking.Wait()
	defer cancel()
	var got [2]atomic.Int64
	for i, host := range []string{"promised.test", "fair.test"} {
		take(ctx, t, &taking, g.Addr(), host, &got[i])
	}
	eventually(t, "a window was judged", func() bool { return promise(g, promised).Windows > 0 })
	if k := promise(g, promised); k.Recent == 0 || k.WorstPercent <= 0 || k.WorstPercent > 100 || k.Kept > k.Windows {
		t.Errorf("%+v", k)
	}
	if k := promise(g, fair); k != (shape.Kept{}) {
		t.Errorf("nothing was promised, but %+v", k)
	}
}

// endlessly answers with as much as is taken.
func endlessly(w http.ResponseWriter, _ *http.Request) {
	for b := make([]byte, 64<<10); ; {
		if _, err := w.Write(b); err != nil {
			return
		}
	}
}

func promise(g *Gateway, s slices.Slice) shape.Kept {
	for _, stats := range g.Snapshot() {
		if stats.Slice.ID == s.ID {
			return stats.Promise
		}
	}
	return shape.Kept{}
}
