package control

import (
	"encoding/json"
	"net/http"
	stdslices "slices"
	"strconv"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

func (s *Server) decision(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	n, err := strconv.ParseUint(r.PathValue("index"), 10, 64)
	if err != nil {
		return nil, nexus.Errf("show decision", nexus.CodeMalformed, "index "+r.PathValue("index"), "a number", "not a number")
	}
	d, err := s.engine().DecisionAt(n)
	if err != nil {
		return nil, err
	}
	if d.Unit != "" || !s.whollyOf(who, n) {
		if err := s.mayReadWord(who, d.Unit, d.Actor, "decision "+r.PathValue("index")); err != nil {
			return d, err
		}
	}
	if s.veil(who, &d.DecisionRow) {
		d.Verdicts = wire.WithholdVerdicts(d.Verdicts)
	}
	return d, nil
}

// veil leaves of a decision that reached into another's unit what its actor may know, and reports whether it did.
func (s *Server) veil(who caller, row *wire.DecisionRow) bool {
	id, err := nexus.ParseID(row.Unit)
	return err == nil && s.stranger(who, id) && row.Withhold()
}

// stranger reports whether a unit is another's than the caller's, who does not act for the platform either.
func (s *Server) stranger(who caller, unit nexus.ID) bool {
	strange := false
	s.engine().View(func(st *state.State) {
		u := st.Units[unit]
		strange = u != nil && !s.sees(who, st, u)
	})
	return strange
}

// mayReadWord judges reading a decision: the actor of it and whoever may read the unit's ledger.
func (s *Server) mayReadWord(who caller, unit, actor, subject string) error {
	if actor == who.query.Actor.String() {
		return nil
	}
	if unit == "" { // a batch for many units, an identity: what it says of others is the platform's to read
		return s.mayReadNamed(who, nexus.ID{}, platformRead, subject)
	}
	id, err := nexus.ParseID(unit)
	if err != nil {
		return err
	}
	return s.mayReadNamed(who, id, unitRead, subject)
}

// whollyOf reports whether all that a decision on no single unit wrote is of units that the caller may read: a batch of revenue for them
// alone. Its facts may say more, of events that counted before, and stay the platform's.
func (s *Server) whollyOf(who caller, index uint64) bool {
	rec, err := s.engine().Store().Record(index)
	if err != nil {
		return false
	}
	own := 0
	for seq := rec.FirstSeq; seq < rec.Next(); seq++ {
		e, err := rec.Entry(seq)
		if err != nil {
			return false
		}
		if e.Unit.IsZero() {
			continue
		}
		if _, refused := s.refusal(who, e.Unit, unitRead); refused {
			return false
		}
		own++
	}
	return own > 0
}

func (s *Server) explain(w http.ResponseWriter, r *http.Request, who caller) (any, error) {
	out, err := s.decision(w, r, who)
	if err != nil {
		return nil, err
	}
	d := out.(wire.Decision)
	again, same, err := s.engine().Replay(d.Index)
	if err != nil {
		return nil, err
	}
	var f gates.Facts
	if err := gates.DecodeFacts(again.Facts, &f); err != nil {
		return nil, err
	}
	facts, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	ex := wire.Explanation{Decision: d, Facts: string(facts), Replayed: true, Same: same}
	if s.veil(who, &d.DecisionRow) || d.Unit == "" && d.Actor != who.query.Actor.String() && !s.forPlatform(who) {
		ex.Facts = "" // they are the unit's, or the platform's
	}
	ex.FromLog, err = s.fromLog(r, who, d.Index)
	return ex, err
}

func (s *Server) decisions(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	before, err := uintParam(r, "before", s.engine().Store().Applied()+1)
	if err != nil {
		return nil, err
	}
	limit, err := uintParam(r, "limit", 50)
	if err != nil {
		return nil, err
	}
	gate, err := uintParam(r, "gate", 0)
	if err != nil {
		return nil, err
	}
	f := engine.DecisionFilter{Gate: int(gate), Verdict: r.URL.Query().Get("verdict"), Before: before, Limit: int(min(limit, maxPage))}
	if word := r.URL.Query().Get("unit"); word != "" {
		if f.Unit, err = s.findFor(who, word); err != nil {
			return nil, err
		}
	}
	f.Visible = func(st *state.State, unit *state.Unit, actor nexus.PublicKey) bool {
		return actor == who.query.Actor || unit == nil && seesAll(st, who.query.Actor) || unit != nil && s.sees(who, st, unit)
	}
	rows, next, err := s.engine().Decisions(f)
	shown := rows[:0]
	for i := range rows {
		if s.veil(who, &rows[i]) && gate > 0 && !stdslices.Contains(rows[i].Gates, int(gate)) {
			continue // a page by gate would tell what the row leaves out
		}
		shown = append(shown, rows[i])
	}
	return wire.Decisions{Decisions: shown, Next: next}, err
}
