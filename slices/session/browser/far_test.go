package browser

import (
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// TestAFarEdgeIsNotASilentOne: an idle page three heartbeats away from every edge stays where it is; a dead edge is left all the same.
func TestAFarEdgeIsNotASilentOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, string(script), session.Limits{RetainFor: time.Minute})
	w.far = 300
	w.open(0, edgeA, edgeB, edgeC)
	w.run(10_000, nil)
	if w.moves != 0 || len(w.dialled) != 1 || w.page.Get("edge").String() != edgeA || len(w.faults) > 0 {
		t.Fatalf("%d moves, dialled %v, told %v, faults %v", w.moves, w.dialled, w.events2, w.faults)
	}
	w.mute[edgeA] = true
	if !w.run(5000, func() bool { return w.page.Get("edge").String() != edgeA && w.page.Get("state").String() == "open" }) {
		t.Fatalf("a silent edge is not left: %v, %v", w.events2, w.faults)
	}
}
