//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// twoCreators launches a node with a unit of eva's, which has money, a proposal and a notice, and one of max's.
func twoCreators(t *testing.T) (*liveNode, wire.UnitDetail) {
	n := launchNode(t)
	n.run("imvu", "create", "--name", "Quiet Harbour", "--owner", "eva")
	n.run("imvu", "create", "--name", "Kilo", "--owner", "max")
	n.run("revenue", "record", "--unit", "IMVU-001", "--amount", "777123", "--currency", "USD", "--id", "e1")
	n.run("imvu", "scale", "IMVU-001", "--cpu", "1", "--propose", "--reason", "secret-reason")
	n.run("imvu", "scale", "IMVU-001", "--cpu", "1.5", "--propose")
	var u wire.UnitDetail
	if err := json.Unmarshal([]byte(n.run("imvu", "show", "IMVU-001", "-o", "json")), &u); err != nil {
		t.Fatal(err)
	}
	return n, u
}

// ownWords are what only eva and operators may read. Names of hosts and labels are public: routes and domains are.
func ownWords(u *wire.UnitDetail) []string {
	return []string{u.ID, "Quiet Harbour", "777123", "427418", "secret-reason"}
}

// endpoints are all reads of the API, from the source that registers them, with what stands for their variables.
func endpoints(t *testing.T, u *wire.UnitDetail, entries int) []string {
	t.Helper()
	files, err := filepath.Glob("../../engine/control/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err, len(files))
	}
	route := regexp.MustCompile(`"GET (/v1/[^"]+)"`)
	var out []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range route.FindAllStringSubmatch(string(b), -1) {
			path := strings.NewReplacer("{word}", "IMVU-001", "{slice}", u.Slice).Replace(m[1])
			if !strings.Contains(path, "{") {
				out = append(out, path, path+"?unit=IMVU-001", path+"?unit="+u.ID+"&currency=USD&month=2026-01&of="+url.QueryEscape(u.Owner))
				continue
			}
			for i := range entries {
				out = append(out, regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(path, fmt.Sprint(i)))
			}
		}
	}
	return out
}

// Gate 16 by the API and by the command line: a creator asks for everything there is and reads nothing that is another's. The same
// questions by the owner find it, so the test can fail.
func TestNothingOfAnotherUnitIsRead(t *testing.T) {
	t.Parallel()
	n, u := twoCreators(t)
	var head wire.Head
	if err := json.Unmarshal([]byte(n.run("ledger", "head", "-o", "json")), &head); err != nil {
		t.Fatal(err)
	}
	file, err := control.ReadNodeFile(n.dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]map[string]bool{}
	for _, who := range []string{"max", "eva"} {
		key, err := identity.LoadKey(filepath.Join(n.dir, "keys", who))
		if err != nil {
			t.Fatal(err)
		}
		c := control.NewClient(file.Addresses["api"], file.Cluster, key)
		found[who] = map[string]bool{}
		for _, path := range endpoints(t, &u, int(min(head.Size, 40))) {
			for _, word := range ownWords(&u) {
				if text := readAll(c, path); strings.Contains(text, word) {
					found[who][word] = true
					if who == "max" {
						t.Errorf("max reads %q at %s:\n%.300s", word, path, text)
					}
				}
			}
		}
		c.Close()
		for _, verb := range append(readingVerbs(), "revenue statement --unit IMVU-001 --month 2026-11 --draft", "imvu show IMVU-001", "slices show IMVU-001") {
			if strings.HasPrefix(verb, "verify") || verb == "doctor" || verb == "logs" || strings.HasPrefix(verb, "report") || verb == "config show" {
				continue // these read files of the machine, whose owner the operator is
			}
			out, errs, _ := n.try(append(strings.Fields(verb), "--identity", who)...)
			for _, word := range ownWords(&u) {
				if who == "max" && strings.Contains(strings.ReplaceAll(out+errs, `unit `+u.ID, ""), word) {
					t.Errorf("max reads %q by nexus %s:\n%s%s", word, verb, out, errs)
				}
			}
		}
	}
	for _, word := range ownWords(&u) {
		if !found["eva"][word] && word != "427418" {
			t.Errorf("eva does not find %q: the questions do not ask for it", word)
		}
	}
}

// readAll gives what an endpoint answers within a moment; streams never end by themselves.
func readAll(c *control.Client, path string) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	target, query, _ := strings.Cut(path, "?")
	q, _ := url.ParseQuery(query)
	stream := strings.HasSuffix(target, "/watch") || strings.HasSuffix(target, "/stream") || strings.HasSuffix(target, "/events")
	var text strings.Builder
	errEnough := errors.New("enough")
	if stream {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, 300*time.Millisecond)
		defer stop()
	}
	err := c.Stream(ctx, target, q, func(line []byte) error {
		text.Write(line)
		if stream && text.Len() > 1<<20 {
			return errEnough
		}
		return nil
	})
	if err != nil && text.Len() == 0 {
		return ""
	}
	return text.String()
}

// The keys of the home by which a creator decides are judged and recorded as those of the operator are.
func walkHome(t *testing.T, n *liveNode) map[keymap.Action]bool {
	n.run("imvu", "create", "--name", "Second home", "--owner", "eva")
	n.run("imvu", "create", "--name", "Homely", "--owner", "eva") // the last row, which leaves
	var list wire.Units
	if err := json.Unmarshal([]byte(n.run("imvu", "list", "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	label, second := "", ""
	for _, u := range list.Units {
		switch u.Name {
		case "Homely":
			label = u.Label
		case "Second home":
			second = u.Label
		}
	}
	// Of two units: granting one of two for the same unit makes the other stale, and the sweep then ends it.
	n.run("imvu", "scale", label, "--cpu", "1", "--propose")
	n.run("imvu", "scale", second, "--cpu", "1.5", "--propose")
	screen, _ := n.startConsole(120, 36, "--identity", "eva")
	keys, err := keymap.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	eventuallyTrue(t, "the home", func() bool { return screen.Shows("Home of eva", "2 to decide") }, screen.Text)
	walked := map[keymap.Action]bool{}
	for _, step := range []struct {
		action       keymap.Action
		before, kind string
	}{{keymap.Grant, "g", "proposal.grant"}, {keymap.Refuse, "g", "proposal.refuse"}, {keymap.Seen, "g", "notice.mark"}} {
		typeKeys(t, screen, step.before+keys.Key(step.action))
		if step.action != keymap.Seen {
			eventuallyTrue(t, "the question", func() bool { return screen.Shows("Do it?") }, screen.Text)
			typeKeys(t, screen, "y")
		}
		var made *wire.DecisionRow
		eventuallyTrue(t, "a decision on "+step.kind, func() bool { made = n.newest(step.kind); return made != nil }, screen.Text)
		n.proved(made)
		walked[step.action] = true
		eventuallyTrue(t, "what came of "+string(step.action), func() bool {
			return screen.Shows(" done") && (step.action != keymap.Grant || screen.Shows("1 to decide")) && (step.action == keymap.Grant || !screen.Shows("to decide"))
		}, screen.Text)
	}
	walkExit(t, n, screen, keys.Key(keymap.Exit), label)
	walked[keymap.Exit] = true
	return walked
}

// walkExit leaves with a unit from the home: the command line is begun, the unit's name must be typed, and time passes before it is done.
func walkExit(t *testing.T, n *liveNode, screen *tuitest.Screen, key, label string) {
	dir := filepath.Join(t.TempDir(), "mine")
	typeKeys(t, screen, "G"+key)
	eventuallyTrue(t, "the command line", func() bool { return screen.Shows(":imvu exit --imvu-id " + label) }, screen.Text)
	typeKeys(t, screen, " --export-path "+dir+"\r")
	eventuallyTrue(t, "the question", func() bool { return screen.Shows("Type " + label + " to go on") }, screen.Text)
	typeKeys(t, screen, label)
	eventuallyTrue(t, "time to think", func() bool { return screen.Shows("armed: enter does it") }, screen.Text)
	if n.newest("exit.begin", label) != nil { // those of the suite's probes are another thing
		t.Fatal("the unit left before it was confirmed")
	}
	typeKeys(t, screen, "\r")
	for _, kind := range []string{"exit.begin", "exit.complete"} {
		var made *wire.DecisionRow
		eventuallyTrue(t, "a decision on "+kind, func() bool { made = n.newest(kind, label); return made != nil }, screen.Text)
		n.proved(made)
	}
	if out := n.run("imvu", "verify-export", dir); !strings.Contains(out, ": verified") {
		t.Errorf("the bundle: %s", out)
	}
}
