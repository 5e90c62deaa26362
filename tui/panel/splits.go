package panel

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// CreatorTotal is ceil(gross * percent / 100), toward plus infinity also below zero: the one formula of SPEC section 1,
// computed here anew and not taken from the node.
func CreatorTotal(gross, percent int64) int64 {
	if percent < 0 || percent > 100 {
		return 0
	}
	const small = int64(1) << 55 // below it the product fits 64 bits
	if gross > -small && gross < small {
		product := gross * percent
		whole := product / 100
		if product > 0 && product%100 != 0 {
			whole++
		}
		return whole
	}
	product := new(big.Int).Mul(big.NewInt(gross), big.NewInt(percent))
	whole, rest := new(big.Int).QuoRem(product, big.NewInt(100), new(big.Int))
	if rest.Sign() > 0 {
		whole.Add(whole, big.NewInt(1))
	}
	return whole.Int64()
}

// percentOf reads the creator's part of a rule such as 55/45. Only the two rules of the constitution are known.
func percentOf(rule string) (int64, bool) {
	switch rule {
	case "55/45":
		return 55, true
	case "80/20":
		return 80, true
	}
	return 0, false
}

// SplitHolds recomputes a tally: the parts make the whole and the creator's part is the formula's.
func SplitHolds(r *wire.TallyRow) bool {
	percent, known := percentOf(r.Rule)
	return known && r.Creator == CreatorTotal(r.Gross, percent) && r.Platform == r.Gross-r.Creator
}

// The splits panel: totals per rule and currency first, then the tally of every unit and channel. The mark at the end
// of a line is recomputed here.
func splitsPanel() Panel {
	return Panel{ID: Splits, View: 4, Title: "Splits", Sections: []Section{SecSplits},
		Len: func(in Input) int { return len(in.Overview.Totals) + len(in.Overview.Tallies) },
		Key: func(in Input, i int) string {
			o := in.Overview
			if i < len(o.Totals) {
				return "total|" + o.Totals[i].Rule + "|" + o.Totals[i].Currency
			}
			r := &o.Tallies[i-len(o.Totals)]
			return r.UnitID + "|" + r.Unit + "|" + r.Channel + "|" + r.Currency
		},
		Text: func(in Input, i int) string {
			o := in.Overview
			if i < len(o.Totals) {
				return "total " + o.Totals[i].Rule + " " + o.Totals[i].Currency
			}
			r := &o.Tallies[i-len(o.Totals)]
			return strings.Join([]string{r.Unit, r.Name, r.Kind, r.Rule, r.Currency, r.Channel, r.Owner}, " ")
		},
		Sorts: []string{"rule", "gross", "newest"}, Less: splitOrder,
		Value: func(in Input, i int) string {
			if o := in.Overview; i >= len(o.Totals) {
				r := &o.Tallies[i-len(o.Totals)]
				return money(r.Creator, r.Currency)
			}
			return money(in.Overview.Totals[i].Creator, in.Overview.Totals[i].Currency)
		},
		Item: func(in Input, i int) any {
			if o := in.Overview; i >= len(o.Totals) {
				return o.Tallies[i-len(o.Totals)]
			}
			return in.Overview.Totals[i]
		},
		Command: func(in Input, i int) string {
			if o := in.Overview; i >= len(o.Totals) {
				return "nexus revenue tally --unit " + o.Tallies[i-len(o.Totals)].Unit
			}
			return "nexus revenue tally"
		},
		Target: splitTarget, Draw: drawSplits}
}

// splitOrder keeps the totals first; it orders the tallies below them.
func splitOrder(in Input) func(a, b int) int {
	o, first := in.Overview, len(in.Overview.Totals)
	if in.Sort == 0 {
		return nil
	}
	return func(a, b int) int {
		if a < first || b < first {
			return cmp.Compare(a, b)
		}
		x, y := &o.Tallies[a-first], &o.Tallies[b-first]
		if in.Sort == 1 {
			return cmp.Compare(y.Gross, x.Gross)
		}
		return y.PostedTime.Compare(x.PostedTime)
	}
}

func splitTarget(in Input, i int) Target {
	o := in.Overview
	if i < len(o.Totals) {
		t := &o.Totals[i]
		return Target{Kind: ClassTarget, Key: t.Rule + t.Currency, Text: t.Rule, Currency: t.Currency}
	}
	return accountTarget(&o.Tallies[i-len(o.Totals)])
}

func drawSplits(in Input) []string {
	s, o := newSheet(in), in.Overview
	broken := 0
	for i := range o.Tallies {
		if !SplitHolds(&o.Tallies[i]) {
			broken++
		}
	}
	right, style := "all hold", theme.Good
	switch {
	case broken > 0:
		right, style = plural(broken, "split")+" BROKEN", theme.Bad
	case len(o.Tallies) == 0:
		right, style = "no revenue", theme.Faint
	}
	words := plural(max(o.TalliesTotal, len(o.Tallies)), "tally")
	if len(o.Tallies) != 1 {
		words = count(uint64(max(o.TalliesTotal, len(o.Tallies)))) + " tallies"
	}
	if in.AgeMs >= 0 {
		words += fmt.Sprintf(" %s newest %s", in.Theme.Symbols.Rule, Age(in.AgeMs))
	}
	s.title(4, "Splits", words, right, style)
	cols := splitColumnsFor(in)
	if !cols.narrow {
		s.head(func(l *theme.Line) {
			l.Space(3).Cell(theme.Faint, "unit", cols.name).Cell(theme.Faint, "rule", 6)
			if cols.events > 0 {
				l.Right(theme.Faint, "events", cols.events)
			}
			l.Right(theme.Faint, "gross", 4+cols.money).Right(theme.Faint, "creator", cols.money).Right(theme.Faint, "platform", cols.money)
		})
	}
	s.rows("no revenue yet: `nexus revenue record` posts an event, `nexus revenue import FILE` a whole file",
		func(l *theme.Line, i int, text theme.Style) {
			if i < len(o.Totals) {
				t := &o.Totals[i]
				r := wire.TallyRow{Rule: t.Rule, Currency: t.Currency, Gross: t.Gross, Creator: t.Creator, Platform: t.Platform,
					Events: t.Events}
				splitLine(in, l, &r, allOf(t.Units), cols, theme.Strong, t.Creator+t.Platform == t.Gross)
				return
			}
			r := &o.Tallies[i-len(o.Totals)]
			splitLine(in, l, r, tallyName(r), cols, text, SplitHolds(r))
		})
	return s.done()
}

// allOf names the sum over units.
func allOf(units int) string {
	if units == 1 {
		return "the one unit"
	}
	return "all " + plural(units, "unit")
}

func tallyName(r *wire.TallyRow) string {
	name := r.Unit
	if r.Channel != "" {
		name += "/" + r.Channel
	}
	if r.Name != "" {
		name += " " + r.Name
	}
	return name
}

// splitColumns are the widths of a line of splits, in cells.
type splitColumns struct {
	name, events, money int
	narrow              bool // only the creator's part fits
}

// splitColumnsFor makes room for the widest amount there is: money is never cut, names are.
func splitColumnsFor(in Input) splitColumns {
	widest, currency := int64(0), ""
	see := func(gross int64, code string) {
		if gross < 0 {
			gross = -max(gross, -math.MaxInt64)
		}
		if gross >= widest {
			widest, currency = gross, code
		}
	}
	for i := range in.Overview.Totals {
		see(in.Overview.Totals[i].Gross, in.Overview.Totals[i].Currency)
	}
	for i := range in.Overview.Tallies {
		see(in.Overview.Tallies[i].Gross, in.Overview.Tallies[i].Currency)
	}
	c := splitColumns{events: 8, money: max(len(money(-widest, currency))+1, 14)}
	rest := func() int { return in.Width - 3 - 6 - c.events - 4 - 3*c.money - len(" BROKEN") - 1 }
	if rest() < 12 {
		c.events = 0
	}
	c.name, c.narrow = min(max(rest(), 8), 56), rest() < 8
	return c
}

// splitLine is one tally. The equal sign says that the console's own arithmetic gives the same figures.
func splitLine(in Input, l *theme.Line, r *wire.TallyRow, title string, cols splitColumns, text theme.Style, ok bool) {
	mark, style := in.Theme.Symbols.Equal, theme.Good
	if !ok {
		mark, style = "BROKEN", theme.Bad
	}
	if cols.narrow {
		l.Cell(text, theme.Clean(title), max(in.Width-26, 4)).Right(theme.Plain, amount(r.Creator, r.Currency, 14), 15).
			Add(theme.Faint, " "+theme.Clean(r.Currency)).Add(style, " "+mark)
		return
	}
	l.Cell(text, theme.Clean(title), cols.name-1).Space(1).Cell(theme.Plain, r.Rule, 6)
	if cols.events > 0 {
		l.Right(theme.Faint, count(r.Events), cols.events)
	}
	l.Right(theme.Faint, theme.Clean(r.Currency), 4).Right(theme.Plain, money(r.Gross, r.Currency), cols.money).
		Right(theme.Plain, money(r.Creator, r.Currency), cols.money).Right(theme.Plain, money(r.Platform, r.Currency), cols.money).
		Add(style, " "+mark)
}

// proofLines are the arithmetic of a proof, worked out with the console's own formula.
func proofLines(p *wire.Proof) (formula, rest string, ok bool) {
	percent, known := percentOf(p.Rule)
	want := CreatorTotal(p.Gross, percent)
	formula = fmt.Sprintf("creator = ceil(%s x %d / 100) = %s", strconv.FormatInt(p.Gross, 10), percent,
		strconv.FormatInt(want, 10))
	rest = fmt.Sprintf("platform = %d - %d = %d", p.Gross, want, p.Gross-want)
	return formula, rest, known && percent == p.CreatorPercent && want == p.Creator && p.Platform == p.Gross-want
}
