package tui

import (
	"fmt"
	stdslices "slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// armTime is how long an irreversible act cannot be confirmed after its name was typed.
const armTime = 3 * time.Second

// dialog asks before something disruptive or irreversible. Nothing is done by any key that is not an answer.
type dialog struct {
	title  string
	facts  [][2]string // what it is and what it touches: a word and its text
	danger keymap.Danger
	name   string // to be typed, for what is irreversible
	// warning stands before the name to type; empty: that it cannot be undone.
	warning string
	line    editor
	wrong   string    // what was entered and is not the name
	armed   time.Time // when it was armed; zero: not yet
	ready   bool      // the time has passed
	yes     func() tea.Cmd
}

// confirm opens a dialog.
func (m *model) confirm(d *dialog) {
	m.dialog, m.help = d, false
}

// dialogKey takes an answer.
func (m *model) dialogKey(msg tea.KeyMsg) tea.Cmd {
	d := m.dialog
	key := msg.String()
	if key == "esc" || key == "ctrl+c" {
		m.dialog = nil
		m.note(wire.LevelInfo, "nothing was done")
		return nil
	}
	if d.danger < keymap.Irreversible {
		m.dialog = nil
		if key == "y" || key == "Y" {
			return d.yes()
		}
		m.note(wire.LevelInfo, "nothing was done")
		return nil
	}
	switch {
	case key == "enter" && d.ready:
		m.dialog = nil
		return d.yes()
	case key == "enter" && d.line.String() == d.name && d.armed.IsZero():
		return m.arm(d)
	case key == "enter":
		if typed := d.line.String(); typed != d.name {
			d.wrong = typed
		}
		return nil
	}
	before := d.line.String()
	d.line.key(msg, 120)
	if d.line.String() != before { // typing on disarms
		d.wrong, d.armed, d.ready = "", time.Time{}, false
	}
	if d.line.String() == d.name && d.armed.IsZero() {
		return m.arm(d)
	}
	return nil
}

func (m *model) arm(d *dialog) tea.Cmd {
	d.armed = m.options.now()
	armed := d.armed
	return tea.Tick(armTime, func(time.Time) tea.Msg {
		return armedMsg{dialog: &dialog{armed: armed, name: d.name}}
	})
}

// arms takes the end of the waiting time, if the dialog is still the same and was not typed in since.
func (m *model) arms(msg armedMsg) {
	if d := m.dialog; d != nil && !d.armed.IsZero() && d.armed.Equal(msg.dialog.armed) && d.name == msg.dialog.name {
		d.ready = true
	}
}

// dialogLines draw the dialog in so many lines; what it asks is seen on every screen.
func (m *model) dialogLines(height int) []string {
	th, d := m.theme(), m.dialog
	facts := panel.NewPage(th, m.width)
	for _, f := range d.facts {
		facts.Field(f[0], f[1], theme.Plain)
	}
	return m.pinned(d.title, "esc cancels", facts.Lines(), m.dialogAsks(), height)
}

// dialogAsks are the lines of a dialog that are answered.
func (m *model) dialogAsks() []string {
	th, d := m.theme(), m.dialog
	if d.danger < keymap.Irreversible {
		return []string{th.NewLine(m.width).Space(2).Add(theme.Strong, "Do it? ").Add(theme.Accent, "y").Add(theme.Plain, " yes   ").
			Add(theme.Accent, "any other key").Add(theme.Plain, " no").String()}
	}
	words, style := "waiting for the name", theme.Faint
	switch {
	case d.ready:
		words, style = "armed: enter does it, esc cancels", theme.Bad
	case d.wrong != "":
		words, style = fmt.Sprintf("%q is not it: type %s", theme.Clean(d.wrong), theme.Clean(d.name)), theme.Warn
	case !d.armed.IsZero():
		words, style = fmt.Sprintf("armed in %d s: time to think again", int(armTime.Seconds())), theme.Warn
	}
	state := th.NewLine(m.width).Space(2).Add(style, words).String()
	name := theme.Clean(d.name)
	l := th.NewLine(m.width).Space(2)
	if m.width < fullWidth { // what is typed is seen there too: on a line of its own
		short := "No way back. "
		if d.warning != "" { // it has no room here
			short = ""
		}
		first := th.NewLine(m.width).Space(2).Add(theme.Bad, short).Add(theme.Plain, "Type ").Add(theme.Strong, name).String()
		d.line.draw(l.Add(theme.Plain, "> "), max(l.Left(), 1))
		return []string{first, l.String(), state}
	}
	var lines []string
	for _, text := range theme.Wrap(d.warning, max(m.width-4, 1)) {
		lines = append(lines, th.NewLine(m.width).Space(2).Add(theme.Info, text).String())
	}
	if len(lines) == 0 {
		l.Add(theme.Bad, "This cannot be undone. ")
	}
	l.Add(theme.Plain, "Type ").Add(theme.Strong, name).Add(theme.Plain, " to go on: ")
	d.line.draw(l, max(l.Left(), 1))
	return append(lines, l.String(), "", state)
}

// impact says what an act touches, from the picture: the units it names, their traffic and their money.
func (m *model) impact(words []string) [][2]string {
	out := m.proposed(words)
	units := 0
	for i := range m.shown.Units {
		u := &m.shown.Units[i]
		named := false
		for _, w := range words {
			named = named || w != "" && (w == u.Label || w == u.ID || strings.HasSuffix(w, "="+u.Label))
		}
		if !named {
			continue
		}
		units++
		out = append(out, [2]string{"unit", fmt.Sprintf("%s %s, %s, owner %s, domain %s", u.Label, u.Name, u.Status, u.OwnerName, u.Domain)})
		out = append(out, m.traffic(u.ID)...)
		for k := range m.shown.Tallies {
			if r := &m.shown.Tallies[k]; r.UnitID == u.ID || r.Unit == u.Label {
				out = append(out, [2]string{"money", fmt.Sprintf("%s %s gross so far, the creator's part %s; the ledger keeps it whatever happens",
					moneyText(r.Gross, r.Currency), r.Currency, moneyText(r.Creator, r.Currency))})
			}
		}
	}
	if units == 0 && len(words) > 0 && words[0] == "stop" {
		out = append(out, [2]string{"node", fmt.Sprintf("%s with %d units", m.shown.Node.Name, max(m.shown.UnitsTotal, len(m.shown.Units)))})
		flight, rate := 0, 0.0
		for i := range m.shown.Slices {
			flight, rate = flight+m.shown.Slices[i].InFlight, rate+m.shown.Slices[i].RateBps
		}
		out = append(out, [2]string{"traffic", fmt.Sprintf("%d requests in flight, %.0f bit/s; all of it ends", flight, rate)})
	}
	return out
}

// proposed says what a proposal would change that a command line names: nobody signs a number.
func (m *model) proposed(words []string) [][2]string {
	if m.home == nil {
		return nil
	}
	var out [][2]string
	all := append(stdslices.Clone(m.home.Proposals), m.home.Waiting...)
	for i := range all {
		p := &all[i]
		if !stdslices.Contains(words, p.ID) {
			continue
		}
		out = append(out, [2]string{"change", strings.TrimSpace(p.Unit + " " + wire.Human(p.Change))}, [2]string{"asked by", p.Proposer})
		if p.Reason != "" {
			out = append(out, [2]string{"reason", p.Reason})
		}
	}
	return out
}

func (m *model) traffic(unit string) [][2]string {
	for i := range m.shown.Slices {
		if r := &m.shown.Slices[i]; r.Unit == unit {
			return [][2]string{{"traffic", fmt.Sprintf("%d requests in flight, %.0f bit/s now", r.InFlight, r.RateBps)}}
		}
	}
	return [][2]string{{"traffic", "none now"}}
}
