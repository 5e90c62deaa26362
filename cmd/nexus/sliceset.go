package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// The least and the longest latency budget that a slice may be given.
const (
	minBudget = slices.LeastBudgetMicros * time.Microsecond
	maxBudget = time.Minute
)

// sliceSetCommand changes what a unit's slice promises.
func (a *app) sliceSetCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "set UNIT", Short: "Change a unit's slice (gates 8 and 15: its owner's word)", Args: oneArg("UNIT"),
		ValidArgsFunction: a.completeUnits,
		Long: `Change class, rates, latency budget or session cap of a unit's slice; what is not named stays. A guarantee is admitted when all guarantees together stay below 90 %
of the gateway's capacity, else it is refused with the arithmetic. A new class brings its own budget, unless one is given. Connections and streams go on.
A budget below 1 ms is refused: what the probe takes without the gateway passes it, and such minutes of the service-level record are void. The owner's
notice says what the slice had and what it gets.

The session cap says how many connections the slice may have at once at a gateway; the next one is refused with 503 and Retry-After. A gateway takes 16384
of all slices together, and more than that is refused. The cap is a change of its own, apart from the others. A lower cap cuts nobody who is connected.`,
		Example: `  nexus slices set IMVU-001 --guarantee 20M --ceiling 200M --identity eva
  nexus slices set IMVU-001 --sessions 500
  nexus slices set IMVU-001 --class live --propose --reason 'it streams now'`}
	f := cmd.Flags()
	f.String("class", "", "slice class")
	f.String("guarantee", "", "guaranteed bits per second, such as 10M; 0: a fair share")
	f.String("ceiling", "", "most bits per second; 0: the gateway's capacity")
	f.Duration("budget", 0, "added latency allowed at the 99th percentile, such as 10ms; from 1ms to 1m (default: the class's, when the class changes)")
	f.Uint32("sessions", 0, "session cap: most connections at once at a gateway; 0: the class's number")
	proposeFlags(cmd)
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		f := cmd.Flags()
		others := f.Changed("class") || f.Changed("guarantee") || f.Changed("ceiling") || f.Changed("budget")
		switch {
		case !others && !f.Changed("sessions"):
			return usage("--class, --guarantee, --ceiling, --budget or --sessions", "", "one of them is required")
		case others && f.Changed("sessions"):
			return usage("--sessions", "give it in a command of its own", "is an action of its own, judged by itself")
		}
		d, id, err := n.unit(ctx, args[0])
		if err != nil {
			return err
		}
		if f.Changed("sessions") {
			most, _ := f.GetUint32("sessions")
			return n.change(ctx, cmd, state.KindSliceSessions, id, state.SliceSessions{Sessions: most}, args[0])
		}
		b, err := sliceWanted(cmd, &d)
		if err != nil {
			return err
		}
		had := state.SliceSpec{Class: d.Class, GuaranteedBps: int64(d.GuaranteedBps), CeilingBps: int64(d.CeilingBps), BudgetMicros: budgetOf(&d)}
		a.say("asked for: %s", cmp.Or(state.SliceChange(had, b, d.MaxSessions), "nothing new"))
		return n.change(ctx, cmd, state.KindSliceSet, id, b, args[0])
	})
	return cmd
}

// budgetOf is a unit's latency budget in microseconds.
func budgetOf(d *wire.UnitDetail) int64 { return int64(d.BudgetMs*1000 + 0.5) }

// sliceWanted is the unit's slice as it is now, with what the flags name changed.
func sliceWanted(cmd *cobra.Command, d *wire.UnitDetail) (state.SliceSet, error) {
	f := cmd.Flags()
	b := state.SliceSet{Class: d.Class, GuaranteedBps: int64(d.GuaranteedBps), CeilingBps: int64(d.CeilingBps), BudgetMicros: budgetOf(d)}
	if word, _ := f.GetString("class"); f.Changed("class") {
		if err := knownClass(word); err != nil {
			return b, err
		}
		if word != b.Class {
			b.Class, b.BudgetMicros = word, 0
		}
	}
	for flag, into := range map[string]*int64{"guarantee": &b.GuaranteedBps, "ceiling": &b.CeilingBps} {
		text, _ := f.GetString(flag)
		switch {
		case !f.Changed(flag):
			continue
		case text == "0": // means something here: no promise, no ceiling of its own
			*into = 0
			continue
		}
		bits, err := parseBits(flag, text)
		if err != nil {
			return b, err
		}
		*into = bits
	}
	if budget, _ := f.GetDuration("budget"); f.Changed("budget") {
		had := b.BudgetMicros // one below the least, from before there was one, stays
		switch b.BudgetMicros = budget.Microseconds(); {
		case budget < 0 || budget > maxBudget:
			return b, usage("--budget "+budget.String(), fmt.Sprintf("from %v to %v; 0 is the class's", minBudget, maxBudget), "out of range")
		case budget > 0 && budget < minBudget && b.BudgetMicros != had:
			return b, usage("--budget "+budget.String(), fmt.Sprintf("give %v or more; 0 is the class's", minBudget),
				"is %v below the least, %v: requests straight to the responder take about that long, and minutes in which they pass the budget are void",
				minBudget-budget, minBudget)
		}
	}
	return b, nil
}

// knownClass refuses a word that is no slice class, before anybody is asked.
func knownClass(word string) error {
	if _, err := slices.ParseClass(word); err == nil {
		return nil
	}
	var names []string
	for _, c := range slices.ClassSpecs() {
		names = append(names, c.Name)
	}
	return usage(fmt.Sprintf("--class %q", word), "one of "+strings.Join(names, ", "), "no such class")
}

// bandwidth says what a slice promises and allows.
func bandwidth(guaranteedBps, ceilingBps uint64) string {
	guarantee, ceiling := "a fair share", "the gateway's capacity"
	if guaranteedBps > 0 {
		guarantee = wire.Human(fmt.Sprintf("%d bit/s guaranteed", guaranteedBps))
	}
	if ceilingBps > 0 {
		ceiling = wire.Human(fmt.Sprintf("%d bit/s", ceilingBps))
	}
	return guarantee + ", ceiling " + ceiling
}
