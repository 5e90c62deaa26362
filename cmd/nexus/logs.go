package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
)

func (a *app) logsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "logs", Short: "The node's log, or with --launch the newest deployment log", Args: noArgs,
		Example: "  nexus logs -f --component cluster\n  nexus logs --launch"}
	cmd.Flags().BoolP("follow", "f", false, "go on with new lines")
	cmd.Flags().String("component", "", "only lines of this component")
	cmd.Flags().Int("tail", 0, "only the last N lines; 0 is all")
	cmd.Flags().Bool("launch", false, "the newest deployment log instead")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		f := logFilter{}
		f.component, _ = cmd.Flags().GetString("component")
		tail, _ := cmd.Flags().GetInt("tail")
		follow, _ := cmd.Flags().GetBool("follow")
		path := filepath.Join(a.conf.text("data_dir"), "node.log")
		if launch, _ := cmd.Flags().GetBool("launch"); launch {
			if f.component != "" {
				return usage("--component", "leave out --launch", "deployment logs are by phase, not by component")
			}
			f.plain = true
			var err error
			if path, err = a.deploymentLog(); err != nil {
				return err
			}
		}
		f.raw = a.conf.json()
		return a.showLog(ctx, path, f, max(tail, 0), follow)
	})
	return cmd
}

// deploymentLog is the one of the running node, else the newest of the standard folder.
func (a *app) deploymentLog() (string, error) {
	if file, err := control.ReadNodeFile(a.conf.text("data_dir")); err == nil && file.Log != "" {
		return file.Log, nil
	}
	dir := a.conf.text("log_dir")
	if dir == "" {
		dir = filepath.Join(a.conf.text("data_dir"), "logs", "launch")
	}
	found, err := filepath.Glob(filepath.Join(dir, "deployment-*.log"))
	if err != nil || len(found) == 0 {
		return "", nexus.Errf("logs", nexus.CodeNotFound, dir, "launch first, or give --data-dir", "no deployment log")
	}
	sort.Strings(found)
	return found[len(found)-1], nil
}

// logFilter picks and words log lines.
type logFilter struct {
	component string
	plain     bool // the file holds plain lines
	raw       bool // print the JSON lines as they are
}

// line words one line; false when it is not wanted.
func (f logFilter) line(text string) (string, bool) {
	if f.plain {
		return clean(text), true
	}
	var fields map[string]any
	numbers := json.NewDecoder(strings.NewReader(text))
	numbers.UseNumber() // as they are written: 1901853, not 1.901853e+06
	if numbers.Decode(&fields) != nil {
		return clean(text), f.component == ""
	}
	if f.component != "" && fields["component"] != f.component {
		return "", false
	}
	if f.raw {
		return text, true
	}
	word := func(key string) string {
		v, ok := fields[key]
		delete(fields, key)
		if !ok {
			return ""
		}
		return fmt.Sprint(v)
	}
	out := word("time") + " " + word("level")
	if c := word("component"); c != "" {
		out += " " + c
	}
	out += " " + word("msg")
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		out += fmt.Sprintf(" %s=%v", name, fields[name])
	}
	return clean(out), true
}

// showLog prints a file, then follows it: a line is printed when its end is written.
func (a *app) showLog(ctx context.Context, path string, f logFilter, tail int, follow bool) error {
	file, err := os.Open(path)
	if err != nil {
		return nexus.Errf("logs", nexus.CodeNotFound, path, "launch first, or give --data-dir", "%w", err)
	}
	defer func() { _ = file.Close() }()
	var last []string
	show := func(text string) {
		out, ok := f.line(text)
		switch {
		case !ok:
		case tail > 0:
			if last = append(last, out); len(last) > tail {
				last = last[1:]
			}
		default:
			fmt.Fprintln(a.out, out)
		}
	}
	r := bufio.NewReader(file)
	part := ""
	const pollEvery = 200 * time.Millisecond
	for {
		text, err := r.ReadString('\n')
		part += text
		if err == nil {
			show(strings.TrimRight(part, "\n"))
			part = ""
			continue
		}
		if !errors.Is(err, io.EOF) {
			return nexus.Errf("logs", nexus.CodeUnavailable, path, "", "%w", err)
		}
		for _, out := range last {
			fmt.Fprintln(a.out, out)
		}
		last, tail = nil, 0
		if !follow {
			if part != "" {
				show(part)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}
