package control

import (
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// approvalRoutes are the reads of approvals, policies, consent and notices.
func (s *Server) approvalRoutes() {
	s.handle("GET /v1/proposals", publicRead, s.proposals)
	s.handle("GET /v1/proposals/{word}", publicRead, s.proposal)
	s.handle("GET /v1/notices", publicRead, s.notices)
	s.handle("GET /v1/notices/stream", publicRead, s.noticeStream)
	s.handle("GET /v1/units/{word}/ownership", publicRead, s.ownership)
}

// seesProposal reports whether the caller may see a proposal: its parties, its proposer, the unit's owner, the platform.
func (s *Server) seesProposal(who caller, st *state.State, p *state.Proposal) bool {
	if id := st.Identities[who.query.Actor]; id == nil {
		return false
	}
	if u := st.Units[p.Unit]; u != nil && s.sees(who, st, u) || p.Proposer == who.query.Actor {
		return true
	}
	for i := range p.Parties {
		if p.Parties[i].Key == who.query.Actor {
			return true
		}
	}
	return false
}

func (s *Server) proposals(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	status, word := r.URL.Query().Get("status"), r.URL.Query().Get("unit")
	out := wire.Proposals{Proposals: []wire.ProposalRow{}}
	var err error
	s.engine().View(func(st *state.State) {
		var unit *state.Unit
		if word != "" {
			u, ok := st.FindUnit(word)
			if !ok {
				err = noUnit(word)
				return
			}
			unit = u
		}
		all := st.Proposals()
		for i := len(all) - 1; i >= 0; i-- {
			p := all[i]
			if status != "" && p.Status != status || unit != nil && p.Unit != unit.ID || !s.seesProposal(who, st, p) {
				continue
			}
			if out.Total++; len(out.Proposals) < min(maxPage, wire.ProposalsMost) {
				out.Proposals = append(out.Proposals, proposalRow(st, p, who.query.Actor))
			}
		}
	})
	return out, err
}

func (s *Server) proposal(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	word := r.PathValue("word")
	var row wire.ProposalRow
	var found bool
	s.engine().View(func(st *state.State) {
		p, ok := st.FindProposal(word)
		if found = ok && s.seesProposal(who, st, p); found {
			row = proposalRow(st, p, who.query.Actor)
			row.Proposal = nexus.Encode(*p)
		}
	})
	personal.Replace(row.Change, func(t *personal.Token) string {
		if key, ok := s.engine().MessageKey(who.query.Actor, t); ok {
			if row.Keys == nil {
				row.Keys = map[string][]byte{}
			}
			row.Keys[hex.EncodeToString(t.Salt[:])] = key[:]
		}
		return ""
	})
	if !found {
		return nil, nexus.Errf("find proposal", nexus.CodeNotFound, strconv.Quote(word), "list them with nexus approvals list",
			"none of yours begins so, or several do")
	}
	return row, nil
}

func proposalRow(st *state.State, p *state.Proposal, reader nexus.PublicKey) wire.ProposalRow {
	row := wire.ProposalRow{ID: p.ID.String(), Status: p.Status, Kind: p.Kind, Change: state.DescribeChange(p), Digest: p.Change.String(),
		UnitID: p.Unit.String(), Proposer: nameIn(st, p.Proposer), Reason: p.Reason, Opened: utc(p.OpenedMs), Expires: utc(p.ExpiresMs),
		Index: p.OpenedIndex, Decided: p.DecidedIndex, Why: p.Why, Parties: []wire.PartyRow{},
		Yours: p.Status == state.ProposalPending && st.Awaits(p, reader), Mine: p.Proposer == reader}
	var to state.UnitTransfer
	if p.Kind == state.KindUnitTransfer && nexus.Decode(p.Body, &to) == nil { // nobody decides by eight digits of a key
		row.To = nameIn(st, to.To)
	}
	if u := st.Units[p.Unit]; u != nil {
		row.Unit = u.Label
	}
	for i := range p.Parties {
		x := &p.Parties[i]
		party := wire.PartyRow{Role: x.Role, Granted: !x.GrantedBy.IsZero(), Index: x.Index}
		if !x.Key.IsZero() {
			party.Name, party.Key = nameIn(st, x.Key), x.Key.String()
		}
		if party.Granted {
			party.By, party.Time = nameIn(st, x.GrantedBy), utc(x.GrantedMs)
		}
		row.Parties = append(row.Parties, party)
	}
	return row
}

func utc(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// ownership proves a unit's present owner by the entry that names it.
func (s *Server) ownership(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	id, err := s.findFor(who, r.PathValue("word"))
	if err != nil {
		return nil, err
	}
	return OwnershipOf(s.engine(), id)
}

// OwnershipOf proves a unit's present owner by the entry that names it. Error: nexus.CodeUnavailable when no entry does.
func OwnershipOf(e *engine.Engine, id nexus.ID) (wire.OwnershipProof, error) {
	var out wire.OwnershipProof
	var owner nexus.PublicKey
	var indexes []uint64
	e.View(func(st *state.State) {
		u := st.Units[id]
		owner, indexes = u.Owner, st.OwnedSince(u)
		out = wire.OwnershipProof{Unit: u.Label, UnitID: id.String(), Owner: owner.String(), OwnerName: nameIn(st, owner), Node: e.NodeKey().String()}
	})
	for _, index := range indexes {
		rec, seq, found, err := ownerEntry(e, index, id, owner)
		if err != nil {
			return out, err
		}
		if !found {
			continue
		}
		out.Entry, err = entryProof(e, rec, seq)
		return out, err
	}
	return out, nexus.Errf("prove ownership", nexus.CodeUnavailable, "unit "+out.Unit, "change the unit once (nexus imvu scale), then ask again",
		"no entry of its chain names the present key: it was rotated before rotations wrote one")
}

// ownerEntry finds the entry of a decision that names a unit's owner.
func ownerEntry(e *engine.Engine, index uint64, unit nexus.ID, owner nexus.PublicKey) (rec ledger.Record, seq uint64, found bool, err error) {
	rec, err = e.Store().Record(index)
	if err != nil {
		return rec, 0, false, err
	}
	for seq = rec.FirstSeq; seq < rec.Next(); seq++ {
		entry, err := rec.Entry(seq)
		if err != nil {
			return rec, 0, false, err
		}
		if named, key := state.OwnerNamed(entry); entry.Unit == unit && named == unit && key == owner {
			return rec, seq, true, nil
		}
	}
	return rec, 0, false, nil
}
