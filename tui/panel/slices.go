package panel

import (
	"cmp"
	"fmt"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// Orders of the slices panel; the sort key steps through them.
const (
	sortP99 = iota
	sortRate
	sortLabel
)

// latencyMsMax is the promise for interactive traffic (SPEC section 4), used when a slice carries no budget.
const latencyMsMax = 10.0

// The slices panel: added latency per slice against its budget, with the last minute as bars.
func slicesPanel() Panel {
	return Panel{ID: Slices, View: 2, Title: "Slices", Sections: []Section{SecSlices},
		Len: func(in Input) int { return len(in.Overview.Slices) },
		Key: func(in Input, i int) string { return in.Overview.Slices[i].Slice },
		Text: func(in Input, i int) string {
			r := &in.Overview.Slices[i]
			word, _ := sliceState(r)
			return r.Slice + " " + r.Label + " " + r.Name + " " + r.Class + " " + word
		},
		Target: func(in Input, i int) Target {
			return Target{Kind: SliceTarget, Key: in.Overview.Slices[i].Slice, Label: in.Overview.Slices[i].Label}
		},
		Less: func(in Input) func(a, b int) int {
			rows := in.Overview.Slices
			switch in.Sort {
			case sortRate:
				return func(a, b int) int { return cmp.Compare(rows[b].RateBps, rows[a].RateBps) }
			case sortLabel:
				return func(a, b int) int { return cmp.Compare(rows[a].Label, rows[b].Label) }
			default:
				return func(a, b int) int { return cmp.Compare(orMinus(rows[b].P99Ms), orMinus(rows[a].P99Ms)) }
			}
		},
		Sorts:   []string{"p99", "rate", "label"},
		Value:   func(in Input, i int) string { return in.Overview.Slices[i].Slice },
		Item:    func(in Input, i int) any { return in.Overview.Slices[i] },
		Command: func(in Input, i int) string { return "nexus slices show " + in.Overview.Slices[i].Slice },
		Draw:    drawSlices}
}

func orMinus(v *float64) float64 {
	if v == nil {
		return -1
	}
	return *v
}

func budget(r *wire.SliceRow) float64 {
	if r.BudgetMs > 0 {
		return r.BudgetMs
	}
	return latencyMsMax
}

// sliceState is OVER above the budget, NEAR above 80 % of it, idle without a measurement.
func sliceState(r *wire.SliceRow) (string, theme.Style) {
	switch {
	case r.P99Ms == nil:
		return "idle", theme.Faint
	case *r.P99Ms > budget(r):
		return "OVER", theme.Bad
	case *r.P99Ms > 0.8*budget(r):
		return "NEAR", theme.Warn
	default:
		return "OK", theme.Good
	}
}

// sliceColumns says which columns fit and how wide name and history are.
type sliceColumns struct {
	name, spark         int
	class, queues, rate bool
}

func columnsFor(width int) sliceColumns {
	switch {
	case width >= 150:
		return sliceColumns{24, min(width-114, wire.HistoryCellsMax), true, true, true}
	case width >= 110:
		return sliceColumns{24, min(width-81, wire.HistoryCellsMax), true, false, true}
	case width >= 76:
		return sliceColumns{20, width - 64, false, false, true}
	case width >= 56:
		return sliceColumns{14, width - 47, false, false, false}
	default:
		return sliceColumns{max(width-32, 8), 0, false, false, false}
	}
}

func drawSlices(in Input) []string {
	s := newSheet(in)
	over := 0
	for i := range in.Overview.Slices {
		if word, _ := sliceState(&in.Overview.Slices[i]); word == "OVER" {
			over++
		}
	}
	state, style := "all within budget", theme.Good
	switch {
	case len(in.Overview.Slices) == 0:
		state, style = "none", theme.Faint
	case over > 0:
		state, style = fmt.Sprintf("%d OVER", over), theme.Bad
	}
	order := slicesPanel().Sorts[in.Sort%3]
	s.title(2, "Slices", fmt.Sprintf("added ms, limit %.1f %s by %s", latencyMsMax, in.Theme.Symbols.Rule, order),
		state, style)
	c := columnsFor(in.Width)
	s.head(func(l *theme.Line) {
		l.Space(3).Cell(theme.Faint, "slice", c.name)
		if c.class {
			l.Cell(theme.Faint, "class", 13)
		}
		for _, p := range []string{"p50", "p99", "p99.9"} {
			l.Right(theme.Faint, p, 7)
		}
		if c.queues {
			l.Right(theme.Faint, "gateway", 9).Right(theme.Faint, "flight", 8).Right(theme.Faint, "queue", 7).
				Right(theme.Faint, "refused", 9)
		}
		if c.rate {
			l.Right(theme.Faint, "rate", 11)
		}
		if c.spark > 0 {
			l.Space(2).Cell(theme.Faint, "last 60 s", c.spark)
		}
		l.Space(2).Add(theme.Faint, "state")
	})
	s.rows("no slice yet: `nexus imvu create --name NAME` allocates one with the unit", func(l *theme.Line, i int,
		text theme.Style) {
		sliceLine(in.Theme, l, &in.Overview.Slices[i], text, c)
	})
	return s.done()
}

func sliceLine(th *theme.Theme, l *theme.Line, r *wire.SliceRow, text theme.Style, c sliceColumns) {
	word, style := sliceState(r)
	label := r.Label
	if r.Name != "" {
		label += " " + r.Name
	}
	l.Cell(text, theme.Clean(label), c.name-1).Space(1)
	if c.class {
		l.Cell(theme.Faint, theme.Clean(r.Class), 13)
	}
	l.Right(theme.Plain, ms(th, r.P50Ms), 7).Right(style, ms(th, r.P99Ms), 7).Right(theme.Plain, ms(th, r.P999Ms), 7)
	if c.queues {
		l.Right(theme.Faint, ms(th, r.GatewayP99Ms), 9).Right(theme.Plain, count(uint64(max(r.InFlight, 0))), 8).
			Right(theme.Plain, count(uint64(max(r.Queue, 0))), 7).Right(theme.Plain, count(r.Refused), 9)
	}
	if c.rate {
		l.Right(theme.Plain, bits(r.RateBps), 11)
	}
	if c.spark > 0 {
		l.Space(2).Spark(r.History, budget(r), c.spark)
	}
	l.Space(2).Add(style, word)
}

// SliceState is the word for a slice's latency: OK, NEAR (above 80 % of its budget), OVER, or idle when not measured.
func SliceState(r *wire.SliceRow) string {
	word, _ := sliceState(r)
	return word
}
