package control

import (
	"net/http"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// notices answers the caller's own inbox, or for the platform's side that of the key named by ?of=.
func (s *Server) notices(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	key := who.query.Actor
	if word := r.URL.Query().Get("of"); word != "" {
		if err := key.UnmarshalText([]byte(word)); err != nil {
			return nil, err
		}
		if key != who.query.Actor {
			if err := s.mayRead(who, nexus.ID{}, platformRead); err != nil {
				return nil, err
			}
		}
	}
	return s.inbox(key, r.URL.Query().Get("unread") == "1", 0), nil
}

// inbox gives an inbox from an id on.
func (s *Server) inbox(key nexus.PublicKey, unreadOnly bool, after uint64) wire.Notices {
	out := wire.Notices{Notices: []wire.NoticeRow{}}
	s.engine().View(func(st *state.State) {
		box, names := st.InboxOf(key), &keyNames{st: st}
		out.Newest, out.Overflow = box.Next, box.Overflow.Count
		out.OverflowFirst, out.OverflowLast = box.Overflow.First, box.Overflow.Last
		for i := range box.List {
			n := &box.List[i]
			if n.ReadMs == 0 {
				out.Unread++
			}
			if n.ID > after && (n.ReadMs == 0 || !unreadOnly) {
				out.Notices = append(out.Notices, noticeRow(names, n))
			}
		}
	})
	return out
}

// noticeRow words a notice for whoever reads it. A reason that nobody gave leaves no colon behind.
func noticeRow(names *keyNames, n *state.InboxNotice) wire.NoticeRow {
	row := wire.NoticeRow{ID: n.ID, Index: n.Index, Time: utc(n.TimeMs), Text: strings.TrimSuffix(names.in(n.Text), ": "), Times: n.Times}
	if u := names.st.Units[n.Unit]; u != nil {
		row.Unit = u.Label
	}
	if n.DeliveredMs != 0 {
		row.Delivered = utc(n.DeliveredMs)
	}
	if n.ReadMs != 0 {
		row.Read = utc(n.ReadMs)
	}
	return row
}

// noticeStream sends the caller's unread notices and then each new one, as it becomes durable. The bus only wakes: what is sent is read
// from the inbox, so a wake-up that was lost with a cut-off subscription loses no notice.
func (s *Server) noticeStream(w http.ResponseWriter, r *http.Request, who caller) (any, error) {
	mine := who.query.Actor.String()
	sub, err := s.bus.Subscribe(r.Context(), bus.Filter{Types: []string{"notice.sent"},
		Match: func(e nexus.Event) bool { to, ok := e.Data.(string); return ok && to == mine }})
	if err != nil {
		return nil, err
	}
	defer sub.Close()
	rc := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	for last := uint64(0); ; {
		for _, n := range s.inbox(who.query.Actor, true, last).Notices {
			if s.encode(w, who, n) != nil {
				return nil, nil
			}
			last = n.ID
		}
		if rc.Flush() != nil {
			return nil, nil
		}
		if _, err := sub.Next(r.Context()); err != nil || s.stillMay(who, publicRead) != nil {
			return nil, nil
		}
	}
}
