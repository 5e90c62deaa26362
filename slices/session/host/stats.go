package host

import (
	"maps"
	stdslices "slices"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/meter"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// Stats is what is known of the sessions of one slice.
type Stats struct {
	Slice     string
	Sessions  int             // held now
	Planned   uint64          // hand-offs since the start whose old connection worked until the new one was in use
	Recovered uint64          // hand-offs since the start after a dead or silent edge
	PerMinute int             // hand-offs in the last 60 s
	Trips     meter.Quantiles // round trips client, edge, home and back in the last minute, as clients told them
	Edges     []EdgeTrips     // the same by edge, by name; those without any are left out
}

// EdgeTrips are the round trips of clients at one edge.
type EdgeTrips struct {
	Edge  string
	Trips meter.Quantiles
}

// counts of one slice; the host's mutex guards it.
type counts struct {
	sessions           int
	planned, recovered uint64
	seconds            [60]struct{ at, n int64 }
	trips              meter.Histogram
	edges              map[string]*meter.Histogram // trips by edge
}

// tripEdgesMax bounds the edges of which a slice's round trips are kept apart.
const tripEdgesMax = 64

// trip counts a round trip that a client at an edge told.
func (c *counts) trip(now time.Time, edge string, took time.Duration) {
	c.trips.Record(now, took)
	h := c.edges[edge]
	if h == nil {
		for name, old := range c.edges {
			if len(c.edges) >= tripEdgesMax && old.Window(now).Samples == 0 {
				delete(c.edges, name)
			}
		}
		if len(c.edges) >= tripEdgesMax {
			return
		}
		if c.edges == nil {
			c.edges = map[string]*meter.Histogram{}
		}
		h = &meter.Histogram{}
		c.edges[edge] = h
	}
	h.Record(now, took)
}

func (c *counts) byEdge(now time.Time) []EdgeTrips {
	var out []EdgeTrips
	for _, name := range sortedKeys(c.edges) {
		if q := c.edges[name].Window(now); q.Samples > 0 {
			out = append(out, EdgeTrips{name, q})
		}
	}
	return out
}

func (h *Host) count(slice string) *counts {
	c := h.counts[slice]
	if c == nil {
		c = &counts{}
		h.counts[slice] = c
	}
	return c
}

func (c *counts) moved(now time.Time, kind session.MoveKind) {
	if kind == session.MovePlanned {
		c.planned++
	} else {
		c.recovered++
	}
	s := &c.seconds[now.Unix()%60]
	if s.at != now.Unix() {
		s.at, s.n = now.Unix(), 0
	}
	s.n++
}

func (c *counts) perMinute(now time.Time) int {
	n := int64(0)
	for _, s := range c.seconds {
		if now.Unix()-s.at < 60 {
			n += s.n
		}
	}
	return int(n)
}

// Stats lists the slices that have or had sessions, by id.
func (h *Host) Stats() []Stats {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []Stats
	for _, slice := range sortedKeys(h.counts) {
		c := h.counts[slice]
		out = append(out, Stats{Slice: slice, Sessions: c.sessions, Planned: c.planned, Recovered: c.recovered, PerMinute: c.perMinute(now),
			Trips: c.trips.Window(now), Edges: c.byEdge(now)})
	}
	return out
}

// SessionInfo is one session, for lists.
type SessionInfo struct {
	ID    nexus.ID
	Slice string
	Host  string
	Edge  string // of the newest connection, empty while the client is away
}

// Sessions lists the sessions held, by id.
func (h *Host) Sessions() []SessionInfo {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]SessionInfo, 0, len(h.streams))
	for id, s := range h.streams {
		info := SessionInfo{ID: id, Slice: s.slice, Host: s.visit.Host}
		if at := h.home.Attached(id); len(at) > 0 {
			if l := h.ports[at[len(at)-1]]; l != nil {
				info.Edge = l.visit.Edge
			}
		}
		out = append(out, info)
	}
	stdslices.SortFunc(out, func(a, b SessionInfo) int { return stdslices.Compare(a.ID[:], b.ID[:]) })
	return out
}

func sortedKeys[V any](m map[string]V) []string { return stdslices.Sorted(maps.Keys(m)) }
