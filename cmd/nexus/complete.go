package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// completionTimeout keeps the shell's prompt quick when the node is slow or gone.
const completionTimeout = 300 * time.Millisecond

// completeUnits offers the labels of units with their names. Whatever goes wrong offers nothing.
func (a *app) completeUnits(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || a.configure(cmd) != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	parent := cmd.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithTimeout(parent, completionTimeout)
	defer cancel()
	n, err := a.connect(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer n.Close()
	units, err := get[wire.Units](ctx, n, "/v1/units")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	out := make([]string, 0, len(units.Units))
	for _, u := range units.Units {
		out = append(out, u.Label+"\t"+oneLine(u.Name)+", "+u.Status)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
