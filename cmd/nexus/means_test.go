package main

import (
	"io"
	stdslices "slices"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// Every kind of action has its plain words, no two the same, and the command lines that they name are there.
func TestEveryKindSaysWhatItDoes(t *testing.T) {
	t.Parallel()
	a := &app{in: strings.NewReader(""), out: io.Discard, err: io.Discard, getenv: func(string) string { return "" }}
	root := a.root()
	seen := map[string]string{}
	for _, kind := range state.Kinds() {
		words := wire.Means(kind)
		if words == "" {
			t.Errorf("%s says nothing", kind)
			continue
		}
		clause, lines, named := strings.Cut(words, ": ")
		if other := seen[clause]; other != "" {
			t.Errorf("%s and %s say the same", kind, other)
		}
		seen[clause] = kind
		if !named {
			continue
		}
		noun := ""
		for _, line := range strings.Split(lines, ", ") {
			path := strings.Fields(strings.Split(line, " --")[0])
			if len(path) == 1 && noun != "" { // revenue record, import
				path = []string{noun, path[0]}
			}
			noun = path[0]
			cmd, rest, err := root.Find(path)
			if err != nil || len(rest) > 0 || !cmd.Runnable() {
				t.Errorf("%s names %q, which is no command line: %v", kind, strings.Join(path, " "), err)
			}
		}
	}
	if wire.Means("no.kind") != "" || !stdslices.Contains(state.Kinds(), state.KindTransferMake) {
		t.Error("an unknown kind says something")
	}
}
