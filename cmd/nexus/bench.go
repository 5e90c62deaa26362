package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/bench"
	"github.com/BobbyBlanco400/nexus-cos/engine/bench/edge"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	consolebench "github.com/BobbyBlanco400/nexus-cos/tui/bench"
)

// consoleName is the bench of the console; the others are engine/bench's.
const consoleName = "console"

// benchNames lists what can be measured, with what it is.
func benchNames() [][2]string {
	return append(bench.Names(), [2]string{consoleName,
		"the console on a real pseudo-terminal: start, silence, bytes and CPU under load, keys, receipt to screen, 20,000 units, slow link, resizes, " +
			"floods of events, fifty over SSH"})
}

// benchesNotBuilt are the names whose subject this version does not have, or does not measure yet.
func benchesNotBuilt() []string {
	return []string{"dns", "mail", "compute", "cluster"}
}

func (a *app) benchCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bench [NAME]", Short: "Measure this machine", Args: maxOneArg,
		Long: `Measure this machine, on scratch data that is removed afterwards. Every figure is the median of several runs with its range; the load of
the machine stands above the table. Without a name: what can be measured. A missed budget is shown as MISSED and does not change the
exit code, which says whether it was measured.`,
		Example: "  nexus bench\n  nexus bench ledger\n  nexus bench console --runs 3 --duration 10s -o json",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, b := range benchNames() {
				names = append(names, b[0]+"\t"+b[1])
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		}}
	cmd.Flags().Int("runs", 3, "runs of each case")
	cmd.Flags().Duration("duration", 0, "length of each run (default: the bench's own, 3s, or 10s for console)")
	cmd.Flags().String("case", "", "ledger, console, exit: only cases whose name contains this; "+
		"edge: only floods, most requests and rates over TLS whose line contains this, a silent tenant, or groups")
	cmd.Flags().Int("events", 0, "history: how many events (default 1000000; 10000000 takes about 6 GB and some minutes)")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return a.listBenches()
		}
		o := bench.Options{}
		o.Case, _ = cmd.Flags().GetString("case")
		if o.Events, _ = cmd.Flags().GetInt("events"); o.Events < 0 {
			return usage(fmt.Sprintf("--events %d", o.Events), "a number above zero", "out of range")
		}
		runs, _ := cmd.Flags().GetInt("runs")
		length, _ := cmd.Flags().GetDuration("duration")
		if runs < 1 || length < 0 {
			return usage(fmt.Sprintf("--runs %d --duration %v", runs, length), "one run or more, of a positive length", "out of range")
		}
		o.Runs, o.Duration = runs, length
		return a.bench(ctx, args[0], o)
	})
	return cmd
}

// benchPartCommand is one process of a bench, started by it.
func (a *app) benchPartCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bench-part PART", Short: "Be one process of a bench", Hidden: true, Args: oneArg("PART"),
		Example: "  nexus bench-part backend"}
	cmd.RunE = a.do(func(ctx context.Context, _ *cobra.Command, args []string) error {
		if args[0] == partNode {
			return a.nodePart(ctx)
		}
		return edge.Part(ctx, args[0], a.in, a.out)
	})
	return cmd
}

func (a *app) listBenches() error {
	type line struct {
		Name string `json:"name"`
		What string `json:"what"`
	}
	var out struct {
		Benches []line `json:"benches"`
	}
	t := &table{head: []string{"NAME", "MEASURES"}}
	for _, b := range benchNames() {
		out.Benches = append(out.Benches, line{b[0], b[1]})
		t.add(b[0], b[1])
	}
	return a.print(out, t.print)
}

// bench makes the scratch directory and removes it.
func (a *app) bench(ctx context.Context, name string, o bench.Options) error {
	known := []string{}
	for _, b := range benchNames() {
		known = append(known, b[0])
	}
	if !contains(known, name) {
		why := "unknown"
		if contains(benchesNotBuilt(), name) {
			why = "not built in this version"
		}
		return usage(fmt.Sprintf("bench %q", name), "one of "+strings.Join(known, ", "), "%s", why)
	}
	dir, err := os.MkdirTemp("", "nexus-bench-")
	if err != nil {
		return nexus.Errf("bench", nexus.CodeUnavailable, "scratch directory", "free disk space", "%w", err)
	}
	defer os.RemoveAll(dir)
	if name == consoleName {
		return a.benchConsole(ctx, dir, o)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o.Dir, o.Binary, o.Env, o.Progress = dir, self, os.Environ(), a.err
	r, err := bench.Run(ctx, name, o)
	if err != nil {
		return err
	}
	return a.print(r, func(w io.Writer) error { r.Table(w); return nil })
}

func (a *app) benchConsole(ctx context.Context, dir string, o bench.Options) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r, err := consolebench.Run(ctx, consolebench.Options{Binary: self, Env: os.Environ(), Dir: dir, Case: o.Case, Runs: o.Runs, Duration: o.Duration,
		Progress:     a.err,
		StartNode:    func(ctx context.Context) (consolebench.Node, error) { return a.benchNode(ctx) },
		StartFlooded: func(ctx context.Context) (consolebench.FloodNode, error) { return a.floodNode(ctx, dir) }})
	if err != nil {
		return err
	}
	if n := r.Missed(); n > 0 {
		a.say("bench console: %d budgets were missed", n)
	}
	return a.print(r, r.Table)
}

// loadUnits is the number of units among which the load is spread, beside the marked one.
const loadUnits = 8

// benchNode is a node in a scratch directory with units that nobody of the bench owns. Safe for concurrent use.
type benchNode struct {
	*node
	dir   string
	stop  func()
	mark  nexus.ID
	units []nexus.ID
	salt  string        // of the event ids
	count atomic.Uint64 // events so far

	guests atomic.Uint64 // let in over SSH so far
}

// benchNode launches it. Every unit has its slice and its probe, as in a node of that size.
func (a *app) benchNode(ctx context.Context) (*benchNode, error) {
	quiet := &app{in: a.in, out: io.Discard, err: io.Discard, getenv: a.getenv, now: a.now, conf: a.conf}
	stop, err := quiet.launchScratch(ctx, "--ssh", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return a.furnish(ctx, a.conf.text("data_dir"), stop)
}

// furnish connects to a scratch node and makes the units of the load on it. On error the node is stopped.
func (a *app) furnish(ctx context.Context, dir string, stop func()) (*benchNode, error) {
	b := &benchNode{dir: dir, stop: stop}
	var err error
	if b.node, err = a.connect(ctx); err != nil {
		stop()
		return nil, err
	}
	var salt nexus.ID
	if _, err := rand.Read(salt[:]); err != nil {
		b.Close()
		return nil, err
	}
	b.salt = salt.String()
	for i := range loadUnits + 1 {
		r, err := b.act(ctx, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: fmt.Sprintf("Bench %d", i), OwnerName: state.PlatformName})
		var made state.UnitCreated
		if err == nil {
			err = nexus.Decode(r.Result, &made)
		}
		if err != nil {
			b.Close()
			return nil, err
		}
		b.units = append(b.units, made.ID)
	}
	b.mark, b.units = b.units[0], b.units[1:]
	return b, nil
}

// DataDir implements consolebench.Node, as the methods after it.
func (b *benchNode) DataDir() string { return b.dir }

func (b *benchNode) event(unit nexus.ID, minor int64) state.RevenueEvent {
	return state.RevenueEvent{EventID: fmt.Sprintf("%s-%d", b.salt, b.count.Add(1)), Unit: unit, Kind: "sale",
		Currency: consolebench.MarkCurrency, Minor: minor, TimeMs: time.Now().UnixMilli()}
}

func (b *benchNode) post(ctx context.Context, events []state.RevenueEvent) error {
	_, err := b.act(ctx, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: events})
	return err
}

func (b *benchNode) Post(ctx context.Context, n int) error {
	events := make([]state.RevenueEvent, n)
	for i := range events {
		events[i] = b.event(b.units[i%len(b.units)], int64(i%9973)+1)
	}
	return b.post(ctx, events)
}

func (b *benchNode) Mark(ctx context.Context) error {
	return b.post(ctx, []state.RevenueEvent{b.event(b.mark, consolebench.MarkMinor)})
}

func (b *benchNode) Marked(ctx context.Context) (int64, error) {
	t, err := get[wire.Tally](ctx, b.node, "/v1/tally")
	for _, r := range t.Units {
		if r.UnitID == b.mark.String() {
			return r.Gross, err
		}
	}
	return 0, err
}

func (b *benchNode) Overview(ctx context.Context) (*wire.Overview, error) {
	o, err := get[wire.Overview](ctx, b.node, "/v1/overview")
	return &o, err
}

// Guests implements consolebench.Node. The keys lie in the node's scratch directory and go with it.
func (b *benchNode) Guests(ctx context.Context, n int) (addr string, keyFiles []string, err error) {
	for range n {
		name := fmt.Sprintf("guest-%d", b.guests.Add(1))
		path := identity.KeyPath(b.dir, name)
		key, err := identity.GenerateKey(path, name)
		if err != nil {
			return "", nil, err
		}
		issue := state.IdentityIssue{Name: name, Key: key.Public(), Role: uint8(gates.RoleOperator)}
		if _, err := b.act(ctx, state.KindIdentityIssue, nexus.ID{}, issue); err != nil {
			return "", nil, err
		}
		keyFiles = append(keyFiles, path)
	}
	return b.file.Addresses["ssh"], keyFiles, nil
}

// collectionMost bounds waiting for collections: the runtime has one every two minutes at least.
const collectionMost = 5 * time.Minute

// Held implements consolebench.Node, from what the node tells Prometheus. The runtime sets its next collection to when live objects,
// stacks and globals would be doubled; globals are small. Of two collections that ended since, the second began since.
func (b *benchNode) Held(ctx context.Context) (bytes float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, collectionMost)
	defer cancel()
	for first := -1.0; ; {
		text, err := b.metrics(ctx)
		if err != nil {
			return 0, err
		}
		var v [3]float64
		for i, name := range []string{"go_gc_duration_seconds_count", "go_memstats_next_gc_bytes", "go_memstats_stack_inuse_bytes"} {
			if v[i], err = gauge(text, name); err != nil {
				return 0, err
			}
		}
		if first < 0 {
			first = v[0]
		}
		if v[0] >= first+2 {
			return (v[1]-v[2])/2 + v[2], nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (b *benchNode) Gauge(ctx context.Context, name string) (float64, error) {
	text, err := b.metrics(ctx)
	if err != nil {
		return 0, err
	}
	return gauge(text, name)
}

func (b *benchNode) metrics(ctx context.Context) (text string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.file.Addresses["metrics"]+"/metrics", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	return string(all), err
}

// gauge reads a figure without labels from Prometheus's text.
func gauge(text, name string) (float64, error) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(rest), 64)
		}
	}
	return 0, fmt.Errorf("the node's metrics have no %s", name)
}

func (b *benchNode) Close() {
	b.node.Close()
	b.stop()
}
