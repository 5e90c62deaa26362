package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

func (a *app) slicesCommand() *cobra.Command {
	cmd := noun("slices", "Network slices of the edge, with what was measured")
	list := &cobra.Command{Use: "list", Short: "Every slice with latency and load", Args: noArgs,
		Long: `OWN is the part of P99 that limits of the slice itself made, its ceiling and its places; the budget is for the rest.
KEPT % says how a guaranteed rate was kept: the least of what was owed that went in a window of 2 s, in the last minute.`,
		Example: "  nexus slices list -o json"}
	list.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error {
		s, err := get[wire.Slices](ctx, n, "/v1/slices")
		if err != nil {
			return err
		}
		return a.print(s, sliceTable(s.Slices).print)
	})
	show := &cobra.Command{Use: "show SLICE", Short: "One slice, by its name or its unit", Args: oneArg("SLICE"), ValidArgsFunction: a.completeUnits,
		Long: `One slice: its figures over all edges, then each edge that serves it, then each of its hosts there: whether the backend answers, is failing or
is out (ejected, asked again twice a second), and how the host's certificate stands. Latencies are those of the edge with the worst p99.
Edge processes report every 2 s. What was not measured says so. A guaranteed rate is judged in each window of 2 s in which the slice moved or waited for
bytes, its probes' too: kept with at least 98 % of what was owed, which is the rate for as long as bytes waited at the edge, and what went without
waiting.`,
		Example: "  nexus slices show IMVU-001"}
	show.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, args []string) error {
		s, err := n.slice(ctx, args[0])
		if err != nil {
			return err
		}
		return a.print(s, func(w io.Writer) error { return errors.Join(printSlice(w, s), printSliceEdges(w, s, time.Now())) })
	})
	cmd.AddCommand(list, show, a.sliceSetCommand(), a.probeCommand(), a.topCommand(), a.edgeCommand(), a.serviceRecordCommand())
	return cmd
}

func sliceTable(rows []wire.SliceRow) *table {
	t := &table{head: []string{"UNIT", "NAME", "CLASS", ">P50 ms", ">P99 ms", ">OWN ms", ">P99.9 ms", ">BUDGET", ">SAMPLES", ">Mbit/s", ">KEPT %", ">IN FLIGHT",
		">QUEUE", ">REFUSED", ">DROPPED", ">SESSION CAP", "SLICE"}, none: "no slices"}
	for _, r := range rows {
		t.add(r.Label, r.Name, r.Class, milliseconds(r.P50Ms), milliseconds(r.P99Ms), ownCell(&r), milliseconds(r.P999Ms),
			fmt.Sprintf("%g", r.BudgetMs), strconv.FormatUint(r.Samples, 10), fmt.Sprintf("%.2f", r.RateBps/1e6), keptPercent(r.GuaranteePercent),
			strconv.Itoa(r.InFlight), strconv.Itoa(r.Queue), strconv.FormatUint(r.Refused, 10), strconv.FormatUint(r.Dropped, 10), strconv.Itoa(r.SessionCap), r.Slice)
	}
	return t
}

// ownCell is the part of the p99 that the slice's own limits made.
func ownCell(r *wire.SliceRow) string {
	if r.P99Ms == nil {
		return "-"
	}
	return milliseconds(&r.OwnP99Ms)
}

// keptPercent is a share of what was owed, cut and not rounded: 100 is all of it. A dash: none was judged.
func keptPercent(v *float64) string {
	if v == nil {
		return "-"
	}
	return strconv.FormatFloat(math.Floor(*v*10)/10, 'f', 1, 64)
}

// keptText says how a slice's guaranteed rate was kept.
func keptText(s wire.SliceRow) string {
	switch {
	case s.GuaranteedBps == 0 && s.GuaranteeWindows == 0:
		return "nothing is guaranteed: a fair share"
	case s.GuaranteeWindows == 0:
		return "not measured: nothing was asked for yet"
	}
	return fmt.Sprintf("%s %% in the worst window of the last minute; kept in %d of %d windows of 2 s with traffic", keptPercent(s.GuaranteePercent),
		s.GuaranteeKept, s.GuaranteeWindows)
}

// breachText says which breaches of the service-level record are open, and where more of them stands.
func breachText(s *wire.SliceRow) string {
	var open []string
	if s.OverSince != nil {
		open = append(open, "over its budget since "+s.OverSince.UTC().Format("2006-01-02 15:04Z"))
	}
	if s.ShortSince != nil {
		open = append(open, "less than its guaranteed rate since "+s.ShortSince.UTC().Format("2006-01-02 15:04Z"))
	}
	if open == nil {
		return "none is open"
	}
	return strings.Join(open, "; ") + ": nexus slices record " + s.Label
}

// atCeiling explains the latency of a slice that wants more than it may.
func atCeiling(s *wire.SliceRow) string {
	if !s.AtCeiling() {
		return ""
	}
	return ", at its ceiling: what is more waits for it, the probes too"
}

// ownText says how much of the p99 is no doing of the gateway.
func ownText(s *wire.SliceRow) string {
	if s.P99Ms == nil || s.OwnP99Ms == 0 {
		return ""
	}
	return fmt.Sprintf(", %.2f of it by limits of the slice itself: its ceiling, its places; judged by the rest", s.OwnP99Ms)
}

// ownCapText says which session cap a unit's slice was given.
func ownCapText(most uint32) string {
	if most == 0 {
		return "the class's number"
	}
	return sessionCapText(int(most), true)
}

// sessionCapText says how many connections a slice may have at once at an edge, and whose number that is.
func sessionCapText(most int, own bool) string {
	if own {
		return fmt.Sprintf("%d connections at once", most)
	}
	return fmt.Sprintf("%d connections at once, the class's number", most)
}

func (n *node) slice(ctx context.Context, word string) (wire.SliceRow, error) {
	all, err := get[wire.Slices](ctx, n, "/v1/slices")
	if err != nil {
		return wire.SliceRow{}, err
	}
	for _, s := range all.Slices {
		if s.Slice == word || s.Label == word || s.Unit == word || s.Name == word {
			return s, nil
		}
	}
	return wire.SliceRow{}, nexus.Errf("slices show", nexus.CodeNotFound, fmt.Sprintf("slice %q", word), "list them with nexus slices list", "no such slice")
}

func printSlice(w io.Writer, s wire.SliceRow) error {
	return pairs(w, "slice", s.Slice, "unit", s.Label+" "+s.Unit, "name", s.Name, "class", s.Class, "budget", fmt.Sprintf("%g ms", s.BudgetMs),
		"guaranteed", fmt.Sprintf("%d bit/s", s.GuaranteedBps), "ceiling", fmt.Sprintf("%d bit/s (0: the gateway's capacity)", s.CeilingBps),
		"guarantee", keptText(s), "breach", breachText(&s), "session cap", sessionCapText(s.SessionCap, s.CapIsOwn),
		"p50", milliseconds(s.P50Ms)+" ms added, by the probe", "p99", milliseconds(s.P99Ms)+" ms"+ownText(&s), "p99.9", milliseconds(s.P999Ms)+" ms",
		"baseline p50", milliseconds(s.BaselineP50Ms)+" ms", "gateway p99", milliseconds(s.GatewayP99Ms)+" ms inside the gateway, less backend time",
		"samples", strconv.FormatUint(s.Samples, 10), "rate", fmt.Sprintf("%.2f Mbit/s", s.RateBps/1e6)+atCeiling(&s), "in flight", strconv.Itoa(s.InFlight),
		"round trip", fmt.Sprintf("p50 %s ms, p99 %s ms, client to home and back, as clients of sessions told it",
			milliseconds(s.TripP50Ms), milliseconds(s.TripP99Ms)),
		"sessions", fmt.Sprintf("%d that move between edges", s.Sessions),
		"hand-offs", fmt.Sprintf("%d planned, %d after a dead or silent edge; %d in the last minute", s.Planned, s.Recovered, s.PerMinute),
		"carried", fmt.Sprintf("%d requests, %d bytes in, %d bytes out, by all edges since the node started", s.Requests, s.BytesIn, s.BytesOut),
		"queue", strconv.Itoa(s.Queue), "refused", strconv.FormatUint(s.Refused, 10), "dropped", strconv.FormatUint(s.Dropped, 10))
}

func (a *app) probeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "probe", Short: "Watch the open-loop probe of every slice for a while and judge it by its budget", Args: noArgs,
		Long: `The node probes every slice through its real listener all the time. This waits until each slice has new samples and prints what
they say. Exits 1 when a slice's p99 is over its budget, or nothing was measured. OWN, what limits of the slice itself made of the p99, is left out.`,
		Example: "  nexus slices probe\n  nexus slices probe --for 10s -o json"}
	cmd.Flags().Duration("for", 3*time.Second, "how long to watch")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		length, _ := cmd.Flags().GetDuration("for")
		if length <= 0 || length > time.Hour {
			return usage("--for "+length.String(), "between 1s and 1h", "out of range")
		}
		before, err := get[wire.Slices](ctx, n, "/v1/slices")
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(length):
		}
		after, err := get[wire.Slices](ctx, n, "/v1/slices")
		if err != nil {
			return err
		}
		if err := a.print(after, sliceTable(after.Slices).print); err != nil {
			return err
		}
		return a.judgeProbe(before.Slices, after.Slices)
	})
	return cmd
}

// judgeProbe says which slices are over their budget or got no new sample.
func (a *app) judgeProbe(before, after []wire.SliceRow) error {
	had := map[string]uint64{}
	for _, s := range before {
		had[s.Slice] = s.Probes
	}
	bad := 0
	for _, s := range after {
		switch {
		case s.P99Ms == nil || s.Probes <= had[s.Slice]:
			a.say("slice of %s: nothing new was measured", s.Label)
			bad++
		case s.Judged() > s.BudgetMs:
			a.say("slice of %s: p99 of %.2f ms is over its budget of %g ms", s.Label, s.Judged(), s.BudgetMs)
			bad++
		}
	}
	if bad > 0 {
		return failed{exitFailed}
	}
	return nil
}
