package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	stdslices "slices"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/satellite"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/link"
)

const (
	// edgeForget is how long an edge that is lost stands in the list: as long as gossip remembers a failed member.
	edgeForget = 24 * time.Hour
	// edgesMax bounds the processes in the list; the longest lost give way.
	edgesMax = 256
	// edgeCheckEvery is how often silence is looked for.
	edgeCheckEvery = 500 * time.Millisecond
)

// edgeWatch knows which edge processes there are and how they stand. A process that ends says goodbye in its last report; one whose link ends without
// that is lost, and stands in the list and among the alerts until another serves in its place. Safe for concurrent use.
type edgeWatch struct {
	tell func(nexus.Event) // called under mu, in the order of what happened; must not wait

	log *slog.Logger

	mu       sync.Mutex
	known    map[string]*edgeSeen // by the process's name
	socket   string               // what is wrong with the socket for edges; empty: nothing
	socketAt time.Time            // since when
}

type edgeSeen struct {
	process  nexus.ID     // of its newest report
	row      wire.EdgeRow // but for the age of its report
	links    int          // open now: two while one that came back has an old link too
	joined   time.Time
	at       time.Time // of its newest report; zero: none yet
	last     bool      // which was its goodbye
	orphaned bool      // it said so
}

func newEdgeWatch(log *slog.Logger, tell func(nexus.Event)) *edgeWatch {
	return &edgeWatch{log: log.With("component", "edge"), tell: tell, known: map[string]*edgeSeen{}}
}

// Events of edges, with their row as data.
const (
	edgeJoined    = "edge.joined"
	edgeRecovered = "edge.recovered" // one that was lost is there again, or another in its place
	edgeLeft      = "edge.left"      // with a goodbye
	edgeTable     = "edge.table"     // it refused tables
	edgeSocketBad = "edge.socket"    // what edges link themselves by is not the node's any more; its row is the node's own
)

// join takes an edge process that linked itself.
func (w *edgeWatch) join(g link.Greeting, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.known[g.Name]
	if e == nil {
		e = &edgeSeen{}
		w.known[g.Name] = e
	}
	e.links++
	e.joined, e.last, e.orphaned = now, false, false
	e.row.Name, e.row.Edge, e.row.Group, e.row.Addresses = g.Name, cmp.Or(g.Edge, g.Name), g.Group, append([]string{}, g.Addresses...)
	if !w.takesPlace(e, now) && e.row.State != wire.EdgeServing {
		event := edgeJoined
		if e.row.Lost() {
			event = edgeRecovered
		}
		w.turn(e, wire.EdgeServing, "", event, now)
	}
	w.bound()
}

// takesPlace drops the lost edges that e serves in the place of: others of its edge and group, and, when one of another edge had an address of e's,
// all of that one's. It reports whether there were any.
func (w *edgeWatch) takesPlace(e *edgeSeen, now time.Time) bool {
	of := map[string]bool{}
	for _, old := range w.known {
		if old != e && old.links == 0 && (old.row.Edge == e.row.Edge && old.row.Group == e.row.Group || shareAny(old.row.Addresses, e.row.Addresses)) {
			of[old.row.Edge] = true
		}
	}
	found := false
	for name, old := range w.known {
		if old != e && old.links == 0 && of[old.row.Edge] && (old.row.Edge != e.row.Edge || old.row.Group == e.row.Group) {
			delete(w.known, name)
			found = true
		}
	}
	if found {
		w.turn(e, wire.EdgeServing, "", edgeRecovered, now)
	}
	return found
}

func shareAny(a, b []string) bool {
	return stdslices.ContainsFunc(a, func(s string) bool { return stdslices.Contains(b, s) })
}

// heard takes a report. It says whether the edge has refused tables since the one before.
func (w *edgeWatch) heard(name string, r satellite.Report, now time.Time) (refused bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.known[name]
	if e == nil {
		return false // its link ended meanwhile
	}
	e.at, e.last, e.orphaned = now, r.Last, r.Orphaned
	e.row = carried(e.row, r.Slices)
	if e.row.LinkRTTMs = nil; r.LinkNanos > 0 {
		e.row.LinkRTTMs = milliseconds(time.Duration(r.LinkNanos))
	}
	switch {
	case r.Orphaned:
		w.turn(e, wire.EdgeOrphaned, "its supervisor has died", "", now)
	case r.Closing || r.Last:
		w.turn(e, wire.EdgeClosing, "", "", now)
	case e.row.Lost():
		w.turn(e, wire.EdgeServing, "", edgeRecovered, now)
	}
	refused = e.process != r.Process && len(r.Table.Refused) > 0 || e.process == r.Process && r.Table.Refusals() > e.row.Table.Refusals()
	e.process, e.row.Table = r.Process, tableRow(&r.Table)
	if refused {
		w.tell(nexus.Event{Type: edgeTable, Time: now.UTC(), MustDeliver: true, Data: w.rowOf(e, now)})
	}
	return refused
}

func tableRow(t *satellite.TableState) wire.EdgeTable {
	row := wire.EdgeTable{Index: t.Index, Number: t.Number, Refused: t.Refused, Kind: t.Kind, Cause: t.Why, Standing: t.Standing}
	if !t.At.IsZero() {
		row.At = &t.At
	}
	return row
}

// leave takes the end of a link.
func (w *edgeWatch) leave(name string, cause error, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.known[name]
	if e == nil {
		return
	}
	if e.links--; e.links > 0 {
		return
	}
	if e.last && !e.orphaned || w.replaced(e) {
		delete(w.known, name)
		w.tell(nexus.Event{Type: edgeLeft, Time: now.UTC(), MustDeliver: true, Data: w.rowOf(e, now)})
		return
	}
	state, why, timeout := wire.EdgeFailed, "its process ended without a goodbye", net.Error(nil)
	switch {
	case e.orphaned:
		why = "its supervisor has died"
	case errors.As(cause, &timeout) && timeout.Timeout():
		state, why = wire.EdgeSilent, "its process says nothing any more"
	}
	w.turn(e, state, why, "", now)
}

// replaced reports whether another process of the same edge and group serves already: what is lost with e is what it still had, not the edge.
func (w *edgeWatch) replaced(e *edgeSeen) bool {
	for _, other := range w.known {
		if other != e && other.row.Edge == e.row.Edge && other.row.Group == e.row.Group && other.row.State == wire.EdgeServing {
			return true
		}
	}
	return false
}

// run looks for silence until ctx ends, and by socket at what edges link themselves by.
func (w *edgeWatch) run(ctx context.Context, socket func() error) {
	t := time.NewTicker(edgeCheckEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			w.check(now)
			if now, err := time.Now(), socket(); ctx.Err() == nil {
				w.checkSocket(err, now)
			}
		}
	}
}

// checkSocket tells of a socket that is not the node's any more, and of its being so again.
func (w *edgeWatch) checkSocket(wrong error, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	said := ""
	if wrong != nil {
		said = wrong.Error()
	}
	if said == w.socket {
		return
	}
	w.socket, w.socketAt = said, now.UTC()
	if said == "" {
		w.log.Info("the socket for edges is the node's again")
		return
	}
	w.log.Error("edges cannot reach this node", "cause", said)
	w.tell(nexus.Event{Type: edgeSocketBad, Time: now.UTC(), MustDeliver: true,
		Data: wire.EdgeRow{Name: ownEdge, Edge: ownEdge, State: wire.EdgeServing, Cause: said, Since: w.socketAt, Addresses: []string{}}})
}

// alerts are of the socket, then of the rows of edges.
func (w *edgeWatch) alerts(rows []wire.EdgeRow, now time.Time) []wire.Alert {
	w.mu.Lock()
	said, at := w.socket, w.socketAt
	w.mu.Unlock()
	out := edgeAlerts(rows, now)
	if said != "" {
		out = append([]wire.Alert{{Time: at, Level: wire.LevelCritical, Code: edgeSocketBad, Text: said,
			Fix: "see who may write to its folder, then start this node again: it makes its socket anew"}}, out...)
	}
	return out
}

// check looks for silence on links that are open, and forgets what has been lost for long.
func (w *edgeWatch) check(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, e := range w.known {
		last := e.at
		if last.Before(e.joined) {
			last = e.joined
		}
		switch {
		case e.links == 0 && now.Sub(e.row.Since) > edgeForget:
			delete(w.known, name)
		case e.links > 0 && (e.row.State == wire.EdgeServing || e.row.State == wire.EdgeClosing) && now.Sub(last) > 2*reportFresh:
			w.turn(e, wire.EdgeSilent, "its link is open and it reports nothing any more", "", now)
		}
	}
}

// turn gives an edge another state, and tells: by default the event that is named after it.
func (w *edgeWatch) turn(e *edgeSeen, state, cause, event string, now time.Time) {
	if e.row.State == state && event != edgeRecovered {
		e.row.Cause = cause
		return
	}
	e.row.State, e.row.Cause, e.row.Since = state, cause, now.UTC()
	w.tell(nexus.Event{Type: cmp.Or(event, "edge."+state), Time: now.UTC(), MustDeliver: true, Data: w.rowOf(e, now)})
}

// bound drops what is over edgesMax.
func (w *edgeWatch) bound() {
	for len(w.known) > edgesMax {
		oldest := ""
		for name, e := range w.known {
			if e.links == 0 && (oldest == "" || e.row.Since.Before(w.known[oldest].row.Since)) {
				oldest = name
			}
		}
		if oldest == "" {
			return // all are linked: the sockets bound them
		}
		delete(w.known, oldest)
	}
}

// rows lists the edge processes by name.
func (w *edgeWatch) rows(now time.Time) []wire.EdgeRow {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]wire.EdgeRow, 0, len(w.known))
	for _, e := range w.known {
		out = append(out, w.rowOf(e, now))
	}
	stdslices.SortFunc(out, func(a, b wire.EdgeRow) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (w *edgeWatch) rowOf(e *edgeSeen, now time.Time) wire.EdgeRow {
	row := e.row
	if !e.at.IsZero() {
		age := now.Sub(e.at).Milliseconds()
		row.ReportAgeMs = &age
	}
	return row
}

// carried gives a row with what a process's slices say together.
func carried(row wire.EdgeRow, stats []edge.SliceStats) wire.EdgeRow {
	row.Slices, row.Hosts, row.RateBps, row.Connections, row.Streams, row.InFlight, row.Queue = len(stats), 0, 0, 0, 0, 0, 0
	row.Requests, row.Refused, row.BackendsOut, row.P99Ms = 0, 0, 0, nil
	for i := range stats {
		s := &stats[i]
		row.Hosts += s.Hosts
		row.RateBps += float64(s.Gateway.RateBps)
		row.Connections, row.Streams = row.Connections+s.Gateway.Sessions, row.Streams+s.Gateway.Streams
		row.InFlight, row.Queue = row.InFlight+s.Gateway.InFlight, row.Queue+s.Gateway.Queue
		row.Requests, row.Refused = row.Requests+s.Gateway.Requests, row.Refused+s.Gateway.Refused
		row.BackendsOut += s.Backends.Ejected
		if p99 := milliseconds(time.Duration(s.Added.AddedP99) * time.Microsecond); s.Added.Samples > 0 && (row.P99Ms == nil || *p99 > *row.P99Ms) {
			row.P99Ms = p99
		}
	}
	return row
}

// tableAlertFor is how long a refused table stays an alert after the edge has taken another: an operator who looks away for a minute still sees it.
const tableAlertFor = 10 * time.Minute

// edgeAlerts are the lost edges and those that refused tables, the newest first.
func edgeAlerts(rows []wire.EdgeRow, now time.Time) []wire.Alert {
	out := []wire.Alert{}
	for i := range rows {
		e := &rows[i]
		if e.Lost() {
			out = append(out, wire.Alert{Time: e.Since, Level: wire.LevelCritical, Code: "edge." + e.State, Text: "edge " + e.Name + " is " + e.State + ": " + e.Cause,
				Fix: "look at its log, then start edge " + e.Edge + " again; nexus cluster edges shows who serves"})
		}
		if t := &e.Table; t.At != nil && (t.Standing || now.Sub(*t.At) < tableAlertFor) {
			out = append(out, wire.Alert{Time: *t.At, Level: wire.LevelCritical, Code: edgeTable,
				Text: fmt.Sprintf("edge %s refused a table (%s): %s", e.Name, t.Kind, t.Cause),
				Fix:  "it serves the table before; see who reaches its home's socket, and start edge " + e.Edge + " again if the node was set up anew or restored"})
		}
	}
	stdslices.SortFunc(out, func(a, b wire.Alert) int { return b.Time.Compare(a.Time) })
	return out[:min(len(out), wire.AlertRowsMax/4)]
}

// edgeAlerts are those of the node's edges.
func (n *Node) edgeAlerts(rows []wire.EdgeRow) []wire.Alert {
	n.mu.Lock()
	s := n.sessions
	n.mu.Unlock()
	if s == nil {
		return edgeAlerts(rows, time.Now())
	}
	return s.watch.alerts(rows, time.Now())
}

// Edges implements control.Node: the node's own gateway, then the edge processes.
func (n *Node) Edges() []wire.EdgeRow {
	n.mu.Lock()
	s, g := n.sessions, n.gateway
	n.mu.Unlock()
	out := []wire.EdgeRow{}
	if g == nil || s == nil {
		return out
	}
	age := int64(0)
	n.view.mu.Lock()
	own := n.view.carries
	n.view.mu.Unlock()
	own.Name, own.Edge, own.State, own.Since = ownEdge, ownEdge, wire.EdgeServing, s.since.UTC()
	own.Addresses, own.ReportAgeMs = satellite.Addresses(g), &age
	return append(append(out, own), s.watch.rows(time.Now())...)
}
