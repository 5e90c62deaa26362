package node

import (
	"cmp"
	stdslices "slices"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/host"
)

// sliceAtEdges lists a slice at the node's own gateway and at each edge process heard of lately.
func sliceAtEdges(own edge.SliceStats, reports *edgeReports, now time.Time) []sliceAtEdge {
	return append([]sliceAtEdge{{edge: ownEdge, stats: &own, at: now}}, reports.present(own.Slice.ID, now)...)
}

// fillEdges adds to a slice's row what each edge says of it, and how its hosts are served there.
func fillEdges(row *wire.SliceRow, edges []sliceAtEdge, trips []host.EdgeTrips, now time.Time) {
	for _, e := range edges {
		row.Edges = append(row.Edges, edgeRow(e, trips, now))
		row.RoutesTotal = max(row.RoutesTotal, e.stats.Hosts)
		for i := range e.stats.Routes {
			row.Routes = append(row.Routes, routeRow(e.edge, &e.stats.Routes[i]))
		}
	}
	stdslices.SortStableFunc(row.Routes, func(a, b wire.SliceRoute) int { return cmp.Compare(trouble(&b), trouble(&a)) })
	row.Routes = row.Routes[:min(len(row.Routes), wire.SliceRoutesMax)]
}

// trouble orders routes: what somebody has to look at comes first.
func trouble(r *wire.SliceRoute) int {
	switch {
	case r.State == edge.BackendOut:
		return 3
	case r.State == edge.BackendFailing:
		return 2
	case r.Certificate != nil && r.Certificate.Error != "":
		return 1
	}
	return 0
}

func edgeRow(e sliceAtEdge, trips []host.EdgeTrips, now time.Time) wire.SliceEdge {
	s := e.stats
	out := wire.SliceEdge{Edge: e.edge, ReportAgeMs: now.Sub(e.at).Milliseconds(), Samples: uint64(s.Added.Samples), RateBps: float64(s.Gateway.RateBps),
		InFlight: s.Gateway.InFlight, Queue: s.Gateway.Queue, Requests: s.Gateway.Requests, Refused: s.Gateway.Refused, Strays: s.Gateway.Strays,
		BackendsOut: s.Backends.Ejected, Ejections: s.Backends.Ejections, TurnedAway: s.Backends.Turned, Retries: s.Backends.Retries,
		RetriesLeft: s.Backends.RetriesLeft}
	if s.Added.Samples > 0 {
		out.P99Ms = milliseconds(time.Duration(s.Added.AddedP99) * time.Microsecond)
	}
	if e.link > 0 {
		out.LinkRTTMs = milliseconds(e.link)
	}
	for _, t := range trips {
		if t.Edge == e.edge {
			out.TripP50Ms = milliseconds(time.Duration(t.Trips.P50) * time.Microsecond)
			out.TripP99Ms = milliseconds(time.Duration(t.Trips.P99) * time.Microsecond)
		}
	}
	return out
}

func routeRow(name string, r *edge.RouteStats) wire.SliceRoute {
	out := wire.SliceRoute{Edge: name, Host: r.Host, Backend: r.Backend, State: r.State, InARow: r.InARow, LastAnswer: whenSet(r.LastAnswer),
		LastFailure: whenSet(r.LastFailure)}
	if c := r.Certificate; c != nil {
		out.Certificate = &wire.Certificate{Source: c.Source, NotAfter: whenSet(c.NotAfter), Renews: whenSet(c.Renews), Error: c.Error,
			ErrorAt: whenSet(c.ErrorAt)}
	}
	return out
}

func milliseconds(d time.Duration) *float64 {
	v := float64(d.Microseconds()) / 1000
	return &v
}

// whenSet tells a moment, nil for the zero one.
func whenSet(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
