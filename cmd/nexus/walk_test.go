//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// liveNode launches a node by the real binary, in directories of its own, and ends it with the test.
type liveNode struct {
	t   *testing.T
	env []string
	dir string
}

func launchNode(t *testing.T, flags ...string) *liveNode {
	dir := t.TempDir()
	n := &liveNode{t: t, dir: filepath.Join(dir, "data"), env: []string{"HOME=" + dir, "NEXUS_DATA_DIR=" + filepath.Join(dir, "data"), "XDG_RUNTIME_DIR=" + dir,
		"TERM=xterm-256color", "LC_ALL=C.UTF-8", "PATH=" + os.Getenv("PATH")}}
	t.Cleanup(func() { endNodes(t, dir) })
	n.run(append([]string{"launch", "--no-tui", "--detach", "--allow-degraded"}, flags...)...)
	return n
}

// run runs a command line and gives what it printed; it must succeed.
func (n *liveNode) run(args ...string) string {
	n.t.Helper()
	out, errs, code := n.try(args...)
	if code != 0 {
		n.t.Fatalf("nexus %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

func (n *liveNode) try(args ...string) (out, errs string, code int) {
	cmd := exec.Command(binary, args...)
	var o, e strings.Builder
	cmd.Env, cmd.Stdout, cmd.Stderr = n.env, &o, &e
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		n.t.Fatal(err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// newest is the newest decision about a kind of action, and of a unit when one is named; nil without any.
func (n *liveNode) newest(kind string, unit ...string) *wire.DecisionRow {
	n.t.Helper()
	var log wire.Decisions
	if err := json.Unmarshal([]byte(n.run("gates", "log", "-o", "json")), &log); err != nil {
		n.t.Fatal(err)
	}
	for i := range log.Decisions {
		if d := &log.Decisions[i]; d.Action == kind && (len(unit) == 0 || d.UnitLabel == unit[0]) {
			return &log.Decisions[i]
		}
	}
	return nil
}

// eventuallyTrue retries until the deadline.
func eventuallyTrue(t *testing.T, what string, holds func() bool, show func() string) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen:\n%s", what, show())
		}
	}
}

// openConsole attaches the real console on a terminal of its own.
func (n *liveNode) openConsole(columns, rows int, args ...string) (*tuitest.Screen, *exec.Cmd) {
	n.t.Helper()
	screen, cmd := n.startConsole(columns, rows, args...)
	eventuallyTrue(n.t, "the first picture", func() bool { return screen.Shows("Launch 12/12") }, screen.Text)
	return screen, cmd
}

// startConsole does not wait for what the console shows first.
func (n *liveNode) startConsole(columns, rows int, args ...string) (*tuitest.Screen, *exec.Cmd) {
	n.t.Helper()
	cmd := exec.Command(binary, append([]string{"console"}, args...)...)
	cmd.Env = n.env
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)})
	if err != nil {
		n.t.Fatal(err)
	}
	screen := tuitest.NewScreen(master, vt10x.New(vt10x.WithSize(columns, rows)))
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended already, mostly
		_ = cmd.Wait()
		_ = master.Close()
	})
	return screen, cmd
}

func typeKeys(t *testing.T, s *tuitest.Screen, keys string) {
	t.Helper()
	if err := s.Press(keys); err != nil {
		t.Fatal(err)
	}
}

// Every key of the console that changes something does what a verb of the command line does, is judged by the 17 gates, and
// leaves an entry in the ledger that can be proved. The walk covers the key map: a new acting key without a step here fails.
func TestEveryActingKeyIsDecidedAndRecorded(t *testing.T) {
	t.Parallel()
	n := launchNode(t)
	n.run("imvu", "create", "--name", "Walk")
	screen, _ := n.openConsole(160, 48)
	steps := map[keymap.Action]struct{ keys, shows, kind string }{
		keymap.Create:   {"6", ":imvu create --name ", "imvu.create"},
		keymap.Guide:    {"0", "What shall it be?", "imvu.create"},
		keymap.Scale:    {"6g/walk\r", ":imvu scale IMVU-001", "imvu.scale"},
		keymap.Standing: {"6", "Do it?", "imvu.suspend"},
		keymap.Undo:     {"", "done", "imvu.resume"},
		keymap.Rerun:    {"1g", "runs again", "phase.rerun"},
	}
	answers := map[keymap.Action]string{keymap.Create: "Second\r", keymap.Guide: "\r\rThird\r\r\r\r\r\r\r", keymap.Scale: " --cpu 3\r", keymap.Standing: "y"}
	keys, err := keymap.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	verbs := map[string]bool{}
	for _, v := range (&commands{app: &app{getenv: os.Getenv, now: time.Now}}).Verbs() {
		verbs[v.Path] = true
	}
	for _, action := range []keymap.Action{keymap.Create, keymap.Guide, keymap.Scale, keymap.Standing, keymap.Undo, keymap.Rerun} {
		before := uint64(0)
		if d := n.newest(steps[action].kind); d != nil {
			before = d.Index
		}
		step := steps[action]
		typeKeys(t, screen, step.keys+keys.Key(action))
		eventuallyTrue(t, fmt.Sprintf("%s showing %q", action, step.shows), func() bool { return screen.Shows(step.shows) }, screen.Text)
		typeKeys(t, screen, answers[action])
		var made *wire.DecisionRow
		eventuallyTrue(t, "a decision on "+step.kind, func() bool { made = n.newest(step.kind); return made != nil && made.Index > before }, screen.Text)
		n.proved(made)
		eventuallyTrue(t, "what came of "+string(action), func() bool { return action == keymap.Rerun || screen.Shows(" done") }, screen.Text)
	}
	home := walkHome(t, n)
	for _, b := range keys.All() {
		if _, walked := steps[b.Action]; b.Changes && (!walked && !home[b.Action] || !verbs[b.Verb]) {
			t.Errorf("key %s of %s: walked %v, its twin nexus %s exists %v", b.Keys[0], b.Action, walked, b.Verb, verbs[b.Verb])
		}
	}
}

// proved demands that a decision has the verdicts of all gates and an entry whose inclusion the command line re-computes.
func (n *liveNode) proved(d *wire.DecisionRow) {
	n.t.Helper()
	var e wire.Explanation
	if err := json.Unmarshal([]byte(n.run("gates", "explain", fmt.Sprint(d.Index), "-o", "json")), &e); err != nil {
		n.t.Fatal(err)
	}
	if len(e.Verdicts) != wire.GateCount || !e.Same || e.Verdict != wire.VerdictAllow {
		n.t.Errorf("decision %d on %s: %d verdicts, %s, replayed the same: %v", d.Index, d.Action, len(e.Verdicts), e.Verdict, e.Same)
	}
	if out := n.run("ledger", "prove", fmt.Sprint(e.Entry)); !strings.Contains(out, "decision") || !strings.Contains(out, "re-computed") {
		n.t.Errorf("the entry of decision %d is not proved:\n%s", d.Index, out)
	}
}

// people lists the decisions on what others than the node asked for: it posts of its own what it measures, on a busy machine too.
func (n *liveNode) people() (indexes []uint64) {
	n.t.Helper()
	var all wire.Decisions
	if err := json.Unmarshal([]byte(n.run("gates", "log", "--limit", "1000", "-o", "json")), &all); err != nil {
		n.t.Fatal(err)
	}
	for _, d := range all.Decisions {
		if !strings.HasPrefix(d.ActorName, "node-") {
			indexes = append(indexes, d.Index)
		}
	}
	return indexes
}

// The node itself refuses what a read-only session asks, not only the console.
func TestTheNodeRefusesAReadOnlySession(t *testing.T) {
	t.Parallel()
	n := launchNode(t)
	n.run("imvu", "create", "--name", "Held")
	before := n.people()
	for _, args := range [][]string{{"imvu", "scale", "IMVU-001", "--cpu", "3"}, {"imvu", "create", "--name", "No"}, {"stop"}, {"launch", "rerun", "9"},
		{"cluster", "invite"}, {"verify", "audit"}} {
		out, errs, code := n.try(append(args, "--read-only")...)
		if code != exitRefused || !strings.Contains(errs, "read-only") {
			t.Errorf("nexus %s --read-only: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
		}
	}
	n.run("gates", "try", "imvu.create", "name=Asked", "--read-only")
	n.run("revenue", "tally", "--read-only")
	if after := n.people(); len(before) == 0 || !reflect.DeepEqual(after, before) {
		t.Errorf("the log grew:\n%+v\n%+v", before, after)
	}
	screen, _ := n.openConsole(120, 40, "--read-only")
	typeKeys(t, screen, "6S")
	eventuallyTrue(t, "the reason", func() bool { return screen.Shows("S is off: this session is read-only", " RO ") }, screen.Text)
}

// Every verb is sorted: it reads, or has a danger, or belongs to a shell. Lists name only verbs that exist.
func TestVerbsAreSorted(t *testing.T) {
	t.Parallel()
	c := &commands{app: &app{getenv: os.Getenv, now: time.Now, conf: &config{values: map[string]configValue{"data_dir": {text: t.TempDir()}}}}}
	all := map[string]bool{}
	for _, v := range c.Verbs() {
		all[v.Path] = true
		if v.Short == "" {
			t.Errorf("%s says nothing of itself", v.Path)
		}
	}
	for _, list := range [][]string{readingVerbs(), keysOf(actingVerbs()), {"imvu scale", "launch rerun", "ledger verify"}} {
		for _, path := range list {
			if !all[path] {
				t.Errorf("no verb is %q", path)
			}
		}
	}
	if o := c.Run(context.Background(), []string{"gates", "dance"}, false, 0); o.Code != exitUsage || !strings.Contains(o.Err, "dance") {
		t.Errorf("a wrong verb: %+v", o)
	}
}

func keysOf(m map[string]keymap.Danger) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}
