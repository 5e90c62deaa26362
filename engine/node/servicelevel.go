package node

import (
	"bytes"
	"context"
	"errors"
	stdslices "slices"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// servicePostEvery is how often the minutes of all slices become entries; also when the month ends and when the node stops.
const servicePostEvery = time.Hour

// serviceLevel keeps the service-level record (SPEC section 4): once a minute it judges what the probes of each slice measured
// in that minute, posts a breach or its end at once, and the counts of minutes every hour. What a killed node had counted and
// not posted is lost and stays unmeasured: nothing is made up for it. Owned by one goroutine.
type serviceLevel struct {
	post   func(ctx context.Context, kind string, unit nexus.ID, body any) error
	view   func(func(*state.State))
	edges  *edgeReports
	fromMs int64
	counts map[nexus.ID]*state.MinutesRow
}

func newServiceLevel(post func(context.Context, string, nexus.ID, any) error, view func(func(*state.State)), now time.Time,
	edges *edgeReports) *serviceLevel {
	return &serviceLevel{post: post, view: view, edges: edges, fromMs: now.UnixMilli(), counts: map[nexus.ID]*state.MinutesRow{}}
}

// minute judges the minute that ends now. stats are the figures of the last minute of every slice
// at the node's own gateway; those of edge processes are in their reports.
func (l *serviceLevel) minute(ctx context.Context, now time.Time, stats []edge.SliceStats) error {
	var first error
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	keep(l.turn(ctx, now))
	for i := range stats {
		keep(l.judge(ctx, now, &stats[i]))
	}
	if now.UnixMilli()-l.fromMs >= servicePostEvery.Milliseconds() {
		keep(l.flush(ctx, now))
	}
	return first
}

func (l *serviceLevel) judge(ctx context.Context, now time.Time, s *edge.SliceStats) error {
	unit, known := s.Slice.Unit, false
	var open state.SliceBreach
	l.view(func(st *state.State) {
		if u := st.Units[unit]; u != nil && u.Kind != nexus.KindProbe {
			known = true
		}
		_, open = st.ServiceLevel(unit)
	})
	level, minute := slices.JudgeAll(l.edges.minutes(s, now), s.Slice.LatencyBudgetMicros)
	if !known || level == slices.LevelNone {
		return nil
	}
	row := l.counts[unit]
	if row == nil {
		row = &state.MinutesRow{Unit: unit}
		l.counts[unit] = row
	}
	switch level {
	case slices.LevelVoid:
		row.Void++
		return nil
	case slices.LevelKept:
		row.Kept++
	default:
		row.Broken++
	}
	row.WorstP99 = max(row.WorstP99, minute.AddedP99)
	if broken := level == slices.LevelBroken; broken != open.Open {
		since := open.SinceMs
		if broken {
			since = now.Add(-time.Minute).UnixMilli()
		}
		return l.post(ctx, state.KindSliceBreach, unit, state.SliceBreach{Open: broken, SinceMs: since, UntilMs: now.UnixMilli(),
			Budget: s.Slice.LatencyBudgetMicros, AddedP99: minute.AddedP99, BaselineP99: minute.BaselineP99, Samples: minute.Samples, Missed: minute.Missed})
	}
	return nil
}

// turn posts what belongs to a month that has ended.
func (l *serviceLevel) turn(ctx context.Context, now time.Time) error {
	if start := time.UnixMilli(l.fromMs).UTC(); !sameMonth(start, now.UTC()) {
		return l.flush(ctx, monthEnd(start))
	}
	return nil
}

// flush posts what was counted since the last post, up to a moment within the same month. What cannot be posted now is kept and
// posted with the next.
func (l *serviceLevel) flush(ctx context.Context, end time.Time) error {
	if len(l.counts) == 0 {
		l.fromMs = end.UnixMilli()
		return nil
	}
	body := state.SliceMinutes{FromMs: l.fromMs, ToMs: end.UnixMilli()}
	for _, row := range l.counts {
		body.Rows = append(body.Rows, *row)
	}
	stdslices.SortFunc(body.Rows, func(a, b state.MinutesRow) int { return bytes.Compare(a.Unit[:], b.Unit[:]) })
	if err := l.post(ctx, state.KindSliceMinutes, nexus.ID{}, body); err != nil {
		return err
	}
	l.fromMs, l.counts = end.UnixMilli(), map[nexus.ID]*state.MinutesRow{}
	return nil
}

func sameMonth(a, b time.Time) bool { return a.Year() == b.Year() && a.Month() == b.Month() }

// monthEnd gives the first moment of the next month.
func monthEnd(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
}

// serviceLoop runs the record until ctx ends.
func (n *Node) serviceLoop(ctx context.Context) {
	post := func(ctx context.Context, kind string, unit nexus.ID, body any) error {
		_, err := n.Engine().Act(ctx, kind, unit, body)
		return err
	}
	l := newServiceLevel(post, n.Engine().View, time.Now(), n.edgeReports())
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			now := time.Now()
			if err := errors.Join(l.turn(last, now), l.flush(last, now)); err != nil {
				n.log.Warn("minutes of slices not posted", "component", "service-level", "error", err)
			}
			return
		case now := <-t.C:
			if err := l.minute(ctx, now, n.SliceStats()); err != nil && ctx.Err() == nil {
				n.log.Warn("service level not posted", "component", "service-level", "error", err)
			}
		}
	}
}
