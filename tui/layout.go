package tui

import "github.com/BobbyBlanco400/nexus-cos/tui/panel"

// Breakpoints of the layout, in cells. One below each falls to the layout before it.
const (
	compactWidth, compactHeight = 40, 8   // below: one status line
	fullWidth, fullHeight       = 80, 24  // below: one panel and tabs
	besideWidth, besideHeight   = 120, 36 // from here: cluster beside the launch
	wideWidth, wideHeight       = 160, 48 // from here: units, evidence and log too
	sizeMost                    = 1 << 12 // a terminal that claims more gets this
	chromeHeight                = 3       // header, alert line, footer
	phaseRows                   = 1 + 12  // title and phases
	besideGap                   = 3       // the bar between columns and its blanks
)

// size is a class of terminal.
type size uint8

// The classes.
const (
	tiny size = iota
	compact
	full
	beside
	wide
)

func classOf(width, height int) size {
	switch {
	case width < compactWidth || height < compactHeight:
		return tiny
	case width < fullWidth || height < fullHeight:
		return compact
	case width < besideWidth || height < besideHeight:
		return full
	case width < wideWidth || height < wideHeight:
		return beside
	default:
		return wide
	}
}

// slot is a panel with its height.
type slot struct {
	id     panel.ID
	height int
}

// column is a stack of panels of one width.
type column struct {
	width int
	slots []slot
}

// band is a row of columns of one height. Panels that change fast never share a band with slow ones, because a changed
// cell sends its whole line again.
type band struct {
	height  int
	columns []column
}

// arrangement is what overviewBands depends on.
type arrangement struct {
	class         size
	width, height int
	focus         panel.ID
	slow          bool
}

// overviewBands places the panels of the overview on width x height cells (the chrome is already taken off). focus is
// the one panel of the compact layout. On a slow link the evidence pane stays away: beside the stream it costs about a
// kilobyte a frame.
func overviewBands(class size, width, height int, focus panel.ID, slow bool) []band {
	one := func(id panel.ID, h int) band {
		return band{height: h, columns: []column{{width: width, slots: []slot{{id, h}}}}}
	}
	const gap = besideGap
	switch class {
	case tiny, compact:
		return []band{one(focus, height)}
	case full:
		launch, spare := 2, height-21
		if spare >= phaseRows-2+3 {
			launch, spare = phaseRows, spare-(phaseRows-2)
		}
		return []band{one(panel.Launch, launch), one(panel.Slices, 8+spare/3), one(panel.Stream, 5+(spare+1)/3),
			one(panel.Splits, height-launch-8-spare/3-5-(spare+1)/3)}
	case beside:
		spare := height - 33
		left := (width - gap) / 2
		top := band{height: phaseRows, columns: []column{{left, []slot{{panel.Launch, phaseRows}}},
			{width - gap - left, []slot{{panel.Cluster, phaseRows}}}}}
		return []band{top, one(panel.Slices, 8+spare/3), one(panel.Stream, 6+(spare+1)/3),
			one(panel.Splits, 6+spare-spare/3-(spare+1)/3)}
	default:
		spare := height - 45
		left := (width - gap) / 2
		top := band{height: phaseRows, columns: []column{{left, []slot{{panel.Launch, phaseRows}}},
			{width - gap - left, []slot{{panel.Cluster, 6}, {panel.Units, phaseRows - 6}}}}}
		stream := 9 + (spare+1)/3
		pane := width * 2 / 5
		middle := band{height: stream, columns: []column{{width - gap - pane, []slot{{panel.Stream, stream}}},
			{pane, []slot{{panel.Pane, stream}}}}}
		if slow {
			middle = one(panel.Stream, stream)
		}
		return []band{top, one(panel.Slices, 9+spare/3), middle, one(panel.Splits, 8+spare-spare/3-(spare+1)/3),
			one(panel.Messages, 6)}
	}
}

// focusOrder lists the panels that tab walks through on the overview.
func focusOrder(class size) []panel.ID {
	order := []panel.ID{panel.Launch, panel.Slices, panel.Stream, panel.Splits}
	switch class {
	case tiny, compact:
		return append(order, panel.Cluster, panel.Units, panel.Messages)
	case beside:
		return append(order, panel.Cluster)
	case wide:
		return append(order, panel.Cluster, panel.Units, panel.Messages)
	}
	return order
}
