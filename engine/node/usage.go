package node

import (
	"bytes"
	"context"
	"fmt"
	stdslices "slices"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// usageCounted is what the meters of one slice show, in the order of state.Meters.
type usageCounted [3]uint64

// usageMeter makes entries of what the gateways metered (SPEC section 1): once a minute it takes what the counters went up by, and posts it
// every hour, when the month ends and when the node stops. What cannot be posted waits, span by span (outbox); that a killed node had counted
// something and not posted it is said at the next start. The minute in which the month turns counts with the new one. Owned by one goroutine.
type usageMeter struct {
	out    *outbox
	view   func(func(*state.State))
	edges  *edgeReports
	span   span
	after  nexus.ID                  // the last unit posted when there were more than fit
	last   map[nexus.ID]usageCounted // by unit, as the counters stood
	counts map[nexus.ID]usageCounted // since the span began
}

func newUsageMeter(post func(context.Context, string, nexus.ID, any) error, view func(func(*state.State)), node nexus.PublicKey, now time.Time,
	edges *edgeReports) *usageMeter {
	out := &outbox{kind: state.KindUsagePost, what: "usage", post: post, postedTo: func() (at int64) {
		view(func(s *state.State) { at = s.UsagePostedTo(node) })
		return at
	}}
	return &usageMeter{out: out, view: view, edges: edges, span: span{fromMs: now.UnixMilli()}, last: map[nexus.ID]usageCounted{},
		counts: map[nexus.ID]usageCounted{}}
}

// minute takes what the counters of all slices went up by, and posts what is due.
func (m *usageMeter) minute(ctx context.Context, now time.Time, stats []edge.SliceStats) error {
	m.span.look(now, m.cut)
	m.take(now, stats)
	if m.span.due(now) {
		m.cut(now.UnixMilli())
	}
	return m.out.send(ctx)
}

// take adds what the counters went up by. A counter that stands lower than before began anew.
func (m *usageMeter) take(now time.Time, stats []edge.SliceStats) {
	for i := range stats {
		unit := stats[i].Slice.Unit
		g := m.edges.whole(stats[i], now).Gateway
		shown, before, sum := usageCounted{g.BytesIn, g.BytesOut, g.Requests}, m.last[unit], m.counts[unit]
		for k := range shown {
			if shown[k] < before[k] {
				before[k] = 0
			}
			sum[k] += shown[k] - before[k]
		}
		m.last[unit] = shown
		if sum != (usageCounted{}) {
			m.counts[unit] = sum
		}
	}
}

// since is the begin of what was counted and not posted, 0 when there is nothing.
func (m *usageMeter) since() int64 {
	if at := m.out.oldest(); at > 0 || len(m.counts) == 0 {
		return at
	}
	return m.span.fromMs
}

// The most that one usage.post takes: units, and time.
const (
	usageRowsMax = 8192
	usageSpanMax = 2 * time.Hour
)

// flush posts what was counted until now.
func (m *usageMeter) flush(ctx context.Context, now time.Time) error {
	m.cut(now.UnixMilli())
	return m.out.send(ctx)
}

// cut ends the span at a moment within its month. Units beyond those that one post takes are counted in the next span, in which their turn comes
// first. Probes have no usage.
func (m *usageMeter) cut(endMs int64) {
	var rows []state.UsageRow
	if endMs <= m.span.fromMs {
		return
	}
	m.view(func(s *state.State) {
		for unit, counted := range m.counts {
			u := s.Units[unit]
			if u == nil || u.Kind == nexus.KindProbe {
				delete(m.counts, unit)
				continue
			}
			row := state.UsageRow{Unit: unit}
			for k, n := range counted {
				if n > 0 {
					row.Counts = append(row.Counts, ledger.UsageCount{Meter: state.Meters[k], Quantity: n})
				}
			}
			rows = append(rows, row)
		}
	})
	from := max(m.span.fromMs, endMs-usageSpanMax.Milliseconds())
	m.span.fromMs = endMs
	if len(rows) == 0 {
		return
	}
	stdslices.SortFunc(rows, func(a, b state.UsageRow) int {
		first, second := bytes.Compare(a.Unit[:], m.after[:]) > 0, bytes.Compare(b.Unit[:], m.after[:]) > 0
		if first != second {
			if first {
				return -1
			}
			return 1
		}
		return bytes.Compare(a.Unit[:], b.Unit[:])
	})
	rows = rows[:min(len(rows), usageRowsMax)]
	for _, r := range rows {
		delete(m.counts, r.Unit)
		m.after = r.Unit
	}
	m.out.add(metered{fromMs: from, toMs: endMs, body: func(from int64) any { return state.UsagePost{FromMs: from, ToMs: endMs, Rows: rows} },
		lost: func() (ids []nexus.ID, what []string) {
			for _, r := range rows {
				text := "metered and not posted:"
				for _, c := range r.Counts {
					text += fmt.Sprintf(" %s %d", c.Meter, c.Quantity)
				}
				ids, what = append(ids, r.Unit), append(what, text)
			}
			return ids, what
		}})
}
