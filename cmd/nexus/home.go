package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

func (a *app) homeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "home", Short: "What is yours: units, money, what waits for your word", Args: noArgs,
		Long: `The units, mini-platforms and channels of the identity that signs, what they earned for it today, this month and in all, what is owed,
what waits for its word and what it has not read. Days and months are UTC. It shows nothing of anybody else's, to operators neither.
The figures are those of nexus revenue balance; nexus ledger prove UNIT proves them.`,
		Example: "  nexus home --identity eva\n  nexus home -o json"}
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error {
		h, err := n.home(ctx)
		if err != nil {
			return err
		}
		if !h.Complete {
			a.say("today and month do not hold all entries yet; ask again soon")
		}
		return a.print(h, func(w io.Writer) error { return printHome(w, &h) })
	})
	return cmd
}

// home asks for all that belongs to the caller.
func (n *node) home(ctx context.Context) (wire.Home, error) {
	o, err := get[wire.Overview](ctx, n, "/v1/overview")
	if err != nil {
		return wire.Home{}, err
	}
	if o.Cut { // a picture carries the first thousand of the whole node, of which none may be the caller's
		units, err := get[wire.Units](ctx, n, "/v1/units", "mine", "1")
		if err != nil {
			return wire.Home{}, err
		}
		tallies, err := get[wire.Tally](ctx, n, "/v1/tally", "mine", "1")
		if err != nil {
			return wire.Home{}, err
		}
		o.Units, o.Tallies = units.Units, tallies.Units
	}
	m, err := get[wire.Money](ctx, n, "/v1/money")
	if err != nil {
		return wire.Home{}, err
	}
	p, err := get[wire.Proposals](ctx, n, "/v1/proposals", "status", "pending")
	if err != nil {
		return wire.Home{}, err
	}
	notices, err := get[wire.Notices](ctx, n, "/v1/notices", "unread", "1")
	if err != nil {
		return wire.Home{}, err
	}
	record, err := get[wire.ServiceRecord](ctx, n, "/v1/slices/record", "month", o.Time.UTC().Format("2006-01"))
	if err != nil {
		return wire.Home{}, err
	}
	used, err := get[wire.Used](ctx, n, "/v1/used")
	if err != nil {
		return wire.Home{}, err
	}
	exits, err := get[wire.Exits](ctx, n, "/v1/exits")
	if err != nil {
		return wire.Home{}, err
	}
	return wire.HomeOf(&o, &m, &p, &notices, &record, &used, &exits), nil
}

func printHome(w io.Writer, h *wire.Home) error {
	if err := pairs(w, "owner", h.Owner, "units", fmt.Sprint(len(h.Units)), "to decide", fmt.Sprint(len(h.Proposals)), "to read",
		fmt.Sprint(len(h.Notices))); err != nil {
		return err
	}
	for i := range h.Totals {
		t := &h.Totals[i]
		cell := func(minor int64) string { return money(minor, t.Currency) }
		if err := pairs(w, t.Currency, fmt.Sprintf("%s today, %s this month, %s in all; owed to you %s", cell(t.Today.Creator), cell(t.Month.Creator),
			cell(t.All.Creator), cell(t.Payable))); err != nil {
			return err
		}
	}
	earned, standing := map[string]bool{}, map[string]string{}
	for i := range h.Units {
		standing[h.Units[i].ID] = h.Units[i].Status
	}
	t := &table{head: []string{"UNIT", "NAME", "STATUS", "CURRENCY", ">TODAY", ">MONTH", ">ALL", ">OWED"}, none: "nothing of yours is here yet: nexus imvu create"}
	for i := range h.Money {
		r := &h.Money[i]
		status := "given away"
		if r.Current {
			status = standing[r.UnitID]
		}
		earned[r.UnitID] = true
		cell := func(minor int64) string { return money(minor, r.Currency) }
		t.add(r.Unit, r.Name, status, r.Currency, cell(r.Today.Creator), cell(r.Month.Creator), cell(r.Earned), cell(r.Payable))
	}
	for i := range h.Units {
		if u := &h.Units[i]; !earned[u.ID] {
			t.add(u.Label, u.Name, u.Status, "-", "-", "-", "-", "-")
		}
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	if err := t.print(w); err != nil {
		return err
	}
	if err := printUsage(w, h.Usage); err != nil {
		return err
	}
	if err := printUsedMonths(w, h.Used); err != nil {
		return err
	}
	return printHomeWaits(w, h)
}

// printHomeWaits prints what leaves, what waits for the owner's word or for others', and what was not read.
func printHomeWaits(w io.Writer, h *wire.Home) error {
	for i := range h.Exits {
		if _, err := fmt.Fprintf(w, "leaving %s: %s\n", h.Exits[i].Unit, oneLine(h.Exits[i].Words())); err != nil {
			return err
		}
	}
	for i := range h.Proposals {
		p := &h.Proposals[i]
		if _, err := fmt.Fprintf(w, "decide %s: %s on %s, by %s; nexus approvals grant|refuse %s\n", oneLine(p.ID[:8]),
			oneLine(p.Words()), oneLine(p.Unit), oneLine(p.Proposer), oneLine(p.ID[:8])); err != nil {
			return err
		}
	}
	for i := range h.Waiting {
		p := &h.Waiting[i]
		if _, err := fmt.Fprintf(w, "waiting %s for %s: %s on %s; nexus approvals show %s\n", oneLine(p.ID[:8]), oneLine(p.WaitsFor()),
			oneLine(p.Words()), oneLine(p.Unit), oneLine(p.ID[:8])); err != nil {
			return err
		}
	}
	for i := range h.Notices {
		if _, err := fmt.Fprintf(w, "notice %d: %s\n", h.Notices[i].ID, oneLine(wire.Human(h.Notices[i].Text))); err != nil {
			return err
		}
	}
	return nil
}

// printUsedMonths prints what the ledger says was used this month, at list prices.
func printUsedMonths(w io.Writer, months []wire.UsedMonth) error {
	if len(months) == 0 {
		return nil
	}
	t := &table{head: []string{"UNIT", "MONTH", "METER", ">QUANTITY", ">LIST PRICE", ">AT LIST PRICE"}}
	for i := range months {
		m := &months[i]
		for _, l := range m.Lines {
			price, amount := "no list price", "-"
			if l.Amount != nil {
				price = fmt.Sprintf("%s per %d (list %d)", nexus.Money{Minor: l.Price, Currency: l.Currency}, l.Per, l.List)
				amount = nexus.Money{Minor: *l.Amount, Currency: l.Currency}.String()
			}
			t.add(m.Unit, m.Month, l.Meter, fmt.Sprint(l.Quantity), price, amount)
		}
	}
	if _, err := fmt.Fprintf(w, "\nused, at list prices, as the ledger has it so far: what the platform's share bought; nothing is deducted\n"); err != nil {
		return err
	}
	return t.print(w)
}

// printUsage prints what was used, and says what it is not.
func printUsage(w io.Writer, rows []wire.UsageRow) error {
	if len(rows) == 0 {
		return nil
	}
	t := &table{head: []string{"UNIT", ">CARRIED IN", ">OUT", ">REQUESTS", ">SESSIONS", ">IN BUDGET %"}}
	for _, u := range rows {
		kept := "-"
		if u.Attainment != nil {
			kept = fmt.Sprintf("%.2f", *u.Attainment)
		}
		t.add(u.Unit, bytesText(u.BytesIn), bytesText(u.BytesOut), fmt.Sprint(u.Requests), fmt.Sprint(u.Sessions), kept)
	}
	if _, err := fmt.Fprintf(w, "\nused since the node started, %s, as its gateway metered it\n",
		when(rows[0].Since)); err != nil {
		return err
	}
	return t.print(w)
}
