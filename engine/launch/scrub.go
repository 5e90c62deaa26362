package launch

import (
	"context"
	"fmt"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// maxFindingsShown bounds the findings one phase lists; the count is always whole.
const maxFindingsShown = 20

// Phase 2, stack scrubbing and audit. Rule: every stored byte is checked read-only before a library opens it, then the
// entries are re-read and recomputed, then every unit is audited. Reason: the libraries return damaged bytes as data, as
// nothing or as a crash (DESIGN.md section 3). SPEC section 2.
func scrub(ctx context.Context, env Env, rec *Recorder) error {
	findings, notes, err := env.CheckFiles(ctx)
	if err != nil {
		return err
	}
	for _, f := range shown(findings) {
		rec.Fail("file "+f.Where, f.What, "restore it from a backup; see docs/operate/damage.md")
	}
	rec.Count("damaged places", len(findings), 0, "places", "every byte of ledger, log, keys and genesis that is in use was read", "see the files above")
	for _, n := range notes {
		rec.Pass("note", n)
	}
	if len(findings) > 0 {
		return nil
	}
	if err := env.OpenLedger(ctx); err != nil {
		return err
	}
	rep, err := env.VerifyLedger(ctx)
	if err != nil {
		return err
	}
	for _, f := range shown(rep.Findings) {
		rec.Fail("ledger "+f.Where, f.What, "restore the data directory from a backup; see docs/operate/damage.md")
	}
	verified, entries := float64(rep.Verified), float64(rep.Entries)
	rec.Check(wire.Check{Name: "ledger verified", Status: statusIf(rep.Verified == rep.Entries && len(rep.Findings) == 0), Value: &verified,
		Unit: "entries", Limit: &entries, Bound: wire.BoundEqual, Detail: fmt.Sprintf("verified %d of %d entries in %d ms, root %s", rep.Verified, rep.Entries,
			rep.DurationMs, rep.Root), Remedy: remedyIf(rep.Verified != rep.Entries, "run nexus ledger verify")})
	audit, err := env.AuditAll(ctx)
	if err != nil {
		return err
	}
	judgeAudit(rec, &audit)
	return nil
}

// judgeAudit fails the phase for what is wrong. What is late is named and degrades it: a budget that was missed, or an answer that is owed, when
// the node ended could never be made good if it kept the node from starting.
func judgeAudit(rec *Recorder, audit *wire.AuditReport) {
	wrong, late := []wire.Finding(nil), []wire.Finding(nil)
	for _, f := range audit.Findings {
		if f.Late {
			late = append(late, f)
		} else {
			wrong = append(wrong, f)
		}
	}
	for _, f := range shown(wrong) {
		rec.Fail("audit "+f.Where, f.What, "see nexus audit findings")
	}
	for _, f := range shown(late) {
		rec.Degrade("audit "+f.Where, strings.TrimSpace(f.Unit+" "+f.What), "it ends while the node serves; nexus audit findings has what is owed")
	}
	detail := fmt.Sprintf("%d units, %d checks", audit.Units, audit.Checks)
	if len(late) > 0 {
		detail += fmt.Sprintf("; %d late beside them", len(late))
	}
	rec.Count("audit findings", len(wrong), 0, "findings", detail, "see nexus audit")
}

func shown(f []wire.Finding) []wire.Finding { return f[:min(len(f), maxFindingsShown)] }

func statusIf(ok bool) string {
	if ok {
		return wire.StatusPassed
	}
	return wire.StatusFailed
}

func remedyIf(bad bool, remedy string) string {
	if bad {
		return remedy
	}
	return ""
}
