package panel

import (
	"cmp"
	"fmt"
	"strconv"

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

// samplesMin is the least number of probes that carry a 99th percentile: of fewer it is the slowest single one, and the first seconds
// of a slice, or of a launch, would be said over for one probe that came late.
const samplesMin = 100

// sliceState is OVER above the budget, NEAR above 80 % of it, idle without a measurement, new while too few probes were answered, and
// HOST where the request straight to the responder was over the budget as well: then the machine is too slow, which says nothing of the
// slice, and the service-level record does not count the minute either (slices.Minute.Judge). OWN is over the budget by no more than limits of the
// slice itself make, its ceiling and its places: the record is judged without them (decision 79).
func sliceState(r *wire.SliceRow) (string, theme.Style) {
	switch {
	case r.P99Ms == nil:
		return "idle", theme.Faint
	case r.Samples < samplesMin:
		return "new", theme.Faint
	case *r.P99Ms > budget(r) && orMinus(r.BaselineP99Ms) > budget(r):
		return "HOST", theme.Warn
	case r.Judged() > budget(r):
		return "OVER", theme.Bad
	case *r.P99Ms > budget(r):
		return "OWN", theme.Warn
	case *r.P99Ms > 0.8*budget(r):
		return "NEAR", theme.Warn
	default:
		return "OK", theme.Good
	}
}

// sliceColumns says which columns fit and how wide name and history are.
type sliceColumns struct {
	name, spark              int
	class, queues, rate, p50 bool // class: and the limit, which goes by it
}

func columnsFor(width int) sliceColumns {
	switch {
	case width >= 150:
		return sliceColumns{24, min(width-121, wire.HistoryCellsMax), true, true, true, true}
	case width >= 110:
		return sliceColumns{24, min(width-88, wire.HistoryCellsMax), true, false, true, true}
	case width >= 76:
		return sliceColumns{20, width - 64, false, false, true, true}
	case width >= 56:
		return sliceColumns{14, width - 47, false, false, false, true}
	case width >= 50:
		return sliceColumns{width - 32, 0, false, false, false, true}
	default: // a row that does not say whose it is says nothing
		return sliceColumns{max(width-25, 10), 0, false, false, false, false}
	}
}

// sliceLimit says which limit the figures are held against: one for all, or one for each class.
func sliceLimit(rows []wire.SliceRow) string {
	least, most := latencyMsMax, latencyMsMax
	for i := range rows {
		b := budget(&rows[i])
		if i == 0 {
			least, most = b, b
		}
		least, most = min(least, b), max(most, b)
	}
	if least == most {
		return fmt.Sprintf("limit %.1f", most)
	}
	return fmt.Sprintf("limit by class, %g to %g", least, most)
}

// slicesState says how all slices do.
func slicesState(in Input) (string, theme.Style) {
	rows := in.Overview.Slices
	words := map[string]int{}
	for i := range rows {
		word, _ := sliceState(&rows[i])
		words[word]++
	}
	state, style := "all within budget", theme.Good
	switch {
	case len(rows) == 0:
		state, style = "none", theme.Faint
	case words["OVER"] > 0:
		state, style = fmt.Sprintf("%d OVER", words["OVER"]), theme.Bad
	case words["HOST"] > 0:
		state, style = "machine too slow", theme.Warn
	case words["OWN"] > 0:
		state, style = fmt.Sprintf("%d at own limits", words["OWN"]), theme.Warn
	case words["new"]+words["idle"] == len(rows):
		state, style = "measuring", theme.Faint
	}
	return asOf(in, state, style)
}

func drawSlices(in Input) []string {
	s := newSheet(in)
	state, style := slicesState(in)
	order := slicesPanel().Sorts[in.Sort%3]
	s.title(2, "Slices", fmt.Sprintf("added ms, %s %s by %s", sliceLimit(in.Overview.Slices), in.Theme.Symbols.Rule, order), state, style)
	c := columnsFor(in.Width)
	s.head(func(l *theme.Line) {
		l.Space(3).Cell(theme.Faint, "slice", c.name)
		if c.class {
			l.Cell(theme.Faint, "class", 13)
		}
		if c.p50 {
			l.Right(theme.Faint, "p50", 7)
		}
		l.Right(theme.Faint, "p99", 7).Right(theme.Faint, "p99.9", 7)
		if c.class {
			l.Right(theme.Faint, "limit", 7)
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
	if c.p50 {
		l.Right(theme.Plain, ms(th, r.P50Ms), 7)
	}
	l.Right(style, ms(th, r.P99Ms), 7).Right(theme.Plain, ms(th, r.P999Ms), 7)
	if c.class {
		l.Right(theme.Faint, strconv.FormatFloat(budget(r), 'f', -1, 64), 7)
	}
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

// SliceState is the word for a slice's latency: OK, NEAR (above 80 % of its budget), OVER, OWN by its own limits alone, HOST when the
// machine itself was over it, new with too few probes to say, or idle when not measured.
func SliceState(r *wire.SliceRow) string {
	word, _ := sliceState(r)
	return word
}
