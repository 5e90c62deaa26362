package tui

import (
	"context"
	"fmt"
	stdslices "slices"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// welcome opens the home for whoever is no operator, with the first picture, unless a key was pressed already.
func (m *model) welcome(o *wire.Overview) {
	if operates(o) || m.view != 0 || len(m.places) > 1 || m.top() != nil || m.typing != notTyping || m.help {
		return
	}
	m.view = keymap.HomeNumber
	m.places[0].view = keymap.HomeNumber
	if waits := m.draft(); waits != "" && !m.readOnly() {
		m.flash, m.flashLevel = m.keys.Key(keymap.Guide)+" goes on with "+waits, wire.LevelInfo
	}
}

// compare says once that the node is of another version than this console: after an upgrade the one may be newer than the other.
func (m *model) compare(node string) {
	own := m.options.Version
	if own == "" || node == "" || node == own || node == m.compared {
		return
	}
	m.compared = node
	m.note(wire.LevelInfo, fmt.Sprintf("this console is version %s, the node runs %s: they work together; what one does not know it refuses by name",
		theme.Clean(own), theme.Clean(node)))
}

// operates reports whether an identity is more than a creator, or nobody that the node knows.
func operates(o *wire.Overview) bool {
	return len(o.Identity.Roles) == 0 || stdslices.ContainsFunc(o.Identity.Roles, func(r string) bool { return r != "creator" })
}

// draft says what half-finished creation waits, "" for none.
func (m *model) draft() string {
	if m.options.Draft == nil {
		return ""
	}
	return theme.Clean(m.options.Draft())
}

// askHome asks the node what belongs to this identity. One question is under way at most.
func (m *model) askHome() tea.Cmd {
	if m.homeAsking {
		return nil
	}
	m.homeAsking, m.homeAsked = true, m.options.now()
	backend, session := m.options.Backend, m.ctx
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(session, callTimeout)
		defer cancel()
		home, err := backend.Home(ctx)
		return homeMsg{home: home, err: err}
	}
}

// refreshHome asks again while the home is shown, at most once a second and only when a picture came.
func (m *model) refreshHome() tea.Cmd {
	if m.view != keymap.HomeNumber || m.paused || m.lost || m.options.now().Sub(m.homeAsked) < refreshEvery {
		return nil
	}
	return m.askHome()
}

func (m *model) homeCame(msg homeMsg) {
	m.homeAsking = false
	if msg.err != nil {
		m.note(wire.LevelWarning, "home: "+describe(msg.err))
		return
	}
	m.home = &msg.home
	m.versions[panel.SecHome]++
	m.changes++
	m.followCursor(panel.Home)
	m.startHome()
}

// startHome puts a cursor that nobody moved yet on the first row below the sums: what waits for the owner's word.
func (m *model) startHome() {
	c := &m.cursors[panel.Home]
	if c.key != "" {
		return
	}
	rows, index := m.homeRows(), m.index(panel.Home)
	for c.pos = 0; c.pos < len(index)-1 && rows[index[c.pos]].Total != nil; c.pos++ {
	}
}

// homeRows are the rows of the home, laid out once for each answer of the node.
func (m *model) homeRows() []panel.HomeRow {
	if v := m.versions[panel.SecHome]; m.laidOut == nil || m.laidOutOf != m.home || m.laidOutAt != v {
		m.laidOut, m.laidOutOf, m.laidOutAt = panel.HomeRows(m.home), m.home, v
	}
	return m.laidOut
}

// homeRow is the row of the home under the cursor.
func (m *model) homeRow() (panel.HomeRow, bool) {
	index := m.index(panel.Home)
	if m.view != keymap.HomeNumber || m.top() != nil || len(index) == 0 {
		return panel.HomeRow{}, false
	}
	return m.homeRows()[index[min(m.cursors[panel.Home].pos, len(index)-1)]], true
}

// homeUnits is the unit of the row under the cursor.
func (m *model) homeUnits() []*wire.UnitRow {
	row, ok := m.homeRow()
	if !ok {
		return nil
	}
	for i := range m.home.Units {
		if m.home.Units[i].Label == row.Label() {
			return []*wire.UnitRow{&m.home.Units[i]}
		}
	}
	return nil
}

// homeAct does what one key does for the row under the cursor. All of it is a verb of the command line.
func (m *model) homeAct(a keymap.Action) tea.Cmd {
	row, _ := m.homeRow()
	switch {
	case a == keymap.Grant && row.Proposal != nil:
		return m.perform([]string{"approvals", "grant", row.Proposal.ID})
	case a == keymap.Refuse && row.Proposal != nil:
		return m.perform([]string{"approvals", "refuse", row.Proposal.ID})
	case a == keymap.Refuse && row.Waiting != nil && row.Waiting.Mine:
		return m.perform([]string{"approvals", "withdraw", row.Waiting.ID})
	case (a == keymap.Grant || a == keymap.Refuse) && row.Waiting != nil:
		m.note(wire.LevelInfo, "you have signed it; it waits for "+theme.Clean(row.Waiting.WaitsFor()))
		return nil
	case a == keymap.Grant || a == keymap.Refuse:
		m.note(wire.LevelInfo, "put the cursor on a row that says decide")
		return nil
	case a == keymap.Seen && row.More > 0:
		return m.perform([]string{"notices", "read"})
	case a == keymap.Seen && row.Notice != nil:
		return m.perform([]string{"notices", "read", fmt.Sprint(row.Notice.ID)})
	case a == keymap.Seen:
		m.note(wire.LevelInfo, "put the cursor on a row that says notice")
		return nil
	}
	us := m.units()
	if len(us) == 0 {
		m.note(wire.LevelInfo, "no unit is selected")
		return nil
	}
	if a == keymap.Exit {
		line := "imvu exit --imvu-id " + us[0].Label
		if m.options.Hosted { // over SSH no file can be written here: it is announced, and the bundle fetched by a command of its own
			line += " --announce"
		}
		return m.openPalette(line)
	}
	return m.perform([]string{"revenue", "statement", "--unit", us[0].Label, "--month", m.options.now().UTC().Format("2006-01"), "--draft"})
}

// nextAtHome says what is worth doing for the row under the cursor.
func (m *model) nextAtHome() string {
	key := func(a keymap.Action) string { return m.keys.Key(a) }
	row, ok := m.homeRow()
	switch {
	case m.home == nil:
		return "asking the node what is yours"
	case !ok:
		if m.readOnly() {
			return m.readOnlyReason() + "; " + key(keymap.View) + " shows the whole node"
		}
		if waits := m.draft(); waits != "" {
			return key(keymap.Guide) + " goes on with " + waits
		}
		return key(keymap.Guide) + " guides you to your first unit; " + key(keymap.View) + " shows the whole node"
	case row.Total != nil:
		return "enter: what it is made of, unit by unit; a unit's row leads on to its entries and their proofs"
	case m.readOnly() && (row.Proposal != nil || row.Notice != nil):
		return "enter shows it; deciding is off: " + m.readOnlyReason()
	case row.More > 0:
		return "enter lists all notices; " + key(keymap.Seen) + " shows those not read and marks them so"
	case row.Exit != nil:
		return "enter shows it live, and the command that takes it with you"
	case m.readOnly() && row.Tally != nil:
		return "enter: what it is made of, down to the proof; " + key(keymap.Month) + " statement"
	case m.readOnly():
		return "enter opens the unit, " + key(keymap.Month) + " its statement; changing it is off: " + m.readOnlyReason()
	case row.Proposal != nil:
		return fmt.Sprintf("enter shows the change, %s approves, %s refuses; silence until %s refuses too", key(keymap.Grant), key(keymap.Refuse),
			row.Proposal.Expires.UTC().Format("Jan 2 15:04Z"))
	case row.Waiting != nil:
		words := fmt.Sprintf("enter shows the change and who signed; without %s until %s it is refused", theme.Clean(row.Waiting.WaitsFor()),
			row.Waiting.Expires.UTC().Format("Jan 2 15:04Z"))
		if row.Waiting.Mine && !m.readOnly() {
			words += "; " + key(keymap.Refuse) + " takes it back"
		}
		return words
	case row.Others > 0:
		return "enter lists all proposals that wait"
	case row.Notice != nil:
		return "enter shows the notice and its decision, " + key(keymap.Seen) + " marks it read"
	case row.Tally != nil:
		return fmt.Sprintf("enter: its entries and proof; %s statement, %s scale, %s exit unit", key(keymap.Month), key(keymap.Scale), key(keymap.Exit))
	}
	if len(m.home.Money) == 0 {
		return fmt.Sprintf("it earns what a source reports, %srevenue sources lists them; enter opens it; %s scale, %s exit unit, %s suspends",
			key(keymap.Palette), key(keymap.Scale), key(keymap.Exit), key(keymap.Standing))
	}
	return fmt.Sprintf("enter opens the unit; %s scale, %s exit unit, %s suspends", key(keymap.Scale), key(keymap.Exit), key(keymap.Standing))
}

// homeHints are the keys of the home, most useful first; a session that is read-only is offered none that changes something.
func (m *model) homeHints() [][2]string {
	out := [][2]string{}
	row, any := m.homeRow()
	unit := len(m.homeUnits()) > 0
	for _, h := range []struct {
		action keymap.Action
		word   string
		useful bool // for the row under the cursor
	}{{keymap.Drill, "open", any}, {keymap.Grant, "approve", row.Proposal != nil}, {keymap.Refuse, "refuse", row.Proposal != nil},
		{keymap.Refuse, "take back", row.Waiting != nil && row.Waiting.Mine},
		{keymap.Seen, "mark read", row.Notice != nil || row.More > 0}, {keymap.Guide, "new unit", true}, {keymap.Month, "statement", unit},
		{keymap.Scale, "scale", unit}, {keymap.Exit, "exit unit", unit}, {keymap.Help, "help", true}, {keymap.View, "the node", true},
		{keymap.Palette, "command", true}, {keymap.Filter, "filter", any}, {keymap.Value, "copy", any}, {keymap.Verify, "verify", any},
		{keymap.Quit, "quit", true}} {
		if h.useful && (!m.readOnly() || !m.keys.Changes(h.action)) {
			out = append(out, [2]string{m.keys.Key(h.action), h.word})
		}
	}
	return out
}
