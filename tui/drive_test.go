package tui

import (
	"context"
	"fmt"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// driven is a model without a program: messages go in, screens come out, commands run at once.
type driven struct {
	*model
	t       testing.TB
	backend *tuitest.Backend
	ended   bool
}

func drive(t testing.TB, th theme.Options, width, height int, change func(*Options)) *driven {
	t.Helper()
	b := tuitest.NewBackend(nil)
	o := Options{Backend: b, Theme: th, Width: width, Height: height, Now: tuitest.Time}
	if change != nil {
		change(&o)
	}
	if o.Commands == nil {
		o.Commands = &fakeCommands{}
	}
	keys, err := keymap.New(o.Keys)
	if err != nil {
		t.Fatal(err)
	}
	return &driven{model: newModel(context.Background(), o, keys, &frameWriter{}), t: t, backend: b}
}

func (d *driven) send(msg tea.Msg) {
	_, cmd := d.Update(msg)
	if _, lines := msg.(logMsg); lines || cmd == nil || d.waits(cmd) { // lines ask for the next ones, which nobody sends
		return
	}
	switch answer := cmd().(type) {
	case nil:
	case tea.QuitMsg:
		d.ended = true
	case tea.BatchMsg:
		for _, one := range answer {
			if one != nil {
				d.answer(one())
			}
		}
	default:
		d.answer(answer)
	}
}

func (d *driven) answer(msg tea.Msg) {
	switch msg.(type) {
	case evidenceMsg, homeMsg, wholeMsg, actMsg, stoppedMsg, outcomeMsg, completionMsg:
		d.send(msg)
	}
}

func (d *driven) show1(o *wire.Overview) { d.send(pictureMsg{picture: picture{overview: o}}) }

// press sends keys: one word a key, quoted text a rune each.
func (d *driven) press(keys ...string) {
	named := map[string]tea.KeyType{"enter": tea.KeyEnter, "esc": tea.KeyEsc, "tab": tea.KeyTab,
		"shift+tab": tea.KeyShiftTab, "down": tea.KeyDown,
		"up": tea.KeyUp, "pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp, "ctrl+c": tea.KeyCtrlC,
		"backspace": tea.KeyBackspace, "ctrl+l": tea.KeyCtrlL,
		"space": tea.KeySpace, "ctrl+u": tea.KeyCtrlU, "ctrl+w": tea.KeyCtrlW, "ctrl+k": tea.KeyCtrlK, "left": tea.KeyLeft, "right": tea.KeyRight}
	for _, k := range keys {
		if t, ok := named[k]; ok {
			msg := tea.KeyMsg{Type: t}
			if t == tea.KeySpace {
				msg.Runes = []rune{' '}
			}
			d.send(msg)
			continue
		}
		for _, r := range k {
			d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}})
		}
	}
}

// screen checks the promise of View and gives it.
func (d *driven) screen() string {
	d.t.Helper()
	view := d.View()
	lines := strings.Split(view, "\n")
	if len(lines) != d.height {
		d.t.Fatalf("%dx%d, view %d: %d lines", d.width, d.height, d.model.view, len(lines))
	}
	for _, line := range lines {
		if w := theme.Width(plainText(line)); w > d.width {
			d.t.Fatalf("%dx%d, view %d: line of %d cells %q", d.width, d.height, d.model.view, w, line)
		}
	}
	return view
}

// plainText takes the colours off.
func plainText(s string) string { return plain(s) }

// waits reports whether a command would wait: for lines of the log, for a clock. Tests send what they bring themselves.
func (d *driven) waits(tea.Cmd) bool {
	ticking := d.dialog != nil && !d.dialog.armed.IsZero() && !d.dialog.ready
	return d.log.asking && d.model.view == keymap.LogNumber || ticking || d.wheeling
}

// fakeCommands is a command line of a few verbs. What it was asked to run is in ran.
type fakeCommands struct {
	ran     []string
	code    int
	undo    []string
	columns int // of the page that the last line was run for
}

func (f *fakeCommands) Verbs() []Verb {
	return []Verb{{Path: "imvu create", Short: "Create a unit", Danger: keymap.Reversible}, {Path: "imvu list", Short: "List them"},
		{Path: "imvu scale", Args: "UNIT", Short: "Change the ceilings of a unit", Danger: keymap.Reversible},
		{Path: "imvu suspend", Args: "UNIT", Short: "Suspend a unit", Danger: keymap.Disruptive}, {Path: "imvu resume",
			Args: "UNIT", Short: "End a suspension", Danger: keymap.Reversible},
		{Path: "imvu exit", Args: "UNIT", Short: "Leave with everything", Danger: keymap.Irreversible},
		{Path: "imvu rollback", Args: "UNIT", Short: "Put a snapshot in place", Danger: keymap.Irreversible}, {Path: "ledger verify",
			Short: "Re-read and recompute everything stored"},
		{Path: "gates explain", Args: "ID", Short: "Show one decision and replay it"}, {Path: "revenue tally", Short: "Figures and their split"},
		{Path: "imvu start", Args: "UNIT", Short: "the compute fabric is not built in this version", Why: "not built in this version"}}
}

func (f *fakeCommands) Run(_ context.Context, args []string, readOnly bool, columns int) Outcome {
	f.columns = columns
	f.ran = append(f.ran, fmt.Sprintf("%s (read-only %v)", commandLine(args), readOnly))
	return Outcome{Code: f.code, Out: "IMVU-001  Aria\x1b[2J Music\n", Err: "decision 57\n", Undo: f.undo}
}

func (f *fakeCommands) Complete(_ context.Context, args []string) []string {
	if args[len(args)-1] == "" || strings.HasPrefix("IMVU-001", args[len(args)-1]) {
		return []string{"IMVU-001\tAria Music, active", "IMVU-003\tkilo, active"}
	}
	return nil
}
