package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path/filepath"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// takeIn is the act of having a bundle kept. The socket belongs to the node's own user, so a folder that it names is one that the node may
// read; a session over SSH belongs to somebody else and is refused.
var takeIn = need{resource: "registry", public: true, acts: true}

// exitRoutes are the bundle of a unit that leaves, and those of units that come.
func (s *Server) exitRoutes() {
	s.handle("GET /v1/exits", publicRead, s.exits)
	s.handle("GET /v1/bundle", publicRead, s.bundle)
	s.handle("POST /v1/imports", takeIn, s.takeIn)
}

func (s *Server) exits(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	var only nexus.ID
	if word := r.URL.Query().Get("unit"); word != "" { // an empty list would say that another's unit neither leaves nor left
		var err error
		if only, err = s.findFor(who, word); err != nil {
			return nil, err
		}
	}
	now := s.engine().Now().UnixMilli()
	out := wire.Exits{Exits: []wire.ExitRow{}}
	s.engine().View(func(st *state.State) {
		for _, x := range st.Exits() {
			u := st.Units[x.Unit]
			if !only.IsZero() && u.ID != only || only.IsZero() && u.Kind == nexus.KindProbe || !s.sees(who, st, u) {
				continue
			}
			row := exitRow(st, u, &x, now)
			if p := s.leave.of(u.ID); p != nil && !p.Started.Before(row.Begun) { // a fetch for an exit that was taken back says nothing of this one
				row.Progress = p
			}
			out.Exits = append(out.Exits, row)
		}
	})
	return out, nil
}

func exitRow(st *state.State, u *state.Unit, x *state.Exit, nowMs int64) wire.ExitRow {
	row := wire.ExitRow{Unit: u.Label, UnitID: u.ID.String(), Name: u.Name, Kind: u.Kind.String(), Status: u.Status, Was: x.Was, Serving: st.Serving(u),
		Begun: utc(x.BegunMs), Decision: x.BegunIndex, Late: x.DoneMs == 0 && nowMs-x.BegunMs > state.ExitAlarmMs, Owed: []wire.Amount{}}
	if x.DoneMs != 0 {
		row.Completed, row.GraceUntil, row.RetainedUntil = utc(x.DoneMs), utc(x.Done.GraceMs), utc(x.Done.RetainMs)
		row.Manifest, row.Files, row.Bytes, row.UnitEntries = x.Done.Manifest.String(), x.Done.Files, x.Done.Bytes, x.Done.UnitSeq
	}
	if x.ReleasedMs != 0 {
		row.Released = utc(x.ReleasedMs)
	}
	if x.ClosedMs != 0 {
		row.Closed = utc(x.ClosedMs)
	}
	if f := st.ExitFailuresOf(u.ID); f.Count > 0 {
		row.Failures, row.FailedAt, row.FailedStep = f.Count, utc(f.LastMs), f.Step
	}
	period := len(st.OwnerPeriods(u.ID))
	for _, a := range st.MoneyAccounts(u.ID, st.MovedAccounts()) {
		if owed := st.OwedIn(u.ID, period, a.Currency).Payable(); owed != 0 {
			row.Owed = append(row.Owed, wire.Amount{Currency: a.Currency, Minor: owed})
		}
	}
	return row
}

func importedRows(st *state.State, unit nexus.ID) []wire.ImportedRow {
	var out []wire.ImportedRow
	for _, m := range st.ImportsOf(unit) {
		row := wire.ImportedRow{Origin: m.Origin.String(), Key: m.Key.String(), Entries: m.Seq, Manifest: m.Manifest.String(), Time: utc(m.TimeMs), Decision: m.Index,
			Earned: []wire.ImportedAmount{}}
		for _, b := range m.Balances {
			row.Earned = append(row.Earned, wire.ImportedAmount{Currency: b.Currency, Gross: b.Gross, Creator: b.Creator, Platform: b.Platform})
		}
		out = append(out, row)
	}
	return out
}

// bundle streams a unit's bundle to whoever may read the unit. An error under way ends the stream without its last part.
func (s *Server) bundle(w http.ResponseWriter, r *http.Request, who caller) (any, error) {
	id, err := s.findFor(who, r.URL.Query().Get("unit"))
	if err != nil {
		return nil, err
	}
	held, end, err := s.bundlePlaces(who, id).take(who.query.Actor)
	if err != nil {
		return nil, err
	}
	defer end()
	out, ended := held.pace(w)
	defer ended()
	parts := multipart.NewWriter(out)
	w.Header().Set("Content-Type", "multipart/mixed; boundary="+parts.Boundary())
	told, broken := s.leave.begin(id, out.n, s.engine().Now)
	err = s.node.Bundle(r.Context(), id, parts, told)
	broken(err)
	if err != nil {
		s.exitFailed(r, id, out, err)
		if out.n() == 0 {
			return nil, err
		}
		s.log.Warn("bundle broke off", "component", "control", "unit", id.String(), "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil, nil
}

// bundlePlaces are those of owners whose unit leaves, or of all others.
func (s *Server) bundlePlaces(who caller, unit nexus.ID) *places {
	leaves := false
	s.engine().View(func(st *state.State) {
		u := st.Units[unit]
		_, leaves = st.ExitOf(unit)
		leaves = leaves && u != nil && u.Owner == who.query.Actor
	})
	if leaves {
		return &s.leavers
	}
	return &s.readers
}

// exitFailed makes an entry of a bundle that the node could not write for a unit that leaves. That the reader went away is the reader's to state.
func (s *Server) exitFailed(r *http.Request, id nexus.ID, out *paced, err error) {
	leaving := false
	s.engine().View(func(st *state.State) {
		u := st.Units[id]
		leaving = u != nil && u.Status == state.StatusExiting
	})
	if !leaving || r.Context().Err() != nil || out.broken() {
		return
	}
	if _, err := s.engine().Act(r.Context(), state.KindExitFail, id, state.ExitFail{Step: state.ExitStepWrite, Code: nexus.CodeOf(err)}); err != nil {
		s.log.Warn("failure of an exit not recorded", "component", "control", "unit", id.String(), "error", err)
	}
}

// takeIn has the node verify and keep a bundle, for its unit's owner or an operator. What the caller may make of it, the gates judge when the
// import is asked for.
func (s *Server) takeIn(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	if who.session != "" {
		return nil, nexus.Errf("import bundle", nexus.CodeRefused, "session over SSH", "run nexus imvu import on the node's machine",
			"a session reaches no files of the node's machine")
	}
	var b wire.TakeIn
	if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
		return nil, nexus.Errf("import bundle", nexus.CodeMalformed, "request body", "send a TakeIn", "%v", err)
	}
	var key nexus.PublicKey
	if err := key.UnmarshalText([]byte(b.Key)); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(b.Dir) {
		return nil, nexus.Errf("import bundle", nexus.CodeMalformed, "folder "+b.Dir, "give an absolute path", "is relative to nothing here")
	}
	_, end, err := s.imports.take(who.query.Actor)
	if err != nil {
		return nil, err
	}
	defer end()
	wish, err := s.node.TakeIn(r.Context(), b.Dir, key, who.query.Actor)
	return wire.TakenIn{Wish: nexus.Encode(wish.Body())}, err
}

// Bundle opens the stream of a unit's bundle. The caller closes it.
func (c *Client) Bundle(ctx context.Context, unit string) (*multipart.Reader, io.Closer, error) {
	resp, err := c.send(ctx, http.MethodGet, "/v1/bundle", url.Values{"unit": {unit}}, nil)
	if err != nil {
		return nil, nil, err
	}
	kind, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/mixed" || params["boundary"] == "" {
		return nil, nil, errors.Join(nexus.Errf("fetch bundle", nexus.CodeMalformed, "answer of the node", "use programs of one version",
			"it answered with %q", kind), resp.Body.Close())
	}
	return multipart.NewReader(resp.Body, params["boundary"]), resp.Body, nil
}
