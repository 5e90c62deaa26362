package state_test

import (
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// A node whose clock once ran a century ahead moves the log's time, which never falls; what is asked afterwards by a right
// clock is still judged by that clock, and has not expired.
func TestAFastClockHoldsNothingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const century = int64(100) * 365 * 24 * 60 * 60 * 1000
	right := w.now
	w.now += century
	w.must(w.operator, state.KindPlatformCreate, nexus.ID{}, state.UnitCreate{Name: "Ahead"})
	ahead := w.a.TimeMs
	w.now = right + 1000
	out := w.do(w.operator, state.KindPlatformCreate, nexus.ID{}, state.UnitCreate{Name: "After"})
	if out.Err != nil || !out.Receipt.Allowed {
		t.Errorf("after a fast clock: %v, refused by %v: %s", out.Err, out.Receipt.Gates, out.Receipt.Reason)
	}
	if w.a.TimeMs <= ahead {
		t.Errorf("log time fell from %d to %d", ahead, w.a.TimeMs)
	}
	// Expiry still counts: an action that the node's clock finds late is refused.
	late := w.action(w.operator, state.KindPlatformCreate, nexus.ID{}, state.UnitCreate{Name: "Late"})
	w.now = late.ExpiresMs + 1
	if out := w.apply(w.command(late)); out.Receipt.Allowed {
		t.Error("an expired action was taken")
	}
}
