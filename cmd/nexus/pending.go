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

// pendingFlags are those of record that announce an event instead of posting it.
func pendingFlags(cmd *cobra.Command) {
	cmd.Flags().Bool("pending", false, "announce it only: it counts once it is posted (nexus revenue post)")
	cmd.Flags().Duration("expires", 0, "of --pending: a minute to 720h (default 168h)")
}

// announcedEvent is the answer of record --pending.
type announcedEvent struct {
	Pending   string    `json:"pending"`
	ID        string    `json:"id"`
	Unit      string    `json:"unit"`
	Duplicate bool      `json:"duplicate"`
	Expires   time.Time `json:"expires,omitzero"`
	Decision  uint64    `json:"decision"`
}

func (n *node) announce(ctx context.Context, cmd *cobra.Command, word, source string, e state.RevenueEvent) error {
	life, _ := cmd.Flags().GetDuration("expires")
	d, id, err := n.unit(ctx, word)
	if err != nil {
		return err
	}
	e.Unit = id
	r, err := n.act(ctx, state.KindPendingOpen, nexus.ID{}, state.PendingOpen{Source: source, Event: e, LifeMs: life.Milliseconds()})
	if err != nil {
		return err
	}
	var made state.PendingOpened
	if err := nexus.Decode(r.Result, &made); err != nil {
		return err
	}
	out := announcedEvent{Pending: made.ID.String(), ID: e.EventID, Unit: d.Label, Duplicate: made.Duplicate, Decision: r.Index}
	if made.ExpiresMs > 0 {
		out.Expires = time.UnixMilli(made.ExpiresMs).UTC()
	}
	return n.app.print(out, func(w io.Writer) error {
		if made.Duplicate {
			_, err := fmt.Fprintf(w, "known already: pending %s\n", made.ID)
			return err
		}
		_, err := fmt.Fprintf(w, "pending %s: event %s of %s, %s, until %s; it counts once posted: nexus revenue post %s\n", made.ID, clean(e.EventID),
			d.Label, nexus.Money{Minor: e.Minor, Currency: e.Currency}, when(out.Expires), made.ID)
		return err
	})
}

func (a *app) pendingCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "pending", Short: "Announced events that were neither posted nor voided yet; they count in no split", Args: noArgs,
		Example: "  nexus revenue pending\n  nexus revenue pending --unit IMVU-001 -o json"}
	cmd.Flags().String("unit", "", "only of this unit")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		unit, _ := cmd.Flags().GetString("unit")
		all, err := get[wire.Pendings](ctx, n, "/v1/money/pending", "unit", unit)
		if err != nil {
			return err
		}
		t := &table{head: []string{"PENDING", "UNIT", "SOURCE", "EVENT", "CURRENCY", ">AMOUNT", "EXPIRES"}, none: "nothing is pending"}
		for _, p := range all.Pending {
			t.add(p.ID, p.Unit, p.Source, p.EventID, p.Currency, money(p.Minor, p.Currency), when(p.Expires))
		}
		return a.print(all, t.print)
	})
	return cmd
}

// findPending finds a pending event by its id, the start of it, or its event id.
func (n *node) findPending(ctx context.Context, word string) (wire.PendingRow, error) {
	all, err := get[wire.Pendings](ctx, n, "/v1/money/pending")
	if err != nil {
		return wire.PendingRow{}, err
	}
	var found []wire.PendingRow
	for _, p := range all.Pending {
		if p.EventID == word || len(word) >= 4 && strings.HasPrefix(p.ID, strings.ToLower(word)) {
			found = append(found, p)
		}
	}
	return one(found, "pending event", word, "nexus revenue pending")
}

// one gives the only element found.
func one[T any](found []T, what, word, list string) (T, error) {
	var none T
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return none, nexus.Errf("find "+what, nexus.CodeNotFound, fmt.Sprintf("%q", word), "list them with "+list, "none that you may see is called so")
	}
	return none, nexus.Errf("find "+what, nexus.CodeUsage, fmt.Sprintf("%q", word), "give the whole id of "+list, "%d are called so", len(found))
}

// settlePendingCommand is post or void.
func (a *app) settlePendingCommand(verb, kind, short string) *cobra.Command {
	cmd := &cobra.Command{Use: verb + " PENDING", Short: short, Args: oneArg("PENDING"),
		Long:    short + ". PENDING is the id that record --pending printed, the start of it, or the event's own id; the source's key signs.",
		Example: "  nexus revenue " + verb + " order-17"}
	if verb == "post" {
		cmd.Flags().String("amount", "", "integer minor units, at most what was announced (default: all of it)")
	}
	cmd.Flags().String("reason", "", "why; it stands in the ledger")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		p, err := n.findPending(ctx, args[0])
		if err != nil {
			return err
		}
		body := state.PendingSettle{}
		body.Reason, _ = cmd.Flags().GetString("reason")
		if text, _ := cmd.Flags().GetString("amount"); text != "" {
			if body.Minor, err = aboveZero(text, p.Currency); err != nil {
				return err
			}
		}
		if body.Pending, err = nexus.ParseID(p.ID); err != nil {
			return err
		}
		r, err := n.act(ctx, kind, nexus.ID{}, body)
		if err != nil {
			return err
		}
		done := map[string]string{"post": "posted", "void": "voided"}[verb]
		posted := orMinor(body.Minor, p.Minor)
		if verb == "void" {
			posted = 0
		}
		out := struct {
			Pending  string `json:"pending"`
			ID       string `json:"id"`
			Unit     string `json:"unit"`
			Status   string `json:"status"`
			Posted   int64  `json:"posted"`
			Currency string `json:"currency"`
			Decision uint64 `json:"decision"`
		}{p.ID, p.EventID, p.Unit, done, posted, p.Currency, r.Index}
		return a.print(out, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s: %s of the %s announced as event %s of %s, decision %d\n", done, nexus.Money{Minor: posted, Currency: p.Currency},
				money(p.Minor, p.Currency), clean(p.EventID), p.Unit, r.Index)
			return err
		})
	})
	return cmd
}

func orMinor(v, d int64) int64 {
	if v == 0 {
		return d
	}
	return v
}

// aboveZero reads an amount of minor units that must be above zero.
func aboveZero(text, currency string) (int64, error) {
	m, err := nexus.ParseMinor(text, currency)
	if err != nil {
		return 0, err
	}
	if m.Minor <= 0 {
		return 0, usage("--amount "+text, "integer minor units above zero", "is not above zero")
	}
	return m.Minor, nil
}
