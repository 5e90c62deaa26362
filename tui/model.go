package tui

import (
	"context"
	"reflect"
	stdslices "slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// Limits of what the console itself remembers.
const (
	notesMax  = 200
	placesMax = 64
	marksMax  = 1000
)

// callTimeout bounds one request to the node, except stopping it, which may drain for longer.
const (
	callTimeout = 15 * time.Second
	stopTimeout = 2 * time.Minute
)

// question is a dialog that holds the keys until it is answered.
type question uint8

const (
	noQuestion question = iota
	quitQuestion
	stopping // answered: the node is being stopped
)

// model is the one Bubble Tea model. Only the program's goroutine touches it; everything slow is a command that
// answers with a message.
type model struct {
	ctx     context.Context // of the session: ends the requests of a console that is gone
	options Options
	keys    *keymap.Map
	bright  *theme.Theme
	muted   *theme.Theme
	panels  [panel.Count]*panel.Panel
	writer  *frameWriter
	copies  func(text string) error // to the clipboard of the terminal

	// The picture.
	shown    *wire.Overview // never nil: empty until the first picture
	raw      *wire.Overview // shown as it came, without the rest of long lists
	whole    whole
	waiting  *wire.Overview // newest while paused
	arrived  bool
	paused   bool
	lost     bool
	lostAt   time.Time
	cause    error
	slow     bool
	versions [panel.SectionCount]uint64
	changes  uint64 // of the picture as a whole
	tallied  uint64 // of the list of tallies that is shown

	// The screen.
	width, height int
	arranged      arrangement // of bands
	bands         []band      // of the overview's last frame
	view          int
	focus         panel.ID
	previous      int // view before this one
	places        []place
	at            int // of places: where we are
	help          bool
	helpOffset    int
	asking        question
	dialog        *dialog
	pages         []*page // what enter opened, innermost last
	calls         uint64
	sorts         [panel.Count]int
	typing        typing
	line          editor
	filters       map[panel.ID]*panel.Filter
	before        *panel.Filter   // of the rows, when the filter's line was opened
	marked        map[string]bool // keys of rows
	markedOnly    bool
	found         *panel.Filter // search on pages and in the log
	palette       palette
	log           logState
	home          *wire.Home      // nil until the node said it
	laidOut       []panel.HomeRow // of laidOutOf, as of version laidOutAt of its section
	laidOutOf     *wire.Home
	laidOutAt     uint64
	homeAsked     time.Time
	homeAsking    bool
	cursors       [panel.Count]cursor
	notes         []panel.Note // newest first
	flash         string       // the last message, until the next key
	flashLevel    string
	told          *page      // that says the same in more words
	dismissed     time.Time  // alerts up to this time are off the alert line
	minute        string     // the clock as shown
	undo          [][]string // command lines that undo the last act, newest first, nil when there is none
	batch         uint64     // the last act was one of several of one key, by the call of the first; 0: it was alone
	undoes        string     // what it undoes
	held          bool       // read-only by the user's choice
	light         bool       // the terminal's background, as far as it is known
	mouse         bool
	wheel         int  // rows of the wheel that wait for the next frame
	wheeling      bool // a frame is under way
	hits          []hit
	saved         []savedView
	compared      string    // version of the node that was said to be another
	fetched       time.Time // when the top page was last asked for again

	cache [panel.Count]cached
	quit  Quit
}

// cursor stays with its row when rows come and go; at the top it stays at the top, where the newest are.
type cursor struct {
	key string
	pos int
}

// cached is a panel's last drawing and what it was drawn from.
type cached struct {
	key   cacheKey
	lines []string
	index []int
	iKey  indexKey
	rows  panel.RowsAt
}

type cacheKey struct {
	version               uint64
	width, height         int
	theme                 *theme.Theme
	pad, focus, full      bool
	cursor, sort, newRows int
	filter                *panel.Filter
	paused, lost          bool
	readOnly              bool
	marks                 int
	age                   string
}

type indexKey struct {
	version uint64
	sort    int
	filter  *panel.Filter
	marks   int
	set     bool
}

func newModel(ctx context.Context, o Options, keys *keymap.Map, w *frameWriter) *model {
	muted := o.Theme
	muted.Muted = true
	m := &model{ctx: ctx, options: o, keys: keys, bright: theme.New(o.Theme), muted: theme.New(muted), writer: w,
		shown: emptyOverview(), filters: map[panel.ID]*panel.Filter{}, focus: panel.Launch, copies: func(string) error { return nil },
		marked: map[string]bool{}, mouse: o.Mouse, held: o.ReadOnly, light: o.Theme.Light,
		width: min(max(o.Width, 0), sizeMost), height: min(max(o.Height, 0), sizeMost), quit: QuitLost}
	if m.width == 0 || m.height == 0 {
		m.width, m.height = fullWidth, fullHeight
	}
	for _, p := range panel.All() {
		m.panels[p.ID] = &p
	}
	m.raw = m.shown
	m.minute = clockText(o.now())
	m.saved = loadViews(o.StateDir)
	m.places = []place{{}}
	m.log.wrap, m.log.follow, m.log.level, m.log.next = true, true, 1, -1
	o.Backend.SetReadOnly(m.readOnly())
	return m
}

// emptyOverview stands in until the node answers, so that no panel needs a nil check.
func emptyOverview() *wire.Overview {
	o := &wire.Overview{}
	for i, n := range wire.PhaseNames() {
		o.Launch.Phases[i] = wire.Phase{Number: i + 1, Name: n.Name, Title: n.Title, Status: wire.StatusPending}
	}
	return o
}

func clockText(t time.Time) string { return t.UTC().Format("15:04Z") }

// Messages of the program.
type (
	pictureMsg struct {
		picture
		slow bool
	}
	minuteMsg   struct{}
	evidenceMsg struct {
		call uint64
		data any
		err  error
	}
	outcomeMsg struct { // a command line came to its end
		call  uint64 // of its page; 0: it has none
		group uint64 // of several command lines that are one act
		words []string
		verb  Verb
		Outcome
	}
	completionMsg struct {
		call    uint64
		choices []choice
	}
	logMsg struct {
		page wire.LogPage
		err  error
	}
	homeMsg struct {
		home wire.Home
		err  error
	}
	armedMsg struct{ dialog *dialog }
	wheelMsg struct{}
	actMsg   struct { // an act came to its end
		done string
		err  error
	}
	stoppedMsg struct{ err error }
)

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return m.nextMinute() }

// nextMinute wakes once when the shown clock changes; nothing else ticks.
func (m *model) nextMinute() tea.Cmd {
	now := m.options.now()
	return tea.Tick(now.Truncate(time.Minute).Add(time.Minute).Sub(now), func(time.Time) tea.Msg { return minuteMsg{} })
}

// theme is the bright one while the node answers.
func (m *model) theme() *theme.Theme {
	if m.lost {
		return m.muted
	}
	return m.bright
}

// accept takes a picture in.
func (m *model) accept(p pictureMsg) {
	wasLost := m.lost
	m.slow, m.lost, m.lostAt, m.cause = p.slow, p.lost, p.lostAt, p.cause
	switch {
	case p.lost && !wasLost:
		m.note(wire.LevelCritical, "node lost at "+p.lostAt.UTC().Format("15:04:05")+", reconnecting: "+describe(p.cause))
	case wasLost && !p.lost:
		m.note(wire.LevelInfo, "the node answers again")
	}
	if p.overview == nil {
		return
	}
	if m.paused && m.arrived {
		m.waiting = p.overview
		m.versions[panel.SecDecisions]++ // the title counts what is new
		return
	}
	m.show(p.overview)
}

// show makes o the picture and raises the version of each section that differs.
func (m *model) show(o *wire.Overview) {
	if o == m.raw {
		return
	}
	old := m.raw
	if !m.arrived {
		m.welcome(o)
	}
	m.compare(o.Node.Version)
	earlier := m.shown.Tallies
	m.raw, m.shown, m.arrived, m.waiting = o, m.filled(o), true, nil
	if len(earlier) != len(m.shown.Tallies) || len(earlier) > 0 && &earlier[0] != &m.shown.Tallies[0] {
		m.tallied++
	}
	differs := [panel.SectionCount]bool{
		panel.SecLaunch:    !reflect.DeepEqual(old.Launch, o.Launch),
		panel.SecSlices:    !reflect.DeepEqual(old.Slices, o.Slices),
		panel.SecGates:     !reflect.DeepEqual(old.Gates, o.Gates),
		panel.SecDecisions: !sameDecisions(old, o),
		panel.SecSplits:    !reflect.DeepEqual(old.Totals, o.Totals) || !reflect.DeepEqual(old.Tallies, o.Tallies),
		panel.SecCluster:   !reflect.DeepEqual(old.Cluster, o.Cluster) || !reflect.DeepEqual(old.Edges, o.Edges),
		panel.SecUnits:     !reflect.DeepEqual(old.Units, o.Units),
		panel.SecAlerts:    !reflect.DeepEqual(old.Alerts, o.Alerts),
	}
	for i, d := range differs {
		if d {
			m.versions[i]++
			m.changes++
		}
	}
	for id := range m.cursors {
		m.followCursor(panel.ID(id))
	}
	if c := &m.cursors[panel.Launch]; c.key == "" { // until the user chooses a phase, the cursor is where things happen
		c.pos = max(panel.Notable(&o.Launch)-1, 0)
	}
}

// sameDecisions uses that a decision never changes: the same newest one and number is the same list.
func sameDecisions(a, b *wire.Overview) bool {
	return len(a.Decisions) == len(b.Decisions) && a.DecisionsDenied == b.DecisionsDenied &&
		a.DecisionsAllowed == b.DecisionsAllowed && (len(a.Decisions) == 0 || a.Decisions[0].Index == b.Decisions[0].Index)
}

// note keeps a message and shows it until the next key.
func (m *model) note(level, text string) {
	m.notes = append([]panel.Note{{Time: m.options.now().UTC().Format("15:04:05"), Level: level, Text: text}}, m.notes...)
	m.notes = m.notes[:min(len(m.notes), notesMax)]
	m.versions[panel.SecLocal]++
	if level != "command" {
		m.flash, m.flashLevel, m.told = text, level, nil
	}
}

// version sums the sections a panel reads; versions only grow, so equal sums mean nothing changed.
func (m *model) version(p *panel.Panel) uint64 {
	var v uint64
	for _, s := range p.Sections {
		v += m.versions[s]
	}
	return v
}

// index gives the rows of a panel after sort and filter, kept until one of its sections changes.
func (m *model) index(id panel.ID) []int {
	p := m.panels[id]
	if p == nil || p.Len == nil {
		return nil
	}
	c := &m.cache[id]
	key := indexKey{version: m.version(p), sort: m.sorts[id], filter: m.filters[id], marks: m.marksKey(), set: true}
	if c.iKey == key {
		return c.index
	}
	in := m.source(id)
	n := p.Len(in)
	index := make([]int, 0, n)
	for i := range n {
		if m.filters[id].Keep(p.Text(in, i)) && (!m.markedOnly || m.marked[p.Key(in, i)]) {
			index = append(index, i)
		}
	}
	if p.Less != nil {
		if less := p.Less(in); less != nil {
			stdslices.SortStableFunc(index, less)
		}
	}
	c.index, c.iKey = index, key
	return index
}

// source is the input without a place on the screen.
func (m *model) source(id panel.ID) panel.Input {
	in := panel.Input{Overview: m.shown, Home: m.home, Local: m.notes, Theme: m.theme(), Sort: m.sorts[id]}
	if id == panel.Home {
		in.Rows = m.homeRows()
	}
	return in
}

// marksKey changes when marks that narrow the rows do.
func (m *model) marksKey() int {
	if !m.markedOnly {
		return 0
	}
	return 1 + len(m.marked)
}

// readOnly reports whether this session changes nothing, by its start, by its key or by the user's choice.
func (m *model) readOnly() bool { return m.held || m.options.readOnly() }

// followCursor finds the row that the cursor stood on again.
func (m *model) followCursor(id panel.ID) {
	c := &m.cursors[id]
	if c.key == "" || c.pos == 0 || m.panels[id] == nil {
		return
	}
	index, in := m.index(id), m.source(id)
	if c.pos < len(index) && m.panels[id].Key(in, index[c.pos]) == c.key {
		return
	}
	for pos, i := range index {
		if m.panels[id].Key(in, i) == c.key {
			c.pos = pos
			return
		}
	}
	c.pos = max(min(c.pos, len(index)-1), 0)
}

// moveCursor sets the cursor of a panel, clamped.
func (m *model) moveCursor(id panel.ID, pos int) {
	index := m.index(id)
	c := &m.cursors[id]
	c.pos = max(min(pos, len(index)-1), 0)
	c.key = ""
	if len(index) > 0 {
		c.key = m.panels[id].Key(m.source(id), index[c.pos])
	}
}

// active is the panel that keys go to.
func (m *model) active() panel.ID {
	if m.view == 0 {
		return m.focus
	}
	return panelOfView(m.view)
}

// panelOfView gives the panel of a view, None for the overview and for views that are not built.
func panelOfView(view int) panel.ID {
	for _, p := range panel.All() {
		if p.View == view {
			return p.ID
		}
	}
	return panel.None
}

// newRows counts the decisions since the pause began.
func (m *model) newRows() int {
	if m.waiting == nil {
		return 0
	}
	var newest uint64
	if len(m.shown.Decisions) > 0 {
		newest = m.shown.Decisions[0].Index
	}
	n := 0
	for i := range m.waiting.Decisions {
		if m.waiting.Decisions[i].Index > newest {
			n++
		}
	}
	return n
}

// launching reports whether quitting must ask: this session started the node, and it answers.
func (m *model) launching() bool { return m.options.Launching && m.arrived && !m.lost }

// newest is the last picture that came, also while the shown one is held.
func (m *model) newest() *wire.Overview {
	if m.waiting != nil {
		return m.waiting
	}
	return m.shown
}
