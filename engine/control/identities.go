package control

import (
	"net/http"
	"sort"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func (s *Server) identities(http.ResponseWriter, *http.Request, caller) (any, error) {
	out := wire.Identities{Identities: []wire.IdentityRow{}}
	s.engine().View(func(st *state.State) {
		for _, id := range st.Identities {
			row := wire.IdentityRow{Name: id.Name, Key: id.Key.String(), Fingerprint: identity.Fingerprint(id.Key), Role: engine.RoleName(id.Role),
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
			row.Bindings, row.Statement = bindingRows(st, id.Key)
			out.Identities = append(out.Identities, row)
		}
	})
	sort.Slice(out.Identities, func(i, j int) bool {
		a, b := out.Identities[i], out.Identities[j]
		return a.Name < b.Name || a.Name == b.Name && a.Key < b.Key
	})
	return out, nil
}

// sources lists who may report events. How many a source reported tells of everybody's business: the platform and the source itself see it.
func (s *Server) sources(_ http.ResponseWriter, _ *http.Request, who caller) (any, error) {
	out := wire.Sources{Sources: []wire.SourceRow{}}
	classes := map[uint8]string{state.ClassMetered: "metered", state.ClassProvider: "provider", state.ClassAttested: "attested"}
	s.engine().View(func(st *state.State) {
		for _, x := range st.Sources {
			row := wire.SourceRow{Name: x.Name, Class: classes[x.Class], Key: x.Key.String(), Active: x.Active}
			if row.Withheld = x.Key != who.query.Actor && !seesAll(st, who.query.Actor); !row.Withheld {
				row.LastSeq, row.Events = x.LastSeq, x.Events
			}
			out.Sources = append(out.Sources, row)
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
