package control

import (
	"net/http"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// disputes lists those of the periods that the caller may see, newest first.
func (s *Server) disputes(_ http.ResponseWriter, r *http.Request, who caller) (any, error) {
	id, err := s.unitAsked(r)
	status := r.URL.Query().Get("status")
	out := wire.Disputes{Disputes: []wire.DisputeRow{}}
	now := s.engine().Now().UnixMilli()
	s.engine().View(func(st *state.State) {
		all := st.Disputes()
		for i := len(all) - 1; i >= 0; i-- {
			x := all[i]
			u, p, seen := s.periodOf(who, st, x.Unit, x.Period)
			if !seen || !id.IsZero() && x.Unit != id || status != "" && x.Status != status {
				continue
			}
			if out.Total++; out.Total > maxPage {
				continue
			}
			row := wire.DisputeRow{ID: x.ID.String(), Unit: u.Label, UnitID: u.ID.String(), Period: p.Number, Owner: nameIn(st, p.Owner),
				Month: state.MonthText(x.Month), Entry: x.Entry, Currency: x.Currency, Minor: x.Minor, Reason: x.Reason, Status: x.Status, Answer: x.Answer,
				Paid: x.Paid, Opened: utc(x.OpenedMs), Due: utc(x.DueMs), Overdue: x.Overdue(now), Index: x.OpenedIndex, Decided: x.DecidedIndex}
			if x.ClosedMs > 0 {
				row.Closed = time.UnixMilli(x.ClosedMs).UTC()
			}
			out.Disputes = append(out.Disputes, row)
		}
	})
	return out, s.othersRefused(r, who, id, len(out.Disputes), err)
}
