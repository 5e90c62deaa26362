package tui

import (
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// Update implements tea.Model. It never blocks: whatever asks the node is a command.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = min(max(msg.Width, 0), sizeMost), min(max(msg.Height, 0), sizeMost)
		m.writer.cells.Store(int64(m.width * m.height))
		m.keepFocus()
	case pictureMsg:
		m.accept(msg)
	case minuteMsg:
		m.minute = clockText(m.options.now())
		return m, m.nextMinute()
	case evidenceMsg:
		m.evidence(msg)
	case actMsg:
		if msg.err != nil {
			m.note(wire.LevelCritical, describe(msg.err))
		} else {
			m.note(wire.LevelInfo, msg.done)
		}
	case stoppedMsg:
		return m, m.stopped(msg.err)
	case tea.KeyMsg:
		return m, m.keyMessage(msg)
	}
	return m, nil
}

// keyMessage takes apart what one read brought: fast typing and slow links deliver several keys as one message. A
// paste is
// text and never commands.
func (m *model) keyMessage(msg tea.KeyMsg) tea.Cmd {
	if msg.Type != tea.KeyRunes || m.typing && msg.Paste {
		return m.key(msg)
	}
	if msg.Paste {
		m.note(wire.LevelInfo, "a paste is no command; / takes text")
		return nil
	}
	var cmds []tea.Cmd
	for _, r := range msg.Runes {
		if cmd := m.key(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: msg.Alt}); cmd != nil {
			cmds = append(cmds, cmd)
		}
	}
	if len(cmds) == 1 {
		return cmds[0]
	}
	return tea.Batch(cmds...)
}

// keepFocus moves the focus to a panel that is on the screen.
func (m *model) keepFocus() {
	order := focusOrder(classOf(m.width, m.height))
	for _, id := range order {
		if id == m.focus {
			return
		}
	}
	m.focus = order[0]
}

func (m *model) key(msg tea.KeyMsg) tea.Cmd {
	m.flash = ""
	switch {
	case m.asking == stopping:
		if msg.String() == "ctrl+c" {
			return m.leave(QuitDetach)
		}
		return nil
	case m.asking == quitQuestion:
		return m.answer(msg.String())
	case m.typing:
		m.typeFilter(msg)
		return nil
	}
	b, ok, elsewhere := m.keys.Find(msg.String(), m.view)
	switch {
	case ok && b.Changes && m.options.readOnly():
		m.note(wire.LevelWarning, b.Keys[0]+" is off: "+readOnlyReason(m.options))
		return nil
	case ok:
		return m.act(b)
	case elsewhere != nil:
		m.note(wire.LevelInfo, fmt.Sprintf("%s works in %s: %s", elsewhere.Keys[0], viewNames(elsewhere.Views),
			elsewhere.Help))
	}
	return nil
}

func readOnlyReason(o Options) string {
	if o.Backend.Identity().ReadOnly {
		return "no identity to sign with; give --identity"
	}
	return "this session is read-only"
}

func viewNames(views []int) string {
	var names []string
	for _, v := range views {
		names = append(names, fmt.Sprintf("%d %s", v, keymap.Views()[v]))
	}
	return strings.Join(names, ", ")
}

// act does what a key means.
func (m *model) act(b keymap.Binding) tea.Cmd {
	switch b.Action {
	case keymap.Help:
		m.help, m.helpOffset = !m.help, 0
	case keymap.Filter:
		m.openFilter()
	case keymap.Drill:
		return m.drill()
	case keymap.Back:
		m.back()
	case keymap.Next, keymap.Previous:
		m.stepFocus(b.Action == keymap.Next)
	case keymap.Up, keymap.Down, keymap.PageUp, keymap.PageDown, keymap.Top, keymap.Bottom:
		m.move(b.Action)
	case keymap.View:
		m.goTo(b.Number)
	case keymap.Last:
		if n := len(m.history); n > 0 {
			last := m.history[n-1]
			m.history = m.history[:n-1]
			m.view, m.page, m.help = last, nil, false
		}
	case keymap.Pause:
		m.pause()
	case keymap.Sort:
		m.sort = (m.sort + 1) % panel.SliceSorts
	case keymap.Rerun:
		return m.rerun()
	case keymap.Copy:
		return m.copyCommand()
	case keymap.Dismiss:
		m.dismissed = m.newestAlert()
	case keymap.Redraw:
		return tea.ClearScreen
	case keymap.Quit:
		return m.askQuit(m.launching())
	case keymap.Abort:
		return m.askQuit(m.launching() && m.shown.Launch.Phases[wire.PhaseCount-1].Status != wire.StatusPassed)
	}
	return nil
}

func (m *model) goTo(view int) {
	if view == 7 {
		m.note(wire.LevelInfo, "7 media: Nexus Stream and Nexus OTT Mini are not built yet")
		return
	}
	if view != m.view {
		m.history = append(m.history, m.view)
		m.history = m.history[max(len(m.history)-historyMax, 0):]
	}
	m.view, m.page, m.help = view, nil, false
}

// back closes the innermost thing: help, page, filter, then the view.
func (m *model) back() {
	switch {
	case m.help:
		m.help = false
	case m.page != nil:
		m.page = nil
	case m.filters[m.active()] != nil:
		m.setFilter(m.active(), nil)
	case m.view != 0:
		m.goTo(0)
	}
}

func (m *model) stepFocus(forward bool) {
	if m.view != 0 || m.page != nil || m.help {
		return
	}
	order := focusOrder(classOf(m.width, m.height))
	for i, id := range order {
		if id == m.focus {
			step := len(order) - 1
			if forward {
				step = 1
			}
			m.focus = order[(i+step)%len(order)]
			return
		}
	}
	m.focus = order[0]
}

// move scrolls what has the keys: help, page or the active panel.
func (m *model) move(a keymap.Action) {
	pageRows := max(m.height-chromeHeight-2, 1)
	target := func(pos, last int) int {
		switch a {
		case keymap.Up:
			pos--
		case keymap.Down:
			pos++
		case keymap.PageUp:
			pos -= pageRows
		case keymap.PageDown:
			pos += pageRows
		case keymap.Top:
			pos = 0
		case keymap.Bottom:
			pos = last
		}
		return max(min(pos, last), 0)
	}
	switch {
	case m.help:
		m.helpOffset = target(m.helpOffset, max(len(m.helpLines())-m.bodyHeight()+1, 0))
	case m.page != nil:
		m.page.offset = target(m.page.offset, max(len(m.page.lines)-m.bodyHeight()+1, 0))
	default:
		id := m.active()
		m.moveCursor(id, target(m.cursors[id].pos, len(m.index(id))-1))
	}
}

func (m *model) pause() {
	m.paused = !m.paused
	m.versions[panel.SecDecisions]++
	if !m.paused && m.waiting != nil {
		m.show(m.waiting)
	}
}

// openFilter starts the filter line with the filter that is there.
func (m *model) openFilter() {
	if m.page != nil || m.help || m.panels[m.active()] == nil {
		m.note(wire.LevelInfo, "nothing to filter here")
		return
	}
	m.typing, m.typed = true, nil
	if f := m.filters[m.active()]; f != nil {
		m.typed = []rune(f.Text)
	}
}

func (m *model) typeFilter(msg tea.KeyMsg) {
	switch msg.Type {
	case tea.KeyEnter:
		f, err := panel.ParseFilter(string(m.typed))
		if err != nil {
			m.note(wire.LevelWarning, describe(err))
			return
		}
		m.typing = false
		m.setFilter(m.active(), f)
	case tea.KeyEsc, tea.KeyCtrlC:
		m.typing = false
	case tea.KeyBackspace:
		m.typed = m.typed[:max(len(m.typed)-1, 0)]
	case tea.KeyCtrlU:
		m.typed = nil
	case tea.KeyRunes, tea.KeySpace:
		if len(string(m.typed))+len(string(msg.Runes)) <= panel.FilterTextMax {
			m.typed = append(m.typed, msg.Runes...)
		}
	}
}

func (m *model) setFilter(id panel.ID, f *panel.Filter) {
	if f == nil {
		delete(m.filters, id)
	} else {
		m.filters[id] = f
	}
	m.moveCursor(id, 0)
}

func (m *model) newestAlert() (t time.Time) {
	for i := range m.shown.Alerts {
		if m.shown.Alerts[i].Time.After(t) {
			t = m.shown.Alerts[i].Time
		}
	}
	return t
}

// copyCommand puts the command of the page or row on the terminal's clipboard and into the messages, where it can be
// selected when the terminal has no clipboard.
func (m *model) copyCommand() tea.Cmd {
	cmd := m.command()
	if cmd == "" {
		m.note(wire.LevelInfo, "nothing to copy here; open a decision or a tally first")
		return nil
	}
	m.note("command", cmd)
	m.flash, m.flashLevel = "sent to the clipboard (also in 9 messages): "+theme.Clean(cmd), wire.LevelInfo
	return func() tea.Msg { m.copies(cmd); return nil }
}
