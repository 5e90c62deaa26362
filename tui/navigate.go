package tui

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	stdslices "slices"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
)

// place is somewhere the user was: a view and what was open on it.
type place struct {
	view  int
	pages []*page
}

func viewTitle(view int) string {
	if view >= keymap.LogNumber { // they have letters
		return keymap.Views()[view]
	}
	return fmt.Sprintf("%d %s", view, keymap.Views()[view])
}

// visit remembers where we are if it is somewhere else than before.
func (m *model) visit() {
	here := place{m.view, m.pages}
	if now := m.places[m.at]; now.view == here.view && stdslices.Equal(now.pages, here.pages) {
		return
	}
	if m.places[m.at].view != m.view {
		m.previous = m.places[m.at].view
	}
	m.places = append(m.places[:m.at+1], here)
	m.places = m.places[max(len(m.places)-placesMax, 0):]
	m.at = len(m.places) - 1
}

// travel goes back or forward in what was visited.
func (m *model) travel(step int) {
	to := m.at + step
	if to < 0 || to >= len(m.places) {
		m.note(wire.LevelInfo, map[bool]string{true: "nothing before this", false: "nothing after this"}[step < 0])
		return
	}
	m.at = to
	m.view, m.pages, m.help = m.places[to].view, m.places[to].pages, false
}

func (m *model) goTo(view int) tea.Cmd {
	m.view, m.pages, m.help = view, nil, false
	if view == keymap.LogNumber {
		return m.openLog()
	}
	if view == keymap.HomeNumber {
		return m.askHome()
	}
	return nil
}

// back closes the innermost thing: help, page, filter, search, then the view.
func (m *model) back() tea.Cmd {
	id := m.active()
	p := m.top()
	switch {
	case m.help:
		m.help = false
	case p != nil && p.filter != nil:
		p.filter = nil
	case p != nil && m.found != nil && p.list == nil:
		m.found = nil
	case p != nil:
		m.pop()
	case m.view == keymap.LogNumber && m.found != nil:
		m.found = nil
		m.log.version++
	case m.markedOnly:
		m.markedOnly = false
	case m.filters[id] != nil:
		m.setFilter(id, nil)
	case len(m.marked) > 0:
		m.marked = map[string]bool{}
	case m.view != m.base():
		return m.goTo(m.base())
	case m.view == keymap.HomeNumber:
		m.note(wire.LevelInfo, fmt.Sprintf("this is your home; %s shows the whole node, %s leaves", m.keys.Key(keymap.View), m.keys.Key(keymap.Quit)))
	}
	return nil
}

// base is where the last esc leads: the overview, or for whoever operates nothing the home.
func (m *model) base() int {
	if m.arrived && !operates(m.shown) {
		return keymap.HomeNumber
	}
	return 0
}

func (m *model) stepFocus(forward bool) tea.Cmd {
	if m.help {
		return nil
	}
	if m.top() != nil || m.view != 0 {
		return m.stepTab(forward)
	}
	order := focusOrder(classOf(m.width, m.height))
	for i, id := range order {
		if id == m.focus {
			step := len(order) - 1
			if forward {
				step = 1
			}
			m.focus = order[(i+step)%len(order)]
			return nil
		}
	}
	m.focus = order[0]
	return nil
}

// stepTab goes to the next or previous tab: of a unit's page, or of the audit view.
func (m *model) stepTab(forward bool) tea.Cmd {
	step := -1
	if forward {
		step = 1
	}
	p := m.top()
	if p != nil && p.target.Kind == panel.UnitTarget {
		n := len(m.pageTabs(p))
		p.tab, p.offset = (p.tab+step+n)%n, 0
		return nil
	}
	if m.view != auditView {
		return nil
	}
	tabs := []panel.Kind{panel.NoTarget, panel.ChainTarget, panel.FindingsTarget}
	at := 0
	switch {
	case len(m.pages) > 1:
		return nil
	case p != nil:
		if at = stdslices.Index(tabs, p.target.Kind); at < 1 {
			return nil
		}
		m.pop()
	}
	next := tabs[(at+step+len(tabs))%len(tabs)]
	if next == panel.NoTarget {
		return nil
	}
	return m.openTarget(panel.Target{Kind: next})
}

// auditView and unitsView are views that keys know of.
const (
	unitsView = 6
	auditView = 8
)

// zoom gives the focused panel the screen, or goes back to the overview.
func (m *model) zoom() {
	if m.view != 0 {
		m.goTo(0)
		return
	}
	if p := m.panels[m.focus]; p != nil && p.View > 0 {
		m.goTo(p.View)
	}
}

// move scrolls what has the keys: help, page, log or the active panel.
func (m *model) move(a keymap.Action) {
	pageRows := max(m.bodyHeight()-2, 1)
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
	p := m.top()
	switch {
	case m.help:
		m.helpOffset = target(m.helpOffset, max(len(m.helpLines())-m.bodyHeight()+1, 0))
	case p != nil && p.list != nil:
		m.movePage(p, target(p.cursor.pos, len(p.index)-1))
	case p != nil:
		p.offset = target(p.offset, max(len(p.lines)-m.bodyHeight()+1, 0))
	case m.view == keymap.LogNumber:
		m.log.moveTo(target(m.log.cursor, len(m.logLines())-1), len(m.logLines()))
	default:
		id := m.active()
		m.moveCursor(id, target(m.cursors[id].pos, len(m.index(id))-1))
	}
}

func (m *model) movePage(p *page, pos int) {
	p.cursor.pos = max(min(pos, len(p.index)-1), 0)
	p.cursor.key = ""
	if len(p.index) > 0 {
		p.cursor.key = p.list.Items[p.index[p.cursor.pos]].Key
	}
}

func (m *model) pause() {
	m.paused = !m.paused
	m.versions[panel.SecDecisions]++
	m.log.version++
	if !m.paused {
		m.log.release()
		if m.waiting != nil {
			m.show(m.waiting)
		}
	}
}

// mark marks the row under the cursor, or takes the mark off, and goes on to the next.
func (m *model) mark() {
	key, ok := m.rowKey()
	switch {
	case !ok:
		m.note(wire.LevelInfo, "there is no row to mark here")
		return
	case m.marked[key]:
		delete(m.marked, key)
	case len(m.marked) >= marksMax:
		m.note(wire.LevelWarning, fmt.Sprintf("%d rows are marked; more are not kept", marksMax))
	default:
		m.marked[key] = true
	}
	m.versions[panel.SecLocal]++
	m.touchMarks()
	m.move(keymap.Down)
}

// touchMarks has panels drawn again: marks are part of no section.
func (m *model) touchMarks() {
	for i := range m.cache {
		m.cache[i].lines = nil
	}
}

// rowKey is the key of the row under the cursor.
func (m *model) rowKey() (string, bool) {
	if p := m.top(); p != nil {
		if p.list == nil || len(p.index) == 0 {
			return "", false
		}
		return p.list.Items[p.index[p.cursor.pos]].Key, true
	}
	id := m.active()
	index := m.index(id)
	if len(index) == 0 {
		return "", false
	}
	return m.panels[id].Key(m.source(id), index[min(m.cursors[id].pos, len(index)-1)]), true
}

// savedView is a view with its filter and order, kept under a name.
type savedView struct {
	Name   string `json:"name"`
	View   int    `json:"view"`
	Filter string `json:"filter,omitempty"`
	Sort   int    `json:"sort,omitempty"`
}

// savedMost bounds how many are kept.
const savedMost = 50

func viewsFile(dir string) string { return filepath.Join(dir, "views.json") }

// loadViews reads the saved views; a file that is not there or broken gives none.
func loadViews(dir string) []savedView {
	if dir == "" {
		return nil
	}
	b, err := os.ReadFile(viewsFile(dir))
	if err != nil || len(b) > 1<<20 {
		return nil
	}
	var all, out []savedView
	if json.Unmarshal(b, &all) != nil {
		return nil
	}
	for _, v := range all[:min(len(all), savedMost)] {
		if v.View >= 0 && v.View < keymap.ViewCount && v.Name != "" {
			out = append(out, v)
		}
	}
	return out
}

// ownWords are the words after view that are no names.
func ownWords() []string { return []string{"save", "delete", "list"} }

// saveView keeps the present view under a name; with remove it forgets the name. What another console of this user saved meanwhile stays.
func (m *model) saveView(name string, remove bool) {
	if !remove && stdslices.Contains(ownWords(), name) {
		m.note(wire.LevelWarning, name+" is a word of the command itself; choose another name")
		return
	}
	if m.options.StateDir != "" {
		m.saved = loadViews(m.options.StateDir)
	}
	kept := stdslices.DeleteFunc(stdslices.Clone(m.saved), func(v savedView) bool { return v.Name == name })
	words := fmt.Sprintf("view %s is forgotten", name)
	switch {
	case remove && len(kept) == len(m.saved):
		m.note(wire.LevelWarning, fmt.Sprintf("no view is called %s", name))
		return
	case !remove && len(kept) >= savedMost:
		m.note(wire.LevelWarning, fmt.Sprintf("%d views are saved; forget one first: view delete NAME", savedMost))
		return
	case !remove:
		v := savedView{Name: name, View: m.view, Sort: m.sorts[m.active()]}
		if f := m.filters[m.active()]; f != nil {
			v.Filter = f.Text
		}
		kept = append(kept, v)
		words = fmt.Sprintf("view %s is saved; :view %s comes back to it", name, name)
	}
	m.saved = kept
	if m.options.StateDir == "" {
		m.note(wire.LevelInfo, words+", until this session ends")
		return
	}
	b, err := json.Marshal(kept)
	if err == nil {
		err = writeWhole(viewsFile(m.options.StateDir), b)
	}
	if err != nil {
		m.note(wire.LevelWarning, "not kept: "+err.Error())
		return
	}
	m.note(wire.LevelInfo, words)
}

// writeWhole replaces a file at once.
func writeWhole(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// openView goes to a saved view.
func (m *model) openView(name string) tea.Cmd {
	for _, v := range m.saved {
		if v.Name != name {
			continue
		}
		cmd := m.goTo(v.View)
		id := m.active()
		m.sorts[id] = v.Sort
		f, err := panel.ParseFilter(v.Filter)
		if err == nil {
			m.setFilter(id, f)
		}
		return cmd
	}
	m.note(wire.LevelWarning, fmt.Sprintf("no view is called %s; :view list has those that are saved, :view save NAME keeps one", name))
	return nil
}

// listViews offers the saved views, or says how one is made where there is none.
func (m *model) listViews() tea.Cmd {
	if m.options.StateDir != "" {
		m.saved = loadViews(m.options.StateDir)
	}
	if len(m.saved) == 0 {
		m.note(wire.LevelInfo, "no view is saved; :view save NAME keeps this one, its filter and order")
		return nil
	}
	return m.openPalette("view ")
}
