package panel

import (
	"fmt"
	"strconv"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// sheet collects a panel's lines and enforces their number and width.
type sheet struct {
	in    Input
	lines []string
	line  *theme.Line
	keep  int // lines left free below the rows
}

func newSheet(in Input) *sheet {
	return &sheet{in: in, lines: make([]string, 0, max(in.Height, 0)), line: in.Theme.NewLine(in.Width)}
}

// next gives an empty line to build; end takes it over.
func (s *sheet) next() *theme.Line { return s.line.Reset() }

func (s *sheet) end() {
	if len(s.lines) >= s.in.Height {
		return
	}
	if s.in.Pad {
		s.lines = append(s.lines, s.line.Padded())
		return
	}
	s.lines = append(s.lines, s.line.String())
}

func (s *sheet) left() int { return s.in.Height - len(s.lines) }

// done fills the panel to its height.
func (s *sheet) done() []string {
	for s.left() > 0 {
		s.next()
		s.end()
	}
	return s.lines
}

// title draws the rule that heads a panel: number, name, a few words, and state words at the right.
func (s *sheet) title(number int, name, words string, right string, rightStyle theme.Style) {
	th, l := s.in.Theme, s.next()
	rule := th.Symbols.Rule
	nameStyle := theme.Accent
	if s.in.Focus && !s.in.Full { // one of several: keys go here, which is seen without colours too
		nameStyle = theme.Strong
		l.Add(theme.Accent, th.Symbols.Cursor)
	} else {
		l.Add(theme.Faint, rule)
	}
	if number >= 0 {
		l.Add(nameStyle, strconv.Itoa(number)+" ")
	}
	l.Add(nameStyle, name).Add(theme.Plain, " ")
	if s.in.Filter != "" {
		l.Add(theme.Info, "/"+theme.Clean(s.in.Filter)+" ")
		if s.in.Width >= 60 { // beside "6 in all" it must be said that not all are shown
			l.Add(theme.Info, "("+count(uint64(len(s.in.Index)))+" shown) ")
		}
	}
	if s.in.MarkedOnly != "" {
		l.Add(theme.Info, "marked only ")
	} else if n := s.marked(); n > 0 {
		l.Add(theme.Info, strconv.Itoa(n)+" marked ")
	}
	if s.in.Order != "" {
		l.Add(theme.Info, "by "+s.in.Order+" ")
	}
	if words != "" {
		l.Add(theme.Plain, th.Cut(words, max(l.Left()-theme.Width(right)-4, 0))).Add(theme.Plain, " ")
	}
	if right == "" {
		l.Fill(theme.Faint, rule, 0)
	} else {
		l.Fill(theme.Faint, rule, min(theme.Width(right)+3, l.Left()))
		l.Add(theme.Plain, " ").Add(rightStyle, right).Add(theme.Plain, " ").Fill(theme.Faint, rule, 0)
	}
	s.end()
}

// marked counts the rows shown that are marked: an act takes all of them, those of other pages of the list too.
func (s *sheet) marked() (n int) {
	if s.in.Marked == nil {
		return 0
	}
	for _, i := range s.in.Index {
		if s.in.Marked(i) {
			n++
		}
	}
	return n
}

// asOf is a state of now, or, when the node does not answer, of then: nobody knows what is alive now.
func asOf(in Input, state string, style theme.Style) (string, theme.Style) {
	if in.Lost {
		return "LOST, was " + state, theme.Bad
	}
	return state, style
}

// head draws a column header.
func (s *sheet) head(build func(l *theme.Line)) {
	build(s.next())
	s.end()
}

// rows draws the page of rows that holds the cursor; paging instead of scrolling keeps lines where they are. When
// there are none it says what to do next, or that the filter hides them.
func (s *sheet) rows(empty string, draw func(l *theme.Line, i int, text theme.Style)) {
	in, room := s.in, s.left()-s.keep
	if room <= 0 {
		return
	}
	if len(in.Index) == 0 {
		switch {
		case in.Filter != "":
			empty = "no row matches the filter; esc clears it"
		case in.MarkedOnly != "":
			empty = "no row here is marked, and only marked ones are shown; " + in.MarkedOnly + " shows all"
		}
		for _, line := range theme.Wrap(empty, in.Width-3) {
			s.next().Add(theme.Plain, "   ").Add(theme.Faint, line)
			s.end()
		}
		return
	}
	cursor := min(max(in.Cursor, 0), len(in.Index)-1)
	first := cursor / room * room
	if in.At != nil {
		*in.At = RowsAt{Line: len(s.lines), First: first, Count: min(room, len(in.Index)-first)}
	}
	for pos := first; pos < min(first+room, len(in.Index)); pos++ {
		l := s.next()
		selected := in.Focus && pos == cursor
		style := theme.Plain
		switch marked := in.Marked != nil && in.Marked(in.Index[pos]); {
		case selected && marked:
			style = theme.Strong
			l.Add(theme.Accent, in.Theme.Symbols.Mark+in.Theme.Symbols.Cursor)
		case selected:
			style = theme.Strong
			l.Add(theme.Accent, " "+in.Theme.Symbols.Cursor)
		case marked:
			l.Add(theme.Accent, in.Theme.Symbols.Mark+" ")
		default:
			l.Space(2)
		}
		draw(l.Space(1), in.Index[pos], style)
		s.end()
	}
}

// ms shows a latency in milliseconds, a dash when it was not measured.
func ms(th *theme.Theme, v *float64) string {
	switch {
	case v == nil:
		return th.Symbols.Dash
	case *v > 0 && *v < 0.005:
		return "<0.01"
	case *v >= 1000:
		return strconv.FormatFloat(*v, 'f', 0, 64)
	case *v >= 100:
		return strconv.FormatFloat(*v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(*v, 'f', 2, 64)
	}
}

// duration shows milliseconds as people read them.
func duration(d int64) string {
	switch {
	case d < 1000:
		return fmt.Sprintf("%d ms", d)
	case d < 60_000:
		return fmt.Sprintf("%.1f s", float64(d)/1000)
	case d < 3_600_000:
		return fmt.Sprintf("%d:%02d min", d/60_000, d/1000%60)
	default:
		return fmt.Sprintf("%d:%02d h", d/3_600_000, d/60_000%60)
	}
}

// Age shows how old something is, in steps so coarse that an idle console stays silent (DESIGN section 6).
func Age(d int64) string {
	switch {
	case d < 0:
		return "unknown"
	case d < 10_000:
		return "< 10 s"
	case d < 60_000:
		return "< 1 min"
	case d < 3_600_000:
		return fmt.Sprintf("%d min", d/60_000)
	case d < 48*3_600_000:
		return fmt.Sprintf("%d h", d/3_600_000)
	default:
		return fmt.Sprintf("%d d", d/86_400_000)
	}
}

// Count shows an integer with thousands separators.
func count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	if len(s) <= 3 {
		return s
	}
	out := make([]byte, 0, len(s)+len(s)/3)
	for i := range len(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			out = append(out, ',')
		}
		out = append(out, s[i])
	}
	return string(out)
}

// bytesSize shows a size in binary units.
func bytesSize(n uint64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, u := float64(n)/1024, 0
	for v >= 1024 && u < len(units)-1 {
		v, u = v/1024, u+1
	}
	return fmt.Sprintf("%s %ciB", strconv.FormatFloat(v, 'f', precision(v), 64), units[u])
}

// bits shows a rate in bits per second with decimal units.
func bits(v float64) string {
	const units = " kMGT"
	u := 0
	for v >= 1000 && u < len(units)-1 {
		v, u = v/1000, u+1
	}
	if u == 0 {
		return strconv.FormatFloat(v, 'f', 0, 64) + " b/s"
	}
	return fmt.Sprintf("%s %cb/s", strconv.FormatFloat(v, 'f', precision(v), 64), units[u])
}

func precision(v float64) int {
	if v < 10 && v != float64(int64(v)) {
		return 1
	}
	return 0
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func money(minor int64, currency string) string {
	return nexus.Money{Minor: minor, Currency: currency}.Decimal()
}

// amount is money in at most width cells. Digits are never cut off: what does not fit is rounded toward zero to
// millions of the currency and says so by its mark.
func amount(minor int64, currency string, width int) string {
	full := money(minor, currency)
	if len(full) <= width {
		return full
	}
	exponent, _ := nexus.CurrencyExponent(currency)
	for range exponent + 6 {
		minor /= 10
	}
	return "~" + money(minor, "XXX") + "M" // XXX has no minor unit
}

// state gives symbol and style of a status or verdict word; the word itself is always printed beside it.
func state(th *theme.Theme, word string) (string, theme.Style) {
	y := th.Symbols
	switch word {
	case wire.StatusPassed, wire.VerdictAllow, "alive", "active", wire.NodeServing:
		return y.Passed, theme.Good
	case wire.StatusFailed, wire.VerdictDeny, wire.LevelCritical:
		return y.Failed, theme.Bad
	case wire.StatusDegraded, "suspect", "exiting", wire.LevelWarning, wire.NodeStopping:
		return y.Degraded, theme.Warn
	case wire.StatusRunning, wire.NodeLaunching, "creating":
		return y.Running, theme.Info
	case wire.StatusSkipped, "suspended", "left", "exited", "closed":
		return y.Skipped, theme.Faint
	default:
		return y.Pending, theme.Faint
	}
}

// plural gives "1 check", "3 checks".
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return count(uint64(n)) + " " + word + "s"
}
