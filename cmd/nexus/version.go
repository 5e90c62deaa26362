package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
)

// build is what this binary was made from.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Time    string `json:"time"`
	Go      string `json:"go"`
}

// buildInfo gives what the linker set, else what the toolchain recorded.
func buildInfo() build {
	b := build{Version: version, Commit: commit, Time: buildTime, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && b.Commit == "":
			b.Commit = s.Value
		case s.Key == "vcs.time" && b.Time == "":
			b.Time = s.Value
		}
	}
	return b
}

// otherVersion says that a node is of another version than this program, "" when it is not, or is not known. Programs of different versions work
// together: answers only gain fields, and a kind of action or a field that the node does not know is refused by name.
func otherVersion(node, own string) string {
	if node == "" || own == "" || node == own {
		return ""
	}
	return fmt.Sprintf("this program is version %s, the node runs %s", own, node)
}

func (b build) time() time.Time {
	t, err := time.Parse(time.RFC3339, b.Time)
	if err != nil {
		return time.Time{}
	}
	return t
}

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "Print version and build", Args: noArgs, Example: "  nexus version\n  nexus version -o json"}
	cmd.RunE = a.do(func(_ context.Context, _ *cobra.Command, _ []string) error {
		b := buildInfo()
		return a.print(b, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "nexus %s\ncommit %s\nbuilt %s\n%s\n", b.Version, b.Commit, b.Time, b.Go)
			return err
		})
	})
	return cmd
}
