package control

import (
	"net/http"

	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// moneyRoutes are the reads of what was earned, what is owed and what was paid.
func (s *Server) moneyRoutes() {
	s.handle("GET /v1/money", publicRead, s.money)
}

// seesPeriod reports whether the caller may see a period's money: the platform all, an owner the unit's whole, an earlier owner the
// time of their own.
func (s *Server) seesPeriod(who caller) func(*state.State, *state.Unit, state.Period) bool {
	return func(st *state.State, u *state.Unit, p state.Period) bool {
		return s.sees(who, st, u) || p.Owner == who.query.Actor && st.Identities[p.Owner] != nil
	}
}

func (s *Server) money(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	f := engine.MoneyFilter{Probes: r.URL.Query().Get("probes") == "1", Sees: s.seesPeriod(who)}
	if word := r.URL.Query().Get("unit"); word != "" {
		found := false
		s.engine().View(func(st *state.State) {
			if u, ok := st.FindUnit(word); ok {
				f.Unit, found = u.ID, true
			}
		})
		if !found {
			return nil, noUnit(word)
		}
	}
	return s.engine().Money(f)
}
