package node

import (
	"context"
	"log/slog"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// shortCount adds up what came after the minute that opened a breach of a guaranteed rate, until it ends. A node that starts again begins anew:
// what it had counted is not made up for.
type shortCount struct {
	fromMs   int64
	guarded  shape.Kept // Recent and Short: sums; WorstPercent: the least
	measured bool
}

func (c *shortCount) add(k shape.Kept) {
	if k.Recent == 0 {
		return
	}
	if !c.measured || k.WorstPercent < c.guarded.WorstPercent {
		c.guarded.WorstPercent = k.WorstPercent
	}
	c.guarded.Recent, c.guarded.Short, c.measured = c.guarded.Recent+k.Recent, c.guarded.Short+k.Short, true
}

// promise judges the windows of a slice's guaranteed rate in the minute that ends now, at all edges: one that is short opens a breach, a minute with
// windows and none short ends it, and so does a promise that is no more.
func (l *serviceLevel) promise(ctx context.Context, now time.Time, s *edge.SliceStats) error {
	unit, known := s.Slice.Unit, false
	var open state.SliceShort
	l.view(func(st *state.State) {
		if u := st.Units[unit]; u != nil && u.Kind != nexus.KindProbe {
			known = true
		}
		_, open = st.ShortWindows(unit)
	})
	if !known {
		return nil
	}
	return l.promiseOf(ctx, now, s, open.Open)
}

// promiseOf is promise of a unit whose breach is open or not.
func (l *serviceLevel) promiseOf(ctx context.Context, now time.Time, s *edge.SliceStats, open bool) error {
	unit, minute, owed := s.Slice.Unit, l.edges.promise(s, now), s.Slice.GuaranteedBps > 0
	switch {
	case !open && owed && minute.Short > 0:
		return l.postShort(ctx, now, s, true, shortCount{fromMs: now.Add(-time.Minute).UnixMilli(), guarded: minute})
	case open:
		c := l.short[unit]
		if c == nil {
			c = &shortCount{fromMs: now.Add(-time.Minute).UnixMilli()}
			l.short[unit] = c
		}
		c.add(minute)
		if minute.Short > 0 || minute.Recent == 0 && owed {
			return nil
		}
		if err := l.postShort(ctx, now, s, false, *c); err != nil {
			return err
		}
		delete(l.short, unit)
	}
	return nil
}

// postShort posts the begin or the end of a breach.
func (l *serviceLevel) postShort(ctx context.Context, now time.Time, s *edge.SliceStats, open bool, c shortCount) error {
	b := state.SliceShort{Open: open, SinceMs: c.fromMs, UntilMs: now.UnixMilli(), GuaranteedBps: s.Slice.GuaranteedBps,
		Windows: uint32(c.guarded.Recent), Short: uint32(c.guarded.Short), WorstPpm: 1_000_000}
	if b.Short > 0 {
		b.WorstPpm = uint32(min(max(c.guarded.WorstPercent*10_000, 0), 999_999))
	}
	return l.out.post(ctx, state.KindSliceShort, s.Slice.Unit, b)
}

// breachesSince says since when breaches of a unit's latency budget and guaranteed rate are open, nil: none.
func breachesSince(st *state.State, unit nexus.ID) (over, short *time.Time) {
	since := func(open bool, ms int64) *time.Time {
		if !open {
			return nil
		}
		t := time.UnixMilli(ms).UTC()
		return &t
	}
	_, b := st.ServiceLevel(unit)
	_, s := st.ShortWindows(unit)
	return since(b.Open, b.SinceMs), since(s.Open, s.SinceMs)
}

// logLevel tells the node's log of a breach and of its end, as they went into the ledger; of other posts nothing.
func logLevel(log *slog.Logger, unit nexus.ID, body any) {
	log = log.With("component", "service-level", "unit", unit)
	switch b := body.(type) {
	case state.SliceBreach:
		if b.Open {
			log.Warn("slice is over its latency budget", "p99_us", b.AddedP99, "budget_us", b.Budget, "baseline_p99_us", b.BaselineP99, "probes", b.Samples,
				"missed", b.Missed)
			return
		}
		log.Info("slice keeps its latency budget again", "p99_us", b.AddedP99, "budget_us", b.Budget)
	case state.SliceShort:
		if b.Open {
			log.Warn("slice got less than its guaranteed rate", "guaranteed_bps", b.GuaranteedBps, "windows", b.Windows, "short", b.Short, "worst_ppm", b.WorstPpm)
			return
		}
		log.Info("slice gets its guaranteed rate again", "guaranteed_bps", b.GuaranteedBps, "windows", b.Windows, "short", b.Short)
	}
}

// promise gives what a slice's guaranteed rate came to in the last minute at the node's own gateway, whose figures are given, and at each edge that is
// heard of now. What a process that has gone counted since the last judgement is not in it: its last report tells of a minute that overlaps.
func (e *edgeReports) promise(own *edge.SliceStats, now time.Time) shape.Kept {
	sum := shortCount{}
	sum.add(own.Promise)
	for _, s := range e.of(own.Slice.ID, now, reportFresh) {
		sum.add(s.stats.Promise)
	}
	return sum.guarded
}
