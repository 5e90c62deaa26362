package wizard

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"strings"
	"syscall"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/huh"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// framesPerSecond bounds the renderer, as in the console.
const framesPerSecond = 30

// creating is waited for without keeping keys: nothing typed meanwhile may answer a question that is not there yet.
const creating waiting = "creating"

// waiting says what the form waits for while keys are held.
type waiting string

// queueMax bounds the keys kept while the node is asked; more are dropped.
const queueMax = 256

// model hosts one huh form per question, so that every text is made from the answers as they are now, and holds what
// stands around it. It moves from question to question itself: huh's own moves are messages that arrive after the keys
// typed ahead, which would then go to the wrong question. Only the program's goroutine touches it; while it waits for
// the node nothing changes the draft.
type model struct {
	*session
	ctx     context.Context
	huh     *huh.Theme
	keys    *huh.KeyMap
	at      int                 // step
	asked   []field             // its questions
	number  int                 // of the present question in asked
	form    *huh.Form           // draws and edits it; nil on a step without questions
	choose  *huh.Select[string] // its field when it is a choice
	queue   []tea.KeyMsg        // typed while waiting
	wait    waiting
	problem error
	saveErr error
	created *wire.UnitCreated
	left    bool
	width   int
	height  int
}

// Messages of the program.
type (
	checkedMsg  struct{ err error }
	reviewedMsg struct {
		verdicts []wire.Verdict
		err      error
	}
	createdMsg struct {
		unit wire.UnitCreated
		err  error
	}
)

// show runs the form on a screen of its own.
func (w *session) show(ctx context.Context) (*wire.UnitCreated, error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	if w.options.Resizes == nil { // in a process of its own
		var stopSignals context.CancelFunc
		ctx, stopSignals = signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGTERM)
		defer stopSignals()
	}
	m := &model{session: w, ctx: ctx, huh: huhTheme(w.theme), keys: huhKeys(), width: w.options.Width,
		height: w.options.Height}
	m.at = position(w.path(), w.draft.Step)
	program := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(w.options.In), tea.WithOutput(w.options.Out),
		tea.WithAltScreen(),
		tea.WithFPS(framesPerSecond), tea.WithoutSignalHandler())
	go func() { // ends with ctx
		for {
			select {
			case <-ctx.Done():
				return
			case z := <-w.options.Resizes:
				program.Send(tea.WindowSizeMsg{Width: z[0], Height: z[1]})
			}
		}
	}()
	_, err := program.Run()
	switch {
	case m.saveErr != nil:
		return nil, m.saveErr
	case m.created != nil:
		return m.created, nil
	case m.left || ctx.Err() != nil || errors.Is(err, syscall.EIO):
		return nil, ErrLeft
	case err != nil:
		return nil, err
	}
	return nil, ErrLeft
}

// huhKeys are huh's keys without those that would shadow ours: esc goes back a step, / is a letter.
func huhKeys() *huh.KeyMap {
	k := huh.NewDefaultKeyMap()
	k.Quit = key.NewBinding(key.WithDisabled())
	k.Select.Filter = key.NewBinding(key.WithDisabled())
	return k
}

// huhTheme builds huh's styles from the session's renderer; huh's own come from the process's terminal.
func huhTheme(th *theme.Theme) *huh.Theme {
	t := huh.ThemeBase()
	plain := th.Lipgloss(theme.Plain)
	f := &t.Focused
	f.Base, f.Card = plain.PaddingLeft(1), plain.PaddingLeft(1)
	f.Title, f.NoteTitle = th.Lipgloss(theme.Strong), th.Lipgloss(theme.Strong)
	f.Description = th.Lipgloss(theme.Faint)
	f.ErrorIndicator = th.Lipgloss(theme.Bad).SetString(" " + th.Symbols.Alert)
	f.ErrorMessage = th.Lipgloss(theme.Bad).SetString(th.Symbols.Alert)
	f.SelectSelector = th.Lipgloss(theme.Accent).SetString(th.Symbols.Cursor + " ")
	f.Option, f.SelectedOption = plain, th.Lipgloss(theme.Strong)
	f.TextInput = huh.TextInputStyles{Cursor: th.Lipgloss(theme.Accent), CursorText: plain,
		Placeholder: th.Lipgloss(theme.Faint),
		Prompt:      th.Lipgloss(theme.Accent), Text: th.Lipgloss(theme.Strong)}
	t.Blurred = t.Focused
	t.Blurred.Title, t.Blurred.TextInput.Text = th.Lipgloss(theme.Faint), plain
	t.Blurred.SelectSelector = plain.SetString("  ")
	t.FieldSeparator = lipgloss.NewStyle().SetString("\n")
	return t
}

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return m.enter() }

// enter opens the step at m.at. The review first asks the gates.
func (m *model) enter() tea.Cmd {
	path := m.path()
	m.at = max(min(m.at, len(path)-1), 0)
	s := path[m.at]
	m.draft.Step, m.form = s.name, nil
	m.save()
	if s.name == reviewName {
		m.wait = "asking all 17 gates"
		return func() tea.Msg {
			verdicts, err := m.review(m.ctx)
			return reviewedMsg{verdicts, err}
		}
	}
	return m.build(s)
}

// build opens the questions of a step from the answers as they are.
func (m *model) build(s step) tea.Cmd {
	m.asked, m.number = nil, 0
	if s.fields != nil {
		m.asked = s.fields(m.session)
	}
	return m.question()
}

// question makes the huh form of the present question.
func (m *model) question() tea.Cmd {
	m.form, m.choose = nil, nil
	if m.number >= len(m.asked) {
		return nil
	}
	f := m.asked[m.number]
	var one huh.Field
	if len(f.choices) == 0 {
		one = huh.NewInput().Title(f.title).Value(f.value).Inline(true).CharLimit(answerMax)
	} else {
		var options []huh.Option[string]
		for _, c := range f.choices {
			// In one line: huh counts a choice as one, and would leave the last ones below the edge.
			options = append(options, huh.NewOption(ansi.Truncate(theme.Clean(c.words), max(m.width-5, 8), m.theme.Symbols.Ellipsis), c.value))
		}
		m.choose = huh.NewSelect[string]().Title(f.title).Options(options...).Value(f.value)
		one = m.choose
	}
	m.form = huh.NewForm(huh.NewGroup(one)).WithTheme(m.huh).WithKeyMap(m.keys).WithShowHelp(false).WithShowErrors(false)
	return tea.Batch(m.form.Init(), m.resize())
}

// resize tells the form its room; it is cut again when drawn.
func (m *model) resize() tea.Cmd {
	if m.form == nil {
		return nil
	}
	_, cmd := m.form.Update(tea.WindowSizeMsg{Width: max(m.width-2, 1), Height: max(m.height-4, 1)})
	return cmd
}

func (m *model) save() {
	if err := m.draft.save(m.options.DraftFile); err != nil && m.saveErr == nil {
		m.saveErr = err
	}
}

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		return m, m.resize()
	case checkedMsg:
		return m, m.replay(m.checked(msg.err))
	case reviewedMsg:
		m.wait, m.verdicts, m.refused = "", msg.verdicts, msg.err
		m.draft.Decision = "create"
		if !m.allowed() {
			m.draft.Decision = "change"
		}
		return m, m.replay(m.build(m.path()[m.at]))
	case createdMsg:
		m.wait = ""
		if msg.err == nil {
			m.created = &msg.unit
			return m, tea.Quit
		}
		m.problem, m.queue = msg.err, nil
		return m, m.enter()
	case tea.KeyMsg:
		if msg.Type == tea.KeyRunes && len(msg.Runes) > 1 && !msg.Paste {
			return m, m.oneByOne(msg)
		}
		if cmd, done := m.key(msg); done {
			return m, cmd
		}
	}
	return m, m.forward(msg)
}

// oneByOne takes apart what one read brought: fast typing and slow links deliver several keys as one message.
func (m *model) oneByOne(msg tea.KeyMsg) tea.Cmd {
	var cmds []tea.Cmd
	for _, r := range msg.Runes {
		_, cmd := m.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: msg.Alt})
		cmds = append(cmds, cmd)
	}
	return tea.Batch(cmds...)
}

// replay gives the keys that were typed while waiting to what is open now.
func (m *model) replay(cmd tea.Cmd) tea.Cmd {
	cmds := []tea.Cmd{cmd}
	for m.wait == "" && len(m.queue) > 0 {
		msg := m.queue[0]
		m.queue = m.queue[1:]
		_, cmd := m.Update(msg)
		cmds = append(cmds, cmd)
	}
	return tea.Batch(cmds...)
}

// key takes the wizard's own keys; the rest edits the answer.
func (m *model) key(msg tea.KeyMsg) (tea.Cmd, bool) {
	switch k := msg.String(); {
	case k == "ctrl+c":
		m.left = true
		m.save()
		return tea.Quit, true
	case m.wait != "":
		if m.wait != creating && len(m.queue) < queueMax {
			m.queue = append(m.queue, msg)
		}
		return nil, true
	case k == "esc", k == "shift+tab":
		return m.back(), true
	case k == "enter", k == "tab":
		return m.submit(), true
	}
	m.problem = nil
	return nil, m.form == nil
}

// back goes to the question or the step before; nothing that was answered is lost. Before the first there is only leaving.
func (m *model) back() tea.Cmd {
	m.problem, m.resumed = nil, false
	switch {
	case m.first():
		m.left = true
		m.save()
		return tea.Quit
	case m.number > 0:
		m.number--
		return m.question()
	case m.at > 0:
		m.at--
		return m.enter()
	}
	return nil
}

// submit takes the answer: checked by its form here, and after the step's last question by the node.
func (m *model) submit() tea.Cmd {
	m.problem = nil
	if m.number < len(m.asked) {
		f := m.asked[m.number]
		if m.choose != nil {
			if value, ok := m.choose.Hovered(); ok {
				*f.value = value
			}
		}
		if m.choose == nil {
			*f.value = strings.TrimSpace(*f.value)
		}
		if f.validate != nil {
			if m.problem = f.validate(*f.value); m.problem != nil {
				return nil
			}
		}
		if m.number++; m.number < len(m.asked) {
			return m.question()
		}
	}
	s := m.path()[m.at]
	if s.after != nil {
		s.after(m.draft)
	}
	m.save()
	switch {
	case s.name == reviewName:
		return m.decide()
	case s.check == nil:
		return m.next()
	}
	m.wait = "checking with the node"
	return func() tea.Msg { return checkedMsg{m.check(m.ctx, s)} }
}

// forward gives a message to the form.
func (m *model) forward(msg tea.Msg) tea.Cmd {
	if m.form == nil || m.wait != "" {
		return nil
	}
	_, cmd := m.form.Update(msg)
	return cmd
}

// checked goes on, or opens the step again with what the node has against it.
func (m *model) checked(err error) tea.Cmd {
	m.wait, m.problem = "", err
	if err != nil {
		return m.build(m.path()[m.at])
	}
	return m.next()
}

// first reports whether the question is the one that nothing comes before.
func (m *model) first() bool { return m.at == 0 && m.number == 0 }

func (m *model) next() tea.Cmd {
	m.problem, m.resumed = nil, false
	m.at++
	return m.enter()
}

func (m *model) decide() tea.Cmd {
	switch m.draft.Decision {
	case "create":
		m.wait = creating
		return func() tea.Msg {
			unit, err := m.create(m.ctx)
			return createdMsg{unit, err}
		}
	case "leave":
		m.left = true
		return tea.Quit
	}
	m.at = 0
	return m.enter()
}

// View implements tea.Model: exactly height lines, none wider than the terminal.
func (m *model) View() string {
	width, height := max(m.width, 1), max(m.height, 1)
	th := m.theme
	path := m.path()
	s := path[min(m.at, len(path)-1)]
	at, name := m.at+1, s.name
	if m.wait == creating {
		at, name = len(path)+1, createName
	}
	l := th.NewLine(width).Add(theme.Strong, "New unit ")
	if m.options.Recorded {
		l.Add(theme.Warn, "rec ")
	}
	top := l.Add(theme.Faint, fmt.Sprintf("step %d of %d ", at, len(path)+1)).
		Add(theme.Accent, name).Add(theme.Plain, " ").Fill(theme.Faint, th.Symbols.Rule, 0).String()
	var ask []string
	if m.wait == "" {
		for _, f := range m.asked[:min(m.number, len(m.asked))] {
			ask = append(ask, th.NewLine(width).Space(1).Add(theme.Faint, f.title+"  "+theme.Clean(*f.value)).String())
		}
	}
	if m.form != nil && m.wait == "" {
		ask = append(ask, strings.Split(strings.TrimRight(m.form.View(), "\n "), "\n")...)
	}
	switch {
	case m.wait != "":
		ask = []string{th.NewLine(width).Add(theme.Info, " "+string(m.wait)).String()}
	case m.problem != nil:
		ask = append(ask, "")
		for _, line := range theme.Wrap(theme.Clean(problemWords(m.problem)), max(width-3, 1)) {
			ask = append(ask, th.NewLine(width).Add(theme.Bad, " "+th.Symbols.Alert+" "+line).String())
		}
	}
	words := m.wordLines(s, width)
	room := max(height-2-len(ask)-1, 0) // the question stays visible; the text gives way
	lines := append([]string{top}, words[:min(len(words), room)]...)
	lines = append(append(lines, ""), ask...)
	if len(lines) > height-1 {
		lines = lines[:max(height-1, 0)]
	}
	for len(lines) < height-1 {
		lines = append(lines, "")
	}
	lines = append(lines, m.footer(width))
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], width, "")
	}
	return strings.Join(lines[len(lines)-height:], "\n")
}

// problemWords says what is wrong, and the way out; the name of the action that was tried is of no use to who answers questions.
func problemWords(err error) string {
	var e *nexus.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	said := *e
	said.Op = ""
	return said.Error()
}

// footer names the keys.
func (m *model) footer(width int) string {
	l := m.theme.NewLine(width)
	if m.choose != nil && m.wait == "" {
		l.Add(theme.Accent, " up down").Add(theme.Faint, " choose ")
	}
	l.Add(theme.Accent, " enter").Add(theme.Faint, " next  ").Add(theme.Accent, "esc")
	if m.first() {
		return l.Add(theme.Faint, " leave, the draft is kept").String()
	}
	return l.Add(theme.Faint, " back  ").Add(theme.Accent, "ctrl+c").Add(theme.Faint, " leave, the draft is kept").String()
}

// wordLines are the step's text; at the review also what the gates said.
func (m *model) wordLines(s step, width int) []string {
	var out []string
	add := func(style theme.Style, text string) {
		rest, indented := strings.CutPrefix(text, more)
		indent := 1
		if indented {
			indent += len(more)
		}
		for _, line := range theme.Wrap(theme.Clean(rest), max(width-1-indent, 1)) {
			out = append(out, m.theme.NewLine(width).Space(indent).Add(style, line).String())
		}
	}
	if m.resumed && m.problem == nil && s.name != reviewName {
		add(theme.Faint, "The draft that was kept goes on.")
	}
	for _, text := range s.words(m.session) {
		if s.name != reviewName && !strings.HasPrefix(text, more) {
			out = append(out, "")
		}
		add(theme.Plain, text)
	}
	if s.name != reviewName || m.wait != "" {
		return out
	}
	if m.refused != nil {
		add(theme.Bad, "The node refuses it: "+m.refused.Error())
		return out
	}
	add(theme.Strong, verdictSummary(m.verdicts))
	for _, line := range verdictLines(m.theme, m.verdicts, max(width-1, 1)) {
		out = append(out, " "+line)
	}
	return out
}
