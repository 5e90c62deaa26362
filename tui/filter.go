package tui

import (
	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
)

// openFilter opens the line for a filter of rows, or on text and in the log for a search.
func (m *model) openFilter() {
	m.line.set("")
	p := m.top()
	switch {
	case m.help:
		m.note(wire.LevelInfo, "nothing to filter here")
	case p != nil && p.list != nil:
		m.typing, m.before = typingFilter, p.filter
		if p.filter != nil {
			m.line.set(p.filter.Text)
		}
	case p != nil || m.view == keymap.LogNumber:
		m.typing = typingSearch
		if m.found != nil {
			m.line.set(m.found.Text)
		}
	case m.panels[m.active()] == nil:
		m.note(wire.LevelInfo, "nothing to filter here")
	default:
		m.typing, m.before = typingFilter, m.filters[m.active()]
		if f := m.before; f != nil {
			m.line.set(f.Text)
		}
	}
}

// typeFilter takes a key while a filter or a search is typed. A filter works with each key; what is no expression yet leaves the rows as they
// are, and esc brings the filter from before back.
func (m *model) typeFilter(msg tea.KeyMsg) {
	switch msg.Type {
	case tea.KeyEsc, tea.KeyCtrlC:
		if m.typing == typingFilter {
			m.applyFilter(m.before)
		}
		m.typing = notTyping
	case tea.KeyEnter:
		f, err := panel.ParseFilter(m.line.String())
		if err != nil {
			m.note(wire.LevelWarning, describe(err))
			return
		}
		search := m.typing == typingSearch
		m.typing = notTyping
		if !search {
			m.applyFilter(f)
			return
		}
		m.found = f
		m.log.version++
		m.find(true, true)
	default:
		m.line.key(msg, panel.FilterTextMax)
		if f, err := panel.ParseFilter(m.line.String()); err == nil && m.typing == typingFilter {
			m.applyFilter(f)
		}
	}
}

// applyFilter narrows the rows that are shown: of the page on top, else of the panel that keys go to.
func (m *model) applyFilter(f *panel.Filter) {
	if p := m.top(); p != nil {
		if text(f) != text(p.filter) {
			p.filter, p.cursor = f, cursor{}
		}
		return
	}
	if id := m.active(); text(f) != text(m.filters[id]) {
		m.setFilter(id, f)
	}
}

// text is what a filter was made of, "" for none.
func text(f *panel.Filter) string {
	if f == nil {
		return ""
	}
	return f.Text
}

func (m *model) setFilter(id panel.ID, f *panel.Filter) {
	if f == nil {
		delete(m.filters, id)
	} else {
		m.filters[id] = f
	}
	m.moveCursor(id, 0)
}

// find goes to the next or previous match of the search; here counts too when stay is set.
func (m *model) find(forward, stay bool) {
	p := m.top()
	switch {
	case m.found == nil:
		m.note(wire.LevelInfo, "nothing is searched for; / on a page or in the log begins a search")
	case p != nil && p.list == nil:
		m.ready(p)
		if pos, ok := nextMatch(m.matches(p), p.offset, forward, stay); ok {
			p.offset = pos
			return
		}
		m.note(wire.LevelInfo, "not found on this page: "+m.found.Text)
	case p == nil && m.view == keymap.LogNumber:
		lines := m.logLines()
		var at []int
		for i, l := range lines {
			if m.found.Keep(l.Search()) {
				at = append(at, i)
			}
		}
		from := m.log.cursor
		if stay { // a new search looks back from the end first: the newest is what matters
			forward = false
		}
		if pos, ok := nextMatch(at, from, forward, stay); ok {
			m.log.moveTo(pos, len(lines))
			return
		}
		m.note(wire.LevelInfo, "not found in the log: "+m.found.Text)
	default:
		m.note(wire.LevelInfo, "a search works on pages of text and in the log; rows have filters")
	}
}

// nextMatch picks from rising positions; past an end it goes on at the other.
func nextMatch(at []int, from int, forward, stay bool) (int, bool) {
	if len(at) == 0 {
		return 0, false
	}
	if forward {
		for _, pos := range at {
			if pos > from || stay && pos == from {
				return pos, true
			}
		}
		return at[0], true
	}
	for i := len(at) - 1; i >= 0; i-- {
		if at[i] < from || stay && at[i] == from {
			return at[i], true
		}
	}
	return at[len(at)-1], true
}
