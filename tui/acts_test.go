package tui

import (
	"os"
	"path/filepath"
	stdslices "slices"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// withCommands drives a console whose command line is fake.
func withCommands(t *testing.T, change func(*Options)) (*driven, *fakeCommands) {
	commands := &fakeCommands{}
	d := drive(t, theme.Options{}, 190, 40, func(o *Options) {
		o.Commands = commands
		if change != nil {
			change(o)
		}
	})
	d.show1(tuitest.Overview())
	return d, commands
}

func wants(t *testing.T, d *driven, words ...string) {
	t.Helper()
	got := d.screen()
	for _, w := range words {
		if !strings.Contains(got, w) {
			t.Errorf("the screen lacks %q:\n%s", w, got)
		}
	}
}

// The palette offers verbs by a few letters, completes arguments, runs what reads at once and shows what it said.
func TestPaletteRunsVerbs(t *testing.T) {
	t.Parallel()
	d, c := withCommands(t, nil)
	d.press(":", "imls")
	wants(t, d, "▸ imvu list")
	d.press("enter")
	wants(t, d, "$ nexus imvu list", "exit", "done", `Aria\x1b[2J Music`)
	if !stdslices.Equal(c.ran, []string{"imvu list (read-only false)"}) {
		t.Errorf("ran %q", c.ran)
	}
	d.press("esc", ":", "scale", "tab")
	wants(t, d, "nexus imvu scale UNIT", "IMVU-003", "kilo, active")
	d.press("down", "down", "tab", "--cpu 3")
	if got := d.line.String(); got != "imvu scale IMVU-003 --cpu 3" {
		t.Errorf("completed to %q", got)
	}
	c.undo = []string{"imvu", "scale", "IMVU-003", "--cpu=2"}
	d.press("enter")
	wants(t, d, "done, u undoes it: nexus imvu scale IMVU-003 --cpu 3")
	c.undo = nil
	d.press("u")
	if want := "imvu scale IMVU-003 --cpu=2 (read-only false)"; c.ran[len(c.ran)-1] != want {
		t.Errorf("undo ran %q", c.ran)
	}
	wants(t, d, "done, for good")
	d.press("u")
	wants(t, d, "nothing of this console to undo")
	d.press(":", "up")
	if got := d.line.String(); got != "imvu scale IMVU-003 --cpu 3" {
		t.Errorf("the line before is %q", got)
	}
	d.press("esc", ":", "imvu start IMVU-001", "enter")
	wants(t, d, "imvu start: not built in this version")
	d.press(":", "dance", "enter")
	wants(t, d, `no verb begins with "dance"`)
	d.press("esc", "9")
	wants(t, d, "$ command  nexus imvu scale IMVU-003 --cpu 3")
}

// What failed says so with its exit code, and shows all it said.
func TestARefusedActShowsItsOutput(t *testing.T) {
	t.Parallel()
	d, c := withCommands(t, nil)
	c.code = 4
	d.press(":", "imvu scale IMVU-001 --cpu 99", "enter")
	wants(t, d, "exit 4", "✘ 4, refused by a gate")
	if d.undo != nil {
		t.Error("a refused act can be undone")
	}
}

// What disrupts asks, and anything but y is no; what cannot be undone wants the name and time.
func TestDangerLevels(t *testing.T) {
	t.Parallel()
	d, c := withCommands(t, nil)
	for _, key := range []string{"enter", "n", "space", "esc", "q"} {
		d.press("6", "g", "S")
		wants(t, d, "nexus imvu suspend", "IMVU-001 aria", "4 requests in flight", "10,000.00 USD gross", "Do it?")
		d.press(key)
		if len(c.ran) != 0 || d.dialog != nil || d.ended {
			t.Fatalf("%s did something: %q", key, c.ran)
		}
	}
	d.press("S", "y")
	if !stdslices.Equal(c.ran, []string{"imvu suspend IMVU-001 (read-only false)"}) {
		t.Errorf("ran %q", c.ran)
	}
	c.ran = nil
	d.press("g", "space", "space", "S")
	wants(t, d, "2 units, one signed action each")
	d.press("y")
	if len(c.ran) != 2 {
		t.Errorf("marked units: %q", c.ran)
	}
	c.ran = nil
	d.press("esc", ":", "imvu rollback IMVU-003", "enter", "enter", "enter", "IMVU-00", "enter")
	wants(t, d, "This cannot be undone", "Type IMVU-003")
	d.press("3", "enter", "enter")
	wants(t, d, "armed in 3 s")
	if len(c.ran) != 0 {
		t.Fatalf("an unarmed dialog ran %q", c.ran)
	}
	d.send(armedMsg{dialog: &dialog{name: "IMVU-003"}}) // of another arming
	d.press("enter")
	if len(c.ran) != 0 {
		t.Fatalf("another dialog's time armed this one: %q", c.ran)
	}
	d.send(armedMsg{dialog: &dialog{name: "IMVU-003", armed: d.dialog.armed}})
	wants(t, d, "armed: enter does it")
	d.press("enter")
	if !stdslices.Equal(c.ran, []string{"imvu rollback IMVU-003 (read-only false)"}) {
		t.Errorf("ran %q", c.ran)
	}
}

// Read-only: every acting key and verb is off and says why, the backend is told, and leaving it asks.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	d, c := withCommands(t, nil)
	d.press("R")
	wants(t, d, "RO", "the node refuses every act")
	for view := range keymap.ViewCount {
		for _, b := range d.keys.List(view) {
			if !b.Changes {
				continue
			}
			d.model.view, d.pages = view, nil
			d.press(b.Keys[0])
			if len(c.ran) != 0 || d.typing != notTyping || !strings.Contains(d.flash, b.Keys[0]+" is off") {
				t.Errorf("%s in view %d: ran %q, flash %q", b.Name(), view, c.ran, d.flash)
			}
		}
	}
	d.press("0", ":", "imvu scale IMVU-001 --cpu 3", "enter")
	wants(t, d, "imvu scale is off: read-only mode is on")
	d.press(":", "imvu list", "enter")
	if !stdslices.Equal(c.ran, []string{"imvu list (read-only true)"}) {
		t.Errorf("ran %q", c.ran)
	}
	d.press("esc", "R", "n")
	if !d.readOnly() {
		t.Error("no answer left read-only mode")
	}
	d.press("R", "y")
	if d.readOnly() || !stdslices.Contains(d.backend.Calls(), "read-only false") {
		t.Errorf("still read-only: %v", d.backend.Calls())
	}
	d, _ = withCommands(t, func(o *Options) { o.ReadOnly = true })
	d.press("R")
	wants(t, d, "read-only stays on: this session is read-only")
}

// Every key that changes something names the verb that does the same, and what it costs.
func TestEveryChangingKeyHasAVerb(t *testing.T) {
	t.Parallel()
	keys, err := keymap.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range keys.All() {
		if b.Changes && (b.Verb == "" || b.Danger == keymap.Reads) {
			t.Errorf("%s changes something: verb %q, danger %v", b.Name(), b.Verb, b.Danger)
		}
	}
}

func TestMarksCopiesAndTheirWays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, _ := withCommands(t, func(o *Options) { o.StateDir, o.Tmux = dir, true })
	var copied []string
	d.copies = func(text string) error { copied = append(copied, text); return nil }
	d.press("6", "y", "Y", "c")
	wants(t, d, "if tmux has set -s", "kept in "+filepath.Join(dir, "clipboard"))
	if len(copied) != 3 || len(copied[0]) != 32 || !strings.HasPrefix(copied[1], `{"id":`) || copied[2] != "nexus imvu show IMVU-001" {
		t.Errorf("copied %q", copied)
	}
	d.press("space", "j", "space", "c")
	if got := copied[3]; got != "nexus imvu show IMVU-001\nnexus imvu show IMVU-003" {
		t.Errorf("two marked rows gave %q", got)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "clipboard")); err != nil || string(b) != copied[3] {
		t.Errorf("the file holds %q, %v", b, err)
	}
	d.press("M")
	if n := len(d.index(panel.Units)); n != 2 {
		t.Errorf("%d rows are shown, 2 are marked", n)
	}
	d.press("esc", "esc")
	if len(d.marked) != 0 || len(d.index(panel.Units)) < 6 {
		t.Error("esc keeps the marks")
	}
	for o, want := range map[*Options]string{{}: "\x1b]52;c;aGk=\x07",
		{Tmux: true}: "\x1b]52;c;aGk=\x07\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\", {Screen: true}: "\x1bP\x1b]52;c;aGk=\x07\x1b\x5c"} {
		if got := clipboardSequence(*o, "hi"); got != want {
			t.Errorf("%+v: %q, want %q", o, got, want)
		}
	}
	d.press("4", "enter", "enter")
	d.copies = func(string) error { return os.ErrClosed }
	d.press("y")
	wants(t, d, "closed")
}

func TestPlacesAndSavedViews(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, _ := withCommands(t, func(o *Options) { o.StateDir = dir })
	d.press("3", "6", "enter", "[")
	if d.model.view != 6 || d.top() != nil {
		t.Errorf("[ went to view %d, page %v", d.model.view, d.top())
	}
	d.press("[")
	if d.model.view != 3 {
		t.Errorf("[ went to view %d", d.model.view)
	}
	d.press("]", "]")
	if d.model.view != 6 || d.top() == nil {
		t.Errorf("] went to view %d, page %v", d.model.view, d.top())
	}
	d.press("-")
	if d.model.view != 3 {
		t.Errorf("- went to view %d", d.model.view)
	}
	d.press("8", "/", "deny", "enter", ":", "view save mine", "enter", "0", ":", "view mine", "enter")
	wants(t, d, "/deny")
	if d.model.view != 8 {
		t.Errorf("the saved view is %d", d.model.view)
	}
	again, _ := withCommands(t, func(o *Options) { o.StateDir = dir })
	again.press(":", "view mine", "enter")
	wants(t, again, "/deny")
	again.press(":", "view delete mine", "enter", ":", "view mine", "enter")
	wants(t, again, "no view is called mine")
	again.press("0", "tab", "z")
	if again.model.view != 2 {
		t.Errorf("zoom went to %d", again.model.view)
	}
	again.press("z")
	if again.model.view != 0 {
		t.Errorf("zoom back went to %d", again.model.view)
	}
}

func TestThemesAndSorts(t *testing.T) {
	t.Parallel()
	own, err := theme.ParsePalette("mine", "mine.theme", strings.NewReader("good = #00ff00 bold\n"))
	if err != nil {
		t.Fatal(err)
	}
	d := drive(t, theme.Options{Color: theme.ColorTrue}, 100, 30, func(o *Options) { o.Themes = []*theme.Palette{own} })
	d.show1(tuitest.Overview())
	seen := map[string]bool{d.View(): true}
	for _, want := range []string{"light", "high-contrast", "mono", "mine", "dark"} {
		d.press("T")
		if d.options.Theme.Name != want {
			t.Errorf("theme %q, want %q", d.options.Theme.Name, want)
		}
		d.press("esc")
		seen[d.View()] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d of 5 themes look their own", len(seen))
	}
	d.press(":", "theme nothing", "enter")
	wants(t, d, "no theme is called nothing")
	d.press("6", "s")
	wants(t, d, "Units by name")
	if first := d.shown.Units[d.index(panel.Units)[0]].Name; first != "a name that goes on and on until nobody can read it" {
		t.Errorf("by name the first is %q", first)
	}
}

func TestTheLog(t *testing.T) {
	t.Parallel()
	d, _ := withCommands(t, nil)
	d.press("L")
	d.send(logMsg{page: wire.LogPage{Lines: logFixture(), Next: 6}})
	wants(t, d, "Log level info+", "1 below it", "member event=join", "follow", `tenant says \x1b[2J\u202e`)
	d.press("i", "i", "i")
	wants(t, d, "level debug+", "tick")
	d.press("/", "deny", "enter")
	wants(t, d, "1 match")
	if l := d.logLines()[d.log.cursor]; !strings.Contains(l.Text, "deny G07") || d.log.follow {
		t.Errorf("the search stopped at %q, following %v", l.Text, d.log.follow)
	}
	d.press("p")
	d.send(logMsg{page: wire.LogPage{Lines: logFixture()[:2], Next: 8}})
	wants(t, d, "PAUSED, 2 new")
	d.press("p", "f")
	if got := len(d.logLines()); got != len(logFixture())+2 || d.log.cursor != got-1 {
		t.Errorf("%d lines, cursor %d", got, d.log.cursor)
	}
	var many []string
	for range logLinesMax + 10 {
		many = append(many, `{"level":"INFO","msg":"x"}`)
	}
	d.send(logMsg{page: wire.LogPage{Lines: many, Next: 9}})
	if len(d.log.lines) != logLinesMax || d.log.dropped != len(logFixture())+12 {
		t.Errorf("%d lines kept, %d counted as dropped", len(d.log.lines), d.log.dropped)
	}
	wants(t, d, "18 dropped here")
}

// One click selects, another on the same row opens; the wheel's steps of a frame are one; motion costs nothing.
func TestMouse(t *testing.T) {
	t.Parallel()
	d, _ := withCommands(t, nil)
	d.press("6")
	d.screen()
	click := tea.MouseMsg{X: 10, Y: 5, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress}
	d.send(click)
	if d.cursors[panel.Units].pos != 2 || d.top() != nil {
		t.Errorf("a click selected row %d, page %v", d.cursors[panel.Units].pos, d.top())
	}
	d.screen()
	d.send(click)
	if d.top() == nil || d.top().target.Kind != panel.UnitTarget {
		t.Error("a click on the selected row opens nothing")
	}
	d.press("esc", "8")
	wheel := tea.MouseMsg{Button: tea.MouseButtonWheelDown, Action: tea.MouseActionPress}
	if d.coalesce(nil, wheel) == nil {
		t.Fatal("the first step of the wheel is lost")
	}
	d.send(wheel)
	for range 4 {
		if d.coalesce(nil, wheel) != nil {
			t.Error("a step within the frame came through")
		}
	}
	d.send(wheelMsg{})
	if got := d.cursors[panel.Stream].pos; got != 5*wheelRows {
		t.Errorf("five steps went %d rows", got)
	}
	if d.coalesce(nil, tea.MouseMsg{Action: tea.MouseActionMotion}) != nil {
		t.Error("motion came through")
	}
}

func TestSplitWords(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{"": nil, "  a  b ": {"a", "b"}, `--name 'two words' x\ y`: {"--name", "two words", "x y"},
		`"a 'b'" ''`: {"a 'b'", ""}, `it'\''s`: {`it\s`}} {
		if got := splitWords(line); !stdslices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func FuzzSplitWords(f *testing.F) {
	for _, s := range []string{"a b", `'x y' "z\"`, `\`, "新 '", "--flag=a b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words := splitWords(line)
		if again := splitWords(commandLine(words)); !stdslices.Equal(again, words) {
			t.Fatalf("%q: %q came back as %q", line, words, again)
		}
	})
}

// offVerbs has a verb that cannot be used before one that can.
type offVerbs struct{ fakeCommands }

func (f *offVerbs) Verbs() []Verb {
	return []Verb{{Path: "dns", Short: "Records", Why: "not built in this version"}, {Path: "home", Short: "What is yours"}, {Path: "man", Why: "not here"},
		{Path: "imvu list", Short: "List them"}}
}

// The palette begins with what can be used; what cannot is still found by its name, with the reason.
func TestThePaletteBeginsWithWhatCanBeUsed(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 120, 36, func(o *Options) { o.Commands = &offVerbs{} })
	d.show1(tuitest.Overview())
	d.press(":")
	off := false
	for _, c := range d.palette.choices {
		if off && c.off == "" {
			t.Errorf("%q stands below what is off", c.shown)
		}
		off = off || c.off != ""
	}
	d.press("dns")
	if len(d.palette.choices) == 0 || d.palette.choices[0].shown != "dns" || d.palette.choices[0].off == "" {
		t.Errorf("dns is not found: %+v", d.palette.choices)
	}
}
