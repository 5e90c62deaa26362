package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

func (a *app) balanceCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "balance", Short: "What units earned today, this month and in all, and what their owners are owed", Args: noArgs,
		Long: `What units earned and what their owners are owed, one row per unit, currency and period of ownership. Days and months are UTC and go by
the time of the event. Owners see their own, earlier owners the time they owned, operators everything. With --at all of it is as of an earlier
ledger, today and this month too; what a schedule would have paid next is left out.`,
		Example: "  nexus revenue balance --identity eva\n  nexus revenue balance --unit IMVU-001 -o json\n" +
			"  nexus revenue balance --at 1432 --identity eva\n  nexus revenue balance --at checkpoint.txt"}
	momentFlag(cmd)
	cmd.Flags().String("unit", "", "only this unit (and a mini-platform's channels)")
	cmd.Flags().Bool("probes", false, "with the probe units of the suites")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		word, _ := cmd.Flags().GetString("unit")
		probes := ""
		if yes, _ := cmd.Flags().GetBool("probes"); yes {
			probes = "1"
		}
		at, err := n.moment(ctx, cmd)
		if err != nil {
			return err
		}
		m, err := get[wire.Money](ctx, n, "/v1/money", "unit", word, "probes", probes, "at", at.at)
		if err == nil {
			err = n.checkMoment(ctx, &at, m.At)
		}
		if err != nil {
			return err
		}
		if m.Read < m.Entries {
			a.say("today and month hold %d of %d entries so far; ask again soon", m.Read, m.Entries)
		}
		return a.print(m, func(w io.Writer) error { return printBalance(w, &m) })
	})
	return cmd
}

func printBalance(w io.Writer, m *wire.Money) error {
	t := &table{head: []string{"UNIT", "OWNER", "CURRENCY", ">TODAY", ">MONTH", ">ALL", ">EARNED", ">PENDING", ">HELD", ">ON ITS WAY", ">PAID", ">PAYABLE",
		"NEXT PAYOUT"}, none: "no revenue yet"}
	if m.At != nil {
		t.head, t.none = t.head[:len(t.head)-1], "no revenue then"
	}
	for i := range m.Rows {
		r := &m.Rows[i]
		owner := r.Owner
		if !r.Current {
			owner = fmt.Sprintf("%s (before, period %d)", owner, r.Period)
		}
		next := "no destination set"
		if p := r.Payout; p != nil {
			next = p.Schedule + " " + when(p.Time)
		}
		cell := func(minor int64) string { return money(minor, r.Currency) }
		cells := []string{r.Unit, owner, r.Currency, cell(r.Today.Creator), cell(r.Month.Creator), cell(r.All.Creator), cell(r.Earned), cell(r.Pending),
			cell(r.Held), cell(r.OnItsWay), cell(r.Paid), cell(r.Payable), next}
		t.add(cells[:len(t.head)]...)
	}
	return t.print(w)
}
