package control

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"sort"
	"strconv"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// maxPage bounds one page of entries or decisions.
const maxPage = 1000

func unitRow(s *state.State, u *state.Unit) wire.UnitRow {
	row := engine.UnitRow(s, u)
	row.StageDomain = "stage." + u.Domain
	return row
}

// sees reports whether the caller may see a unit's own figures: operators and nodes all, owners their own.
func (s *Server) sees(who caller, st *state.State, u *state.Unit) bool {
	return s.seesAll(who, st) || st.Identities[who.query.Actor] != nil && u.Owner == who.query.Actor
}

// seesAll reports whether the caller acts for the platform.
func (s *Server) seesAll(who caller, st *state.State) bool {
	id := st.Identities[who.query.Actor]
	return id != nil && (id.Role == gates.RoleOperator || id.Role == gates.RoleNode || id.Role == gates.RolePlatform)
}

func (s *Server) tally(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	t, err := s.tallyAsked(r)
	if err != nil {
		return nil, err
	}
	word := r.URL.Query().Get("unit")
	rows := t.Units[:0]
	s.engine().View(func(st *state.State) {
		var only *state.Unit
		if word != "" {
			u, ok := st.FindUnit(word)
			if !ok {
				err = noUnit(word)
				return
			}
			only = u
		}
		for _, row := range t.Units {
			id, _ := nexus.ParseID(row.UnitID)
			u := st.Units[id]
			if (only == nil || u == only || u.Parent == only.ID) && s.sees(who, st, u) {
				rows = append(rows, row)
			}
		}
	})
	if len(rows) != len(t.Units) {
		t.Totals = engine.SumTallies(rows)
	}
	t.Units = rows
	return t, err
}

func noUnit(word string) error {
	return nexus.Errf("find unit", nexus.CodeNotFound, strconv.Quote(word), "list units with nexus imvu list", "no unit has this id, label or slug")
}

func (s *Server) units(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	kind, probes := r.URL.Query().Get("kind"), r.URL.Query().Get("probes") == "1"
	out := wire.Units{Units: []wire.UnitRow{}}
	s.engine().View(func(st *state.State) {
		for _, u := range st.SortedUnits() {
			if u.Kind == nexus.KindProbe && !probes || kind != "" && u.Kind.String() != kind || !s.sees(who, st, u) {
				continue
			}
			out.Units = append(out.Units, unitRow(st, u))
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
	return id, s.mayRead(who, id, unitRead)
}

func (s *Server) unit(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	id, err := s.findFor(who, r.PathValue("word"))
	if err != nil {
		return nil, err
	}
	var d wire.UnitDetail
	s.engine().View(func(st *state.State) {
		u := st.Units[id]
		d = wire.UnitDetail{UnitRow: unitRow(st, u), Created: time.UnixMilli(u.CreatedMs).UTC(), CreatedIndex: u.CreatedIndex,
			Class: u.Slice.Class, GuaranteedBps: uint64(u.Slice.GuaranteedBps), CeilingBps: uint64(u.Slice.CeilingBps),
			BudgetMs: float64(u.Slice.BudgetMicros) / 1000}
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
		d.Routes, d.Imported = routeRows(st, id), importedRows(st, id)
		for _, a := range st.SortedAccounts() {
			if a.Unit == id {
				d.Tallies = append(d.Tallies, engine.TallyRow(st, u, a))
			}
		}
	})
	return d, nil
}

func routeRows(st *state.State, unit nexus.ID) []wire.RouteRow {
	out := []wire.RouteRow{}
	for _, r := range st.Routes {
		if unit.IsZero() || r.Unit == unit {
			out = append(out, wire.RouteRow{Host: r.Host, Unit: r.Unit.String(), Label: st.Units[r.Unit].Label, Backend: r.Backend, Index: r.Index})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Host < out[j].Host })
	return out
}

func (s *Server) routeList(http.ResponseWriter, *http.Request, caller) (any, error) {
	var out wire.Routes
	s.engine().View(func(st *state.State) { out.Routes = routeRows(st, nexus.ID{}) })
	return out, nil
}

// head answers with the newest checkpoint; ?cosigned=1 waits for the witnesses, within bounds.
func (s *Server) head(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	h := s.engine().NewestHead()
	if r.URL.Query().Get("cosigned") == "1" {
		h = s.engine().AttestedHead(r.Context())
	}
	key, err := ledger.VerifierKey(h.Checkpoint.Origin(), s.engine().NodeKey())
	out := wire.Head{Size: h.Checkpoint.Size, Root: base64.StdEncoding.EncodeToString(h.Checkpoint.Root[:]), Checkpoint: h.Note,
		Cosigners: h.Cosigners, Key: key, Witnesses: s.engine().Witnesses()}
	s.engine().View(func(st *state.State) {
		if !s.seesAll(who, st) {
			out.Witnesses = publicWitnesses(out.Witnesses)
		}
	})
	return out, err
}

// publicWitnesses leaves out how the node reaches its witnesses.
func publicWitnesses(rows []wire.WitnessRow) []wire.WitnessRow {
	out := []wire.WitnessRow{}
	for _, w := range rows {
		w.URL, w.Error = "", ""
		out = append(out, w)
	}
	return out
}

func (s *Server) consistency(_ http.ResponseWriter, r *http.Request, _ caller) (any, error) {
	older, err := uintParam(r, "old", 0)
	if err != nil {
		return nil, err
	}
	newer, err := uintParam(r, "new", s.engine().Store().Size())
	if err != nil {
		return nil, err
	}
	proof, err := ledger.ConsistencyProof(s.engine().Store(), older, newer)
	if err != nil {
		return nil, err
	}
	return wire.Consistency{Old: older, New: newer, Proof: hexes(proof)}, nil
}

func hexes(hs []nexus.Hash) []string {
	out := make([]string, len(hs))
	for i, h := range hs {
		out[i] = h.String()
	}
	return out
}

func (s *Server) entries(_ http.ResponseWriter, r *http.Request, _ caller) (any, error) {
	from, err := uintParam(r, "from", 0)
	if err != nil {
		return nil, err
	}
	limit, err := uintParam(r, "limit", 100)
	if err != nil {
		return nil, err
	}
	out := wire.Entries{Entries: []wire.Entry{}, Size: s.engine().Store().Size()}
	for seq := from; seq < out.Size && uint64(len(out.Entries)) < min(limit, maxPage); {
		rec, err := s.engine().Store().RecordBySeq(seq)
		if err != nil {
			return nil, err
		}
		for ; seq < rec.Next() && uint64(len(out.Entries)) < min(limit, maxPage); seq++ {
			e, err := wireEntry(rec, seq)
			if err != nil {
				return nil, err
			}
			out.Entries = append(out.Entries, e)
		}
	}
	return out, nil
}

func (s *Server) entry(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	seq, err := strconv.ParseUint(r.PathValue("seq"), 10, 64)
	if err != nil {
		return nil, nexus.Errf("show entry", nexus.CodeMalformed, "entry "+r.PathValue("seq"), "a sequence number", "not a number")
	}
	e, _, err := s.entryFor(who, seq)
	return e, err
}

// entryFor reads an entry if the caller may read its unit's ledger.
func (s *Server) entryFor(who caller, seq uint64) (wire.Entry, ledger.Record, error) {
	rec, err := s.engine().Store().RecordBySeq(seq)
	if err != nil {
		return wire.Entry{}, rec, err
	}
	parsed, err := rec.Entry(seq)
	if err != nil {
		return wire.Entry{}, rec, err
	}
	switch {
	case !parsed.Unit.IsZero():
		err = s.mayRead(who, parsed.Unit, unitRead)
	case parsed.Kind == ledger.KindDecision: // its facts may name many units
		var body state.DecisionBody
		if err = nexus.Decode(parsed.Body, &body); err == nil {
			err = s.mayReadWord(who, "", body.Decision.Actor.String())
		}
	}
	if err != nil {
		return wire.Entry{}, rec, err
	}
	e, err := wireEntry(rec, seq)
	return e, rec, err
}

func wireEntry(rec ledger.Record, seq uint64) (wire.Entry, error) {
	p, err := rec.Entry(seq)
	if err != nil {
		return wire.Entry{}, err
	}
	raw := rec.Entries[seq-rec.FirstSeq]
	salt := ledger.EntrySalt(rec.Salt, uint32(seq-rec.FirstSeq))
	e := wire.Entry{Seq: p.Seq, Index: p.Index, Time: time.UnixMilli(p.TimeMs).UTC(), Kind: p.Kind.String(), Unit: p.Unit.String(),
		UnitSeq: p.UnitSeq, UnitPrev: p.UnitPrev.String(), Commitment: ledger.Commitment(salt, raw).String(),
		Salt: hex.EncodeToString(salt[:]), Bytes: raw, Body: state.DescribeBody(p.Kind, p.Body)}
	for _, x := range p.Postings {
		e.Postings = append(e.Postings, wire.Posting{Account: x.Account.String(), Ref: x.Ref, Currency: x.Currency, Minor: x.Minor})
	}
	return e, nil
}

// proof proves an entry by sequence, an action by id, or a tally by unit and currency.
func (s *Server) proof(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	q := r.URL.Query()
	switch {
	case q.Get("unit") != "":
		id, err := s.findFor(who, q.Get("unit"))
		if err != nil {
			return nil, err
		}
		return s.engine().ProofOf(id, q.Get("currency"))
	case q.Get("action") != "":
		id, err := nexus.ParseID(q.Get("action"))
		if err != nil {
			return nil, err
		}
		seq, err := s.engine().EntryOfAction(who.query.Actor, id)
		if err != nil {
			return nil, err
		}
		return s.proveEntry(who, seq)
	}
	seq, err := uintParam(r, "entry", 0)
	if err != nil {
		return nil, err
	}
	return s.proveEntry(who, seq)
}

func (s *Server) proveEntry(who caller, seq uint64) (any, error) {
	_, rec, err := s.entryFor(who, seq)
	if err != nil {
		return nil, err
	}
	return entryProof(s.engine(), rec, seq)
}

// entryProof proves an entry of a record under the newest checkpoint.
func entryProof(eng *engine.Engine, rec ledger.Record, seq uint64) (wire.EntryProof, error) {
	e, err := wireEntry(rec, seq)
	if err != nil {
		return wire.EntryProof{}, err
	}
	h := eng.NewestHead()
	cp := h.Checkpoint
	incl, err := ledger.InclusionProof(eng.Store(), seq, cp.Size)
	if err != nil {
		return wire.EntryProof{}, err
	}
	key, err := ledger.VerifierKey(cp.Origin(), eng.NodeKey())
	if err != nil {
		return wire.EntryProof{}, err
	}
	return wire.EntryProof{Entry: e, Leaf: rec.Leaves()[seq-rec.FirstSeq].String(), Inclusion: hexes(incl), Size: cp.Size,
		Root: base64.StdEncoding.EncodeToString(cp.Root[:]), Checkpoint: h.Note, Cosigners: h.Cosigners, Key: key}, nil
}

func (s *Server) decision(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	n, err := strconv.ParseUint(r.PathValue("index"), 10, 64)
	if err != nil {
		return nil, nexus.Errf("show decision", nexus.CodeMalformed, "index "+r.PathValue("index"), "a number", "not a number")
	}
	d, err := s.engine().DecisionAt(n)
	if err != nil {
		return nil, err
	}
	return d, s.mayReadWord(who, d.Unit, d.Actor)
}

// mayReadWord judges reading a decision: the actor of it and whoever may read the unit's ledger.
func (s *Server) mayReadWord(who caller, unit, actor string) error {
	if actor == who.query.Actor.String() {
		return nil
	}
	if unit == "" { // a batch for many units, an identity: what it says of others is the platform's to read
		return s.mayRead(who, nexus.ID{}, platformRead)
	}
	id, err := nexus.ParseID(unit)
	if err != nil {
		return err
	}
	return s.mayRead(who, id, unitRead)
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
		return actor == who.query.Actor || unit == nil && s.seesAll(who, st) || unit != nil && s.sees(who, st, unit)
	}
	rows, next, err := s.engine().Decisions(f)
	return wire.Decisions{Decisions: rows, Next: next}, err
}

func (s *Server) identities(http.ResponseWriter, *http.Request, caller) (any, error) {
	out := wire.Identities{Identities: []wire.IdentityRow{}}
	s.engine().View(func(st *state.State) {
		for _, id := range st.Identities {
			row := wire.IdentityRow{Name: id.Name, Key: id.Key.String(), Fingerprint: id.Key.Short(), Role: engine.RoleName(id.Role),
				Issued: time.UnixMilli(id.IssuedMs).UTC(), Revoked: id.Revoked}
			if !id.Successor.IsZero() {
				row.Successor = id.Successor.String()
			}
			if !id.Recovery.IsZero() {
				row.Recovery = id.Recovery.String()
			}
			if !id.PendingKey.IsZero() {
				row.PendingKey, row.PendingTime = id.PendingKey.String(), time.UnixMilli(id.PendingMs).UTC()
			}
			out.Identities = append(out.Identities, row)
		}
	})
	sort.Slice(out.Identities, func(i, j int) bool {
		a, b := out.Identities[i], out.Identities[j]
		return a.Name < b.Name || a.Name == b.Name && a.Key < b.Key
	})
	return out, nil
}

func (s *Server) sources(http.ResponseWriter, *http.Request, caller) (any, error) {
	out := wire.Sources{Sources: []wire.SourceRow{}}
	classes := map[uint8]string{state.ClassMetered: "metered", state.ClassProvider: "provider", state.ClassAttested: "attested"}
	s.engine().View(func(st *state.State) {
		for _, x := range st.Sources {
			out.Sources = append(out.Sources, wire.SourceRow{Name: x.Name, Class: classes[x.Class], Key: x.Key.String(), Active: x.Active,
				LastSeq: x.LastSeq, Events: x.Events})
		}
	})
	sort.Slice(out.Sources, func(i, j int) bool { return out.Sources[i].Name < out.Sources[j].Name })
	return out, nil
}

func (s *Server) reports(http.ResponseWriter, *http.Request, caller) (any, error) {
	out := wire.Reports{Reports: []wire.ReportRow{}}
	s.engine().View(func(st *state.State) {
		for _, x := range st.Reports {
			out.Reports = append(out.Reports, wire.ReportRow{Index: x.Index, Time: time.UnixMilli(x.TimeMs).UTC(), SHA256: x.SHA256.String(),
				Verdict: x.Verdict, Name: x.Name})
		}
	})
	return out, nil
}

func (s *Server) recordings(http.ResponseWriter, *http.Request, caller) (any, error) {
	out := wire.Recordings{Recordings: []wire.RecordingRow{}}
	s.engine().View(func(st *state.State) {
		for _, x := range st.Recordings() {
			r := &x.Record
			row := wire.RecordingRow{Index: x.Index, Session: r.Session, Key: r.Key.String(), Node: x.Node.String(), Start: time.UnixMilli(r.StartMs).UTC(),
				End: time.UnixMilli(r.EndMs).UTC(), Bytes: r.Bytes, SHA256: r.SHA256.String(), Truncated: r.Truncated}
			if id := st.Identities[r.Key]; id != nil {
				row.Name = id.Name
			}
			out.Recordings = append(out.Recordings, row)
		}
	})
	return out, nil
}
