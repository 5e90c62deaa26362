package tui

import (
	"fmt"
	stdslices "slices"
	"strings"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// View implements tea.Model: exactly height lines, none wider than the terminal. It changes nothing but caches.
func (m *model) View() string {
	if m.height <= 0 || m.width <= 0 {
		return ""
	}
	class := classOf(m.width, m.height)
	m.hits = m.hits[:0]
	if class == tiny {
		return m.statusLine() + strings.Repeat("\n", m.height-1)
	}
	lines := make([]string, 0, m.height)
	lines = append(lines, m.header())
	if class == compact {
		lines = append(lines, m.tabs())
	}
	lines = append(lines, m.body(class)...)
	return strings.Join(append(lines, m.footerLines(class)...), "\n")
}

// bodyHeight is the number of lines between header and alert. The compact layout spends one on tabs and shows alerts in the footer's
// place.
func (m *model) bodyHeight() int {
	return max(m.height-chromeHeight-m.alertRows(classOf(m.width, m.height)), 1)
}

// statusLine is all that a terminal below the compact size shows: the state in words and the size to grow to.
func (m *model) statusLine() string {
	l := m.theme().NewLine(m.width)
	word, style := m.nodeState()
	l.Add(style, word)
	const size = " needs 40x8"
	for _, figure := range []string{fmt.Sprintf(" %d/12", phasesDone(m.shown)), fmt.Sprintf(" deny %d", m.shown.DecisionsDenied)} {
		if len(figure)+len(size) <= l.Left() { // the way out goes before figures
			l.Add(theme.Plain, figure)
		}
	}
	return l.Add(theme.Faint, size).String()
}

func phasesDone(o *wire.Overview) int {
	n := 0
	for i := range o.Launch.Phases {
		if s := o.Launch.Phases[i].Status; s != wire.StatusPending && s != wire.StatusRunning && s != "" {
			n++
		}
	}
	return n
}

// nodeState is the node's state as the header says it.
func (m *model) nodeState() (string, theme.Style) {
	switch {
	case m.lost:
		return "LOST", theme.Bad
	case !m.arrived:
		return "connecting", theme.Info
	}
	switch s := m.shown.Node.State; s {
	case wire.NodeServing:
		return s, theme.Good
	case wire.NodeFailed:
		return s, theme.Bad
	case wire.NodeDegraded, wire.NodeStopping:
		return s, theme.Warn
	default:
		return s, theme.Info
	}
}

// header names node, identity, state and rate. It changes often and is alone on its line.
func (m *model) header() string {
	th, o := m.theme(), m.shown
	l := th.NewLine(m.width)
	bar := " " + th.Symbols.Bar + " "
	l.Add(theme.Strong, "NEXUS ").Add(theme.Plain, th.Cut(theme.Clean(o.Node.Name), max(m.width/4, 8)))
	mode := "RW"
	if m.readOnly() {
		mode = "RO"
	}
	word, style := m.nodeState()
	if m.width >= fullWidth {
		who := o.Identity.Name
		if who == "" {
			who = m.options.Backend.Identity().Name
		}
		l.Add(theme.Faint, bar).Add(theme.Plain, th.Cut(theme.Clean(who), max(m.width/5, 8))+" "+mode)
	} else if m.readOnly() { // what cannot be done is said on small screens too
		l.Add(theme.Faint, bar).Add(theme.Warn, mode)
	}
	if m.options.Recorded { // the notice before the first screen is gone by now
		l.Add(theme.Faint, bar).Add(theme.Warn, "rec")
	}
	l.Add(theme.Faint, bar).Add(style, word)
	if m.width >= wideWidth {
		l.Add(theme.Faint, bar).Add(theme.Plain, fmt.Sprintf("ledger %d of %d verified, %d cosigners", o.Ledger.Verified,
			o.Ledger.Entries,
			o.Ledger.Cosigners))
	}
	if m.width >= fullWidth {
		l.Add(theme.Faint, bar).Add(theme.Plain, fmt.Sprintf("%.0f events/s", o.EventsPerSecond))
		if o.Dropped > 0 {
			l.Add(theme.Warn, fmt.Sprintf(" dropped %d", o.Dropped))
		}
	}
	l.Add(theme.Faint, bar).Add(theme.Plain, m.minute)
	if m.paused {
		l.Add(theme.Faint, bar).Add(theme.Warn, "PAUSED")
	}
	if n := len(o.Alerts); n > 0 {
		text := fmt.Sprintf("%d alerts", n)
		if n == 1 {
			text = "1 alert"
		}
		if gap := l.Left() - len(text); gap > 0 {
			l.Space(gap).Add(theme.Warn, text)
		}
	}
	return l.String()
}

// tabNames are short enough for all tabs to fit the smallest compact screen.
var tabNames = map[panel.ID]string{panel.Launch: "Launch", panel.Slices: "Slice", panel.Stream: "Gate",
	panel.Splits:  "Split",
	panel.Cluster: "Node", panel.Units: "Unit", panel.Messages: "Msg"}

// tabs are the panels of the compact layout, or the name of the view.
func (m *model) tabs() string {
	th := m.theme()
	l := th.NewLine(m.width)
	if m.view != 0 {
		return l.Add(theme.Faint, " "+viewTitle(m.view)).String()
	}
	for _, id := range focusOrder(compact) {
		if id == m.focus {
			l.Add(theme.Accent, th.Symbols.Cursor).Add(theme.Strong, tabNames[id])
		} else {
			l.Add(theme.Faint, " "+tabNames[id])
		}
		if m.width >= 60 {
			l.Space(1)
		}
	}
	return l.String()
}

// body is what stands between header and alert line. An open command line covers its last lines with offers.
func (m *model) body(class size) []string {
	height := m.bodyHeight()
	lines := m.content(class, height)
	if m.typing == typingCommand {
		offers := m.paletteLines(min(height, choicesMax+1))
		copy(lines[height-len(offers):], offers)
	}
	return lines
}

// content is the body without what lies over it.
func (m *model) content(class size, height int) []string {
	top := 1 // lines above the body
	if class == compact {
		top = 2
	}
	switch {
	case m.asking != noQuestion:
		return m.questionLines(height)
	case m.dialog != nil:
		return m.dialogLines(height)
	case m.help:
		return m.fit(m.helpLines(), m.helpOffset, height)
	case m.top() != nil:
		lines := m.pageLines(height)
		if p := m.top(); p.list != nil {
			m.hits = append(m.hits, hit{right: m.width, top: top, bottom: top + height, rows: p.at, page: true})
		}
		return lines
	case m.view == keymap.LogNumber:
		return m.fit(m.drawLog(height), 0, height)
	case m.view != 0:
		return m.fit(m.panelLines(m.active(), placement{y: top, width: m.width, height: height, full: true}), 0, height)
	}
	out := make([]string, 0, height)
	for _, b := range m.bandsOf(class, height) {
		if len(b.columns) == 1 {
			for _, s := range b.columns[0].slots {
				out = append(out, m.panelLines(s.id, placement{y: top + len(out), width: m.width, height: s.height})...)
			}
			continue
		}
		out = append(out, m.beside(b, top+len(out))...)
	}
	return out
}

// bandsOf gives the overview's bands, which are the same from frame to frame until the window, the focus or the link's speed changes.
func (m *model) bandsOf(class size, height int) []band {
	want := arrangement{class, m.width, height, m.focus, m.slow}
	if m.bands == nil || m.arranged != want {
		m.arranged, m.bands = want, overviewBands(class, m.width, height, m.focus, m.slow)
	}
	return m.bands
}

// beside joins the columns of a band line by line.
func (m *model) beside(b band, top int) []string {
	bar := m.theme().Text(theme.Faint, " "+m.theme().Symbols.Bar+" ")
	stacks := make([][]string, len(b.columns))
	x := 0
	for i, c := range b.columns {
		stacks[i] = make([]string, 0, b.height)
		for _, s := range c.slots {
			stacks[i] = append(stacks[i], m.panelLines(s.id, placement{x: x, y: top + len(stacks[i]), width: c.width, height: s.height,
				pad: i < len(b.columns)-1})...)
		}
		x += c.width + besideGap
	}
	out, parts := make([]string, b.height), make([]string, len(stacks))
	for row := range out {
		for i := range stacks {
			parts[i] = stacks[i][row]
		}
		out[row] = strings.Join(parts, bar)
	}
	return out
}

// placement is a panel's place on the screen.
type placement struct {
	x, y          int
	width, height int
	pad, full     bool
}

// panelLines draws a panel, or gives the drawing from before when nothing that it shows has changed.
func (m *model) panelLines(id panel.ID, at placement) []string {
	p := m.panels[id]
	if p == nil {
		return m.fit(nil, 0, at.height)
	}
	from := id // the pane shows the row that the stream's cursor is on
	if id == panel.Pane {
		from = panel.Stream
	}
	in := m.source(from)
	in.Width, in.Height, in.Pad, in.Full = at.width, at.height, at.pad, at.full
	in.Focus, in.Index, in.Cursor = m.active() == id, m.index(from), m.cursors[from].pos
	if !m.readOnly() {
		in.Create = m.keys.Key(keymap.Guide)
	} else {
		in.ReadOnly = m.readOnlyReason()
	}
	in.Paused, in.Lost, in.NewRows, in.AgeMs = m.paused, m.lost, m.newRows(), -1
	if m.markedOnly && p.Key != nil && p.Len != nil {
		in.MarkedOnly = m.keys.Key(keymap.Marked)
	}
	if f := m.filters[id]; f != nil {
		in.Filter = f.Text
	}
	if n := m.sorts[id]; n > 0 && n < len(p.Sorts) && id != panel.Slices { // whose title says its order by itself
		in.Order = p.Sorts[n]
	}
	if len(m.marked) > 0 && p.Key != nil {
		in.Marked = func(i int) bool { return m.marked[p.Key(in, i)] }
	}
	age := ""
	if id == panel.Splits || id == panel.Home {
		in.AgeMs = m.newestFigureMs(id == panel.Home)
		age = panel.Age(in.AgeMs)
	}
	key := cacheKey{version: m.version(p), width: at.width, height: at.height, theme: in.Theme, pad: at.pad,
		focus: in.Focus,
		full:  at.full, cursor: in.Cursor, sort: m.sorts[from], filter: m.filters[from], paused: m.paused, lost: m.lost, newRows: in.NewRows,
		marks: m.marksKey(), age: age, readOnly: m.readOnly()}
	c := &m.cache[id]
	if c.lines == nil || c.key != key {
		in.At = &c.rows
		c.rows = panel.RowsAt{}
		c.key, c.lines = key, p.Draw(in)
	}
	m.hits = append(m.hits, hit{id: id, left: at.x, right: at.x + at.width, top: at.y, bottom: at.y + at.height, rows: c.rows})
	return c.lines
}

// newestFigureMs is the age of the newest revenue event, of all or of one's own units, when the picture was taken, -1 without any.
func (m *model) newestFigureMs(own bool) int64 {
	tallies := m.shown.Tallies
	if own {
		tallies = nil
		if m.home != nil {
			tallies = m.home.Tallies
		}
	}
	var newest time.Time
	for i := range tallies {
		if t := tallies[i].PostedTime; t.After(newest) {
			newest = t
		}
	}
	if newest.IsZero() || m.shown.Time.IsZero() {
		return -1
	}
	return max(m.shown.Time.Sub(newest).Milliseconds(), 0)
}

// fit gives exactly height lines from an offset on.
func (m *model) fit(lines []string, offset, height int) []string {
	out := make([]string, height)
	copy(out, lines[min(offset, len(lines)):])
	return out
}

// rule heads a page.
func (m *model) rule(name, right string) string {
	th := m.theme()
	l := th.NewLine(m.width)
	l.Add(theme.Faint, th.Symbols.Rule).Add(theme.Strong, name).Add(theme.Plain, " ").Fill(theme.Faint, th.Symbols.Rule,
		len(right)+3)
	return l.Add(theme.Plain, " ").Add(theme.Faint, right).Add(theme.Plain, " ").Fill(theme.Faint, th.Symbols.Rule,
		0).String()
}

// helpOwn is in how many views at most a key works that is told first, as one of the view's own.
const helpOwn = 2

// helpKeys is the width of the keys beside their words.
const helpKeys = 16

// helpLines are made from the key map of the view, never written by hand: first what this view has and few others, then what works everywhere.
func (m *model) helpLines() []string {
	th := m.theme()
	lines := []string{m.rule("Help: keys of "+viewTitle(m.view), "esc back")}
	list := stdslices.Clone(m.keys.List(m.view))
	own := func(b keymap.Binding) int {
		if b.Views != nil && len(b.Views) <= helpOwn && b.Action != keymap.View {
			return 0
		}
		return 1
	}
	stdslices.SortStableFunc(list, func(a, b keymap.Binding) int { return own(a) - own(b) })
	for i, b := range list {
		if i > 0 && own(b) > own(list[i-1]) {
			lines = append(lines, "")
		}
		l := th.NewLine(m.width)
		style, words := theme.Plain, b.Help
		switch {
		case b.Changes && m.readOnly():
			style, words = theme.Faint, words+" (off: "+m.readOnlyReason()+")"
		case leaves(b.Verb):
			words += " (nexus " + b.Verb + ")"
		case b.Changes:
			words += " (nexus " + b.Verb + ", " + b.Danger.String() + ")"
		}
		l.Space(1).Cell(theme.Accent, b.String(), helpKeys)
		for i, part := range theme.Wrap(words, max(m.width-helpKeys-1, 1)) {
			if i > 0 {
				l = th.NewLine(m.width).Space(1 + helpKeys)
			}
			lines = append(lines, l.Add(style, part).String())
		}
	}
	lines = append(lines, "")
	for _, text := range []string{"States: " + th.Symbols.Passed + " passed or allowed, " + th.Symbols.Failed +
		" failed or DENY, " +
		th.Symbols.Degraded + " degraded or not yet enforced, " + th.Symbols.Running + " running, " + th.Symbols.Skipped +
		" skipped, " +
		th.Symbols.Pending + " pending. OK below 80 % of the limit, NEAR above, OVER past it, OWN by its own limits alone, HOST when the machine itself is past it," +
		" new with too few probes to say; a dash was not measured.",
		"Bars run from 0 to twice the limit. = at a split: this console computed the same figures itself. events/s: revenue events that became " +
			"durable in the last whole second."} {
		for _, line := range theme.Wrap(text, m.width-2) {
			lines = append(lines, th.NewLine(m.width).Space(1).Add(theme.Faint, line).String())
		}
	}
	return lines
}

// questionLines ask what becomes of a node that this session launched.
func (m *model) questionLines(height int) []string {
	th := m.theme()
	if m.asking == stopping {
		return m.pinned("Stopping the node", "ctrl+c leaves without waiting", nil,
			flow(th, m.width, 2, []piece{{theme.Info, "the node drains, writes its last entry and ends"}}), height)
	}
	about := append(flow(th, m.width, 2, []piece{{theme.Plain, "This session launched the node. What shall become of it?"}}), "")
	for _, f := range m.impact([]string{"stop"}) {
		about = append(about, th.NewLine(m.width).Space(4).Cell(theme.Faint, f[0], 9).Add(theme.Faint, theme.Clean(f[1])).String())
	}
	var ask []string
	for _, o := range [][2]string{{"s", "stop the node, in order"}, {"l",
		"leave it serving: `nexus console` comes back to it"},
		{"esc", "cancel: stay here"}} {
		ask = append(ask, th.NewLine(m.width).Space(4).Cell(theme.Accent, o[0], 6).Add(theme.Plain, o[1]).String())
	}
	return m.pinned("Leave the console", "esc cancel", about, ask, height)
}
