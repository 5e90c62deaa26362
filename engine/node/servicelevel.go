package node

import (
	"bytes"
	"context"
	"fmt"
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
// in that minute, and its guaranteed rate (shortwindows.go), posts a breach or its end at once, and the counts of minutes every hour,
// when the month ends and when the node stops. Counts
// that cannot be posted wait, span by span (outbox); what a killed node had counted and not posted stays unmeasured, and the next start says
// so: nothing is made up for it. Owned by one goroutine.
type serviceLevel struct {
	out    *outbox
	view   func(func(*state.State))
	edges  *edgeReports
	span   span
	counts map[nexus.ID]*state.MinutesRow
	short  map[nexus.ID]*shortCount // by unit, while a breach of the guaranteed rate is open
	told   *judged
}

func newServiceLevel(post func(context.Context, string, nexus.ID, any) error, view func(func(*state.State)), node nexus.PublicKey, now time.Time,
	edges *edgeReports, told *judged) *serviceLevel {
	out := &outbox{kind: state.KindSliceMinutes, what: "service level", post: post, postedTo: func() (at int64) {
		view(func(s *state.State) { at = s.MinutesPostedTo(node) })
		return at
	}}
	return &serviceLevel{out: out, view: view, edges: edges, span: span{fromMs: now.UnixMilli()}, counts: map[nexus.ID]*state.MinutesRow{},
		short: map[nexus.ID]*shortCount{}, told: told}
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
	l.span.look(now, l.cut)
	for i := range stats {
		keep(l.judge(ctx, now, &stats[i]))
		keep(l.promise(ctx, now, &stats[i]))
	}
	if l.span.due(now) {
		l.cut(now.UnixMilli())
	}
	keep(l.send(ctx))
	return first
}

// send posts the spans that wait.
func (l *serviceLevel) send(ctx context.Context) error {
	err := l.out.send(ctx)
	if l.out.oldest() == 0 {
		l.told.posted()
	}
	return err
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
	l.told.count(unit, level)
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
		return l.out.post(ctx, state.KindSliceBreach, unit, state.SliceBreach{Open: broken, SinceMs: since, UntilMs: now.UnixMilli(),
			Budget: s.Slice.LatencyBudgetMicros, AddedP99: minute.AddedP99, BaselineP99: minute.BaselineP99, Samples: minute.Samples, Missed: minute.Missed})
	}
	return nil
}

// since is the begin of what was counted and not posted, 0 when there is nothing.
func (l *serviceLevel) since() int64 {
	if at := l.out.oldest(); at > 0 || len(l.counts) == 0 {
		return at
	}
	return l.span.fromMs
}

// flush posts what was counted until now.
func (l *serviceLevel) flush(ctx context.Context, now time.Time) error {
	l.cut(now.UnixMilli())
	return l.send(ctx)
}

// minutesRowsMax is how many units one slice.minutes takes.
const minutesRowsMax = 8192

// cut ends the span at a moment within its month. Of units beyond those that one post takes it is said that their minutes are not in the record.
func (l *serviceLevel) cut(endMs int64) {
	if endMs <= l.span.fromMs {
		return
	}
	var rows []state.MinutesRow
	for _, row := range l.counts {
		rows = append(rows, *row)
	}
	from := max(l.span.fromMs, endMs-usageSpanMax.Milliseconds())
	l.span.fromMs, l.counts = endMs, map[nexus.ID]*state.MinutesRow{}
	l.told.closed()
	if len(rows) == 0 {
		return
	}
	stdslices.SortFunc(rows, func(a, b state.MinutesRow) int { return bytes.Compare(a.Unit[:], b.Unit[:]) })
	spanOf := func(rows []state.MinutesRow) metered {
		return metered{fromMs: from, toMs: endMs, body: func(from int64) any { return state.SliceMinutes{FromMs: from, ToMs: endMs, Rows: rows} },
			lost: func() (ids []nexus.ID, what []string) {
				for _, r := range rows {
					ids = append(ids, r.Unit)
					what = append(what, fmt.Sprintf("measured and not posted: %d minutes kept, %d broken, %d void", r.Kept, r.Broken, r.Void))
				}
				return ids, what
			}}
	}
	if len(rows) > minutesRowsMax {
		beyond := spanOf(rows[minutesRowsMax:])
		l.out.lose(&beyond, fmt.Sprintf("one post takes %d units", minutesRowsMax))
		rows = rows[:minutesRowsMax]
	}
	l.out.add(spanOf(rows))
}

func sameMonth(a, b time.Time) bool { return a.Year() == b.Year() && a.Month() == b.Month() }

// monthEnd gives the first moment of the next month.
func monthEnd(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
}

// serviceLoop runs the record of service levels and the meter of usage until ctx ends.
func (n *Node) serviceLoop(ctx context.Context) {
	post := func(ctx context.Context, kind string, unit nexus.ID, body any) error {
		_, err := n.Engine().Act(ctx, kind, unit, body)
		if err == nil {
			logLevel(n.log, unit, body)
		}
		return err
	}
	now, key := time.Now(), n.key.Public()
	r := meters{level: newServiceLevel(post, n.Engine().View, key, now, n.edgeReports(), &n.judged),
		usage: newUsageMeter(post, n.Engine().View, key, now, n.edgeReports()),
		dir:   n.cfg.DataDir}
	r.complain("gap of metering not read", n.log, r.begin(now))
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			r.end(last, time.Now(), n.SliceStats(), n.log)
			return
		case now := <-t.C:
			if err := r.minute(ctx, now, n.SliceStats(), n.log); err != nil && ctx.Err() == nil {
				r.complain("mark of metering not written", n.log, err)
			}
		}
	}
}
