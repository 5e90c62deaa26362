package engine

import (
	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// whoseEntriesMax bounds how many entries of a decision are read to say whose it is; a batch of more is said to be nobody's.
const whoseEntriesMax = 16

// whose names the unit in the row of an action that names none, such as a batch of revenue, when all that it led to is of one unit. Only the
// label: who may see a decision goes by the unit that its action names. The caller holds the lock of s.
func whose(s *state.State, row *wire.DecisionRow, rec *ledger.Record) {
	if row.Unit != "" || len(rec.Entries) < 2 || len(rec.Entries) > whoseEntriesMax {
		return
	}
	var unit nexus.ID
	for seq := rec.FirstSeq + 1; seq < rec.Next(); seq++ { // the first is the decision itself
		e, err := rec.Entry(seq)
		switch {
		case err != nil:
			return // what is damaged is found by whoever verifies, and named by nobody
		case e.Unit.IsZero() || e.Unit == unit:
		case !unit.IsZero():
			return
		default:
			unit = e.Unit
		}
	}
	if u := s.Units[unit]; u != nil {
		row.UnitLabel = u.Label
	}
}
