package tui

import (
	"fmt"
	stdslices "slices"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// labelled puts labels for the ids of units in a text: a decision's words name units by their ids, which nobody knows by heart.
func labelled(text string, units []wire.UnitRow) string {
	for i := range units {
		if u := &units[i]; len(u.ID) == 2*len(nexus.ID{}) && u.Label != "" {
			text = strings.ReplaceAll(text, u.ID, u.Label)
		}
	}
	return text
}

// replayProfile is the profile of a recording that is shown again (cmd/nexus/replay.go): there is no node to ask or to change.
const replayProfile = "replay"

// nextStep says what is worth doing now, from the picture: the way from a first launch to a unit that earns.
func (m *model) nextStep() string {
	o := m.shown
	own := 0
	for i := range o.Units {
		if o.Units[i].Kind == "imvu" {
			own++
		}
	}
	key := func(a keymap.Action) string { return m.keys.Key(a) }
	if words := m.nextAnswer(); words != "" {
		return words
	}
	switch number := panel.Notable(&o.Launch); {
	case !m.arrived:
		return "waiting for the node's first picture"
	case o.Node.Profile == replayProfile && m.top() == nil && !m.help:
		return "a recorded launch, and no more than that: enter on a phase shows its checks"
	case m.help:
		return "every key has a verb of the command line: " + key(keymap.Palette) + " offers them by name; " + key(keymap.Back) + " goes back"
	case m.top() != nil:
		return key(keymap.Back) + " goes back, " + key(keymap.Verify) + " re-verifies what is shown, " + key(keymap.Copy) + " copies its command line"
	case m.view == keymap.HomeNumber:
		return m.nextAtHome()
	case o.Launch.Status == wire.StatusRunning:
		if m.launching() {
			return "launching: enter on a phase shows its checks, " + key(keymap.Quit) + " asks before it stops"
		}
		return "the launch runs: enter on a phase shows its checks"
	case o.Launch.Status == wire.StatusFailed && number > 0:
		return fmt.Sprintf("phase %d failed: %s says why, %s runs it again", number, m.enterOn(number), key(keymap.Rerun))
	case own == 0:
		if m.readOnly() {
			return "no unit yet, and read-only makes none: " + m.readOnlyReason()
		}
		return key(keymap.Guide) + " guides you to the first unit; or " + key(keymap.Palette) + " imvu create --name NAME"
	case len(o.Tallies) == 0 && (m.readOnly() || len(o.Identity.Reports) == 0): // gate 6 wants the key that a source is bound to
		return "no revenue yet; who may report it: " + key(keymap.Palette) + "revenue sources"
	case len(o.Tallies) == 0 && m.earner() == "":
		if m.options.Hosted { // no key file can be made over SSH, so an owner has to be one that is known
			return "nobody reports revenue of a unit of their own: someone else has to own one; register an owner's key on the node (nexus identity import)"
		}
		return "nobody reports revenue of a unit of their own: " + key(keymap.Palette) + " imvu create --name NAME --owner NAME"
	case len(o.Tallies) == 0:
		line := " revenue record --unit " + m.earner() + " --amount 1999 --currency USD"
		if !stdslices.Contains(o.Identity.Reports, "operator") { // the one that the verb takes without the flag
			line += " --source " + theme.Clean(o.Identity.Reports[0])
		}
		return "first revenue with " + key(keymap.Palette) + line
	case o.Launch.Status == wire.StatusDegraded && number > 0 && m.view < 2:
		return fmt.Sprintf("phase %d is %s: %s says why and how to mend it", number, o.Launch.Phases[number-1].Status, m.enterOn(number))
	}
	return "enter opens the row, down to its proof; " + key(keymap.Help) + " lists all keys, " + key(keymap.Palette) + " all commands"
}

// nextAnswer says what is worth doing while something is asked or typed; "" when nothing is.
func (m *model) nextAnswer() string {
	switch {
	case m.asking == quitQuestion, m.asking == stopping:
		return "losing the line never stops the node: it is stopped by that answer alone"
	case m.dialog != nil && m.dialog.danger < keymap.Irreversible:
		return "y does it; any other key leaves everything as it is"
	case m.dialog != nil:
		return fmt.Sprintf("type the name, wait %d s, then enter; esc leaves everything as it is", int(armTime.Seconds()))
	case m.typing == typingCommand:
		return "up brings earlier lines back, tab completes; what is disruptive asks before it acts"
	case m.typing == typingFilter:
		return "the filter works as you type; enter keeps it, esc takes it away"
	case m.typing == typingSearch:
		return "enter finds it; " + m.keys.Key(keymap.FindNext) + " and " + m.keys.Key(keymap.FindPrev) + " go through the matches"
	}
	return ""
}

// enterOn says which keys open a phase from where the cursor is.
func (m *model) enterOn(number int) string {
	if m.active() == panel.Launch {
		index, pos := m.index(panel.Launch), m.cursors[panel.Launch].pos
		if pos < len(index) && index[pos] == number-1 {
			return "enter"
		}
	}
	return m.keys.KeyOfView(1) + " and enter on it"
}

// earner is the label of a unit that belongs to somebody else, so that gate 6 lets this identity report its revenue; "" without one.
func (m *model) earner() string {
	for i := range m.shown.Units {
		if u := &m.shown.Units[i]; u.Kind == "imvu" && u.Owner != m.shown.Identity.Key {
			return u.Label
		}
	}
	return ""
}

// alert is the newest one after the last dismissal.
func (m *model) alert() *wire.Alert {
	for i := range m.shown.Alerts {
		if m.shown.Alerts[i].Time.After(m.dismissed) {
			return &m.shown.Alerts[i]
		}
	}
	return nil
}

func levelStyle(level string) (string, theme.Style) {
	switch level {
	case wire.LevelCritical:
		return "!!", theme.Bad
	case wire.LevelWarning:
		return "!", theme.Warn
	default:
		return "i", theme.Info
	}
}

// footer is the line being typed while there is one, else the keys that work here.
func (m *model) footer() string {
	th := m.theme()
	l := th.NewLine(m.width).Space(1)
	if m.typing != notTyping {
		return m.typingLine(l)
	}
	hints, last := m.hints(), m.lastHints()
	room := l.Left()
	for _, h := range last {
		room -= hintCells(h)
	}
	for _, h := range hints {
		if stdslices.Contains(last, h) {
			continue
		}
		if room -= hintCells(h); room < 0 {
			break
		}
		drawHint(l, h)
	}
	for _, h := range last {
		if l.Left() >= hintCells(h)-2 {
			drawHint(l, h)
		}
	}
	return l.String()
}

// lastHints close every line of keys, however narrow: where the others are, and the way out.
func (m *model) lastHints() [][2]string {
	if m.asking != noQuestion || m.dialog != nil {
		return nil
	}
	return [][2]string{{m.keys.Key(keymap.Help), "help"}, {m.keys.Key(keymap.Quit), "quit"}}
}

// hintCells is the room that a key and its word take, with two blanks behind them.
func hintCells(h [2]string) int { return theme.Width(h[0]) + len(h[1]) + 3 }

func drawHint(l *theme.Line, h [2]string) {
	l.Add(theme.Accent, h[0]).Add(theme.Faint, " "+h[1]+"  ")
}

// typingLine is the line being typed with what may be done with it.
func (m *model) typingLine(l *theme.Line) string {
	mark, hint := "/", "  regex, ! inverts, ~ fuzzy, enter keeps"
	switch m.typing {
	case typingSearch:
		hint = "  regex or ~ fuzzy, enter finds, then n N"
	case typingCommand:
		mark, hint = ":", ""
	}
	l.Add(theme.Accent, mark)
	m.line.draw(l, max(l.Left()-len(hint), min(l.Left(), 12)))
	if m.flash != "" && classOf(m.width, m.height) <= compact { // elsewhere it stands above the line
		return l.Add(theme.Warn, "  "+theme.Clean(m.flash)).String()
	}
	return l.Add(theme.Faint, hint).String()
}

// hints are the keys worth knowing where we are, most useful first.
func (m *model) hints() [][2]string {
	k := func(a keymap.Action, word string) [2]string { return [2]string{m.keys.Key(a), word} }
	switch p := m.top(); {
	case m.asking == quitQuestion:
		return [][2]string{{"s", "stop"}, {"l", "leave serving"}, {"esc", "cancel"}}
	case m.dialog != nil && m.dialog.danger < keymap.Irreversible:
		return [][2]string{{"y", "yes"}, {"esc", "no"}}
	case m.dialog != nil:
		return [][2]string{{"type", "the name"}, {"esc", "no"}}
	case m.help:
		return [][2]string{k(keymap.Back, "back"), k(keymap.Down, "down"), k(keymap.Up, "up"), k(keymap.Palette, "command")}
	case p != nil && p.list != nil:
		return [][2]string{k(keymap.Drill, "open"), k(keymap.Back, "back"), k(keymap.Filter, "filter"), k(keymap.Verify, "verify"), k(keymap.Value, "copy"),
			k(keymap.Copy, "copy command"), k(keymap.Mark, "mark"), k(keymap.Help, "help"), k(keymap.Palette, "command")}
	case p != nil:
		return [][2]string{k(keymap.Back, "back"), k(keymap.Down, "down"), k(keymap.Filter, "search"), k(keymap.Verify, "verify"), k(keymap.Value, "copy"),
			k(keymap.Row, "JSON"), k(keymap.Copy, "copy command"), k(keymap.Help, "help"), k(keymap.Palette, "command")}
	case m.view == keymap.LogNumber:
		return [][2]string{k(keymap.Follow, "follow"), k(keymap.Filter, "search"), k(keymap.FindNext, "next"), k(keymap.Level, "level"), k(keymap.Wrap, "wrap"),
			k(keymap.Pause, "pause"), k(keymap.Value, "copy"), k(keymap.Back, "back"), k(keymap.Help, "help")}
	case m.view == keymap.HomeNumber:
		return m.homeHints()
	case m.view == auditView:
		if !operates(m.shown) { // the chain and the findings of all are the platform's
			return append([][2]string{k(keymap.Drill, "evidence"), k(keymap.Verify, "verify")}, m.keys.Hints(m.view, m.readOnly())...)
		}
		return append([][2]string{k(keymap.Drill, "evidence"), k(keymap.Right, "chain, findings"), k(keymap.Verify, "verify all")},
			m.keys.Hints(m.view, m.readOnly())...)
	}
	views := "0-9 " + m.keys.Key(keymap.LogView) + " " + m.keys.Key(keymap.HomeView)
	return append(m.keys.Hints(m.view, m.readOnly()), [2]string{views, "views"}, k(keymap.Theme, "theme"), k(keymap.Copy, "copy command"),
		k(keymap.Verify, "verify"), k(keymap.Mark, "mark"), k(keymap.Mouse, "mouse"), k(keymap.ReadOnly, "read-only"))
}
