package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// serviceRecordCommand is `nexus slices record`.
func (a *app) serviceRecordCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "record [UNIT]", Short: "The service-level record: minutes within the latency budget, and breaches", Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeUnits,
		Long: `Once a minute the node judges what the probes of each slice measured: kept, broken, or void when even the direct baseline was over the
budget. What limits of the slice itself made them wait counts for nothing: its ceiling, its places. Minutes become entries of the
unit's chain every hour, at the turn of a month and when the node stops; a breach becomes an entry, a notice to the owner and an
audit finding at once. Attainment is kept of kept and broken minutes.

A guaranteed rate is judged in windows of 2 s, at all edges. A minute with a window in which less than 98 % went of what was owed is a breach too, with entry,
notice and finding; a minute with windows and none short ends it. SHORT counts such windows; those of a breach that is open are added when it ends.`,
		Example: "  nexus slices record\n  nexus slices record IMVU-001 --month 2026-11 -o json"}
	cmd.Flags().String("month", "", "one month only, YYYY-MM")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		q := url.Values{}
		if month, _ := cmd.Flags().GetString("month"); month != "" {
			if _, err := time.Parse("2006-01", month); err != nil {
				return usage("--month "+month, "YYYY-MM, for example 2026-11", "not a month")
			}
			q.Set("month", month)
		}
		if len(args) == 1 {
			q.Set("unit", args[0])
		}
		rec, err := get[wire.ServiceRecord](ctx, n, "/v1/slices/record?"+q.Encode())
		if err != nil {
			return err
		}
		return a.print(rec, serviceTable(rec.Units).print)
	})
	return cmd
}

func serviceTable(units []wire.ServiceUnit) *table {
	t := &table{head: []string{"UNIT", "NAME", "MONTH", ">ATTAINMENT %", ">KEPT min", ">BROKEN", ">VOID", ">BREACHES", ">WORST P99 ms",
		">BUDGET", ">SHORT", "NOW"},
		none: "nothing was judged yet: a minute is, when probes measured in it"}
	for _, u := range units {
		now := serviceNow(&u)
		for i, m := range u.Months {
			if i < len(u.Months)-1 {
				t.add(serviceCells(u, m, "")...)
				continue
			}
			t.add(serviceCells(u, m, now)...)
		}
		if len(u.Months) == 0 {
			t.add(u.Unit, u.Name, "-", "-", "-", "-", "-", "-", "-", fmt.Sprintf("%g", u.BudgetMs), "-", now)
		}
	}
	return t
}

// serviceNow says how a slice stands: the minute that opened a breach is its evidence.
func serviceNow(u *wire.ServiceUnit) string {
	var now []string
	if b := u.Breach; b != nil {
		now = append(now, fmt.Sprintf("OVER since %s: p99 %.2f ms", b.Since.Format("2006-01-02 15:04Z"), b.P99Ms))
	}
	if s := u.Short; s != nil {
		now = append(now, fmt.Sprintf("SHORT since %s: %d of %d windows, the worst with %s %%", s.Since.Format("2006-01-02 15:04Z"), s.Short, s.Windows,
			keptPercent(&s.WorstPercent)))
	}
	if n := len(u.Months); len(now) == 0 && n > 0 && u.Months[n-1].Attainment != nil {
		now = append(now, "kept")
	}
	if c := u.SincePost; c != (wire.MinuteCounts{}) {
		now = append(now, fmt.Sprintf("not posted yet: %d kept, %d broken, %d void", c.Kept, c.Broken, c.Void))
	}
	return cmp.Or(strings.Join(now, "; "), "-")
}

func serviceCells(u wire.ServiceUnit, m wire.ServiceMonth, now string) []string {
	attained, worst := "-", "-" // minutes are posted every hour: before, nothing is known of them
	if m.Attainment != nil {
		attained, worst = strconv.FormatFloat(*m.Attainment, 'f', 4, 64), strconv.FormatFloat(m.WorstP99Ms, 'f', 2, 64)
	}
	count := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return []string{u.Unit, u.Name, m.Month, attained, count(m.Kept), count(m.Broken), count(m.Void), count(m.Breaches + m.ShortBreaches), worst,
		fmt.Sprintf("%g", u.BudgetMs), count(m.ShortWindows), now}
}
