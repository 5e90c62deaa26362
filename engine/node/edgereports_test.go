package node

import (
	"context"
	"fmt"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/satellite"
	"github.com/BobbyBlanco400/nexus-cos/slices/meter"
	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

func atEdge(requests uint64, rate uint64, addedP99 int64) edge.SliceStats {
	s := edge.SliceStats{Slice: slices.Default(nexus.ID{1}, "s"), Gateway: meter.Snapshot{Requests: requests, RateBps: rate, InFlight: 1}}
	if addedP99 > 0 {
		s.Added = edge.AddedLatency{Samples: 100, AddedP99: addedP99, BaselineP99: 100}
	}
	return s
}

func tell(e *edgeReports, process byte, at time.Time, s edge.SliceStats) {
	e.take(fmt.Sprintf("edge-%d", process), satellite.Report{Process: nexus.ID{process}, Slices: []edge.SliceStats{s}, LinkNanos: 5000}, at)
}

// TestNothingIsCountedTwiceOrForgotten: a process's newest report replaces the one before; of one that has gone the counters stay and what was
// in flight does not.
func TestNothingIsCountedTwiceOrForgotten(t *testing.T) {
	t.Parallel()
	e, now := newEdgeReports(), time.Unix(1_700_000_000, 0)
	own := atEdge(10, 1000, 500)
	tell(e, 1, now, atEdge(5, 100, 900))
	tell(e, 1, now, atEdge(7, 200, 800)) // again, also after its link had broken
	tell(e, 2, now, atEdge(1, 30, 0))
	if s := e.whole(own, now); s.Gateway.Requests != 18 || s.Gateway.RateBps != 1230 ||
		s.Gateway.InFlight != 3 || s.Added.AddedP99 != 800 || s.Added.Samples != 200 {
		t.Errorf("%+v %+v", s.Gateway, s.Added)
	}
	later := now.Add(reportFresh + time.Millisecond)
	if s := e.whole(own, later); s.Gateway.Requests != 18 || s.Gateway.RateBps != 1000 || s.Gateway.InFlight != 1 || s.Added.AddedP99 != 500 {
		t.Errorf("after silence: %+v %+v", s.Gateway, s.Added)
	}
	for n := range reportsMax { // more processes than are kept apart
		e.take("late", satellite.Report{Process: nexus.ID{9, byte(n), byte(n >> 8)}, Slices: []edge.SliceStats{atEdge(1, 0, 0)}}, later)
	}
	if s := e.whole(own, later); s.Gateway.Requests != 18+reportsMax || len(e.kept) != reportsMax || len(e.gone) != 1 {
		t.Errorf("%d requests, %d processes kept, %d slices of gone ones", s.Gateway.Requests, len(e.kept), len(e.gone))
	}
}

// TestAPromiseIsAsGoodAsItsWorstEdge: windows of all edges are counted, and the share that the worst of them kept is told while it reports.
func TestAPromiseIsAsGoodAsItsWorstEdge(t *testing.T) {
	t.Parallel()
	e, now := newEdgeReports(), time.Unix(1_700_000_000, 0)
	promise := func(windows, kept uint64, recent int, worst float64) edge.SliceStats {
		s := atEdge(1, 0, 0)
		s.Promise = shape.Kept{Windows: windows, Kept: kept, Recent: recent, WorstPercent: worst}
		return s
	}
	tell(e, 1, now, promise(10, 9, 5, 80))
	tell(e, 2, now, promise(4, 4, 4, 100))
	tell(e, 3, now, promise(7, 7, 0, 0)) // nothing judged of late: its 0 is no share
	if p := e.whole(promise(0, 0, 0, 0), now).Promise; p != (shape.Kept{Windows: 21, Kept: 20, Recent: 9, WorstPercent: 80}) {
		t.Errorf("%+v", p)
	}
	later := now.Add(reportFresh + time.Millisecond)
	if p := e.whole(promise(2, 2, 2, 99), later).Promise; p != (shape.Kept{Windows: 23, Kept: 22, Recent: 2, WorstPercent: 99}) {
		t.Errorf("after silence: %+v", p)
	}
	row := sliceRow(&Node{}, promise(10, 9, 5, 80))
	if row.GuaranteeWindows != 10 || row.GuaranteeKept != 9 || row.GuaranteePercent == nil || *row.GuaranteePercent != 80 {
		t.Errorf("%+v", row)
	}
	if row := sliceRow(&Node{}, promise(10, 9, 0, 0)); row.GuaranteePercent != nil {
		t.Error("a share of no window")
	}
}

// TestMinutesOfEdgeProcessesCount: a minute that was over the budget at any edge is broken in the record, and a slice that is measured at an edge
// process alone has minutes too; figures older than the minute say nothing about it.
func TestMinutesOfEdgeProcessesCount(t *testing.T) {
	t.Parallel()
	r := newLevelRig(t, time.Date(2026, 3, 5, 10, 0, 0, 0, time.UTC))
	pass := func(own, process int64) {
		t.Helper()
		if process > 0 {
			tell(r.level.edges, 1, r.now.Add(time.Minute-time.Second), atEdge(1, 1, process))
		}
		samples := int64(0)
		if own > 0 {
			samples = 300
		}
		if err := r.pass(own, 100, samples); err != nil {
			t.Fatal(err)
		}
	}
	pass(500, 0)
	pass(500, 20_000) // opens a breach
	pass(500, 700)
	pass(0, 900) // the node's own gateway measured nothing
	pass(0, 0)   // nobody did: the report of the minute before says nothing about this one
	if err := r.level.flush(context.Background(), r.now); err != nil {
		t.Fatal(err)
	}
	minutes, ok := r.posted[len(r.posted)-1].(state.SliceMinutes)
	if want := (state.MinutesRow{Unit: nexus.ID{1}, Kept: 3, Broken: 1, WorstP99: 20_000}); !ok || len(minutes.Rows) != 1 || minutes.Rows[0] != want {
		t.Errorf("posted %+v, want %+v", minutes.Rows, want)
	}
	if breach, ok := r.posted[0].(state.SliceBreach); !ok || !breach.Open || breach.AddedP99 != 20_000 || len(r.posted) != 2 {
		t.Errorf("posted %+v", r.posted)
	}
}

// TestRowsOfEdges: what is not measured is nil and never zero; trouble comes first.
func TestRowsOfEdges(t *testing.T) {
	t.Parallel()
	if edge.SourceDevCA != wire.OwnAuthority {
		t.Errorf("%q is called %q towards clients", edge.SourceDevCA, wire.OwnAuthority)
	}
	e, now := newEdgeReports(), time.Unix(1_700_000_000, 0)
	own := atEdge(10, 1000, 0)
	own.Hosts, own.Routes = 1, []edge.RouteStats{
		{Host: "a.test", Backend: "127.0.0.1:1", State: edge.BackendNotMeasured, Certificate: &edge.CertStatus{Source: edge.SourceDevCA}},
	}
	far := atEdge(5, 100, 900)
	far.Routes = []edge.RouteStats{{Host: "a.test", State: edge.BackendOut, InARow: 5, LastFailure: now}}
	tell(e, 1, now.Add(-time.Second), far)
	e.take("edge-1", satellite.Report{Process: nexus.ID{77}, Slices: []edge.SliceStats{atEdge(1, 1, 0)}}, now.Add(-2*time.Second)) // died, was started again
	var row wire.SliceRow
	fillEdges(&row, sliceAtEdges(own, e, now), nil, now)
	if len(row.Edges) != 2 || row.Edges[0].Edge != ownEdge || row.Edges[0].P99Ms != nil || row.Edges[0].LinkRTTMs != nil || row.Edges[1].ReportAgeMs != 1000 ||
		*row.Edges[1].P99Ms != 0.9 || *row.Edges[1].LinkRTTMs != 0.005 || row.Edges[1].TripP50Ms != nil {
		t.Errorf("edges %+v", row.Edges)
	}
	if len(row.Routes) != 2 || row.Routes[0].State != edge.BackendOut || row.Routes[0].LastAnswer != nil || !row.Routes[0].LastFailure.Equal(now) ||
		row.Routes[1].Certificate.NotAfter != nil || row.RoutesTotal != 1 {
		t.Errorf("routes %+v", row.Routes)
	}
}

// TestProbesOfAllEdgesAreCounted: what says that something new was measured grows with the probes of each edge, those that have gone included.
func TestProbesOfAllEdgesAreCounted(t *testing.T) {
	t.Parallel()
	e, now := newEdgeReports(), time.Unix(1_700_000_000, 0)
	probed := func(n int64) edge.SliceStats {
		s := atEdge(1, 0, 0)
		s.Probes = n
		return s
	}
	tell(e, 1, now, probed(3000))
	tell(e, 2, now, probed(40))
	if row := sliceRow(&Node{}, e.whole(probed(500), now.Add(time.Hour))); row.Probes != 3540 {
		t.Errorf("%d probes", row.Probes)
	}
}

// TestTheWorseEdge: what is shown of several edges is the one whose gateway answers for most, as the record judges them, not the one whose slice
// was held longest by its own limits.
func TestTheWorseEdge(t *testing.T) {
	t.Parallel()
	held, late := edge.AddedLatency{AddedP99: 270_000, OwnP99: 269_000}, edge.AddedLatency{AddedP99: 50_000}
	if worse(&held, &late) || !worse(&late, &held) {
		t.Error("50 ms of the gateway's own are less than 1 ms of it")
	}
	if same := (edge.AddedLatency{AddedP99: 1_000}); !worse(&held, &same) || worse(&same, &held) || worse(&held, &held) {
		t.Error("where the gateway's part is the same, the client's view counts")
	}
}
