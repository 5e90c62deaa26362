package panel

import (
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// Column is one column of a Listing.
type Column struct {
	Name  string
	Width int  // cells; 0: what is left, for one column only
	Right bool // numbers
	From  int  // left out on screens of fewer columns
}

// Cell is one piece of a row.
type Cell struct {
	Text  string // not ours: made safe when it is drawn
	Style theme.Style
}

// Item is one row of a Listing.
type Item struct {
	Key    string // stays with the row
	Cells  []Cell
	Target Target
	Value  string // what copying the row's value gives
	Data   any    // the row as JSON
}

// Listing is a page of rows: what enter opened on something that has parts. It is not changed once shown.
type Listing struct {
	Columns []Column
	Items   []Item
	Empty   string // what to do when there is no row
	Foot    string // below the rows, such as that there are more
	Command string // command line that shows the same
}

// Text is what a filter sees of a row.
func (l *Listing) Text(i int) string {
	parts := make([]string, len(l.Items[i].Cells))
	for k, c := range l.Items[i].Cells {
		parts[k] = c.Text
	}
	return strings.Join(parts, " ")
}

// Draw draws the rows that in.Index names in in.Height lines.
func (l *Listing) Draw(in Input) []string {
	s := newSheet(in)
	rest := in.Width - 3
	for _, c := range l.Columns {
		if c.From <= in.Width {
			rest -= c.Width + 1
		}
	}
	s.head(func(line *theme.Line) {
		line.Space(3)
		for _, c := range l.Columns {
			l.cell(line, c, Cell{c.Name, theme.Faint}, rest, in.Width)
		}
	})
	foot := l.Foot != "" && in.Height > 4
	if foot {
		s.keep = 1
	}
	s.rows(l.Empty, func(line *theme.Line, i int, text theme.Style) {
		for k, c := range l.Columns {
			cell := Cell{}
			if k < len(l.Items[i].Cells) {
				cell = l.Items[i].Cells[k]
			}
			if cell.Style == theme.Plain && text == theme.Strong {
				cell.Style = theme.Strong
			}
			l.cell(line, c, cell, rest, in.Width)
		}
	})
	if foot {
		s.keep = 0
		s.next().Space(3).Add(theme.Faint, l.Foot)
		s.end()
	}
	return s.done()
}

func (l *Listing) cell(line *theme.Line, c Column, cell Cell, rest, width int) {
	if c.From > width {
		return
	}
	w := c.Width
	if w == 0 {
		w = max(rest, 1)
	}
	if c.Right {
		line.Right(cell.Style, theme.Clean(cell.Text), w).Space(1)
		return
	}
	line.Cell(cell.Style, theme.Clean(cell.Text), w).Space(1)
}
