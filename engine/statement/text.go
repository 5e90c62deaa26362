package statement

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Line is one figure of an account with the words that every form of a statement uses.
type Line struct {
	Words string
	Field string // as in JSON and CSV
	Minor int64
	Count uint64 // events; 0: not counted
	Sum   bool   // a balance or a total
}

// Lines lists an account's figures in the order of a statement. What a party owes for other reasons stands below the split, never
// between gross and share (SPEC section 1).
func (a *Account) Lines(percent uint8) []Line {
	share := strconv.Itoa(int(percent)) + " %"
	return []Line{
		{Words: "Owed at the beginning", Field: "opening", Minor: a.Opening, Sum: true},
		{Words: "Sales and other income", Field: "sales", Minor: a.Sales, Count: a.SalesCount},
		{Words: "Refunds", Field: "refunds", Minor: a.Refunds, Count: a.RefundCount},
		{Words: "Chargebacks", Field: "chargebacks", Minor: a.Chargebacks, Count: a.ChargebackNum},
		{Words: "Gross", Field: "net", Minor: a.Net, Count: a.SalesCount + a.RefundCount + a.ChargebackNum, Sum: true},
		{Words: "Platform's share", Field: "platform", Minor: a.Platform},
		{Words: "Creator's share (" + share + ")", Field: "creator", Minor: a.Creator, Sum: true},
		{Words: "  of it from events of earlier months", Field: "late_creator", Minor: a.LateCreator, Count: a.LateCount},
		{Words: "Transfers from the platform", Field: "received", Minor: a.Received},
		{Words: "Fees and other transfers to the platform", Field: "fees", Minor: -a.Fees},
		{Words: "Set aside in holds", Field: "holds_placed", Minor: -a.HoldsPlaced},
		{Words: "Given back from holds", Field: "holds_returned", Minor: a.HoldsBack},
		{Words: "Payouts opened", Field: "payouts_opened", Minor: -a.PayoutsOpened},
		{Words: "Payouts that failed and came back", Field: "payouts_returned", Minor: a.PayoutsBack},
		{Words: "Owed at the end", Field: "closing", Minor: a.Closing, Sum: true},
		{Words: "Beside it: held", Field: "held", Minor: a.Held},
		{Words: "Beside it: captured from holds by the platform", Field: "holds_captured", Minor: a.HoldsTaken},
		{Words: "Beside it: payouts on their way", Field: "on_its_way", Minor: a.OnItsWay},
		{Words: "Beside it: paid in the month", Field: "paid", Minor: a.Paid},
	}
}

// Shown reports whether a form for people prints a line: balances and totals always, the rest when there is something.
func (l *Line) Shown() bool { return l.Sum || l.Minor != 0 || l.Count != 0 }

// Heading names an account.
func (d *Document) Heading(a *Account) string {
	if d.Accounts[len(d.Accounts)-1].Period == 0 {
		return a.Currency
	}
	return fmt.Sprintf("%s, period of ownership %d", a.Currency, a.Period)
}

// ServiceText is the slice's attainment in words.
func (d *Document) ServiceText() string {
	s := &d.Service
	if !s.Judged {
		return "nothing was judged in this month"
	}
	return fmt.Sprintf("%d.%04d %% of %d judged minutes within the latency budget; %d over it, %d void, %d breaches, worst p99 %d us",
		s.AttainmentPpm/10_000, s.AttainmentPpm%10_000, s.Kept+s.Broken, s.Broken, s.Void, s.Breaches, s.WorstMicros)
}

// Basis says what the document was made from.
func (d *Document) Basis() []string {
	return []string{
		fmt.Sprintf("all %d entries of the unit's chain, up to commitment %s", d.UnitSeq, d.UnitHead),
		fmt.Sprintf("in a ledger of %d entries with the root %s", d.Size, d.Root),
		fmt.Sprintf("digest of this statement: %s", d.Digest()),
	}
}

// Decimal writes minor units in a currency's own form, without the code.
func Decimal(minor int64, currency string) string {
	return nexus.Money{Minor: minor, Currency: currency}.Decimal()
}

// plain is Decimal without grouping, for programs.
func plain(minor int64, currency string) string {
	return strings.ReplaceAll(Decimal(minor, currency), ",", "")
}

// TimeText writes Unix milliseconds as RFC 3339, UTC.
func TimeText(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// WriteCSV writes one row per figure: section, period, currency, item, count, amount in minor units, amount, entry, time, note. Texts from
// outside never begin a cell as a formula would. Notes are written as note gives them; nil: as they stand.
func WriteCSV(w io.Writer, d *Document, note func(string) string) error {
	if note == nil {
		note = func(s string) string { return s }
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true                                    // RFC 4180
	put := func(cells ...string) { _ = out.Write(cells) } // the error stays until Flush
	put("section", "period", "currency", "item", "count", "amount_minor", "amount", "entry", "time", "note")
	for _, p := range [][2]string{{"unit", d.Label}, {"unit_id", d.Unit.String()}, {"name", d.Name}, {"owner_key", d.Owner.String()}, {"month", d.Month},
		{"after", d.After}, {"creator_percent", strconv.Itoa(int(d.Percent))}, {"ledger_entries", strconv.FormatUint(d.Size, 10)}, {"ledger_root", d.Root.String()},
		{"unit_entries", strconv.FormatUint(d.UnitSeq, 10)}, {"unit_head", d.UnitHead.String()}, {"digest", d.Digest().String()}} {
		put("document", "", "", p[0], "", "", "", "", "", Cell(p[1]))
	}
	count := func(n uint64) string { return strconv.FormatUint(n, 10) }
	minor := func(n int64) string { return strconv.FormatInt(n, 10) }
	for i := range d.Accounts {
		a := &d.Accounts[i]
		for _, l := range a.Lines(d.Percent) {
			put("account", count(uint64(a.Period)), a.Currency, l.Field, count(l.Count), minor(l.Minor), plain(l.Minor, a.Currency), "", "", "")
		}
	}
	for _, m := range d.Moves {
		put("move", count(uint64(m.Period)), m.Currency, m.What, "", minor(m.Minor), plain(m.Minor, m.Currency), count(m.Entry), TimeText(m.TimeMs),
			Cell(note(m.Note)))
	}
	for _, l := range d.Late {
		put("late", count(uint64(l.Period)), l.Currency, Cell(l.Kind), "", minor(l.Minor), plain(l.Minor, l.Currency), count(l.Entry), TimeText(l.EventMs),
			Cell(l.Source+"/"+l.Event))
	}
	s := &d.Service
	for _, p := range []struct {
		item string
		n    int64
	}{{"kept_minutes", int64(s.Kept)}, {"broken_minutes", int64(s.Broken)}, {"void_minutes", int64(s.Void)}, {"breaches", int64(s.Breaches)},
		{"worst_p99_us", s.WorstMicros}, {"attainment_ppm", s.AttainmentPpm}} {
		put("service", "", "", p.item, minor(p.n), "", "", "", "", "")
	}
	d.Usage.csv(put)
	out.Flush()
	return out.Error()
}

// Cell makes a text from outside safe in a spreadsheet: one that a program would take for a formula begins with an apostrophe.
func Cell(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t\r\n|") {
		return "'" + s
	}
	return s
}
