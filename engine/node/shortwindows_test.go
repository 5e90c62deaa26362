package node

import (
	"context"
	"errors"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// shortRig is a record of which the newest post says whether a breach is open.
type shortRig struct {
	*levelRig
	open bool
}

// pass lets a minute go by in which a unit had windows, some of them short, at a guaranteed rate.
func (r *shortRig) pass(bps uint64, k shape.Kept) error {
	r.now = r.now.Add(time.Minute)
	s := slices.Default(nexus.ID{1}, "s")
	s.GuaranteedBps = bps
	err := r.level.promiseOf(context.Background(), r.now, &edge.SliceStats{Slice: s, Promise: k}, r.open)
	if n := len(r.posted); n > 0 {
		r.open = r.posted[n-1].(state.SliceShort).Open
	}
	return err
}

// want holds the posts since the last call.
func (r *shortRig) want(what string, want ...state.SliceShort) {
	r.t.Helper()
	var got []state.SliceShort
	for _, p := range r.posted {
		got = append(got, p.(state.SliceShort))
	}
	if len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
		r.t.Errorf("%s: posted %+v, want %+v", what, got, want)
	}
	r.posted = nil
}

func TestAShortWindowOpensABreachAndAWholeMinuteEndsIt(t *testing.T) {
	t.Parallel()
	r := &shortRig{levelRig: newLevelRig(t, time.Date(2026, 3, 5, 10, 0, 0, 0, time.UTC))}
	pass := func(bps uint64, k shape.Kept) {
		t.Helper()
		if err := r.pass(bps, k); err != nil {
			t.Fatal(err)
		}
	}
	whole, bad := shape.Kept{Recent: 30, WorstPercent: 100}, shape.Kept{Recent: 30, Short: 2, WorstPercent: 61.2345}
	pass(4e6, whole)
	pass(0, bad) // nothing is owed any more
	r.want("kept")
	r.fail = errors.New("no leader")
	if err := r.pass(4e6, bad); !errors.Is(err, r.fail) {
		t.Fatalf("a failed post is not reported: %v", err)
	}
	r.fail = nil
	pass(4e6, bad)
	from := r.now.Add(-time.Minute).UnixMilli()
	r.want("short", state.SliceShort{Open: true, SinceMs: from, UntilMs: r.now.UnixMilli(), GuaranteedBps: 4e6, Windows: 30, Short: 2, WorstPpm: 612_345})
	opened := r.now.UnixMilli()
	pass(4e6, shape.Kept{Recent: 10, Short: 1, WorstPercent: 97})
	pass(4e6, shape.Kept{}) // nobody asked for anything: says nothing
	r.want("open")
	pass(4e6, whole)
	r.want("whole", state.SliceShort{SinceMs: opened, UntilMs: r.now.UnixMilli(), GuaranteedBps: 4e6, Windows: 40, Short: 1, WorstPpm: 970_000})
	r.open = true
	pass(0, shape.Kept{}) // as after a restart: what was counted before is not there
	r.want("no promise any more", state.SliceShort{SinceMs: r.now.Add(-time.Minute).UnixMilli(), UntilMs: r.now.UnixMilli(), WorstPpm: 1_000_000})
}

// TestAMinuteJudgesRatesToo: the record judges guaranteed rates of units beside latencies, and those of probes not.
func TestAMinuteJudgesRatesToo(t *testing.T) {
	t.Parallel()
	r := newLevelRig(t, time.Date(2026, 3, 5, 10, 0, 0, 0, time.UTC))
	var stats []edge.SliceStats
	for _, id := range []nexus.ID{{1}, {2}} {
		s := slices.Default(id, "s")
		s.GuaranteedBps = 1e6
		stats = append(stats, edge.SliceStats{Slice: s, Promise: shape.Kept{Recent: 3, Short: 1, WorstPercent: 10}})
	}
	if err := r.level.minute(context.Background(), r.now.Add(time.Minute), stats); err != nil {
		t.Fatal(err)
	}
	if b, ok := r.posted[0].(state.SliceShort); len(r.posted) != 1 || !ok || !b.Open || b.WorstPpm != 100_000 {
		t.Errorf("posted %+v", r.posted)
	}
}

// TestAShortWindowAtAnyEdgeCounts: windows of the node's own gateway and of edges that are heard of are one minute.
func TestAShortWindowAtAnyEdgeCounts(t *testing.T) {
	t.Parallel()
	e, now := newEdgeReports(), time.Unix(1_700_000_000, 0)
	at := func(k shape.Kept) edge.SliceStats {
		s := atEdge(1, 0, 0)
		s.Promise = k
		return s
	}
	own := at(shape.Kept{Recent: 5, WorstPercent: 99})
	tell(e, 1, now, at(shape.Kept{Recent: 7, Short: 3, WorstPercent: 50}))
	tell(e, 2, now, at(shape.Kept{})) // judged nothing: its 0 is no share
	if k := e.promise(&own, now); k != (shape.Kept{Recent: 12, Short: 3, WorstPercent: 50}) {
		t.Errorf("%+v", k)
	}
	if k := e.promise(&own, now.Add(reportFresh+time.Second)); k != (shape.Kept{Recent: 5, WorstPercent: 99}) {
		t.Errorf("an edge that is silent counts: %+v", k)
	}
}
