package panel

import (
	"fmt"
	"strconv"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// The launch panel: the twelve phases in their fixed order (SPEC section 2). With three lines or fewer they are a
// strip of symbols and the one phase that matters now; with more, one line each.
func launchPanel() Panel {
	return Panel{ID: Launch, View: 1, Title: "Launch", Sections: []Section{SecLaunch},
		Len: func(in Input) int { return wire.PhaseCount },
		Key: func(in Input, i int) string { return "phase " + strconv.Itoa(i+1) },
		Text: func(in Input, i int) string {
			p := in.Overview.Launch.Phases[i]
			return p.Name + " " + p.Title + " " + p.Status + " " + p.Reason
		},
		Target: func(in Input, i int) Target {
			return Target{Kind: PhaseTarget, Key: strconv.Itoa(i + 1), Number: i + 1}
		},
		Value:   func(in Input, i int) string { return in.Overview.Launch.Phases[i].Name },
		Item:    func(in Input, i int) any { return in.Overview.Launch.Phases[i] },
		Command: func(Input, int) string { return "nexus status" },
		Draw:    drawLaunch}
}

func drawLaunch(in Input) []string {
	s, launch := newSheet(in), &in.Overview.Launch
	done := 0
	for _, p := range launch.Phases {
		if p.Status != wire.StatusPending && p.Status != wire.StatusRunning && p.Status != "" {
			done++
		}
	}
	status := launch.Status
	if status == "" {
		status = wire.StatusPending
	}
	symbol, style := state(in.Theme, status)
	words := ""
	if launch.DurationMs > 0 {
		words = "in " + duration(launch.DurationMs)
	}
	s.title(1, fmt.Sprintf("Launch %d/%d", done, wire.PhaseCount), words, symbol+" "+status, style)
	if in.Height <= 3 {
		drawStrip(s, launch)
		return s.done()
	}
	s.rows("", func(l *theme.Line, i int, text theme.Style) { phaseLine(in.Theme, l, &launch.Phases[i], i+1, text) })
	if in.Full && s.left() > 2 && in.Cursor < len(in.Index) {
		drawChecks(s, &launch.Phases[in.Index[max(in.Cursor, 0)]])
	}
	return s.done()
}

// phaseLine is one phase: symbol, number, name, status, duration, and either its checks or the reason.
func phaseLine(th *theme.Theme, l *theme.Line, p *wire.Phase, number int, text theme.Style) {
	status := p.Status
	if status == "" {
		status = wire.StatusPending
	}
	symbol, style := state(th, status)
	name := p.Name
	if name == "" {
		name = wire.PhaseNames()[number-1].Name
	}
	l.Add(style, symbol).Add(text, fmt.Sprintf(" %02d ", number)).Cell(text, name, 15).Cell(style, status, 9)
	took := ""
	switch {
	case p.DurationMs > 0:
		took = duration(p.DurationMs)
	case status == wire.StatusPassed:
		took = "< 1 ms"
	}
	l.Right(theme.Faint, took, 9).Space(2)
	if p.Reason != "" {
		l.Add(theme.Plain, theme.Clean(p.Reason))
	} else if n := len(p.Checks); n > 0 {
		l.Add(theme.Faint, plural(n, "check"))
	}
}

// drawStrip is the launch in one or two lines.
func drawStrip(s *sheet, launch *wire.Launch) {
	in, th := s.in, s.in.Theme
	l := s.next()
	compact := in.Width < 50+18
	for i, p := range launch.Phases {
		symbol, style := state(th, p.Status)
		l.Add(theme.Plain, " ").Add(style, symbol)
		if !compact {
			l.Add(theme.Plain, fmt.Sprintf("%02d", i+1))
		}
	}
	number := Notable(launch)
	if in.Focus && in.Cursor < len(in.Index) {
		number = in.Index[max(in.Cursor, 0)] + 1
	}
	if compact {
		s.end()
		l = s.next().Space(1)
	} else {
		l.Space(2)
	}
	if number > 0 {
		p := &launch.Phases[number-1]
		_, style := state(th, p.Status)
		words := p.Reason
		if words == "" && p.DurationMs > 0 {
			words = duration(p.DurationMs)
		}
		l.Add(theme.Strong, fmt.Sprintf("%02d %s ", number, p.Name)).Add(style, p.Status).Add(theme.Plain,
			" "+theme.Clean(words))
	}
	s.end()
}

// Notable picks the phase worth a word: the first failed, else the running one, else the first that is not passed;
// 0 when there is none.
func Notable(launch *wire.Launch) int {
	for _, want := range []string{wire.StatusFailed, wire.StatusRunning, wire.StatusDegraded, wire.StatusSkipped} {
		for i, p := range launch.Phases {
			if p.Status == want {
				return i + 1
			}
		}
	}
	return 0
}

func drawChecks(s *sheet, p *wire.Phase) {
	s.in.Marked, s.in.Filter, s.in.MarkedOnly = nil, "", "" // of the phases above
	s.title(-1, checksWords(p.Checks)+" of "+p.Name, p.Title, "", theme.Plain)
	if len(p.Checks) == 0 {
		s.next().Add(theme.Faint, "   none yet")
		s.end()
	}
	for _, i := range worstFirst(p.Checks) {
		checkLine(s.in.Theme, s.next().Space(3), &p.Checks[i])
		s.end()
	}
}

// checkLine is one check: symbol, name, value against limit, detail and remedy.
func checkLine(th *theme.Theme, l *theme.Line, c *wire.Check) {
	symbol, style := state(th, c.Status)
	l.Add(style, symbol+" ").Cell(theme.Plain, theme.Clean(c.Name), 26).Cell(style, c.Status, 9)
	if figure := c.Figure(); figure != "" {
		l.Add(theme.Plain, theme.Clean(figure)+"  ")
	}
	l.Add(theme.Faint, theme.Clean(c.Detail))
	if c.Remedy != "" {
		l.Add(theme.Warn, "  fix: "+theme.Clean(c.Remedy))
	}
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
