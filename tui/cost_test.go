package tui

import (
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// What is measured is drawn: a frame costs time and memory, a hundred rows are scrolled past, and what cannot be measured is an error.
func TestCosts(t *testing.T) {
	t.Parallel()
	one, err := CostOfPanel(tuitest.Overview(), 160, 48, 20)
	if err != nil || one.Took <= 0 || one.Allocs < 10 || one.Bytes < 1000 {
		t.Errorf("%+v, %v", one, err)
	}
	o, units, tallies := tuitest.Many(2000)
	if scroll, err := CostOfScroll(o, units, tallies, 80, 24, 50); err != nil || scroll.Took <= 0 || scroll.Allocs < 10 {
		t.Errorf("%+v, %v", scroll, err)
	}
	none := tuitest.Overview()
	none.Slices = nil
	if _, err := CostOfPanel(none, 160, 48, 1); err == nil {
		t.Error("slices that are not there were drawn")
	}
	if _, err := CostOfScroll(o, units[:10], tallies, 80, 24, 50); err == nil {
		t.Error("fifty rows of ten were scrolled past")
	}
}

// Each frame is prepared first, and what preparing allocates does not count. Alone: the counters are the process's.
func TestCostOf(t *testing.T) {
	var order []string
	var kept [][]byte
	const much = 1 << 20
	c := costOf(3, func() { order, kept = append(order, "prepare"), append(kept, make([]byte, much)) }, func() { order = append(order, "draw") })
	if len(order) != 12 || order[0] != "prepare" || order[1] != "draw" || order[11] != "draw" || c.Bytes >= much || len(kept) != 6 {
		t.Errorf("%v, %+v", order, c)
	}
	if c := costOf(3, func() {}, func() { kept = append(kept, make([]byte, much)) }); c.Bytes < much || c.Allocs < 1 {
		t.Errorf("a megabyte a frame is %+v", c)
	}
}
