package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

func (a *app) balanceCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "balance", Short: "What units earned today, this month and in all, and what their owners are owed", Args: noArgs,
		Long: `What units earned and what their owners are owed, one row per unit, currency and period of ownership. Days and months are UTC and go by
the time of the event. Owners see their own, earlier owners the time they owned, operators everything.`,
		Example: "  nexus revenue balance --identity eva\n  nexus revenue balance --unit IMVU-001 -o json"}
	cmd.Flags().String("unit", "", "only this unit (and a mini-platform's channels)")
	cmd.Flags().Bool("probes", false, "with the probe units of the suites")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		word, _ := cmd.Flags().GetString("unit")
		probes := ""
		if yes, _ := cmd.Flags().GetBool("probes"); yes {
			probes = "1"
		}
		m, err := get[wire.Money](ctx, n, "/v1/money", "unit", word, "probes", probes)
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
		t.add(r.Unit, owner, r.Currency, cell(r.Today.Creator), cell(r.Month.Creator), cell(r.All.Creator), cell(r.Earned), cell(r.Pending), cell(r.Held),
			cell(r.OnItsWay), cell(r.Paid), cell(r.Payable), next)
	}
	return t.print(w)
}

// earlier demands that an earlier ledger is the beginning of the present one, whose signed checkpoint was checked and pinned.
func (n *node) earlier(ctx context.Context, at *wire.TallyPlace, head wire.Head) error {
	if at == nil {
		return nexus.Errf("tally", nexus.CodeUnavailable, "--at", "start this version's node", "the node does not tell tallies of earlier moments")
	}
	if at.Size == 0 {
		n.app.say("nothing stood in the ledger then")
		return nil
	}
	cp, err := identity.ParseCheckpoint(head.Checkpoint)
	if err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(at.Root)
	if err != nil || len(raw) != len(nexus.Hash{}) {
		return nexus.Errf("tally", nexus.CodeCorrupt, "root "+strconv.Quote(at.Root), "do not trust this node", "not a hash")
	}
	if at.Size > cp.Size { // entries since the head was asked for
		if head, err = n.pinned(ctx); err != nil {
			return err
		}
		if cp, err = identity.ParseCheckpoint(head.Checkpoint); err != nil {
			return err
		}
	}
	c, err := get[wire.Consistency](ctx, n, "/v1/consistency", "old", strconv.FormatUint(at.Size, 10), "new", strconv.FormatUint(cp.Size, 10))
	if err != nil {
		return err
	}
	proof, err := hashes(c.Proof)
	if err != nil {
		return err
	}
	if err := ledger.CheckConsistency(proof, at.Size, cp.Size, nexus.Hash(raw), cp.Root); err != nil {
		return err
	}
	n.app.say("as of %s, %d entries, root %s: the beginning of the signed checkpoint at %d entries (proof checked)", when(at.Time), at.Size, at.Root, cp.Size)
	return nil
}
