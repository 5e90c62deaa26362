package panel

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// The gates panel: all 17 with their counters, whether they decide and whether something enforces them yet.
func gatesPanel() Panel {
	return Panel{ID: Gates, View: 3, Title: "Gates", Sections: []Section{SecGates, SecDecisions},
		Len: func(in Input) int { return len(in.Overview.Gates) },
		Key: func(in Input, i int) string { return "gate " + strconv.Itoa(in.Overview.Gates[i].Gate) },
		Text: func(in Input, i int) string {
			g := &in.Overview.Gates[i]
			return gateName(g.Gate, g.Name) + " " + g.Rule + " " + g.EnforcedBy + " " + g.LastReason
		},
		Target: func(in Input, i int) Target {
			g := &in.Overview.Gates[i]
			return Target{Kind: GateTarget, Key: strconv.Itoa(g.Gate), Number: g.Gate}
		},
		Sorts: []string{"number", "denied", "last denial"},
		Less: func(in Input) func(a, b int) int {
			rows := in.Overview.Gates
			switch in.Sort {
			case 1:
				return func(a, b int) int { return cmp.Compare(rows[b].Denied, rows[a].Denied) }
			case 2:
				return func(a, b int) int { return lastDenial(&rows[b]).Compare(lastDenial(&rows[a])) }
			}
			return nil
		},
		Value: func(in Input, i int) string { return in.Overview.Gates[i].Name },
		Item:  func(in Input, i int) any { return in.Overview.Gates[i] },
		Command: func(in Input, i int) string {
			return fmt.Sprintf("nexus gates log --gate %d", in.Overview.Gates[i].Gate)
		},
		Draw: drawGates}
}

func lastDenial(g *wire.GateRow) (t time.Time) {
	if g.LastDeniedTime != nil {
		t = *g.LastDeniedTime
	}
	return t
}

func gateName(number int, name string) string { return fmt.Sprintf("G%02d %s", number, name) }

// gateCounts says how many gates decide and how many are enforced.
func gateCounts(gates []wire.GateRow) (decides, enforced int) {
	for i := range gates {
		g := &gates[i]
		if g.Decides {
			decides++
		}
		if g.Enforced {
			enforced++
		}
	}
	return decides, enforced
}

func drawGates(in Input) []string {
	s, th := newSheet(in), in.Theme
	decides, enforced := gateCounts(in.Overview.Gates)
	right, style := fmt.Sprintf("%d enforced", enforced), theme.Good
	if enforced < wire.GateCount {
		right, style = fmt.Sprintf("%d of %d enforced", enforced, wire.GateCount), theme.Warn
	}
	s.title(3, "Gates", fmt.Sprintf("%d decide, %s decisions denied", decides, count(in.Overview.DecisionsDenied)),
		right, style)
	name := 28
	if in.Width < 60 { // counters whole, the name as far as it goes
		name = max(in.Width-22, 4)
	}
	s.head(func(l *theme.Line) {
		l.Space(3).Cell(theme.Faint, "gate", name).Right(theme.Faint, "allow", 8).Right(theme.Faint, "deny", 6).Space(2)
		if in.Width < 60 {
			return
		}
		l.Cell(theme.Faint, "enforced", 11)
		if in.Width >= 100 {
			l.Cell(theme.Faint, "last denial", 12)
		}
		l.Add(theme.Faint, "rule or reason")
	})
	s.rows("no gate is loaded: this node has no applied state yet", func(l *theme.Line, i int, text theme.Style) {
		g := &in.Overview.Gates[i]
		l.Cell(text, gateName(g.Gate, theme.Clean(g.Name)), name-1).Space(1).Right(theme.Plain, count(g.Allowed), 8)
		denyStyle := theme.Faint
		if g.Denied > 0 {
			denyStyle = theme.Bad
		}
		l.Right(denyStyle, count(g.Denied), 6).Space(2)
		switch {
		case in.Width < 60:
			s.enforcedSymbol(l, g)
			return
		case !g.Decides:
			l.Cell(theme.Bad, th.Symbols.Failed+" silent", 11)
		case g.Enforced:
			l.Cell(theme.Good, th.Symbols.Passed+" yes", 11)
		default:
			l.Cell(theme.Warn, th.Symbols.Degraded+" not yet", 11)
		}
		last, words := th.Symbols.Dash, g.Rule
		if g.LastDeniedTime != nil {
			last = g.LastDeniedTime.UTC().Format("15:04:05")
		}
		if g.LastReason != "" {
			words = g.LastReason
		} else if !g.Enforced && g.EnforcedBy != "" {
			words = g.EnforcedBy
		}
		if in.Width >= 100 {
			l.Cell(theme.Faint, last, 12)
		}
		l.Add(theme.Faint, theme.Clean(words))
	})
	return s.done()
}

// enforcedSymbol says in one cell whether a gate decides and is enforced.
func (s *sheet) enforcedSymbol(l *theme.Line, g *wire.GateRow) {
	switch {
	case !g.Decides:
		l.Add(theme.Bad, s.in.Theme.Symbols.Failed)
	case g.Enforced:
		l.Add(theme.Good, s.in.Theme.Symbols.Passed)
	default:
		l.Add(theme.Warn, s.in.Theme.Symbols.Degraded)
	}
}

// The stream panel: decisions, newest first. On the overview it is the gates' panel; alone it is the audit view.
func streamPanel() Panel {
	return Panel{ID: Stream, View: 8, Title: "Decisions", Sections: []Section{SecDecisions, SecGates},
		Len: func(in Input) int { return len(in.Overview.Decisions) },
		Key: func(in Input, i int) string { return decisionKey(in.Overview.Decisions[i].Index) },
		Text: func(in Input, i int) string {
			d := &in.Overview.Decisions[i]
			return strings.Join([]string{d.Verdict, refusedGates(in.Overview.Gates, d), d.UnitLabel, d.Action, wire.Means(d.Action), d.ActorName,
				decisionReason(d)}, " ")
		},
		Target: func(in Input, i int) Target {
			d := &in.Overview.Decisions[i]
			return Target{Kind: DecisionTarget, Key: strconv.FormatUint(d.Index, 10), Index: d.Index}
		},
		Value:   func(in Input, i int) string { return strconv.FormatUint(in.Overview.Decisions[i].Index, 10) },
		Item:    func(in Input, i int) any { return in.Overview.Decisions[i] },
		Command: func(in Input, i int) string { return DecisionCommand(in.Overview.Decisions[i].Index) },
		Draw:    drawStream}
}

// decisionKey is the name of a decision among all rows: marks go by it, and an entry of the log may have the same number.
func decisionKey(index uint64) string { return "decision " + strconv.FormatUint(index, 10) }

// decisionState is how a decision looks. What the gates allowed and came to nothing is no success, and nobody may take it for one.
func decisionState(th *theme.Theme, d *wire.DecisionRow) (symbol, word string, style theme.Style) {
	if d.InVain() {
		return th.Symbols.Degraded, "vain", theme.Warn
	}
	symbol, style = state(th, d.Verdict)
	return symbol, verdictWord(d.Verdict), style
}

// decisionReason is the reason's code and, where there is one, what was seen.
func decisionReason(d *wire.DecisionRow) string {
	if d.Observed == "" || d.Reason == "" {
		return d.Reason
	}
	return d.Reason + ": " + d.Observed
}

// refusedGates names the gates that refused, or says that all allowed.
func refusedGates(gates []wire.GateRow, d *wire.DecisionRow) string {
	switch {
	case d.InVain():
		return "nothing done: " + d.Reason
	case len(d.Gates) == 0:
		return "all 17"
	}
	names := make([]string, 0, len(d.Gates))
	for _, number := range d.Gates {
		name := ""
		if number >= 1 && number <= len(gates) {
			name = gates[number-1].Name
		}
		names = append(names, strings.TrimSpace(gateName(number, name)))
	}
	return strings.Join(names, " ")
}

func drawStream(in Input) []string {
	s := newSheet(in)
	decides, enforced := gateCounts(in.Overview.Gates)
	words := fmt.Sprintf("%d decide, %d enforced, allow %s deny %s", decides, enforced,
		count(in.Overview.DecisionsAllowed), count(in.Overview.DecisionsDenied))
	right, style := "LIVE", theme.Good
	switch {
	case in.Overview.Node.Profile == "replay": // no decision is in a recording of a launch
		right, style = "recorded", theme.Faint
	case in.Lost: // before a pause: nothing new can come
		right, style = "LOST", theme.Bad
	case in.Paused:
		right, style = fmt.Sprintf("PAUSED, %d new", in.NewRows), theme.Warn
	}
	if in.Full {
		s.title(8, "Decisions", words, right, style)
	} else {
		s.title(3, "Gates", words, right, style)
	}
	s.rows("no decision yet: every signed action appears here with the verdicts of all 17 gates", func(l *theme.Line,
		i int, text theme.Style) {
		streamLine(in, l, &in.Overview.Decisions[i], text)
	})
	return s.done()
}

// streamLine is one decision. What was asked is seen on every screen; which gates refused gives way before it, then the thousandths of the time.
func streamLine(in Input, l *theme.Line, d *wire.DecisionRow, text theme.Style) {
	th := in.Theme
	symbol, word, style := decisionState(th, d)
	index := "#" + strconv.FormatUint(d.Index, 10)
	if in.Width >= 100 {
		l.Cell(theme.Faint, clock(d.Time), 13)
	} else {
		l.Cell(theme.Faint, d.Time.UTC().Format("15:04:05"), 9)
	}
	l.Add(style, symbol+" ").Cell(style, word, 6)
	if in.Width < 60 {
		what := d.Action
		if len(d.Gates) > 0 {
			what = fmt.Sprintf("G%02d %s", d.Gates[0], what)
		}
		l.Add(text, theme.Clean(what))
		return
	}
	l.Cell(text, theme.Clean(refusedGates(in.Overview.Gates, d)), 23).Space(1)
	l.Cell(theme.Plain, theme.Clean(orDash(th, d.UnitLabel)), 10)
	if in.Width >= 100 {
		l.Cell(theme.Plain, theme.Clean(d.Action), 18).Cell(theme.Plain, theme.Clean(actor(d)), 16).
			Cell(theme.Faint, index, 9).Add(theme.Plain, theme.Clean(decisionReason(d)))
		return
	}
	l.Cell(theme.Plain, theme.Clean(d.Action), max(l.Left()-9, 0)).Right(theme.Faint, index, 9)
}

func verdictWord(v string) string {
	if v == wire.VerdictDeny {
		return "DENY"
	}
	return v
}

func actor(d *wire.DecisionRow) string {
	if d.ActorName != "" {
		return d.ActorName
	}
	return d.Actor
}

func orDash(th *theme.Theme, s string) string {
	if s == "" {
		return th.Symbols.Dash
	}
	return s
}

// The pane beside the stream: why the selected decision came out as it did.
func panePanel() Panel {
	return Panel{ID: Pane, View: -1, Title: "Evidence", Sections: []Section{SecDecisions}, Draw: drawPane}
}

func drawPane(in Input) []string {
	s, th := newSheet(in), in.Theme
	if len(in.Index) == 0 {
		s.title(-1, "Evidence", "", "", theme.Plain)
		return s.done()
	}
	d := &in.Overview.Decisions[in.Index[min(max(in.Cursor, 0), len(in.Index)-1)]]
	symbol, word, style := decisionState(th, d)
	s.title(-1, "Evidence", "#"+strconv.FormatUint(d.Index, 10), symbol+" "+word, style)
	for _, row := range [][2]string{{"action", strings.TrimSpace(d.Action + " " + d.UnitLabel)}, {"does", wire.Means(d.Action)}, {"actor", actor(d)},
		{"gates", refusedGates(in.Overview.Gates, d)}, {"reason", d.Reason}, {"observed", d.Observed}, {"required",
			d.Required},
		{"fix", d.Fix}} {
		if row[1] == "" {
			continue
		}
		for k, text := range theme.Wrap(theme.Clean(row[1]), max(in.Width-12, 1)) {
			label := ""
			if k == 0 {
				label = row[0]
			}
			s.next().Add(theme.Plain, " ").Cell(theme.Faint, label, 10).Add(theme.Plain, text)
			s.end()
		}
	}
	return s.done()
}
