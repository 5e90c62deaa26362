package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func (a *app) disputeCommand() *cobra.Command {
	cmd := noun("dispute", "Contest a statement, and get an answer")
	cmd.Long = `The owner of a unit may contest a statement for 60 days after its issue, as a whole or one entry of it. The platform then owes an answer
with a reason within 30 days; past that the stack scrub reports it until somebody answers. An accepted dispute is paid by a transfer, visible as
any; what was posted, and its split, never change.`
	cmd.AddCommand(a.openDisputeCommand(), a.answerDisputeCommand(), a.withdrawDisputeCommand(), a.showDisputesCommand())
	return cmd
}

func (a *app) openDisputeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "open", Short: "Contest a statement (the owner signs)", Args: noArgs,
		Example: "  nexus revenue dispute open --unit IMVU-001 --month 2026-10 --currency USD --amount 4000 --reason 'order 17 is missing' --identity eva"}
	owedFlags(cmd, "what is missing, in integer minor units (default: no matter of an amount)")
	cmd.Flags().String("month", "", "of the statement, YYYY-MM (required)")
	cmd.Flags().Uint64("entry", 0, "entry of the ledger that is contested (default: the statement as a whole)")
	cmd.Flags().String("reason", "", "what is wrong; it stands in the ledger (required)")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		o, err := n.owed(ctx, cmd, "currency", "month", "reason")
		if err != nil {
			return err
		}
		b := state.DisputeOpen{Period: o.period, Currency: o.currency, Minor: o.minor}
		month, _ := cmd.Flags().GetString("month")
		if b.Month, err = engine.StatementMonth(month); err != nil {
			return err
		}
		b.Entry, _ = cmd.Flags().GetUint64("entry")
		b.Reason, _ = cmd.Flags().GetString("reason")
		r, err := n.act(ctx, state.KindDisputeOpen, o.unit, b)
		if err != nil {
			return err
		}
		var made state.DisputeMade
		if err := nexus.Decode(r.Result, &made); err != nil {
			return err
		}
		return n.printDispute(ctx, made.ID.String())
	})
	return cmd
}

func (a *app) answerDisputeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "answer DISPUTE", Short: "Accept or reject a dispute, with a reason (operators)", Args: oneArg("DISPUTE"),
		Example: "  nexus revenue dispute answer 3f2a --accept --amount 4000 --reason 'order 17 was lost by the provider'\n" +
			"  nexus revenue dispute answer 3f2a --reject --reason 'order 17 was refunded on the 3rd'"}
	f := cmd.Flags()
	f.Bool("accept", false, "the owner is right")
	f.Bool("reject", false, "the owner is not right")
	f.String("amount", "", "with --accept: what the platform pays by a transfer, integer minor units (default: nothing; the reason says how it is settled)")
	f.String("reason", "", "it stands in the ledger and in the notice (required)")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		if err := required(cmd, "reason"); err != nil {
			return err
		}
		accept, _ := f.GetBool("accept")
		if reject, _ := f.GetBool("reject"); accept == reject {
			return usage("--accept, --reject", "give one of the two", "an answer is one or the other")
		}
		return n.endDispute(ctx, cmd, args[0], state.KindDisputeAnswer, accept)
	})
	return cmd
}

func (a *app) withdrawDisputeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "withdraw DISPUTE", Short: "Take a dispute back (the owner signs)", Args: oneArg("DISPUTE"),
		Example: "  nexus revenue dispute withdraw 3f2a --identity eva"}
	cmd.Flags().String("reason", "", "it stands in the ledger")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		return n.endDispute(ctx, cmd, args[0], state.KindDisputeWithdraw, false)
	})
	return cmd
}

func (a *app) showDisputesCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show [DISPUTE]", Short: "Disputes, newest first, or one of them", Args: maxOneArg,
		Example: "  nexus revenue dispute show --status opened\n  nexus revenue dispute show 3f2a"}
	cmd.Flags().String("unit", "", "only of this unit")
	cmd.Flags().String("status", "", "opened, accepted, rejected or withdrawn")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return n.printDispute(ctx, args[0])
		}
		unit, _ := cmd.Flags().GetString("unit")
		status, _ := cmd.Flags().GetString("status")
		all, err := get[wire.Disputes](ctx, n, "/v1/money/disputes", "unit", unit, "status", status)
		if err != nil {
			return err
		}
		a.sayRest(len(all.Disputes), all.Total)
		t := &table{head: []string{"DISPUTE", "UNIT", "OWNER", "MONTH", "CURRENCY", ">AMOUNT", "STATUS", "OPENED", "ANSWER DUE", "REASON"}, none: "no disputes"}
		for _, d := range all.Disputes {
			t.add(d.ID, d.Unit, d.Owner, d.Month, d.Currency, money(d.Minor, d.Currency), d.Status, when(d.Opened), dueWords(&d), d.Reason)
		}
		return a.print(all, t.print)
	})
	return cmd
}

func dueWords(d *wire.DisputeRow) string {
	switch {
	case d.Status != state.DisputeOpened:
		return ""
	case d.Overdue:
		return when(d.Due) + " OVERDUE"
	}
	return when(d.Due)
}

func (n *node) findDispute(ctx context.Context, word string) (wire.DisputeRow, error) {
	all, err := get[wire.Disputes](ctx, n, "/v1/money/disputes")
	if err != nil {
		return wire.DisputeRow{}, err
	}
	var found []wire.DisputeRow
	for _, d := range all.Disputes {
		if len(word) >= 4 && strings.HasPrefix(d.ID, strings.ToLower(word)) {
			found = append(found, d)
		}
	}
	return one(found, "dispute", word, "nexus revenue dispute show")
}

func (n *node) endDispute(ctx context.Context, cmd *cobra.Command, word, kind string, accept bool) error {
	d, err := n.findDispute(ctx, word)
	if err != nil {
		return err
	}
	b := state.DisputeEnd{Accept: accept}
	b.Reason, _ = cmd.Flags().GetString("reason")
	if f := cmd.Flags().Lookup("amount"); f != nil && f.Value.String() != "" {
		if b.Minor, err = aboveZero(f.Value.String(), d.Currency); err != nil {
			return err
		}
	}
	if b.Dispute, err = nexus.ParseID(d.ID); err != nil {
		return err
	}
	unit, err := nexus.ParseID(d.UnitID)
	if err != nil {
		return err
	}
	if _, err := n.act(ctx, kind, unit, b); err != nil {
		return err
	}
	return n.printDispute(ctx, d.ID)
}

func (n *node) printDispute(ctx context.Context, word string) error {
	d, err := n.findDispute(ctx, word)
	if err != nil {
		return err
	}
	return n.app.print(d, func(w io.Writer) error {
		about := "the statement as a whole"
		if d.Entry > 0 {
			about = fmt.Sprintf("entry %d", d.Entry)
		}
		claim := "no matter of an amount"
		if d.Minor > 0 {
			claim = nexus.Money{Minor: d.Minor, Currency: d.Currency}.String()
		}
		rows := []string{"dispute", d.ID, "unit", fmt.Sprintf("%s, owner %s (period %d)", d.Unit, clean(d.Owner), d.Period), "statement", d.Month + ", " + about,
			"missing", claim, "reason", clean(d.Reason), "status", d.Status, "opened", fmt.Sprintf("%s, decision %d", when(d.Opened), d.Index)}
		if d.Status == state.DisputeOpened {
			rows = append(rows, "answer due", dueWords(&d))
		} else {
			rows = append(rows, "closed", fmt.Sprintf("%s, decision %d", when(d.Closed), d.Decided), "answer", clean(d.Answer))
		}
		if d.Paid > 0 {
			rows = append(rows, "paid", nexus.Money{Minor: d.Paid, Currency: d.Currency}.String()+" by a transfer, see nexus revenue balance")
		}
		return pairs(w, rows...)
	})
}
