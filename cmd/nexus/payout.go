package main

import (
	"context"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

func (a *app) payoutCommand() *cobra.Command {
	cmd := noun("payout", "Payouts to owners: terms, requests, and what became of them")
	cmd.Long = `Payouts run on a schedule that the owner signs, with the destination and the thresholds. When one falls due the node opens it; an owner may also
ask for one. It is on its way until an operator posts it with the payment provider's reference, or voids it, which gives the money back.
This version holds no connection to a payment provider: an operator makes the payment and records its reference.`
	cmd.Flags().String("unit", "", "only of this unit")
	cmd.Flags().String("status", "", "pending, posted or voided")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		return n.listPayouts(ctx, cmd)
	})
	list := &cobra.Command{Use: "list", Short: "Payouts, newest first", Args: noArgs, Example: "  nexus revenue payout list --status pending"}
	list.Flags().AddFlagSet(cmd.Flags())
	list.RunE = cmd.RunE
	cmd.AddCommand(list, a.payoutSetCommand(), a.payoutRequestCommand(),
		a.settlePayoutCommand("post", state.KindPayoutPost, "Record that a payout was paid, with the provider's reference (operators)"),
		a.settlePayoutCommand("void", state.KindPayoutVoid, "Record that a payout did not go through; the money goes back to the owner (operators)"))
	return cmd
}

func (n *node) listPayouts(ctx context.Context, cmd *cobra.Command) error {
	unit, _ := cmd.Flags().GetString("unit")
	status, _ := cmd.Flags().GetString("status")
	all, err := get[wire.Payouts](ctx, n, "/v1/money/payouts", "unit", unit, "status", status)
	if err != nil {
		return err
	}
	n.app.sayRest(len(all.Payouts), all.Total)
	t := &table{head: []string{"PAYOUT", "UNIT", "OWNER", "CURRENCY", ">AMOUNT", "TO", "STATUS", "OPENED", "REFERENCE"}, none: "no payouts"}
	for _, p := range all.Payouts {
		t.add(p.ID, p.Unit, p.Owner, p.Currency, money(p.Minor, p.Currency), p.Destination, p.Status, when(p.Opened), p.Reference+p.Reason)
	}
	return n.app.print(all, t.print)
}

func (a *app) payoutSetCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "set", Short: "Say where your payouts go, when, and from how much on (the owner signs)", Args: noArgs,
		Long: `The owner's terms. The destination stands in the ledger sealed under the owner's key, which nexus identity erase destroys. Use a token of the
payment provider all the same: who acts for the platform reads it.
Without a destination nothing is paid out.`,
		Example: "  nexus revenue payout set --unit IMVU-001 --to acct_1Nv0 --schedule monthly --threshold USD=5000 --identity eva"}
	f := cmd.Flags()
	f.String("unit", "", "unit by id, label or slug (required)")
	f.String("to", "", "destination, in the payment provider's words (required)")
	f.String("schedule", state.ScheduleMonthly, "monthly, weekly, daily or manual")
	f.StringSlice("threshold", nil, "CURRENCY=MINOR: below it a scheduled payout waits; may be given several times")
	f.Int("period", -1, "period of ownership, from 0 (default: your own newest)")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		o, err := n.owed(ctx, cmd, "to")
		if err != nil {
			return err
		}
		b := state.PayoutSet{Period: o.period}
		b.Destination, _ = f.GetString("to")
		b.Schedule, _ = f.GetString("schedule")
		list, _ := f.GetStringSlice("threshold")
		for _, word := range list {
			currency, text, _ := strings.Cut(word, "=")
			m, err := nexus.ParseMinor(text, currency)
			if err != nil {
				return err
			}
			b.Thresholds = append(b.Thresholds, ledger.MinorLimit{Currency: currency, Minor: m.Minor})
		}
		sort.Slice(b.Thresholds, func(i, j int) bool { return b.Thresholds[i].Currency < b.Thresholds[j].Currency })
		r, err := n.act(ctx, state.KindPayoutSet, o.unit, b)
		if err != nil {
			return err
		}
		out := struct {
			Unit        string `json:"unit"`
			Period      uint32 `json:"period"`
			Destination string `json:"destination"`
			Schedule    string `json:"schedule"`
			Decision    uint64 `json:"decision"`
		}{o.label, o.period, b.Destination, b.Schedule, r.Index}
		return a.print(out, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "payouts of %s go to %s, %s, decision %d\n", o.label, clean(b.Destination), b.Schedule, r.Index)
			return err
		})
	})
	return cmd
}

func (a *app) payoutRequestCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "request", Short: "Ask for a payout now (the owner signs)", Args: noArgs,
		Example: "  nexus revenue payout request --unit IMVU-001 --currency USD --identity eva"}
	owedFlags(cmd, "integer minor units (default: all that is payable)")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		o, err := n.owed(ctx, cmd, "currency")
		if err != nil {
			return err
		}
		r, err := n.act(ctx, state.KindPayoutOpen, o.unit, state.PayoutOpen{Period: o.period, Currency: o.currency, Minor: o.minor})
		if err != nil {
			return err
		}
		var made state.PayoutOpened
		if err := nexus.Decode(r.Result, &made); err != nil {
			return err
		}
		return n.printMoved(moved{ID: made.ID.String(), Unit: o.label, Period: o.period, Owner: o.owner, Currency: o.currency, Amount: made.Minor,
			Payable: made.Payable, Decision: r.Index}, "on its way: payout")
	})
	return cmd
}

func (a *app) settlePayoutCommand(verb, kind, short string) *cobra.Command {
	cmd := &cobra.Command{Use: verb + " PAYOUT", Short: short, Args: oneArg("PAYOUT")}
	flag := "reference"
	cmd.Example = "  nexus revenue payout post 3f2a --reference tr_1Nv0"
	if verb == "void" {
		flag = "reason"
		cmd.Example = "  nexus revenue payout void 3f2a --reason 'account closed'"
	}
	cmd.Flags().String(flag, "", "it stands in the ledger (required)")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		if err := required(cmd, flag); err != nil {
			return err
		}
		p, err := n.findPayout(ctx, args[0])
		if err != nil {
			return err
		}
		b := state.PayoutSettle{}
		b.Reference, _ = cmd.Flags().GetString("reference")
		b.Reason, _ = cmd.Flags().GetString("reason")
		if b.Payout, err = nexus.ParseID(p.ID); err != nil {
			return err
		}
		unit, err := nexus.ParseID(p.UnitID)
		if err != nil {
			return err
		}
		if _, err := n.act(ctx, kind, unit, b); err != nil {
			return err
		}
		if p, err = n.findPayout(ctx, p.ID); err != nil {
			return err
		}
		return a.print(p, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s: payout %s of %s to %s, decision %d\n", p.Status, p.ID, nexus.Money{Minor: p.Minor, Currency: p.Currency},
				clean(p.Destination), p.Decided)
			return err
		})
	})
	return cmd
}

func (n *node) findPayout(ctx context.Context, word string) (wire.PayoutRow, error) {
	all, err := get[wire.Payouts](ctx, n, "/v1/money/payouts")
	if err != nil {
		return wire.PayoutRow{}, err
	}
	var found []wire.PayoutRow
	for _, p := range all.Payouts {
		if len(word) >= 4 && strings.HasPrefix(p.ID, strings.ToLower(word)) {
			found = append(found, p)
		}
	}
	return one(found, "payout", word, "nexus revenue payout list")
}
