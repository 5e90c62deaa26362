package control

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// The resources of reads, as gates 1 and 16 name them.
var (
	earlyRead    = need{resource: "registry", public: true, early: true}
	rerunAct     = need{resource: "platform", early: true, acts: true} // a failed preflight is run again before there is a ledger
	publicRead   = need{resource: "registry", public: true}
	platformRead = need{resource: "platform"}
	platformAct  = need{resource: "platform", acts: true}
	unitRead     = need{resource: "ledger"}
)

// routes lists every endpoint once. docs/api.md describes them.
func (s *Server) routes() {
	s.mux.HandleFunc("GET /v1/hello", func(w http.ResponseWriter, _ *http.Request) { s.reply(w, caller{}, s.node.Hello(), nil) })
	s.handle("GET /v1/overview", earlyRead, s.overview)
	s.handle("GET /v1/watch", earlyRead, s.watch)
	s.handle("GET /v1/slices/record", publicRead, s.serviceRecord)
	s.handle("GET /v1/slices", earlyRead, func(_ http.ResponseWriter, _ *http.Request, who caller) (any, error) {
		return wire.Slices{Slices: s.slicesFor(who, s.node.Slices()), Edges: s.edgesFor(who)}, nil
	})
	s.handle("GET /v1/edges", platformRead, func(http.ResponseWriter, *http.Request, caller) (any, error) {
		return wire.Edges{Edges: s.node.Edges()}, nil
	})
	s.handle("GET /v1/members", earlyRead, func(http.ResponseWriter, *http.Request, caller) (any, error) {
		return wire.Members{Members: s.node.Members()}, nil
	})
	s.handle("GET /v1/gossip-keys", earlyRead, func(http.ResponseWriter, *http.Request, caller) (any, error) { return s.node.GossipKeys() })
	s.handle("GET /v1/events", platformRead, s.events)
	s.handle("GET /v1/tally", publicRead, s.tally)
	s.handle("GET /v1/units", publicRead, s.units)
	s.handle("GET /v1/units/{word}", publicRead, s.unit)
	s.handle("GET /v1/head", publicRead, s.head)
	s.handle("GET /v1/consistency", publicRead, s.consistency)
	s.handle("GET /v1/entries", platformRead, s.entries)
	s.handle("GET /v1/entries/{seq}", publicRead, s.entry)
	s.handle("GET /v1/proof", publicRead, s.proof)
	s.handle("GET /v1/gates", publicRead, func(_ http.ResponseWriter, _ *http.Request, who caller) (any, error) {
		return wire.Gates{Gates: s.gatesFor(who, s.engine().GateRows())}, nil
	})
	s.handle("GET /v1/decisions", publicRead, s.decisions)
	s.handle("GET /v1/decisions/{index}", publicRead, s.decision)
	s.handle("GET /v1/decisions/{index}/explain", publicRead, s.explain)
	s.handle("GET /v1/identities", publicRead, s.identities)
	s.handle("GET /v1/sources", publicRead, s.sources)
	s.handle("GET /v1/reports", publicRead, s.reports)
	s.handle("GET /v1/recordings", platformRead, s.recordings)
	s.handle("GET /v1/routes", publicRead, s.routeList)
	s.approvalRoutes()
	s.moneyRoutes()
	s.exportRoutes()
	s.exitRoutes()
	s.publicationRoutes()
	s.gateRoutes()
	s.personalRoutes()
	s.handle("POST /v1/actions", publicRead, s.actions)
	s.handle("POST /v1/verify", platformRead, s.checks.within(func(_ http.ResponseWriter, r *http.Request, _ caller) (any, error) {
		return s.node.Verify(r.Context())
	}))
	s.handle("POST /v1/audit", publicRead, s.audit)
	s.handle("GET /v1/backup", platformRead, s.backup)
	s.handle("POST /v1/suites", platformAct, s.checks.within(s.suites))
	s.handle("POST /v1/invite", platformAct, s.invite)
	s.handle("POST /v1/phases/{phase}/rerun", rerunAct, s.rerunEarly)
	s.handle("GET /v1/slices/{slice}", earlyRead, s.slice)
	s.handle("GET /v1/log", platformRead, s.logPage)
	s.handle("GET /v1/units/{word}/entries", publicRead, s.unitEntries)
	s.handle("GET /v1/findings", publicRead, s.findingHistory)
}

// audit scrubs the whole for the platform, or one unit for whoever may read it. An owner's takes a place among the long reads, so that owners
// cannot keep the platform from checking.
func (s *Server) audit(w http.ResponseWriter, r *http.Request, who caller) (any, error) {
	word, places := r.URL.Query().Get("unit"), &s.checks
	if s.mayRead(who, nexus.ID{}, platformRead) != nil {
		if word == "" {
			return nil, s.mayRead(who, nexus.ID{}, platformRead)
		}
		if _, err := s.findFor(who, word); err != nil {
			return nil, err
		}
		places = &s.reads
	}
	return places.within(func(http.ResponseWriter, *http.Request, caller) (any, error) { return s.node.Audit(r.Context(), word) })(w, r, who)
}

// actions takes a signed action. The signature that counts is the action's own.
func (s *Server) actions(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	var req wire.ActionRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return nil, nexus.Errf("read action", nexus.CodeMalformed, "request body", "send an ActionRequest", "%v", err)
	}
	var a nexus.Action
	if err := nexus.Decode(req.Action, &a); err != nil {
		s.engine().Refused("malformed")
		return nil, err
	}
	if err := fromItsSession(who, &a); err != nil {
		return nil, err
	}
	if req.DryRun {
		d, err := s.engine().DryRun(a)
		if len(d.Verdicts) == 0 && err != nil {
			return nil, err
		}
		verdicts := s.engine().WireVerdicts(&d)
		if s.stranger(who, a.Unit) {
			verdicts = wire.WithholdVerdicts(verdicts)
		}
		return wire.ActionAnswer{Verdicts: verdicts, Error: wire.ProblemOf(err)}, nil
	}
	if who.readOnly {
		return nil, errReadOnly(r)
	}
	receipt, err := s.engine().Do(r.Context(), a)
	if err != nil && receipt.Index == 0 {
		return nil, err
	}
	proven, perr := s.engine().Prove(receipt)
	if perr != nil {
		return nil, perr
	}
	ans := wire.ActionAnswer{Receipt: &proven, Error: wire.ProblemOf(err)}
	if err == nil {
		ans.Unit = s.created(a.Kind, receipt)
		ans.NotServed = s.node.Served(r.Context(), a.Kind, receipt)
	}
	// A stop that was done before is not done again: its bytes are in the ledger for anybody to send.
	if err == nil && a.Kind == state.KindNodeStop && !receipt.Repeated {
		s.node.StopRequested()
	}
	if err == nil && a.Kind == state.KindPhaseRerun && !receipt.Repeated {
		if err := s.rerun(r.Context(), a); err != nil {
			ans.Error = wire.ProblemOf(err)
		}
	}
	return ans, nil
}

// created describes the unit that a creation made.
func (s *Server) created(kind string, r nexus.Receipt) *wire.UnitRow {
	switch kind {
	case state.KindIMVUCreate, state.KindPlatformCreate, state.KindChannelCreate, state.KindProbeCreate:
	default:
		return nil
	}
	var c state.UnitCreated
	if nexus.Decode(r.Result, &c) != nil {
		return nil
	}
	var row *wire.UnitRow
	s.engine().View(func(st *state.State) {
		if u := st.Units[c.ID]; u != nil {
			v := engine.UnitRow(st, u)
			row = &v
		}
	})
	return row
}

func (s *Server) suites(_ http.ResponseWriter, r *http.Request, _ caller) (any, error) {
	var req wire.SuiteRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return nil, nexus.Errf("run suites", nexus.CodeMalformed, "request body", "send a SuiteRequest", "%v", err)
	}
	return s.node.Suites(r.Context(), req.Suites)
}

func (s *Server) invite(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	var req wire.InviteRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return nil, nexus.Errf("invite", nexus.CodeMalformed, "request body", "send an InviteRequest", "%v", err)
	}
	ttl := time.Duration(req.TTLSeconds) * time.Second
	if ttl <= 0 {
		ttl = time.Hour
	}
	return s.node.Invite(r.Context(), ttl)
}

// uintParam reads a number from the query; def when it is absent.
func uintParam(r *http.Request, name string, def uint64) (uint64, error) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return def, nil
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return 0, nexus.Errf("read "+name, nexus.CodeMalformed, name+" "+strconv.Quote(v), "a number", "not a number")
	}
	return n, nil
}
