package control

import (
	"encoding/json"
	"net/http"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// watchInterval paces the overview stream: at most ten a second. When nothing changes nothing is sent; a dead node is told
// from a quiet one by the connection, which ends with the node.
const watchInterval = 100 * time.Millisecond

func (s *Server) overview(_ http.ResponseWriter, _ *http.Request, who caller) (any, error) {
	return s.overviewFor(who), nil
}

// overviewFor is the overview with the caller's identity in it, and only what the caller may see (gate 16).
func (s *Server) overviewFor(who caller) *wire.Overview {
	o := *s.node.Overview()
	s.personalise(&o, who)
	return &o
}

// watch streams overviews: at once, then whenever something changed, at most ten a second. Nothing changes, nothing is sent.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, who caller) (any, error) {
	rc := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	for {
		changed := s.node.Changed()
		if err := s.encode(w, who, s.overviewFor(who)); err != nil {
			return nil, nil
		}
		if err := rc.Flush(); err != nil {
			return nil, nil
		}
		select {
		case <-r.Context().Done():
			return nil, nil
		case <-time.After(watchInterval):
		}
		select {
		case <-r.Context().Done():
			return nil, nil
		case <-changed:
		}
	}
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
		if err := s.encode(w, who, wireEvent(d.Event)); err != nil || rc.Flush() != nil {
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

// personalise puts the caller's identity into an overview copy and, for whoever is not an operator, leaves only their own
// units, tallies and decisions in it.
func (s *Server) personalise(o *wire.Overview, who caller) {
	o.Identity = wire.Identity{Key: who.query.Actor.String(), Fingerprint: who.query.Actor.Short(), Roles: []string{}}
	if s.engine() == nil {
		return
	}
	all := false
	s.engine().View(func(st *state.State) {
		if id := st.Identities[who.query.Actor]; id != nil {
			o.Identity.Name, o.Identity.Roles = id.Name, []string{engine.RoleName(id.Role)}
			all = id.Role == gates.RoleOperator || id.Role == gates.RoleNode || id.Role == gates.RolePlatform
		}
	})
	if all {
		return
	}
	key, own := who.query.Actor.String(), map[string]bool{}
	o.Units = keep(o.Units, func(u wire.UnitRow) bool { own[u.ID] = u.Owner == key; return own[u.ID] })
	o.Tallies = keep(o.Tallies, func(t wire.TallyRow) bool { return own[t.UnitID] })
	o.Slices = keep(o.Slices, func(r wire.SliceRow) bool { return own[r.Unit] })
	o.Decisions = keep(o.Decisions, func(d wire.DecisionRow) bool { return d.Actor == key || own[d.Unit] })
	labels := map[string]bool{}
	for _, u := range o.Units {
		labels[u.Label] = true
	}
	o.Alerts = keep(o.Alerts, func(a wire.Alert) bool { return labels[a.Unit] })
	o.Ledger.Witnesses = publicWitnesses(o.Ledger.Witnesses)
	o.Gates = append([]wire.GateRow(nil), o.Gates...)
	for i := range o.Gates { // the last refusal may be another's
		o.Gates[i].LastReason = ""
	}
	o.UnitsTotal, o.TalliesTotal, o.Totals = len(o.Units), len(o.Tallies), engine.SumTallies(o.Tallies)
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
