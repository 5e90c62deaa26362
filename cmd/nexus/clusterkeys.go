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

func (a *app) keysCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "The gossip key: its generation, and how far a rotation has come", Args: noArgs,
		Long: `Keys are named by a part of their hash; no key is shown. STEP is settled (one key), installing (all accept the next one and use the old one), or in use,
old one accepted. A step ends when every admitted member that is alive has taken it, or after a minute. BEHIND are those that have not.`,
		Example: "  nexus cluster keys\n  nexus cluster keys rotate"}
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error { return n.printKeys(ctx) })
	rotate := &cobra.Command{Use: "rotate", Short: "Rotate the gossip key to its next generation (operator)", Args: noArgs,
		Long: `The act is a signed action, cluster.rekey, with a gate decision like any other; the steps are then taken in the node, also over a restart. Admitted members
fetch the new key by themselves, those that are down when they come back. A node that is not admitted gets none: after nexus cluster remove, rotate. Join tokens
of before let nobody in any more, but for members that are admitted already.`,
		Example: "  nexus cluster keys rotate\n  nexus cluster keys"}
	rotate.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error {
		k, err := get[wire.GossipKeys](ctx, n, "/v1/gossip-keys")
		if err != nil {
			return err
		}
		if _, err := n.act(ctx, state.KindClusterRekey, nexus.ID{}, state.ClusterRekey{Generation: k.Decided + 1}); err != nil {
			return err
		}
		a.say("generation %d is decided; nexus cluster keys shows how far it has come", k.Decided+1)
		return n.printKeys(ctx)
	})
	cmd.AddCommand(rotate)
	return cmd
}

func (n *node) printKeys(ctx context.Context) error {
	k, err := get[wire.GossipKeys](ctx, n, "/v1/gossip-keys")
	if err != nil {
		return err
	}
	return n.app.print(k, func(w io.Writer) error {
		decided := ""
		if k.Decided > 0 { // the ledger is here
			decided = fmt.Sprintf(" of %d decided", k.Decided)
		}
		_, err := fmt.Fprintf(w, "generation %d%s, key %s: %s\n", k.Generation, decided, k.Used, k.Step)
		for _, key := range k.Accepted {
			if err == nil && key.ID != k.Used {
				_, err = fmt.Fprintf(w, "accepted too: generation %d, key %s\n", key.Generation, key.ID)
			}
		}
		if err == nil && len(k.Behind) > 0 {
			_, err = fmt.Fprintf(w, "behind: %s\n", strings.Join(k.Behind, ", "))
		}
		return err
	})
}
