package tui

import (
	"fmt"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// alertLine shows, in this order: a lost node, the answer to the last key, the newest alert not yet dismissed.
func (m *model) alertLine() string {
	th := m.theme()
	l := th.NewLine(m.width).Space(1)
	switch {
	case m.lost:
		l.Add(theme.Bad, th.Symbols.Alert+" node lost at "+m.lostAt.UTC().Format("15:04:05")+", reconnecting")
		if m.cause != nil {
			l.Add(theme.Faint, "  "+theme.Clean(describe(m.cause)))
		}
	case m.flash != "":
		_, style := levelStyle(m.flashLevel)
		l.Add(style, theme.Clean(m.flash))
	default:
		a := m.alert()
		if a == nil {
			return ""
		}
		symbol, style := levelStyle(a.Level)
		l.Add(style, symbol+" ")
		if a.Unit != "" {
			l.Add(theme.Plain, theme.Clean(a.Unit)+": ")
		}
		l.Add(style, theme.Clean(a.Text))
		if a.Fix != "" {
			l.Add(theme.Faint, "  fix: "+theme.Clean(a.Fix))
		}
	}
	return l.String()
}

// alert is the newest one after the last dismissal.
func (m *model) alert() *wire.Alert {
	for i := range m.shown.Alerts {
		if m.shown.Alerts[i].Time.After(m.dismissed) {
			return &m.shown.Alerts[i]
		}
	}
	return nil
}

func levelStyle(level string) (string, theme.Style) {
	switch level {
	case wire.LevelCritical:
		return "!!", theme.Bad
	case wire.LevelWarning:
		return "!", theme.Warn
	default:
		return "i", theme.Info
	}
}

// footer is the filter line while it is open, else the keys of the view. The compact layout has no alert line, so an
// alert takes the footer.
func (m *model) footer(class size) string {
	th := m.theme()
	l := th.NewLine(m.width).Space(1)
	if m.typing {
		text := theme.Clean(string(m.typed))
		l.Add(theme.Accent, "/").Add(theme.Strong, tail(text, max(l.Left()-30, 1))).Add(theme.Accent, "_")
		if m.flash != "" {
			return l.Add(theme.Warn, "  "+theme.Clean(m.flash)).String()
		}
		return l.Add(theme.Faint, "  regex, ! inverts, enter keeps").String()
	}
	if class == compact && (m.lost || m.flash != "" || m.alert() != nil) {
		return m.alertLine()
	}
	for _, h := range m.keys.Hints(m.view) {
		if l.Left() < len(h[0])+len(h[1])+3 {
			return l.String()
		}
		l.Add(theme.Accent, h[0]).Add(theme.Faint, " "+h[1]+"  ")
	}
	if views := fmt.Sprintf("0-9 views  %s copy command", m.keys.Key(keymap.Copy)); l.Left() > len(views) {
		l.Add(theme.Faint, views)
	}
	return l.String()
}

// tail keeps the end of a text that is being typed.
func tail(text string, cells int) string {
	for theme.Width(text) > cells {
		_, size := firstRune(text)
		text = text[size:]
	}
	return text
}
