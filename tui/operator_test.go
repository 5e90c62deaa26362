package tui

import (
	"errors"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// What an operator met in the first hour, each at the size at which it was met.

// onOneLine is the screen without its line ends: a text that was broken between words reads as it was written.
func onOneLine(d *driven) string { return strings.Join(strings.Fields(d.screen()), " ") }

// The reason of a refusal is read where it is refused, and not only on a wide screen; so are the fix of an alert and why the node is lost.
func TestReasonsAreReadAtEightyColumns(t *testing.T) {
	t.Parallel()
	const reason = "imvu.scale: decision 151: refused by gate 15 no-silent-throttling: CPU would go from 2000 to 1000 without the owner's approval"
	for _, size := range [][2]int{{80, 24}, {60, 16}} {
		d := drive(t, theme.Options{}, size[0], size[1], nil)
		d.show1(tuitest.Overview())
		d.send(outcomeMsg{words: strings.Fields("imvu scale IMVU-004 --cpu 1"), verb: Verb{Path: "imvu scale", Danger: keymap.Reversible},
			Outcome: Outcome{Code: 4, Err: "nexus: " + reason + "\n"}})
		d.pages = nil // the page has it too; the line above the keys is what is looked at
		if got := onOneLine(d); !strings.Contains(got, "exit 4: "+reason) {
			t.Errorf("at %v the refusal reads:\n%s", size, d.screen())
		}
		if lines := strings.Count(d.screen(), "\n") + 1; lines != size[1] {
			t.Errorf("%d lines on a screen of %v", lines, size)
		}
	}
	d := drive(t, theme.Options{}, 80, 24, nil)
	o := tuitest.Overview()
	o.Alerts = []wire.Alert{{Level: wire.LevelWarning, Time: tuitest.Time(), Text: `revenue.post refused: source "nobody" is not registered`,
		Fix: "register it (nexus revenue sources), or name one that is"}}
	d.show1(o)
	if got := onOneLine(d); !strings.Contains(got, "fix: register it (nexus revenue sources), or name one that is") {
		t.Errorf("the fix of an alert is not read:\n%s", d.screen())
	}
	d.send(pictureMsg{picture: picture{overview: o, lost: true, lostAt: tuitest.Time(),
		cause: errors.New("ask node: socket /var/lib/nexus/data/nexus.sock: connect: connection refused")}})
	if got := onOneLine(d); !strings.Contains(got, "connection refused") {
		t.Errorf("why the node is lost is not read:\n%s", d.screen())
	}
}

// The advice is a command line that can be typed as it stands: whole at 80 columns, without a colon before a colon.
func TestFirstRevenueIsReadAtEightyColumns(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 24, nil)
	o := tuitest.Overview()
	o.Tallies, o.Alerts, o.Identity.Reports, o.Launch.Status = nil, nil, []string{"shop"}, wire.StatusPassed
	o.Units[0].Kind, o.Units[0].Owner = "imvu", "somebody else"
	d.show1(o)
	got := onOneLine(d)
	if !strings.Contains(got, ": revenue record --unit IMVU-001 --amount 1999 --currency USD --source shop") || strings.Contains(got, ": :") {
		t.Errorf("the advice reads:\n%s", d.screen())
	}
}

// Over SSH no key file of an owner can be made, so nobody is sent there to make one.
func TestNobodyIsSentToMakeAKeyOverSSH(t *testing.T) {
	t.Parallel()
	for hosted, want := range map[bool]string{true: "nexus identity import", false: "imvu create --name NAME --owner NAME"} {
		d := drive(t, theme.Options{}, 120, 36, func(o *Options) { o.Hosted = hosted })
		o := tuitest.Overview()
		o.Tallies, o.Alerts, o.Identity.Reports, o.Launch.Status = nil, nil, []string{"operator"}, wire.StatusPassed
		for i := range o.Units {
			o.Units[i].Owner = o.Identity.Key
		}
		d.show1(o)
		if got := d.nextStep(); !strings.Contains(got, want) {
			t.Errorf("hosted %v is told %q", hosted, got)
		}
	}
}

// On the smallest screen a question shows what may be answered and what was typed so far, also while an alert stands there.
func TestQuestionsAreAnsweredAtFortyByEight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keys []string
		want []string
	}{
		{[]string{"6", "S"}, []string{"$ nexus imvu suspend", "Do it? y yes", "any other key no", "y yes  esc no"}},
		{[]string{":", "imvu exit IMVU-003", "enter", "IMVU"}, []string{"Type IMVU-003", "> IMVU_", "waiting for the name", "type the name  esc no"}},
		{[]string{"q"}, []string{"s     stop the node", "l     leave it serving", "esc   cancel", "s stop  l leave serving  esc cancel"}},
	} {
		d := drive(t, theme.Options{}, 40, 8, func(o *Options) { o.Launching = true })
		d.show1(tuitest.Overview())
		d.press(c.keys...)
		wants(t, d, c.want...)
	}
}

// A list that only marked rows are shown of says so, and does not say that there is nothing.
func TestMarkedOnlyIsSaid(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.show1(tuitest.Overview())
	d.press("4", "space", "M", "6") // marked and narrowed there, and forgotten here
	wants(t, d, "marked only", "no row here is marked", "M shows all")
	if got := d.screen(); strings.Contains(got, "no unit yet") {
		t.Errorf("units that are not shown are said not to be there:\n%s", got)
	}
	d.press("M")
	if got := d.screen(); strings.Contains(got, "marked only") || !strings.Contains(got, "IMVU-001") {
		t.Errorf("all rows are not back:\n%s", got)
	}
}

// A session that cannot sign is told what lets it, where it is, and is offered no guide.
func TestReadOnlyIsToldTheWayOut(t *testing.T) {
	t.Parallel()
	for hosted, want := range map[bool]string{true: "W is off: no agent came along to sign with; connect with ssh -A",
		false: "W is off: no identity to sign with; give --identity"} {
		d := drive(t, theme.Options{}, 80, 24, func(o *Options) {
			o.Hosted = hosted
			o.Backend = keyless{o.Backend}
		})
		d.show1(tuitest.Overview())
		d.press("H")
		d.send(homeMsg{home: wire.Home{Owner: "olga"}})
		wants(t, d, "this session makes nothing")
		if got := d.screen(); strings.Contains(got, "guides you") {
			t.Errorf("hosted %v is sent to a key that is off:\n%s", hosted, got)
		}
		d.press("W")
		wants(t, d, want)
	}
	d := drive(t, theme.Options{}, 80, 24, func(o *Options) { o.Keys = map[string][]string{"guide": {"G"}, "bottom": {"end"}} })
	d.show1(tuitest.Overview())
	d.press("H")
	d.send(homeMsg{home: wire.Home{Owner: "olga"}})
	wants(t, d, "G guides you to a unit") // the key that it is here
	d.press("R")
	wants(t, d, "this session makes nothing")
}

// keyless is a node to somebody who has no key for it.
type keyless struct{ Backend }

func (k keyless) Identity() wire.Identity {
	id := k.Backend.Identity()
	id.ReadOnly = true
	return id
}

// Over SSH a copy goes to the terminal alone: a file would lie on the node, where who copied cannot read it.
func TestACopyOverSSHNamesNoFile(t *testing.T) {
	t.Parallel()
	for hosted, file := range map[bool]bool{true: false, false: true} {
		state := t.TempDir()
		d := drive(t, theme.Options{}, 120, 36, func(o *Options) { o.Hosted, o.StateDir = hosted, state })
		d.show1(tuitest.Overview())
		d.press("6", "y")
		wants(t, d, "sent to the clipboard (OSC 52)")
		if got := strings.Contains(onOneLine(d), "kept in"); got != file {
			t.Errorf("hosted %v: a file is named %v:\n%s", hosted, got, d.screen())
		}
	}
}

// The help of a view begins with what that view has: whoever asks at the home is not first told how to move a cursor.
func TestHelpBeginsWithTheViewsOwnKeys(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.show1(tuitest.Overview())
	d.press("H", "?")
	text := plain(d.screen())
	for _, want := range []string{"sign the proposal", "mark the notice read", "statement of the running month", "change the unit's ceilings"} {
		if !strings.Contains(text, want) {
			t.Errorf("the first page of the home's help lacks %q:\n%s", want, text)
		}
	}
	all := plainText(strings.Join(d.helpLines(), "\n"))
	for _, b := range d.keys.List(keymap.HomeNumber) {
		if first, _, _ := strings.Cut(b.Help, " "); !strings.Contains(all, first) {
			t.Errorf("the help lacks %q", b.Help)
		}
	}
}

// No line of the help ends before its words do.
func TestHelpIsNotCut(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{40, 8}, {80, 24}} {
		d := drive(t, theme.Options{}, size[0], size[1], nil)
		d.show1(tuitest.Overview())
		for _, line := range d.helpLines() {
			if text := plain(line); strings.HasSuffix(text, "…") || theme.Width(text) > size[0] {
				t.Errorf("at %v the help says %q", size, text)
			}
		}
	}
}

// What a command line said is broken between words, and goes on under its column.
func TestOutputIsBrokenBetweenWords(t *testing.T) {
	t.Parallel()
	p := panel.NewPage(theme.New(theme.Options{}), 60)
	p.Output("gates explain 70", 0, "from the log  67 commands applied again in 35 ms: the same facts, verdicts, effects and root\n"+
		"   1  identity-binding          allow    signed by a known identity                       -         -\n"+strings.Repeat("x", 130)+"\n", "")
	var text []string
	for _, line := range p.Lines() {
		text = append(text, plain(line))
		if theme.Width(plain(line)) > 60 {
			t.Errorf("wider than the page: %q", plain(line))
		}
	}
	got := strings.Join(text, "\n")
	for _, want := range []string{
		"35 ms: the same\n               facts, verdicts, effects and root\n", "allow    signed by a known\n       identity", "xx\n xx"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q:\n%s", want, got)
		}
	}
}

// Nobody signs a number: the question says what the proposal would change and who asked for it.
func TestASignatureIsAskedForAChangeInWords(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{40, 8}, {80, 24}} {
		d := drive(t, theme.Options{}, size[0], size[1], func(o *Options) { o.Commands = approving{&fakeCommands{}} })
		d.show1(tuitest.Overview())
		d.press("H", "a")
		wants(t, d, "Do it? y yes")
		if size[0] >= 80 {
			wants(t, d, "change        IMVU-001 imvu.scale to 1 core", "asked by      maria")
		}
	}
}

// approving is a command line that knows approvals too.
type approving struct{ *fakeCommands }

func (a approving) Verbs() []Verb {
	return append(a.fakeCommands.Verbs(), Verb{Path: "approvals grant", Args: "ID", Short: "Sign a proposal", Danger: keymap.Disruptive})
}

// A recorded launch is not live, and gives no advice about a node that is not there.
func TestAReplayGivesNoAdviceForANode(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 24, func(o *Options) { o.Backend = keyless{o.Backend} })
	o := &wire.Overview{Node: wire.NodeInfo{Name: "run.ndjson", Profile: "replay", State: wire.NodeDegraded}, Launch: tuitest.Overview().Launch}
	o.Launch.Status = wire.StatusDegraded
	d.show1(o)
	wants(t, d, "next: a recorded launch, and no more than that", "recorded")
	d.press("W")
	wants(t, d, "W is off: this is a recording")
	if got := d.screen(); strings.Contains(got, "LIVE") || strings.Contains(got, "--identity") {
		t.Errorf("a recording is shown as a node:\n%s", got)
	}
}

// Esc and a key typed in one breath reach the console as one key with alt: they are both, outside of a line and of a question, where the key was
// meant for what esc closed. Before, esc was lost, and what followed on it was taken for keys: an r ran a phase again.
func TestEscAndAKeyInOneBreath(t *testing.T) {
	t.Parallel()
	d, c := withCommands(t, nil)
	breath := func(key rune) { d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{key}, Alt: true}) }
	d.press("6", "enter")
	if d.top() == nil {
		t.Fatal("no page is open")
	}
	breath(':')
	d.press("imvu list")
	if d.top() != nil || d.typing != typingCommand || d.line.String() != "imvu list" {
		t.Errorf("pages %d, typing %v %q", len(d.pages), d.typing, d.line.String())
	}
	breath('S')
	if d.typing != notTyping || d.dialog != nil || len(c.ran) != 0 {
		t.Errorf("typing %v, dialog %v, ran %q", d.typing, d.dialog, c.ran)
	}
	d.press("6", "g", "S")
	if d.dialog == nil {
		t.Fatal("no question")
	}
	breath('y')
	if d.dialog != nil || len(c.ran) != 0 {
		t.Errorf("dialog %v, ran %q", d.dialog, c.ran)
	}
}

// Who steps through the themes on a dark terminal is never left with black on black: strong tones are those of the terminal's background,
// which the step past light says nothing of, and its choice by name does.
func TestStrongTonesAreThoseOfTheTerminal(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{Color: theme.Color256}, 100, 30, nil)
	d.show1(tuitest.Overview())
	dark, _ := theme.Options{Color: theme.Color256}.BuiltIn("high-contrast")
	light, _ := theme.Options{Color: theme.Color256, Light: true}.BuiltIn("high-contrast")
	d.press("T", "T")
	if got, want := d.theme().Text(theme.Accent, "x"), theme.New(dark).Text(theme.Accent, "x"); got != want || d.options.Theme.Name != "high-contrast" {
		t.Errorf("stepped to %s with %q, want %q", d.options.Theme.Name, got, want)
	}
	if got := d.theme().Text(theme.Plain, "x"); got != "x" {
		t.Errorf("plain text has a colour of its own: %q", got)
	}
	d.press(":", "theme light", "enter", "T")
	if got, want := d.theme().Text(theme.Accent, "x"), theme.New(light).Text(theme.Accent, "x"); got != want {
		t.Errorf("after the choice of light it is %q, want %q", got, want)
	}
}

// What the gates allowed and came to nothing looks like no success on any screen, and says why.
func TestAnActInVainIsSeen(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{160, 48}, {80, 24}, {40, 8}} {
		d := drive(t, theme.Options{}, size[0], size[1], nil)
		o := tuitest.Overview()
		o.Alerts = nil
		o.Decisions[0] = wire.DecisionRow{Index: 9, Time: tuitest.Time(), Verdict: wire.VerdictAllow, Action: "imvu.create", Reason: "malformed",
			Observed: "name: 90 characters"}
		d.show1(o)
		d.press("8")
		line := ""
		for _, l := range strings.Split(d.screen(), "\n") {
			if strings.Contains(l, "imvu.create") {
				line = l
				break
			}
		}
		if !strings.Contains(line, "▲ vain") || strings.Contains(line, "allow") {
			t.Errorf("at %v the row is %q", size, line)
		}
		if wide := size[0] >= 80; wide && !strings.Contains(line, "nothing done: malformed") {
			t.Errorf("at %v the row does not say why: %q", size, line)
		}
	}
}

// Several units that one key suspended come back by one key, and that again is one act.
func TestUndoTakesBackAllOfOneKey(t *testing.T) {
	t.Parallel()
	d, c := withCommands(t, nil)
	c.undo = []string{"imvu", "resume", "IMVU-001"}
	d.press("6", "g", "space", "space", "S")
	wants(t, d, "nexus imvu suspend, 2 units")
	d.press("y")
	wants(t, d, "done, u undoes it", "and 1 more of the same key")
	if len(c.ran) != 2 || len(d.undo) != 2 {
		t.Fatalf("ran %q, to undo %q", c.ran, d.undo)
	}
	d.press("u")
	if len(c.ran) != 4 || !strings.HasPrefix(c.ran[2], "imvu resume") || !strings.HasPrefix(c.ran[3], "imvu resume") {
		t.Errorf("ran %q", c.ran)
	}
	c.undo = nil
	d.press(":", "imvu scale IMVU-001 --cpu 3", "enter", "u")
	wants(t, d, "nothing of this console to undo")
}

// A refusal is said once: the page has its words, the line above the keys says where to go on. The next command line takes the page's place.
func TestARefusalIsSaidOnce(t *testing.T) {
	t.Parallel()
	const reason = "name: taken by IMVU-001"
	d, c := withCommands(t, nil)
	refused := func(name string) {
		d.send(outcomeMsg{words: []string{"imvu", "create", "--name", name}, verb: Verb{Path: "imvu create", Danger: keymap.Reversible},
			Outcome: Outcome{Code: 2, Err: "nexus: " + reason + "\nRun 'nexus help' or the command with --help for its flags and examples.\n"}})
	}
	refused("Aria")
	if got := onOneLine(d); strings.Count(got, reason) != 1 || !strings.Contains(got, "exit 2: why is said above") || strings.Contains(got, "Run 'nexus help'") {
		t.Errorf("the refusal reads:\n%s", d.screen())
	}
	d.press(":", "imvu create --name Bela", "enter")
	if d.top() != nil || len(c.ran) != 1 {
		t.Errorf("after what went well %d pages are open, ran %q", len(d.pages), c.ran)
	}
	d.press("9")
	if got := onOneLine(d); !strings.Contains(got, "exit 2: "+reason) {
		t.Errorf("the messages do not keep the reason:\n%s", d.screen())
	}
}

// What is typed wrong stays to be mended and is answered once; an empty line offers what goes before what does not.
func TestWrongInput(t *testing.T) {
	t.Parallel()
	d, c := withCommands(t, nil)
	d.press(":")
	if len(d.palette.choices) == 0 {
		t.Fatal("nothing is offered")
	}
	for _, c := range d.palette.choices {
		if c.off != "" {
			t.Errorf("offered first: %s, off: %s", c.shown, c.off)
		}
	}
	d.press("frobnicate", "enter")
	if d.typing != typingCommand || d.line.String() != "frobnicate" || len(c.ran) != 0 {
		t.Errorf("typing %v %q, ran %q", d.typing, d.line.String(), c.ran)
	}
	if got := onOneLine(d); strings.Count(got, `no verb begins with "frobnicate"`) != 1 {
		t.Errorf("said is:\n%s", d.screen())
	}
	d.press("esc", "6", "/", "eva(", "enter")
	if got := onOneLine(d); strings.Count(got, "filter: eva(: missing closing ) (a regular expression") != 1 || strings.Contains(got, "(?i)") {
		t.Errorf("said is:\n%s", d.screen())
	}
	d.press("esc", "/", "kilo", "enter")
	wants(t, d, "6 Units /kilo (1 shown)")
	d.press("esc", "s", "space")
	wants(t, d, "6 Units 1 marked by name")
	d.press("esc", ":", "imvu rollback IMVU-001", "enter", "aria", "enter")
	wants(t, d, `"aria" is not it: type IMVU-001`)
}

// A slice's row says whose it is on the smallest screen.
func TestSlicesAreToldApartAtFortyColumns(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 40, 8, nil)
	o := tuitest.Overview()
	o.Alerts = nil
	o.Slices[0].BudgetMs = 1000
	d.show1(o)
	d.press("2")
	wants(t, d, "IMVU-003", "PLAT-001", "IMVU-001")
	wide := drive(t, theme.Options{}, 160, 48, nil)
	wide.show1(o)
	wide.press("2")
	wants(t, wide, "limit by class, 10 to 1000", "limit")
}
