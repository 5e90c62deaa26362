package control

import (
	"net/http"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// exportRoutes answer with files for recipients (docs/proofs.md).
func (s *Server) exportRoutes() {
	s.handle("GET /v1/export", publicRead, s.export)
	s.handle("GET /v1/prooffile", publicRead, s.proofFile)
}

// export streams the ledger, or one unit's part of it. An error under way ends the answer early, and the file then lacks its last line.
func (s *Server) export(w http.ResponseWriter, r *http.Request, who caller) (any, error) {
	var unit *nexus.ID // nil: all
	if word := r.URL.Query().Get("unit"); word == "" {
		if err := s.mayRead(who, nexus.ID{}, platformRead); err != nil {
			return nil, err
		}
	} else {
		id, err := s.exportUnit(who, word)
		if err != nil {
			return nil, err
		}
		unit = &id
	}
	held, end, err := s.exports.take(who.query.Actor)
	if err != nil {
		return nil, err
	}
	defer end()
	out, ended := held.pace(w)
	defer ended()
	w.Header().Set("Content-Type", "application/x-ndjson")
	if err := s.engine().Export(r.Context(), out, unit); err != nil {
		if out.n() == 0 {
			return nil, err
		}
		s.log.Warn("export broke off", "component", "control", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil, nil
}

// exportUnit finds the unit to export. That an id has no unit is public: whoever knows it may have the proof.
func (s *Server) exportUnit(who caller, word string) (nexus.ID, error) {
	if id, err := nexus.ParseID(word); err == nil {
		known := false
		s.engine().View(func(st *state.State) { _, known = st.Units[id] })
		if !known && !id.IsZero() {
			return id, nil
		}
	}
	return s.findFor(who, word)
}

// proofFile gives the proof of an entry, of a unit's newest totals, or that the newest checkpoint continues an older one.
func (s *Server) proofFile(w http.ResponseWriter, r *http.Request, who caller) (any, error) {
	q := r.URL.Query()
	var b []byte
	var err error
	if older := q.Get("older"); older != "" {
		b, err = s.engine().ConsistencyProof(r.Context(), older)
	} else {
		var seq uint64
		if seq, err = uintParam(r, "entry", 0); err == nil {
			_, _, err = s.entryFor(who, seq)
		}
		if err == nil {
			b, err = s.engine().EntryProof(r.Context(), seq)
		}
	}
	if err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(b)
	return nil, err
}
