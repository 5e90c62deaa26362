package tui

import (
	"context"
	"fmt"
	stdslices "slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// commandTimeout bounds a command line that was run from here.
const commandTimeout = 10 * time.Minute

func moneyText(minor int64, currency string) string {
	return nexus.Money{Minor: minor, Currency: currency}.Decimal()
}

// perform runs a command line: what reads at once, what is reversible at once with the way back, what is worse after a question.
func (m *model) perform(words []string) tea.Cmd {
	if len(words) > 0 && words[0] == "nexus" {
		words = words[1:]
	}
	if len(words) == 0 {
		return nil
	}
	if cmd, ok := m.own(words); ok {
		return cmd
	}
	if m.options.Commands == nil {
		m.note(wire.LevelWarning, "this console has no command line behind it; type it in a shell: nexus "+theme.Clean(commandLine(words)))
		return nil
	}
	verb, ok := verbOf(m.options.Commands.Verbs(), words)
	if leaves(verb.Path) && stdslices.Contains(words, "--cancel") {
		verb.Danger = keymap.Reversible // the way back
	}
	switch {
	case !ok:
		m.note(wire.LevelWarning, fmt.Sprintf("no verb begins with %q; : and a few letters offer them", theme.Clean(words[0])))
		return nil
	case verb.Why != "":
		m.note(wire.LevelWarning, verb.Path+": "+verb.Why)
		return nil
	case verb.Danger > keymap.Reads && m.readOnly() && !dryRun(words):
		m.note(wire.LevelWarning, verb.Path+" is off: "+m.readOnlyReason())
		return nil
	case verb.Path == guidedVerb && len(words) == len(strings.Fields(guidedVerb)):
		return m.guide()
	case verb.Danger < keymap.Disruptive || dryRun(words):
		return m.run(words, verb)
	}
	d := &dialog{title: "nexus " + verb.Path, danger: verb.Danger, name: m.nameToType(words), yes: func() tea.Cmd { return m.run(words, verb) }}
	effect := verb.Danger.String() + ": " + verb.Short
	if leaves(verb.Path) { // nobody is to be frightened out of leaving (gate 13): it can be taken back
		effect, d.warning = verb.Short, "It goes on serving; until 30 days after it is complete it comes back with --cancel. "
	}
	d.facts = append([][2]string{{"command", "$ nexus " + commandLine(words)}, {"effect", effect}}, m.impact(words)...)
	m.confirm(d)
	return nil
}

// leaves reports whether a verb is one by which a unit leaves with everything. It asks for the unit's name, and can be taken back.
func leaves(path string) bool { return strings.HasSuffix(path, " exit") }

// dryRun reports whether a command line asks for a plan only.
func dryRun(words []string) bool {
	for _, w := range words {
		if w == "--help" || w == "-h" || w == "--dry-run" || w == "--draft" {
			return true
		}
	}
	return false
}

// nameToType is the unit that a command line names, else its last word.
func (m *model) nameToType(words []string) string { return unitNamed(words, m.shown.Units) }

// unitNamed is the label of the first of units that words name, else the last word.
func unitNamed(words []string, units []wire.UnitRow) string {
	for _, w := range words {
		_, value, _ := strings.Cut(w, "=")
		for i := range units {
			if l := units[i].Label; l == w || l == value {
				return l
			}
		}
	}
	return words[len(words)-1]
}

// performAll runs several command lines of one verb as one act of the console: one question where there is one, and one way back for all.
func (m *model) performAll(lines [][]string) tea.Cmd {
	if len(lines) == 0 {
		return nil
	}
	verb, ok := Verb{}, false
	if m.options.Commands != nil {
		verb, ok = verbOf(m.options.Commands.Verbs(), lines[0])
	}
	if len(lines) == 1 || !ok || m.readOnly() { // where one line does, or says why not
		return m.perform(lines[0])
	}
	runAll := func() tea.Cmd {
		group := m.calls + 1
		var cmds []tea.Cmd
		for _, words := range lines {
			cmds = append(cmds, m.runIn(group, words, verb))
		}
		return tea.Batch(cmds...)
	}
	if verb.Danger < keymap.Disruptive {
		return runAll()
	}
	last := verb.Path[strings.LastIndexByte(verb.Path, ' ')+1:]
	facts := [][2]string{{"effect", fmt.Sprintf("%s %d units, one signed action each", last, len(lines))}}
	for _, words := range lines {
		facts = append(facts, m.impact(words)...)
	}
	m.confirm(&dialog{title: fmt.Sprintf("nexus %s, %d units", verb.Path, len(lines)), danger: keymap.Disruptive, facts: facts, yes: runAll})
	return nil
}

// run executes a command line beside the program. What reads opens a page at once; an act says what came of it.
func (m *model) run(words []string, verb Verb) tea.Cmd { return m.runIn(0, words, verb) }

// runIn is run for one of a group of command lines; group 0 is none.
func (m *model) runIn(group uint64, words []string, verb Verb) tea.Cmd {
	line := commandLine(words)
	m.note("command", "nexus "+line)
	if p := m.top(); p != nil && p.target.Kind == panel.OutputTarget && !p.loading { // what the line before said makes room for what this one says
		m.pop()
	}
	m.calls++
	call := m.calls
	ctx, cancel := context.WithTimeout(m.ctx, commandTimeout)
	if verb.Danger == keymap.Reads || dryRun(words) {
		m.push(&page{target: panel.Target{Kind: panel.OutputTarget, Key: line, Text: line}, call: call, loading: true, cancel: cancel})
	} else {
		m.flash, m.flashLevel = "doing: nexus "+theme.Clean(line), wire.LevelInfo
	}
	commands, readOnly, columns := m.options.Commands, m.readOnly(), m.width-panel.PageMargin
	return func() tea.Msg {
		defer cancel()
		return outcomeMsg{call: call, group: group, words: words, verb: verb, Outcome: commands.Run(ctx, words, readOnly, columns)}
	}
}

// outcome takes the end of a command line in.
func (m *model) outcome(msg outcomeMsg) {
	line := "nexus " + commandLine(msg.words)
	for _, p := range m.pages {
		if p.call == msg.call {
			p.loading, p.data, p.lines = false, &msg, nil
			return
		}
	}
	if msg.verb.Danger == keymap.Reads { // its page was closed
		return
	}
	said, _, _ := strings.Cut(strings.TrimSpace(msg.Err+"\n"+msg.Out), "\n")
	said = strings.Join(strings.Fields(said), " ")
	switch {
	case msg.Code != 0:
		m.note(wire.LevelCritical, fmt.Sprintf("exit %d: %s (%s)", msg.Code, firstLine(strings.TrimPrefix(lastLine(msg.Err), "nexus: ")), line))
		m.push(&page{target: panel.Target{Kind: panel.OutputTarget, Key: line, Text: commandLine(msg.words)}, data: &msg})
		m.told = m.top()
	case msg.Undo != nil:
		if msg.group == 0 || msg.group != m.batch {
			m.undo, m.undoes = nil, line
		}
		m.batch, m.undo = msg.group, append([][]string{msg.Undo}, m.undo...)
		back := "nexus " + commandLine(msg.Undo)
		if n := len(m.undo); n > 1 {
			back = fmt.Sprintf("%s, and %d more of the same key", back, n-1)
		}
		m.note(wire.LevelInfo, fmt.Sprintf("done, %s undoes it: %s (%s); the way back: %s", m.keys.Key(keymap.Undo), line, said, back))
	case msg.verb.Path == "notices read": // nothing that anybody would undo, or be warned of
		m.note(wire.LevelInfo, "done: "+line)
		if len(msg.words) == 2 { // all that was unread, to be read now
			m.push(&page{target: panel.Target{Kind: panel.OutputTarget, Key: line, Text: commandLine(msg.words)}, data: &msg})
		}
	case msg.verb.Path == "revenue statement": // issued by being asked for: what was asked for is the document
		m.note(wire.LevelInfo, "done: "+line+"; issued for good, it can be disputed for 60 days")
		m.push(&page{target: panel.Target{Kind: panel.OutputTarget, Key: line, Text: commandLine(msg.words)}, data: &msg})
	default:
		m.undo, m.undoes, m.batch = nil, line, 0
		m.note(wire.LevelInfo, fmt.Sprintf("done, for good: %s (%s)", line, said))
	}
}

func lastLine(text string) string {
	text = withoutAdvice(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// withoutAdvice takes off the line that sends whoever mistyped in a shell to the help: here the palette says it while it is typed.
func withoutAdvice(text string) string {
	text = strings.TrimSpace(text)
	if i := strings.LastIndexByte(text, '\n'); strings.HasPrefix(text[i+1:], "Run 'nexus help'") {
		text = text[:max(i, 0)]
	}
	return strings.TrimSpace(text)
}

// undoLast brings back what was there before the last act, by a new signed action.
func (m *model) undoLast() tea.Cmd {
	if m.undo == nil {
		words := "nothing of this console to undo"
		if m.undoes != "" {
			words += "; the last act was " + m.undoes + ", which has no way back from here"
		}
		m.note(wire.LevelInfo, words)
		return nil
	}
	lines := m.undo
	m.undo, m.batch = nil, 0
	return m.performAll(lines)
}

// units are what an act of the units view or of the home is for: of the marked rows, or of the one under the cursor or opened.
func (m *model) units() []*wire.UnitRow {
	var out []*wire.UnitRow
	if m.top() != nil {
		id := m.pageUnit()
		for i := range m.shown.Units {
			if id != "" && m.shown.Units[i].ID == id {
				out = append(out, &m.shown.Units[i])
			}
		}
		return out
	}
	if m.view == keymap.HomeNumber {
		return m.homeUnits()
	}
	index := m.index(panel.Units)
	for _, i := range index {
		if m.marked[m.shown.Units[i].ID] {
			out = append(out, &m.shown.Units[i])
		}
	}
	if len(out) == 0 && len(index) > 0 {
		out = append(out, &m.shown.Units[index[min(m.cursors[panel.Units].pos, len(index)-1)]])
	}
	return out
}

// pageUnit is the unit that the open pages are about, the innermost first; "" when they are about none.
func (m *model) pageUnit() string {
	for i := len(m.pages) - 1; i >= 0; i-- {
		switch t := &m.pages[i].target; t.Kind {
		case panel.UnitTarget, panel.ExitTarget:
			return t.Key
		case panel.AccountTarget, panel.TallyTarget:
			return t.Unit
		}
	}
	return ""
}

// sizeArgument is a size as a command line takes it, in the largest unit that divides it.
func sizeArgument(bytes uint64) string {
	if bytes >= 1<<30 && bytes%(1<<30) == 0 {
		return fmt.Sprintf("%dGiB", bytes>>30)
	}
	return fmt.Sprintf("%dMiB", bytes>>20)
}

// scale begins the command line that changes a unit's ceilings, with what they are now.
func (m *model) scale() tea.Cmd {
	us := m.units()
	switch {
	case len(us) == 0:
		m.note(wire.LevelInfo, "no unit is selected")
		return nil
	case len(us) > 1:
		m.note(wire.LevelInfo, fmt.Sprintf("%d units are marked, and each has ceilings of its own: take the marks off, and scale one after the other", len(us)))
		return nil
	}
	u := us[0]
	return m.openPalette(fmt.Sprintf("imvu scale %s --cpu %g --memory %s --storage %s", u.Label, u.Envelope.CPUCores, sizeArgument(u.Envelope.MemoryBytes),
		sizeArgument(u.Envelope.StorageBytes)))
}

// standing suspends the selected or marked units, or resumes them when the first is suspended. Those that it does not fit are left out, and said.
func (m *model) standing() tea.Cmd {
	us := m.units()
	if len(us) == 0 {
		m.note(wire.LevelInfo, "no unit is selected")
		return nil
	}
	verb := "suspend"
	if us[0].Status == "suspended" {
		verb = "resume"
	}
	var lines [][]string
	var out []string
	for _, u := range us {
		if len(us) > 1 && (u.Status == "suspended") != (verb == "resume") {
			out = append(out, u.Label)
			continue
		}
		lines = append(lines, []string{"imvu", verb, u.Label})
	}
	if len(out) > 0 {
		m.note(wire.LevelInfo, fmt.Sprintf("%s is for %d of the %d marked units; left as they are: %s", verb, len(lines), len(us),
			theme.Clean(strings.Join(out, ", "))))
	}
	return m.performAll(lines)
}

// verifyNow runs the command line that re-verifies what has the keys: for the platform's people on lists of money and on the audit the whole
// ledger, which is nobody else's to read.
func (m *model) verifyNow() tea.Cmd {
	all := m.top() == nil && (m.view == 4 || m.view == auditView) || m.top() != nil && m.top().target.Kind == panel.ChainTarget
	if all && operates(m.shown) {
		return m.perform([]string{"ledger", "verify"})
	}
	cmd := m.command()
	if cmd == "" {
		m.note(wire.LevelInfo, "nothing to verify here; open a decision, a tally or an entry")
		return nil
	}
	return m.perform(splitWords(cmd))
}

// rerun runs the selected phase again if it failed or is degraded, else the first failed one.
func (m *model) rerun() tea.Cmd {
	phases := &m.shown.Launch.Phases
	number := 0
	if p := m.top(); p != nil && p.target.Kind == panel.PhaseTarget {
		number = p.target.Number
	} else if m.active() == panel.Launch {
		if index, pos := m.index(panel.Launch), m.cursors[panel.Launch].pos; pos < len(index) {
			number = index[pos] + 1
		}
	}
	if number == 0 || phases[number-1].Status != wire.StatusFailed && phases[number-1].Status != wire.StatusDegraded {
		number = 0
		for i := range phases {
			if phases[i].Status == wire.StatusFailed {
				number = i + 1
				break
			}
		}
	}
	if number == 0 {
		m.note(wire.LevelInfo, "no phase failed, so there is nothing to run again; on a degraded one, 1 and this key run it")
		return nil
	}
	name := phases[number-1].Name
	m.note("command", fmt.Sprintf("nexus launch rerun %d", number))
	m.note(wire.LevelInfo, fmt.Sprintf("asking the node to run phase %d %s again", number, name))
	backend, session := m.options.Backend, m.ctx
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(session, callTimeout)
		defer cancel()
		return actMsg{done: fmt.Sprintf("phase %d %s runs again", number, name), err: backend.RerunPhase(ctx, number)}
	}
}

// setReadOnly turns read-only mode on, or after a question off. What the session or its key cannot do stays off.
func (m *model) setReadOnly(on bool) {
	switch {
	case on && !m.held:
		m.held = true
		m.options.Backend.SetReadOnly(true)
		m.note(wire.LevelInfo, "read-only: the node refuses every act of this session; "+m.keys.Key(keymap.ReadOnly)+" ends it")
	case !on && m.options.readOnly():
		m.note(wire.LevelWarning, "read-only stays on: "+m.readOnlyReason())
	case !on && m.held:
		m.confirm(&dialog{title: "Leave read-only mode", danger: keymap.Disruptive, facts: [][2]string{{"effect",
			"keys and commands act again, signed by " + m.shown.Identity.Name}},
			yes: func() tea.Cmd {
				m.held = false
				m.options.Backend.SetReadOnly(false)
				m.note(wire.LevelInfo, "read-only mode is off")
				return nil
			}})
	}
}

// setTheme changes the look; every panel is drawn again.
func (m *model) setTheme(o theme.Options) {
	m.options.Theme = o
	muted := o
	muted.Muted = true
	m.bright, m.muted = theme.New(o), theme.New(muted)
	m.note(wire.LevelInfo, "theme "+o.Name+"; :theme NAME chooses, --theme keeps it")
}

// themeByName finds a theme, built in or the user's.
func (m *model) themeByName(name string) (theme.Options, bool) {
	if o, ok := m.options.Theme.BuiltIn(name); ok {
		return o, true
	}
	for _, p := range m.options.Themes {
		if p.Name == name {
			o := m.options.Theme
			o.Palette, o.Name = p, name
			return o, true
		}
	}
	return theme.Options{}, false
}

func (m *model) themeNames() []string {
	names := theme.Names()
	for _, p := range m.options.Themes {
		names = append(names, p.Name)
	}
	return names
}

func (m *model) nextTheme() {
	names, now := m.themeNames(), m.options.Theme.Name
	if now == "" {
		now = map[bool]string{true: "light", false: "dark"}[m.options.Theme.Light]
	}
	next := names[0]
	for i, n := range names {
		if n == now {
			next = names[(i+1)%len(names)]
		}
	}
	// One who steps past light has not said that the background is: strong tones for the wrong one are black on black.
	m.options.Theme.Light = m.light
	if o, ok := m.themeByName(next); ok {
		m.setTheme(o)
	}
}

// askQuit leaves, or asks first when the node is this session's.
func (m *model) askQuit(ask bool) tea.Cmd {
	if !ask {
		return m.leave(QuitDetach)
	}
	m.asking, m.help = quitQuestion, false
	return nil
}

// answer takes the answer to the quit question. Anything that is not an answer changes nothing.
func (m *model) answer(key string) tea.Cmd {
	switch key {
	case "s", "S":
		if m.readOnly() {
			m.note(wire.LevelWarning, "stopping is off: "+m.readOnlyReason())
			return nil
		}
		return m.stop()
	case "l", "L", "ctrl+c": // a second ctrl+c never stops the node
		return m.leave(QuitDetach)
	case "esc", "c", "C", "q", "n":
		m.asking = noQuestion
	}
	return nil
}

func (m *model) stop() tea.Cmd {
	m.asking = stopping
	m.note("command", "nexus stop")
	backend, session := m.options.Backend, m.ctx
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(session, stopTimeout)
		defer cancel()
		return stoppedMsg{err: backend.Stop(ctx)}
	}
}

func (m *model) stopped(err error) tea.Cmd {
	if err != nil {
		m.asking = noQuestion
		m.note(wire.LevelCritical, "the node did not stop: "+describe(err))
		return nil
	}
	return m.leave(QuitStop)
}

func (m *model) leave(how Quit) tea.Cmd {
	m.quit = how
	return tea.Quit
}
