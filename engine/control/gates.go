package control

import (
	"encoding/json"
	"net/http"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// maxConsentRows bounds one answer about a person.
const maxConsentRows = 10_000

// gateRoutes are the questions about gates, policies and consent.
func (s *Server) gateRoutes() {
	s.handle("GET /v1/gates/sets", publicRead, func(http.ResponseWriter, *http.Request, caller) (any, error) {
		return s.engine().GateSets(), nil
	})
	s.handle("POST /v1/gates/what-if", publicRead, s.reads.within(s.whatIf))
	s.handle("GET /v1/units/{word}/policy", publicRead, s.policy)
	s.handle("POST /v1/policy/try", publicRead, s.policyTry)
	s.handle("GET /v1/consents", publicRead, s.consents)
	s.handle("GET /v1/names", publicRead, s.name)
}

// fromLog replays the log up to a decision when the caller wants it: `log=none` leaves it out, `log=full` takes any length and
// is the platform's to ask.
func (s *Server) fromLog(r *http.Request, who caller, index uint64) (wire.LogReplay, error) {
	switch r.URL.Query().Get("log") {
	case "none":
		return wire.LogReplay{Why: "not asked for"}, nil
	case "full":
		if err := s.mayRead(who, nexus.ID{}, platformRead); err != nil {
			return wire.LogReplay{}, err
		}
		return s.engine().ReplayLog(r.Context(), index, 0)
	}
	return s.engine().ReplayLog(r.Context(), index, engine.ReplayCommandsMax)
}

// whatIf is the platform's to ask over all decisions, and an owner's over those on the own unit.
func (s *Server) whatIf(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	var req wire.WhatIfRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return nil, nexus.Errf("what-if", nexus.CodeMalformed, "request body", "send a WhatIfRequest", "%v", err)
	}
	var unit nexus.ID
	var err error
	if req.Unit != "" {
		unit, err = s.findFor(who, req.Unit)
	} else {
		err = s.mayRead(who, nexus.ID{}, platformRead)
	}
	if err != nil {
		return nil, err
	}
	q, err := s.engine().WhatIfOf(&req, unit)
	if err != nil {
		return nil, err
	}
	return s.engine().WhatIf(r.Context(), q)
}

func (s *Server) policy(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	id, err := s.findFor(who, r.PathValue("word"))
	if err != nil {
		return nil, err
	}
	var out wire.Policy
	s.engine().View(func(st *state.State) {
		u := st.Units[id]
		out = wire.Policy{Unit: u.Label, UnitID: u.ID.String(), Uses: []wire.PolicyUse{}}
		var p state.UnitPolicy
		have, ok := st.PolicyOf(id)
		if ok {
			p = have.Policy
			at := time.UnixMilli(have.SetMs).UTC()
			out.Version, out.SetBy, out.SetTime, out.Index = have.Version, have.SetBy.String(), &at, have.Index
			for _, use := range have.UsesNow(st.TimeMs) {
				out.Uses = append(out.Uses, wire.PolicyUse{Rule: use.Rule, Used: use.Used, Count: use.Count, PerS: use.PerMs / 1000})
			}
		}
		if g := st.GuardianOf(u); !g.IsZero() {
			out.Guardian = g.String()
		}
		out.Policy, out.Canonical = p.JSON(), nexus.Encode(p)
	})
	return out, nil
}

// policyTry judges an action under a policy that is not in force. Nothing is recorded; the unit's figures stay its owner's.
func (s *Server) policyTry(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	var req wire.PolicyTry
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return nil, nexus.Errf("policy try", nexus.CodeMalformed, "request body", "send a PolicyTry", "%v", err)
	}
	var a nexus.Action
	var p state.UnitPolicy
	if err := nexus.Decode(req.Action, &a); err != nil {
		return nil, err
	}
	if err := s.mayRead(who, a.Unit, unitRead); err != nil {
		return nil, err
	}
	if err := nexus.Decode(req.Policy, &p); err != nil {
		return nil, err
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	d, err := s.engine().DryRunUnder(a, &p)
	if len(d.Verdicts) == 0 && err != nil {
		return nil, err
	}
	return wire.ActionAnswer{Verdicts: s.engine().WireVerdicts(&d), Error: wire.ProblemOf(err)}, nil
}

// name gives the id and label of a unit by a word for it: both stand in the public registry.
func (s *Server) name(_ http.ResponseWriter, r *http.Request, _ caller) (any, error) {
	word := r.URL.Query().Get("word")
	var out wire.UnitName
	s.engine().View(func(st *state.State) {
		if u, ok := st.FindUnit(word); ok {
			out = wire.UnitName{ID: u.ID.String(), Label: u.Label}
		}
	})
	if out.ID == "" {
		return nil, noUnit(word)
	}
	return out, nil
}

// consents reads a person's history: the person all of it, the platform all of it, an owner what concerns the own units.
func (s *Server) consents(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	var subject nexus.PublicKey
	if err := subject.UnmarshalText([]byte(r.URL.Query().Get("subject"))); err != nil {
		return nil, nexus.Errf("consent log", nexus.CodeMalformed, "subject", "give the person's public key in base64", "%v", err)
	}
	var head state.ConsentHistory
	s.engine().View(func(st *state.State) { head = st.ConsentsOf(subject) })
	records, complete, err := s.engine().ConsentRecords(subject, head, maxConsentRows)
	if err != nil {
		return nil, err
	}
	out := wire.ConsentLog{Subject: subject.String(), Seq: head.Seq, Head: head.Head.String(), Complete: complete,
		Rows: []wire.ConsentRow{}, Standing: []wire.ConsentRow{}, Partial: len(records) == maxConsentRows}
	s.engine().View(func(st *state.State) {
		sees := func(unit nexus.ID) bool {
			u := st.Units[unit]
			return who.query.Actor == subject || u != nil && s.sees(who, st, u)
		}
		for _, x := range records {
			if !sees(x.Entry.Unit) {
				out.Partial = true
				continue
			}
			out.Rows = append(out.Rows, consentRow(st, x))
		}
		for _, c := range head.Standing {
			if c.Given && sees(c.Unit) {
				out.Standing = append(out.Standing, wire.ConsentRow{Index: c.Index, Time: time.UnixMilli(c.TimeMs).UTC(), Verb: "given", Unit: label(st, c.Unit),
					UnitID: c.Unit.String(), Purpose: c.Purpose, Seq: c.Seq, Uses: c.Uses, Text: textOf(c.Text), Signed: true})
			}
		}
	})
	return out, nil
}

func consentRow(st *state.State, x engine.ConsentRecord) wire.ConsentRow {
	e := &x.Entry
	row := wire.ConsentRow{Index: x.Index, Time: time.UnixMilli(x.TimeMs).UTC(), Verb: e.Verb, Unit: label(st, e.Unit), UnitID: e.Unit.String(),
		Purpose: e.Statement.Purpose, Text: textOf(e.Statement.Text), Seq: e.Statement.Seq, By: e.By.String(), What: e.What,
		Signed: len(e.Statement.Signature) > 0 || e.By == e.Statement.Subject, Statement: nexus.Encode(e.Statement)}
	if id := st.Identities[e.By]; id != nil {
		row.By = id.Name
	}
	return row
}

func label(st *state.State, unit nexus.ID) string {
	if u := st.Units[unit]; u != nil {
		return u.Label
	}
	return ""
}

func textOf(h nexus.Hash) string {
	if h.IsZero() {
		return ""
	}
	return h.String()
}
