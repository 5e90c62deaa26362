package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Whatever command line a page of the console names for checking what it shows goes over SSH too, where most of its readers are. What belongs to
// the machine that the node runs on is listed here.
func TestNamedCommandsGoOverSSH(t *testing.T) {
	t.Parallel()
	machines := map[string]bool{"logs --component": true, "stop": true}
	named := regexp.MustCompile(`"nexus ([a-z]+(?: [a-z-]+)*(?: --[a-z-]+)?)`)
	verbs, seen := guestVerbs(), map[string]bool{}
	for _, pattern := range []string{"../../tui/panel/*.go", "../../tui/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range named.FindAllStringSubmatch(string(src), -1) {
				line := m[1]
				verb, _, _ := strings.Cut(line, " --")
				seen[verb] = true
				if !verbs[verb] && !machines[line] {
					t.Errorf("%s names nexus %s, which is not served over SSH", file, line)
				}
			}
		}
	}
	for _, verb := range []string{"platform prove", "route prove", "slices show", "revenue tally", "ledger prove", "gates explain"} {
		if !seen[verb] {
			t.Errorf("no page names nexus %s: is the test blind?", verb)
		}
	}
}
