package node

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge/satellite"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/link"
)

// told keeps the events of a watch as "type name".
type told struct {
	mu   sync.Mutex
	list []string
}

func (t *told) take(ev nexus.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	mark := ""
	if !ev.MustDeliver {
		mark = " lossy"
	}
	t.list = append(t.list, strings.TrimPrefix(ev.Type, "edge.")+" "+ev.Data.(wire.EdgeRow).Name+mark)
}

func (t *told) since(from *int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := strings.Join(t.list[*from:], ", ")
	*from = len(t.list)
	return out
}

// TestWhatBecomesOfAnEdge: each way in which an edge process can end or come back, with its events, its state in the list and its alert.
func TestWhatBecomesOfAnEdge(t *testing.T) {
	t.Parallel()
	events := &told{}
	w, now, seen := newEdgeWatch(slog.New(slog.DiscardHandler), events.take), time.Unix(1_700_000_000, 0), 0
	joins := func(name, edge, group string, addresses ...string) func() {
		return func() { w.join(link.Greeting{Name: name, Edge: edge, Group: group, Addresses: addresses}, now) }
	}
	leaves := func(name string, cause error) func() { return func() { w.leave(name, cause, now) } }
	says := func(name string, r satellite.Report) func() {
		return func() { r.Slices = []edge.SliceStats{atEdge(3, 1000, 900)}; w.heard(name, r, now) }
	}
	last := satellite.Report{Closing: true, Last: true}
	for _, s := range []struct {
		what   string
		does   func()
		after  time.Duration
		events string
		list   string // after it
		alerts int
	}{
		{"one comes", joins("a", "", "", "ws://*:1"), 0, "joined a", "a serving", 0},
		{"it reports", says("a", satellite.Report{}), 0, "", "a serving", 0},
		{"its process dies", leaves("a", io.EOF), time.Second, "failed a", "a failed", 1},
		{"it is started again", joins("a", "", "", "ws://*:1"), time.Second, "recovered a", "a serving", 0},
		{"it is stopped", leaves("a", os.ErrDeadlineExceeded), 5 * time.Second, "silent a", "a silent", 1},
		{"it goes on", joins("a", "", "", "ws://*:1"), 0, "recovered a", "a serving", 0},
		{"its gateway hangs", func() {}, 2*reportFresh + time.Millisecond, "silent a", "a silent", 1},
		{"it speaks again", says("a", satellite.Report{}), 0, "recovered a", "a serving", 0},
		{"it comes back before its old link was given up", joins("a", "", "", "ws://*:1"), 0, "", "a serving", 0},
		{"the old link ends", leaves("a", io.EOF), 0, "", "a serving", 0},
		{"it says goodbye", says("a", last), 0, "closing a", "a closing", 0},
		{"and ends", leaves("a", io.EOF), 0, "left a", "", 0},

		{"a supervisor's first worker", joins("f.1", "f", "prompt", "ws://*:2"), 0, "joined f.1", "f.1 serving", 0},
		{"of the other group", joins("f.p.1", "f", "patient"), 0, "joined f.p.1", "f.1 serving f.p.1 serving", 0},
		{"an upgrade", joins("f.2", "f", "prompt", "ws://*:2"), 0, "joined f.2", "f.1 serving f.2 serving f.p.1 serving", 0},
		{"the old one retires", says("f.1", satellite.Report{Closing: true}), 0, "closing f.1", "f.1 closing f.2 serving f.p.1 serving", 0},
		{"the new one dies over an old one that accepts nothing", leaves("f.2", io.EOF), 0, "failed f.2", "f.1 closing f.2 failed f.p.1 serving", 1},
		{"and is back", joins("f.2", "f", "prompt", "ws://*:2"), 0, "recovered f.2", "f.1 closing f.2 serving f.p.1 serving", 0},
		{"the old one dies: the edge serves all the same", leaves("f.1", io.EOF), 0, "left f.1", "f.2 serving f.p.1 serving", 0},
		{"the new one dies", leaves("f.2", io.EOF), time.Second, "failed f.2", "f.2 failed f.p.1 serving", 1},
		{"its supervisor starts another", joins("f.3", "f", "prompt", "ws://*:2"), 0, "recovered f.3", "f.3 serving f.p.1 serving", 0},
		{"the supervisor dies", says("f.3", satellite.Report{Closing: true, Orphaned: true}), 0, "orphaned f.3", "f.3 orphaned f.p.1 serving", 1},
		{"and the other group's worker says so", says("f.p.1", satellite.Report{Orphaned: true}), 0, "orphaned f.p.1", "f.3 orphaned f.p.1 orphaned", 2},
		{"an orphan's goodbye is no goodbye of the edge", says("f.3", satellite.Report{Last: true, Orphaned: true}), 0, "", "f.3 orphaned f.p.1 orphaned", 2},
		{"it ends", leaves("f.3", io.EOF), 0, "failed f.3", "f.3 failed f.p.1 orphaned", 2},
		{"the other ends", leaves("f.p.1", io.EOF), 0, "failed f.p.1", "f.3 failed f.p.1 failed", 2},
		{"another edge serves at its address", joins("g", "", "", "ws://*:2"), 0, "recovered g", "g serving", 0},
		{"it dies", leaves("g", io.EOF), 0, "failed g", "g failed", 1},
		{"and is forgotten", func() {}, edgeForget + time.Second, "", "", 0},
	} {
		now = now.Add(time.Millisecond)
		s.does()
		now = now.Add(s.after)
		w.check(now)
		var list []string
		rows := w.rows(now)
		for _, r := range rows {
			list = append(list, r.Name+" "+r.State)
			if (r.Cause != "") != r.Lost() {
				t.Errorf("%s: %s is %s because of %q", s.what, r.Name, r.State, r.Cause)
			}
		}
		if got := events.since(&seen); got != s.events || strings.Join(list, " ") != s.list || len(edgeAlerts(rows, now)) != s.alerts {
			t.Errorf("%s: told %q, list %q, %d alerts; wanted %q, %q, %d", s.what, got, list, len(edgeAlerts(rows, now)), s.events, s.list, s.alerts)
		}
	}
}

// TestWhatAnEdgeCarries: a row sums the process's slices; what was not measured is nil; the list is bounded.
func TestWhatAnEdgeCarries(t *testing.T) {
	t.Parallel()
	w, now := newEdgeWatch(slog.New(slog.DiscardHandler), func(nexus.Event) {}), time.Unix(1_700_000_000, 0)
	w.join(link.Greeting{Name: "a"}, now)
	if r := w.rows(now)[0]; r.ReportAgeMs != nil || r.P99Ms != nil || r.LinkRTTMs != nil || r.Addresses == nil {
		t.Errorf("before the first report %+v", r)
	}
	w.heard("a", satellite.Report{Slices: []edge.SliceStats{atEdge(3, 1000, 900), atEdge(4, 500, 2000), atEdge(1, 0, 0)}, LinkNanos: 7000}, now)
	r := w.rows(now.Add(time.Second))[0]
	if r.Slices != 3 || r.Requests != 8 || r.RateBps != 1500 || r.InFlight != 3 || *r.P99Ms != 2 || *r.LinkRTTMs != 0.007 || *r.ReportAgeMs != 1000 {
		t.Errorf("%+v", r)
	}
	for n := range edgesMax + 9 {
		w.join(link.Greeting{Name: fmt.Sprint("dead-", n)}, now)
		w.leave(fmt.Sprint("dead-", n), io.EOF, now.Add(time.Duration(n)*time.Second))
	}
	if rows := w.rows(now); len(rows) > edgesMax+1 || rows[0].Name != "a" {
		t.Errorf("%d rows, the first %s", len(rows), rows[0].Name)
	}
}

// TestRefusedTablesAreAnAlert: what an edge says it refused is told once, stands in its row and among the alerts until ten minutes after it took another, and
// the same number of a process that was known is no news.
func TestRefusedTablesAreAnAlert(t *testing.T) {
	t.Parallel()
	events, now, seen := &told{}, time.Unix(1_700_000_000, 0), 0
	w := newEdgeWatch(slog.New(slog.DiscardHandler), events.take)
	w.join(link.Greeting{Name: "a"}, now)
	events.since(&seen)
	refused := satellite.TableState{Index: 7, Number: 2, Refused: map[string]uint64{satellite.RefusedOld: 1},
		Kind: satellite.RefusedOld, Why: "older", At: now, Standing: true}
	after := refused
	after.Standing = false
	more := after
	more.Refused = map[string]uint64{satellite.RefusedOld: 1, satellite.RefusedForeign: 1}
	for n, s := range []struct {
		table   satellite.TableState
		process byte
		after   time.Duration
		news    bool
		alerts  int
	}{
		{satellite.TableState{Index: 7, Number: 2}, 1, 0, false, 0},
		{refused, 1, time.Hour, true, 1}, // it stands
		{refused, 1, 0, false, 1},
		{after, 1, 0, false, 0}, // an hour later
		{more, 1, 0, true, 0},
		{satellite.TableState{}, 2, 0, false, 0},
		{refused, 3, 0, true, 1}, // a process that refused before this home knew it
	} {
		news := w.heard("a", satellite.Report{Process: nexus.ID{s.process}, Table: s.table}, now)
		told := events.since(&seen) == "table a"
		now = now.Add(s.after)
		row := w.rows(now)[0]
		alerts := edgeAlerts(w.rows(now), now)
		if news != s.news || told != s.news || len(alerts) != s.alerts || row.Table.Index != s.table.Index || row.Table.Refusals() != s.table.Refusals() {
			t.Errorf("report %d: news %v, told %v, alerts %+v, row %+v", n, news, told, alerts, row.Table)
		}
		for _, a := range alerts {
			if a.Code != "edge.table" || a.Level != wire.LevelCritical || !strings.Contains(a.Text, "older") || a.Fix == "" {
				t.Errorf("report %d: %+v", n, a)
			}
		}
	}
}

// TestTheSocketIsWatched: a socket that was removed, exchanged or opened to others is an event and an alert, once, until it is the node's again.
func TestTheSocketIsWatched(t *testing.T) {
	t.Parallel()
	events, now, seen := &told{}, time.Unix(1_700_000_000, 0), 0
	w := newEdgeWatch(slog.New(slog.DiscardHandler), events.take)
	path := filepath.Join(t.TempDir(), "s")
	listen := func() {
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	do := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	listen()
	ours, err := os.Lstat(path)
	do(err)
	for _, s := range []struct {
		what string
		does func()
		said string
	}{
		{"nothing", func() {}, ""},
		{"others may open it", func() { do(os.Chmod(path, 0o666)) }, "has mode"},
		{"they may not", func() { do(os.Chmod(path, 0o600)) }, ""},
		{"it is put aside", func() { do(os.Rename(path, path+"2")) }, "was removed"},
		{"another is there", listen, "another file stands"},
		{"it is back", func() { do(os.Rename(path+"2", path)) }, ""},
	} {
		s.does()
		for range 2 { // the second time is no news
			w.checkSocket(ownSocket(path, ours), now)
		}
		alerts := w.alerts(nil, now)
		if got := events.since(&seen); (got == "socket node") != (s.said != "") {
			t.Errorf("%s: told %q", s.what, got)
		}
		if s.said == "" && len(alerts) != 0 || s.said != "" && (len(alerts) != 1 || alerts[0].Code != "edge.socket" || !strings.Contains(alerts[0].Text, s.said)) {
			t.Errorf("%s: %+v", s.what, alerts)
		}
	}
}

// TestTheKindsOfRefusalsAreOneList: what an edge counts is what the metrics show.
func TestTheKindsOfRefusalsAreOneList(t *testing.T) {
	t.Parallel()
	kinds := []string{satellite.RefusedStranger, satellite.RefusedDamaged, satellite.RefusedForeign, satellite.RefusedOld,
		satellite.RefusedForked, satellite.RefusedUnfit}
	if got := strings.Join(wire.TableRefusals(), " "); got != strings.Join(kinds, " ") {
		t.Errorf("%q", got)
	}
}

// watchHome is a home without sessions.
type watchHome struct{ link.Home }

func (watchHome) SetEdge(string, []string) {}

// TestALinkThatEndsIsTold: over a real socket, a process that goes without its goodbye is an alert on the bus, and one that comes back ends it.
func TestALinkThatEndsIsTold(t *testing.T) {
	t.Parallel()
	b := bus.New(bus.Limits{})
	sub, err := b.Subscribe(t.Context(), bus.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	w := newEdgeWatch(slog.New(slog.DiscardHandler), func(ev nexus.Event) { b.Publish(ev) })
	server := link.NewServer(watchHome{}, slog.New(slog.DiscardHandler))
	server.OnJoin = func(g link.Greeting) { w.join(g, time.Now()) }
	server.OnLeave = func(name string, cause error) { w.leave(name, cause, time.Now()) }
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { _ = server.Serve(ctx, ln) }) // ends with ctx
	edge := func() (stop func()) {
		linked, end := context.WithCancel(ctx)
		dial := func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "unix", path) }
		c := link.NewClient(dial, link.Greeting{Name: "front"}, func([]byte) (bool, error) { return true, nil }, slog.New(slog.DiscardHandler))
		wg.Go(func() { _ = c.Run(linked) }) // ends with linked
		return end
	}
	expect := func(event string) {
		t.Helper()
		wait, stop := context.WithTimeout(ctx, time.Minute)
		defer stop()
		d, err := sub.Next(wait)
		if err != nil || d.Event.Type != event || !d.Event.MustDeliver {
			t.Fatalf("told %q (%v), wanted %q", d.Event.Type, err, event)
		}
	}
	stop := edge()
	expect("edge.joined")
	stop()
	expect("edge.failed")
	alerts := edgeAlerts(w.rows(time.Now()), time.Now())
	if len(alerts) != 1 || alerts[0].Code != "edge.failed" || alerts[0].Level != wire.LevelCritical || alerts[0].Fix == "" {
		t.Errorf("alerts %+v", alerts)
	}
	defer edge()()
	expect("edge.recovered")
}
