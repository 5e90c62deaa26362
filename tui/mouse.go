package tui

import (
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
)

// wheelFrame is how long wheel steps are summed before they are drawn: one frame at 60 Hz.
const wheelFrame = 16 * time.Millisecond

// wheelRows is how far one step of the wheel goes.
const wheelRows = 3

// hit is where a panel lies on the screen, and its rows in it.
type hit struct {
	id          panel.ID
	left, right int
	top, bottom int
	rows        panel.RowsAt
	page        bool // rows of the innermost page
}

// setMouse turns the mouse on or off. Off, the terminal selects text itself.
func (m *model) setMouse(on bool) tea.Cmd {
	m.mouse = on
	if on {
		m.note(wire.LevelInfo, "mouse on: click selects, again opens, the wheel scrolls; m gives selection back to the terminal")
		return tea.EnableMouseCellMotion
	}
	m.note(wire.LevelInfo, "mouse off: the terminal's own selection works")
	return tea.DisableMouse
}

// coalesce is the program's filter: motion is dropped before it costs a redraw, and wheel steps of one frame become one.
func (m *model) coalesce(_ tea.Model, msg tea.Msg) tea.Msg {
	mouse, ok := msg.(tea.MouseMsg)
	if !ok {
		return msg
	}
	if mouse.Action == tea.MouseActionMotion {
		return nil
	}
	switch mouse.Button {
	case tea.MouseButtonWheelUp:
		m.wheel -= wheelRows
	case tea.MouseButtonWheelDown:
		m.wheel += wheelRows
	default:
		return msg
	}
	if m.wheeling {
		return nil
	}
	return msg
}

// mouseMessage takes a click or a step of the wheel.
func (m *model) mouseMessage(msg tea.MouseMsg) tea.Cmd {
	switch {
	case msg.Button == tea.MouseButtonWheelUp || msg.Button == tea.MouseButtonWheelDown:
		if m.wheeling {
			return nil
		}
		m.wheeling = true
		return tea.Tick(wheelFrame, func(time.Time) tea.Msg { return wheelMsg{} })
	case msg.Button == tea.MouseButtonLeft && msg.Action == tea.MouseActionPress:
		return m.click(msg.X, msg.Y)
	}
	return nil
}

// rolled scrolls what the wheel summed.
func (m *model) rolled() {
	m.wheeling = false
	step, times := keymap.Down, m.wheel
	if times < 0 {
		step, times = keymap.Up, -times
	}
	m.wheel = 0
	for range min(times, 200) {
		m.move(step)
	}
}

// click selects the row under the mouse; the selected one is opened.
func (m *model) click(x, y int) tea.Cmd {
	if m.typing != notTyping || m.dialog != nil || m.asking != noQuestion || m.help {
		return nil
	}
	for _, h := range m.hits {
		if x < h.left || x >= h.right || y < h.top || y >= h.bottom {
			continue
		}
		row := y - h.top - h.rows.Line
		inside := row >= 0 && row < h.rows.Count
		if h.page {
			p := m.top()
			if p == nil || !inside {
				return nil
			}
			if pos := h.rows.First + row; pos != p.cursor.pos {
				m.movePage(p, pos)
				return nil
			}
			return m.drill()
		}
		same := m.active() == h.id
		if m.view == 0 {
			m.focus = h.id
		}
		if !inside {
			return nil
		}
		if pos := h.rows.First + row; pos != m.cursors[h.id].pos || !same {
			m.moveCursor(h.id, pos)
			return nil
		}
		return m.drill()
	}
	return nil
}
