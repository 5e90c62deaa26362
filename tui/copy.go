package tui

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/aymanbagabas/go-osc52/v2"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// copyMost bounds a copy through the terminal, in bytes: many terminals drop longer ones without a word.
const copyMost = 70_000

// clipboardSequence is a copy as the session's terminal takes it: OSC 52, wrapped for GNU screen. Tmux is sent both forms: as it comes
// it takes it with set-clipboard on, wrapped it hands it through with allow-passthrough on (since 3.3 off unless set); it drops the other.
func clipboardSequence(o Options, text string) string {
	seq := osc52.New(text)
	switch {
	case o.Tmux || o.FarTmux:
		return seq.String() + seq.Tmux().String()
	case o.Screen:
		seq = seq.Screen()
	}
	return seq.String()
}

// copy puts text on the terminal's clipboard and says which way it went. A terminal never confirms a copy, so it is kept in a
// file of the state folder too, and a command in the messages. Over SSH that folder is the node's, out of reach for who is here: no file.
func (m *model) copy(what, text string) tea.Cmd {
	if text == "" {
		m.note(wire.LevelInfo, "nothing to copy here; open or select a row first")
		return nil
	}
	var ways []string
	if len(text) <= copyMost {
		way := "sent to the clipboard (OSC 52"
		switch {
		case m.options.Tmux || m.options.FarTmux: // which by itself takes no copy from a program
			way += "), if tmux has set -s set-clipboard on"
		case m.options.Screen:
			way += " through screen)"
		default:
			way += ")"
		}
		ways = append(ways, way)
	}
	if m.options.StateDir != "" && !m.options.Hosted { // a file of the node's machine is of no use to who is elsewhere
		path := filepath.Join(m.options.StateDir, "clipboard")
		if err := writeWhole(path, []byte(text)); err == nil {
			ways = append(ways, "kept in "+path)
		}
	}
	if len(ways) == 0 {
		m.note(wire.LevelWarning, fmt.Sprintf("%d bytes are too long for the terminal's clipboard, and there is no folder here to keep them in", len(text)))
		return nil
	}
	m.flash, m.flashLevel = what+" "+strings.Join(ways, ", ")+": "+theme.Clean(firstLine(text)), wire.LevelInfo
	copies := m.copies
	return func() tea.Msg {
		if len(text) > copyMost {
			return nil
		}
		if err := copies(text); err != nil {
			return actMsg{err: err}
		}
		return nil
	}
}

func firstLine(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if more {
		line += " ..."
	}
	return line
}

// copyRows copies what a row gives: of the marked rows, or of the one under the cursor.
func (m *model) copyRows(a keymap.Action) tea.Cmd {
	what := map[keymap.Action]string{keymap.Value: "value", keymap.Row: "row as JSON", keymap.Copy: "command"}[a]
	var out []string
	for _, text := range m.rowTexts(a) {
		if text != "" && (len(out) == 0 || out[len(out)-1] != text) {
			out = append(out, text)
		}
	}
	if len(out) > 1 {
		what = fmt.Sprintf("%d %ss", len(out), what)
	}
	if a == keymap.Copy {
		for _, cmd := range out {
			m.note("command", cmd)
		}
	}
	return m.copy(what, strings.Join(out, "\n"))
}

// rowTexts gives a piece of text for each marked row of what has the keys, or for the row under the cursor.
func (m *model) rowTexts(a keymap.Action) []string {
	if p := m.top(); p != nil {
		return m.pageTexts(p, a)
	}
	if m.view == keymap.LogNumber {
		lines := m.logLines()
		if len(lines) == 0 {
			return nil
		}
		l := lines[m.log.cursor]
		return []string{pick(a, l.Text, l, "nexus logs --component "+l.Component)}
	}
	id := m.active()
	p, in := m.panels[id], m.source(id)
	if p == nil || p.Value == nil {
		return nil
	}
	text := func(i int) string { return pick(a, p.Value(in, i), p.Item(in, i), p.Command(in, i)) }
	index := m.index(id)
	var out []string
	for _, i := range index {
		if m.marked[p.Key(in, i)] {
			out = append(out, text(i))
		}
	}
	if len(out) == 0 && len(index) > 0 {
		out = append(out, text(index[min(m.cursors[id].pos, len(index)-1)]))
	}
	return out
}

func (m *model) pageTexts(p *page, a keymap.Action) []string {
	if p.list == nil {
		data := p.data
		if data == nil {
			data = p.target
		}
		return []string{pick(a, pageValue(p), data, m.pageCommand(p))}
	}
	text := func(i int) string {
		item := &p.list.Items[i]
		command := p.list.Command
		switch item.Target.Kind {
		case panel.DecisionTarget:
			command = panel.DecisionCommand(item.Target.Index)
		case panel.EntryTarget:
			command = fmt.Sprintf("nexus ledger prove %d", item.Target.Index)
		}
		return pick(a, item.Value, item.Data, command)
	}
	var out []string
	for _, i := range p.index {
		if m.marked[p.list.Items[i].Key] {
			out = append(out, text(i))
		}
	}
	if len(out) == 0 && len(p.index) > 0 {
		out = append(out, text(p.index[p.cursor.pos]))
	}
	return out
}

func pick(a keymap.Action, value string, item any, command string) string {
	switch a {
	case keymap.Value:
		return value
	case keymap.Copy:
		return command
	}
	if o, ok := item.(*outcomeMsg); ok {
		item = map[string]any{"command": commandLine(o.words), "code": o.Code, "out": o.Out, "err": o.Err}
	}
	if u, ok := item.(*unitData); ok {
		item = u.detail
	}
	b, err := json.Marshal(item)
	if err != nil {
		return ""
	}
	return string(b)
}

// pageValue is the one thing of a page that is worth carrying away.
func pageValue(p *page) string {
	switch d := p.data.(type) {
	case *wire.Decision:
		return d.Digest
	case *wire.Proof:
		return d.Head
	case *wire.EntryProof:
		return d.Leaf
	case *outcomeMsg:
		return d.Out
	case *unitData:
		return d.detail.ID
	}
	return p.target.Key
}

// pageCommand is the command line that shows or re-verifies a page.
func (m *model) pageCommand(p *page) string {
	switch d := p.data.(type) {
	case *wire.Proof:
		return panel.ProofCommands(d)[0]
	case *outcomeMsg:
		return "nexus " + commandLine(d.words)
	}
	if p.list != nil {
		return p.list.Command
	}
	t := &p.target
	switch t.Kind {
	case panel.DecisionTarget:
		return panel.DecisionCommand(t.Index)
	case panel.TallyTarget:
		return "nexus revenue tally --unit " + t.Label
	case panel.EntryTarget:
		return fmt.Sprintf("nexus ledger prove %d", t.Index)
	case panel.SliceTarget:
		return "nexus slices show " + t.Key
	case panel.UnitTarget:
		if check := panel.UnitCheck(p.tab, t.Label); check != "" {
			return check
		}
		return "nexus imvu show " + t.Label
	case panel.ExitTarget:
		return panel.ExitCommand(t.Label)
	case panel.PhaseTarget:
		return "nexus status"
	case panel.MemberTarget:
		if strings.HasPrefix(t.Key, "edge ") {
			return "nexus cluster edges"
		}
		return "nexus cluster members"
	}
	return ""
}

// command is the command line of what has the keys, "" when there is none.
func (m *model) command() string {
	texts := m.rowTexts(keymap.Copy)
	if len(texts) == 0 {
		return ""
	}
	return texts[0]
}
