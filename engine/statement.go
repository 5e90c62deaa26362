package engine

import (
	"context"
	"fmt"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/engine/statement"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Statement makes a unit's statement for a month YYYYMM from the stored entries: the issued one as of its own size, with what its entry
// says, or a draft as of now. Read are the records that hold an entry of the unit. Errors: nexus.CodeConflict for a month
// that was closed together with a later one, nexus.CodeCorrupt when an issued one does not come out with the digest it was issued with.
func (e *Engine) Statement(unit nexus.ID, month uint32) (statement.Document, *state.IssuedStatement, error) {
	var issued *state.IssuedStatement
	var closings []statement.Closing
	var err error
	e.View(func(s *state.State) {
		for _, x := range s.Statements(unit) {
			closings = append(closings, statement.Closing{Month: x.Month, Size: x.Size})
			if x.Month == month {
				issued = &x
			}
			if x.Month > month && issued == nil && err == nil {
				err = nexus.Errf("statement", nexus.CodeConflict, state.MonthText(month), "see the statement for "+state.MonthText(x.Month),
					"closed without events of its own, by the statement for %s", state.MonthText(x.Month))
			}
		}
	})
	if err != nil {
		return statement.Document{}, nil, err
	}
	size := e.store.Size()
	if issued != nil {
		size = issued.Size
	}
	d, err := e.statementAt(unit, month, size, closings)
	if err == nil && issued != nil && d.Digest() != issued.Digest {
		err = nexus.Errf("statement", nexus.CodeCorrupt, d.Label+" "+d.Month, "run nexus ledger verify",
			"made again it has the digest %s, issued was %s", d.Digest(), issued.Digest)
	}
	return d, issued, err
}

func (e *Engine) statementAt(unit nexus.ID, month uint32, size uint64, closings []statement.Closing) (statement.Document, error) {
	f := statement.New(unit, month, closings)
	err := e.unitEntries(context.Background(), unit, size, func(r *ledger.Record, i int) error {
		entry, err := ledger.ParseEntry(r.Entries[i])
		if err != nil {
			return err
		}
		return f.Add(&entry, ledger.Commitment(ledger.EntrySalt(r.Salt, uint32(i)), r.Entries[i]))
	})
	if err != nil {
		return statement.Document{}, err
	}
	root, err := e.RootAt(size)
	if err != nil {
		return statement.Document{}, err
	}
	var prices statement.Prices
	e.View(func(s *state.State) { prices = statement.PricesIn(s) })
	return f.Document(e.cfg.Cluster, size, root, prices)
}

// checkStatement refuses, before consensus, a statement whose digest is not that of the document, or that leaves out entries of its
// month. What it lets through is held to the document again whenever somebody reads it.
func (e *Engine) checkStatement(a *nexus.Action) error {
	if a.Kind != state.KindStatementIssue {
		return nil
	}
	var b state.StatementIssue
	if err := nexus.Decode(a.Body, &b); err != nil {
		return nil // the state words the refusal, as an entry
	}
	end, ok := state.MonthEndMs(b.Month)
	var closings []statement.Closing
	e.View(func(s *state.State) {
		for _, x := range s.Statements(a.Unit) {
			closings = append(closings, statement.Closing{Month: x.Month, Size: x.Size})
			ok = ok && x.Month < b.Month
		}
		ok = ok && s.Units[a.Unit] != nil
	})
	if !ok || b.Size > e.store.Size() { // the state refuses it
		return nil
	}
	refuse := func(format string, args ...any) error {
		return nexus.Errf(a.Kind, nexus.CodeConflict, "statement for "+state.MonthText(b.Month), "ask the node for it again", format, args...)
	}
	if b.Size < e.store.Size() {
		r, err := e.store.RecordBySeq(b.Size)
		if err != nil {
			return err
		}
		if r.TimeMs < end || r.FirstSeq != b.Size {
			return refuse("made from %d entries, which are not all of the month", b.Size)
		}
	}
	e.statementLock.Lock() // a walk along the chain each: one at a time
	defer e.statementLock.Unlock()
	d, err := e.statementAt(a.Unit, b.Month, b.Size, closings)
	if err != nil {
		return err
	}
	if got := d.Digest(); got != b.Digest {
		return refuse("the document has the digest %s, not %s", got, b.Digest)
	}
	return nil
}

// StatementMonth reads YYYY-MM. Error: nexus.CodeMalformed.
func StatementMonth(text string) (uint32, error) {
	var y, m uint32
	if n, err := fmt.Sscanf(text, "%4d-%2d", &y, &m); err == nil && n == 2 && len(text) == len("2026-11") {
		if _, ok := state.MonthEndMs(y*100 + m); ok {
			return y*100 + m, nil
		}
	}
	return 0, nexus.Errf("statement", nexus.CodeMalformed, fmt.Sprintf("month %q", text), "YYYY-MM, for example 2026-11", "not a month")
}

// Now is the engine's clock.
func (e *Engine) Now() time.Time { return e.clock() }
