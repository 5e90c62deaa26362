package control

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

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
		if !seesAll(st, who.query.Actor) {
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
	subject := "entry " + strconv.FormatUint(seq, 10)
	switch {
	case !parsed.Unit.IsZero():
		err = s.mayReadNamed(who, parsed.Unit, unitRead, subject)
	case parsed.Kind == ledger.KindDecision: // its facts may name many units
		var body state.DecisionBody
		if err = nexus.Decode(parsed.Body, &body); err == nil {
			err = s.mayReadWord(who, "", body.Decision.Actor.String(), subject)
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
		if nexus.CodeOf(err) == nexus.CodeNotFound {
			return nil, nexus.Errf("prove", nexus.CodeNotFound, "action "+id.String(), "give the id of one that you signed", "no action of yours has this id")
		}
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
