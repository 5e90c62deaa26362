package wizard

import (
	"fmt"
	"io"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// verdictLines show 17 verdicts in columns, then each denial with what it saw, what it needs and the smallest fix.
func verdictLines(th *theme.Theme, verdicts []wire.Verdict, width int) []string {
	const cell = 31
	columns := max(min(width/cell, 3), 1)
	rows := (len(verdicts) + columns - 1) / columns
	var out []string
	for r := range rows {
		l := th.NewLine(width)
		for c := range columns {
			if i := c*rows + r; i < len(verdicts) {
				v := &verdicts[i]
				symbol, style := th.Symbols.Passed, theme.Good
				if v.Verdict != wire.VerdictAllow {
					symbol, style = th.Symbols.Failed, theme.Bad
				}
				l.Add(style, symbol+" ").Cell(theme.Plain, fmt.Sprintf("G%02d %s", v.Gate, theme.Clean(v.Name)), cell-2)
			}
		}
		out = append(out, l.String())
	}
	for _, v := range denials(verdicts) {
		text := fmt.Sprintf("DENY G%02d %s: %s; observed %s, required %s; fix: %s", v.Gate, v.Name, v.Reason, v.Observed,
			v.Required, v.Fix)
		for _, line := range theme.Wrap(theme.Clean(text), width) {
			out = append(out, th.NewLine(width).Add(theme.Bad, line).String())
		}
	}
	return out
}

// verdictSummary is the verdicts in one sentence.
func verdictSummary(verdicts []wire.Verdict) string {
	if n := len(denials(verdicts)); n > 0 {
		return fmt.Sprintf("%d of %d gates would refuse it:", n, len(verdicts))
	}
	return fmt.Sprintf("All %d gates would allow it:", len(verdicts))
}

// printCard prints what was made, where it is and the first commands.
func (w *session) printCard(out io.Writer, c *wire.UnitCreated) error {
	u, noun := &c.Unit, w.draft.Kind // of a channel the mini-platform it is on
	rows := [][2]string{{"unit", strings.TrimSpace(u.Label + " " + u.Name)}, {"id", u.ID}, {"owner", u.OwnerName},
		{"domain", u.Domain},
		{"stage", u.StageDomain}, {"slice", u.Slice}, {"jurisdiction", u.Jurisdiction},
		{"envelope", fmt.Sprintf("%s, %s memory, %s storage", coresText(fmt.Sprintf("%g", u.Envelope.CPUCores)),
			withUnit(sizeText(u.Envelope.MemoryBytes)),
			withUnit(sizeText(u.Envelope.StorageBytes)))},
		{"decision", fmt.Sprintf("%d, proven by `nexus gates explain %d`", c.Receipt.Index, c.Receipt.Index)},
		{"owner's key", c.OwnerKeyFile}, {"not done", c.Undone}, {"not served", c.NotServed}}
	var b strings.Builder
	fmt.Fprintln(&b, w.theme.Text(theme.Good, w.theme.Symbols.Passed+" created"))
	for _, r := range rows {
		if r[1] != "" {
			fmt.Fprintf(&b, "  %-13s %s\n", r[0], theme.Clean(r[1]))
		}
	}
	fmt.Fprintf(&b, "next:\n  nexus %s show %s\n  nexus revenue tally --unit %s\n  nexus console\n", noun, u.Label,
		u.Label)
	_, err := io.WriteString(out, b.String())
	return err
}
