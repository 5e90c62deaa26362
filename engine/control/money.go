package control

import (
	"net/http"
	"strconv"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// moneyRoutes are the reads of what was earned, what is owed and what was paid.
func (s *Server) moneyRoutes() {
	s.handle("GET /v1/money", publicRead, s.money)
	s.handle("GET /v1/money/periods", publicRead, s.periods)
	s.handle("GET /v1/money/pending", publicRead, s.pendings)
	s.handle("GET /v1/money/holds", publicRead, s.holds)
	s.handle("GET /v1/money/payouts", publicRead, s.payouts)
	s.handle("GET /v1/money/disputes", publicRead, s.disputes)
	s.handle("GET /v1/statement", need{resource: publicRead.resource, public: true, sealed: true}, s.reads.within(s.statement))
}

// seesPeriod reports whether the caller may see a period's money: the platform all, an owner the unit's whole, an earlier owner the
// time of their own.
func (s *Server) seesPeriod(who caller) func(*state.State, *state.Unit, state.Period) bool {
	return func(st *state.State, u *state.Unit, p state.Period) bool {
		return s.sees(who, st, u) || p.Owner == who.query.Actor && st.Identities[p.Owner] != nil
	}
}

// unitAsked reads ?unit=; zero when it is absent.
func (s *Server) unitAsked(r *http.Request) (nexus.ID, error) {
	word := r.URL.Query().Get("unit")
	if word == "" {
		return nexus.ID{}, nil
	}
	var id nexus.ID
	s.engine().View(func(st *state.State) {
		if u, ok := st.FindUnit(word); ok {
			id = u.ID
		}
	})
	if id.IsZero() {
		return id, noUnit(word)
	}
	return id, nil
}

// othersRefused has gate 16 refuse a question about one unit of which nothing may be shown: "none" would be said of another's unit as if
// it were known of it. A unit that is the caller's own and has nothing passes.
func (s *Server) othersRefused(r *http.Request, who caller, unit nexus.ID, shown int, err error) error {
	if err != nil || unit.IsZero() || shown > 0 {
		return err
	}
	return s.mayReadNamed(who, unit, unitRead, "unit "+strconv.Quote(r.URL.Query().Get("unit")))
}

func (s *Server) money(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	id, err := s.unitAsked(r)
	if err != nil {
		return nil, err
	}
	f := engine.MoneyFilter{Unit: id, Probes: r.URL.Query().Get("probes") == "1", Sees: s.seesPeriod(who)}
	at, earlier, err := momentAsked(r)
	if err != nil {
		return nil, err
	}
	if !earlier {
		out, err := s.engine().Money(f)
		return out, s.othersRefused(r, who, id, len(out.Rows), err)
	}
	end, err := s.reads.hold(who)
	if err != nil {
		return nil, err
	}
	defer end()
	out, err := s.engine().MoneyAt(r.Context(), at, f)
	return out, s.othersRefused(r, who, id, len(out.Rows), err)
}

func (s *Server) periods(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	id, err := s.unitAsked(r)
	if err != nil {
		return nil, err
	}
	out := wire.OwnerPeriods{Periods: []wire.OwnerPeriod{}}
	s.engine().View(func(st *state.State) {
		u := st.Units[id]
		if u == nil {
			err = noUnit("")
			return
		}
		out.Unit, out.UnitID = u.Label, id.String()
		for _, p := range st.Periods(id) {
			if s.seesPeriod(who)(st, u, p) {
				out.Periods = append(out.Periods, wire.OwnerPeriod{Number: p.Number, Owner: nameIn(st, p.Owner), OwnerKey: p.Owner.String(), Current: p.Open,
					Yours: p.Owner == who.query.Actor})
			}
		}
	})
	if err == nil && len(out.Periods) == 0 {
		return nil, s.othersRefused(r, who, id, 0, nil)
	}
	return out, err
}

func (s *Server) pendings(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	id, err := s.unitAsked(r)
	out := wire.Pendings{Pending: []wire.PendingRow{}}
	s.engine().View(func(st *state.State) {
		for _, p := range st.PendingList() {
			u, src := st.Units[p.Event.Unit], st.Sources[p.Source]
			if !id.IsZero() && u.ID != id || !s.sees(who, st, u) && (src == nil || src.Key != who.query.Actor) {
				continue
			}
			out.Pending = append(out.Pending, wire.PendingRow{ID: p.ID.String(), Unit: u.Label, UnitID: u.ID.String(), Source: p.Source, EventID: p.Event.EventID,
				Kind: p.Event.Kind, Currency: p.Event.Currency, Minor: p.Event.Minor, EventTime: utc(p.Event.TimeMs), Opened: utc(p.OpenedMs),
				Expires: utc(p.ExpiresMs), Index: p.OpenedIndex})
		}
	})
	return out, s.othersRefused(r, who, id, len(out.Pending), err)
}

// periodOf gives a period of a unit if the caller may see it.
func (s *Server) periodOf(who caller, st *state.State, unit nexus.ID, number uint32) (*state.Unit, state.Period, bool) {
	u := st.Units[unit]
	for _, p := range st.Periods(unit) {
		if p.Number == int(number) {
			return u, p, s.seesPeriod(who)(st, u, p)
		}
	}
	return u, state.Period{}, false
}

func (s *Server) holds(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	id, err := s.unitAsked(r)
	out := wire.Holds{Holds: []wire.HoldRow{}}
	s.engine().View(func(st *state.State) {
		for _, h := range st.Holds() {
			u, p, seen := s.periodOf(who, st, h.Unit, h.Period)
			if !seen || !id.IsZero() && h.Unit != id {
				continue
			}
			out.Holds = append(out.Holds, wire.HoldRow{ID: h.ID.String(), Unit: u.Label, UnitID: u.ID.String(), Period: p.Number, Owner: nameIn(st, p.Owner),
				Currency: h.Currency, Minor: h.Minor, Consented: h.Consented, By: nameIn(st, h.By), Reason: h.Reason, Placed: utc(h.PlacedMs),
				Expires: utc(h.ExpiresMs), Index: h.Index})
		}
	})
	return out, s.othersRefused(r, who, id, len(out.Holds), err)
}

func (s *Server) payouts(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	id, err := s.unitAsked(r)
	status := r.URL.Query().Get("status")
	out := wire.Payouts{Payouts: []wire.PayoutRow{}}
	s.engine().View(func(st *state.State) {
		all := st.Payouts()
		for i := len(all) - 1; i >= 0; i-- {
			x := all[i]
			u, p, seen := s.periodOf(who, st, x.Unit, x.Period)
			if !seen || !id.IsZero() && x.Unit != id || status != "" && x.Status != status {
				continue
			}
			if out.Total++; out.Total > maxPage {
				continue
			}
			row := wire.PayoutRow{ID: x.ID.String(), Unit: u.Label, UnitID: u.ID.String(), Period: p.Number, Owner: nameIn(st, p.Owner), Currency: x.Currency,
				Minor: x.Minor, Destination: x.Destination, Scheduled: x.Scheduled, Status: x.Status, Reference: x.Reference, Reason: x.Reason,
				Opened: utc(x.OpenedMs), Index: x.OpenedIndex, Decided: x.DecidedIndex}
			if x.ClosedMs > 0 {
				row.Closed = time.UnixMilli(x.ClosedMs).UTC()
			}
			out.Payouts = append(out.Payouts, row)
		}
	})
	return out, s.othersRefused(r, who, id, len(out.Payouts), err)
}

// tallyAsked gives the tally of now, or with ?at= of an earlier ledger.
func (s *Server) tallyAsked(r *http.Request, who caller) (wire.Tally, error) {
	probes := r.URL.Query().Get("probes") == "1"
	at, earlier, err := momentAsked(r)
	if err != nil || !earlier {
		return s.engine().Tally(probes), err
	}
	end, err := s.reads.hold(who)
	if err != nil {
		return wire.Tally{}, err
	}
	defer end()
	return s.engine().TallyAt(r.Context(), at, probes)
}

// momentAsked reads ?at=, the size of an earlier ledger or an RFC 3339 time; false when it is absent.
func momentAsked(r *http.Request) (engine.Moment, bool, error) {
	at := r.URL.Query().Get("at")
	if at == "" {
		return engine.Moment{}, false, nil
	}
	if size, err := strconv.ParseUint(at, 10, 64); err == nil && size > 0 {
		return engine.Moment{Size: size}, true, nil
	}
	when, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return engine.Moment{}, false, nexus.Errf("read earlier ledger", nexus.CodeMalformed, "at "+strconv.Quote(at),
			"a checkpoint's number of entries, or a time such as 2026-10-31T23:59:59Z", "neither a size nor a time")
	}
	return engine.Moment{TimeMs: when.UnixMilli()}, true, nil
}
