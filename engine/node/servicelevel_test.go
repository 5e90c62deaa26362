package node

import (
	"context"
	"errors"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// levelRig is a record over a state that holds two units, with what was posted.
type levelRig struct {
	t      *testing.T
	level  *serviceLevel
	now    time.Time
	posted []any
	fail   error
}

// twoUnits is a state with a unit and a probe.
func twoUnits(t *testing.T) *state.State {
	t.Helper()
	chain, err := gates.NewChain(rules.All())
	if err != nil {
		t.Fatal(err)
	}
	st := state.New(chain)
	st.Units[nexus.ID{1}] = &state.Unit{ID: nexus.ID{1}, Label: "IMVU-001"}
	st.Units[nexus.ID{2}] = &state.Unit{ID: nexus.ID{2}, Label: "PROBE-001", Kind: nexus.KindProbe}
	return st
}

func newLevelRig(t *testing.T, start time.Time) *levelRig {
	t.Helper()
	st := twoUnits(t)
	r := &levelRig{t: t, now: start}
	r.level = newServiceLevel(func(_ context.Context, _ string, _ nexus.ID, body any) error {
		if r.fail != nil {
			return r.fail
		}
		r.posted = append(r.posted, body)
		return nil
	}, func(f func(*state.State)) { f(st) }, nexus.PublicKey{1}, start, newEdgeReports(), &judged{})
	return r
}

// pass lets a minute go by with the same figures on both units.
func (r *levelRig) pass(added, baseline, samples int64) error {
	r.now = r.now.Add(time.Minute)
	var stats []edge.SliceStats
	for _, id := range []nexus.ID{{1}, {2}} {
		s := slices.Default(id, "s")
		stats = append(stats, edge.SliceStats{Slice: s, Added: edge.AddedLatency{AddedP99: added, BaselineP99: baseline, Samples: samples}})
	}
	return r.level.minute(context.Background(), r.now, stats)
}

func TestServiceLevelCountsJudgedMinutesOfUnitsOnly(t *testing.T) {
	t.Parallel()
	r := newLevelRig(t, time.Date(2026, 3, 5, 10, 0, 0, 0, time.UTC))
	for _, m := range [][3]int64{{500, 300, 300}, {20_000, 300, 300}, {20_000, 30_000, 300}, {700, 300, 5}, {900, 300, 300}} {
		if err := r.pass(m[0], m[1], m[2]); err != nil {
			t.Fatal(err)
		}
	}
	breach, ok := r.posted[0].(state.SliceBreach)
	if !ok || len(r.posted) != 1 || !breach.Open || breach.AddedP99 != 20_000 || breach.UntilMs-breach.SinceMs != 60_000 {
		t.Fatalf("posted %+v", r.posted)
	}
	counts := wire.MinuteCounts{Kept: 2, Broken: 1, Void: 1}
	if all, last := r.level.told.of(nexus.ID{1}); all != counts || last != counts {
		t.Errorf("told of %+v, %+v since the last post", all, last)
	}
	if err := r.level.flush(context.Background(), r.now); err != nil {
		t.Fatal(err)
	}
	if all, last := r.level.told.of(nexus.ID{1}); all != counts || last != (wire.MinuteCounts{}) {
		t.Errorf("after the post: %+v, %+v since", all, last)
	}
	minutes, ok := r.posted[1].(state.SliceMinutes)
	want := state.MinutesRow{Unit: nexus.ID{1}, Kept: 2, Broken: 1, Void: 1, WorstP99: 20_000}
	if !ok || len(minutes.Rows) != 1 || minutes.Rows[0] != want || minutes.ToMs-minutes.FromMs != 5*60_000 {
		t.Fatalf("posted %+v, want %+v", r.posted[1], want)
	}
}

// TestALimitOfTheSliceIsNoBreach: what its own ceiling or its own places made the probes wait is not counted against the platform; the rest is.
func TestALimitOfTheSliceIsNoBreach(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		own  int64
		want wire.MinuteCounts
	}{{0, wire.MinuteCounts{Broken: 1}}, {9_000, wire.MinuteCounts{Broken: 1}}, {19_000, wire.MinuteCounts{Kept: 1}}, {30_000, wire.MinuteCounts{Kept: 1}}} {
		r := newLevelRig(t, time.Date(2026, 3, 5, 10, 0, 0, 0, time.UTC))
		s := edge.SliceStats{Slice: slices.Default(nexus.ID{1}, "s"), Added: edge.AddedLatency{AddedP99: 20_000, OwnP99: c.own, BaselineP99: 300, Samples: 300}}
		if err := r.level.minute(context.Background(), r.now.Add(time.Minute), []edge.SliceStats{s}); err != nil {
			t.Fatal(err)
		}
		if all, _ := r.level.told.of(nexus.ID{1}); all != c.want {
			t.Errorf("%d us of its own: %+v, want %+v", c.own, all, c.want)
		}
		if len(r.posted) != int(c.want.Broken) {
			t.Errorf("%d us of its own: posted %+v", c.own, r.posted)
		}
	}
}

func TestServiceLevelSplitsAtTheMonthAndKeepsWhatWasNotTaken(t *testing.T) {
	t.Parallel()
	r := newLevelRig(t, time.Date(2026, 1, 31, 23, 58, 30, 0, time.UTC))
	if err := r.pass(500, 300, 300); err != nil {
		t.Fatal(err)
	}
	r.fail = errors.New("no leader")
	if err := r.pass(500, 300, 300); !errors.Is(err, r.fail) {
		t.Fatalf("a failed post is not reported: %v", err)
	}
	if _, waiting := r.level.told.of(nexus.ID{1}); waiting.Kept != 2 { // that of the old month, which could not be posted, among them
		t.Errorf("told of %+v that are not posted", waiting)
	}
	r.fail = nil
	if err := r.pass(500, 300, 300); err != nil {
		t.Fatal(err)
	}
	turn := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	minutes, ok := r.posted[0].(state.SliceMinutes)
	if !ok || minutes.ToMs != turn || minutes.Rows[0].Kept != 1 || r.level.span.fromMs != turn {
		t.Fatalf("posted %+v, next from %d", r.posted, r.level.span.fromMs)
	}
	if err := r.level.flush(context.Background(), r.now); err != nil {
		t.Fatal(err)
	}
	if m, ok := r.posted[1].(state.SliceMinutes); !ok || m.FromMs != turn || m.Rows[0].Kept != 2 { // the minute in which it turned is the new month's
		t.Errorf("posted %+v", r.posted[1:])
	}
}

func TestServiceLevelPostsEveryHour(t *testing.T) {
	t.Parallel()
	r := newLevelRig(t, time.Date(2026, 3, 5, 10, 0, 0, 0, time.UTC))
	for range 121 {
		if err := r.pass(500, 300, 300); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.posted) != 2 {
		t.Fatalf("%d posts in two hours", len(r.posted))
	}
	for _, p := range r.posted {
		if m, ok := p.(state.SliceMinutes); !ok || m.Rows[0].Kept != 60 {
			t.Errorf("posted %+v, want 60 minutes", p)
		}
	}
}
