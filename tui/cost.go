package tui

import (
	"cmp"
	"context"
	"runtime"
	stdslices "slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// Cost is what drawing one frame takes in this process, without a terminal: medians of many.
type Cost struct {
	Took   time.Duration
	Bytes  float64 // allocated
	Allocs float64
}

// alone is a backend that is asked nothing: whoever measures hands over all there is, and runs no command.
type alone struct {
	Backend // nil
	who     wire.Identity
}

// Identity implements Backend.
func (a alone) Identity() wire.Identity { return a.who }

// SetReadOnly implements Backend.
func (alone) SetReadOnly(bool) {}

func aloneModel(o *wire.Overview, width, height int) (*model, error) {
	options := Options{Backend: alone{who: o.Identity}, Theme: theme.Options{Color: theme.Color256}, Width: width, Height: height}
	keys, err := keymap.New(options.Keys)
	if err != nil {
		return nil, err
	}
	m := newModel(context.Background(), options, keys, &frameWriter{})
	m.Update(pictureMsg{picture: picture{overview: o}})
	m.View()
	return m, nil
}

// CostOfPanel measures drawing the overview when the slices of a picture have changed and nothing else.
func CostOfPanel(o *wire.Overview, width, height, frames int) (Cost, error) {
	if len(o.Slices) == 0 || frames < 1 {
		return Cost{}, nexus.Errf("measure", nexus.CodeInternal, "picture", "", "%d slices, %d frames", len(o.Slices), frames)
	}
	changed := *o
	changed.Slices = append([]wire.SliceRow(nil), o.Slices...)
	for i := range changed.Slices {
		changed.Slices[i].RateBps++
		changed.Slices[i].InFlight++
	}
	m, err := aloneModel(o, width, height)
	if err != nil {
		return Cost{}, err
	}
	turn := 0
	return costOf(frames, func() {
		turn++
		m.Update(pictureMsg{picture: picture{overview: []*wire.Overview{o, &changed}[turn%2]}})
	}, func() { m.View() }), nil
}

// CostOfScroll measures a key and its frame, a row down in the view of a picture's units, of which these are all.
func CostOfScroll(o *wire.Overview, units []wire.UnitRow, tallies []wire.TallyRow, width, height, frames int) (Cost, error) {
	m, err := aloneModel(o, width, height)
	if err != nil || frames < 1 || frames >= len(units) {
		return Cost{}, cmp.Or(err, error(nexus.Errf("measure", nexus.CodeInternal, "units", "", "%d units, %d frames", len(units), frames)))
	}
	m.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("6")})
	m.Update(wholeMsg{units: units, tallies: tallies})
	m.View()
	return costOf(frames, func() {}, func() {
		m.Update(tea.KeyMsg{Type: tea.KeyDown})
		m.View()
	}), nil
}

// costOf measures draw, each time after prepare. What other goroutines allocate meanwhile is counted too.
func costOf(frames int, prepare, draw func()) Cost {
	var took []time.Duration
	var bytes, allocs []uint64
	var before, after runtime.MemStats
	for range frames {
		prepare()
		start := time.Now()
		draw()
		took = append(took, time.Since(start))
	}
	for range min(frames, 100) { // reading the counters stops the world: not while time is taken
		prepare()
		runtime.ReadMemStats(&before)
		draw()
		runtime.ReadMemStats(&after)
		bytes, allocs = append(bytes, after.TotalAlloc-before.TotalAlloc), append(allocs, after.Mallocs-before.Mallocs)
	}
	stdslices.Sort(took)
	stdslices.Sort(bytes)
	stdslices.Sort(allocs)
	return Cost{Took: took[len(took)/2], Bytes: float64(bytes[len(bytes)/2]), Allocs: float64(allocs[len(allocs)/2])}
}
