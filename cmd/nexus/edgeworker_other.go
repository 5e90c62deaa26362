//go:build !linux

package main

import (
	"context"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// isWorker says that nobody supervises here.
func (a *app) isWorker() bool { return false }

// superviseEdge says that there is no supervisor here.
func (a *app) superviseEdge(context.Context, *cobra.Command) error {
	return nexus.Errf("slices edge", nexus.CodeUnavailable, "--supervise", "leave it out, or run it on Linux", "%w",
		osfile.Absent("sockets handed from process to process"))
}

// edgeWorker says the same.
func (a *app) edgeWorker(ctx context.Context, cmd *cobra.Command) error {
	return a.superviseEdge(ctx, cmd)
}
