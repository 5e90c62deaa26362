package control

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func (s *Server) personalRoutes() {
	s.handle("POST /v1/personal/seal", publicRead, s.seal)
	s.handle("GET /v1/erasures", publicRead, s.erasures)
}

// seal gives an action's body with its personal texts sealed. It tells nothing that the caller did not send.
func (s *Server) seal(_ http.ResponseWriter, r *http.Request, _ caller) (any, error) {
	var req wire.SealRequest
	bad := func(err error) error {
		return nexus.Errf("seal", nexus.CodeMalformed, "request body", "send a SealRequest", "%v", err)
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return nil, bad(err)
	}
	var unit nexus.ID
	if req.UnitID != "" {
		var err error
		if unit, err = nexus.ParseID(req.UnitID); err != nil {
			return nil, bad(err)
		}
	}
	sealed, err := s.engine().SealBody(req.Kind, unit, req.Body)
	if err != nil {
		return nil, err
	}
	out := wire.SealAnswer{Body: sealed.Body, Keys: [][]byte{}}
	for i := range sealed.Keys {
		out.Keys = append(out.Keys, sealed.Keys[i][:])
	}
	return out, nil
}

func (s *Server) erasures(_ http.ResponseWriter, _ *http.Request, who caller) (any, error) {
	out := wire.Erasures{Erasures: []wire.ErasureRow{}}
	s.engine().View(func(st *state.State) {
		all := seesAll(st, who.query.Actor)
		for _, e := range st.Erasures() {
			if !all && e.Subject != who.query.Actor && !st.Speaks(who.query.Actor, e.Subject) {
				continue
			}
			row := wire.ErasureRow{Subject: e.Subject.String(), Name: nameIn(st, e.Subject), Number: e.Count, Time: utc(e.TimeMs), Index: e.Index,
				Destroyed: []wire.DestructionRow{}}
			for _, d := range e.Destroyed {
				row.Destroyed = append(row.Destroyed, wire.DestructionRow{Node: nameIn(st, d.Node), Time: utc(d.TimeMs), Index: d.Index})
			}
			out.Erasures = append(out.Erasures, row)
		}
	})
	return out, nil
}

// encode writes a value as a line of JSON, with the words in place of every sealed text that the caller may read. Which that are is
// decided by the sealed text itself, not by where it stands: copying one somewhere else shows it to nobody new.
func (s *Server) encode(w io.Writer, who caller, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, s.revealJSON(who, string(b))+"\n")
	return err
}

// revealJSON is reveal in a text of JSON.
func (s *Server) revealJSON(who caller, text string) string {
	return s.reveal(who, text, func(words string) string {
		quoted, err := json.Marshal(words)
		if err != nil { // a string always has a form
			return personal.Hidden
		}
		return strings.TrimSuffix(strings.TrimPrefix(string(quoted), `"`), `"`)
	})
}

// reveal puts what the caller may read in the place of every sealed text, in the form that form gives it.
func (s *Server) reveal(who caller, text string, form func(string) string) string {
	if s.engine() == nil {
		return text
	}
	return personal.Replace(text, func(t *personal.Token) string { return form(s.engine().Words(who.query.Actor, t)) })
}
