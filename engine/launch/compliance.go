package launch

import (
	"context"
	"fmt"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// Phase 11, compliance verification. Rule: 55-45-17 and 80/20 are recomputed from the ledger for every unit by code that
// shares nothing with the writer, and must equal what the node shows. SPEC section 2.
func compliance(ctx context.Context, env Env, rec *Recorder) error {
	rep, err := env.VerifyLedger(ctx)
	if err != nil {
		return err
	}
	for _, f := range shown(rep.Findings) {
		rec.Fail("ledger "+f.Where, f.What, "see docs/operate/damage.md")
	}
	rec.Count("entries recomputed", int(rep.Verified), int(rep.Entries), "entries", fmt.Sprintf("%d records", rep.Records), "run nexus ledger verify")
	tally := env.Engine().Tally(true)
	wrong, first := 0, ""
	byRule := map[string]int{}
	for _, row := range tally.Units {
		byRule[row.Rule]++
		if !keepsRule(row) {
			wrong++
			if first == "" {
				first = "; first that is off: " + row.Unit + " " + row.Currency
			}
		}
	}
	rec.Count("splits that break their rule", wrong, 0, "rows", fmt.Sprintf("%d rows under 55/45, %d under 80/20%s",
		byRule["55/45"], byRule["80/20"], first), "run nexus audit")
	decided := 0
	rows := env.Engine().GateRows()
	for _, g := range rows {
		if g.Decides {
			decided++
		}
	}
	rec.Count("gates that decide", decided, 17, "gates", "each gave a verdict on every decision of the ledger", "run nexus audit")
	return nil
}

// keepsRule recomputes one row by the constitution's formula: creator = ceil(gross * percent / 100), toward plus infinity.
func keepsRule(row wire.TallyRow) bool {
	percent := map[string]int64{"55/45": 55, "80/20": 80}[row.Rule]
	if percent == 0 || row.Creator+row.Platform != row.Gross {
		return false
	}
	// 100*creator lies in [gross*percent, gross*percent+99], compared without a product that could overflow.
	q, r := row.Gross/100, row.Gross%100
	want := q * percent
	switch part := r * percent; {
	case part > 0:
		want += (part + 99) / 100
	default:
		want += part / 100
	}
	return want == row.Creator
}
