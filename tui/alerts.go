package tui

import (
	"fmt"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// Rows that a text above the keys may take. What a key came to is there until the next key and may take the most; an alert stands
// until it is dismissed, so it takes less of what lies above it.
const (
	flashRowsMax = 3
	alertRowsMax = 2
	bodyRowsMin  = 3 // below this the body does not give way
)

// piece is a part of a text in one style.
type piece struct {
	style theme.Style
	text  string
}

// alertText is, in this order: a lost node, the answer to the last key, the newest alert not yet dismissed, what to do next; and how
// many rows it may take.
func (m *model) alertText() (text []piece, most int) {
	th := m.theme()
	switch {
	case m.lost:
		text = []piece{{theme.Bad, th.Symbols.Alert + " node lost at " + m.lostAt.UTC().Format("15:04:05") + ", reconnecting"}}
		if m.cause != nil {
			text = append(text, piece{theme.Faint, " " + theme.Clean(describe(m.cause))})
		}
		return text, alertRowsMax
	case m.flash != "" && m.told != nil && m.told == m.top() && classOf(m.width, m.height) > compact:
		code, _, _ := strings.Cut(m.flash, ":")
		_, style := levelStyle(m.flashLevel)
		return []piece{{style, code + ": why is said above"}, {theme.Plain, " " + m.keys.Key(keymap.Palette) + " and up bring the command line back, " +
			m.keys.Key(keymap.Back) + " goes back"}}, alertRowsMax
	case m.flash != "":
		_, style := levelStyle(m.flashLevel)
		return []piece{{style, theme.Clean(m.flash)}}, flashRowsMax
	}
	a := m.alert()
	if a == nil {
		return []piece{{theme.Faint, "next:"}, {theme.Plain, m.nextStep()}}, alertRowsMax
	}
	symbol, style := levelStyle(a.Level)
	text = []piece{{style, symbol}}
	if a.Unit != "" {
		text = append(text, piece{theme.Plain, theme.Clean(a.Unit) + ":"})
	}
	text = append(text, piece{style, theme.Clean(labelled(a.Text, m.shown.Units))})
	if a.Fix != "" {
		text = append(text, piece{theme.Faint, " fix: " + theme.Clean(a.Fix)})
	}
	return text, alertRowsMax
}

// alertLines draw that text above the keys: a text that is too long for a line takes more of them from the body, so that the reason
// of a refusal is read where it is refused, and not only on a wide screen. On a compact screen an alert leaves the body its rows.
func (m *model) alertLines(class size) []string {
	text, most := m.alertText()
	switch {
	case m.typing != notTyping || m.dialog != nil || m.asking != noQuestion: // the body is needed for what is asked
		most = 1
	case class == compact && m.flash == "":
		most = 1
	}
	return flow(m.theme(), m.width, max(min(most, m.height-chromeHeight-bodyRowsMin+1), 1), text)
}

// saysAlert reports whether the compact layout gives the line of the keys to an alert: not while it asks something, because the keys
// that answer stand there.
func (m *model) saysAlert() bool {
	return m.typing == notTyping && m.dialog == nil && m.asking == noQuestion && (m.lost || m.flash != "" || m.alert() != nil)
}

// alertRows is how many rows that text takes from the body, beyond the one that the chrome keeps for it.
func (m *model) alertRows(class size) int {
	if class == tiny || class == compact && !m.saysAlert() {
		return 0
	}
	return len(m.alertLines(class)) - 1
}

// footerLines are the last lines of the screen.
func (m *model) footerLines(class size) []string {
	switch {
	case class == compact && m.saysAlert():
		return m.alertLines(class)
	case class == compact:
		return []string{m.footer()}
	}
	return append(m.alertLines(class), m.footer())
}

// flow breaks pieces between words over at most so many lines; what is left over is cut at the end of the last one.
func flow(th *theme.Theme, width, most int, text []piece) []string {
	var out []string
	l := th.NewLine(width).Space(1)
	for i, p := range text {
		words := strings.Fields(p.text)
		if i > 0 && strings.HasPrefix(p.text, " ") && l.Left() < width-1 { // one more blank sets it apart
			l.Space(1)
		}
		for k, word := range words {
			blank := 1
			if l.Left() >= width-1 {
				blank = 0
			}
			if len(out) < most-1 && theme.Width(word)+blank > l.Left() && blank > 0 {
				out = append(out, l.String())
				l, blank = th.NewLine(width).Space(1), 0
			}
			if len(out) == most-1 { // the last line: the rest as it is, cut where it ends
				word = strings.Join(words[k:], " ")
			}
			if blank > 0 {
				l.Add(p.style, " ")
			}
			l.Add(p.style, word)
			if len(out) == most-1 {
				break
			}
		}
	}
	return append(out, l.String())
}

// pinned lays a question out in so many lines: its rule, what it is about, and the answers, which are seen on every screen. What does
// not fit between them is left out, and the rule counts it.
func (m *model) pinned(title, right string, about, ask []string, height int) []string {
	about = append([]string{""}, append(about, "")...)
	room := max(height-1-len(ask), 0)
	if len(about) > room { // the blank lines first
		tight := about[:0:0]
		for _, line := range about {
			if line != "" {
				tight = append(tight, line)
			}
		}
		about = tight
	}
	if n := len(about) - room; n > 0 {
		right = "+" + plural(n, "line") + ", esc"
		about = about[:room]
	}
	lines := append(append([]string{m.rule(title, right)}, about...), ask...)
	return m.fit(lines, 0, height)
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
