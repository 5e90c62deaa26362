package state

import (
	"fmt"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// A unit's monthly statement (SPEC section 1): a document made from the ledger. Issuing one closes its month: what is posted from its
// size on belongs to the next open month, as a late item when its own month is closed. The entry holds the document's digest, and the
// document can be made again from the unit's entries at any time (engine/statement); nothing of it is stored.

// KindStatementIssue is the kind of action that issues a statement.
const KindStatementIssue = "statement.issue"

// maxStatements bounds the months of one unit: a hundred years.
const maxStatements = 1200

// DisputeTermMs is how long after its issue a statement can be disputed, milliseconds.
const DisputeTermMs = 60 * 24 * 60 * 60 * 1000

// StatementIssue is the body of statement.issue, signed by the owner, an operator or a node.
type StatementIssue struct {
	Month  uint32     // YYYYMM, UTC; over, and after every month that is closed
	Size   uint64     // entries of the ledger that the document was computed from
	Digest nexus.Hash // of the document
}

// StatementIssued is its result.
type StatementIssued struct{ Entry uint64 }

// IssuedStatement is a month that is closed.
type IssuedStatement struct {
	Month  uint32
	Size   uint64
	Digest nexus.Hash
	Index  uint64
	Entry  uint64 // its entry in the ledger
	TimeMs int64
}

// unitStatements holds the closed months of one unit, oldest first.
type unitStatements struct {
	Unit nexus.ID
	List []IssuedStatement
}

// MonthEndMs is the first millisecond after a month YYYYMM, UTC; false when it is no month of the years 1970 to 9999.
func MonthEndMs(month uint32) (int64, bool) {
	y, m := int(month/100), int(month%100)
	if y < 1970 || y > 9999 || m < 1 || m > 12 {
		return 0, false
	}
	return time.Date(y, time.Month(m)+1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), true
}

// MonthOf gives the month of a time in Unix milliseconds as YYYYMM, UTC.
func MonthOf(ms int64) uint32 {
	t := time.UnixMilli(ms).UTC()
	return uint32(t.Year()*100 + int(t.Month()))
}

// NextMonth gives the month after YYYYMM.
func NextMonth(month uint32) uint32 {
	if month%100 == 12 {
		return month + 89
	}
	return month + 1
}

// MonthText writes a month YYYYMM as YYYY-MM.
func MonthText(month uint32) string { return fmt.Sprintf("%04d-%02d", month/100, month%100) }

func (st *step) statementIssue() error {
	var b StatementIssue
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	st.byNode() // or the owner: the document is the same whoever asks for it
	may := st.facts.Identity.MayIssue || u.Owner == st.cmd.Action.Actor
	st.facts.Identity.MayIssue = may
	st.reach(u, "ledger", may)
	end, ok := MonthEndMs(b.Month)
	issued := st.s.statements[u.ID]
	last := IssuedStatement{}
	if n := len(issued); n > 0 {
		last = issued[n-1]
	}
	subject := "statement of " + u.Label + " for " + MonthText(b.Month)
	switch {
	case u.Kind == nexus.KindProbe:
		st.fail(nexus.CodeConflict, subject, "probes have no statements", "holds test money only")
	case !ok:
		st.fail(nexus.CodeMalformed, subject, "a month as YYYYMM", "no such month")
	case st.now < end:
		st.fail(nexus.CodeConflict, subject, "wait until it is over, or ask for a draft", "the month ends at %s", dayText(end))
	case b.Month <= last.Month:
		st.fail(nexus.CodeConflict, subject, "show it with nexus revenue statement", "the months up to %s are closed", MonthText(last.Month))
	case b.Size < last.Size || b.Size > st.s.Chain.Size():
		st.fail(nexus.CodeMalformed, subject, "compute it again", "made from %d entries; the last from %d, there are %d", b.Size, last.Size, st.s.Chain.Size())
	case b.Digest.IsZero():
		st.fail(nexus.CodeMalformed, subject, "give the document's digest", "missing")
	case len(issued) >= maxStatements:
		st.fail(nexus.CodeConflict, subject, "", "%d months are closed already", len(issued))
	}
	st.effect = func() {
		if st.s.statements == nil {
			st.s.statements = map[nexus.ID][]IssuedStatement{}
		}
		x := IssuedStatement{Month: b.Month, Size: b.Size, Digest: b.Digest, Index: st.index, TimeMs: st.now,
			Entry: st.s.Chain.Size() + 1 + uint64(len(st.drafts))} // the decision stands first
		st.s.statements[u.ID] = append(issued[:len(issued):len(issued)], x)
		st.draft(u.ID, ledger.KindStatement, ledger.StatementBody{Month: b.Month, After: last.Month, Size: b.Size, Digest: b.Digest})
		st.notice(u, "the statement of %s for %s is issued: nexus revenue statement --unit %s --month %s; it can be disputed until %s", u.Label,
			MonthText(b.Month), u.Label, MonthText(b.Month), dayText(st.now+DisputeTermMs))
		st.tellEarlierOwners(u, b.Month, last.Month)
		st.events = append(st.events, nexus.Event{Type: "statement.issued", Index: st.index, Unit: u.ID, MustDeliver: true})
		st.result = nexus.Encode(StatementIssued{Entry: x.Entry})
	}
	return nil
}

// Statements lists a unit's closed months, oldest first. The list is the caller's.
func (s *State) Statements(unit nexus.ID) []IssuedStatement {
	return append([]IssuedStatement(nil), s.statements[unit]...)
}

func statementsPart() part {
	type picture struct{ Units []unitStatements }
	return part{name: "statements", save: func(s *State) []byte {
		if len(s.statements) == 0 {
			return nil
		}
		var p picture
		for _, id := range sortedIDs(s.statements) {
			p.Units = append(p.Units, unitStatements{id, s.statements[id]})
		}
		return nexus.Encode(p)
	}, load: func(s *State, b []byte) error {
		var p picture
		if err := nexus.Decode(b, &p); err != nil {
			return err
		}
		s.statements = map[nexus.ID][]IssuedStatement{}
		for _, u := range p.Units {
			s.statements[u.Unit] = u.List
		}
		return nil
	}}
}
