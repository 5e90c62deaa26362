package tui

import (
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
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
		return m, tea.Batch(m.refresh(), m.refreshHome(), m.refreshWhole())
	case minuteMsg:
		m.minute = clockText(m.options.now())
		return m, m.nextMinute()
	case evidenceMsg:
		m.evidence(msg)
	case homeMsg:
		m.homeCame(msg)
	case wholeMsg:
		m.wholeCame(msg)
	case logMsg:
		return m, m.logged(msg)
	case outcomeMsg:
		m.whole.asked = time.Time{} // what an act of this console changed is seen at once
		m.outcome(msg)
		m.visit()
	case completionMsg:
		m.completed(msg)
	case armedMsg:
		m.arms(msg)
	case wheelMsg:
		m.rolled()
	case tea.MouseMsg:
		cmd := m.mouseMessage(msg)
		m.visit()
		return m, cmd
	case actMsg:
		if msg.err != nil {
			m.note(wire.LevelCritical, describe(msg.err))
		} else if msg.done != "" {
			m.note(wire.LevelInfo, msg.done)
		}
	case stoppedMsg:
		return m, m.stopped(msg.err)
	case tea.KeyMsg:
		cmd := m.keyMessage(msg)
		m.visit()
		return m, batch(cmd, m.refreshWhole())
	}
	return m, nil
}

// batch is both commands, or the one that there is.
func batch(a, b tea.Cmd) tea.Cmd {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return tea.Batch(a, b)
}

// keyMessage takes apart what one read brought: fast typing and slow links deliver several keys as one message. A paste is
// text and never commands.
func (m *model) keyMessage(msg tea.KeyMsg) tea.Cmd {
	if msg.Type != tea.KeyRunes || msg.Paste && (m.typing != notTyping || m.dialog != nil && m.dialog.danger == keymap.Irreversible) {
		return m.key(msg)
	}
	if msg.Paste {
		m.note(wire.LevelInfo, "a paste is no command; / and : take text")
		return nil
	}
	var cmds []tea.Cmd
	if _, bound, _ := m.keys.Find(msg.String(), m.view); msg.Alt && !bound { // esc and a key typed so fast that the terminal, or a tmux on the way, joined them
		asked := m.typing != notTyping || m.dialog != nil || m.asking != noQuestion
		cmds, msg.Alt = append(cmds, m.key(tea.KeyMsg{Type: tea.KeyEsc})), false
		if asked { // what was typed was meant for what esc closed, if it was esc at all
			msg.Runes = nil
		}
	}
	for _, r := range msg.Runes {
		if cmd := m.key(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: msg.Alt}); cmd != nil {
			cmds = append(cmds, cmd)
		}
	}
	if len(cmds) == 1 {
		return cmds[0]
	}
	return tea.Batch(cmds...) // which leaves out what is nil
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
	case m.dialog != nil:
		return m.dialogKey(msg)
	case m.typing == typingCommand:
		return m.typeCommand(msg)
	case m.typing != notTyping:
		m.typeFilter(msg)
		return nil
	}
	name := msg.String()
	if name == " " {
		name = "space"
	}
	b, ok, elsewhere := m.keys.Find(name, m.view)
	switch {
	case ok && b.Changes && m.readOnly():
		m.note(wire.LevelWarning, b.Keys[0]+" is off: "+m.readOnlyReason())
		return nil
	case ok:
		return m.act(b)
	case elsewhere != nil:
		m.note(wire.LevelInfo, fmt.Sprintf("%s works in %s: %s", elsewhere.Keys[0], m.viewNames(elsewhere.Views),
			elsewhere.Help))
	}
	return nil
}

func (m *model) readOnlyReason() string {
	switch {
	case m.shown.Node.Profile == replayProfile:
		return "this is a recording"
	case m.options.Backend.Identity().ReadOnly && m.options.Hosted:
		return "no agent came along to sign with; connect with ssh -A"
	case m.options.Backend.Identity().ReadOnly:
		return "no identity to sign with; give --identity"
	case m.options.ReadOnly:
		return "this session is read-only"
	}
	return "read-only mode is on; " + m.keys.Key(keymap.ReadOnly) + " ends it"
}

// viewNames names views with the keys that lead there.
func (m *model) viewNames(views []int) string {
	var names []string
	for _, v := range views {
		if letter, ok := map[int]keymap.Action{keymap.HomeNumber: keymap.HomeView, keymap.LogNumber: keymap.LogView}[v]; ok {
			names = append(names, m.keys.Key(letter)+" "+keymap.Views()[v])
			continue
		}
		names = append(names, fmt.Sprintf("%d %s", v, keymap.Views()[v]))
	}
	return strings.Join(names, ", ")
}

// act does what a key means.
func (m *model) act(b keymap.Binding) tea.Cmd {
	switch b.Action {
	case keymap.Help:
		m.help, m.helpOffset = !m.help, 0
	case keymap.Palette:
		return m.openPalette("")
	case keymap.Filter:
		m.openFilter()
	case keymap.FindNext, keymap.FindPrev:
		m.find(b.Action == keymap.FindNext, false)
	case keymap.Drill:
		return m.drill()
	case keymap.Back:
		return m.back()
	case keymap.Older:
		m.travel(-1)
	case keymap.Newer:
		m.travel(1)
	case keymap.Next, keymap.Previous:
		return m.stepFocus(b.Action == keymap.Next)
	case keymap.Left, keymap.Right:
		return m.stepTab(b.Action == keymap.Right)
	case keymap.Up, keymap.Down, keymap.PageUp, keymap.PageDown, keymap.Top, keymap.Bottom:
		m.move(b.Action)
	case keymap.View:
		return m.goTo(b.Number)
	case keymap.LogView:
		return m.goTo(keymap.LogNumber)
	case keymap.HomeView:
		return m.goTo(keymap.HomeNumber)
	case keymap.Last:
		return m.goTo(m.previous)
	default:
		return m.actMore(b)
	}
	return nil
}

// actMore is act for keys that are not about moving.
func (m *model) actMore(b keymap.Binding) tea.Cmd {
	switch b.Action {
	case keymap.Zoom:
		m.zoom()
	case keymap.Mark:
		m.mark()
	case keymap.Marked:
		m.onlyMarked()
	case keymap.Pause:
		m.pause()
	case keymap.Follow:
		m.follow()
	case keymap.Wrap:
		m.log.wrap = !m.log.wrap
	case keymap.Level:
		m.log.level = (m.log.level + 1) % len(panel.LogLevels())
		m.log.version++
	case keymap.Sort:
		m.nextSort()
	case keymap.Rerun:
		return m.rerun()
	case keymap.Create:
		return m.openPalette("imvu create --name ")
	case keymap.Guide:
		return m.guide()
	case keymap.Scale:
		return m.scale()
	case keymap.Standing:
		return m.standing()
	case keymap.Grant, keymap.Refuse, keymap.Seen, keymap.Month, keymap.Exit:
		return m.homeAct(b.Action)
	case keymap.Undo:
		return m.undoLast()
	case keymap.Value, keymap.Row, keymap.Copy:
		return m.copyRows(b.Action)
	case keymap.Verify:
		return m.verifyNow()
	case keymap.Dismiss:
		m.dismissed = m.newestAlert()
	default:
		return m.actSession(b)
	}
	return nil
}

// actSession is act for keys that are about the console itself.
func (m *model) actSession(b keymap.Binding) tea.Cmd {
	switch b.Action {
	case keymap.Theme:
		m.nextTheme()
	case keymap.Mouse:
		return m.setMouse(!m.mouse)
	case keymap.ReadOnly:
		m.setReadOnly(!m.readOnly())
	case keymap.Redraw:
		if p := m.top(); p != nil {
			return tea.Batch(tea.ClearScreen, m.fetch(p))
		}
		return tea.ClearScreen
	case keymap.Suspend:
		if !m.options.Job {
			m.note(wire.LevelInfo, "there is no shell to go back to")
			return nil
		}
		return tea.Suspend
	case keymap.Quit:
		return m.askQuit(m.launching())
	case keymap.Abort:
		return m.askQuit(m.launching() && m.shown.Launch.Phases[wire.PhaseCount-1].Status != wire.StatusPassed)
	}
	return nil
}

// onlyMarked narrows the rows to the marked ones, or shows all again.
func (m *model) onlyMarked() {
	if len(m.marked) == 0 && !m.markedOnly {
		m.note(wire.LevelInfo, "no row is marked; space marks one")
		return
	}
	m.markedOnly = !m.markedOnly
	m.touchMarks()
	if m.markedOnly {
		m.note(wire.LevelInfo, "marked rows only; "+m.keys.Key(keymap.Marked)+" or esc shows all")
	}
}

// follow keeps the newest row under the cursor: the last line of the log, the first row elsewhere.
func (m *model) follow() {
	if m.view == keymap.LogNumber {
		m.log.follow = !m.log.follow
		return
	}
	m.moveCursor(m.active(), 0)
	if m.paused {
		m.pause()
	}
	m.note(wire.LevelInfo, "following: the newest stays on top")
}

// nextSort gives the active panel its next order.
func (m *model) nextSort() {
	id := m.active()
	p := m.panels[id]
	if p == nil || len(p.Sorts) < 2 {
		m.note(wire.LevelInfo, "these rows have one order only")
		return
	}
	m.sorts[id] = (m.sorts[id] + 1) % len(p.Sorts)
	m.note(wire.LevelInfo, p.Title+" by "+p.Sorts[m.sorts[id]])
}

func (m *model) newestAlert() (t time.Time) {
	for i := range m.shown.Alerts {
		if m.shown.Alerts[i].Time.After(t) {
			t = m.shown.Alerts[i].Time
		}
	}
	return t
}
