package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// runApp runs a command line in this process, with an environment of its own and no terminal.
func runApp(t *testing.T, env map[string]string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	home := t.TempDir()
	getenv := func(key string) string {
		if v, ok := env[key]; ok {
			return v
		}
		if key == "HOME" || key == "XDG_CONFIG_HOME" || key == "XDG_DATA_HOME" || key == "XDG_STATE_HOME" {
			return home
		}
		return ""
	}
	a := &app{in: strings.NewReader(""), out: &stdout, err: &stderr, getenv: getenv, now: time.Now}
	code = a.run(context.Background(), args)
	return code, stdout.String(), stderr.String()
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {errors.New("plain"), 1}, {failed{1}, 1}, {failed{4}, 4},
		{nexus.Errf("", nexus.CodeUsage, "", "", "x"), 2}, {nexus.Errf("", nexus.CodeMalformed, "", "", "x"), 2},
		{nexus.Errf("", nexus.CodeNoNode, "", "", "x"), 3}, {nexus.Errf("", nexus.CodeRefused, "", "", "x"), 4},
		{nexus.Errf("", nexus.CodeConflict, "", "", "x"), 1}, {nexus.Errf("", nexus.CodeNotFound, "", "", "x"), 1},
		{nexus.Errf("", nexus.CodeCorrupt, "", "", "x"), 1}, {nexus.Errf("", nexus.CodeUnavailable, "", "", "x"), 1},
		{nexus.Errf("", nexus.CodeUnfit, "", "", "x"), 1}, {nexus.Errf("", nexus.CodeInternal, "", "", "x"), 1},
		{fmt.Errorf("wrapped: %w", nexus.Errf("", nexus.CodeRefused, "", "", "x")), 4},
		{context.Canceled, 1},
	} {
		if got := exitCode(context.Background(), c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
	if got := exitCode(cancelled, fmt.Errorf("reading: %w", context.Canceled)); got != 130 {
		t.Errorf("interrupted: %d", got)
	}
	if got := exitCode(cancelled, nexus.Errf("", nexus.CodeRefused, "", "", "x")); got != 4 {
		t.Errorf("refused, then interrupted: %d", got)
	}
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"nosuch"}, {"imvu", "nosuch"}, {"--nosuch"}, {"status", "extra"}, {"imvu", "show"}, {"config", "show", "-o", "yaml"},
		{"status", "--timeout", "soon"}, {"launch", "--only", "13"}, {"launch", "--skip", "core", "--no-tui"}, {"launch", "--profile", "test"},
		{"launch", "--serve", "--detach"}, {"launch", "--gateway", "nowhere"}, {"verify", "nosuch"}, {"gates", "try"}, {"docs"},
	} {
		if code, out, errs := runApp(t, nil, args...); code != 2 || out != "" || errs == "" {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", args, code, out, errs)
		}
	}
}

func TestNoNode(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"status"}, {"stop"}, {"imvu", "list"}, {"revenue", "tally"}, {"gates", "list"}, {"console"}, {"audit"}} {
		if code, out, errs := runApp(t, nil, args...); code != 3 || out != "" || !strings.Contains(errs, "nexus launch") {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", args, code, out, errs)
		}
	}
}

func TestNotBuiltSaysSo(t *testing.T) {
	t.Parallel()
	for _, n := range notBuiltCommands() {
		args := append(strings.Fields(n.path), "--some-flag", "value")
		if code, out, errs := runApp(t, nil, args...); code != 1 || out != "" || !strings.Contains(errs, "not built") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", n.path, code, out, errs)
		}
	}
	for _, args := range [][]string{{"launch", "--no-tui", "--bootstrap-expect", "3"}} {
		if code, _, errs := runApp(t, nil, args...); code != 1 || !strings.Contains(errs, "not built") {
			t.Errorf("%v: exit %d, %q", args, code, errs)
		}
	}
}

// TestTree holds the command tree to the house's rules: no command twice, help and an example for each that runs.
func TestTree(t *testing.T) {
	t.Parallel()
	a := &app{getenv: func(string) string { return "" }, now: time.Now}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		seen := map[string]bool{}
		for _, sub := range c.Commands() {
			if seen[sub.Name()] {
				t.Errorf("%s has %s twice", c.CommandPath(), sub.Name())
			}
			seen[sub.Name()] = true
			walk(sub)
		}
		if c.Short == "" {
			t.Errorf("%s has no help", c.CommandPath())
		}
		if c.Runnable() && !c.HasSubCommands() && c.Example == "" && !strings.HasPrefix(c.Short, notBuiltMark) {
			t.Errorf("%s has no example", c.CommandPath())
		}
	}
	root := a.root()
	walk(root)
	// Every verb of the promise is there, built or not.
	for _, path := range strings.Split(promised, "\n") {
		words := strings.Fields(path)
		for _, verb := range words[min(1, len(words)):] {
			c, rest, err := root.Find([]string{words[0], verb})
			if err != nil || len(rest) > 0 || c.Name() != verb {
				t.Errorf("nexus %s %s is missing", words[0], verb)
			}
		}
	}
}

// promised is the table of CLI.md: noun, then its verbs.
const promised = `imvu create list show start stop suspend resume scale deploy logs exec snapshot rollback transfer exit exit-status verify-export import
platform create list show prove transfer exit import
stream list show channel key
ott list show channel upload publish grant
revenue record import refund tally statement payout dispute sources
ledger head show prove verify export backup restore
gates list log explain try what-if
approvals list show grant refuse
policy show set try
consent give withdraw log
slices list show probe top
cluster members invite join leave rtt keys peers promote remove drain
route list set drop prove
identity new import list show bind attest rotate revoke backup
audit findings
report list show verify
config show`

func TestSizes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		parse func(flag, text string) (int64, error)
		want  int64
	}{
		{"4", parseCores, 4000}, {"0.5", parseCores, 500}, {"500m", parseCores, 500}, {"0.001", parseCores, 1}, {"0", parseCores, -1},
		{"0.0005", parseCores, -1}, {"-1", parseCores, -1}, {"1e3", parseCores, -1}, {"", parseCores, -1}, {"many", parseCores, -1}, {"4 GB", parseCores, -1},
		{"8", parseBytes, 8 << 30}, {"0.5", parseBytes, 512 << 20}, {"512MiB", parseBytes, 512 << 20}, {"512 mib", parseBytes, 512 << 20},
		{"1GB", parseBytes, 1_000_000_000}, {"1G", parseBytes, 1 << 30}, {"2TiB", parseBytes, 2 << 40}, {"100B", parseBytes, 100},
		{"0.5B", parseBytes, -1}, {"99999999999TiB", parseBytes, -1}, {"0", parseBytes, -1}, {"0x10", parseBytes, -1}, {"1PiB", parseBytes, -1},
		{"10M", parseBits, 10_000_000}, {"1.5Gbit", parseBits, 1_500_000_000}, {"9600", parseBits, 9600},
		{"10 Mbit/s", parseBits, 10_000_000}, {"7bit/s", parseBits, 7}, {"10MB/s", parseBits, -1}, {"10M/s", parseBits, -1}, {"8GB/s", parseBytes, -1},
	} {
		got, err := c.parse("flag", c.text)
		if c.want < 0 {
			if nexus.CodeOf(err) != nexus.CodeUsage || !strings.Contains(err.Error(), "--flag") {
				t.Errorf("%q: %d, %v", c.text, got, err)
			}
		} else if err != nil || got != c.want {
			t.Errorf("%q: %d, %v, want %d", c.text, got, err, c.want)
		}
	}
}

// TestWhySizesAreRefused: a number that is too large or below 0 is called so, and bytes are not taken for bits.
func TestWhySizesAreRefused(t *testing.T) {
	t.Parallel()
	for text, why := range map[string]string{"99999999999999999999": "too large", "-5M": "must be above 0", " -1": "must be above 0", "0": "must be above 0",
		"10MB": "unknown unit MB (bits, not bytes, per second such as 10M or 1G)", "1e9": "not a size"} {
		if _, err := parseBits("guarantee", text); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", text, err, why)
		}
	}
}

func FuzzSizes(f *testing.F) {
	for _, s := range []string{"4", "0.5", "512MiB", "1e9", "99999999999999999", ".5", "5.", "-0", "½"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string, string) (int64, error){parseBytes, parseCores, parseBits} {
			if v, err := parse("x", s); (err == nil) != (v > 0) {
				t.Errorf("%q: %d, %v", s, v, err)
			}
		}
	})
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "nexus.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("profile: prod\nnode_name: from-file\nonly: [core, 3]\nallow_degraded: true\n")
	env := map[string]string{"NEXUS_CONFIG": file, "NEXUS_NODE_NAME": "from-env", "NEXUS_GOSSIP": "127.0.0.1:7946"}
	code, out, errs := runApp(t, env, "config", "show", "--gossip", "127.0.0.1:1")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{"profile  prod  file " + file, "node_name  from-env  environment NEXUS_NODE_NAME", "gossip  127.0.0.1:1  flag --gossip",
		"only  core,3  file " + file, "allow_degraded  true  file", "output  text  default"} {
		if !strings.Contains(squeeze(out), want) {
			t.Errorf("%q is not in\n%s", want, squeeze(out))
		}
	}
	for text, want := range map[string][]string{
		"nodename: x\n":             {"nodename", file, "did you mean node_name"},
		"profile: staging\n":        {"profile", "staging", file, "dev, prod"},
		"timeout: soon\n":           {"timeout", file},
		"timeout: {a: 1}\n":         {"timeout.a", file},
		"only: [nowhere]\n":         {"only", file, "nowhere"},
		"config: other.yaml\n":      {"config", file},
		"gateway: 127.0.0.1:99999":  {"gateway", file, "host:port"},
		"allow_degraded: perhaps\n": {"allow_degraded", file},
		"a: [\n":                    {file, "YAML"},
	} {
		write(text)
		code, out, errs := runApp(t, map[string]string{"NEXUS_CONFIG": file}, "config", "show")
		if code != 2 || out != "" {
			t.Errorf("%q: exit %d, stdout %q", text, code, out)
		}
		for _, w := range want {
			if !strings.Contains(errs, w) {
				t.Errorf("%q: %q is not in %q", text, w, errs)
			}
		}
	}
	if code, _, errs := runApp(t, map[string]string{"NEXUS_OUTPUT": "xml"}, "config", "show"); code != 2 || !strings.Contains(errs, "NEXUS_OUTPUT") {
		t.Errorf("bad environment: exit %d, %s", code, errs)
	}
	if code, _, errs := runApp(t, nil, "config", "show", "--config", dir+"/none.yaml"); code != 2 || !strings.Contains(errs, "none.yaml") {
		t.Errorf("missing file: exit %d, %s", code, errs)
	}
}

// squeeze folds runs of blanks to two, so that columns can be compared.
func squeeze(s string) string {
	for strings.Contains(s, "   ") {
		s = strings.ReplaceAll(s, "   ", "  ")
	}
	return s
}

// TestSilentTerminal: on a terminal that never answers, version prints its exact bytes, asks nothing and does not wait.
func TestSilentTerminal(t *testing.T) {
	t.Parallel()
	var took time.Duration
	for range 5 { // a query of the terminal would wait 5 s for its answer, every time; a busy machine is slow once in a while
		if took = versionOnATerminal(t); took <= 4*time.Second {
			return
		}
	}
	t.Errorf("took %s", took)
}

// versionOnATerminal runs nexus version on a terminal that answers nothing, checks what it writes, and gives the time it took.
func versionOnATerminal(t *testing.T) time.Duration {
	t.Helper()
	cmd := exec.Command(binary, "version")
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "HOME="+t.TempDir())
	started := time.Now()
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tty.Close() }()
	var got bytes.Buffer
	_, _ = got.ReadFrom(tty) // a terminal whose other side is gone reads as an error
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	want := "nexus test-1\r\ncommit abc\r\nbuilt 2026-01-31T12:00:00Z\r\n"
	if !strings.HasPrefix(got.String(), want) || strings.ContainsRune(got.String(), 0x1b) || strings.Count(got.String(), "\n") != 4 {
		t.Errorf("got %q", got.String())
	}
	return time.Since(started)
}

// TestStopIsBounded: a store whose directory was removed never finishes closing; the process must end all the same.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	defer close(hang)
	err := within(10*time.Millisecond, func() error { <-hang; return nil })
	if nexus.CodeOf(err) != nexus.CodeUnavailable {
		t.Errorf("hanging stop: %v", err)
	}
	want := errors.New("unclean")
	if err := within(time.Minute, func() error { return want }); err != want {
		t.Errorf("stop that ends: %v", err)
	}
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	value, limit := 12.5, 10.0
	path := filepath.Join(t.TempDir(), "sub", "out.xml")
	err := writeJUnit(path, []junitSuite{
		{"nn5g", wire.StatusFailed, "", 1500, []wire.Check{
			{Name: "p99 <&>", Status: wire.StatusFailed, Value: &value, Limit: &limit, Unit: "ms", Detail: "bad\x00\x1b"},
			{Name: "up", Status: wire.StatusPassed}, {Name: "clock", Status: wire.StatusDegraded, Detail: "late"}}},
		{"exit", wire.StatusSkipped, "not built", 0, nil}}, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc xmlSuites
	if err := xml.Unmarshal(b, &doc); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	if doc.Tests != 4 || doc.Failures != 1 || doc.Skipped != 2 || doc.Suites[0].Time != 1.5 || doc.Suites[0].Cases[0].Failure == nil {
		t.Errorf("%s", b)
	}
}

func TestTryFields(t *testing.T) {
	t.Parallel()
	for kind, fields := range map[string]map[string]bool{
		state.KindIMVUCreate: {"name=Shop": true, "cpu_milli=4000": true, "CPUMilli=1": true, "cpu_milli=x": false, "nosuch=1": false, "percent=300": false,
			"owner_must_exist=yes": false, "owner_must_exist=true": true, "parent=zz": false},
		state.KindLedgerEdit:    {"seq=3": true, "seq=-1": false},
		state.KindRevenuePost:   {"events=1": false, "first_seq=1": true},
		state.KindSliceSessions: {"sessions=64": true, "sessions=4294967296": false},
	} {
		for field, ok := range fields {
			name, value, _ := strings.Cut(field, "=")
			if err := setField(bodyOf(kind), name, value); (err == nil) != ok {
				t.Errorf("%s %s: %v", kind, field, err)
			}
		}
	}
	body := bodyOf(state.KindRevenuePost).(*state.RevenuePost)
	id := nexus.DeriveID("test")
	text := fmt.Sprintf(`{"source":"shop","events":[{"unit":%q,"event_id":"a","minor":9007199254740993,"currency":"USD","kind":"sale"}]}`, id)
	err := fillJSON(body, []byte(text))
	if e := body.Events[0]; err != nil || e.Unit != id || e.Minor != 9007199254740993 || e.EventID != "a" {
		t.Errorf("%+v, %v", body, err)
	}
	for _, bad := range []string{"", "[]", `{"nosuch":1}`, `{"source":1}`} {
		if err := fillJSON(bodyOf(state.KindRevenuePost), []byte(bad)); nexus.CodeOf(err) != nexus.CodeUsage {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for name, want := range map[string]string{"OwnerName": "owner_name", "CPUMilli": "cpu_milli", "SHA256": "sha256", "Seq": "seq", "TimeMs": "time_ms"} {
		if got := snake(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestMessagesKeepEscapesOut(t *testing.T) {
	t.Parallel()
	if got := clean("a\x1b[31mb\u009b\x7fc\n"); strings.ContainsAny(got, "\x1b\u009b\x7f") || !strings.HasSuffix(got, "c\n") {
		t.Errorf("%q", got)
	}
	tab := table{head: []string{"A", ">B"}}
	tab.add("x\ny\x1b", "1")
	tab.add("", "100")
	var b bytes.Buffer
	if err := tab.print(&b); err != nil || strings.Count(b.String(), "\n") != 3 || strings.ContainsRune(b.String(), 0x1b) {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// On a page of the console a table that is wider is folded at the same columns in each row, so that what stands under a heading is what it says.
func TestTablesFoldOnAPage(t *testing.T) {
	t.Parallel()
	tab := table{head: []string{"UNIT", "OWNER", ">EARNED", ">HELD", "NEXT PAYOUT"}}
	tab.add("IMVU-001", "eva (before)", "275,000", "0", "monthly 2026-12-01")
	tab.add("IMVU-002", "夜のショー", "0.00", "1,077.00", "")
	b := cappedBuffer{columns: 40}
	if err := tab.print(&b); err != nil {
		t.Fatal(err)
	}
	want := `UNIT      OWNER          EARNED
        HELD  NEXT PAYOUT
IMVU-001  eva (before)  275,000
           0  monthly 2026-12-01
IMVU-002  夜のショー       0.00
    1,077.00  -
`
	if b.String() != want {
		t.Errorf("folded at 40:\n%s\nwant\n%s", b.String(), want)
	}
	for columns, lines := range map[int]int{0: 3, 100: 3, 1: 15} {
		b := cappedBuffer{columns: columns}
		if err := tab.print(&b); err != nil || strings.Count(b.String(), "\n") != lines {
			t.Errorf("at %d columns, %v:\n%s", columns, err, b.String())
		}
	}
}

func TestDocs(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "reference")
	if code, _, errs := runApp(t, nil, "docs", dir); code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	if code, _, errs := runApp(t, map[string]string{"XDG_DATA_HOME": "/elsewhere"}, "docs", dir, "--check"); code != 0 {
		t.Fatalf("pages depend on the environment: exit %d: %s", code, errs)
	}
	page := filepath.Join(dir, "gates.md")
	b, err := os.ReadFile(page)
	if err != nil || strings.Count(string(b), "\n| ") < 17 {
		t.Fatalf("%v: %s", err, b)
	}
	if err := os.WriteFile(page, append(b, 'x'), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := runApp(t, nil, "docs", dir, "--check"); code != 1 || !strings.Contains(errs, "gates.md") {
		t.Errorf("stale page: exit %d, %s", code, errs)
	}
	man := t.TempDir()
	if code, _, errs := runApp(t, nil, "man", man); code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	if b, err := os.ReadFile(filepath.Join(man, "nexus-imvu-create.1")); err != nil || !strings.Contains(string(b), ".SH EXAMPLES") {
		t.Errorf("%v: %s", err, b)
	}
}
