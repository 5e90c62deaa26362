package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/doctor"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// nodeStatus is the answer of status.
type nodeStatus struct {
	Status     string          `json:"status"` // healthy, degraded, failed, launching, stopping
	Node       wire.NodeInfo   `json:"node"`
	Phases     []wire.Phase    `json:"phases"`
	Components []component     `json:"components"`
	Ledger     wire.LedgerInfo `json:"ledger"`
	LedgerOn   string          `json:"ledger_on,omitempty"`
}

// component is something that runs, with its address.
type component struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Status  string `json:"status"`
}

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "status", Short: "Health per phase and component (exit 0 healthy, 1 degraded or failed, 3 no node)", Args: noArgs,
		Example: "  nexus status\n  nexus status -o json"}
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error {
		o, err := get[wire.Overview](ctx, n, "/v1/overview")
		if err != nil {
			return err
		}
		s := statusOf(o)
		if err := a.print(s, func(w io.Writer) error { return printStatus(w, s) }); err != nil {
			return err
		}
		if s.Status != "healthy" {
			return failed{exitFailed}
		}
		return nil
	})
	return cmd
}

// statusOf sums an overview up. Healthy means: the launch passed and the node serves.
func statusOf(o wire.Overview) nodeStatus {
	s := nodeStatus{Status: o.Node.State, Node: o.Node, Phases: o.Launch.Phases[:], Ledger: o.Ledger, LedgerOn: o.Ledger.On, Components: []component{}}
	if o.Node.State == wire.NodeServing {
		s.Status = "healthy"
		for _, p := range o.Launch.Phases {
			if p.Status != wire.StatusPassed {
				s.Status = wire.NodeDegraded
			}
		}
	}
	names := make([]string, 0, len(o.Node.Addresses))
	for name := range o.Node.Addresses {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		s.Components = append(s.Components, component{name, o.Node.Addresses[name], "up"})
	}
	for _, m := range o.Cluster {
		s.Components = append(s.Components, component{"member " + m.Name, m.Addr, m.State})
	}
	return s
}

func printStatus(w io.Writer, s nodeStatus) error {
	fmt.Fprintf(w, "%s: node %s, pid %d, cluster %s, version %s, since %s\n\n", s.Status, clean(s.Node.Name), s.Node.PID, s.Node.Cluster, s.Node.Version,
		when(s.Node.Started))
	if words := otherVersion(s.Node.Version, buildInfo().Version); words != "" {
		fmt.Fprintf(w, "%s\n\n", clean(words))
	}
	t := &table{head: []string{">PHASE", "NAME", "STATUS", ">ms", "REASON"}}
	for _, p := range s.Phases {
		t.add(strconv.Itoa(p.Number), p.Name, p.Status, strconv.FormatInt(p.DurationMs, 10), p.Reason)
	}
	if err := t.print(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = &table{head: []string{"COMPONENT", "STATUS", "ADDRESS"}, none: "no component is up yet"}
	for _, c := range s.Components {
		t.add(c.Name, c.Status, c.Address)
	}
	if err := t.print(w); err != nil {
		return err
	}
	if s.Node.SSHHostKey != "" {
		fmt.Fprintf(w, "\nssh console: host key %s\n", clean(s.Node.SSHHostKey))
	}
	if s.LedgerOn != "" {
		_, err := fmt.Fprintf(w, "\nledger is on %s\n", clean(s.LedgerOn))
		return err
	}
	_, err := fmt.Fprintf(w, "\nledger %d entries, verified %d of %d, %d cosigners\n", s.Ledger.Size, s.Ledger.Verified, s.Ledger.Entries, s.Ledger.Cosigners)
	if err != nil || len(s.Ledger.Witnesses) == 0 {
		return err
	}
	fmt.Fprintln(w)
	return printWitnesses(w, s.Ledger.Witnesses)
}

// stopTimeout is how long stop waits when --timeout does not say.
const stopTimeout = 30 * time.Second

func (a *app) stopCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "stop", Short: "Stop the node in order, by a signed action", Args: noArgs, Example: "  nexus stop --timeout 30s"}
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error {
		if a.conf.duration("timeout") == 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, stopTimeout, errTimeout)
			defer cancel()
		}
		if err := n.stop(ctx); err != nil {
			return err
		}
		return a.print(struct {
			Stopped string `json:"stopped"`
			PID     int    `json:"pid"`
		}{n.file.Name, n.file.PID}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "stopped %s, pid %d\n", clean(n.file.Name), n.file.PID)
			return err
		})
	})
	return cmd
}

// stop asks the node to stop and waits until its process is gone. A node that holds no ledger takes no action; its own user
// ends it by the signal that also ends a foreground one.
func (n *node) stop(ctx context.Context) error {
	if n.file.LedgerOn != "" {
		if err := terminate(n.file.PID); err != nil {
			return err
		}
	} else if _, err := n.act(ctx, state.KindNodeStop, nexus.ID{}, struct{}{}); err != nil {
		return err
	}
	return n.gone(ctx)
}

// gone waits for the process to end.
func (n *node) gone(ctx context.Context) error {
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	for control.Alive(n.file.PID) {
		select {
		case <-ctx.Done():
			return nexus.Errf("stop", nexus.CodeUnavailable, fmt.Sprintf("pid %d", n.file.PID), "wait longer with --timeout, or see nexus logs",
				"still running: %w", context.Cause(ctx))
		case <-t.C:
		}
	}
	return nil
}

func terminate(pid int) error {
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Signal(os.Interrupt)
	}
	if err != nil {
		return nexus.Errf("stop", nexus.CodeUnavailable, fmt.Sprintf("pid %d", pid), "run it as the user of the node", "%w", err)
	}
	return nil
}

func (a *app) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "doctor", Short: "Check this machine for all that launch needs, and say how to mend what is missing", Args: noArgs,
		Example: "  nexus doctor\n  nexus doctor -o json"}
	a.addFlags(cmd.Flags(), true)
	cmd.RunE = a.do(func(ctx context.Context, _ *cobra.Command, _ []string) error {
		o := a.doctorOptions()
		if !a.conf.json() {
			o.Report = func(c doctor.Check) { fmt.Fprintln(a.out, checkLine(c)) }
		}
		checks := doctor.Run(ctx, o)
		verdict := doctor.Verdict(checks)
		err := a.print(struct {
			Verdict string         `json:"verdict"`
			Checks  []doctor.Check `json:"checks"`
		}{verdict, checks}, func(w io.Writer) error { _, err := fmt.Fprintln(w, verdict); return err })
		if err == nil && verdict == wire.StatusFailed {
			return failed{exitFailed}
		}
		return err
	})
	return cmd
}

func (a *app) doctorOptions() doctor.Options {
	dir := a.conf.text("data_dir")
	o := doctor.Options{DataDir: dir, SocketPath: control.SocketPath(dir, a.getenv("XDG_RUNTIME_DIR"))}
	for _, s := range []struct{ key, network string }{{"gateway", "tcp"}, {"gateway_tls", "tcp"}, {"gossip", "tcp"}, {"gossip", "udp"}} {
		if addr := a.conf.text(s.key); addr != "" {
			o.Addresses = append(o.Addresses, doctor.Address{Name: s.key, Network: s.network, Addr: addr})
		}
	}
	if file, err := control.ReadNodeFile(dir); err == nil && control.Alive(file.PID) {
		o.NodePID = file.PID
	}
	if t, err := time.Parse(time.RFC3339, buildTime); err == nil {
		o.BuildTime = t
	}
	return o
}
