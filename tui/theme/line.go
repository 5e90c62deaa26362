package theme

import (
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Line builds one line of at most a given number of cells out of painted pieces. What does not fit is cut; nothing
// ever makes it wider.
//
// A style is switched only where it differs from the one before, and blanks have none: on a screen that changes ten
// times a second the switches are a good part of the bytes.
type Line struct {
	theme *Theme
	buf   []byte
	now   brush  // in force at the end of buf
	tail  string // last grapheme of buf
	used  int
	width int
}

// NewLine starts a line of at most width cells.
func (t *Theme) NewLine(width int) *Line {
	return &Line{theme: t, width: max(width, 0), buf: make([]byte, 0, max(width, 0)*2)}
}

// Reset empties the line for the next use.
func (l *Line) Reset() *Line {
	l.buf, l.used, l.now, l.tail = l.buf[:0], 0, brush{}, ""
	return l
}

// paint appends text, switching the style if it must.
func (l *Line) paint(s Style, text string) {
	if text == "" {
		return
	}
	l.turn(l.theme.paint[s])
	l.buf = append(l.buf, text...)
	l.tail = lastGrapheme(text)
}

// apart puts a blank before text that would melt into the piece before it: two halves of a flag in neighbouring cells
// are one glyph, and the line would be narrower than counted.
func (l *Line) apart(text string) string {
	if text == "" || l.tail == "" || text[0] < utf8.RuneSelf {
		return text
	}
	first, _, width, _ := uniseg.FirstGraphemeClusterInString(text, -1)
	if Width(l.tail+first) != Width(l.tail)+width {
		return " " + text
	}
	return text
}

func (l *Line) turn(to brush) {
	if from := l.now; from.on != to.on {
		l.buf = append(append(l.buf, from.off...), to.on...)
	}
	l.now = to
}

// Left is the number of free cells.
func (l *Line) Left() int { return l.width - l.used }

// Add appends clean text in a style, cut to the free cells.
func (l *Line) Add(s Style, text string) *Line {
	text = l.theme.Cut(l.apart(text), l.Left())
	l.paint(s, text)
	l.used += Width(text)
	return l
}

// Cell appends text cut and padded to exactly width cells, or to the free cells if they are fewer.
func (l *Line) Cell(s Style, text string, width int) *Line {
	return l.cell(s, text, width, false)
}

// Right is Cell with the text at the right edge, for numbers.
func (l *Line) Right(s Style, text string, width int) *Line {
	return l.cell(s, text, width, true)
}

func (l *Line) cell(s Style, text string, width int, right bool) *Line {
	width = min(width, l.Left())
	if width <= 0 {
		return l
	}
	if !right || Width(text) >= width { // else blanks go before it anyway
		text = l.apart(text)
	}
	text = l.theme.Cut(text, width)
	gap := width - Width(text)
	if right {
		l.Space(gap)
	}
	l.paint(s, text)
	l.used += width - gap
	if !right {
		l.Space(gap)
	}
	return l
}

const blanks = "                                                                                                    "

// Space appends n blanks.
func (l *Line) Space(n int) *Line {
	n = min(n, l.Left())
	for k := n; k > 0; k -= len(blanks) {
		l.buf = append(l.buf, blanks[:min(k, len(blanks))]...)
	}
	if n > 0 {
		l.used, l.tail = l.used+n, " "
	}
	return l
}

// Fill appends a one-cell symbol until `upto` cells are free.
func (l *Line) Fill(s Style, symbol string, upto int) *Line {
	if n := l.Left() - upto; n > 0 {
		l.paint(s, strings.Repeat(symbol, n))
		l.used += n
	}
	return l
}

// String gives the line as built, without blanks at its end: they cost bytes and show nothing.
func (l *Line) String() string {
	l.buf = trimBlanks(l.buf)
	l.turn(brush{})
	return string(l.buf)
}

// Padded gives the line filled to its width, for a panel with another to its right.
func (l *Line) Padded() string {
	l.turn(brush{})
	l.Space(l.Left())
	return string(l.buf)
}

func trimBlanks(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// Spark appends the newest cells of a history as bars from 0 to twice the limit, oldest first, filled on the left
// when the history is shorter. A missing measurement is a blank; a bar over the limit is Bad, and without colours it
// is the symbol SparkOver.
func (l *Line) Spark(history []*float64, limit float64, cells int) *Line {
	cells = min(cells, l.Left())
	if cells <= 0 {
		return l
	}
	if len(history) > cells {
		history = history[len(history)-cells:]
	}
	l.Space(cells - len(history))
	bars := l.theme.Symbols.Spark
	if limit <= 0 {
		limit = 1 // a slice without a budget still shows its shape
	}
	for _, v := range history {
		bar, style := " ", Good
		if v != nil {
			bar = bars[min(int(max(*v, 0)/(2*limit)*float64(len(bars))), len(bars)-1)]
			if *v > limit {
				style = Bad
				if l.theme.Color == ColorNone {
					bar = l.theme.Symbols.SparkOver
				}
			}
		}
		l.paint(style, bar)
	}
	l.used += len(history)
	return l
}
