package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

func (a *app) schemaCommand() *cobra.Command {
	cmd := noun("schema", "JSON Schemas of what the program prints for programs")
	lines := &cobra.Command{Use: "launch", Short: "Print the JSON Schema of the lines of nexus launch -o json", Args: noArgs,
		Long: "Each line of `nexus launch -o json` is valid by this schema (draft 2020-12). Within a major version fields are only added.",
		Example: "  nexus schema launch\n" +
			"  nexus launch --no-tui -o json >run.ndjson; nexus console --replay run.ndjson"}
	lines.RunE = a.do(func(context.Context, *cobra.Command, []string) error {
		_, err := io.WriteString(a.out, wire.LaunchSchema)
		return err
	})
	cmd.AddCommand(lines)
	return cmd
}
