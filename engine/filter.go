package engine

import (
	"sort"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// DecisionFilter picks decisions from the ledger, newest first.
type DecisionFilter struct {
	Gate    int      // 0: any; else a gate that refused, or with Verdict "allow" any
	Unit    nexus.ID // zero: any
	Verdict string   // "", "allow", "deny"
	Before  uint64   // only decisions with a lower index
	Limit   int
	ScanMax int // records read for one page, 0: maxDecisionScan
	Visible func(*state.State, *state.Unit, nexus.PublicKey) bool
}

// maxDecisionScan bounds the records read for one page; the page then ends early and says where to go on.
const maxDecisionScan = 20_000

// Decisions reads a page of decisions from the ledger. next is the Before of the page after, 0 at the end.
func (e *Engine) Decisions(f DecisionFilter) (rows []wire.DecisionRow, next uint64, err error) {
	rows = []wire.DecisionRow{}
	seq, err := e.firstSeqFrom(f.Before)
	if err != nil {
		return nil, 0, err
	}
	scan := f.ScanMax
	if scan == 0 {
		scan = maxDecisionScan
	}
	for scanned := 0; seq > 0; scanned++ {
		rec, err := e.store.RecordBySeq(seq - 1)
		if err != nil {
			return nil, 0, err
		}
		seq = rec.FirstSeq
		if len(rows) >= max(f.Limit, 1) || scanned >= scan {
			return rows, rec.Index + 1, nil
		}
		body, err := decisionOf(rec)
		if err != nil {
			return nil, 0, err
		}
		if row, ok := e.match(&f, &body, &rec); ok {
			rows = append(rows, row)
		}
	}
	return rows, 0, nil
}

// firstSeqFrom finds the first entry of a command at or after an index: a page deep in the log costs no more than the first.
func (e *Engine) firstSeqFrom(index uint64) (uint64, error) {
	size := e.store.Size()
	if index > e.store.Applied() {
		return size, nil
	}
	var failed error
	seq := sort.Search(int(size), func(i int) bool {
		rec, err := e.store.RecordBySeq(uint64(i))
		if err != nil {
			failed = err
			return true
		}
		return rec.Index >= index
	})
	return uint64(seq), failed
}

func (e *Engine) match(f *DecisionFilter, b *state.DecisionBody, rec *ledger.Record) (wire.DecisionRow, bool) {
	d := &b.Decision
	if !f.Unit.IsZero() && d.Unit != f.Unit || f.Verdict == wire.VerdictAllow && !d.Allow || f.Verdict == wire.VerdictDeny && d.Allow {
		return wire.DecisionRow{}, false
	}
	if f.Gate > 0 && f.Verdict != wire.VerdictAllow && (f.Gate > len(d.Verdicts) || d.Verdicts[f.Gate-1].Allow && !d.Verdicts[f.Gate-1].Concerned) {
		return wire.DecisionRow{}, false
	}
	e.rlock()
	defer e.mu.RUnlock()
	if f.Visible != nil && !f.Visible(e.state, e.state.Units[d.Unit], d.Actor) {
		return wire.DecisionRow{}, false
	}
	row := decisionRow(e.state, b)
	whose(e.state, &row, rec)
	return row, true
}

// EntryOfAction finds the first entry that an actor's action made.
func (e *Engine) EntryOfAction(actor nexus.PublicKey, id nexus.ID) (uint64, error) {
	v, err := e.store.Get(state.ActionKey(actor, id))
	if err != nil {
		return 0, err
	}
	var ref state.ActionRef
	if err := nexus.Decode(v, &ref); err != nil {
		return 0, err
	}
	return ref.FirstEntry, nil
}

// NodeKey is the public key that signs this node's checkpoints.
func (e *Engine) NodeKey() nexus.PublicKey { return e.cfg.Node.Public() }

// RoleName words a role.
func RoleName(r gates.Role) string {
	names := map[gates.Role]string{gates.RoleOperator: "operator", gates.RoleCreator: "creator", gates.RoleSource: "source",
		gates.RoleNode: "node", gates.RolePlatform: "platform"}
	if n, ok := names[r]; ok {
		return n
	}
	return "none"
}

// SumTallies sums rows per rule and currency.
func SumTallies(rows []wire.TallyRow) []wire.TotalRow {
	out := []wire.TotalRow{}
	at := map[string]int{}
	for _, row := range rows {
		key := row.Rule + row.Currency
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, wire.TotalRow{Rule: row.Rule, Currency: row.Currency})
		}
		s := &out[i]
		s.Pending, s.PendingEvents = addPending(s.Pending, row.Pending), s.PendingEvents+row.PendingEvents
		s.Gross, s.Creator, s.Platform, s.Events, s.Units = s.Gross+row.Gross, s.Creator+row.Creator, s.Platform+row.Platform, s.Events+row.Events, s.Units+1
	}
	return out
}

// addPending adds amounts that wait; past 64 bits the sum stands still.
func addPending(a, b int64) int64 {
	if sum, ok := nexus.AddMinor(a, b); ok {
		return sum
	}
	return a
}

// lastDecisions fills the console's list from the ledger at start.
func (e *Engine) lastDecisions(n int) error {
	rows, _, err := e.Decisions(DecisionFilter{Before: ^uint64(0), Limit: n})
	for i := len(rows) - 1; i >= 0; i-- {
		e.recent.add(rows[i])
	}
	return err
}

var _ Reader = ledger.Store(nil)
