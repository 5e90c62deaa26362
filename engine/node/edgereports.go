package node

import (
	"cmp"
	stdslices "slices"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/satellite"
)

const (
	// reportFresh is the age up to which a report tells of now: after it, what is in flight at that edge is not known.
	reportFresh = 5 * satellite.ReportEvery / 2
	// reportsMax bounds the processes of which a report is kept by itself; the counters of older ones that have gone are one sum.
	reportsMax = 256
)

// edgeReports keeps the newest report of every edge process, so that what a slice carried is known whole, also what went by edges that have
// gone since. Safe for concurrent use.
type edgeReports struct {
	mu   sync.Mutex
	kept map[nexus.ID]*edgeReport     // by process
	gone map[nexus.ID]edge.SliceStats // by slice: counters of processes that are kept no more
}

type edgeReport struct {
	satellite.Report
	edge string
	at   time.Time
}

func newEdgeReports() *edgeReports {
	return &edgeReports{kept: map[nexus.ID]*edgeReport{}, gone: map[nexus.ID]edge.SliceStats{}}
}

// take keeps a report in the place of the process's one before.
func (e *edgeReports) take(name string, r satellite.Report, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept[r.Process] = &edgeReport{r, name, now}
	for len(e.kept) > reportsMax {
		oldest := r.Process
		for id, k := range e.kept {
			if k.at.Before(e.kept[oldest].at) {
				oldest = id
			}
		}
		for i := range e.kept[oldest].Slices {
			s := &e.kept[oldest].Slices[i]
			sum := e.gone[s.Slice.ID]
			addCounters(&sum, s)
			e.gone[s.Slice.ID] = sum
		}
		delete(e.kept, oldest)
	}
}

// addCounters adds what counts up for ever.
func addCounters(sum, s *edge.SliceStats) {
	g, h := &sum.Gateway, &s.Gateway
	g.Requests, g.BytesIn, g.BytesOut = g.Requests+h.Requests, g.BytesIn+h.BytesIn, g.BytesOut+h.BytesOut
	g.Refused, g.Dropped, g.Stalls, g.Cut, g.Failed = g.Refused+h.Refused, g.Dropped+h.Dropped, g.Stalls+h.Stalls, g.Cut+h.Cut, g.Failed+h.Failed
	g.Strays += h.Strays
	sum.Probes += s.Probes
	sum.Promise.Windows, sum.Promise.Kept = sum.Promise.Windows+s.Promise.Windows, sum.Promise.Kept+s.Promise.Kept
	b, c := &sum.Backends, &s.Backends
	b.Ejections, b.Turned, b.Retries, b.RetriesDenied = b.Ejections+c.Ejections, b.Turned+c.Turned, b.Retries+c.Retries, b.RetriesDenied+c.RetriesDenied
}

// addPresent adds what holds now.
func addPresent(sum, s *edge.SliceStats) {
	g, h := &sum.Gateway, &s.Gateway
	g.InFlight, g.Queue, g.Streams, g.Sessions, g.RateBps = g.InFlight+h.InFlight, g.Queue+h.Queue, g.Streams+h.Streams, g.Sessions+h.Sessions, g.RateBps+h.RateBps
	sum.Backends.Ejected += s.Backends.Ejected
	if p, q := &sum.Promise, &s.Promise; q.Recent > 0 { // each edge owes the whole rate: the worst says how it is kept
		if p.Recent == 0 || q.WorstPercent < p.WorstPercent {
			p.WorstPercent = q.WorstPercent
		}
		p.Recent, p.Short = p.Recent+q.Recent, p.Short+q.Short
	}
}

// sliceAtEdge is what one edge says of one slice.
type sliceAtEdge struct {
	edge  string
	stats *edge.SliceStats
	at    time.Time
	link  time.Duration // 0: not measured, or the node itself
}

// of lists what edge processes say of one slice: those heard of in the last age, by name.
func (e *edgeReports) of(slice nexus.ID, now time.Time, age time.Duration) []sliceAtEdge {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []sliceAtEdge
	for _, k := range e.kept {
		if now.Sub(k.at) > age {
			continue
		}
		for i := range k.Slices {
			if k.Slices[i].Slice.ID == slice {
				out = append(out, sliceAtEdge{k.edge, &k.Slices[i], k.at, time.Duration(k.LinkNanos)})
			}
		}
	}
	stdslices.SortFunc(out, func(a, b sliceAtEdge) int { return cmp.Or(cmp.Compare(a.edge, b.edge), a.at.Compare(b.at)) })
	return out
}

// present is of for now: of a process that was replaced by another of its name, the older one is not there any more.
func (e *edgeReports) present(slice nexus.ID, now time.Time) []sliceAtEdge {
	var out []sliceAtEdge
	for _, s := range e.of(slice, now, reportFresh) {
		if n := len(out); n > 0 && out[n-1].edge == s.edge {
			out = out[:n-1]
		}
		out = append(out, s)
	}
	return out
}

// whole gives one slice over all edges, given what the node's own gateway says: counters of all that ever reported, the present of those
// that are fresh, the latencies of the worst.
func (e *edgeReports) whole(own edge.SliceStats, now time.Time) edge.SliceStats {
	sum := own
	for _, s := range e.present(own.Slice.ID, now) {
		addPresent(&sum, s.stats)
		if s.stats.Added.Samples > 0 && (sum.Added.Samples == 0 || worse(&s.stats.Added, &sum.Added)) {
			samples, missed := sum.Added.Samples, sum.Added.Missed
			sum.Added = s.stats.Added
			sum.Added.Samples, sum.Added.Missed = sum.Added.Samples+samples, sum.Added.Missed+missed
		} else {
			sum.Added.Samples, sum.Added.Missed = sum.Added.Samples+s.stats.Added.Samples, sum.Added.Missed+s.stats.Added.Missed
		}
		if s.stats.Gateway.Samples > 0 && s.stats.Gateway.P99 > sum.Gateway.P99 {
			sum.Gateway.Quantiles = s.stats.Gateway.Quantiles
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	gone := e.gone[own.Slice.ID]
	addCounters(&sum, &gone)
	for _, k := range e.kept {
		for i := range k.Slices {
			if k.Slices[i].Slice.ID == own.Slice.ID {
				addCounters(&sum, &k.Slices[i])
			}
		}
	}
	return sum
}

// worse reports whether a is later than b by what the gateway answers for, and where that is the same, in all.
func worse(a, b *edge.AddedLatency) bool {
	return a.Judged() > b.Judged() || a.Judged() == b.Judged() && a.AddedP99 > b.AddedP99
}

// minutes gives what the probes of a slice measured in the minute that ends now, at each edge that was heard of in it.
func (e *edgeReports) minutes(own *edge.SliceStats, now time.Time) []slices.Minute {
	out := []slices.Minute{minuteOf(own)}
	for _, s := range e.of(own.Slice.ID, now, time.Minute) {
		out = append(out, minuteOf(s.stats))
	}
	return out
}

func minuteOf(s *edge.SliceStats) slices.Minute {
	return slices.Minute{Samples: s.Added.Samples, Missed: s.Added.Missed, AddedP99: s.Added.Judged(), BaselineP99: s.Added.BaselineP99}
}
