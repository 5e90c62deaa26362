//go:build autobahn

package conform_test

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// autobahnKnown are Autobahn's cases that do not pass, with the reason.
var autobahnKnown = map[string]string{}

// autobahnCasesEnv names the cases to run, as Autobahn does: "1.*,2.*". All of them take an hour and more, most of it in 9, 12 and 13.
const autobahnCasesEnv = "NEXUS_AUTOBAHN_CASES"

// TestAutobahn runs Autobahn's fuzzing client, which must be installed as wstest, through the gateway against a strict echo.
func TestAutobahn(t *testing.T) {
	program, err := exec.LookPath("wstest")
	if err != nil {
		t.Fatalf("%v: install Autobahn's test suite (autobahntestsuite) so that wstest is in the PATH", err)
	}
	g := start(t, []site{{"localhost", unit("autobahn"), strictEcho()}})
	dir := t.TempDir()
	cases := strings.Split(cmp.Or(os.Getenv(autobahnCasesEnv), "*"), ",")
	spec, err := json.Marshal(map[string]any{
		"outdir": filepath.Join(dir, "reports"), "cases": cases, "exclude-cases": []string{}, "exclude-agent-cases": map[string]any{},
		"servers": []map[string]string{{"agent": "gateway", "url": "ws://localhost:" + portOf(t, g.Addr())}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "spec.json"), spec, 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), program, "-m", "fuzzingclient", "-s", filepath.Join(dir, "spec.json"))
	run.Dir = dir
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("wstest: %v\n%s", err, out)
	}
	judge(t, filepath.Join(dir, "reports", "index.json"))
}

// judge reads Autobahn's index: agent, case, what it says of the case.
func judge(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var index map[string]map[string]struct {
		Behavior      string `json:"behavior"`
		BehaviorClose string `json:"behaviorClose"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for id, c := range index["gateway"] {
		counts[c.Behavior]++
		good := c.Behavior != "FAILED" && c.Behavior != "UNCLEAN" && c.BehaviorClose != "FAILED" && c.BehaviorClose != "WRONG CODE" && c.BehaviorClose != "UNCLEAN"
		switch reason := autobahnKnown[id]; {
		case !good && reason == "":
			t.Errorf("case %s: %s, close %s", id, c.Behavior, c.BehaviorClose)
		case good && reason != "":
			t.Errorf("case %s passes now: take it off the list", id)
		}
	}
	t.Logf("%d cases: %v", len(index["gateway"]), counts)
	if len(index["gateway"]) == 0 {
		t.Error("no case was run")
	}
}
