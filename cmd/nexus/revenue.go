package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/revenue"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func (a *app) revenueCommand() *cobra.Command {
	cmd := noun("revenue", "Revenue events, their split and their sources")
	cmd.AddCommand(a.recordCommand(), a.refundCommand(), a.importCommand(), a.tallyCommand(), a.balanceCommand(), a.sourcesCommand(),
		a.pendingCommand(), a.settlePendingCommand("post", state.KindPendingPost, "Post an announced event, or part of it: from now on it counts"),
		a.settlePendingCommand("void", state.KindPendingVoid, "Take an announced event back"),
		a.moneyTransferCommand(), a.holdCommand(), a.payoutCommand(), a.statementCommand(), a.disputeCommand(), a.journalCommand(),
		a.pricesCommand())
	return cmd
}

// postedEvent is the answer of record and refund.
type postedEvent struct {
	ID         string `json:"id"`
	Unit       string `json:"unit"`
	Posted     uint64 `json:"posted"`
	Duplicates uint64 `json:"duplicates"`
	Decision   uint64 `json:"decision"`
	Entry      uint64 `json:"entry"`
}

func (a *app) recordCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "record", Short: "Record one revenue event", Args: noArgs,
		Long: `Record one event through a revenue source. Amounts are integer minor units: 1999 is USD 19.99. The event id is unique
per unit and source: the same event again counts once. Nobody attests revenue for a unit that they own (gate 6).`,
		Example: "  nexus revenue record --unit IMVU-001 --amount 1999 --currency USD --id order-17"}
	f := cmd.Flags()
	f.String("unit", "", "unit by id, label or slug (required)")
	f.String("amount", "", "integer minor units (required)")
	f.String("currency", "", "ISO 4217 code (required)")
	f.String("kind", revenue.DefaultKind, "kind of event")
	f.String("id", "", "event id (default: a random one, printed)")
	f.String("time", "", "event time, RFC 3339 (default: now)")
	f.String("memo", "", "text kept with the event")
	f.String("source", state.OperatorSource, "revenue source; --identity must be its key")
	pendingFlags(cmd)
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		if err := required(cmd, "unit", "amount", "currency"); err != nil {
			return err
		}
		e, word, source, err := a.eventFlags(cmd)
		if err != nil {
			return err
		}
		if e.Minor < 0 {
			return usage("--amount", "use nexus revenue refund", "is below zero")
		}
		if yes, _ := f.GetBool("pending"); yes {
			return n.announce(ctx, cmd, word, source, e)
		}
		return n.postEvent(ctx, word, source, e)
	})
	return cmd
}

// eventFlags reads the flags that record and refund share.
func (a *app) eventFlags(cmd *cobra.Command) (e state.RevenueEvent, word, source string, err error) {
	text := func(flag string) string { s, _ := cmd.Flags().GetString(flag); return s }
	m, err := nexus.ParseMinor(text("amount"), text("currency"))
	if err != nil {
		return e, "", "", err
	}
	if m.Minor == 0 {
		return e, "", "", usage("--amount 0", "", "nothing was earned")
	}
	e = state.RevenueEvent{EventID: text("id"), Currency: m.Currency, Minor: m.Minor, TimeMs: a.now().UnixMilli(), Kind: text("kind")}
	if at := text("time"); at != "" {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return e, "", "", usage(fmt.Sprintf("--time %q", at), "RFC 3339 such as 2026-01-31T12:00:00Z", "not a time")
		}
		e.TimeMs = t.UnixMilli()
	}
	if memo := text("memo"); memo != "" {
		if e.Memo, err = json.Marshal(map[string]string{"memo": memo}); err != nil {
			return e, "", "", err
		}
	}
	if e.EventID == "" {
		var id nexus.ID
		if _, err := rand.Read(id[:]); err != nil {
			return e, "", "", err
		}
		e.EventID = id.String()
	}
	return e, text("unit"), text("source"), nil
}

func (n *node) postEvent(ctx context.Context, word, source string, e state.RevenueEvent) error {
	d, id, err := n.unit(ctx, word)
	if err != nil {
		return err
	}
	e.Unit = id
	r, err := n.act(ctx, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: source, Events: []state.RevenueEvent{e}})
	if err != nil {
		return err
	}
	var posted state.RevenuePosted
	if err := nexus.Decode(r.Result, &posted); err != nil {
		return err
	}
	out := postedEvent{ID: e.EventID, Unit: d.Label, Posted: posted.Posted, Duplicates: posted.Duplicates, Decision: r.Index, Entry: r.FirstEntry}
	return n.app.print(out, func(w io.Writer) error {
		verb := "posted"
		if posted.Posted == 0 {
			verb = "known already"
		}
		_, err := fmt.Fprintf(w, "%s: event %s of %s, %s, decision %d\n", verb, clean(e.EventID), d.Label,
			nexus.Money{Minor: e.Minor, Currency: e.Currency}, r.Index)
		return err
	})
}

func (a *app) refundCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "refund", Short: "Take back all or part of a recorded event", Args: noArgs,
		Example: "  nexus revenue refund --unit IMVU-001 --event order-17 --amount 999 --currency USD"}
	f := cmd.Flags()
	f.String("unit", "", "unit by id, label or slug (required)")
	f.String("event", "", "id of the event that is refunded (required)")
	f.String("amount", "", "integer minor units to give back, above zero (required)")
	f.String("currency", "", "ISO 4217 code of the event (required)")
	f.String("kind", "refund", "refund or chargeback")
	f.String("id", "", "id of the refund itself (default: a random one, printed)")
	f.String("time", "", "time of the refund, RFC 3339 (default: now)")
	f.String("memo", "", "text kept with it")
	f.String("source", state.OperatorSource, "revenue source that recorded the event")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		if err := required(cmd, "unit", "event", "amount", "currency"); err != nil {
			return err
		}
		e, word, source, err := a.eventFlags(cmd)
		if err != nil {
			return err
		}
		if e.Minor < 0 {
			return usage("--amount", "write what is given back above zero", "is below zero")
		}
		e.Minor = -e.Minor
		e.RefundOf, _ = f.GetString("event")
		return n.postEvent(ctx, word, source, e)
	})
	return cmd
}

func (a *app) tallyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "tally", Short: "The split of every unit in every currency", Args: noArgs,
		Example: "  nexus revenue tally\n  nexus revenue tally --unit IMVU-001 -o json\n  nexus revenue tally --at 2026-10-31T23:59:59Z"}
	momentFlag(cmd)
	cmd.Flags().String("unit", "", "only this unit (and a mini-platform's channels)")
	cmd.Flags().Bool("probes", false, "with the probe units of the suites")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		at, err := n.moment(ctx, cmd)
		if err != nil {
			return err
		}
		word, _ := cmd.Flags().GetString("unit")
		probes := ""
		if yes, _ := cmd.Flags().GetBool("probes"); yes {
			probes = "1"
		}
		tally, err := get[wire.Tally](ctx, n, "/v1/tally", "unit", word, "probes", probes, "at", at.at)
		if err == nil {
			err = n.checkMoment(ctx, &at, tally.At)
		}
		if err != nil {
			return err
		}
		return a.print(tally, func(w io.Writer) error { return printTally(w, tally) })
	})
	return cmd
}

func printTally(w io.Writer, tally wire.Tally) error {
	t := &table{head: []string{"UNIT", "NAME", "RULE", "CURRENCY", ">GROSS", ">CREATOR", ">PLATFORM", ">EVENTS", ">PENDING"}, none: "no revenue yet"}
	for _, r := range tally.Units {
		unit := r.Unit
		if r.Channel != "" {
			unit += "/" + r.Channel
		}
		t.add(unit, r.Name, r.Rule, r.Currency, money(r.Gross, r.Currency), money(r.Creator, r.Currency), money(r.Platform, r.Currency),
			fmt.Sprint(r.Events), pendingText(r.Pending, r.PendingEvents, r.Currency))
	}
	if len(tally.Units) > 0 {
		for _, r := range tally.Totals {
			t.add("total", fmt.Sprintf("%d units", r.Units), r.Rule, r.Currency, money(r.Gross, r.Currency), money(r.Creator, r.Currency),
				money(r.Platform, r.Currency), fmt.Sprint(r.Events), pendingText(r.Pending, r.PendingEvents, r.Currency))
		}
	}
	return t.print(w)
}

// pendingText words what waits; a dash when nothing does.
func pendingText(minor int64, events uint64, currency string) string {
	if events == 0 {
		return "-"
	}
	return money(minor, currency)
}

func (a *app) sourcesCommand() *cobra.Command {
	cmd := noun("sources", "Revenue sources: who may report events")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error { return n.printSources(ctx) })
	list := &cobra.Command{Use: "list", Short: "List the sources", Args: noArgs, Example: "  nexus revenue sources list"}
	list.RunE = cmd.RunE
	register := &cobra.Command{Use: "register NAME", Short: "Bind a source to the key that signs for it (platform or operator)", Args: oneArg("NAME"),
		Example: "  nexus revenue sources register shop --class attested --key shop.pub"}
	register.Flags().String("class", "attested", "metered, provider or attested")
	register.Flags().String("key", "", "public key: a .pub file, an ssh-ed25519 line or base64 (required)")
	register.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		if err := required(cmd, "key"); err != nil {
			return err
		}
		word, _ := cmd.Flags().GetString("class")
		class, ok := map[string]uint8{"metered": state.ClassMetered, "provider": state.ClassProvider, "attested": state.ClassAttested}[word]
		if !ok {
			return usage(fmt.Sprintf("--class %q", word), "metered, provider or attested", "no such class")
		}
		spec, _ := cmd.Flags().GetString("key")
		key, err := identity.LoadPublic(spec)
		if err != nil {
			return err
		}
		if _, err := n.act(ctx, state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: args[0], Class: class, Key: key}); err != nil {
			return err
		}
		return n.printSources(ctx)
	})
	closing := &cobra.Command{Use: "close NAME", Short: "Close a source: it reports no more", Args: oneArg("NAME"),
		Example: "  nexus revenue sources close shop"}
	closing.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, args []string) error {
		if _, err := n.act(ctx, state.KindSourceClose, nexus.ID{}, state.SourceRegister{Name: args[0]}); err != nil {
			return err
		}
		return n.printSources(ctx)
	})
	cmd.AddCommand(list, register, closing)
	return cmd
}

func (n *node) printSources(ctx context.Context) error {
	sources, err := get[wire.Sources](ctx, n, "/v1/sources")
	if err != nil {
		return err
	}
	t := &table{head: []string{"SOURCE", "CLASS", "ACTIVE", ">EVENTS", "KEY"}, none: "none"}
	for _, s := range sources.Sources {
		events := fmt.Sprint(s.Events)
		if s.Withheld {
			events = "-"
		}
		t.add(s.Name, s.Class, fmt.Sprint(s.Active), events, s.Key)
	}
	return n.app.print(sources, t.print)
}
