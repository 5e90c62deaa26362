package tui

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
)

// A picture carries the first wire.UnitRowsMax units and tallies of the node and says when that is not all of them. Where they are looked
// through, or one of them is looked at, the console asks for the whole lists: whoever filters twenty thousand units by a name must not be
// told that there is none. They are asked for again while they are looked at and the log grows, at most this often; rows that pictures carry
// are as new as the pictures.
const (
	wholeEvery = 10 * time.Second
	patchEvery = time.Second
)

// whole are the lists of units and tallies beyond what a picture carries.
type whole struct {
	units   []wire.UnitRow // nil until the node gave them
	tallies []wire.TallyRow
	size    uint64    // of the log when they were asked for
	asked   time.Time // zero: to be asked for with the next picture
	asking  bool
	patched time.Time
}

// wholeMsg is the node's answer.
type wholeMsg struct {
	units   []wire.UnitRow
	tallies []wire.TallyRow
	err     error
}

// refreshWhole asks for the whole lists where they are looked through. One question is under way at most.
func (m *model) refreshWhole() tea.Cmd {
	switch m.active() {
	case panel.Units, panel.Splits, panel.Media, panel.Home:
	default:
		if m.pageUnit() == "" {
			return nil
		}
	}
	w, now := &m.whole, m.options.now()
	grown := w.units == nil || m.raw.Ledger.Size != w.size
	if !m.raw.Cut || m.paused || m.lost || w.asking || !grown || !w.asked.IsZero() && now.Sub(w.asked) < wholeEvery {
		return nil
	}
	w.asking, w.asked, w.size = true, now, m.raw.Ledger.Size
	backend, session := m.options.Backend, m.ctx
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(session, callTimeout)
		defer cancel()
		units, err := backend.Units(ctx)
		if err != nil {
			return wholeMsg{err: err}
		}
		tallies, err := backend.Tallies(ctx)
		return wholeMsg{units: units.Units, tallies: tallies.Units, err: err}
	}
}

// wholeCame takes the lists in.
func (m *model) wholeCame(msg wholeMsg) {
	m.whole.asking = false
	if msg.err != nil {
		m.note(wire.LevelWarning, "not all units are shown: "+describe(msg.err))
		return
	}
	m.whole.units, m.whole.tallies = append([]wire.UnitRow{}, msg.units...), append([]wire.TallyRow{}, msg.tallies...)
	m.shown = m.filled(m.raw)
	m.versions[panel.SecUnits]++
	m.versions[panel.SecSplits]++
	m.changes++
	m.tallied++
	for id := range m.cursors {
		m.followCursor(panel.ID(id))
	}
}

// filled is a picture with the whole lists in the place of their beginnings, once they are there.
func (m *model) filled(o *wire.Overview) *wire.Overview {
	w := &m.whole
	if !o.Cut || w.units == nil {
		return o
	}
	if now := m.options.now(); now.Sub(w.patched) >= patchEvery { // a list of that length is not copied ten times a second
		w.patched = now
		w.units = patch(w.units, o.Units, func(a, b *wire.UnitRow) bool { return a.ID == b.ID })
		w.tallies = patch(w.tallies, o.Tallies, func(a, b *wire.TallyRow) bool { return a.UnitID == b.UnitID && a.Currency == b.Currency })
	}
	own := *o
	own.Units, own.UnitsTotal, own.Tallies, own.TalliesTotal, own.Cut = w.units, len(w.units), w.tallies, len(w.tallies), false
	return &own
}

// patch puts newer rows in the places of their older selves. Both lists have one order; a row that the longer one lacks comes with the next
// answer. Neither list is changed.
func patch[T comparable](rows, newer []T, same func(a, b *T) bool) []T {
	out, at := rows, 0
	for i := range newer {
		k := at
		for k < len(rows) && !same(&rows[k], &newer[i]) {
			k++
		}
		if k == len(rows) {
			continue
		}
		if at = k + 1; rows[k] == newer[i] {
			continue
		}
		if &out[0] == &rows[0] {
			out = append([]T(nil), rows...)
		}
		out[k] = newer[i]
	}
	return out
}
