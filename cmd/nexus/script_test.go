//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/BobbyBlanco400/nexus-cos/engine/control"
)

// TestScript runs testdata/script against the real binary. Every script has a home and a data directory of its own; nodes
// that a script leaves running are ended by their own process id.
func TestScript(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join(root, "testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for key, value := range map[string]string{"HOME": env.WorkDir + "/home", "XDG_RUNTIME_DIR": env.WorkDir, "XDG_STATE_HOME": env.WorkDir + "/state",
				"XDG_CONFIG_HOME": env.WorkDir + "/config", "XDG_DATA_HOME": "", "NEXUS_DATA_DIR": env.WorkDir + "/data", "SSH_AUTH_SOCK": "",
				"ROOT": root, "PATH": filepath.Dir(binary) + ":" + os.Getenv("PATH")} {
				env.Setenv(key, value)
			}
			env.Defer(func() { endNodes(t, env.WorkDir) })
			return os.Mkdir(env.WorkDir+"/home", 0o700)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": cmdExits, "json": cmdJSON, "films": cmdFilms, "killnode": cmdKillNode, "flip": cmdFlip, "jsonlines": cmdJSONLines,
			"unsigned": cmdUnsigned, "forged": cmdForged, "reaches": cmdReaches, "keep": cmdKeep, "waitunread": cmdWaitUnread,
			"past": cmdPast,
		},
	})
}

// endNodes ends the nodes of the data directories of a script. Only processes whose id a node file of this script names are
// touched.
func endNodes(t *testing.T, work string) {
	files, err := filepath.Glob(work + "/*/" + control.NodeFileName)
	if err != nil {
		t.Error(err)
	}
	for _, f := range files {
		n, err := control.ReadNodeFile(filepath.Dir(f))
		if err != nil || !control.Alive(n.PID) || n.PID <= 1 {
			continue
		}
		_ = syscall.Kill(n.PID, syscall.SIGKILL)
	}
}

// cmdExits runs a command and demands its exit code: exits 4 nexus gates try ...
func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit %d, want %d\nstdout: %s\nstderr: %s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// cmdJSON demands values in the JSON that the last command printed: json units.0.gross 1999 rows.# 3 a.b set
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	var doc any
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	d.UseNumber()
	ts.Check(d.Decode(&doc))
	for i := 0; i+1 < len(args); i += 2 {
		got, err := lookUp(doc, strings.Split(args[i], "."))
		if err != nil {
			ts.Fatalf("%s: %v in %s", args[i], err, ts.ReadFile("stdout"))
		}
		text := fmt.Sprint(got)
		if ok := text == args[i+1] || args[i+1] == "set" && text != "" && text != "<nil>"; ok == neg {
			ts.Fatalf("%s is %q, wanted %q (negated: %v)", args[i], text, args[i+1], neg)
		}
	}
}

func lookUp(doc any, path []string) (any, error) {
	for _, word := range path {
		switch x := doc.(type) {
		case map[string]any:
			v, ok := x[word]
			if !ok {
				return nil, fmt.Errorf("no field %q", word)
			}
			doc = v
		case []any:
			if word == "#" {
				return len(x), nil
			}
			i, err := strconv.Atoi(word)
			if err != nil || i < 0 || i >= len(x) {
				return nil, fmt.Errorf("no element %q of %d", word, len(x))
			}
			doc = x[i]
		default:
			return nil, fmt.Errorf("no field %q", word)
		}
	}
	return doc, nil
}

// cmdFilms compares the tally on stdout with the film data recomputed by code that knows nothing of the program: floats
// never, 55 of 100 rounded up to the creator, per distributor.
func cmdFilms(ts *testscript.TestScript, _ bool, args []string) {
	var tally struct {
		Units []struct {
			Name, Rule, Currency, Kind       string
			Gross, Creator, Platform, Events int64
		}
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &tally))
	want, events := map[string]int64{}, map[string]int64{}
	data, err := os.ReadFile(args[0])
	ts.Check(err)
	for _, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		var film struct {
			Distributor string
			Amount      int64
		}
		ts.Check(json.Unmarshal(line, &film))
		want[film.Distributor] += film.Amount
		events[film.Distributor]++
	}
	if len(tally.Units) != len(want) || len(want) != 167 {
		ts.Fatalf("%d units, the file has %d", len(tally.Units), len(want))
	}
	for _, u := range tally.Units {
		gross := want[u.Name]
		creator := gross * 55 / 100
		if gross*55%100 != 0 {
			creator++
		}
		if u.Gross != gross || u.Creator != creator || u.Platform != gross-creator || u.Events != events[u.Name] ||
			u.Rule != "55/45" || u.Currency != "USD" || u.Kind != "imvu" {
			ts.Fatalf("%+v, recomputed gross %d creator %d events %d", u, gross, creator, events[u.Name])
		}
	}
}

// cmdKillNode kills the node of a data directory with SIGKILL and waits for its end.
func cmdKillNode(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	n, err := control.ReadNodeFile(dir)
	ts.Check(err)
	ts.Check(syscall.Kill(n.PID, syscall.SIGKILL))
	for deadline := time.Now().Add(time.Minute); control.Alive(n.PID); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("pid %d does not end", n.PID)
		}
	}
}

// cmdFlip changes one bit in the middle of the newest file that fits a pattern.
func cmdFlip(ts *testscript.TestScript, _ bool, args []string) {
	found, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(found) == 0 {
		ts.Fatalf("no file fits %s", args[0])
	}
	path := found[len(found)-1]
	b, err := os.ReadFile(path)
	ts.Check(err)
	at := len(b) / 2
	if len(args) > 1 {
		at, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	b[at] ^= 1
	ts.Check(os.WriteFile(path, b, 0o600))
}

// cmdJSONLines demands that stdout is launch lines as promised: the first a version, the last the verdict, twelve phases
// started and finished once each, checks only in between, every line valid by the published schema.
func cmdJSONLines(ts *testscript.TestScript, _ bool, _ []string) {
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	started, finished := map[int]bool{}, map[int]bool{}
	schema := launchSchema(scriptT{ts})
	for i, text := range lines {
		if err := validLine(schema, text); err != nil {
			ts.Fatalf("line %d is not valid by the schema: %v: %s", i+1, err, text)
		}
		line, err := parseLine([]byte(text))
		if err != nil {
			ts.Fatalf("line %d: %v: %s", i+1, err, text)
		}
		var head struct {
			Type, Name string
			Phase      int
			Time       time.Time
		}
		ts.Check(json.Unmarshal([]byte(text), &head))
		if head.Time.IsZero() || (head.Type == "version") != (i == 0) || (head.Type == "launch.finished") != (i == len(lines)-1) {
			ts.Fatalf("line %d of %d: %s", i+1, len(lines), text)
		}
		switch head.Type {
		case "phase.started":
			started[head.Phase] = true
		case "phase.check":
			if !started[head.Phase] || finished[head.Phase] {
				ts.Fatalf("check of phase %d outside it: %v", head.Phase, line)
			}
		case "phase.finished":
			finished[head.Phase] = true
		}
	}
	if len(started) != 12 || len(finished) != 12 {
		ts.Fatalf("%d phases started, %d finished", len(started), len(finished))
	}
}

// scriptT lets a helper of the tests end a script.
type scriptT struct{ *testscript.TestScript }

func (scriptT) Helper() {}

func (s scriptT) Fatal(args ...any) { s.Fatalf("%s", fmt.Sprint(args...)) }

// TestScriptHelpers keeps the helpers honest: a checker that lets everything pass would hide a broken program.
func TestScriptHelpers(t *testing.T) {
	t.Parallel()
	var doc any
	if err := json.Unmarshal([]byte(`{"a":[{"b":1},{"b":2}]}`), &doc); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"a.1.b": "2", "a.#": "2"} {
		if got, err := lookUp(doc, strings.Split(path, ".")); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v", path, got, err)
		}
	}
	for _, path := range []string{"a.2", "b", "a.x", "a.0.b.c"} {
		if got, err := lookUp(doc, strings.Split(path, ".")); err == nil {
			t.Errorf("%s: %v", path, got)
		}
	}
}
