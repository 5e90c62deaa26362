package tui

import (
	"context"
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
)

// drill opens the selected row.
func (m *model) drill() tea.Cmd {
	id := m.active()
	index := m.index(id)
	if m.page != nil || m.help || len(index) == 0 {
		return nil
	}
	target := m.panels[id].Target(m.source(), index[min(m.cursors[id].pos, len(index)-1)])
	switch target.Kind {
	case panel.NoTarget:
		return nil
	case panel.GateTarget:
		return m.filterTo(8, panel.Stream, fmt.Sprintf("G%02d", target.Number))
	case panel.TotalTarget:
		return m.filterTo(4, panel.Splits, target.Text+" "+target.Currency)
	case panel.DecisionTarget:
		index := target.Index
		m.note("command", panel.DecisionCommand(index))
		return m.open(target, func(ctx context.Context, msg *evidenceMsg) {
			d, err := m.options.Backend.Decision(ctx, index)
			msg.decision, msg.err = &d, err
		})
	case panel.TallyTarget:
		m.note("command", "nexus revenue tally --unit "+target.Label)
		return m.open(target, func(ctx context.Context, msg *evidenceMsg) {
			p, err := m.options.Backend.Proof(ctx, target.Unit, target.Currency)
			msg.proof, msg.err = &p, err
		})
	default:
		m.page = &page{target: target}
		return nil
	}
}

// filterTo goes to a view with a filter set.
func (m *model) filterTo(view int, id panel.ID, text string) tea.Cmd {
	f, err := panel.ParseFilter(text)
	if err != nil {
		m.note(wire.LevelWarning, describe(err))
		return nil
	}
	m.goTo(view)
	m.setFilter(id, f)
	return nil
}

// open shows a page that waits for the node. The answer carries the number of the call, so that one that comes after
// the user went elsewhere is dropped.
func (m *model) open(target panel.Target, ask func(context.Context, *evidenceMsg)) tea.Cmd {
	m.calls++
	m.page = &page{target: target, call: m.calls, loading: true}
	session, call := m.ctx, m.calls
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(session, callTimeout)
		defer cancel()
		msg := evidenceMsg{call: call}
		ask(ctx, &msg)
		return msg
	}
}

func (m *model) evidence(msg evidenceMsg) {
	if m.page == nil || m.page.call != msg.call {
		return
	}
	m.page.loading, m.page.err = false, msg.err
	if msg.err == nil {
		m.page.decision, m.page.proof = msg.decision, msg.proof
	}
}

// command is the command line that stands for what is open or selected.
func (m *model) command() string {
	if m.page != nil {
		switch {
		case m.page.proof != nil:
			return panel.ProofCommands(m.page.proof)[0]
		case m.page.decision != nil:
			return panel.DecisionCommand(m.page.decision.Index)
		}
		return ""
	}
	id := m.active()
	index := m.index(id)
	if len(index) == 0 {
		return ""
	}
	switch t := m.panels[id].Target(m.source(), index[min(m.cursors[id].pos, len(index)-1)]); t.Kind {
	case panel.DecisionTarget:
		return panel.DecisionCommand(t.Index)
	case panel.TallyTarget:
		return "nexus revenue tally --unit " + t.Label
	}
	return ""
}

// rerun runs the selected phase again, or the first failed one when the selected one did not fail.
func (m *model) rerun() tea.Cmd {
	phases := &m.shown.Launch.Phases
	number := 0
	if m.page != nil && m.page.target.Kind == panel.PhaseTarget {
		number = m.page.target.Number
	} else if m.active() == panel.Launch {
		if index, pos := m.index(panel.Launch), m.cursors[panel.Launch].pos; pos < len(index) {
			number = index[pos] + 1
		}
	}
	if number == 0 || phases[number-1].Status != wire.StatusFailed {
		number = 0
		for i := range phases {
			if phases[i].Status == wire.StatusFailed {
				number = i + 1
				break
			}
		}
	}
	if number == 0 {
		m.note(wire.LevelInfo, "no phase failed, so there is nothing to run again")
		return nil
	}
	name := phases[number-1].Name
	m.note(wire.LevelInfo, fmt.Sprintf("asking the node to run phase %d %s again", number, name))
	backend, session := m.options.Backend, m.ctx
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(session, callTimeout)
		defer cancel()
		return actMsg{done: fmt.Sprintf("phase %d %s runs again", number, name), err: backend.RerunPhase(ctx, number)}
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
		if m.options.readOnly() {
			m.note(wire.LevelWarning, "stopping is off: "+readOnlyReason(m.options))
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
