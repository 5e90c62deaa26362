package launch

import (
	"fmt"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// Plain words a launch line as the headless progress and the deployment log print it; "" for a line that says nothing to
// people. No carriage returns, no colour: one line a change.
func Plain(line any) string {
	switch l := line.(type) {
	case wire.VersionLine:
		return "nexus launch " + l.Version + " " + l.Time.Format("2006-01-02T15:04:05Z")
	case wire.PhaseStartedLine:
		return fmt.Sprintf("[%2d/12] %-15s start", l.Phase, l.Name)
	case wire.PhaseCheckLine:
		return plainCheck(l)
	case wire.PhaseFinishedLine:
		text := fmt.Sprintf("[%2d/12] %-15s %-8s %6d ms", l.Phase, l.Name, strings.ToUpper(l.Status), l.DurationMs)
		if l.Reason != "" {
			text += "  " + l.Reason
		}
		return text
	case wire.LaunchFinishedLine:
		text := fmt.Sprintf("launch %s: %d passed, %d failed, %d degraded, %d skipped in %.1f s", strings.ToUpper(l.Status), l.Passed, l.Failed,
			l.Degraded, l.Skipped, float64(l.DurationMs)/1000)
		if l.Report != "" {
			text += "\nreport " + l.Report + "\n  sha256 " + l.ReportSHA256
		}
		return text
	}
	return ""
}

func plainCheck(l wire.PhaseCheckLine) string {
	name := wire.PhaseNames()[l.Phase-1].Name
	text := fmt.Sprintf("[%2d/12] %-15s   %-8s %s", l.Phase, name, l.Status, l.Check)
	if figure := (&wire.Check{Value: l.Value, Unit: l.Unit, Limit: l.Limit, Bound: l.Bound}).Figure(); figure != "" {
		text += " = " + figure
	}
	if l.Detail != "" {
		text += ": " + l.Detail
	}
	if l.Remedy != "" {
		text += " -> " + l.Remedy
	}
	return text
}
