package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

func (a *app) exitsCommand() *cobra.Command {
	cmd := noun("exits", "Exits as the platform publishes them each month: counts, times, failures")
	cmd.Long = `Once a month is over the node publishes, signed, how many asked to leave, how many left, how long it took and what failed. The figures are
computed from the ledger alone, and an entry commits to their digest; nothing of any person or unit is in them. The same files are
served to everybody under /publications at the address of --log-http. Units that leave now: nexus imvu exit-status.`
	list := &cobra.Command{Use: "list", Short: "The months that are published, and those that should be", Args: noArgs,
		Example: "  nexus exits list\n  nexus exits list -o json"}
	list.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error {
		p, err := get[wire.Published](ctx, n, "/v1/published")
		if err != nil {
			return err
		}
		return a.print(p, func(w io.Writer) error { return printPublished(w, &p) })
	})
	show := &cobra.Command{Use: "show", Short: "One month's publication, checked here; --out writes the file for nexus-verify", Args: noArgs,
		Example: "  nexus exits show\n  nexus exits show --month 2026-10 --out exits-2026-10.json\n  nexus-verify --key KEY exits-2026-10.json"}
	show.Flags().String("month", "", "YYYY-MM, UTC (default: the newest published)")
	show.Flags().String("out", "", "write the signed file here")
	show.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		month, _ := cmd.Flags().GetString("month")
		if month == "" {
			p, err := get[wire.Published](ctx, n, "/v1/published")
			if err != nil {
				return err
			}
			if len(p.Exits) == 0 {
				return nexus.Errf("exits show", nexus.CodeNotFound, "exits", "wait until the month is over (UTC)",
					"nothing is published yet; the first month is %s", p.First)
			}
			month = p.Exits[len(p.Exits)-1].Month
		}
		file, rep, err := n.publishedFile(ctx, cmd, "/v1/published/exits", "month", month,
			func(rep *verify.PublicationReport) bool { return rep.Exits != nil && rep.Exits.Month == month })
		if err != nil || file != "" {
			return err
		}
		return a.print(rep.Exits, func(w io.Writer) error { return printExits(w, &rep) })
	})
	cmd.AddCommand(list, show)
	return cmd
}

// publishedFile fetches a publication, checks it as a recipient would and that it is the one asked for, and writes it where --out says; "" when it
// says nowhere.
func (n *node) publishedFile(ctx context.Context, cmd *cobra.Command, path, key, value string,
	asked func(*verify.PublicationReport) bool) (file string, rep verify.PublicationReport, err error) {
	f, err := get[wire.PublishedFile](ctx, n, path, key, value)
	if err != nil {
		return "", rep, err
	}
	o := verify.Options{Cluster: n.Cluster()}
	if o.Key, err = n.logKey(ctx); err != nil {
		return "", rep, err
	}
	if rep, err = verify.CheckPublication(f.File, o); err != nil {
		return "", rep, nexus.Errf("check publication", nexus.CodeCorrupt, value, "do not trust this node", "%w", err)
	}
	if !asked(&rep) {
		return "", rep, nexus.Errf("check publication", nexus.CodeCorrupt, value, "do not trust this node", "it answered with another publication")
	}
	n.app.say("signed by this log's key; entry %d commits to it, in a log of %d (checked)", rep.Entry, rep.Size)
	if file, _ = cmd.Flags().GetString("out"); file == "" {
		return "", rep, nil
	}
	if err := os.WriteFile(file, f.File, 0o644); err != nil {
		return file, rep, nexus.Errf(cmd.CommandPath(), nexus.CodeUnavailable, "--out "+file, "", "%w", err)
	}
	n.app.say("written to %s; check it: nexus-verify --key KEY %s", file, file)
	return file, rep, nil
}

func printPublished(w io.Writer, p *wire.Published) error {
	t := &table{head: []string{"MONTH", "PUBLISHED", ">ENTRY", ">LEDGER ENTRIES", "DIGEST"}, none: "nothing is published yet: the first month is " + p.First}
	for i := range p.Exits {
		r := &p.Exits[i]
		t.add(r.Month, when(r.Time), strconv.FormatUint(r.Entry, 10), strconv.FormatUint(r.Size, 10), r.Digest)
	}
	if err := t.print(w); err != nil {
		return err
	}
	for _, m := range p.Missing {
		if _, err := fmt.Fprintf(w, "%s is over and not published\n", oneLine(m)); err != nil {
			return err
		}
	}
	return nil
}

func printExits(w io.Writer, r *verify.PublicationReport) error {
	d := r.Exits
	took := "nobody left"
	if d.Left > 0 {
		took = fmt.Sprintf("shortest %s, median %s, longest %s", tookText(d.ShortestMs), tookText(d.MedianMs), tookText(d.LongestMs))
	}
	return pairs(w, "month", d.Month, "under way before", fmt.Sprint(d.OpenBefore), "asked to leave", fmt.Sprint(d.Asked),
		"left", fmt.Sprintf("%d, of them %d after more than two hours", d.Left, d.Late), "it took", took,
		"failures", fmt.Sprintf("%d seen by the node, %d by owners, in %d exits", d.FailedNode, d.FailedOwner, d.FailedUnits),
		"ended by owners", fmt.Sprintf("%d before it was complete, %d came back after", d.Stayed, d.CameBack),
		"under way after", fmt.Sprintf("%d, of them %d for more than two hours", d.Open, d.OpenLate),
		"grace ended", fmt.Sprint(d.Released), "retention ended", fmt.Sprint(d.Closed),
		"made from", fmt.Sprintf("%d entries of the ledger, root %s", d.Size, d.Root))
}

func tookText(ms int64) string {
	return time.Duration(ms * int64(time.Millisecond)).Round(time.Millisecond).String()
}
