package state

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// notice records a must-deliver message to a unit's owner.
func (st *step) notice(u *Unit, format string, args ...any) {
	st.noticeTo(u.Owner, u.ID, format, args...)
}

// noticeTo records a must-deliver message about a unit (zero: about the identity itself) to anybody.
func (st *step) noticeTo(to nexus.PublicKey, unit nexus.ID, format string, args ...any) {
	n := Notice{Index: st.index, TimeMs: st.now, Unit: unit, To: to, Text: clip(fmt.Sprintf(format, args...))}
	st.s.Notices = append(st.s.Notices, n)
	if over := len(st.s.Notices) - maxNotices; over > 0 {
		st.s.Notices = append([]Notice(nil), st.s.Notices[over:]...)
	}
	st.draft(unit, ledger.KindNotice, n)
	st.events = append(st.events, nexus.Event{Type: "notice.sent", Index: st.index, Unit: unit, MustDeliver: true})
}
