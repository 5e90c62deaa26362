package control

import (
	"net/http"
	"sort"
	"strconv"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// maxPage bounds one page of entries or decisions.
const maxPage = 1000

// sees reports whether the caller may see a unit's own figures: operators and nodes all, owners their own.
func (s *Server) sees(who caller, st *state.State, u *state.Unit) bool {
	return seesAll(st, who.query.Actor) || st.Identities[who.query.Actor] != nil && u.Owner == who.query.Actor
}

// seesAll reports whether a key acts for the platform. One that was revoked acts for nobody: what it may still read is what its holder needs
// in order to leave.
func seesAll(st *state.State, key nexus.PublicKey) bool {
	return st.ActsFor(key)
}

func (s *Server) tally(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	t, err := s.tallyAsked(r, who)
	if err != nil {
		return nil, err
	}
	word, mine := r.URL.Query().Get("unit"), r.URL.Query().Get("mine") == "1"
	rows := t.Units[:0]
	var asked nexus.ID // by word, of which nothing is the caller's
	s.engine().View(func(st *state.State) {
		var only *state.Unit
		if word != "" {
			u, ok := st.FindUnit(word)
			if !ok {
				err = noUnit(word)
				return
			}
			only = u
			if !s.seesPart(who, st, u) {
				asked = u.ID
			}
		}
		for _, row := range t.Units {
			id, _ := nexus.ParseID(row.UnitID)
			u := st.Units[id]
			if (only == nil || u == only || u.Parent == only.ID) && (!mine || u != nil && u.Owner == who.query.Actor) && s.sees(who, st, u) {
				rows = append(rows, row)
			}
		}
	})
	if len(rows) != len(t.Units) {
		t.Totals = engine.SumTallies(rows)
	}
	t.Units = rows
	return t, s.othersRefused(r, who, asked, 0, err)
}

// seesPart reports whether the caller may see a unit's figures, or those of a channel on it.
func (s *Server) seesPart(who caller, st *state.State, u *state.Unit) bool {
	if s.sees(who, st, u) {
		return true
	}
	for _, c := range st.Units {
		if c.Parent == u.ID && s.sees(who, st, c) {
			return true
		}
	}
	return false
}

// forPlatform reports whether the caller acts for the platform.
func (s *Server) forPlatform(who caller) bool {
	all := false
	s.engine().View(func(st *state.State) { all = seesAll(st, who.query.Actor) })
	return all
}

func noUnit(word string) error {
	return nexus.Errf("find unit", nexus.CodeNotFound, strconv.Quote(word), "list units with nexus imvu list", "no unit has this id, label or slug")
}

func (s *Server) units(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	kind, probes, mine := r.URL.Query().Get("kind"), r.URL.Query().Get("probes") == "1", r.URL.Query().Get("mine") == "1"
	out := wire.Units{Units: []wire.UnitRow{}}
	s.engine().View(func(st *state.State) {
		for _, u := range st.SortedUnits() {
			if u.Kind == nexus.KindProbe && !probes || kind != "" && u.Kind.String() != kind || mine && u.Owner != who.query.Actor || !s.sees(who, st, u) {
				continue
			}
			out.Units = append(out.Units, engine.UnitRow(st, u))
		}
	})
	return out, nil
}

// findFor finds a unit and judges whether the caller may read it (gate 16).
func (s *Server) findFor(who caller, word string) (nexus.ID, error) {
	var id nexus.ID
	s.engine().View(func(st *state.State) {
		if u, ok := st.FindUnit(word); ok {
			id = u.ID
		}
	})
	if id.IsZero() {
		return id, noUnit(word)
	}
	return id, s.mayReadNamed(who, id, unitRead, "unit "+strconv.Quote(word))
}

func (s *Server) unit(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	id, err := s.findFor(who, r.PathValue("word"))
	if err != nil {
		return nil, err
	}
	var d wire.UnitDetail
	s.engine().View(func(st *state.State) {
		u := st.Units[id]
		d = wire.UnitDetail{UnitRow: engine.UnitRow(st, u), Created: time.UnixMilli(u.CreatedMs).UTC(), CreatedIndex: u.CreatedIndex,
			Class: u.Slice.Class, GuaranteedBps: uint64(u.Slice.GuaranteedBps), CeilingBps: uint64(u.Slice.CeilingBps),
			BudgetMs: float64(u.Slice.BudgetMicros) / 1000, MaxSessions: st.SessionCap(id)}
		if p := st.Units[u.Parent]; p != nil {
			d.Parent = p.Label
		}
		head := st.Chain.Head(id)
		d.Sequence, d.Head = head.Seq, head.Head.String()
		for name, owner := range st.Domains {
			if owner == id {
				d.Domains = append(d.Domains, name)
			}
		}
		sort.Strings(d.Domains)
		d.Routes, d.Imported = routeRows(st, func(x *state.Unit) bool { return x == u }), importedRows(st, id)
		d.Tallies = append(d.Tallies, engine.TallyRows(st, u)...)
	})
	return d, nil
}

// routeRows lists the routes of the units that shows lets through, by host.
func routeRows(st *state.State, shows func(*state.Unit) bool) []wire.RouteRow {
	out := []wire.RouteRow{}
	for _, r := range st.Routes {
		if shows(st.Units[r.Unit]) {
			out = append(out, wire.RouteRow{Host: r.Host, Unit: r.Unit.String(), Label: st.Units[r.Unit].Label, Backend: r.Backend, Index: r.Index})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Host < out[j].Host })
	return out
}

// routeList lists the routes of the caller's units; whoever acts for the platform sees all. A backend is an address inside a unit (gate 16).
func (s *Server) routeList(_ http.ResponseWriter, _ *http.Request, who caller) (any, error) {
	var out wire.Routes
	s.engine().View(func(st *state.State) {
		out.Routes = routeRows(st, func(u *state.Unit) bool { return s.sees(who, st, u) })
	})
	return out, nil
}
