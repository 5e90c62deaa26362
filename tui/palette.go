package tui

import (
	"context"
	"fmt"
	stdslices "slices"
	"sort"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// Limits of the palette.
const (
	commandMax  = 2000 // bytes of a command line
	choicesMax  = 12   // offered at once
	commandsMax = 100  // remembered
)

// guidedVerb is the verb that is guided when no flag is given, as in a shell.
const guidedVerb = "imvu create"

// choice is one offer: what the line becomes, and what it is.
type choice struct {
	line   string // the whole command line
	shown  string
	about  string
	danger keymap.Danger
	off    string // why it cannot be used, empty when it can
	usage  bool   // says how the line goes on; taking it changes nothing
}

// palette is the open command line with its offers.
type palette struct {
	choices []choice
	at      int    // -1: none is chosen
	call    uint64 // of the completion under way
	past    []string
	back    int // how far into the past; 0: not
}

// openPalette opens the command line, begun with text.
func (m *model) openPalette(text string) tea.Cmd {
	m.typing, m.help = typingCommand, false
	m.line.set(text)
	m.palette.back = 0
	return m.offer()
}

// typeCommand takes a key while a command line is typed.
func (m *model) typeCommand(msg tea.KeyMsg) tea.Cmd {
	p := &m.palette
	switch msg.Type {
	case tea.KeyEsc, tea.KeyCtrlC:
		m.typing = notTyping
	case tea.KeyEnter:
		return m.enterCommand()
	case tea.KeyTab:
		return m.takeChoice()
	case tea.KeyUp, tea.KeyShiftTab, tea.KeyCtrlP:
		if len(m.line.text) == 0 || p.back > 0 {
			return m.remember(1)
		}
		p.at = max(p.at-1, -1)
	case tea.KeyDown, tea.KeyCtrlN:
		if p.back > 0 {
			return m.remember(-1)
		}
		p.at = min(p.at+1, len(p.choices)-1)
	default:
		before := m.line.String()
		m.line.key(msg, commandMax)
		if m.line.String() != before {
			p.back = 0
			return m.offer()
		}
	}
	return nil
}

// enterCommand runs the line, or takes the chosen offer when it goes on.
func (m *model) enterCommand() tea.Cmd {
	p := &m.palette
	line := strings.TrimSpace(m.line.String())
	if p.at >= 0 && p.at < len(p.choices) && !p.choices[p.at].usage {
		c := p.choices[p.at]
		guided := m.options.Guide != nil && line == guidedVerb && strings.TrimSpace(c.line) == line
		if c.line != line && strings.HasSuffix(c.line, " ") && !guided { // it wants more
			return m.takeChoice()
		}
		line = strings.TrimSpace(c.line)
	}
	if line == "" {
		m.typing = notTyping
		return nil
	}
	if !m.begunBy(line) { // it stays to be mended
		m.note(wire.LevelWarning, fmt.Sprintf("no verb begins with %q; a few letters of one offer it, esc leaves", theme.Clean(splitWords(line)[0])))
		return nil
	}
	m.typing = notTyping
	if len(p.past) == 0 || p.past[len(p.past)-1] != line {
		p.past = append(p.past, line)
		p.past = p.past[max(len(p.past)-commandsMax, 0):]
	}
	return m.perform(splitWords(line))
}

// begunBy reports whether a line begins with a verb, of the console or of the command line. Without a command line whatever is typed is answered
// by the words that say so.
func (m *model) begunBy(line string) bool {
	words := splitWords(line)
	if len(words) > 0 && words[0] == "nexus" {
		words = words[1:]
	}
	if len(words) == 0 || m.options.Commands == nil || words[0] == "go" || words[0] == "view" {
		return true
	}
	for _, v := range ownVerbs() {
		if first, _, _ := strings.Cut(v[0], " "); first == words[0] {
			return true
		}
	}
	_, ok := verbOf(m.options.Commands.Verbs(), words)
	return ok
}

// takeChoice puts the chosen offer, or the first, on the line.
func (m *model) takeChoice() tea.Cmd {
	p := &m.palette
	if len(p.choices) == 0 {
		return nil
	}
	at := max(p.at, 0)
	if p.choices[at].usage && len(p.choices) > 1 {
		at++
	}
	m.line.set(p.choices[at].line)
	return m.offer()
}

// remember walks through the lines entered before.
func (m *model) remember(step int) tea.Cmd {
	p := &m.palette
	p.back = max(min(p.back+step, len(p.past)), 0)
	text := ""
	if p.back > 0 {
		text = p.past[len(p.past)-p.back]
	}
	back := p.back
	m.line.set(text)
	cmd := m.offer()
	p.back = back
	return cmd
}

// offer works out what the line may become: verbs by fuzzy match at once, arguments by asking the command line.
func (m *model) offer() tea.Cmd {
	p := &m.palette
	line := m.line.String()
	p.choices, p.at = nil, -1
	p.call++
	words := splitWords(line)
	if m.options.Commands != nil {
		if verb, ok := verbOf(m.options.Commands.Verbs(), words); ok && (len(words) > len(strings.Fields(verb.Path)) || strings.HasSuffix(line, " ")) {
			p.choices = []choice{{line: line, shown: strings.TrimSpace("nexus " + verb.Path + " " + verb.Args), about: verb.Short,
				danger: verb.Danger, off: m.offReason(&verb), usage: true}}
			p.at = 0
			return m.complete(line, words)
		}
	}
	type scored struct {
		choice
		score int
	}
	var all []scored
	for _, c := range m.catalogue() {
		if s := max(fuzzy(line, c.shown), fuzzy(line, c.shown+" "+c.about)-16); s >= 0 || strings.TrimSpace(line) == "" {
			if c.off != "" && strings.TrimSpace(line) != c.shown { // what cannot be used gives way to what can
				s = s/2 - 1
			}
			all = append(all, scored{c, s})
		}
	}
	blank := strings.TrimSpace(line) == ""
	sort.SliceStable(all, func(i, j int) bool {
		if on := all[i].off == ""; blank && on != (all[j].off == "") {
			return on
		}
		return all[i].score > all[j].score
	})
	for _, c := range all[:min(len(all), choicesMax)] {
		if strings.TrimSpace(line) != "" && c.score*3 < all[0].score { // letters strewn over a text are no match beside a real one
			break
		}
		p.choices = append(p.choices, c.choice)
	}
	if strings.TrimSpace(line) != "" && len(p.choices) > 0 && begins(line, p.choices[0].shown) {
		p.at = 0
	}
	return nil
}

// begins reports whether the first letter typed begins a word of a text that holds the others after it: only then enter takes an
// offer that was not chosen.
func begins(typed, text string) bool {
	if fuzzy(typed, text) < 0 {
		return false
	}
	first := strings.ToLower(string([]rune(strings.TrimSpace(typed))[:1]))
	return strings.HasPrefix(text, first) || strings.Contains(text, " "+first)
}

func (m *model) offReason(v *Verb) string {
	if v.Why == "" && v.Danger > keymap.Reads && m.readOnly() {
		return "read-only"
	}
	return v.Why
}

// complete asks the command line what may stand where the cursor is.
func (m *model) complete(line string, words []string) tea.Cmd {
	if strings.HasSuffix(line, " ") || len(words) == 0 {
		words = append(append([]string(nil), words...), "")
	}
	commands, session, call := m.options.Commands, m.ctx, m.palette.call
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(session, callTimeout)
		defer cancel()
		msg := completionMsg{call: call}
		for _, offer := range commands.Complete(ctx, words) {
			word, about, _ := strings.Cut(offer, "\t")
			whole := append(append([]string(nil), words[:len(words)-1]...), word)
			text := commandLine(whole)
			if !strings.HasSuffix(word, "=") {
				text += " "
			}
			msg.choices = append(msg.choices, choice{line: text, shown: word, about: about})
			if len(msg.choices) >= choicesMax-1 {
				break
			}
		}
		return msg
	}
}

func (m *model) completed(msg completionMsg) {
	if m.typing == typingCommand && msg.call == m.palette.call && len(m.palette.choices) > 0 {
		m.palette.choices = append(m.palette.choices[:1], msg.choices...)
	}
}

// ownVerbs are the console's own commands, which change nothing on the node.
func ownVerbs() [][2]string {
	return [][2]string{{"theme ", "look: dark, light, high-contrast, mono, or yours"}, {"mouse on", "click and wheel"},
		{"mouse off", "the terminal's own selection"},
		{"read-only on", "the node refuses every act of this session"}, {"read-only off", "asks first"}, {"view save ",
			"keep this view, its filter and order, under a name"},
		{"view delete ", "forget a saved view"}, {"view list", "the saved views"}, {"keys", "help of this view"}, {"quit", "leave the console"}}
}

// catalogue lists everything the palette can begin: views, own commands, saved views, and all verbs of the command line.
func (m *model) catalogue() []choice {
	var out []choice
	for n, title := range keymap.Views() {
		key := fmt.Sprint(n)
		if n == keymap.LogNumber {
			key = m.keys.Key(keymap.LogView)
		}
		if n == keymap.HomeNumber {
			key = m.keys.Key(keymap.HomeView)
		}
		out = append(out, choice{line: "go " + title, shown: "go " + title, about: "view; key " + key})
	}
	for _, v := range m.saved {
		out = append(out, choice{line: "view " + v.Name, shown: "view " + v.Name, about: "saved: " + viewTitle(v.View) + " " + v.Filter})
	}
	for _, v := range ownVerbs() {
		out = append(out, choice{line: v[0], shown: strings.TrimSpace(v[0]), about: v[1]})
	}
	if m.options.Commands == nil {
		return out
	}
	for _, v := range m.options.Commands.Verbs() {
		line := v.Path
		if v.Args != "" || v.Danger > keymap.Reads {
			line += " "
		}
		out = append(out, choice{line: line, shown: v.Path, about: v.Short, danger: v.Danger, off: m.offReason(&v)})
	}
	return out
}

// own does a command of the console itself; false when the words are none.
func (m *model) own(words []string) (tea.Cmd, bool) {
	arg := strings.Join(words[1:], " ")
	switch words[0] {
	case "go":
		for n, title := range keymap.Views() {
			if title == arg {
				return m.goTo(n), true
			}
		}
		m.note(wire.LevelWarning, "no view is called "+theme.Clean(arg))
	case "theme":
		o, ok := m.themeByName(arg)
		if !ok {
			m.note(wire.LevelWarning, "no theme is called "+theme.Clean(arg)+"; there are "+strings.Join(m.themeNames(), ", "))
			return nil, true
		}
		m.light = o.Light // chosen by its name, not stepped past
		m.setTheme(o)
	case "mouse":
		return m.setMouse(arg != "off"), true
	case "read-only":
		m.setReadOnly(arg != "off")
	case "view":
		return m.ownView(words[1:]), true
	case "keys":
		m.help, m.helpOffset = true, 0
	case "quit":
		return m.askQuit(m.launching()), true
	default:
		return nil, false
	}
	return nil, true
}

func (m *model) ownView(words []string) tea.Cmd {
	switch {
	case len(words) == 2 && (words[0] == "save" || words[0] == "delete"):
		m.saveView(theme.Clean(words[1]), words[0] == "delete")
	case len(words) == 0 || len(words) == 1 && words[0] == "list":
		return m.listViews()
	case len(words) == 1 && !stdslices.Contains(ownWords(), words[0]):
		return m.openView(words[0])
	default:
		m.note(wire.LevelWarning, "view NAME, view list, view save NAME or view delete NAME; a name is one word")
	}
	return nil
}

// paletteLines draw the offers, newest under the line: the body's last lines.
func (m *model) paletteLines(height int) []string {
	th, p := m.theme(), &m.palette
	n := min(len(p.choices), max(height-1, 0))
	first := 0
	if p.at >= n {
		first = p.at - n + 1
	}
	right := "tab completes, enter runs, esc leaves"
	if m.width < fullWidth {
		right = "tab, enter, esc"
	}
	lines := []string{m.rule("Command", right)}
	wide := 0
	for _, c := range p.choices[first : first+n] {
		wide = max(wide, theme.Width(theme.Clean(c.shown)))
	}
	for i, c := range p.choices[first : first+n] {
		l := th.NewLine(m.width)
		style := theme.Plain
		if first+i == p.at {
			l.Add(theme.Accent, " "+th.Symbols.Cursor+" ")
			style = theme.Strong
		} else {
			l.Space(3)
		}
		if c.off != "" {
			style = theme.Faint
		}
		l.Cell(style, theme.Clean(c.shown), min(wide, m.width/2)).Space(2)
		switch {
		case c.off != "":
			l.Add(theme.Faint, "off: "+theme.Clean(c.off))
		case leaves(c.shown): // nobody is to be frightened out of leaving (gate 13): the words that follow say that there is a way back
			l.Add(theme.Faint, theme.Clean(c.about))
		case c.danger >= keymap.Disruptive:
			l.Add(theme.Warn, c.danger.String()+"  ").Add(theme.Faint, theme.Clean(c.about))
		default:
			l.Add(theme.Faint, theme.Clean(c.about))
		}
		lines = append(lines, l.String())
	}
	return lines
}
