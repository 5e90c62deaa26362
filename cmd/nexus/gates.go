package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

func (a *app) gatesCommand() *cobra.Command {
	cmd := noun("gates", "The 17 gates: what they are, what they decided, what they would say")
	list := &cobra.Command{Use: "list", Short: "The 17 gates with their counters", Args: noArgs, Example: "  nexus gates list -o json"}
	list.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error {
		g, err := get[wire.Gates](ctx, n, "/v1/gates")
		if err != nil {
			return err
		}
		t := &table{head: []string{">GATE", "NAME", ">ALLOWED", ">DENIED", "DECIDES", "ENFORCED", "ENFORCED BY"}}
		for _, r := range g.Gates {
			if r.Cosigners != nil {
				r.EnforcedBy += fmt.Sprintf("; %d cosigners", *r.Cosigners)
			}
			t.add(fmt.Sprint(r.Gate), r.Name, fmt.Sprint(r.Allowed), fmt.Sprint(r.Denied), fmt.Sprint(r.Decides), fmt.Sprint(r.Enforced), r.EnforcedBy)
		}
		return a.print(g, t.print)
	})
	cmd.AddCommand(list, a.gatesLogCommand(), a.explainCommand(), a.tryCommand(), a.whatIfCommand(), a.gateSetsCommand())
	return cmd
}

func (a *app) gatesLogCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "log", Short: "Decisions, newest first", Args: noArgs,
		Example: "  nexus gates log --verdict deny\n  nexus gates log --gate 6 --unit IMVU-001\n  nexus gates log --follow -o json"}
	f := cmd.Flags()
	f.String("gate", "", "decisions that this gate refused, by number or name")
	f.String("unit", "", "decisions about this unit")
	f.String("verdict", "", "allow or deny")
	f.Uint64("before", 0, "only decisions before this index")
	f.Uint64("limit", 50, "decisions to show")
	f.BoolP("follow", "f", false, "go on with new ones as they happen, oldest first")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		filter, err := n.decisionFilter(ctx, cmd)
		if err != nil {
			return err
		}
		if follow, _ := f.GetBool("follow"); follow {
			return n.followDecisions(ctx, filter)
		}
		before, _ := f.GetUint64("before")
		limit, _ := f.GetUint64("limit")
		page, err := filter.page(ctx, n, before, limit)
		if err != nil {
			return err
		}
		t := &table{head: decisionHead(), none: "no decisions"}
		for _, d := range page.Decisions {
			t.add(decisionCells(d)...)
		}
		return a.print(page, t.print)
	})
	return cmd
}

// decisionFilter says which decisions are wanted.
type decisionFilter struct{ gate, unit, verdict string }

func (n *node) decisionFilter(ctx context.Context, cmd *cobra.Command) (decisionFilter, error) {
	text := func(flag string) string { s, _ := cmd.Flags().GetString(flag); return s }
	f := decisionFilter{gate: text("gate"), unit: text("unit"), verdict: text("verdict")}
	if f.verdict != "" && f.verdict != wire.VerdictAllow && f.verdict != wire.VerdictDeny {
		return f, usage(fmt.Sprintf("--verdict %q", f.verdict), "allow or deny", "no such verdict")
	}
	if f.gate == "" {
		return f, nil
	}
	if num, err := strconv.Atoi(f.gate); err == nil {
		if num < 1 || num > wire.GateCount {
			return f, usage("--gate "+f.gate, "1 to 17, or a name of nexus gates list", "no such gate")
		}
		return f, nil
	}
	all, err := get[wire.Gates](ctx, n, "/v1/gates")
	if err != nil {
		return f, err
	}
	for _, g := range all.Gates {
		if g.Name == f.gate {
			f.gate = strconv.Itoa(g.Gate)
			return f, nil
		}
	}
	return f, usage("--gate "+f.gate, "1 to 17, or a name of nexus gates list", "no such gate")
}

func (f decisionFilter) page(ctx context.Context, n *node, before, limit uint64) (wire.Decisions, error) {
	at := ""
	if before > 0 {
		at = strconv.FormatUint(before, 10)
	}
	return get[wire.Decisions](ctx, n, "/v1/decisions", "gate", f.gate, "unit", f.unit, "verdict", f.verdict, "before", at,
		"limit", strconv.FormatUint(limit, 10))
}

// followDecisions prints each new decision once, in order. The watch stream only says that there is something new; what is
// printed is read page by page, so that none is left out however fast they come.
func (n *node) followDecisions(ctx context.Context, f decisionFilter) error {
	first, err := decisionFilter{}.page(ctx, n, 0, 1)
	if err != nil {
		return err
	}
	var last uint64
	if len(first.Decisions) > 0 {
		last = first.Decisions[0].Index
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err = n.Watch(ctx, func(*wire.Overview) {
		fresh, err := f.since(ctx, n, last)
		if err != nil {
			cancel(err)
			return
		}
		for i := len(fresh) - 1; i >= 0; i-- {
			last = max(last, fresh[i].Index)
			if err := n.app.print(fresh[i], func(w io.Writer) error {
				_, err := fmt.Fprintln(w, strings.Join(decisionCells(fresh[i]), "  "))
				return err
			}); err != nil {
				cancel(err)
			}
		}
	})
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
		return cause
	}
	return err
}

// since gives the decisions after an index, newest first.
func (f decisionFilter) since(ctx context.Context, n *node, last uint64) ([]wire.DecisionRow, error) {
	var out []wire.DecisionRow
	for before := uint64(0); ; {
		page, err := f.page(ctx, n, before, 500)
		if err != nil {
			return nil, err
		}
		for _, d := range page.Decisions {
			if d.Index <= last {
				return out, nil
			}
			out = append(out, d)
		}
		if page.Next == 0 || page.Next <= last || len(page.Decisions) == 0 {
			return out, nil
		}
		before = page.Next
	}
}

func decisionHead() []string {
	return []string{">INDEX", "TIME", "VERDICT", "GATES", "ACTION", "ACTOR", "SESSION", "UNIT", "REASON"}
}

func decisionCells(d wire.DecisionRow) []string {
	gates := make([]string, len(d.Gates))
	for i, g := range d.Gates {
		gates[i] = strconv.Itoa(g)
	}
	reason := d.Reason
	if d.Observed != "" {
		reason = strings.TrimSpace(d.Reason + ": " + d.Observed)
	}
	return []string{strconv.FormatUint(d.Index, 10), when(d.Time), d.Verdict, oneLine(strings.Join(gates, ",")), d.Action,
		oneLine(d.ActorName), oneLine(d.Session), oneLine(d.UnitLabel), oneLine(reason)}
}

func (a *app) explainCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "explain ID", Short: "One decision with its evidence, replayed", Args: oneArg("ID"),
		Long: `ID is a decision's index, or the id of the action. The gates are run again over the facts that were recorded. Whether those
facts were true is shown by a second replay: every command up to this one is applied again from the first record, and facts,
verdicts, effects and tree root must come out as they are stored. A long log is replayed only with --full.`,
		Example: "  nexus gates explain 17\n  nexus gates explain 17 -o json"}
	cmd.Flags().Bool("full", false, "replay the log however long it is (operators)")
	cmd.Flags().Bool("no-log", false, "do not replay the log")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		index := args[0]
		if _, err := nexus.ParseID(index); err == nil {
			p, err := get[wire.EntryProof](ctx, n, "/v1/proof", "action", index)
			if err != nil {
				return err
			}
			index = strconv.FormatUint(p.Index, 10)
		}
		if _, err := strconv.ParseUint(index, 10, 64); err != nil {
			return usage(fmt.Sprintf("decision %q", index), "an index of nexus gates log, or an action's id", "not a number")
		}
		e, err := get[wire.Explanation](ctx, n, "/v1/decisions/"+index+"/explain", "log", replayWord(cmd))
		if err != nil {
			return err
		}
		if err := a.print(e, func(w io.Writer) error { return printExplanation(w, e) }); err != nil {
			return err
		}
		if e.FromLog.Done && !e.FromLog.Same {
			return nexus.Errf("gates explain", nexus.CodeCorrupt, "decision "+index, "run nexus ledger verify", "the log applied again gives another: %s",
				e.FromLog.Differs)
		}
		if !e.Same {
			return nexus.Errf("gates explain", nexus.CodeCorrupt, "decision "+index, "run nexus ledger verify", "the gates say otherwise on the same facts")
		}
		return nil
	})
	return cmd
}

func printExplanation(w io.Writer, e wire.Explanation) error {
	verdict := e.Verdict
	if e.InVain() {
		verdict += " by all gates, and nothing was done"
	}
	err := pairs(w, "decision", strconv.FormatUint(e.Index, 10), "time", when(e.Time), "verdict", verdict, "action", e.Action+" "+e.ActionID,
		"does", wire.Means(e.Action),
		"actor", e.ActorName+" "+e.Actor, "unit", e.UnitLabel, "reason", e.Reason, "observed", e.Observed, "required", e.Required, "fix", e.Fix,
		"gate set", e.GateSet, "replayed", fmt.Sprintf("from the recorded facts: %s", sameWord(e.Same)), "from the log", logReplayText(e.FromLog),
		"logged", fmt.Sprintf("entry %d, under a checkpoint of %d entries that %d other parties cosigned", e.Entry, e.Size, e.Cosigners))
	if err != nil {
		return err
	}
	return printVerdicts(w, e.Verdicts)
}

// printVerdicts has a row for each gate, narrow enough for a terminal; what a refusal asks for stands in sentences below.
func printVerdicts(w io.Writer, verdicts []wire.Verdict) error {
	t := &table{head: []string{">GATE", "NAME", "VERDICT", "OBSERVED"}}
	for _, v := range verdicts {
		t.add(strconv.Itoa(v.Gate), v.Name, v.Verdict, v.Observed)
	}
	err := t.print(w)
	for _, v := range verdicts {
		for _, row := range [][2]string{{"requires", v.Required}, {"fix", v.Fix}} {
			if row[1] != "" && v.Verdict != wire.VerdictAllow {
				_, e := fmt.Fprintf(w, "gate %d %s %s: %s\n", v.Gate, v.Name, row[0], oneLine(row[1]))
				err = errors.Join(err, e)
			}
		}
	}
	return err
}
