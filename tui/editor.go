package tui

import (
	"unicode"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// typing says what a typed line is for.
type typing uint8

const (
	notTyping typing = iota
	typingFilter
	typingSearch
	typingCommand
)

// editor is one line of text being typed.
type editor struct {
	text []rune
	at   int // cursor, in runes
}

func (e *editor) set(text string) { e.text, e.at = []rune(text), len([]rune(text)) }

func (e *editor) String() string { return string(e.text) }

// key edits the line; false when the key is none of the editor's.
func (e *editor) key(msg tea.KeyMsg, most int) bool {
	switch msg.Type {
	case tea.KeyBackspace:
		if e.at > 0 {
			e.text = append(e.text[:e.at-1], e.text[e.at:]...)
			e.at--
		}
	case tea.KeyDelete:
		if e.at < len(e.text) {
			e.text = append(e.text[:e.at], e.text[e.at+1:]...)
		}
	case tea.KeyLeft:
		e.at = max(e.at-1, 0)
	case tea.KeyRight:
		e.at = min(e.at+1, len(e.text))
	case tea.KeyHome, tea.KeyCtrlA:
		e.at = 0
	case tea.KeyEnd, tea.KeyCtrlE:
		e.at = len(e.text)
	case tea.KeyCtrlU:
		e.text, e.at = e.text[e.at:], 0
	case tea.KeyCtrlK:
		e.text = e.text[:e.at]
	case tea.KeyCtrlW:
		e.word()
	case tea.KeyRunes, tea.KeySpace:
		for _, r := range msg.Runes {
			if len(string(e.text)) >= most {
				break
			}
			if unicode.IsControl(r) { // of a paste
				r = ' '
			}
			e.text = append(e.text, 0)
			copy(e.text[e.at+1:], e.text[e.at:])
			e.text[e.at] = r
			e.at++
		}
	default:
		return false
	}
	return true
}

// word takes the word before the cursor away, with the blanks behind it.
func (e *editor) word() {
	from := e.at
	for from > 0 && unicode.IsSpace(e.text[from-1]) {
		from--
	}
	for from > 0 && !unicode.IsSpace(e.text[from-1]) {
		from--
	}
	e.text, e.at = append(e.text[:from], e.text[e.at:]...), from
}

// draw shows the line with its cursor in at most cells cells; what is being typed stays in view.
func (e *editor) draw(l *theme.Line, cells int) {
	before, after := theme.Clean(string(e.text[:e.at])), theme.Clean(string(e.text[e.at:]))
	l.Add(theme.Strong, tail(before, max(cells-1, 1))).Add(theme.Accent, "_")
	if room := cells - theme.Width(before) - 1; room > 0 && after != "" {
		l.Add(theme.Strong, after)
	}
}

// tail keeps the end of a text that is being typed.
func tail(text string, cells int) string {
	for theme.Width(text) > cells {
		_, size := firstRune(text)
		text = text[size:]
	}
	return text
}
