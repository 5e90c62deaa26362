package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// config holds the effective values: flag before environment before file before default (CLI.md).
type config struct {
	file   string // that was read; empty when there is none
	values map[string]configValue
}

// configValue is one effective value and where it came from.
type configValue struct {
	text   string
	origin string
}

func (c *config) text(key string) string { return c.values[key].text }

func (c *config) yes(key string) bool {
	b, _ := strconv.ParseBool(c.text(key)) // checked when it was loaded
	return b
}

func (c *config) duration(key string) time.Duration {
	d, _ := time.ParseDuration(c.text(key)) // checked when it was loaded
	return d
}

func (c *config) list(key string) []string { return splitList(c.text(key)) }

// json reports whether results are wanted as JSON.
func (c *config) json() bool { return c.text("output") == "json" }

// addFlags gives cmd the flags of the settings; launch picks those of launch.
func (a *app) addFlags(flags *pflag.FlagSet, launch bool) {
	for _, s := range settings(a.getenv) {
		if s.launch != launch || a.guest != nil && (s.kind == kindPath || s.key == "identity") {
			continue
		}
		if s.kind == kindBool {
			flags.BoolP(s.flag(), s.short, false, s.help)
			continue
		}
		if s.kind == kindList {
			flags.VarP(&listFlag{}, s.flag(), s.short, s.help)
			continue
		}
		flags.StringP(s.flag(), s.short, s.def, s.help)
	}
}

// configure loads the configuration for a command, once.
func (a *app) configure(cmd *cobra.Command) error {
	if a.conf != nil {
		return nil
	}
	conf, err := a.load(cmd.Flags())
	if err != nil {
		return err
	}
	a.conf = conf
	return nil
}

func (a *app) load(flags *pflag.FlagSet) (*config, error) {
	v := viper.New()
	path, err := a.configFile(flags)
	if err != nil {
		return nil, err
	}
	all := settings(a.getenv)
	if path != "" {
		if err := readFile(v, path, all); err != nil {
			return nil, err
		}
	}
	conf := &config{file: path, values: make(map[string]configValue, len(all))}
	for _, s := range all {
		value, err := a.resolve(v, flags, path, s)
		if err != nil {
			return nil, err
		}
		if err := s.check(value.text, value.origin); err != nil {
			return nil, err
		}
		if s.kind == kindPath && value.text != "" {
			if value.text, err = filepath.Abs(value.text); err != nil {
				return nil, err
			}
		}
		conf.values[s.key] = value
	}
	return conf, nil
}

// configFile finds the file: named ones must exist, the standard places need not.
func (a *app) configFile(flags *pflag.FlagSet) (string, error) {
	if a.guest != nil { // the machine's configuration is not the guest's
		return "", nil
	}
	path, where := a.getenv("NEXUS_CONFIG"), "NEXUS_CONFIG"
	if f := flags.Lookup("config"); f != nil && f.Changed {
		path, where = f.Value.String(), "--config"
	}
	if path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", nexus.Errf("configuration", nexus.CodeUsage, where+" "+path, "give a file that exists", "%w", err)
		}
		return filepath.Abs(path)
	}
	home := a.getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(home) {
		home = filepath.Join(a.getenv("HOME"), ".config")
	}
	for _, p := range []string{filepath.Join(home, "nexus", "nexus.yaml"), "/etc/nexus/nexus.yaml"} {
		_, err := os.Stat(p)
		if err == nil {
			return p, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return "", nexus.Errf("configuration", nexus.CodeUsage, p, "mend it or move it away", "%w", err)
		}
	}
	return "", nil
}

// readFile reads the YAML file and refuses every key that is not a setting.
func readFile(v *viper.Viper, path string, all []setting) error {
	v.SetConfigFile(path)
	v.SetConfigType("yaml")
	if err := v.ReadInConfig(); err != nil {
		return nexus.Errf("configuration", nexus.CodeUsage, "file "+path, "write it as YAML: key: value", "%w", err)
	}
	known := make(map[string]bool, len(all))
	var names []string
	for _, s := range all {
		if !s.noFile {
			known[s.key] = true
			names = append(names, s.key)
		}
	}
	keys := v.AllKeys()
	sort.Strings(keys)
	for _, key := range keys {
		if known[key] {
			continue
		}
		hint := "the keys are " + strings.Join(names, ", ")
		if near := nearest(key, names); near != "" {
			hint = "did you mean " + near + "?"
		}
		return nexus.Errf("configuration", nexus.CodeUsage, fmt.Sprintf("key %q in file %s", key, path), hint, "unknown")
	}
	return nil
}

// resolve finds the strongest value of a setting.
func (a *app) resolve(v *viper.Viper, flags *pflag.FlagSet, path string, s setting) (configValue, error) {
	if f := flags.Lookup(s.flag()); f != nil && f.Changed {
		return configValue{f.Value.String(), "flag --" + s.flag()}, nil
	}
	if text := a.getenv(s.env()); text != "" {
		return configValue{text, "environment " + s.env()}, nil
	}
	if !s.noFile && v.InConfig(s.key) {
		text, err := fileText(v.Get(s.key))
		if err != nil {
			return configValue{}, nexus.Errf("configuration", nexus.CodeUsage, fmt.Sprintf("key %q in file %s", s.key, path),
				"write a "+string(s.kind), "%w", err)
		}
		return configValue{text, "file " + path}, nil
	}
	return configValue{s.def, "default"}, nil
}

func fileText(value any) (string, error) {
	switch x := value.(type) {
	case nil:
		return "", nil
	case string, bool, int, int64, uint64:
		return fmt.Sprint(x), nil
	case []any:
		items := make([]string, len(x))
		for i, item := range x {
			text, err := fileText(item)
			if err != nil {
				return "", err
			}
			items[i] = text
		}
		return strings.Join(items, ","), nil
	}
	return "", fmt.Errorf("is of a kind that no setting has (%T)", value)
}

// nearest finds the word within two edits of key.
func nearest(key string, words []string) string {
	best, distance := "", 3
	for _, w := range words {
		if d := edits(key, w); d < distance {
			best, distance = w, d
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal, row[j+1] = row[j+1], min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func (a *app) configCommand() *cobra.Command {
	cmd := noun("config", "The effective configuration")
	show := &cobra.Command{Use: "show", Short: "Print every value and where it came from", Args: noArgs,
		Example: "  nexus config show\n  NEXUS_PROFILE=prod nexus config show -o json"}
	a.addFlags(show.Flags(), true)
	show.RunE = a.do(func(_ context.Context, _ *cobra.Command, _ []string) error {
		type row struct {
			Key    string `json:"key"`
			Value  string `json:"value"`
			Origin string `json:"origin"`
		}
		out := struct {
			File   string `json:"file"`
			Values []row  `json:"values"`
		}{File: a.conf.file, Values: []row{}}
		t := table{head: []string{"KEY", "VALUE", "FROM"}}
		for _, s := range settings(a.getenv) {
			v := a.conf.values[s.key]
			out.Values = append(out.Values, row{s.key, v.text, v.origin})
			t.add(s.key, v.text, v.origin)
		}
		return a.print(out, t.print)
	})
	cmd.AddCommand(show)
	return cmd
}
