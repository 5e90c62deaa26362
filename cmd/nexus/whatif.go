package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

func replayWord(cmd *cobra.Command) string {
	if full, _ := cmd.Flags().GetBool("full"); full {
		return "full"
	}
	if none, _ := cmd.Flags().GetBool("no-log"); none {
		return "none"
	}
	return ""
}

func sameWord(same bool) string {
	if same {
		return "the same verdicts"
	}
	return "OTHER VERDICTS"
}

func logReplayText(r wire.LogReplay) string {
	switch {
	case !r.Done:
		return "not replayed: " + r.Why
	case !r.Same:
		return "DIFFERS: " + r.Differs
	}
	return fmt.Sprintf("%d commands applied again in %d ms: the same facts, verdicts, effects and root; state %.16s", r.Commands, r.DurationMs, r.StateHash)
}

func (a *app) gateSetsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "sets", Short: "The gate sets that this node knows, and the one in force", Args: noArgs, Example: "  nexus gates sets"}
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error {
		sets, err := get[wire.GateSets](ctx, n, "/v1/gates/sets")
		if err != nil {
			return err
		}
		t := &table{head: []string{"HASH", "IN FORCE", "VERSIONS OF GATES 1 TO 17"}}
		for _, s := range sets.Sets {
			t.add(s.Hash, fmt.Sprint(s.InForce), strings.Trim(fmt.Sprint(s.Versions), "[]"))
		}
		return a.print(sets, t.print)
	})
	return cmd
}

func (a *app) whatIfCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "what-if", Short: "How other gates, or another policy, would have decided what is recorded", Args: noArgs,
		Long: `Decides the recorded facts of past decisions again and lists those that would be others. Each decision is asked for itself: what
would have followed from another one is not claimed. Changes nothing.`,
		Example: "  nexus gates what-if --policy policy.json --unit IMVU-001\n  nexus gates what-if --without 14,15\n" +
			"  nexus gates what-if --gate-set HASH --last 100000"}
	f := cmd.Flags()
	f.String("policy", "", "a document in JSON, in force in place of the unit's own; - reads it from stdin")
	f.String("unit", "", "only decisions on this unit, by id, label or slug")
	f.String("without", "", "gates left out, by number, separated by commas")
	f.String("gate-set", "", "another gate set of this node, by hash (nexus gates sets)")
	f.Uint64("last", 0, "newest decisions to look at (default 10000, at most 200000)")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		var req wire.WhatIfRequest
		req.Unit, _ = f.GetString("unit")
		req.GateSet, _ = f.GetString("gate-set")
		req.Last, _ = f.GetUint64("last")
		without, _ := f.GetString("without")
		for _, word := range strings.FieldsFunc(without, func(r rune) bool { return r == ',' || r == ' ' }) {
			number, err := strconv.Atoi(word)
			if err != nil {
				return usage("--without "+without, "numbers from 1 to 17", "%q is none", word)
			}
			req.Without = append(req.Without, number)
		}
		if file, _ := f.GetString("policy"); file != "" {
			p, err := n.readPolicyFile(ctx, file)
			if err != nil {
				return err
			}
			req.Policy = nexus.Encode(p)
		}
		var out wire.WhatIf
		if err := n.Post(ctx, "/v1/gates/what-if", req, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error { return printWhatIf(w, &out) })
	})
	return cmd
}

func printWhatIf(w io.Writer, r *wire.WhatIf) error {
	err := pairs(w, "question", r.What, "looked at", fmt.Sprintf("%d decisions, %d to %d", r.Looked, r.From, r.To), "would change",
		fmt.Sprintf("%d: %d refused that were allowed, %d allowed that were refused, %d refused for another reason", r.Changed, r.Refused, r.Allowed, r.Other))
	if err != nil {
		return err
	}
	for _, g := range r.PerGate {
		if err := pairs(w, "gate", fmt.Sprintf("%d %s: %d refusals, %d so", g.Gate, g.Name, g.Before, g.After)); err != nil {
			return err
		}
	}
	t := &table{head: []string{">INDEX", "TIME", "ACTION", "UNIT", "ACTOR", "BEFORE", "AFTER", "WHY"}, none: "no decision would be another"}
	for _, x := range r.Rows {
		t.add(strconv.FormatUint(x.Index, 10), when(x.Time), x.Action, x.Unit, x.Actor, x.Before, x.After, x.Why)
	}
	return t.print(w)
}
