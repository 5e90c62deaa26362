package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/launch"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
	"github.com/BobbyBlanco400/nexus-cos/slices"
)

func (a *app) docsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "docs DIR", Short: "Generate the reference pages from the lists in the code", Hidden: true, Args: oneArg("DIR"),
		Example: "  nexus docs docs/reference\n  nexus docs docs/reference --check"}
	cmd.Flags().Bool("check", false, "write nothing; exit 1 when a page is stale")
	cmd.RunE = a.do(func(_ context.Context, cmd *cobra.Command, args []string) error {
		pages := referencePages(cmd.Root())
		check, _ := cmd.Flags().GetBool("check")
		stale := 0
		if !check {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return nexus.Errf("docs", nexus.CodeUnavailable, args[0], "", "%w", err)
			}
		}
		for name, want := range pages {
			path := filepath.Join(args[0], name)
			have, err := os.ReadFile(path)
			if err == nil && bytes.Equal(have, want) {
				continue
			}
			if check {
				a.say("%s is stale", path)
				stale++
				continue
			}
			if err := os.WriteFile(path, want, 0o644); err != nil {
				return nexus.Errf("docs", nexus.CodeUnavailable, path, "", "%w", err)
			}
		}
		if stale > 0 {
			return nexus.Errf("docs", nexus.CodeConflict, args[0], "run make docs", "%d pages are stale", stale)
		}
		return nil
	})
	return cmd
}

// referencePages gives every generated page by file name: one per noun, and those of the lists.
func referencePages(root *cobra.Command) map[string][]byte {
	pages := map[string][]byte{"exit-codes.md": exitCodesPage(), "actions.md": actionsPage(), "keys.md": keysPage(),
		"launch.schema.json": []byte(wire.LaunchSchema)}
	extra := map[string]func(*bytes.Buffer){"gates": gatesTable, "launch": phasesTable, "config": settingsTable, "slices": classesTable}
	for _, c := range root.Commands() {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		var b bytes.Buffer
		commandPage(&b, c, 1)
		if add := extra[c.Name()]; add != nil {
			add(&b)
		}
		pages[c.Name()+".md"] = b.Bytes()
	}
	return pages
}

// commandPage writes a command and all below it. Examples come before flags: they are what people look for.
func commandPage(b *bytes.Buffer, c *cobra.Command, level int) {
	fmt.Fprintf(b, "%s %s\n\n%s.\n", strings.Repeat("#", min(level, 4)), c.CommandPath(), strings.TrimSuffix(c.Short, "."))
	if strings.HasPrefix(c.Short, notBuiltMark) && !c.HasSubCommands() {
		b.WriteByte('\n')
		return
	}
	if c.Long != "" {
		fmt.Fprintf(b, "\n%s\n", c.Long)
	}
	if c.Runnable() {
		fmt.Fprintf(b, "\n    %s\n", c.UseLine())
	}
	if c.Example != "" {
		fmt.Fprintf(b, "\nExamples:\n\n%s\n", indent(c.Example))
	}
	if flags := flagTable(c.LocalNonPersistentFlags()); flags != "" {
		fmt.Fprintf(b, "\n%s", flags)
	}
	b.WriteByte('\n')
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			commandPage(b, sub, level+1)
		}
	}
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

func flagTable(flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if b.Len() == 0 {
			b.WriteString("| flag | what |\n| --- | --- |\n")
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		def := ""
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "[]" {
			def = " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(&b, "| `%s` | %s%s |\n", name, cell(f.Usage), def)
	})
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

func gatesTable(b *bytes.Buffer) {
	b.WriteString("## The 17 gates\n\n| gate | name | rule | enforced by |\n| --- | --- | --- | --- |\n")
	for _, g := range rules.All() {
		by := g.Enforcer
		if by == "" {
			by = "decides, is not enforced yet: " + g.Later
		}
		fmt.Fprintf(b, "| %d | `%s` | %s | %s |\n", g.Number, g.Name, cell(g.Rule), cell(by))
	}
}

func phasesTable(b *bytes.Buffer) {
	b.WriteString("## The twelve phases\n\n| phase | name | title | needs | can be skipped |\n| --- | --- | --- | --- | --- |\n")
	for _, p := range launch.Phases() {
		needs := strings.Trim(fmt.Sprint(p.Needs), "[]")
		if needs == "" {
			needs = "-"
		}
		skip := "yes"
		if p.Mandatory {
			skip = "no"
		}
		fmt.Fprintf(b, "| %d | `%s` | %s | %s | %s |\n", p.Number, p.Name, p.Title, needs, skip)
	}
}

// settingsTable lists every setting. The default of the data directory depends on the user, so it is said in words.
func settingsTable(b *bytes.Buffer) {
	b.WriteString("## Settings\n\nStrongest first: flag, environment, file, default. The file is `--config`, else " +
		"`$XDG_CONFIG_HOME/nexus/nexus.yaml`, else `/etc/nexus/nexus.yaml`.\n\n" +
		"| key | flag | environment | kind | default | what |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, s := range settings(func(string) string { return "" }) {
		def, key := s.def, s.key
		if s.key == "data_dir" {
			def = "$XDG_DATA_HOME/nexus; /var/lib/nexus for root"
		}
		if s.noFile {
			key = "-"
		}
		fmt.Fprintf(b, "| %s | `--%s` | `%s` | %s | %s | %s |\n", key, s.flag(), s.env(), s.kind, def, cell(s.help))
	}
}

func classesTable(b *bytes.Buffer) {
	b.WriteString("## Slice classes\n\n| class | 5QI | budget ms (p99 added) | purpose |\n| --- | --- | --- | --- |\n")
	for _, c := range slices.ClassSpecs() {
		fmt.Fprintf(b, "| `%s` | %d | %d | %s |\n", c.Name, c.FiveQI, c.DelayBudgetMs, cell(c.Purpose))
	}
}

func exitCodesPage() []byte {
	var b bytes.Buffer
	b.WriteString("# Exit codes\n\n| code | meaning | errors |\n| --- | --- | --- |\n")
	for _, row := range []struct {
		code    int
		meaning string
		codes   []nexus.Code
	}{
		{exitDone, "done", nil},
		{exitFailed, "the thing itself failed (a phase, a suite, a finding)", []nexus.Code{nexus.CodeConflict, nexus.CodeNotFound, nexus.CodeCorrupt,
			nexus.CodeUnavailable, nexus.CodeUnfit, nexus.CodeInternal}},
		{exitUsage, "wrong usage or configuration", []nexus.Code{nexus.CodeUsage, nexus.CodeMalformed}},
		{exitNoNode, "no node answers", []nexus.Code{nexus.CodeNoNode}},
		{exitRefused, "refused by a gate", []nexus.Code{nexus.CodeRefused}},
		{exitInterrupted, "interrupted", nil},
	} {
		words := make([]string, len(row.codes))
		for i, c := range row.codes {
			words[i] = "`" + string(c) + "`"
		}
		fmt.Fprintf(&b, "| %d | %s | %s |\n", row.code, row.meaning, strings.Join(words, " "))
	}
	return b.Bytes()
}

// actionsPage lists every kind of action with the fields that `nexus gates try` takes.
func actionsPage() []byte {
	var b bytes.Buffer
	b.WriteString("# Actions\n\nEverything that changes anything is a signed action of one of these kinds. `nexus gates try KIND FIELD=VALUE` asks the " +
		"gates about one. The console and `nexus gates explain` say beside a kind what it does.\n\n" +
		"| kind | what it does, and by which command | fields |\n| --- | --- | --- |\n")
	for _, kind := range state.Kinds() {
		fields := "(none to give)"
		if body := bodyOf(kind); body != nil {
			names := fieldNames(body)
			t := reflect.TypeOf(body).Elem()
			for i := range names {
				names[i] = "`" + names[i] + "` " + t.Field(i).Type.String()
			}
			fields = strings.Join(names, ", ")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", kind, wire.Means(kind), fields)
	}
	return b.Bytes()
}

func (a *app) manCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "man [DIR]", Short: "Print the manual page, or write one per command into a folder", Args: maxOneArg,
		Example: "  nexus man | man -l -\n  nexus man ~/.local/share/man/man1"}
	cmd.RunE = a.do(func(_ context.Context, cmd *cobra.Command, args []string) error {
		pages := map[string]string{}
		manPages(cmd.Root(), pages)
		if len(args) == 0 {
			_, err := fmt.Fprint(a.out, pages["nexus.1"])
			return err
		}
		if err := os.MkdirAll(args[0], 0o755); err != nil {
			return nexus.Errf("man", nexus.CodeUnavailable, args[0], "", "%w", err)
		}
		names := make([]string, 0, len(pages))
		for name := range pages {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(args[0], name), []byte(pages[name]), 0o644); err != nil {
				return nexus.Errf("man", nexus.CodeUnavailable, args[0], "", "%w", err)
			}
		}
		a.say("%d pages written to %s", len(names), args[0])
		return nil
	})
	return cmd
}

// manPages writes the page of a command and of all below it, in roff.
func manPages(c *cobra.Command, into map[string]string) {
	if c.Hidden {
		return
	}
	var b strings.Builder
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %s 1\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n%s\n", strings.ToUpper(name), roff(name), roff(c.Short), roff(c.UseLine()))
	if c.Long != "" {
		fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", roff(c.Long))
	}
	if c.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(c.Example))
	}
	manFlags(&b, "OPTIONS", c.LocalNonPersistentFlags())
	manFlags(&b, "GLOBAL OPTIONS", c.Root().PersistentFlags())
	if c.HasAvailableSubCommands() {
		b.WriteString(".SH COMMANDS\n")
		for _, sub := range c.Commands() {
			if !sub.Hidden {
				fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(sub.Name()), roff(sub.Short))
			}
		}
	}
	fmt.Fprintf(&b, ".SH EXIT STATUS\n0 done, 1 failed, 2 usage or configuration, 3 no node, 4 refused by a gate, 130 interrupted\n")
	into[name+".1"] = b.String()
	for _, sub := range c.Commands() {
		manPages(sub, into)
	}
}

func manFlags(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(name), roff(f.Usage))
	})
}

// roff escapes a text: backslashes and hyphens, and a dot or quote that begins a line.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
