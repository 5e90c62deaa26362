// Package page draws a statement as a PDF of A4 pages. It is the home of the PDF library (docs/decisions/0012-statements.md). The same
// document gives the same bytes: the dates inside are those of the month, not of the drawing.
package page

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/statement"
)

// Millimetres of an A4 page, and points of its type.
const (
	margin  = 18.0
	width   = 210.0 - 2*margin
	rowHigh = 5.2
	sizeBig = 18.0
	size    = 9.0
	sizeFew = 7.5
)

// Title is what stands beside the document: who the owner is today, whether it is issued, and how its notes are written for the reader.
type Title struct {
	Owner  string
	Status string
	Note   func(string) string // nil: as they stand
}

type sheet struct {
	*fpdf.Fpdf
	d     *statement.Document
	title Title
}

// Write draws the document. Texts may use any script that the Go fonts have (Latin, Greek, Cyrillic); other characters show as boxes, the
// CSV and JSON forms keep them. No text that a unit can hold makes it fail: a statement that cannot be drawn would keep a unit from leaving.
func Write(w io.Writer, d *statement.Document, title Title) error {
	if title.Note == nil {
		title.Note = func(s string) string { return s }
	}
	s := sheet{fpdf.New("P", "mm", "A4", ""), d, title}
	at, err := time.Parse("2006-01", d.Month)
	if err != nil {
		return nexus.Errf("draw statement", nexus.CodeMalformed, "month "+d.Month, "", "%w", err)
	}
	s.SetCreationDate(at)
	s.SetModificationDate(at)
	s.SetCatalogSort(true)
	s.SetTitle("Statement of "+d.Label+" for "+d.Month, true)
	s.SetProducer("Nexus COS", true)
	for style, font := range map[string][]byte{"": goregular.TTF, "B": gobold.TTF} {
		s.AddUTF8FontFromBytes("go", style, font)
	}
	s.AddUTF8FontFromBytes("mono", "", gomono.TTF)
	s.SetMargins(margin, margin, margin)
	s.SetAutoPageBreak(true, margin+4)
	s.AliasNbPages("{pages}")
	s.SetFooterFunc(s.foot)
	s.AddPage()
	s.head()
	for i := range d.Accounts {
		s.account(&d.Accounts[i])
	}
	if len(d.Accounts) == 0 {
		s.say("", size, "Nothing was earned or moved up to the end of this month.")
	}
	s.moves()
	s.late()
	s.usage()
	s.section("Service level of the unit's slice")
	s.say("", size, d.ServiceText())
	s.section("What this was made from")
	for _, line := range d.Basis() {
		s.say("mono", sizeFew-1, line)
	}
	s.say("", sizeFew, "Anyone who may read the unit's ledger makes the same document again, byte for byte:\n"+
		"nexus revenue statement --unit "+d.Label+" --month "+d.Month)
	return s.Output(w)
}

// drawable gives a text as the library takes it: it refuses the whole document for one character outside the basic plane, as most
// emoji are, and for bytes that are no UTF-8.
func drawable(text string) string {
	return strings.Map(func(r rune) rune {
		if r > 0xffff || r == utf8.RuneError {
			return '\u25a1' // a box, as for any character that the fonts lack
		}
		return r
	}, text)
}

// CellFormat, MultiCell and GetStringWidth stand before the library's own, so that every text goes through drawable.
func (s *sheet) CellFormat(wide, high float64, text, border string, next int, side string, fill bool, link int, linkTo string) {
	s.Fpdf.CellFormat(wide, high, drawable(text), border, next, side, fill, link, linkTo)
}

// MultiCell is CellFormat over as many lines as it takes.
func (s *sheet) MultiCell(wide, high float64, text, border, side string, fill bool) {
	s.Fpdf.MultiCell(wide, high, drawable(text), border, side, fill)
}

// GetStringWidth measures what CellFormat draws.
func (s *sheet) GetStringWidth(text string) float64 { return s.Fpdf.GetStringWidth(drawable(text)) }

func (s *sheet) foot() {
	s.SetY(-margin)
	s.SetFont("go", "", sizeFew)
	s.SetTextColor(110, 110, 110)
	s.CellFormat(width/2, rowHigh, s.d.Label+"  "+s.d.Month+"  "+s.title.Status, "", 0, "L", false, 0, "")
	s.CellFormat(width/2, rowHigh, fmt.Sprintf("page %d of {pages}", s.PageNo()), "", 0, "R", false, 0, "")
}

func (s *sheet) head() {
	s.SetTextColor(20, 20, 20)
	s.SetFont("go", "B", sizeBig)
	s.CellFormat(width, 9, "Statement "+s.d.Month, "", 1, "L", false, 0, "")
	s.SetFont("go", "", size)
	for _, p := range [][2]string{{"Unit", s.d.Label + "  " + s.d.Name},
		{"Kind and rule", fmt.Sprintf("%s, %d %% creator, %d %% platform", s.d.Kind, s.d.Percent,
			100-s.d.Percent)}, {"Owner", s.title.Owner}, {"Months", s.months()}, {"Status", s.title.Status}} {
		s.SetTextColor(110, 110, 110)
		s.CellFormat(34, rowHigh, p[0], "", 0, "L", false, 0, "")
		s.SetTextColor(20, 20, 20)
		s.MultiCell(width-34, rowHigh, p[1], "", "L", false)
	}
}

// months says which months are in it when it is more than the one.
func (s *sheet) months() string {
	if s.d.After == "" {
		return "up to and with " + s.d.Month + ", the unit's first statement (UTC, by the time of the event)"
	}
	return s.d.Month + ", after the statement for " + s.d.After + " (UTC, by the time of the event)"
}

func (s *sheet) section(name string) {
	s.Ln(3)
	s.room(3)
	s.SetFont("go", "B", size+2)
	s.SetTextColor(20, 20, 20)
	s.CellFormat(width, 7, name, "", 1, "L", false, 0, "")
}

// room begins a new page when fewer than so many rows are left.
func (s *sheet) room(rows int) {
	if _, high := s.GetPageSize(); s.GetY()+float64(rows)*rowHigh+7 > high-margin-4 {
		s.AddPage()
	}
}

func (s *sheet) say(font string, points float64, text string) {
	if font == "" {
		font = "go"
	}
	s.SetFont(font, "", points)
	s.SetTextColor(20, 20, 20)
	s.MultiCell(width, rowHigh-1, text, "", "L", false)
}

func (s *sheet) account(a *statement.Account) {
	s.section(s.d.Heading(a))
	for _, l := range a.Lines(s.d.Percent) {
		if !l.Shown() {
			continue
		}
		style, border := "", ""
		if l.Sum {
			style, border = "B", "T"
		}
		s.room(1)
		s.SetDrawColor(190, 190, 190)
		s.SetFont("go", style, size)
		s.CellFormat(width-64, rowHigh, l.Words, border, 0, "L", false, 0, "")
		count := ""
		if l.Count > 0 {
			count = strconv.FormatUint(l.Count, 10) + " events"
		}
		s.SetFont("go", "", sizeFew)
		s.CellFormat(24, rowHigh, count, border, 0, "R", false, 0, "")
		s.SetFont("go", style, size)
		s.CellFormat(40, rowHigh, statement.Decimal(l.Minor, a.Currency)+" "+a.Currency, border, 1, "R", false, 0, "")
	}
}

// column is one of a list's: its name, width in mm and side.
type column struct {
	name string
	wide float64
	side string
}

func (s *sheet) row(columns []column, style string, cells ...string) {
	s.room(1)
	s.SetFont("go", style, sizeFew)
	for i, c := range columns {
		text := cells[i]
		for cut := []rune(text); s.GetStringWidth(text) > c.wide-2 && len(cut) > 0; text = string(cut) + "…" {
			cut = cut[:len(cut)-1]
		}
		next := 0
		if i == len(columns)-1 {
			next = 1
		}
		s.CellFormat(c.wide, rowHigh-0.6, text, "", next, c.side, false, 0, "")
	}
}

func (s *sheet) list(columns []column) {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	s.row(columns, "B", names...)
}

func (s *sheet) moves() {
	if len(s.d.Moves) == 0 {
		return
	}
	s.section("Transfers, holds and payouts")
	columns := []column{{"Time (UTC)", 32, "L"}, {"What", 40, "L"}, {"Added or taken", 32, "R"}, {"Entry", 16, "R"}, {"Reason or destination", width - 120, "L"}}
	s.list(columns)
	for _, m := range s.d.Moves {
		s.row(columns, "", statement.TimeText(m.TimeMs), m.What, statement.Decimal(m.Minor, m.Currency)+" "+m.Currency, strconv.FormatUint(m.Entry, 10),
			s.title.Note(m.Note))
	}
	s.more(s.d.MovesLeft)
}

func (s *sheet) late() {
	if len(s.d.Late) == 0 {
		return
	}
	s.section("Late items: events of months that were over")
	columns := []column{{"Event time (UTC)", 32, "L"}, {"Kind", 24, "L"}, {"Gross", 30, "R"}, {"Creator's share", 30, "R"}, {"Entry", 16, "R"},
		{"Source and event", width - 132, "L"}}
	s.list(columns)
	for _, l := range s.d.Late {
		s.row(columns, "", statement.TimeText(l.EventMs), l.Kind, statement.Decimal(l.Minor, l.Currency)+" "+l.Currency,
			statement.Decimal(l.Creator, l.Currency)+" "+l.Currency, strconv.FormatUint(l.Entry, 10), l.Source+"/"+l.Event)
	}
	s.more(s.d.LateLeft)
}

func (s *sheet) usage() {
	if len(s.d.Usage.Lines) == 0 {
		return
	}
	s.section("Used, at list prices")
	s.say("", sizeFew, "What the platform's share bought. It stands beside the split: nothing of it is deducted.")
	columns := []column{{"Meter", 40, "L"}, {"Quantity", 40, "R"}, {"List price", width - 120, "R"}, {"At list price", 40, "R"}}
	s.list(columns)
	for i := range s.d.Usage.Lines {
		l := &s.d.Usage.Lines[i]
		s.row(columns, "", l.Meter, strconv.FormatUint(l.Quantity, 10), l.PriceText(), l.AmountText())
	}
}

func (s *sheet) more(left uint64) {
	if left > 0 {
		s.say("", sizeFew, fmt.Sprintf("and %d more, which the sums hold and nexus ledger show lists", left))
	}
}
