package control

import (
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// bindingRows lists what was bound to an identity and attested of it, oldest first, and the number of its next statement.
func bindingRows(st *state.State, key nexus.PublicKey) (rows []wire.BindingRow, next uint64) {
	list, next := st.BindingsOf(key)
	now := max(st.TimeMs, time.Now().UnixMilli())
	for i := range list {
		b := &list[i]
		row := wire.BindingRow{Attests: b.Attests, Claim: b.Statement.Claim, Key: b.Statement.By.String(), Number: b.Statement.Number,
			Time: utc(b.TimeMs), Lapsed: st.Lapsed(b, now), Index: b.Index, Statement: nexus.Encode(b.Statement)}
		if b.Attests {
			row.Name = nameIn(st, b.Statement.By)
		}
		if !b.Statement.Document.IsZero() {
			row.Document = b.Statement.Document.String()
		}
		if b.Statement.UntilMs != 0 {
			row.Until = utc(b.Statement.UntilMs)
		}
		rows = append(rows, row)
	}
	return rows, next
}
