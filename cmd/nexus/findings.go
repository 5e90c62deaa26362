package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// findingsCommand lists the findings that stand in the ledger.
func (a *app) findingsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "findings", Short: "The findings recorded in the ledger, newest first", Args: noArgs,
		Long: `Every finding of the background scrub, and every breach of a slice's latency budget, is an entry. This lists them with the entry's number:
nexus ledger prove NUMBER proves one. Findings that hold now are printed by nexus audit.`,
		Example: "  nexus audit findings\n  nexus audit findings --unit IMVU-001 --limit 20 -o json"}
	cmd.Flags().String("unit", "", "only about this unit")
	cmd.Flags().Uint64("before", 0, "only entries before this number (default: up to the newest)")
	cmd.Flags().Uint("limit", 100, "at most so many")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		unit, _ := cmd.Flags().GetString("unit")
		before, _ := cmd.Flags().GetUint64("before")
		limit, _ := cmd.Flags().GetUint("limit")
		if limit == 0 {
			return usage("--limit 0", "1 or more", "lists nothing")
		}
		out := wire.FindingHistory{Findings: []wire.RecordedFinding{}}
		from := ""
		if before > 0 {
			from = fmt.Sprint(before)
		}
		for { // a page looks at so many entries and may find nothing
			page, err := get[wire.FindingHistory](ctx, n, "/v1/findings", "unit", unit, "before", from, "limit", fmt.Sprint(limit-uint(len(out.Findings))))
			if err != nil {
				return err
			}
			out.Findings, out.Next, out.Size = append(out.Findings, page.Findings...), page.Next, page.Size
			if page.Next == 0 || uint(len(out.Findings)) >= limit {
				break
			}
			from = fmt.Sprint(page.Next)
		}
		t := &table{head: []string{">ENTRY", "TIME", "UNIT", "WHERE", "FOUND", "REQUIRED", "EVIDENCE"}, none: "no findings recorded"}
		for i := range out.Findings {
			f := &out.Findings[i]
			t.add(fmt.Sprint(f.Seq), when(f.Time), f.Unit, f.Where, f.What, f.Required, f.Evidence)
		}
		return a.print(out, t.print)
	})
	return cmd
}
