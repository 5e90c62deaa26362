package control

import (
	"context"
	"encoding/json"
	"net/http"
	"sort"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// watchInterval paces the overview stream: at most ten a second, and what shows a refusal at once. When nothing changes nothing is sent; a dead node is told
// from a quiet one by the connection, which ends with the node.
const watchInterval = 100 * time.Millisecond

// overview answers with the caller's picture.
func (s *Server) overview(w http.ResponseWriter, _ *http.Request, who caller) (any, error) {
	f, id, err := s.picture(who, false)
	if err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", "application/json")
	if err := s.writePicture(w, who, f, id); err != nil {
		s.log.Debug("answer not delivered", "component", "control", "error", err)
	}
	return nil, nil
}

// watch streams overviews: at once, then whenever something changed, at most ten a second. Nothing changes, nothing is sent. The stream
// ends when the gates would refuse it now; the client asks again and is told why.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, who caller) (any, error) {
	rc := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	sent := false
	err := s.follow(r.Context(), who, func(f *frame, id wire.Identity) error {
		sent = true
		if err := s.writePicture(w, who, f, id); err != nil {
			return err
		}
		return rc.Flush()
	})
	if sent { // too late for a status: the client's connection is gone, or it asks again
		return nil, nil
	}
	return nil, err
}

// WatchSession is watch for a session over SSH, in this process: it calls show with each new picture until ctx ends or the gates refuse. The
// session's own is the Overview itself; what it points at is shared with others and must not be changed. show returns soon.
func (s *Server) WatchSession(ctx context.Context, token string, show func(*wire.Overview)) error {
	who, err := s.within(token)
	if err != nil {
		return err
	}
	return s.follow(ctx, who, func(f *frame, id wire.Identity) error {
		o, err := f.overview(id)
		if err == nil {
			show(o)
		}
		return err
	})
}

// follow shows a caller each new picture until ctx ends, show fails or the gates refuse. They are asked anew for each, so that a revoked
// key, and a session that has ended, see nothing more.
func (s *Server) follow(ctx context.Context, who caller, show func(*frame, wire.Identity) error) error {
	for {
		changed, pressed := s.node.Changed(), s.node.Pressed()
		if err := s.stillMay(who, earlyRead); err != nil {
			return err
		}
		f, id, err := s.picture(who, true)
		if err == nil {
			err = show(f, id)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pressed: // changed too
		case <-time.After(s.pace):
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// stillMay judges a read again that goes on. That it was signed, and for this cluster, was shown when it began. Who began to watch before
// there was a ledger, under a key that is nobody's, sees on what is everybody's.
func (s *Server) stillMay(who caller, n need) error {
	if who.token != "" {
		if _, err := s.within(who.token); err != nil {
			return err
		}
	}
	who.shown, who.query.TimeMs, who.query.Signature = true, time.Now().UnixMilli(), nil
	err := s.mayRead(who, nexus.ID{}, n)
	if err != nil && who.early {
		s.engine().View(func(st *state.State) {
			if st.Identities[who.query.Actor] == nil {
				err = nil
			}
		})
	}
	return err
}

// events streams durable events until the caller goes. Refusals and results are never dropped for a live reader.
func (s *Server) events(w http.ResponseWriter, r *http.Request, who caller) (any, error) {
	sub, err := s.bus.Subscribe(r.Context(), bus.Filter{})
	if err != nil {
		return nil, err
	}
	defer sub.Close()
	rc := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	if err := rc.Flush(); err != nil {
		return nil, nil
	}
	for {
		d, err := sub.Next(r.Context())
		if err != nil {
			return nil, nil
		}
		if s.stillMay(who, platformRead) != nil || s.encode(w, who, wireEvent(d.Event)) != nil || rc.Flush() != nil {
			return nil, nil
		}
	}
}

func wireEvent(ev nexus.Event) wire.Event {
	out := wire.Event{Type: ev.Type, Time: ev.Time, Index: ev.Index}
	if !ev.Unit.IsZero() {
		out.Unit = ev.Unit.String()
	}
	if ev.Data != nil {
		out.Data, _ = json.Marshal(ev.Data)
	}
	return out
}

// gatesFor leaves out the words of refusals for whoever does not act for the platform.
func (s *Server) gatesFor(who caller, rows []wire.GateRow) []wire.GateRow {
	all := false
	s.engine().View(func(st *state.State) { all = seesAll(st, who.query.Actor) })
	if all {
		return rows
	}
	return withoutReasons(rows)
}

// withoutReasons gives rows without the words of the last refusal, which may be another's.
func withoutReasons(rows []wire.GateRow) []wire.GateRow {
	out := append([]wire.GateRow(nil), rows...)
	for i := range out {
		out[i].LastReason = ""
	}
	return out
}

// edgesFor is the edges for whoever acts for the platform, and none for others: their figures are of all units together.
func (s *Server) edgesFor(who caller) []wire.EdgeRow {
	all := true
	if e := s.engine(); e != nil {
		e.View(func(st *state.State) { all = seesAll(st, who.query.Actor) })
	}
	if !all {
		return []wire.EdgeRow{}
	}
	return s.node.Edges()
}

// slicesFor leaves only the slices of units that the caller may see.
func (s *Server) slicesFor(who caller, rows []wire.SliceRow) []wire.SliceRow {
	if s.engine() == nil {
		return rows
	}
	var out []wire.SliceRow
	s.engine().View(func(st *state.State) {
		out = keep(rows, func(r wire.SliceRow) bool {
			id, err := nexus.ParseID(r.Unit)
			u := st.Units[id]
			return err == nil && u != nil && s.sees(who, st, u)
		})
	})
	return out
}

// keep filters into a new slice: the node's own snapshot is shared and never changed.
func keep[T any](in []T, ok func(T) bool) []T {
	out := []T{}
	for _, v := range in {
		if ok(v) {
			out = append(out, v)
		}
	}
	return out
}

// reportsOf names the active revenue sources that a key is bound to, sorted; none is an empty list.
func reportsOf(st *state.State, key nexus.PublicKey) []string {
	out := []string{}
	for _, x := range st.Sources {
		if x.Active && x.Key == key {
			out = append(out, x.Name)
		}
	}
	sort.Strings(out)
	return out
}
