package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/engine/statement"
	"github.com/BobbyBlanco400/nexus-cos/engine/statement/page"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

func (a *app) statementCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "statement", Short: "A unit's monthly statement: text, JSON, CSV or PDF", Args: noArgs,
		Long: `A statement is made from all entries of the unit's chain. The first time it is asked for after its month is over it is issued: an entry of the
ledger commits to its digest, and the month is closed. Events of the month that come later belong to the next open month, as late items.
Asked for again, the same document comes out. --draft shows a month without issuing it, also one that still runs. What is
printed was checked here: the digest against the entry, the entry and the ledger it was made from against the signed checkpoint.`,
		Example: "  nexus revenue statement --unit IMVU-001 --month 2026-10\n" +
			"  nexus revenue statement --unit IMVU-001 --month 2026-10 --format pdf --out october.pdf\n" +
			"  nexus revenue statement --unit IMVU-001 --month 2026-11 --draft"}
	f := cmd.Flags()
	f.String("unit", "", "unit by id, label or slug (required)")
	f.String("month", "", "YYYY-MM, UTC (required)")
	f.String("format", "", "text, json, csv or pdf (default: --output)")
	f.String("out", "", "write to this file instead of stdout")
	f.Bool("draft", false, "do not issue it; a month that still runs is shown as far as it is")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		if err := required(cmd, "unit", "month"); err != nil {
			return err
		}
		format, out, err := a.statementForm(cmd)
		if err != nil {
			return err
		}
		s, err := n.statementAsked(ctx, cmd)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := writeStatement(&b, format, &s); err != nil {
			return err
		}
		if out == "" {
			_, err = a.out.Write(b.Bytes())
			return err
		}
		if err := os.WriteFile(out, b.Bytes(), 0o600); err != nil {
			return nexus.Errf("revenue statement", nexus.CodeUnavailable, "--out "+out, "", "%w", err)
		}
		a.say("%s of %s for %s written to %s", format, s.Document.Label, s.Document.Month, out)
		return nil
	})
	return cmd
}

func (a *app) statementForm(cmd *cobra.Command) (format, out string, err error) {
	format, _ = cmd.Flags().GetString("format")
	out, _ = cmd.Flags().GetString("out")
	if format == "" {
		format = "text"
		if a.conf.json() {
			format = "json"
		}
	}
	switch format {
	case "text", "json", "csv":
	case "pdf":
		if file, ok := a.out.(*os.File); out == "" && ok && term.IsTerminal(int(file.Fd())) {
			return "", "", usage("--format pdf", "give --out FILE, or send stdout to a file", "a terminal cannot show it")
		}
	default:
		return "", "", usage(fmt.Sprintf("--format %q", format), "text, json, csv or pdf", "no such form")
	}
	return format, out, nil
}

// statementAsked fetches a statement, issues it when it is due, and checks it.
func (n *node) statementAsked(ctx context.Context, cmd *cobra.Command) (s control.Statement, err error) {
	word, _ := cmd.Flags().GetString("unit")
	month, _ := cmd.Flags().GetString("month")
	draft, _ := cmd.Flags().GetBool("draft")
	const attempts = 5 // others may post between the document and its issue
	for range attempts {
		if s, err = get[control.Statement](ctx, n, "/v1/statement", "unit", word, "month", month); err != nil {
			return s, err
		}
		if s.Status == control.StatementIssued {
			return s, n.checkStatement(ctx, &s)
		}
		if draft {
			n.app.say("%s of %s for %s: a draft, nothing is issued", s.Status, s.Document.Label, s.Document.Month)
			return s, n.checkDigest(&s)
		}
		if s.Status == control.StatementDraft {
			return s, nexus.Errf("revenue statement", nexus.CodeConflict, s.Document.Label+" "+s.Document.Month, "wait until it is over, or look at it with --draft",
				"the month is not over (UTC)")
		}
		if err = n.checkDigest(&s); err != nil {
			return s, err
		}
		var number uint32
		if number, err = monthNumber(s.Document.Month); err != nil {
			return s, err
		}
		_, err = n.act(ctx, state.KindStatementIssue, s.Document.Unit, state.StatementIssue{Month: number, Size: s.Document.Size, Digest: s.Digest})
		if err != nil && nexus.CodeOf(err) != nexus.CodeConflict { // a conflict: somebody else issued it, or it must be made again
			return s, err
		}
	}
	return s, err
}

func monthNumber(text string) (uint32, error) {
	n, err := strconv.ParseUint(strings.Replace(text, "-", "", 1), 10, 32)
	if err != nil || n < 197001 || n > 999912 {
		return 0, nexus.Errf("revenue statement", nexus.CodeCorrupt, "month "+strconv.Quote(text), "do not trust this node", "not a month")
	}
	return uint32(n), nil
}

func (n *node) checkDigest(s *control.Statement) error {
	if got := s.Document.Digest(); got != s.Digest {
		return nexus.Errf("check statement", nexus.CodeCorrupt, s.Document.Label+" "+s.Document.Month, "do not trust this node",
			"its digest is %s, not %s", got, s.Digest)
	}
	return nil
}

// checkStatement holds an issued statement to its entry, the entry to the signed checkpoint, and the ledger that it was made from to the
// same checkpoint.
func (n *node) checkStatement(ctx context.Context, s *control.Statement) error {
	if err := n.checkDigest(s); err != nil {
		return err
	}
	if err := n.pin(ctx, s.Checkpoint); err != nil {
		return err
	}
	head, err := n.pinned(ctx)
	if err != nil {
		return err
	}
	proven, _, err := n.proveEntry(ctx, strconv.FormatUint(s.Entry, 10))
	if err != nil {
		return err
	}
	p, _ := proven.(wire.EntryProof)
	entry, err := ledger.ParseEntry(p.Entry.Bytes)
	if err != nil {
		return err
	}
	var b ledger.StatementBody
	d := &s.Document
	if err := nexus.Decode(entry.Body, &b); err != nil || entry.Kind != ledger.KindStatement || entry.Unit != d.Unit || b.Digest != s.Digest ||
		b.Size != d.Size || state.MonthText(b.Month) != d.Month {
		return nexus.Errf("check statement", nexus.CodeCorrupt, fmt.Sprintf("entry %d", s.Entry), "do not trust this node",
			"does not commit to this statement: it says month %s, %d entries, digest %s", state.MonthText(b.Month), b.Size, b.Digest)
	}
	if err := n.earlier(ctx, &wire.TallyPlace{Size: d.Size, Time: s.Issued, Root: base64.StdEncoding.EncodeToString(d.Root[:])}, head); err != nil {
		return err
	}
	n.app.say("issued by decision %d; entry %d commits to digest %s (inclusion checked)", s.Decision, s.Entry, s.Digest)
	return nil
}

func writeStatement(w io.Writer, format string, s *control.Statement) error {
	switch format {
	case "json":
		return printJSON(w, s)
	case "csv":
		return statement.WriteCSV(w, &s.Document, s.Note)
	case "pdf":
		return page.Write(w, &s.Document, page.Title{Owner: orKey(s.Owner, s.Document.Owner), Status: statementStatus(s), Note: s.Note})
	}
	return printStatement(w, s)
}

func orKey(name string, key nexus.PublicKey) string {
	if name == "" {
		return key.String()
	}
	return name + " (" + key.String() + ")"
}

func statementStatus(s *control.Statement) string {
	switch s.Status {
	case control.StatementIssued:
		return fmt.Sprintf("issued %s, ledger entry %d", when(s.Issued), s.Entry)
	case control.StatementOpen:
		return "DRAFT: the month is over, the statement is not issued"
	}
	return "DRAFT: the month still runs"
}

func printStatement(w io.Writer, s *control.Statement) error {
	d := &s.Document
	fmt.Fprintf(w, "Statement of %s (%s) for %s, %s, %d %% creator\n", d.Label, clean(d.Name), d.Month, d.Kind, d.Percent)
	if err := pairs(w, "owner", orKey(s.Owner, d.Owner), "status", statementStatus(s), "after", d.After, "disputable until", when(s.Disputes)); err != nil {
		return err
	}
	for i := range d.Accounts {
		acc := &d.Accounts[i]
		t := &table{head: []string{d.Heading(acc), ">EVENTS", ">AMOUNT"}}
		for _, l := range acc.Lines(d.Percent) {
			if l.Shown() {
				count := ""
				if l.Count > 0 {
					count = strconv.FormatUint(l.Count, 10)
				}
				t.add(l.Words, count, money(l.Minor, acc.Currency))
			}
		}
		fmt.Fprintln(w)
		if err := t.print(w); err != nil {
			return err
		}
	}
	if err := printStatementLists(w, d, s.Note); err != nil {
		return err
	}
	if err := printUsed(w, &d.Usage); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nservice level  %s\n", d.ServiceText())
	for _, line := range d.Basis() {
		fmt.Fprintf(w, "made from      %s\n", line)
	}
	_, err := fmt.Fprintf(w, "\nunder a checkpoint that %d other parties cosigned:\n%s", s.Cosigners, clean(s.Checkpoint))
	return err
}

func printStatementLists(w io.Writer, d *statement.Document, note func(string) string) error {
	if len(d.Moves) > 0 {
		t := &table{head: []string{"TIME", "WHAT", ">ADDED OR TAKEN", ">ENTRY", "NOTE"}}
		for _, m := range d.Moves {
			t.add(statement.TimeText(m.TimeMs), m.What, nexus.Money{Minor: m.Minor, Currency: m.Currency}.String(), strconv.FormatUint(m.Entry, 10), note(m.Note))
		}
		fmt.Fprintln(w, "\nTransfers, holds and payouts")
		if err := t.print(w); err != nil {
			return err
		}
	}
	if len(d.Late) == 0 {
		return nil
	}
	t := &table{head: []string{"EVENT TIME", "KIND", ">GROSS", ">CREATOR", ">ENTRY", "SOURCE", "EVENT"}}
	for _, l := range d.Late {
		t.add(statement.TimeText(l.EventMs), l.Kind, nexus.Money{Minor: l.Minor, Currency: l.Currency}.String(), money(l.Creator, l.Currency),
			strconv.FormatUint(l.Entry, 10), l.Source, l.Event)
	}
	fmt.Fprintln(w, "\nLate items: events of months that were over")
	return t.print(w)
}

// printUsed prints what was metered at list prices, beside the split.
func printUsed(w io.Writer, u *statement.Usage) error {
	if len(u.Lines) == 0 {
		return nil
	}
	t := &table{head: []string{"METER", ">QUANTITY", ">LIST PRICE", ">AT LIST PRICE"}}
	for i := range u.Lines {
		l := &u.Lines[i]
		t.add(l.Meter, strconv.FormatUint(l.Quantity, 10), l.PriceText(), l.AmountText())
	}
	fmt.Fprintf(w, "\n%s\n", statement.UsageWords)
	return t.print(w)
}
