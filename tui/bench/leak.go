package bench

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/tui"
)

// Sessions over SSH that are killed: so many, so many at once; what they leave behind must be gone after a while.
const (
	leakSessions = 200
	leakAtOnce   = 10
	leakMost     = time.Minute
)

// leftovers are figures of a process that must be back where they were, by their names in the node's metrics.
var leftovers = []struct{ gauge, name string }{{"go_goroutines", "goroutines"}, {"process_open_fds", "open files"}}

// leak measures what is left in the node of people who came over SSH, saw the overview and whose clients were killed.
func (m *measure) leak(ctx context.Context, ssh string, sessions, atOnce int) ([]figure, error) {
	addr, keys, err := m.node.Guests(ctx, atOnce)
	if err != nil {
		return nil, err
	}
	if err := m.visit(ctx, ssh, addr, keys); err != nil { // what the first ones make, the node keeps
		return nil, err
	}
	before := make([]float64, len(leftovers)) // the most of a window: connections of the node's own probes come and go
	for end, first := time.Now().Add(m.o.Duration), true; first || time.Now().Before(end); first = false {
		for i, l := range leftovers {
			now, err := m.node.Gauge(ctx, l.gauge)
			if err != nil {
				return nil, err
			}
			before[i] = max(before[i], now)
		}
		if err := pause(ctx, pictureEvery); err != nil {
			return nil, err
		}
	}
	for n := 0; n < sessions; n += len(keys) {
		if err := m.visit(ctx, ssh, addr, keys[:min(len(keys), sessions-n)]); err != nil {
			return nil, err
		}
	}
	var out []figure
	for i, l := range leftovers {
		least, now := 0.0, 0.0
		for first, until := true, time.Now().Add(cmp.Or(m.patience, leakMost)); first || least > before[i] && time.Now().Before(until); first = false {
			if now, err = m.node.Gauge(ctx, l.gauge); err != nil {
				return nil, err
			}
			if first || now < least {
				least = now
			}
			if err := pause(ctx, pictureEvery); err != nil {
				return nil, err
			}
		}
		out = append(out, figure{name: fmt.Sprintf("%d sessions over SSH killed: %s left", sessions, l.name), value: max(least-before[i], 0), limit: limit(0),
			detail: fmt.Sprintf("at most %.0f before, %.0f after", before[i], least)})
	}
	return out, nil
}

// visit lets people in, each with a key of their own, until each sees the overview, and kills their clients.
func (m *measure) visit(ctx context.Context, ssh, addr string, keys []string) error {
	var seen []viewer
	defer func() {
		for _, v := range seen {
			v.close("")
		}
	}()
	return m.enter(ctx, ssh, addr, keys, &seen)
}

// Of drawing alone, in this process.
const (
	drawnFrames = 400
	drawMost    = 300.0 // us
	drawKBMost  = 40.0
	drawAllocs  = 200.0
	scrollMost  = 8.0 // ms
)

// drawing measures a frame of the overview of which one panel has changed, and a row of twenty thousand units: what the console itself takes, the
// medians of many frames without a terminal.
func (m *measure) drawing(ctx context.Context) ([]figure, error) {
	o, err := m.node.Overview(ctx)
	if err != nil {
		return nil, err
	}
	w := wide()
	one, err := tui.CostOfPanel(o, w.columns, w.rows, drawnFrames)
	if err != nil {
		return nil, err
	}
	crowd, units, tallies := many(o, unitsMany)
	row, err := tui.CostOfScroll(crowd, units, tallies, small().columns, small().rows, drawnFrames)
	if err != nil {
		return nil, err
	}
	ms := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(time.Millisecond) }
	detail := fmt.Sprintf("median of %d frames, no terminal", drawnFrames)
	return []figure{{name: "drawing the overview, one panel changed, 160x48", unit: "us", value: 1000 * ms(one.Took), limit: limit(drawMost), detail: detail},
		{name: "drawing the overview, memory allocated", unit: "KB", value: one.Bytes / 1000, limit: limit(drawKBMost), detail: detail},
		{name: "drawing the overview, allocations", value: one.Allocs, limit: limit(drawAllocs), detail: detail},
		{name: "20,000 units: a row down and its frame", unit: "ms", value: ms(row.Took), limit: limit(scrollMost), detail: detail}}, nil
}
