package tui

import (
	"context"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// page is what enter opened: evidence from the node, something in the snapshot shown live, rows, or what a command line said.
type page struct {
	target  panel.Target
	call    uint64 // number of the request, so that a late answer to another is dropped
	loading bool
	cancel  context.CancelFunc // of the request, nil when there is none
	err     error
	data    any
	offset  int
	tab     int
	cursor  cursor
	filter  *panel.Filter // of a listing
	list    *panel.Listing
	index   []int
	lines   []string // as last drawn
	key     pageKey
	at      panel.RowsAt
}

// pageKey says when drawn lines are still right.
type pageKey struct {
	version uint64
	width   int
	tab     int
	theme   *theme.Theme
	loading bool
	found   *panel.Filter
	filter  *panel.Filter
	data    any
}

// unitData is what a unit's page asks for.
type unitData struct {
	detail  wire.UnitDetail
	entries wire.UnitEntries
}

// top is the innermost page, nil without any.
func (m *model) top() *page {
	if len(m.pages) == 0 {
		return nil
	}
	return m.pages[len(m.pages)-1]
}

// push opens a page on top.
func (m *model) push(p *page) {
	m.help = false
	m.pages = append(append([]*page(nil), m.pages...), p)
}

// pop closes the innermost page; what it still waits for is given up.
func (m *model) pop() {
	if p := m.top(); p != nil && p.cancel != nil {
		p.cancel()
	}
	m.pages = append([]*page(nil), m.pages[:len(m.pages)-1]...)
}

// drill opens the selected row.
func (m *model) drill() tea.Cmd {
	t, ok := m.selected()
	if !ok || m.help {
		return nil
	}
	return m.openTarget(t)
}

// selected is what the cursor stands on.
func (m *model) selected() (panel.Target, bool) {
	if p := m.top(); p != nil {
		if p.list == nil || len(p.index) == 0 {
			return panel.Target{}, false
		}
		return p.list.Items[p.index[min(p.cursor.pos, len(p.index)-1)]].Target, true
	}
	id := m.active()
	index := m.index(id)
	if len(index) == 0 || m.panels[id].Target == nil {
		return panel.Target{}, false
	}
	return m.panels[id].Target(m.source(id), index[min(m.cursors[id].pos, len(index)-1)]), true
}

// openTarget opens a thing by what it is.
func (m *model) openTarget(t panel.Target) tea.Cmd {
	switch t.Kind {
	case panel.NoTarget:
		return nil
	case panel.CommandTarget:
		return m.perform(splitWords(t.Text))
	case panel.DecisionTarget:
		m.note("command", panel.DecisionCommand(t.Index))
	case panel.TallyTarget, panel.AccountTarget:
		m.note("command", "nexus revenue tally --unit "+t.Label)
	case panel.GateTarget:
		m.note("command", fmt.Sprintf("nexus gates log --gate %d", t.Number))
	case panel.EntryTarget:
		m.note("command", fmt.Sprintf("nexus ledger prove %d", t.Index))
	}
	p := &page{target: t}
	m.push(p)
	return m.fetch(p)
}

// fetch asks the node for what a page shows; nil when the picture has it all. The answer carries the number of the call, so that
// one that comes after the user went elsewhere is dropped.
func (m *model) fetch(p *page) tea.Cmd {
	ask := m.question(p.target)
	if ask == nil {
		return nil
	}
	m.calls++
	m.fetched = m.options.now()
	p.call, p.loading, p.err = m.calls, p.data == nil, nil
	ctx, cancel := context.WithTimeout(m.ctx, callTimeout)
	p.cancel = cancel
	call := m.calls
	return func() tea.Msg {
		defer cancel()
		data, err := ask(ctx)
		return evidenceMsg{call: call, data: data, err: err}
	}
}

// question gives what to ask the node for a target, nil for nothing.
func (m *model) question(t panel.Target) func(context.Context) (any, error) {
	b := m.options.Backend
	switch t.Kind {
	case panel.DecisionTarget:
		return func(ctx context.Context) (any, error) { d, err := b.Decision(ctx, t.Index); return &d, err }
	case panel.TallyTarget:
		return func(ctx context.Context) (any, error) { p, err := b.Proof(ctx, t.Unit, t.Currency); return &p, err }
	case panel.AccountTarget:
		return func(ctx context.Context) (any, error) { e, err := b.UnitEntries(ctx, t.Unit); return &e, err }
	case panel.EntryTarget:
		return func(ctx context.Context) (any, error) { e, err := b.EntryProof(ctx, t.Index); return &e, err }
	case panel.GateTarget:
		return func(ctx context.Context) (any, error) { d, err := b.GateDecisions(ctx, t.Number); return &d, err }
	case panel.SliceTarget:
		return func(ctx context.Context) (any, error) { d, err := b.Slice(ctx, t.Key); return &d, err }
	case panel.ChainTarget:
		return func(ctx context.Context) (any, error) { e, err := b.Entries(ctx); return &e, err }
	case panel.FindingsTarget:
		return func(ctx context.Context) (any, error) { r, err := b.Audit(ctx); return &r, err }
	case panel.UnitTarget:
		return func(ctx context.Context) (any, error) {
			var u unitData
			var err error
			if u.detail, err = b.Unit(ctx, t.Key); err == nil {
				u.entries, err = b.UnitEntries(ctx, t.Key)
			}
			return &u, err
		}
	}
	return nil
}

// evidence takes an answer in, if somebody still waits for it.
func (m *model) evidence(msg evidenceMsg) {
	for _, p := range m.pages {
		if p.call != msg.call {
			continue
		}
		p.loading, p.err = false, msg.err
		if msg.err == nil {
			p.data = msg.data
		}
		p.lines, p.list = nil, nil
	}
}

// refresh asks again for a page whose figures move, at most once a second and only when a picture came.
func (m *model) refresh() tea.Cmd {
	p := m.top()
	if p == nil || p.target.Kind != panel.SliceTarget || p.loading || m.paused || m.options.now().Sub(m.fetched) < refreshEvery {
		return nil
	}
	return m.fetch(p)
}

// listing builds the rows of a page, nil for pages of text.
func (m *model) listing(p *page) *panel.Listing {
	th, o := m.theme(), m.shown
	switch d := p.data.(type) {
	case *wire.UnitEntries:
		return panel.AccountListing(th, p.target, o, *d)
	case *wire.Decisions:
		return panel.GateListing(th, o, p.target.Number, *d)
	case *wire.Entries:
		return panel.ChainListing(th, *d)
	case *wire.AuditReport:
		return panel.FindingsListing(th, *d)
	}
	if p.target.Kind == panel.ClassTarget {
		return panel.ClassListing(th, o, p.target.Text, p.target.Currency)
	}
	return nil
}

// build draws a page's text, or for rows what stands above them.
func (m *model) build(p *page) []string {
	pg, o := panel.NewPage(m.theme(), m.width), m.shown
	if p.loading {
		pg.Field("", "asking the node; esc gives up", theme.Info)
		return pg.Lines()
	}
	if p.err != nil && p.data == nil {
		pg.Field("refused", describe(p.err), theme.Bad)
	}
	switch d := p.data.(type) {
	case *wire.Decision:
		pg.Decision(d)
	case *wire.Proof:
		pg.Proof(d)
	case *wire.EntryProof:
		pg.Entry(d, true)
	case *outcomeMsg:
		pg.Output(commandLine(d.words), d.Code, d.Out, withoutAdvice(d.Err))
	default:
		m.buildLive(pg, p, o)
	}
	return append([]string{}, pg.Lines()...)
}

// buildLive draws what the picture holds, with what the node added when it was opened.
func (m *model) buildLive(pg *panel.Page, p *page, o *wire.Overview) {
	switch p.target.Kind {
	case panel.GateTarget:
		if n := p.target.Number; n >= 1 && n <= len(o.Gates) {
			pg.GateHead(&o.Gates[n-1])
		}
	case panel.SliceTarget:
		d, _ := p.data.(*wire.SliceDetail)
		for i := range o.Slices {
			if o.Slices[i].Slice == p.target.Key {
				pg.Slice(&o.Slices[i], d)
				return
			}
		}
		pg.Field("", "it is no longer there", theme.Warn)
	case panel.ExitTarget:
		for i := 0; m.home != nil && i < len(m.home.Exits); i++ {
			if m.home.Exits[i].UnitID == p.target.Key {
				pg.Exit(&m.home.Exits[i], o.Node.Addresses["ssh"])
				return
			}
		}
		pg.Field("", "it neither leaves nor left", theme.Warn)
	case panel.UnitTarget:
		for i := range o.Units {
			if o.Units[i].ID != p.target.Key {
				continue
			}
			if d, ok := p.data.(*unitData); ok {
				pg.Unit(o, &o.Units[i], &d.detail, &d.entries, p.tab)
			} else {
				pg.Unit(o, &o.Units[i], nil, nil, p.tab)
			}
			return
		}
		pg.Field("", "it is no longer there", theme.Warn)
	case panel.PhaseTarget, panel.MemberTarget, panel.TextTarget:
		if !pg.Thing(o, p.target) {
			pg.Field("", "it is no longer there", theme.Warn)
		}
	}
}

// ready brings a page's drawing, rows and order up to date.
func (m *model) ready(p *page) {
	version := m.changes
	if p.target.Kind == panel.ClassTarget { // made of the tallies alone, twenty thousand perhaps
		version = m.tallied
	}
	key := pageKey{version: version, width: m.width, tab: p.tab, theme: m.theme(), loading: p.loading, found: m.found, filter: p.filter, data: p.data}
	if p.lines != nil && p.key == key {
		return
	}
	p.lines, p.key = m.build(p), key
	if p.list = m.listing(p); p.list == nil {
		return
	}
	p.index = p.index[:0]
	for i := range p.list.Items {
		if p.filter.Keep(p.list.Text(i)) {
			p.index = append(p.index, i)
		}
	}
	if c := &p.cursor; c.key != "" {
		for pos, i := range p.index {
			if p.list.Items[i].Key == c.key {
				c.pos = pos
			}
		}
	}
	p.cursor.pos = max(min(p.cursor.pos, len(p.index)-1), 0)
}

// pageLines draws the innermost page below a rule that says where it is.
func (m *model) pageLines(height int) []string {
	p := m.top()
	m.ready(p)
	right := m.pageRight(p, height)
	if p.list != nil && !p.loading {
		head := append([]string{m.rule(m.crumbs(m.width-theme.Width(right)-5), right)}, p.lines...)
		head = head[:min(len(head), height/2)]
		in := m.source(panel.None)
		in.Width, in.Height, in.Index, in.Cursor, in.Focus, in.At = m.width, height-len(head), p.index, p.cursor.pos, true, &p.at
		in.Marked = func(i int) bool { return m.marked[p.list.Items[i].Key] }
		if p.filter != nil {
			in.Filter = p.filter.Text
		}
		lines := append(head, p.list.Draw(in)...)
		p.at.Line += len(head)
		return m.fit(lines, 0, height)
	}
	p.offset = max(min(p.offset, len(p.lines)-height+1), 0)
	lines := append([]string{m.rule(m.crumbs(m.width-theme.Width(right)-5), right)}, p.lines[p.offset:]...)
	if m.found != nil {
		for i := 1; i < len(lines); i++ {
			if text := plain(lines[i]); m.found.Keep(text) {
				lines[i] = m.theme().Text(theme.Accent, text)
			}
		}
	}
	return m.fit(lines, 0, height)
}

// pageRight is the right end of a page's rule.
func (m *model) pageRight(p *page, height int) string {
	var parts []string
	if tabs := m.pageTabs(p); len(tabs) > 0 && m.width >= besideWidth {
		for i, t := range tabs {
			if i == p.tab {
				t = "[" + t + "]"
			}
			parts = append(parts, t)
		}
		parts = []string{strings.Join(parts, " "), "h l tabs"}
	} else if len(tabs) > 0 {
		parts = append(parts, fmt.Sprintf("[%s] %d/%d, h l tabs", tabs[p.tab], p.tab+1, len(tabs)))
	}
	switch {
	case p.filter != nil:
		parts = append(parts, "/"+theme.Clean(p.filter.Text))
	case m.found != nil && p.list == nil:
		parts = append(parts, fmt.Sprintf("%d found, n N", len(m.matches(p))))
	case p.list == nil && len(p.lines) >= height:
		parts = append(parts, fmt.Sprintf("line %d of %d", p.offset+1, len(p.lines)))
	}
	return strings.Join(append(parts, "esc back"), ", ")
}

// pageTabs are the tabs of a page, nil for one without.
func (m *model) pageTabs(p *page) []string {
	if p.target.Kind == panel.UnitTarget {
		return panel.UnitTabs()
	}
	return nil
}

// titleLeast is how much of a page's own title stands before what is to its right, in cells.
const titleLeast = 24

// crumbs say where a page is, in so many cells if that is possible. Where there is no room for all, the pages nearest to the view give way: the page
// that one looks at is named always.
func (m *model) crumbs(width int) string {
	parts := []string{viewTitle(m.view)}
	for _, p := range m.pages {
		parts = append(parts, pageTitle(p))
	}
	th := m.theme()
	mark := " " + th.Symbols.Crumb + " "
	all := strings.Join(parts, mark)
	for from := 2; theme.Width(all) > width && from < len(parts); from++ {
		all = parts[0] + mark + th.Symbols.Ellipsis + mark + strings.Join(parts[from:], mark)
	}
	if theme.Width(all) > width {
		all = th.Cut(parts[len(parts)-1], min(max(width, titleLeast), m.width-2)) // below so many cells, what stands to the right gives way
	}
	return all
}

func pageTitle(p *page) string {
	t := &p.target
	switch t.Kind {
	case panel.PhaseTarget:
		return fmt.Sprintf("Phase %d", t.Number)
	case panel.SliceTarget:
		return "Slice of " + theme.Clean(t.Label)
	case panel.GateTarget:
		return fmt.Sprintf("Gate %d", t.Number)
	case panel.DecisionTarget:
		return fmt.Sprintf("Decision #%d", t.Index)
	case panel.ClassTarget:
		return theme.Clean(t.Text + " " + t.Currency)
	case panel.AccountTarget:
		return theme.Clean(t.Label + " " + t.Currency)
	case panel.TallyTarget:
		return "Proof of " + theme.Clean(t.Label) + " " + theme.Clean(t.Currency)
	case panel.EntryTarget:
		return fmt.Sprintf("Entry %d", t.Index)
	case panel.MemberTarget:
		return "Node " + theme.Clean(t.Label)
	case panel.UnitTarget:
		return "Unit " + theme.Clean(t.Label)
	case panel.ExitTarget:
		return "Exit of " + theme.Clean(t.Label)
	case panel.ChainTarget:
		return "chain"
	case panel.FindingsTarget:
		return "findings"
	case panel.OutputTarget:
		return "$ nexus " + theme.Clean(t.Text)
	default:
		return "Message"
	}
}

// plain takes the colours off a drawn line: SGR sequences are all that it may hold.
func plain(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != 0x1b {
			b.WriteByte(s[i])
			continue
		}
		for i < len(s) && s[i] != 'm' {
			i++
		}
	}
	return b.String()
}

// matches are the lines of a page that the search finds.
func (m *model) matches(p *page) []int {
	var out []int
	for i, line := range p.lines {
		if m.found != nil && m.found.Keep(plain(line)) {
			out = append(out, i)
		}
	}
	return out
}
