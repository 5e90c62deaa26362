package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// owedFlags name an owner's money: a unit, a currency, an amount and, where a unit changed hands, the period of ownership.
func owedFlags(cmd *cobra.Command, amount string) {
	f := cmd.Flags()
	f.String("unit", "", "unit by id, label or slug (required)")
	f.String("currency", "", "ISO 4217 code (required)")
	f.String("amount", "", amount)
	f.Int("period", -1, "period of ownership, from 0 (default: your own newest, else the present owner's)")
}

// owedMoney is what the flags name.
type owedMoney struct {
	unit     nexus.ID
	label    string
	period   uint32
	owner    string
	yours    bool
	currency string
	minor    int64
}

// owed reads the flags. An amount that is not required may be absent: 0.
func (n *node) owed(ctx context.Context, cmd *cobra.Command, needs ...string) (owedMoney, error) {
	var o owedMoney
	if err := required(cmd, append([]string{"unit"}, needs...)...); err != nil {
		return o, err
	}
	word, _ := cmd.Flags().GetString("unit")
	all, err := get[wire.OwnerPeriods](ctx, n, "/v1/money/periods", "unit", word)
	if err != nil {
		return o, err
	}
	wanted, _ := cmd.Flags().GetInt("period")
	found := false
	for _, p := range all.Periods { // oldest first: the newest of one's own wins, else the present owner's
		if wanted >= 0 && p.Number == wanted || wanted < 0 && (p.Yours || p.Current && !o.yours) {
			o.period, o.owner, o.yours, found = uint32(p.Number), p.Owner, p.Yours, true
		}
	}
	if !found {
		return o, usage(fmt.Sprintf("--period %d", wanted), "see nexus revenue balance", "%s has no such period that you may see", all.Unit)
	}
	if o.unit, err = nexus.ParseID(all.UnitID); err != nil {
		return o, err
	}
	o.label = all.Unit
	o.currency, _ = cmd.Flags().GetString("currency")
	if text, _ := cmd.Flags().GetString("amount"); text != "" {
		o.minor, err = aboveZero(text, o.currency)
	}
	return o, err
}

// moved is the answer of a command that moved an owner's money.
type moved struct {
	ID       string `json:"id,omitempty"`
	Unit     string `json:"unit"`
	Period   uint32 `json:"period"`
	Owner    string `json:"owner"`
	Currency string `json:"currency"`
	Amount   int64  `json:"amount"`
	Payable  int64  `json:"payable"`
	Decision uint64 `json:"decision"`
}

func (n *node) printMoved(m moved, what string) error {
	return n.app.print(m, func(w io.Writer) error {
		id := ""
		if m.ID != "" {
			id = " " + m.ID
		}
		_, err := fmt.Fprintf(w, "%s%s: %s of %s, owner %s (period %d); %s payable now, decision %d\n", what, id, nexus.Money{Minor: m.Amount, Currency: m.Currency},
			m.Unit, clean(m.Owner), m.Period, money(m.Payable, m.Currency), m.Decision)
		return err
	})
}

func (a *app) moneyTransferCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "transfer", Short: "Move money between an owner and the platform for other reasons than the split", Args: noArgs,
		Long: `A visible transfer between the owner of a unit and the platform. It never stands between gross and split: it is taken from, or added to,
what the owner is owed. What an owner pays (a fee owed) needs the owner's approval: sign it as the owner, or --propose it as an operator.
What the platform pays (--to-owner) an operator signs.`,
		Example: `  nexus revenue transfer --unit IMVU-001 --currency USD --amount 2500 --reason 'studio rent, October' --propose
  nexus revenue transfer --unit IMVU-001 --currency USD --amount 5000 --to-owner --reason 'festival prize'`}
	owedFlags(cmd, "integer minor units above zero (required)")
	cmd.Flags().Bool("to-owner", false, "the platform pays the owner")
	cmd.Flags().String("reason", "", "what for; it stands in the ledger (required)")
	proposeFlags(cmd)
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		o, err := n.owed(ctx, cmd, "currency", "amount", "reason")
		if err != nil {
			return err
		}
		b := state.TransferMake{Period: o.period, Currency: o.currency, Minor: o.minor}
		b.ToOwner, _ = cmd.Flags().GetBool("to-owner")
		b.Reason, _ = cmd.Flags().GetString("reason")
		if yes, _ := cmd.Flags().GetBool("propose"); yes {
			return n.propose(ctx, cmd, state.KindTransferMake, o.unit, b)
		}
		r, err := n.act(ctx, state.KindTransferMake, o.unit, b)
		if err != nil {
			return n.orPropose(r, err)
		}
		var made state.TransferMade
		if err := nexus.Decode(r.Result, &made); err != nil {
			return err
		}
		return n.printMoved(moved{ID: made.ID.String(), Unit: o.label, Period: o.period, Owner: o.owner, Currency: o.currency, Amount: o.minor,
			Payable: made.Payable, Decision: r.Index}, "transferred")
	})
	return cmd
}

// orPropose says with which command to ask for the owner's approval, when that is all that is missing.
func (n *node) orPropose(r nexus.Receipt, err error) error {
	if mends(r) || strings.Contains(r.Reason, "signatures") {
		n.app.say("to ask for the approval: %s --propose", n.app.typed())
	}
	return err
}

func (a *app) holdCommand() *cobra.Command {
	cmd := noun("hold", "Parts of what owners are owed that are set aside for a time")
	cmd.Aliases = []string{"holds"} // as notices in the ledger say it
	cmd.Long = `A hold sets part of what an owner is owed aside, for a reason and a time that both stand in the ledger. The owner may place one and thereby
consents that the platform captures it; an operator may place one for at most 90 days, and can capture it with the owner's approval only.
A hold ends by itself, and at once when the unit leaves.`
	list := &cobra.Command{Use: "list", Short: "The holds that stand", Args: noArgs, Example: "  nexus revenue hold list --unit IMVU-001"}
	list.Flags().String("unit", "", "only of this unit")
	list.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		unit, _ := cmd.Flags().GetString("unit")
		all, err := get[wire.Holds](ctx, n, "/v1/money/holds", "unit", unit)
		if err != nil {
			return err
		}
		t := &table{head: []string{"HOLD", "UNIT", "OWNER", "CURRENCY", ">AMOUNT", "BY", "CONSENTED", "REASON", "EXPIRES"}, none: "no holds"}
		for _, h := range all.Holds {
			t.add(h.ID, h.Unit, h.Owner, h.Currency, money(h.Minor, h.Currency), h.By, fmt.Sprint(h.Consented), h.Reason, when(h.Expires))
		}
		return a.print(all, t.print)
	})
	place := &cobra.Command{Use: "place", Short: "Set part of what an owner is owed aside", Args: noArgs,
		Example: "  nexus revenue hold place --unit IMVU-001 --currency USD --amount 10000 --for 720h --reason 'chargebacks expected'"}
	owedFlags(place, "integer minor units above zero (required)")
	place.Flags().Duration("for", 30*24*time.Hour, "how long at most: a minute to 90 days (366 days by the owner)")
	place.Flags().String("reason", "", "why; it stands in the ledger and in the notice (required)")
	place.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		o, err := n.owed(ctx, cmd, "currency", "amount", "reason")
		if err != nil {
			return err
		}
		life, _ := cmd.Flags().GetDuration("for")
		reason, _ := cmd.Flags().GetString("reason")
		r, err := n.act(ctx, state.KindHoldPlace, o.unit, state.HoldPlace{Period: o.period, Currency: o.currency, Minor: o.minor,
			LifeMs: life.Milliseconds(), Reason: reason})
		if err != nil {
			return err
		}
		var made state.HoldPlaced
		if err := nexus.Decode(r.Result, &made); err != nil {
			return err
		}
		return n.printMoved(moved{ID: made.ID.String(), Unit: o.label, Period: o.period, Owner: o.owner, Currency: o.currency, Amount: o.minor,
			Payable: made.Payable, Decision: r.Index}, "held")
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.CalledAs() != "holds" {
			return cmd.Help()
		}
		list.SetContext(cmd.Context())
		return list.RunE(list, nil)
	}
	cmd.AddCommand(list, place, a.endHoldCommand("release", state.KindHoldRelease, "Give a hold back to its owner (operators)"),
		a.endHoldCommand("capture", state.KindHoldCapture, "Give a hold, or part of it, to the platform (needs the owner's consent)"))
	return cmd
}

func (a *app) endHoldCommand(verb, kind, short string) *cobra.Command {
	cmd := &cobra.Command{Use: verb + " HOLD", Short: short, Args: oneArg("HOLD"), Example: "  nexus revenue hold " + verb + " 3f2a"}
	cmd.Flags().String("reason", "", "why; it stands in the ledger")
	if verb == "capture" {
		cmd.Flags().String("amount", "", "integer minor units (default: all of it; the rest goes back)")
		proposeFlags(cmd)
	}
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		all, err := get[wire.Holds](ctx, n, "/v1/money/holds")
		if err != nil {
			return err
		}
		var found []wire.HoldRow
		for _, h := range all.Holds {
			if len(args[0]) >= 4 && strings.HasPrefix(h.ID, strings.ToLower(args[0])) {
				found = append(found, h)
			}
		}
		h, err := one(found, "hold", args[0], "nexus revenue hold list")
		if err != nil {
			return err
		}
		return n.endHold(ctx, cmd, kind, verb, &h)
	})
	return cmd
}

func (n *node) endHold(ctx context.Context, cmd *cobra.Command, kind, verb string, h *wire.HoldRow) error {
	b := state.HoldEnd{}
	b.Reason, _ = cmd.Flags().GetString("reason")
	var err error
	if b.Hold, err = nexus.ParseID(h.ID); err != nil {
		return err
	}
	if f := cmd.Flags().Lookup("amount"); f != nil && f.Value.String() != "" {
		if b.Minor, err = aboveZero(f.Value.String(), h.Currency); err != nil {
			return err
		}
	}
	unit, err := nexus.ParseID(h.UnitID)
	if err != nil {
		return err
	}
	if yes, _ := cmd.Flags().GetBool("propose"); yes {
		return n.propose(ctx, cmd, kind, unit, b)
	}
	r, err := n.act(ctx, kind, unit, b)
	if err != nil {
		return n.orPropose(r, err)
	}
	out := struct {
		ID       string `json:"id"`
		Unit     string `json:"unit"`
		Status   string `json:"status"`
		Currency string `json:"currency"`
		Amount   int64  `json:"amount"`
		Decision uint64 `json:"decision"`
	}{h.ID, h.Unit, verb + "d", h.Currency, orMinor(b.Minor, h.Minor), r.Index}
	return n.app.print(out, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s: hold %s of %s, %s, decision %d\n", out.Status, h.ID, h.Unit, nexus.Money{Minor: out.Amount, Currency: h.Currency}, r.Index)
		return err
	})
}
