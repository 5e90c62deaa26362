package panel

import (
	"strconv"

	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// The messages panel: what the node alerts to, what this console had to say, and the command behind every act, so that
// a line that flashed by is never lost.
func messagesPanel() Panel {
	return Panel{ID: Messages, View: 9, Title: "Messages", Sections: []Section{SecAlerts, SecLocal},
		Len:  func(in Input) int { return len(in.Local) + len(in.Overview.Alerts) },
		Key:  func(in Input, i int) string { n, _ := noteAt(in, i); return n.Time + n.Level + n.Text },
		Text: func(in Input, i int) string { n, _ := noteAt(in, i); return n.Level + " " + n.Text },
		Target: func(in Input, i int) Target {
			n, index := noteAt(in, i)
			if index > 0 {
				return Target{Kind: DecisionTarget, Key: strconv.FormatUint(index, 10), Index: index}
			}
			return Target{Kind: TextTarget, Text: n.Time + " " + n.Level + " " + n.Text}
		},
		Value:   func(in Input, i int) string { n, _ := noteAt(in, i); return n.Text },
		Item:    func(in Input, i int) any { n, _ := noteAt(in, i); return n },
		Command: messageCommand,
		Draw:    drawMessages}
}

// messageCommand is the command line of a row: the one it is, or the one that shows its decision.
func messageCommand(in Input, i int) string {
	n, index := noteAt(in, i)
	switch {
	case n.Level == "command":
		return n.Text
	case index > 0:
		return DecisionCommand(index)
	}
	return ""
}

// noteAt gives the row and, for an alert, the decision it comes from. The console's own lines come first.
func noteAt(in Input, i int) (Note, uint64) {
	if i < len(in.Local) {
		return in.Local[i], 0
	}
	a := &in.Overview.Alerts[i-len(in.Local)]
	text := a.Text
	if a.Unit != "" {
		text = a.Unit + ": " + text
	}
	if a.Fix != "" {
		text += "; fix: " + a.Fix
	}
	return Note{Time: a.Time.UTC().Format("15:04:05"), Level: a.Level, Text: text}, a.Index
}

func drawMessages(in Input) []string {
	s, th := newSheet(in), in.Theme
	s.title(9, "Messages", "and commands", plural(len(in.Overview.Alerts), "alert"), theme.Plain)
	s.rows("nothing to report: alerts of the node and the commands behind your acts appear here", func(l *theme.Line,
		i int, text theme.Style) {
		n, _ := noteAt(in, i)
		symbol, style := state(th, n.Level)
		if n.Level == "command" {
			symbol, style = "$", theme.Accent
		}
		l.Cell(theme.Faint, n.Time, 9).Add(style, symbol+" ").Cell(style, n.Level, 9).Add(text, theme.Clean(n.Text))
	})
	return s.done()
}
