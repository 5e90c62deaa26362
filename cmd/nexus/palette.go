package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	stdslices "slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
)

// commands is the command line behind the console's palette: the same tree, run in this process with the same signer. It
// satisfies tui.Commands; safe for concurrent use, for every run has an app of its own.
type commands struct {
	app   *app
	once  sync.Once
	verbs []tui.Verb
}

// actingVerbs gives each verb that changes something its danger. What stands neither here nor in readingVerbs asks first.
func actingVerbs() map[string]keymap.Danger {
	return map[string]keymap.Danger{
		"launch rerun": keymap.Reversible, "stop": keymap.Disruptive,
		"imvu create": keymap.Reversible, "platform create": keymap.Reversible, "stream channel create": keymap.Reversible,
		"ott channel create": keymap.Reversible,
		"imvu scale":         keymap.Reversible, "imvu suspend": keymap.Disruptive, "imvu resume": keymap.Reversible,
		"imvu transfer": keymap.Disruptive, "platform transfer": keymap.Disruptive, "stream channel transfer": keymap.Disruptive,
		"ott channel transfer": keymap.Disruptive,
		"imvu exit":            keymap.Irreversible, "platform exit": keymap.Irreversible, "imvu import": keymap.Disruptive, "platform import": keymap.Disruptive,
		"imvu rollback": keymap.Irreversible,
		"route set":     keymap.Reversible, "route drop": keymap.Reversible, "slices set": keymap.Reversible,
		"revenue record": keymap.Disruptive, "revenue import": keymap.Disruptive, "revenue refund": keymap.Disruptive,
		"revenue post": keymap.Disruptive, "revenue void": keymap.Disruptive, "revenue transfer": keymap.Irreversible,
		"revenue hold place": keymap.Disruptive, "revenue hold release": keymap.Disruptive, "revenue hold capture": keymap.Irreversible,
		"revenue payout set": keymap.Disruptive, "revenue payout request": keymap.Disruptive, "revenue payout post": keymap.Irreversible,
		"revenue payout void": keymap.Disruptive, "revenue statement": keymap.Disruptive,
		"identity revoke": keymap.Irreversible, "cluster remove": keymap.Irreversible, "ledger restore": keymap.Irreversible,
		"identity new": keymap.Reversible, "identity import": keymap.Reversible, "notices read": keymap.Reversible,
		"approvals propose": keymap.Reversible, "approvals withdraw": keymap.Disruptive, "ledger backup": keymap.Reversible, "cluster invite": keymap.Reversible,
	}
}

// readingVerbs change nothing.
func readingVerbs() []string {
	return []string{"status", "home",
		"version", "config show", "report list", "report show", "report verify", "ssh recordings", "ssh verify", "logs", "imvu list", "imvu show", "platform list",
		"imvu exit-status", "platform exit-status", "imvu verify-export", "platform verify-export",
		"platform show", "platform prove", "stream list", "stream show", "ott list", "ott show", "revenue tally", "revenue balance", "revenue journal",
		"revenue pending", "revenue hold list", "revenue payout list", "revenue sources", "route list", "route prove",
		"identity list", "identity show", "approvals list", "approvals show", "cluster members", "cluster edges",
		"ledger head", "ledger show", "ledger prove", "ledger verify",
		"gates list", "gates log", "gates explain", "gates try", "slices list", "slices show", "slices probe", "notices list",
		"notices show", "policy show", "policy try", "consent log", "exits list", "exits show", "revenue prices list", "revenue prices show",
		"revenue dispute show", "audit findings", "slices record", "audit", "verify", "doctor"}
}

// shellVerbs need a terminal of their own or run for ever: they are listed, with the reason why not from here.
func shellVerbs() map[string]string {
	return map[string]string{"console": "this is it", "launch": "the node runs; nexus launch starts another in a shell",
		"bench": "measure from a shell, not from what is measured",
		"man":   "read it in a shell: nexus man | man -l -", "docs": "writes files; run it in a shell", "completion": "for shells", "help": "? is the help here",
		"verify hostile": "run it in a shell"}
}

// Verbs implements tui.Commands.
func (c *commands) Verbs() []tui.Verb {
	c.once.Do(func() {
		reads := map[string]bool{}
		for _, v := range readingVerbs() {
			reads[v] = true
		}
		c.walk(c.app.root(), reads)
	})
	return c.verbs
}

func (c *commands) walk(cmd *cobra.Command, reads map[string]bool) {
	for _, sub := range cmd.Commands() {
		if sub.Hidden && sub.Annotations[elsewhereMark] == "" {
			continue
		}
		path := strings.TrimPrefix(sub.CommandPath(), "nexus ")
		verb, _, _ := strings.Cut(path, " ")
		why := shellVerbs()[path]
		if parent := shellVerbs()[verb]; why == "" && path != "launch rerun" {
			why = parent
		}
		if runs := sub.Runnable() && (!sub.HasSubCommands() || reads[path] || shellVerbs()[path] != ""); runs {
			v := tui.Verb{Path: path, Short: strings.TrimPrefix(sub.Short, notBuiltMark), Why: why, Args: strings.TrimSpace(strings.TrimPrefix(sub.Use, sub.Name()))}
			if c.app.guest != nil && !guestVerbs()[path] {
				v.Why = "not served over SSH"
			}
			if strings.HasPrefix(sub.Short, notBuiltMark) {
				v.Why = "not built in this version"
			}
			danger, known := actingVerbs()[path]
			switch {
			case known:
				v.Danger = danger
			case !reads[path]:
				v.Danger = keymap.Disruptive
			}
			c.verbs = append(c.verbs, v)
		}
		c.walk(sub, reads)
	}
}

// outputMost bounds what a command line may print into the console, in bytes.
const outputMost = 1 << 20

// cappedBuffer keeps the beginning of what is written and counts the rest.
type cappedBuffer struct {
	bytes.Buffer
	lost    int
	columns int // how wide the page is that shows it, in cells; 0: not known
}

// Columns is how wide the page is, for tables.
func (b *cappedBuffer) Columns() int { return b.columns }

func (b *cappedBuffer) Write(p []byte) (int, error) {
	room := max(outputMost-b.Len(), 0)
	b.lost += max(len(p)-room, 0)
	b.Buffer.Write(p[:min(len(p), room)])
	return len(p), nil
}

func (b *cappedBuffer) String() string {
	if b.lost > 0 {
		return b.Buffer.String() + fmt.Sprintf("\n(%d bytes more; run it in a shell)\n", b.lost)
	}
	return b.Buffer.String()
}

// inner makes an app for one command line: no terminal, nothing asked, this console's node and signer.
func (c *commands) inner(out, errs io.Writer) *app {
	getenv := func(name string) string {
		if name == "NEXUS_OUTPUT" { // pages are for people; -o json still works
			return ""
		}
		return c.app.getenv(name)
	}
	a := &app{in: strings.NewReader(""), out: out, err: errs, getenv: getenv, now: c.app.now}
	if c.app.guest != nil {
		g := *c.app.guest
		g.screen = false
		a.guest = &g
	}
	return a
}

func (c *commands) globals(readOnly bool) []string {
	if c.app.guest != nil {
		args := []string{"--no-tui"}
		if readOnly {
			args = append(args, "--read-only")
		}
		return args
	}
	args := []string{"--no-tui", "--data-dir=" + c.app.conf.text("data_dir")}
	if v := c.app.conf.text("identity"); v != "" {
		args = append(args, "--identity="+v)
	}
	if v := c.app.conf.text("config"); v != "" {
		args = append(args, "--config="+v)
	}
	if readOnly {
		args = append(args, "--read-only")
	}
	return args
}

// Run implements tui.Commands.
func (c *commands) Run(ctx context.Context, args []string, readOnly bool, columns int) tui.Outcome {
	undo := c.inverse(ctx, args)
	var errs cappedBuffer
	out := cappedBuffer{columns: columns}
	inner, globals := c.inner(&out, &errs), c.globals(readOnly)
	inner.silent = len(globals)
	code := inner.run(ctx, append(globals, args...))
	o := tui.Outcome{Code: code, Out: out.String(), Err: errs.String()}
	if code == exitDone {
		o.Undo = undo
		if id := proposalMade.FindStringSubmatch(o.Out); id != nil && proposes(args) { // its id is known only now
			o.Undo = []string{"approvals", "withdraw", id[1]}
		}
	}
	return o
}

// proposalMade finds the id of a proposal that a command line opened in what it printed.
var proposalMade = regexp.MustCompile(`(?m)^proposal +([0-9a-f]{32})$`)

// proposes reports whether a command line opens a proposal, which can be taken back.
func proposes(args []string) bool {
	words := positional(args)
	return stdslices.Contains(args, "--propose") || len(words) > 1 && (words[1] == "propose" || words[1] == "transfer" && words[0] != "revenue") ||
		len(words) > 2 && words[1] == "channel" && words[2] == "transfer"
}

// Complete implements tui.Commands: what the shells' completion offers, without its last line, the directive.
func (c *commands) Complete(ctx context.Context, args []string) []string {
	var out, errs cappedBuffer
	words := append([]string{cobra.ShellCompRequestCmd}, args[:len(args)-1]...)
	if c.app.guest == nil {
		words = append(words, "--data-dir="+c.app.conf.text("data_dir"))
	}
	words = append(words, args[len(args)-1])
	if c.inner(&out, &errs).run(ctx, words) != exitDone {
		return nil
	}
	var offers []string
	for _, line := range strings.Split(out.String(), "\n") {
		if line == "" || strings.HasPrefix(line, ":") {
			continue
		}
		word, about, _ := strings.Cut(line, "\t")
		if !strings.HasPrefix(word, args[len(args)-1]) || hidden(word) {
			continue
		}
		offers = append(offers, word+"\t"+about)
	}
	return offers
}

// hidden are flags that mean nothing here.
func hidden(flag string) bool {
	switch strings.TrimSuffix(flag, "=") {
	case "--no-tui", "--data-dir", "--identity", "--config", "--plain", "--mouse", "--theme", "--ascii", "--keys", "--read-only", "-i", "--interactive":
		return true
	}
	return false
}

// inverse works out, before an act, the command line that brings back what is there now: nil when nothing can. The parts it
// reads are those that the ledger keeps: envelope, slice, standing and routes.
func (c *commands) inverse(ctx context.Context, args []string) []string {
	if back := stayWords(args); back != nil {
		return back
	}
	words := positional(args)
	if len(words) < 3 {
		return nil
	}
	var out cappedBuffer
	a := c.inner(&out, io.Discard)
	a.args = args
	cmd := a.root()
	if a.configure(cmd) != nil {
		return nil
	}
	a.conf.values["data_dir"], a.conf.values["identity"] = c.app.conf.values["data_dir"], c.app.conf.values["identity"]
	n, err := a.connect(ctx)
	if err != nil {
		return nil
	}
	defer n.Close()
	d, _, err := n.unit(ctx, words[2])
	if err != nil {
		return nil
	}
	switch strings.Join(words[:2], " ") {
	case "imvu scale":
		return []string{"imvu", "scale", d.Label, fmt.Sprintf("--cpu=%g", d.Envelope.CPUCores), fmt.Sprintf("--memory=%dMiB", d.Envelope.MemoryBytes>>20),
			fmt.Sprintf("--storage=%dMiB", d.Envelope.StorageBytes>>20), fmt.Sprintf("--processes=%d", d.Envelope.Processes)}
	case "slices set":
		if stdslices.ContainsFunc(args, func(word string) bool { return strings.HasPrefix(word, "--sessions") }) { // a change of its own
			return []string{"slices", "set", d.Label, fmt.Sprintf("--sessions=%d", d.MaxSessions)}
		}
		return []string{"slices", "set", d.Label, "--class=" + d.Class, fmt.Sprintf("--guarantee=%d", d.GuaranteedBps),
			fmt.Sprintf("--ceiling=%d", d.CeilingBps), fmt.Sprintf("--budget=%v", time.Duration(d.BudgetMs*float64(time.Millisecond)))}
	case "imvu suspend":
		return []string{"imvu", "resume", d.Label}
	case "imvu resume":
		return []string{"imvu", "suspend", d.Label}
	case "route set", "route drop":
		return routeBack(&d, words)
	}
	return nil
}

// stayWords is the way back from the announcement of an exit, nil for any other command line.
func stayWords(args []string) []string {
	if len(args) < 3 || args[0] != "imvu" && args[0] != "platform" || args[1] != "exit" || stdslices.Contains(args, "--cancel") {
		return nil
	}
	flag := "--" + args[0] + "-id"
	for i, a := range args {
		if value, ok := strings.CutPrefix(a, flag+"="); ok {
			return []string{args[0], "exit", flag, value, "--cancel"}
		}
		if a == flag && i+1 < len(args) {
			return []string{args[0], "exit", flag, args[i+1], "--cancel"}
		}
	}
	return nil
}

// routeBack restores a route as it is now, or drops the one that is about to be made.
func routeBack(d *wire.UnitDetail, words []string) []string {
	if len(words) < 4 {
		return nil
	}
	for _, r := range d.Routes {
		if strings.EqualFold(r.Host, words[3]) {
			return []string{"route", "set", d.Label, r.Host, r.Backend}
		}
	}
	if words[1] == "set" {
		return []string{"route", "drop", d.Label, words[3]}
	}
	return nil
}

// positional leaves flags out; a flag's value that stands apart is taken for one word more, which does no harm here: units and
// hosts come first.
func positional(args []string) []string {
	var out []string
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			out = append(out, a)
		}
	}
	return out
}

// configFolder is where the user's theme and key files lie: beside the configuration that was named, else in the user's own folder.
func (a *app) configFolder() string {
	if a.conf != nil && a.guest == nil {
		if named := a.conf.text("config"); named != "" {
			return filepath.Dir(named)
		}
	}
	if home := a.getenv("XDG_CONFIG_HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, "nexus")
	}
	return filepath.Join(a.getenv("HOME"), ".config", "nexus")
}

// openUser opens a file of the user; not there is no error.
func openUser(path string) (*os.File, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	return f, err
}
