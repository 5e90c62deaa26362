package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func (a *app) clusterCommand() *cobra.Command {
	cmd := noun("cluster", "Members of the cluster and who may carry traffic")
	members := &cobra.Command{Use: "members", Short: "Every member, as gossip and the ledger see it", Args: noArgs, Example: "  nexus cluster members -o json"}
	members.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error { return n.printMembers(ctx) })
	edges := &cobra.Command{Use: "edges", Short: "Every process that serves as an edge of this node, how it stands and what it carries", Args: noArgs,
		Long: `The node's own gateway and each process of nexus slices edge, workers of a supervisor by themselves. STATE is serving, closing (accepts nothing more,
finishes what it has), or one that is an alert too, until another serves in its place or a day has passed: failed (ended without a goodbye), silent (says
nothing any more), orphaned (its supervisor has died). Figures of one that is lost are its last. TABLE is the ledger's index that its table of hosts was made
at, and how often what came as a table was refused; the newest reason is the CAUSE. Exits 1 when an edge is lost, or has refused a table and taken none since.`,
		Example: "  nexus cluster edges\n  nexus cluster edges -o json"}
	edges.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error { return n.printEdges(ctx) })
	cmd.AddCommand(members, edges, a.inviteCommand(), a.admitCommand(), a.removeCommand(), a.keysCommand())
	return cmd
}

func (n *node) printMembers(ctx context.Context) error {
	m, err := get[wire.Members](ctx, n, "/v1/members")
	if err != nil {
		return err
	}
	t := &table{head: []string{"NAME", "STATE", "ROLE", "ADMITTED", "ADDRESS", ">RTT ms", "LAST SEEN", "KEY"}, none: "no members"}
	for _, r := range m.Members {
		admitted := "unadmitted"
		if r.Admitted {
			admitted = "admitted"
		}
		t.add(r.Name, r.State, r.Role, admitted, r.Addr, milliseconds(r.RTTMs), when(r.LastSeen), r.Node)
	}
	return n.app.print(m, t.print)
}

func (n *node) printEdges(ctx context.Context) error {
	found, err := get[wire.Edges](ctx, n, "/v1/edges")
	if err != nil {
		return err
	}
	t := &table{head: []string{"EDGE", "STATE", "SINCE", "CLASSES", ">HOSTS", ">P99 ms", ">Mbit/s", ">CONNECTIONS", ">STREAMS", ">IN FLIGHT", ">REQUESTS",
		">REFUSED", ">OUT", ">LINK ms", ">REPORTED", "TABLE", "ADDRESSES", "CAUSE"}, none: "no edge: phase 3 (nn5g) has not opened one"}
	lost := false
	for i := range found.Edges {
		e := &found.Edges[i]
		lost = lost || e.Lost() || e.Table.Standing
		reported := notMeasured
		if e.ReportAgeMs != nil {
			reported = fmt.Sprintf("%.1f s ago", float64(*e.ReportAgeMs)/1000)
		}
		t.add(e.Name, e.State, when(e.Since), cmp.Or(e.Group, "all"), strconv.Itoa(e.Hosts), milliseconds(e.P99Ms), fmt.Sprintf("%.2f", e.RateBps/1e6),
			strconv.FormatInt(e.Connections, 10), strconv.FormatInt(e.Streams, 10), strconv.Itoa(e.InFlight), strconv.FormatUint(e.Requests, 10),
			strconv.FormatUint(e.Refused, 10), strconv.Itoa(e.BackendsOut), milliseconds(e.LinkRTTMs), reported, tableOf(&e.Table),
			strings.Join(e.Addresses, " "), cmp.Or(e.Cause, e.Table.Cause))
	}
	if err := n.app.print(found, t.print); err != nil {
		return err
	}
	if lost {
		return failed{exitFailed}
	}
	return nil
}

// tableOf says which table an edge serves and what it refused; nothing for the node's own gateway, which needs no copy.
func tableOf(t *wire.EdgeTable) string {
	out := ""
	if t.Number > 0 {
		out = strconv.FormatUint(t.Index, 10)
	}
	if n := t.Refusals(); n > 0 {
		out = strings.TrimPrefix(fmt.Sprintf("%s, refused %d", out, n), ", ")
	}
	return out
}

func (a *app) inviteCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "invite", Short: "Print a join token for another node", Args: noArgs,
		Long: `The token holds the cluster's id, its seeds, the gossip key and an expiry. It is a secret: it lets a process hear the cluster's
gossip. It admits nobody: a node that joined carries traffic after nexus cluster admit.`,
		Example: "  nexus cluster invite --ttl 1h --out join.token\n  nexus launch --data-dir ./second --join-token join.token"}
	cmd.Flags().Duration("ttl", time.Hour, "how long the token is good")
	cmd.Flags().String("out", "", "write the token to this file (0600) instead of stdout")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		ttl, _ := cmd.Flags().GetDuration("ttl")
		if ttl < time.Minute || ttl > 30*24*time.Hour {
			return usage("--ttl "+ttl.String(), "between 1m and 720h", "out of range")
		}
		var inv wire.Invite
		if err := n.Post(ctx, "/v1/invite", wire.InviteRequest{TTLSeconds: int64(ttl / time.Second)}, &inv); err != nil {
			return err
		}
		path, _ := cmd.Flags().GetString("out")
		if path == "" {
			return a.print(inv, func(w io.Writer) error { _, err := fmt.Fprintln(w, inv.Token); return err })
		}
		if err := os.WriteFile(path, []byte(inv.Token+"\n"), 0o600); err != nil {
			return nexus.Errf("cluster invite", nexus.CodeUnavailable, "--out "+path, "", "%w", err)
		}
		a.say("token written to %s, good until %s", path, when(inv.Expires))
		return nil
	})
	return cmd
}

func (a *app) admitCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "admit NODE", Short: "Let a member carry traffic (operator)", Args: oneArg("NODE"),
		Example: "  nexus cluster admit edge-2 --jurisdiction EU-GDPR"}
	cmd.Flags().String("jurisdiction", "", "jurisdiction that the node stands in")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		b, err := n.member(ctx, args[0])
		if err != nil {
			return err
		}
		b.Jurisdiction, _ = cmd.Flags().GetString("jurisdiction")
		if _, err := n.act(ctx, state.KindNodeAdmit, nexus.ID{}, b); err != nil {
			return err
		}
		return n.printMembers(ctx)
	})
	return cmd
}

func (a *app) removeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "remove NODE", Short: "End a node's admission (operator)", Args: oneArg("NODE"), Example: "  nexus cluster remove edge-2"}
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, args []string) error {
		b, err := n.member(ctx, args[0])
		if err != nil {
			return err
		}
		if _, err := n.act(ctx, state.KindNodeRemove, nexus.ID{}, b); err != nil {
			return err
		}
		return n.printMembers(ctx)
	})
	return cmd
}

// member finds a node by the name that members shows, or by its public key. Two members of one name are told by key.
func (n *node) member(ctx context.Context, word string) (state.NodeAdmit, error) {
	m, err := get[wire.Members](ctx, n, "/v1/members")
	if err != nil {
		return state.NodeAdmit{}, err
	}
	var found []wire.MemberRow
	for _, r := range m.Members {
		if r.Name == word || r.Node == word {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		key, err := identity.ParsePublic(word)
		if err != nil {
			return state.NodeAdmit{}, nexus.Errf("cluster", nexus.CodeNotFound, fmt.Sprintf("node %q", word), "list them with nexus cluster members", "no such member")
		}
		return state.NodeAdmit{Key: key, Name: key.Short()}, nil
	case 1:
		key, err := identity.ParsePublic(found[0].Node)
		return state.NodeAdmit{Key: key, Name: found[0].Name}, err
	}
	return state.NodeAdmit{}, nexus.Errf("cluster", nexus.CodeUsage, fmt.Sprintf("node %q", word), "name it by its key", "is the name of %d members", len(found))
}
