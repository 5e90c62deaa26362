package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func (a *app) routeCommand() *cobra.Command {
	cmd := noun("route", "Public routes: which host leads to which backend")
	list := &cobra.Command{Use: "list", Short: "Routes of your units, operators all, with the decision that set each", Args: noArgs, Example: "  nexus route list"}
	list.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error {
		r, err := get[wire.Routes](ctx, n, "/v1/routes")
		if err != nil {
			return err
		}
		t := &table{head: []string{"HOST", "UNIT", "BACKEND", ">DECISION"}, none: "no routes"}
		for _, row := range r.Routes {
			t.add(row.Host, row.Label, row.Backend, fmt.Sprint(row.Index))
		}
		return a.print(r, t.print)
	})
	setCmd := &cobra.Command{Use: "set UNIT HOST BACKEND", Short: "Lead a host of a unit to a backend (gate 14: a change needs the owner)",
		Args: nArgs(3), ValidArgsFunction: a.completeUnits,
		Example: `  nexus route set IMVU-001 shop.imvu-001.nexus.localhost http://127.0.0.1:8080
  nexus route set IMVU-001 shop.imvu-001.nexus.localhost dir:/srv/shop`}
	proposeFlags(setCmd)
	setCmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		return n.routeAct(ctx, cmd, state.KindRouteSet, args[0], state.RouteSet{Host: args[1], Backend: args[2]})
	})
	drop := &cobra.Command{Use: "drop UNIT HOST", Short: "Remove a route", Args: nArgs(2), ValidArgsFunction: a.completeUnits,
		Example: "  nexus route drop IMVU-001 shop.imvu-001.nexus.localhost"}
	proposeFlags(drop)
	drop.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		return n.routeAct(ctx, cmd, state.KindRouteDrop, args[0], state.RouteSet{Host: args[1]})
	})
	prove := &cobra.Command{Use: "prove HOST", Short: "Prove the public entry that set a route", Args: oneArg("HOST"),
		Example: "  nexus route prove shop.imvu-001.nexus.localhost"}
	prove.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, args []string) error {
		return n.proveRoute(ctx, args[0])
	})
	cmd.AddCommand(list, setCmd, drop, prove)
	return cmd
}

func nArgs(count int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != count {
			return nexus.Errf(cmd.CommandPath(), nexus.CodeUsage, "arguments", "usage: "+cmd.UseLine(), "%d were given, %d are wanted", len(args), count)
		}
		return nil
	}
}

func (n *node) routeAct(ctx context.Context, cmd *cobra.Command, kind, word string, body state.RouteSet) error {
	_, id, err := n.unit(ctx, word)
	if err != nil {
		return err
	}
	return n.change(ctx, cmd, kind, id, body, word)
}

// proveRoute finds the route's decision and proves the entry of its effect: the route entry stands right after the decision.
func (n *node) proveRoute(ctx context.Context, host string) error {
	all, err := get[wire.Routes](ctx, n, "/v1/routes")
	if err != nil {
		return err
	}
	for _, r := range all.Routes {
		if r.Host != strings.ToLower(host) {
			continue
		}
		d, err := get[wire.Decision](ctx, n, fmt.Sprintf("/v1/decisions/%d", r.Index))
		if err != nil {
			return err
		}
		const entriesMax = 16 // decision, route and notices of one act
		for seq := d.Entry; seq < d.Entry+entriesMax; seq++ {
			proof, text, err := n.proveEntry(ctx, fmt.Sprint(seq))
			if err != nil {
				return err
			}
			if p := proof.(wire.EntryProof); p.Index != r.Index {
				break
			} else if p.Kind != "route" {
				continue
			}
			return n.app.print(proof, func(w io.Writer) error {
				fmt.Fprintf(w, "%s leads to %s since decision %d\n", r.Host, clean(r.Backend), r.Index)
				return text(w)
			})
		}
		return nexus.Errf("route prove", nexus.CodeCorrupt, "route "+host, "run nexus ledger verify", "decision %d has no route entry", r.Index)
	}
	return nexus.Errf("route prove", nexus.CodeNotFound, fmt.Sprintf("host %q", host), "list routes with nexus route list", "no route that you may see")
}
