package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
)

// topCommand is the live table of slices: latency, load and hand-offs of sessions.
func (a *app) topCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "top", Short: "Watch slices live: latency, load, sessions and their hand-offs", Args: noArgs,
		Long: `Print the table of slices again and again until interrupted, or --count times. On a terminal each picture replaces the one before;
with -o json each is one object on a line. A dash means that nothing was measured. OWN is the part of P99 that limits of the slice itself made, its
ceiling and its places. STATE holds the rest against the budget, in the console's words: OK, NEAR above 80 % of it, OVER, OWN where only its own limits
put it over, HOST where the machine was too slow, new with too few probes to say, idle without any.`,
		Example: "  nexus slices top\n  nexus slices top --every 5s --count 3 -o json"}
	cmd.Flags().Duration("every", time.Second, "pause between pictures")
	cmd.Flags().Int("count", 0, "pictures to print (0: until interrupted)")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		every, _ := cmd.Flags().GetDuration("every")
		count, _ := cmd.Flags().GetInt("count")
		if every < 100*time.Millisecond || every > time.Hour || count < 0 {
			return usage(fmt.Sprintf("--every %v --count %d", every, count), "100ms to 1h, and 0 or more", "out of range")
		}
		t := time.NewTicker(every)
		defer t.Stop()
		for shown := 1; ; shown++ {
			s, err := get[wire.Slices](ctx, n, "/v1/slices")
			if err == nil {
				err = a.showTop(s)
			}
			if err != nil || shown == count {
				return err
			}
			select {
			case <-ctx.Done():
				return nil // the way to end it
			case <-t.C:
			}
		}
	})
	return cmd
}

// picture is one picture of the table for a page of so many cells, 0: of any width.
type picture struct {
	bytes.Buffer
	columns int
}

// Columns is for table.print.
func (p *picture) Columns() int { return p.columns }

// showTop writes one picture with one write, so that a terminal never shows half of it.
func (a *app) showTop(s wire.Slices) error {
	var b picture
	if a.conf.json() {
		if err := json.NewEncoder(&b).Encode(s); err != nil {
			return err
		}
	} else {
		if terminal(a.out) && !a.conf.yes("plain") && !a.conf.yes("no_tui") {
			b.WriteString("\x1b[H\x1b[2J")
			b.columns, _, _ = term.GetSize(int(a.out.(*os.File).Fd())) // 0 where it does not tell: rows are not folded then
		}
		if err := topTable(s.Slices).print(&b); err != nil {
			return err
		}
		b.WriteByte('\n')
	}
	_, err := a.out.Write(b.Bytes())
	return err
}

func topTable(rows []wire.SliceRow) *table {
	t := &table{head: []string{"SLICE", "NAME", "CLASS", "STATE", ">P50 ms", ">P99 ms", ">OWN ms", ">P99.9 ms", ">BUDGET", ">Mbit/s", ">KEPT %",
		">QUEUE", ">REFUSED", ">DROPPED", ">SESSIONS", ">RTT p50", ">RTT p99", ">MOVES/min", ">PLANNED", ">RECOVERED"}, none: "no slices"}
	for _, r := range rows {
		t.add(r.Label, r.Name, r.Class, panel.SliceState(&r), milliseconds(r.P50Ms), milliseconds(r.P99Ms), ownCell(&r),
			milliseconds(r.P999Ms), fmt.Sprintf("%g", r.BudgetMs),
			fmt.Sprintf("%.2f", r.RateBps/1e6), keptPercent(r.GuaranteePercent), strconv.Itoa(r.Queue),
			strconv.FormatUint(r.Refused, 10), strconv.FormatUint(r.Dropped, 10),
			strconv.Itoa(r.Sessions), milliseconds(r.TripP50Ms), milliseconds(r.TripP99Ms), strconv.Itoa(r.PerMinute),
			strconv.FormatUint(r.Planned, 10), strconv.FormatUint(r.Recovered, 10))
	}
	return t
}
