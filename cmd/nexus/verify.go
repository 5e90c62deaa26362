package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/suite"
)

func (a *app) verifyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "verify [SUITE]...", Short: "Run the live suites against the running stack",
		Long: `Suites: creator-splits, network-slices, exit, audit, hostile, all. Without one, the four of launch phase 10, of which
network-slices runs only when it is named: it starts edge processes of its own, floods and kills them for about a minute. They act on probe
units in test money and never touch real accounts. Exits 1 unless every check passed; a suite that this version does not have
counts no checks and is named.`,
		Example: "  nexus verify\n  nexus verify creator-splits audit --junit verify.xml\n  nexus verify --ephemeral",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return suiteNames(), cobra.ShellCompDirectiveNoFileComp
		}}
	cmd.Flags().String("junit", "", "also write the result as JUnit XML")
	cmd.Flags().Bool("ephemeral", false, "launch a node in a scratch directory, verify it and stop it")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		for _, name := range args {
			if !contains(suiteNames(), name) {
				return usage(fmt.Sprintf("suite %q", name), "one of creator-splits, network-slices, exit, audit, hostile, all", "unknown")
			}
		}
		if scratch, _ := cmd.Flags().GetBool("ephemeral"); scratch {
			stop, err := a.launchScratch(ctx)
			if err != nil {
				return err
			}
			defer stop()
		}
		n, err := a.connect(ctx)
		if err != nil {
			return err
		}
		defer n.Close()
		return n.runSuites(ctx, cmd, args)
	})
	return cmd
}

func suiteNames() []string {
	return []string{suite.CreatorSplits, suite.NetworkSlices, suite.Exit, suite.Audit, suite.Hostile, suite.All}
}

func (n *node) runSuites(ctx context.Context, cmd *cobra.Command, names []string) error {
	if _, err := n.pinned(ctx); err != nil {
		return err
	}
	started := n.app.now()
	var s wire.Suites
	if err := n.Post(ctx, "/v1/suites", wire.SuiteRequest{Suites: names}, &s); err != nil {
		return err
	}
	if path, _ := cmd.Flags().GetString("junit"); path != "" {
		if err := writeJUnit(path, suitesOf(s), started); err != nil {
			return err
		}
	}
	if err := n.app.print(s, func(w io.Writer) error { return printSuites(w, s) }); err != nil {
		return err
	}
	// The log must still continue what was seen before: a suite that rewrote it would be found here.
	if _, err := n.pinned(ctx); err != nil {
		return err
	}
	for _, r := range s.Suites {
		if r.Status == wire.StatusFailed {
			return failed{exitFailed}
		}
	}
	if s.Passed != s.Checks || s.Checks == 0 {
		return failed{exitFailed}
	}
	return nil
}

func printSuites(w io.Writer, s wire.Suites) error {
	for _, r := range s.Suites {
		fmt.Fprintf(w, "%s: %s", r.Suite, r.Status)
		if r.Reason != "" {
			fmt.Fprintf(w, " (%s)", clean(r.Reason))
		}
		fmt.Fprintln(w)
		for _, c := range r.Checks {
			fmt.Fprintln(w, "  "+checkLine(c))
		}
	}
	_, err := fmt.Fprintf(w, "%d checks, %d passed\n", s.Checks, s.Passed)
	return err
}

// checkLine words one check.
func checkLine(c wire.Check) string {
	line := fmt.Sprintf("%-8s %s", c.Status, clean(c.Name))
	if figure := c.Figure(); figure != "" {
		line += " = " + figure
	}
	if c.Detail != "" {
		line += ": " + clean(c.Detail)
	}
	if c.Remedy != "" && c.Status != wire.StatusPassed {
		line += " -> " + clean(c.Remedy)
	}
	return line
}

// launchScratch launches a node of this same binary in a scratch directory, with more flags if given, and makes it the one that is spoken to. The
// returned function stops it and removes the directory.
func (a *app) launchScratch(ctx context.Context, flags ...string) (func(), error) {
	dir, err := os.MkdirTemp("", "nexus-ephemeral-")
	if err != nil {
		return nil, nexus.Errf("verify", nexus.CodeUnavailable, "scratch directory", "free disk space", "%w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	stop := func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		stopping := exec.CommandContext(limit, self, "stop", "--data-dir", data)
		stopping.Stderr = io.Discard
		_ = stopping.Run() // a node that never came up has nothing to stop
		_ = os.RemoveAll(dir)
	}
	args := append([]string{"launch", "--no-tui", "--detach", "--allow-degraded", "--data-dir", data, "--profile", "dev"}, flags...)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stdout, cmd.Stderr = a.err, a.err
	if err := cmd.Run(); err != nil {
		stop()
		return nil, nexus.Errf("verify", nexus.CodeUnavailable, "ephemeral node", "see the lines above", "%w", err)
	}
	a.conf.values["data_dir"] = configValue{data, "--ephemeral"}
	a.conf.values["identity"] = configValue{"", "--ephemeral"}
	return stop, nil
}

func (a *app) auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "The stack scrub: every unit held against the constitution", Args: noCommand,
		Long:    "Splits recomputed from the entries, ledger completeness, enforcing gates, policy violations. Exits 1 when there is a finding.",
		Example: "  nexus audit\n  nexus audit --unit IMVU-001 -o json\n  nexus audit --follow"}
	cmd.AddCommand(a.findingsCommand())
	cmd.Flags().String("unit", "", "only this unit")
	cmd.Flags().BoolP("follow", "f", false, "repeat until interrupted; exits 1 with the first finding")
	cmd.Flags().Duration("every", 10*time.Second, "with --follow: time between two scrubs")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		follow, _ := cmd.Flags().GetBool("follow")
		every, _ := cmd.Flags().GetDuration("every")
		if every < time.Second {
			return usage("--every "+every.String(), "1s or more", "too short")
		}
		for {
			if err := n.audit(ctx, cmd); err != nil || !follow {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(every):
			}
		}
	})
	return cmd
}

func (n *node) audit(ctx context.Context, cmd *cobra.Command) error {
	if _, err := n.pinned(ctx); err != nil {
		return err
	}
	path := "/v1/audit"
	if word, _ := cmd.Flags().GetString("unit"); word != "" {
		path += "?unit=" + url.QueryEscape(word)
	}
	var r wire.AuditReport
	if err := n.Post(ctx, path, struct{}{}, &r); err != nil {
		return err
	}
	err := n.app.print(r, func(w io.Writer) error {
		for _, f := range r.Findings {
			fmt.Fprintf(w, "FINDING  %s: %s; required: %s; evidence: %s\n", oneLine(f.Where), oneLine(f.What), oneLine(f.Required), oneLine(f.Evidence))
		}
		_, err := fmt.Fprintf(w, "%s audited %d units, %d checks, %d findings\n", when(r.Time), r.Units, r.Checks, len(r.Findings))
		return err
	})
	if err == nil && len(r.Findings) > 0 {
		return failed{exitFailed}
	}
	return err
}
