package panel

import (
	"fmt"
	"regexp"
	stdslices "slices"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// The home: one's own units and channels with their money and its proof, what waits for one's word, what was not read.
func homePanel() Panel {
	at := func(in Input, i int) HomeRow { return in.homeRows()[i] }
	return Panel{ID: Home, View: HomeView, Title: "Home", Sections: []Section{SecHome},
		Len:     func(in Input) int { return len(in.homeRows()) },
		Key:     func(in Input, i int) string { return at(in, i).key() },
		Text:    func(in Input, i int) string { return at(in, i).text() },
		Target:  func(in Input, i int) Target { return at(in, i).target() },
		Value:   func(in Input, i int) string { return at(in, i).value() },
		Item:    func(in Input, i int) any { return at(in, i).item() },
		Command: func(in Input, i int) string { return at(in, i).command() },
		Draw:    drawHome}
}

// homeRows are the rows of the home; a loop over them sets Rows first.
func (in Input) homeRows() []HomeRow {
	if in.Rows == nil {
		return HomeRows(in.Home)
	}
	return in.Rows
}

// usageCells is the width of what a slice carried, in cells.
const usageCells = 9

// homeColumns are the widths of a home's columns on a screen, in cells; zero: left out.
type homeColumns struct{ name, sum, rule, usage int }

func columnsOf(width int) homeColumns {
	c := homeColumns{name: 10, sum: 12}
	switch {
	case width >= 110:
		c = homeColumns{name: width - 103, sum: 15, rule: 6, usage: 30}
	case width >= 78:
		c = homeColumns{name: width - 68, sum: 12, usage: usageCells}
	case width < 60:
		c = homeColumns{sum: max((width-17)/2, 6)}
	}
	c.name = min(c.name, 30)
	return c
}

func drawHome(in Input) []string {
	s, h := newSheet(in), in.Home
	if h == nil {
		s.title(-1, "Home", "", "", theme.Plain)
		s.next().Space(3).Add(theme.Info, "asking the node what is yours")
		s.end()
		return s.done()
	}
	right, style := HomeWaits(h)
	words, title := plural(len(h.Units), "unit"), "Home of "+in.Theme.Cut(theme.Clean(h.Owner), max(in.Width/4, 6))
	const marks = 8 // cells of the heading that are no words
	for _, age := range []string{", newest figure ", ", "} {
		if age += Age(in.AgeMs) + " old"; in.AgeMs >= 0 && theme.Width(title+words+age+right)+marks <= in.Width {
			words += age
			break
		}
	}
	s.title(-1, title, words, right, style)
	c := columnsOf(in.Width)
	rows := in.homeRows()
	above := homeHead(s, h, c, rows)
	s.in.Index, s.in.Cursor = in.Index[above:], in.Cursor-above
	s.in.Focus = in.Focus && (in.Cursor >= above || len(in.Index) == above)
	empty := "nothing of yours is here yet, and this session makes nothing: " + in.ReadOnly
	if in.Create != "" {
		empty = "nothing of yours is here yet: " + in.Create + " guides you to a unit, a channel or a mini-platform"
	}
	s.rows(empty, func(l *theme.Line, i int, text theme.Style) {
		drawHomeRow(l, in.Theme, rows[i], c, text)
	})
	if in.At != nil && above > 0 {
		in.At.First += above
	}
	return s.done()
}

// HomeWaits says what waits for the owner's word or eyes, and how much of theirs waits for others.
func HomeWaits(h *wire.Home) (words string, style theme.Style) {
	notices := 0
	for i := range h.Notices {
		if !announces(&h.Notices[i], h.Proposals) {
			notices++
		}
	}
	var parts []string
	style = theme.Good
	if len(h.Waiting) > 0 {
		style = theme.Info
	}
	if notices > 0 {
		parts, style = append(parts, fmt.Sprintf("%d to read", notices)), theme.Info
	}
	if len(h.Proposals) > 0 {
		parts, style = append([]string{fmt.Sprintf("%d to decide", len(h.Proposals))}, parts...), theme.Warn
	}
	switch n := len(h.Waiting); {
	case n > 0 && len(parts) == 0:
		return fmt.Sprintf("%d waiting for others", n), style
	case n > 0:
		parts = append(parts, fmt.Sprintf("%d waiting", n))
	case len(parts) == 0:
		return "nothing waits for you", style
	}
	return strings.Join(parts, ", "), style
}

// homeRowsLeast is how many rows a low screen keeps below the totals.
const homeRowsLeast = 4

// homeHead draws the names of the columns and, where there is room, what was earned over all, which then stays there whatever is scrolled
// below it. It gives how many rows that can be selected it drew.
func homeHead(s *sheet, h *wire.Home, c homeColumns, rows []HomeRow) (above int) {
	three := c.name > 0
	if len(h.Totals) > 0 && s.left() <= homeRowsLeast+1 && len(rows) >= s.left() { // rows are out of sight: what was earned is not
		s.head(func(l *theme.Line) { l.Space(3).Add(theme.Strong, earnedWords(h.Totals)).Add(theme.Faint, " in all") })
		return
	}
	s.head(func(l *theme.Line) {
		l.Space(3).Cell(theme.Faint, "your share", 10+c.name+c.rule)
		if three {
			l.Right(theme.Faint, "today", c.sum)
		}
		l.Right(theme.Faint, "this month", c.sum).Right(theme.Faint, "in all", c.sum).Space(1)
		l.Cell(theme.Faint, "proof", 7)
		if c.usage > 0 {
			l.Right(theme.Faint, "carried", usageCells)
		}
		if c.usage > usageCells {
			l.Right(theme.Faint, "requests", 10).Right(theme.Faint, "in budget", 11)
		}
	})
	if totals := len(totalRows(h)); s.left() >= totals+homeRowsLeast {
		in := s.in
		for i := range rows[:totals] {
			selected := in.Focus && in.Cursor >= 0 && in.Cursor < len(in.Index) && in.Index[in.Cursor] == i
			s.head(func(l *theme.Line) {
				if l.Space(1); selected {
					l.Add(theme.Accent, in.Theme.Symbols.Cursor)
				} else {
					l.Space(1)
				}
				drawTotal(l.Space(1), rows[i], c)
			})
		}
		for above < len(in.Index) && in.Index[above] < totals {
			above++
		}
	}
	if c.usage > usageCells && len(h.Usage) > 0 && s.left() > homeRowsLeast+len(rows) {
		s.head(func(l *theme.Line) {
			l.Space(3).Add(theme.Faint, "carried: by all edges since "+h.Usage[0].Since.UTC().Format("2006-01-02 15:04Z")+
				"; in budget: minutes of this month; "+usedWords(h))
		})
	}
	if !h.Complete {
		s.head(func(l *theme.Line) {
			l.Space(3).Add(theme.Warn, "the node still reads its ledger: today and this month are not whole yet")
		})
	}
	return above
}

// drawTotal draws what was earned over all in one currency and what is owed of it, or one of the things beside that.
func drawTotal(l *theme.Line, r HomeRow, c homeColumns) {
	t := r.Total
	if r.Beside != besideNone {
		l.Cell(theme.Faint, "", min(10, c.name)).Add(theme.Faint, r.Beside.words(t))
		return
	}
	l.Cell(theme.Strong, "all "+t.Currency, 10+c.name+c.rule)
	if c.name > 0 {
		l.Right(theme.Strong, amount(t.Today.Creator, t.Currency, c.sum-1), c.sum)
	}
	l.Right(theme.Strong, amount(t.Month.Creator, t.Currency, c.sum-1), c.sum).Right(theme.Strong, amount(t.All.Creator, t.Currency, c.sum-1), c.sum)
	if owed := "owed " + amount(t.Payable, t.Currency, c.sum-1); l.Left() > len(owed) {
		l.Right(theme.Info, owed, min(l.Left(), owedCells))
	}
}

// earnedWords say what was earned in each currency.
func earnedWords(totals []wire.MoneySum) string {
	words := make([]string, len(totals))
	for i := range totals {
		words[i] = nexus.Money{Minor: totals[i].All.Creator, Currency: totals[i].Currency}.String()
	}
	return strings.Join(words, ", ")
}

// owedCells is the width of what is owed, up to the end of the column of what was carried, in cells.
const owedCells = 1 + 7 + usageCells

// BesideWords says what of a currency stands beside the split: what is on its way or set aside, and what is announced only.
func BesideWords(t *wire.MoneySum) string {
	var parts []string
	for b := onItsWay; b <= announced; b++ {
		if words := b.words(t); words != "" {
			parts = append(parts, words)
		}
	}
	return strings.Join(parts, "; ")
}

// id32 is an id in a text, of which a narrow row shows the beginning; the notice itself, one key away, has it whole.
var id32 = regexp.MustCompile(`\b([0-9a-f]{8})[0-9a-f]{24,56}\b`)

func shortIDs(text string) string { return id32.ReplaceAllString(text, "$1") }

// ended is a notice of a proposal's end.
var ended = regexp.MustCompile(`^proposal [0-9a-f]{32} \((.*) on [^ ()]+\) is (\w+): (.*)$`)

// noticeWords are a notice on one row, beside its unit: what came of a proposal stands first, for that is the news.
func noticeWords(text string) string {
	text = wire.Human(text)
	if m := ended.FindStringSubmatch(text); m != nil {
		return m[2] + ": the proposal " + shortIDs(m[1]) + "; " + m[3]
	}
	return shortIDs(text)
}

// usedWords says what the ledger has of the newest month's usage at list prices. It stands beside the split: nothing of it is deducted.
func usedWords(h *wire.Home) string {
	var sums []wire.Amount
	for i := range h.Used {
		for _, t := range h.Used[i].Totals {
			k := stdslices.IndexFunc(sums, func(a wire.Amount) bool { return a.Currency == t.Currency })
			if k < 0 {
				sums, k = append(sums, wire.Amount{Currency: t.Currency}), len(sums)
			}
			if sum, ok := nexus.AddMinor(sums[k].Minor, t.Minor); ok {
				sums[k].Minor = sum
			}
		}
	}
	if len(sums) == 0 {
		return "no usage at list prices yet"
	}
	words := "at list prices"
	for _, t := range sums {
		words += " " + theme.Clean(nexus.Money{Minor: t.Minor, Currency: t.Currency}.String())
	}
	return words
}

func drawHomeRow(l *theme.Line, th *theme.Theme, r HomeRow, c homeColumns, text theme.Style) {
	switch {
	case r.Total != nil:
		drawTotal(l, r, c)
		return
	case r.Proposal != nil:
		l.Cell(theme.Warn, "decide", 9).Space(1).Cell(text, theme.Clean(r.Proposal.Unit), 9).Space(1).
			Add(text, theme.Clean(r.Proposal.Words())).Add(theme.Faint, " by "+theme.Clean(r.Proposal.Proposer))
		return
	case r.Waiting != nil:
		l.Cell(theme.Faint, "waiting", 9).Space(1).Cell(text, theme.Clean(r.Waiting.Unit), 9).Space(1).
			Add(theme.Info, "for "+theme.Clean(r.Waiting.WaitsFor())).Add(text, ": "+theme.Clean(r.Waiting.Words()))
		return
	case r.Others > 0:
		l.Cell(theme.Faint, "waiting", 9).Space(1).Add(text, fmt.Sprintf("for others: %d more proposals of yours; enter lists all", r.Others))
		return
	case r.Notice != nil:
		l.Cell(theme.Info, "notice", 9).Space(1).Cell(text, theme.Clean(r.Notice.Unit), 9).Space(1).Add(text, theme.Clean(noticeWords(r.Notice.Text)))
		return
	case r.More > 0:
		l.Cell(theme.Info, "notice", 9).Space(1).Add(text, fmt.Sprintf("%d more to read; enter lists all", r.More))
		return
	case r.Exit != nil:
		word := "leaving"
		if !r.Exit.Completed.IsZero() {
			word = "left"
		}
		l.Cell(theme.Accent, word, 9).Space(1).Cell(text, theme.Clean(r.Exit.Unit), 9).Space(1).Add(text, theme.Clean(r.Exit.Words()))
		return
	}
	name := ""
	if r.Unit != nil {
		name = r.Unit.Name
	} else {
		name = r.Money.Name + " (given away)"
	}
	long := 0 // a label of five digits takes a cell of the name's
	if c.name > 0 {
		long = min(max(len(r.Label())-9, 0), 3)
	}
	l.Cell(text, theme.Clean(r.Label()), 9+long).Space(1)
	if c.name > 0 {
		l.Cell(text, theme.Clean(name), c.name-1-long).Space(1)
	}
	m := r.Money
	if m == nil {
		symbol, style := state(th, dormancy(r.Unit))
		width := 2*c.sum + c.rule + 8
		if c.name > 0 {
			width += c.sum
		}
		l.Cell(style, symbol+" "+theme.Clean(dormancy(r.Unit))+", no revenue yet", width)
	} else {
		drawHomeMoney(l, th, r, c)
	}
	if c.usage == 0 || r.Usage == nil {
		return
	}
	u := r.Usage
	l.Right(theme.Plain, bytesSize(u.BytesIn+u.BytesOut), usageCells)
	if c.usage > usageCells {
		kept := th.Symbols.Dash
		if u.Attainment != nil {
			kept = fmt.Sprintf("%.2f %%", *u.Attainment)
		}
		l.Right(theme.Plain, count(u.Requests), 10).Right(theme.Plain, kept, 11)
	}
}

func drawHomeMoney(l *theme.Line, th *theme.Theme, r HomeRow, c homeColumns) {
	m := r.Money
	if c.rule > 0 {
		l.Cell(theme.Faint, m.Rule, c.rule)
	}
	today, month := amount(m.Today.Creator, m.Currency, c.sum-1), amount(m.Month.Creator, m.Currency, c.sum-1)
	if c.name > 0 {
		l.Right(theme.Plain, today, c.sum)
	}
	l.Right(theme.Plain, month, c.sum).Right(theme.Strong, amount(m.Earned, m.Currency, c.sum-1), c.sum).Space(1)
	mark, style := m.Currency, theme.Faint
	switch {
	case r.Tally == nil:
	case SplitHolds(r.Tally):
		mark, style = m.Currency+" "+th.Symbols.Equal, theme.Good
	default:
		mark, style = "BROKEN", theme.Bad
	}
	l.Cell(style, mark, 7)
}
