package node

import (
	"context"
	"encoding/base64"
	"path/filepath"
	stdslices "slices"
	"sync"
	"sync/atomic"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// Pace of the picture: changes are folded into at most ten pictures a second; figures that are measured all the time (slices,
// rates) are looked at once a second. A refusal does not wait for its turn: twenty more pictures a second at the most are made for refusals alone.
const (
	viewEvery    = 100 * time.Millisecond
	measureEvery = time.Second
	pressEvery   = 20 * time.Millisecond // the least between two pictures
	pressMost    = 20                    // a second
)

// overviewKeeper holds the newest immutable picture and tells readers when it is another one.
type overviewKeeper struct {
	dirty atomic.Bool

	mu      sync.Mutex // guards what follows
	current *wire.Overview
	changed chan struct{}
	pressed chan struct{}           // closed and replaced with each picture that shows another refusal
	history map[nexus.ID][]*float64 // p99 in ms, one cell a second, oldest first
	series  map[nexus.ID][]wire.SlicePoint
	rows    []wire.SliceRow
	carries wire.EdgeRow // what the node's own gateway does, in all slices
}

func (k *overviewKeeper) init() {
	k.changed, k.pressed = make(chan struct{}), make(chan struct{})
	k.history = map[nexus.ID][]*float64{}
	k.series = map[nexus.ID][]wire.SlicePoint{}
	k.current = &wire.Overview{}
	k.dirty.Store(true)
}

// touch says that the next picture will differ.
func (k *overviewKeeper) touch() { k.dirty.Store(true) }

// run rebuilds the picture when something changed, until ctx ends.
func (k *overviewKeeper) run(ctx context.Context, n *Node) {
	t := time.NewTicker(viewEvery)
	defer t.Stop()
	var seen, dropped uint64
	var measured, made time.Time
	press := pressing{left: pressMost}
	for {
		var refused <-chan struct{} // nil: nobody refuses yet
		e := n.Engine()
		if e != nil {
			refused = e.Refusing()
		}
		select {
		case <-ctx.Done():
			return
		case <-refused:
			if !press.may(time.Now()) {
				continue // it is in the next picture of the pace
			}
			if !sleepFor(ctx, pressEvery-time.Since(made)) {
				return
			}
			seen, made = e.Version()+e.CosignVersion(), time.Now()
			k.dirty.Store(false)
			k.replace(n.build())
		case now := <-t.C:
			if now.Sub(measured) >= measureEvery {
				measured = now
				if k.measure(n) {
					k.touch()
				}
				if d := n.bus.Stats().Dropped; d != dropped { // nothing else need change while a reader loses events
					dropped = d
					k.touch()
				}
			}
			if e != nil && e.Version()+e.CosignVersion() != seen { // both only grow
				seen = e.Version() + e.CosignVersion()
				k.touch()
			}
			if k.dirty.Swap(false) {
				made = time.Now()
				k.replace(n.build())
			}
		}
	}
}

// pressing counts pictures that do not wait for their turn, pressMost a second.
type pressing struct {
	left   int
	filled time.Time
}

func (p *pressing) may(now time.Time) bool {
	if now.Sub(p.filled) >= time.Second {
		p.left, p.filled = pressMost, now
	}
	if p.left == 0 {
		return false
	}
	p.left--
	return true
}

// sleepFor reports false when ctx ended first.
func sleepFor(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (k *overviewKeeper) replace(o *wire.Overview) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if o.DecisionsDenied > k.current.DecisionsDenied {
		close(k.pressed)
		k.pressed = make(chan struct{})
	}
	o.Seq = k.current.Seq + 1
	o.Slices = k.rows
	k.current = o
	close(k.changed)
	k.changed = make(chan struct{})
}

// picture is the newest one, of everything: for the node's own use and for those whom the operator lets see all.
func (k *overviewKeeper) picture() *wire.Overview {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

// measure reads the slices' figures and appends to their history; it reports whether anything is worth another picture.
func (k *overviewKeeper) measure(n *Node) bool {
	stats := n.SliceStats()
	moving := n.sessionStats()
	k.mu.Lock()
	defer k.mu.Unlock()
	rows, seen := make([]wire.SliceRow, 0, len(stats)), make(map[nexus.ID]bool, len(stats))
	reports, now := n.edgeReports(), time.Now()
	for _, own := range stats {
		s := reports.whole(own, now)
		row := sliceRow(n, s)
		m := moving[row.Slice]
		fillEdges(&row, sliceAtEdges(own, reports, now), m.Edges, now)
		row.Sessions, row.Planned, row.Recovered, row.PerMinute = m.Sessions, m.Planned, m.Recovered, m.PerMinute
		if t := m.Trips; t.Samples > 0 {
			p50, p99 := float64(t.P50)/1000, float64(t.P99)/1000
			row.TripP50Ms, row.TripP99Ms = &p50, &p99
		}
		h := append(k.history[s.Slice.ID], row.P99Ms)
		if len(h) > wire.HistoryCellsMax {
			h = h[len(h)-wire.HistoryCellsMax:]
		}
		k.history[s.Slice.ID] = h
		row.History = append([]*float64(nil), h...)
		rows = append(rows, row)
		points := append(k.series[s.Slice.ID], wire.SlicePoint{P50Ms: row.P50Ms, P99Ms: row.P99Ms, P999Ms: row.P999Ms})
		k.series[s.Slice.ID] = points[max(len(points)-wire.SlicePointsMax, 0):]
		seen[s.Slice.ID] = true
	}
	for id := range k.series { // a slice that is gone gives its memory back
		if !seen[id] {
			delete(k.series, id)
			delete(k.history, id)
		}
	}
	k.rows, k.carries = rows, carried(wire.EdgeRow{}, stats)
	return len(rows) > 0 || len(stats) > 0
}

func sliceRow(n *Node, s edge.SliceStats) wire.SliceRow {
	row := wire.SliceRow{Slice: s.Slice.ID.String(), Unit: s.Slice.Unit.String(), Label: s.Slice.Name, Class: s.Slice.Class.String(),
		Samples: uint64(s.Added.Samples), Probes: uint64(s.Probes), RateBps: float64(s.Gateway.RateBps),
		InFlight: int(s.Gateway.InFlight), Queue: int(s.Gateway.Queue), Refused: uint64(s.Gateway.Refused), Dropped: uint64(s.Gateway.Dropped),
		GuaranteedBps: s.Slice.GuaranteedBps, CeilingBps: s.Slice.CeilingBps, BudgetMs: float64(s.Slice.LatencyBudgetMicros) / 1000, BytesIn: s.Gateway.BytesIn,
		BytesOut: s.Gateway.BytesOut, Requests: s.Gateway.Requests, GuaranteeWindows: s.Promise.Windows, GuaranteeKept: s.Promise.Kept,
		SessionCap: s.Slice.Sessions(), CapIsOwn: s.Slice.MaxSessions > 0}
	row.Minutes, row.MinutesSincePost = n.judged.of(s.Slice.Unit)
	if s.Promise.Recent > 0 {
		worst := s.Promise.WorstPercent
		row.GuaranteePercent = &worst
	}
	if e := n.Engine(); e != nil {
		e.View(func(st *state.State) {
			if u := st.Units[s.Slice.Unit]; u != nil {
				row.Label, row.Name = u.Label, u.Name
			}
			row.OverSince, row.ShortSince = breachesSince(st, s.Slice.Unit)
		})
	}
	ms := func(micros int64) *float64 { v := float64(micros) / 1000; return &v }
	if s.Added.Samples > 0 {
		row.P50Ms, row.P99Ms, row.P999Ms, row.BaselineP50Ms = ms(s.Added.AddedP50), ms(s.Added.AddedP99), ms(s.Added.AddedP999), ms(s.Added.BaselineP50)
		row.BaselineP99Ms, row.OwnP99Ms = ms(s.Added.BaselineP99), float64(s.Added.OwnP99)/1000
	}
	if s.Gateway.Samples > 0 {
		row.GatewayP99Ms = ms(s.Gateway.P99)
	}
	return row
}

// SliceDetail implements control.Node.
func (n *Node) SliceDetail(id nexus.ID) (wire.SliceDetail, bool) {
	var d wire.SliceDetail
	n.view.mu.Lock()
	found := false
	for i := range n.view.rows {
		if n.view.rows[i].Slice == id.String() {
			d.SliceRow, found = n.view.rows[i], true
		}
	}
	d.Points = append([]wire.SlicePoint{}, n.view.series[id]...)
	n.view.mu.Unlock()
	n.mu.Lock()
	prober := n.prober
	n.mu.Unlock()
	if !found || prober == nil {
		return d, found
	}
	counts, limits := prober.Distribution(id), edge.HistogramLimitsMicros()
	for i, c := range counts {
		b := wire.Bucket{Count: c}
		if i < len(limits) {
			upTo := float64(limits[i]) / 1000
			b.UpToMs = &upTo
		}
		d.Buckets = append(d.Buckets, b)
	}
	return d, true
}

// LogPath implements control.Node.
func (n *Node) LogPath() string { return filepath.Join(n.cfg.DataDir, "node.log") }

// Overview implements control.Node. The value is shared: never changed by anybody. It may be a moment old, but never from before a
// verdict: whoever saw the last line of a launch and asks, as `nexus launch --detach && nexus status` does, is told of it.
func (n *Node) Overview() *wire.Overview {
	o := n.view.picture()
	if n.runner.State().Status == o.Launch.Status && n.Hello().State == o.Node.State {
		return o
	}
	o = n.build()
	n.view.replace(o)
	return o
}

// Changed implements control.Node.
func (n *Node) Changed() <-chan struct{} {
	n.view.mu.Lock()
	defer n.view.mu.Unlock()
	return n.view.changed
}

// Pressed implements control.Node.
func (n *Node) Pressed() <-chan struct{} {
	n.view.mu.Lock()
	defer n.view.mu.Unlock()
	return n.view.pressed
}

// Slices implements control.Node.
func (n *Node) Slices() []wire.SliceRow {
	n.view.measure(n)
	n.view.mu.Lock()
	defer n.view.mu.Unlock()
	return n.view.rows
}

// build makes the next picture from the applied state and what is measured.
func (n *Node) build() *wire.Overview {
	o := &wire.Overview{Time: time.Now().UTC(), Node: n.Hello(), Launch: n.runner.State(), Cluster: n.Members(), Edges: n.Edges(), Alerts: []wire.Alert{},
		Decisions: []wire.DecisionRow{}, Tallies: []wire.TallyRow{}, Totals: []wire.TotalRow{}, Units: []wire.UnitRow{}, Gates: []wire.GateRow{}}
	n.mu.Lock()
	o.Launch.Report, o.Launch.Log, o.Launch.Existing = n.report.Path, n.deplog.path, n.existing
	o.Ledger.Verified, o.Ledger.Entries = n.verified.Verified, n.verified.Entries
	n.mu.Unlock()
	o.Ledger.CheckpointAgeMs = -1
	o.Ledger.Witnesses = []wire.WitnessRow{}
	o.Dropped = n.bus.Stats().Dropped
	e := n.Engine()
	if e == nil {
		o.Ledger.On = n.LedgerOn()
		o.Alerts = n.edgeAlerts(o.Edges)
		return o
	}
	cp, text, at := e.Head()
	o.Ledger.Size, o.Ledger.Index, o.Ledger.Checkpoint = cp.Size, cp.Index, text
	o.Ledger.Root = base64.StdEncoding.EncodeToString(cp.Root[:])
	o.Ledger.CheckpointAgeMs = time.Since(at).Milliseconds()
	published := e.PublishedHead()
	o.Ledger.Cosigners, o.Ledger.CosignedSize, o.Ledger.Witnesses = published.Cosigners, published.Checkpoint.Size, e.Witnesses()
	if published.Cosigners > 0 {
		o.Ledger.Cosigned = published.Note
	}
	o.EventsPerSecond = e.EventsPerSecond()
	o.Gates, o.Decisions = e.GateRows(), e.RecentDecisions()
	t := e.Tally(false)
	o.TalliesTotal, o.Totals = len(t.Units), t.Totals
	o.Tallies = t.Units[:min(len(t.Units), wire.TallyRowsMax)]
	e.View(func(s *state.State) {
		o.DecisionsAllowed, o.DecisionsDenied = s.Counters.Decisions-s.Counters.Refused, s.Counters.Refused
		for _, u := range s.SortedUnits() {
			if u.Kind == nexus.KindProbe {
				continue
			}
			o.UnitsTotal++
			if len(o.Units) < wire.UnitRowsMax {
				o.Units = append(o.Units, engine.UnitRow(s, u))
			}
		}
	})
	o.Cut = o.UnitsTotal > len(o.Units) || o.TalliesTotal > len(o.Tallies)
	o.Alerts = n.alerts(o)
	return o
}

// alerts lists what an operator should look at now, newest first.
func (n *Node) alerts(o *wire.Overview) []wire.Alert {
	out := append(n.edgeAlerts(o.Edges), witnessAlerts(o.Ledger.Witnesses)...)
	standing := len(out)
	for _, d := range o.Decisions {
		// What the node's own suites try in order to be refused is no alarm.
		if d.Verdict == wire.VerdictDeny && time.Since(d.Time) < time.Minute && d.Actor != n.key.Public().String() {
			out = append(out, wire.Alert{Time: d.Time, Level: "warning", Code: "gate.denied", Fix: d.Fix,
				Text: d.Action + " refused: " + d.Observed, Unit: d.UnitLabel, Index: d.Index})
		}
		if len(out)-standing == wire.AlertRowsMax/4 {
			break
		}
	}
	findings, at := n.auditor.Findings()
	for _, f := range findings[:min(len(findings), wire.AlertRowsMax/4)] {
		out = append(out, wire.Alert{Time: at, Level: "error", Code: "audit.finding", Text: f.Where + ": " + f.What, Unit: f.Unit})
	}
	stdslices.SortStableFunc(out, func(a, b wire.Alert) int { return b.Time.Compare(a.Time) })
	return out
}

// witnessSilence is how long a witness may fail before an operator is told.
const witnessSilence = 5 * time.Minute

func witnessAlerts(rows []wire.WitnessRow) []wire.Alert {
	out := []wire.Alert{}
	for _, w := range rows {
		switch {
		case w.Status == wire.WitnessConflict:
			out = append(out, wire.Alert{Time: w.Since, Level: wire.LevelCritical, Code: "witness.conflict", Text: "witness " + w.Name + ": " + w.Error,
				Fix: "compare checkpoints with the witness; was this node put back from an older copy?"})
		case w.Status == wire.WitnessFailing && time.Since(w.Since) > witnessSilence:
			out = append(out, wire.Alert{Time: w.Since, Level: wire.LevelWarning, Code: "witness.failing", Text: "witness " + w.Name + ": " + w.Error,
				Fix: "see docs/operate/witness.md"})
		}
	}
	return out[:min(len(out), wire.AlertRowsMax/4)]
}
