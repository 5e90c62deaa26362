package panel

import (
	"fmt"

	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// Series is one line of a chart; nil values are gaps.
type Series struct {
	Name   string
	Style  theme.Style
	Letter string // stands for it where there is no braille
	Values []*float64
}

// chartLabel is the room for the scale at the left, in cells.
const chartLabel = 8

// brailleBits are the dots of a braille cell, by row from the top and column.
var brailleBits = [4][2]rune{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

// Chart draws series over time in height lines of width cells, with a scale from 0 to twice the limit and a line at the limit.
// What is above the limit is in the alert style; what is above the scale stands at its top, and the label there says how far it
// went. The newest value is at the right. With braille a cell holds two moments and four levels; in ASCII one of each. Without
// any value it says so.
func Chart(th *theme.Theme, width, height int, limit float64, unit string, series ...Series) []string {
	cols, rows := width-chartLabel-1, height
	if cols < 4 || rows < 2 {
		return nil
	}
	top := 2 * limit
	most, any := highest(series)
	if !any {
		return []string{th.NewLine(width).Space(chartLabel).Add(theme.Faint, "nothing measured yet").String()}
	}
	g := newGrid(th, cols, rows, top)
	for _, s := range series {
		g.plot(s, limit)
	}
	limitRow := rows - 1 - min(int(limit/top*float64(rows)), rows-1)
	lines := make([]string, 0, rows)
	for r := range rows {
		l := th.NewLine(width)
		switch {
		case r == limitRow:
			l.Right(theme.Bad, fmt.Sprintf("%.1f %s", limit, unit), chartLabel)
		case r == 0:
			if most > top {
				l.Right(theme.Bad, "to "+ms(th, &most), chartLabel)
			} else {
				l.Right(theme.Faint, fmt.Sprintf("%.1f", top), chartLabel)
			}
		case r == rows-1:
			l.Right(theme.Faint, "0", chartLabel)
		default:
			l.Space(chartLabel)
		}
		l.Add(theme.Faint, th.Symbols.Bar)
		g.row(l, r, r == limitRow)
		lines = append(lines, l.String())
	}
	return lines
}

// highest is the highest value of all series; false when there is none.
func highest(series []Series) (most float64, any bool) {
	for _, s := range series {
		for _, v := range s.Values {
			if v != nil {
				most, any = max(most, *v), true
			}
		}
	}
	return most, any
}

// grid is a chart's cells before they are drawn.
type grid struct {
	th         *theme.Theme
	cols, rows int
	top        float64
	dots       []rune
	styles     []theme.Style
	across     int // moments in a cell
	down       int // levels in a cell
}

func newGrid(th *theme.Theme, cols, rows int, top float64) *grid {
	g := &grid{th: th, cols: cols, rows: rows, top: top, dots: make([]rune, cols*rows), styles: make([]theme.Style, cols*rows), across: 2, down: 4}
	if th.ASCII {
		g.across, g.down = 1, 1
	}
	return g
}

// plot sets the dots of a series; neighbours are joined, so that a jump is a line and not two points.
func (g *grid) plot(s Series, limit float64) {
	moments, levels := g.cols*g.across, g.rows*g.down
	values := s.Values[max(len(s.Values)-moments, 0):]
	x, last := moments-len(values), -1
	for _, v := range values {
		if v == nil {
			last = -1
			x++
			continue
		}
		y := min(int(max(*v, 0)/g.top*float64(levels)), levels-1)
		style := s.Style
		if *v > limit {
			style = theme.Bad
		}
		from, to := y, y
		if last >= 0 && g.down > 1 {
			from, to = min(y, last), max(y, last)
		}
		for k := from; k <= to; k++ {
			g.set(x, levels-1-k, s, style)
		}
		last = y
		x++
	}
}

func (g *grid) set(x, y int, s Series, style theme.Style) {
	cell := y/g.down*g.cols + x/g.across
	if g.th.ASCII {
		g.dots[cell] = []rune(s.Letter)[0]
	} else {
		g.dots[cell] |= brailleBits[y%4][x%2]
	}
	g.styles[cell] = style
}

func (g *grid) row(l *theme.Line, r int, limitRow bool) {
	for c := range g.cols {
		d, style := g.dots[r*g.cols+c], g.styles[r*g.cols+c]
		switch {
		case d == 0 && limitRow:
			l.Add(theme.Bad, g.th.Symbols.Limit)
		case d == 0:
			l.Space(1)
		case g.th.ASCII:
			l.Add(style, string(d))
		default:
			l.Add(style, string(0x2800+d))
		}
	}
}

// legend names the series with their newest value.
func legend(l *theme.Line, th *theme.Theme, series []Series) {
	l.Space(chartLabel + 1)
	for _, s := range series {
		mark := th.Symbols.Limit
		if th.ASCII {
			mark = s.Letter
		}
		var newest *float64
		if n := len(s.Values); n > 0 {
			newest = s.Values[n-1]
		}
		l.Add(s.Style, mark+" "+s.Name+" ").Add(theme.Plain, ms(th, newest)).Add(theme.Faint, " ms   ")
	}
}
