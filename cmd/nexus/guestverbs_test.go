package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Whatever a guest may not run refuses, verbs that hold served ones too: `launch` is the node's machine's, `launch rerun` goes.
func TestGuestsRunNothingElse(t *testing.T) {
	t.Parallel()
	a := &app{guest: &guest{}, getenv: func(string) string { return "" }}
	allowed, refused := guestVerbs(), map[string]bool{}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
			path := strings.TrimPrefix(sub.CommandPath(), "nexus ")
			if !sub.Runnable() || allowed[path] || sub.Annotations[nounMark] != "" {
				continue
			}
			if !sub.DisableFlagParsing { // else what it does would be run here
				t.Errorf("nexus %s is no verb for guests, and nothing refuses it", path)
				continue
			}
			err := sub.RunE(sub, nil)
			if nexus.CodeOf(err) != nexus.CodeUsage || !strings.Contains(err.Error(), "not served over SSH") {
				t.Errorf("nexus %s: %v", path, err)
			}
			refused[path] = true
		}
	}
	walk(a.root())
	for _, path := range []string{"launch", "stop", "logs", "identity new", "ledger restore", "bench"} {
		if !refused[path] {
			t.Errorf("nexus %s was not met: is the test blind?", path)
		}
	}
	if len(refused) < 30 {
		t.Errorf("%d verbs are refused, too few: is the test blind?", len(refused))
	}
}
