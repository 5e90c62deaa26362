package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/launch"
	nodes "github.com/BobbyBlanco400/nexus-cos/engine/node"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func (a *app) launchCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "launch", Short: "Bring everything up in twelve phases, and say honestly what was found", Args: noArgs,
		Long: `On a terminal the node starts as a session of its own and the console attaches to it: losing the console or the SSH line never
stops the node. Without a terminal, or with --no-tui, the launch runs headless: progress on stderr, the verdict on stdout,
then the node is stopped and the exit code is the verdict (0 passed, 1 degraded or failed).`,
		Example: `  nexus launch
  nexus launch --no-tui --allow-degraded
  nexus launch --no-tui --detach
  nexus launch --no-tui --serve -o json
  nexus launch --no-tui --serve --ssh 127.0.0.1:2222
  nexus launch --no-tui --only nn5g,mini-platforms`}
	a.addFlags(cmd.Flags(), true)
	cmd.Flags().Bool("serve", false, "headless: go on serving in the foreground after passed or degraded, until SIGTERM")
	cmd.Flags().Bool("detach", false, "headless: return the verdict and leave the node serving")
	cmd.Flags().Bool("keep-failed", false, "stay up after a failed launch, for the console")
	_ = cmd.Flags().MarkHidden("keep-failed") // fails only for a flag that is not there
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		if err := a.refuseNotBuilt(); err != nil {
			return err
		}
		serve, _ := cmd.Flags().GetBool("serve")
		detach, _ := cmd.Flags().GetBool("detach")
		keep, _ := cmd.Flags().GetBool("keep-failed")
		if serve && detach {
			return usage("--serve, --detach", "give one of them", "exclude each other")
		}
		ok, why := a.interactive()
		switch {
		case detach:
			return a.launchDetached(ctx)
		case ok && !serve:
			return a.launchTerminal(ctx, cmd)
		case !ok && why != "--no-tui":
			a.say("running headless, as with --no-tui: %s", why)
		}
		return a.launchHere(ctx, serve, keep)
	})
	cmd.AddCommand(a.rerunCommand())
	return cmd
}

func (a *app) rerunCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "rerun PHASE", Short: "Run a phase of the running node again, and what depends on it", Args: oneArg("PHASE"),
		Long:    "PHASE is a number or a name. The act is a signed action, phase.rerun, with a gate decision like any other; the phases then run in the node.",
		Example: "  nexus launch rerun 8\n  nexus launch rerun nn5g",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var out []string
			for _, p := range wire.PhaseNames() {
				out = append(out, p.Name+"\t"+p.Title)
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		}}
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, args []string) error {
		numbers, err := phaseNumbers(args)
		if err != nil || len(numbers) != 1 {
			return usage("PHASE "+args[0], "write 1 to 12 or a name such as nn5g", "no such phase")
		}
		if err := n.rerun(ctx, numbers[0]); err != nil {
			return err
		}
		a.say("phase %d runs again; follow it with nexus status or in the console", numbers[0])
		return nil
	})
	return cmd
}

// rerun has the node run a phase again: by a signed action once there is a ledger to record it.
func (n *node) rerun(ctx context.Context, phase int) error {
	if n.Cluster().IsZero() || n.file.LedgerOn != "" {
		return n.Post(ctx, fmt.Sprintf("/v1/phases/%d/rerun", phase), struct{}{}, nil)
	}
	r, err := n.act(ctx, state.KindPhaseRerun, nexus.ID{}, state.PhaseRerun{Phase: uint32(phase)})
	if err == nil {
		n.app.say("decision %d", r.Index)
	}
	return err
}

// nodeConfig turns the configuration into the node's.
func (a *app) nodeConfig() (nodes.Config, error) {
	c := a.conf
	b := buildInfo()
	cfg := nodes.Config{DataDir: c.text("data_dir"), RuntimeDir: a.getenv("XDG_RUNTIME_DIR"), Profile: c.text("profile"), NodeName: c.text("node_name"),
		BaseDomain: c.text("base_domain"), Jurisdiction: c.text("jurisdiction"), GatewayAddr: c.text("gateway"), GatewayTLSAddr: c.text("gateway_tls"),
		GossipAddr: c.text("gossip"), JoinSeeds: c.list("join"), ReportDir: c.text("report_dir"), LogDir: c.text("log_dir"), Version: b.Version,
		Commit: b.Commit, BuildTime: b.time(), Command: os.Args, LogLevel: slog.LevelInfo}
	cfg.MetricsAddr, cfg.LogHTTPAddr = c.text("metrics"), c.text("log_http")
	if self, err := os.Executable(); err == nil { // without it the node starts no edge processes, and says so
		cfg.Binary = self
	}
	if cfg.SSHAddr = c.text("ssh"); cfg.SSHAddr != "" {
		cfg.OpenSSH = a.openSSH(cfg.SSHAddr, cfg.DataDir, c.text("ssh_record"))
	} else if c.text("ssh_record") != "" {
		return cfg, usage("--ssh-record", "give --ssh ADDRESS too", "records the sessions of an SSH console that is not opened")
	}
	var err error
	if cfg.Witnesses, err = witnessTargets(c.list("witness")); err != nil {
		return cfg, err
	}
	if len(cfg.Witnesses) > 0 && c.text("join_token") != "" {
		return cfg, usage("--witness", "give it to the node that holds the ledger", "a node that joins has no log to be cosigned")
	}
	if cfg.Only, err = phaseNumbers(c.list("only")); err != nil {
		return cfg, usage("--only", "", "%w", err)
	}
	if cfg.Skip, err = phaseNumbers(c.list("skip")); err != nil {
		return cfg, usage("--skip", "", "%w", err)
	}
	for _, n := range cfg.Skip {
		if p := launch.Phases()[n-1]; p.Mandatory {
			return cfg, usage("--skip "+p.Name, "leave it out", "this phase cannot be skipped")
		}
	}
	if spec := c.text("operator_key"); spec != "" {
		if cfg.OperatorKey, err = identity.LoadPublic(spec); err != nil {
			return cfg, err
		}
	}
	if len(cfg.JoinSeeds) > 0 && c.text("join_token") == "" {
		return cfg, usage("--join-token", "ask an operator for nexus cluster invite", "is required with --join")
	}
	if path := c.text("join_token"); path != "" {
		const tokenMax = 16 << 10
		token, err := os.ReadFile(path)
		if err != nil || len(token) > tokenMax {
			return cfg, usage("--join-token "+path, "give the file that nexus cluster invite wrote", "not readable: %v", err)
		}
		cfg.JoinToken = strings.TrimSpace(string(token))
	}
	return cfg, nil
}

// launchHere launches in this process: progress on stderr (or as JSON lines on stdout), then the verdict.
func (a *app) launchHere(ctx context.Context, serve, keepFailed bool) error {
	cfg, err := a.nodeConfig()
	if err != nil {
		return err
	}
	shown := a.newHeadless()
	defer shown.stop()
	cfg.Emit = shown.line
	n, err := nodes.Start(cfg)
	if err != nil {
		return err
	}
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with run at the latest
		select {
		case <-n.StopAsked():
			cancel()
		case <-run.Done():
		}
	}()
	started := a.now()
	line := n.Launch(run)
	shown.stop()
	if line.Status == wire.StatusFailed && ctx.Err() == nil {
		a.sayWhy(&n.Overview().Launch)
	}
	var problems []error
	if path := a.conf.text("junit"); path != "" {
		results := n.Results()
		problems = append(problems, writeJUnit(path, phasesOf(results[:]), started))
	}
	if (serve && line.Status != wire.StatusFailed || keepFailed) && ctx.Err() == nil {
		problems = append(problems, n.Serve(ctx))
	}
	problems = append(problems, within(stopMax, n.Stop))
	if ctx.Err() != nil && !serve {
		return ctx.Err()
	}
	for _, err := range problems {
		if err != nil {
			return err
		}
	}
	return a.verdict(line.Status)
}

// stopMax bounds the orderly stop of a node. A store whose directory is gone or whose disk is full may never finish writing
// what it could also rebuild from the log: nothing that was acknowledged depends on it.
const stopMax = 20 * time.Second

// within runs stop and gives up on it after a time; the process ends then, and what stop was doing with it.
func within(limit time.Duration, stop func() error) error {
	done := make(chan error, 1)
	go func() { done <- stop() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return nexus.Errf("stop", nexus.CodeUnavailable, "node", "check the disk and the data directory; the next launch completes from the log",
			"not done within %s, ended all the same", limit)
	}
}

// verdict is the exit of a launch.
func (a *app) verdict(status string) error {
	if status == wire.StatusPassed || status == wire.StatusDegraded && a.conf.yes("allow_degraded") {
		return nil
	}
	return failed{exitFailed}
}

// parseLine reads a launch line back from its JSON.
func parseLine(raw []byte) (any, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, err
	}
	switch head.Type {
	case wire.LineVersion:
		return decodeLine[wire.VersionLine](raw)
	case wire.LinePhaseStarted:
		return decodeLine[wire.PhaseStartedLine](raw)
	case wire.LinePhaseCheck:
		return decodeLine[wire.PhaseCheckLine](raw)
	case wire.LinePhaseFinished:
		return decodeLine[wire.PhaseFinishedLine](raw)
	case wire.LineLaunchFinished:
		return decodeLine[wire.LaunchFinishedLine](raw)
	}
	return nil, nexus.Errf("launch", nexus.CodeInternal, fmt.Sprintf("line of type %q", head.Type), "", "%w", errUnknownLine)
}

// errUnknownLine is a line of a type that this version does not know.
var errUnknownLine = errors.New("unknown")

func decodeLine[T any](raw []byte) (any, error) {
	var v T
	err := json.Unmarshal(raw, &v)
	return v, err
}

// stateFolder is where this user's drafts lie, made when missing; empty when it cannot be.
func (a *app) stateFolder() string {
	home := a.getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(home) {
		home = filepath.Join(a.getenv("HOME"), ".local", "state")
	}
	dir := filepath.Join(home, "nexus")
	if os.MkdirAll(dir, 0o700) != nil {
		return ""
	}
	return dir
}
