// Package journal writes a unit's entries as journals of plain-text accounting programs, with the balance that every account must have, so
// that hledger or beancount check the ledger with code of their own; and as CSV.
//
// It is pure. Amounts are the ledger's integers, written as decimals without grouping; signs are the ledger's: what was earned stands
// below zero with its source, what is owed above zero. It must not import the engine or a store.
package journal

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// The formats.
const (
	HLedger   = "hledger"
	Beancount = "beancount"
	CSV       = "csv"
)

// Formats lists them.
func Formats() []string { return []string{HLedger, Beancount, CSV} }

// Writer writes one unit's journal. Entries come in the order of the ledger. Not for use by several goroutines at once.
type Writer struct {
	out      *bufio.Writer
	rows     *csv.Writer
	format   string
	unit     string
	balances map[account]int64
	order    []account // as first used
	known    map[string]bool
	last     time.Time
	count    int
}

type account struct{ name, currency string }

// New begins a journal. Error: nexus.CodeMalformed for an unknown format.
func New(w io.Writer, format, unit string) (*Writer, error) {
	j := &Writer{out: bufio.NewWriter(w), format: format, unit: unit, balances: map[account]int64{}, known: map[string]bool{}}
	switch format {
	case HLedger:
		fmt.Fprintf(j.out, "; %s: its whole ledger; every posting asserts the balance after it\ndecimal-mark .\n\n", clean(unit))
	case Beancount:
		fmt.Fprintf(j.out, ";; %s: its whole ledger, with the balances at its end\noption \"title\" %s\n\n", clean(unit), quoted(unit))
	case CSV:
		j.rows = csv.NewWriter(j.out)
		j.rows.UseCRLF = true
		_ = j.rows.Write([]string{"entry", "time", "kind", "description", "account", "currency", "amount_minor", "amount", "balance_minor", "balance"})
	default:
		return nil, nexus.Errf("journal", nexus.CodeMalformed, fmt.Sprintf("format %q", format), strings.Join(Formats(), ", "), "no such format")
	}
	return j, nil
}

// Add writes an entry; one without postings writes nothing. Error: nexus.CodeCorrupt when a balance passes 64 bits.
func (j *Writer) Add(e *ledger.Entry) error {
	if len(e.Postings) == 0 {
		return nil
	}
	j.last = time.UnixMilli(e.TimeMs).UTC()
	j.count++
	what := describe(e)
	j.begin(e, what)
	for _, p := range e.Postings {
		a := account{j.accountOf(&p), p.Currency}
		if _, used := j.balances[a]; !used {
			j.order = append(j.order, a)
		}
		sum, ok := nexus.AddMinor(j.balances[a], p.Minor)
		if !ok {
			return nexus.Errf("journal", nexus.CodeCorrupt, fmt.Sprintf("entry %d", e.Seq), "run nexus ledger verify", "the balance of %s passes 64 bits", a.name)
		}
		j.balances[a] = sum
		switch j.format {
		case HLedger:
			fmt.Fprintf(j.out, "    %s  %s %s = %s %s\n", a.name, Plain(p.Minor, p.Currency), p.Currency, Plain(sum, p.Currency), p.Currency)
		case Beancount:
			fmt.Fprintf(j.out, "  %s  %s %s\n", a.name, Plain(p.Minor, p.Currency), p.Currency)
		case CSV:
			_ = j.rows.Write([]string{strconv.FormatUint(e.Seq, 10), j.last.Format(time.RFC3339Nano), e.Kind.String(), safe(what), a.name, p.Currency,
				strconv.FormatInt(p.Minor, 10), Plain(p.Minor, p.Currency), strconv.FormatInt(sum, 10), Plain(sum, p.Currency)})
		}
	}
	return nil
}

// begin writes what stands before the postings of an entry.
func (j *Writer) begin(e *ledger.Entry, what string) {
	day := j.last.Format(time.DateOnly)
	switch j.format {
	case HLedger:
		fmt.Fprintf(j.out, "\n%s * (%d) %s  ; time:%s\n", day, e.Seq, clean(what), j.last.Format("15:04:05.000Z"))
	case Beancount:
		for _, p := range e.Postings {
			if name := j.accountOf(&p); !j.known[name] {
				j.known[name] = true
				fmt.Fprintf(j.out, "%s open %s\n", day, name)
			}
		}
		fmt.Fprintf(j.out, "\n%s * %s\n  entry: %d\n  time: \"%s\"\n", day, quoted(what), e.Seq, j.last.Format(time.RFC3339Nano))
	}
}

// Close writes the balances and what is buffered.
func (j *Writer) Close() error {
	switch {
	case j.rows != nil:
		j.rows.Flush()
		if err := j.rows.Error(); err != nil {
			return err
		}
	case j.count == 0:
	case j.format == HLedger:
		fmt.Fprintf(j.out, "\n%s * balances at the end\n", j.last.Format(time.DateOnly))
		for _, a := range j.order {
			fmt.Fprintf(j.out, "    %s  0 %s = %s %s\n", a.name, a.currency, Plain(j.balances[a], a.currency), a.currency)
		}
	default: // a balance of beancount is that of the day's beginning
		fmt.Fprintln(j.out)
		day := j.last.AddDate(0, 0, 1).Format(time.DateOnly)
		for _, a := range j.order {
			fmt.Fprintf(j.out, "%s balance %s  %s ~ 0 %s\n", day, a.name, Plain(j.balances[a], a.currency), a.currency)
		}
	}
	return j.out.Flush()
}

// accountOf names a posting's account by the root that both programs know: income below zero, what is owed above.
func (j *Writer) accountOf(p *ledger.Posting) string {
	root := "Assets"
	switch p.Account {
	case ledger.AccountSource:
		root = "Income"
	case ledger.AccountPlatform, ledger.AccountDues:
		root = "Expenses"
	}
	word := p.Account.String()
	name := root + ":" + part(j.unit) + ":" + strings.ToUpper(word[:1]) + word[1:]
	if p.Ref != "" {
		name += ":" + part(p.Ref)
	}
	return name
}

// part makes one part of an account's name out of any text. Letters but X, digits and dashes stay; every other byte, and a dash in the
// first place, becomes X and two hexadecimal digits. Beancount wants a capital or a digit first: X- stands before a small letter. Two texts
// never become one name.
func part(s string) string {
	var b strings.Builder
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		b.WriteString("X-")
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'A' && c <= 'Z' && c != 'X', c >= '0' && c <= '9', c >= 'a' && c <= 'z', c == '-' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "X%02x", c)
		}
	}
	return b.String()
}

// describe says in a few words what an entry is.
func describe(e *ledger.Entry) string {
	words := []string{e.Kind.String()}
	switch e.Kind {
	case ledger.KindRevenue, ledger.KindRefund:
		var b ledger.RevenueBody
		if nexus.Decode(e.Body, &b) == nil {
			words = []string{b.Kind, b.EventID, b.RefundOf}
			if b.EventID == "" {
				words[1] = b.Source + " number " + strconv.FormatUint(b.ProducerSeq, 10)
			}
		}
	case ledger.KindTransfer:
		var b ledger.TransferBody
		if nexus.Decode(e.Body, &b) == nil {
			words = append(words, b.Reason)
		}
	case ledger.KindHold:
		var b ledger.HoldBody
		if nexus.Decode(e.Body, &b) == nil {
			words = append(words, b.Verb, b.Reason)
		}
	case ledger.KindPayout:
		var b ledger.PayoutBody
		if nexus.Decode(e.Body, &b) == nil {
			words = append(words, b.Verb, b.Reference, b.Reason)
		}
	}
	return personal.Hide(strings.TrimSpace(strings.Join(words, " "))) // a journal goes to others
}

// Plain writes minor units as a decimal without grouping.
func Plain(minor int64, currency string) string {
	return strings.ReplaceAll(nexus.Money{Minor: minor, Currency: currency}.Decimal(), ",", "")
}

// clean keeps a text on its line: what hledger reads as the end of a description, and control characters, become spaces.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == ';' || r == '|' || r == 0x2028 || r == 0x2029 || r == 0x85 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// quoted writes a text of beancount.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(clean(s)) + `"`
}

// safe makes a text from outside safe in a spreadsheet.
func safe(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t\r\n|") {
		return "'" + s
	}
	return s
}
