package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/witness"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// settingKind says how a value is written.
type settingKind string

// The kinds.
const (
	kindText     settingKind = "text"
	kindPath     settingKind = "path"
	kindBool     settingKind = "true or false"
	kindInt      settingKind = "number"
	kindDuration settingKind = "duration such as 30s or 5m"
	kindList     settingKind = "list, separated by commas"
	kindAddress  settingKind = "host:port"
)

// setting is one configuration value: the key in the file, the flag (with hyphens), the variable NEXUS_<KEY>.
type setting struct {
	key    string
	kind   settingKind
	def    string
	help   string
	launch bool // a flag of launch; the others are flags of every command
	noFile bool // not read from the file
	choice []string
	short  string
}

func (s setting) flag() string { return strings.ReplaceAll(s.key, "_", "-") }

func (s setting) env() string { return "NEXUS_" + strings.ToUpper(s.key) }

// settings lists every configuration value once: flags, environment, file, docs and `config show` follow from it.
func settings(getenv func(string) string) []setting {
	return []setting{
		{key: "data_dir", kind: kindPath, def: defaultDataDir(getenv), help: "data directory of the node"},
		{key: "identity", kind: kindText, help: "key that signs: NAME in the data directory, FILE, or agent:FINGERPRINT (default: the operator's key)"},
		{key: "config", kind: kindPath, help: "configuration file", noFile: true},
		{key: "no_tui", kind: kindBool, def: "false", help: "never open a screen, never ask"},
		{key: "output", kind: kindText, def: "text", choice: []string{"text", "json"}, short: "o", help: "text or json"},
		{key: "plain", kind: kindBool, def: "false", help: "lines instead of a screen: no cursor movement, no colour"},
		{key: "read_only", kind: kindBool, def: "false", help: "change nothing: the node itself refuses every act of this session"},
		{key: "theme", kind: kindText, help: "look of the console: dark, light, high-contrast, mono, or a file of themes beside the configuration"},
		{key: "mouse", kind: kindBool, def: "false", help: "mouse in the console: click and wheel instead of the terminal's selection"},
		{key: "ascii", kind: kindBool, def: "false", help: "no symbols outside ASCII: for terminals that draw them two cells wide"},
		{key: "keys", kind: kindPath, help: "file of console keys (default: keys.conf beside the configuration)"},
		{key: "timeout", kind: kindDuration, def: "0s", help: "give up after this long; 0 is never"},

		{key: "profile", kind: kindText, def: "dev", choice: []string{"dev", "prod"}, launch: true, help: "dev (loopback, unprivileged) or prod"},
		{key: "base_domain", kind: kindText, launch: true, help: "domain that the units' names lie under (dev: nexus.localhost)"},
		{key: "node_name", kind: kindText, launch: true, help: "name of this node (default: the host's name)"},
		{key: "operator_key", kind: kindText, launch: true, help: "public key of the first operator: a .pub file, an ssh-ed25519 line or base64"},
		{key: "jurisdiction", kind: kindText, launch: true, help: "jurisdiction this node stands in, such as EU-GDPR"},
		{key: "gateway", kind: kindAddress, launch: true, help: "address of the gateway (dev: 127.0.0.1:0)"},
		{key: "gateway_tls", kind: kindAddress, launch: true, help: "address of the gateway's TLS listener (dev: 127.0.0.1:0)"},
		{key: "gossip", kind: kindAddress, launch: true, help: "address of cluster gossip (dev: 127.0.0.1:0)"},
		{key: "metrics", kind: kindAddress, launch: true, help: "address of the metrics for Prometheus; whoever reaches it sees every unit's figures"},
		{key: "log_http", kind: kindAddress, launch: true, help: "address where checkpoint and tiles of the log can be read (C2SP tlog-tiles); no plaintext"},
		{key: "witness", kind: kindList, launch: true,
			help: "outside witness that is asked to cosign the log, URL=VKEY as nexus witness serve prints it; may be repeated"},
		{key: "ssh", kind: kindAddress, launch: true, help: "address of the SSH console"},
		{key: "ssh_record", kind: kindPath, launch: true, help: "folder to record SSH sessions in: what they showed, not what was typed (default: none is recorded)"},
		{key: "bootstrap_expect", kind: kindInt, def: "1", launch: true, help: "ledger nodes to wait for before the first launch"},
		{key: "join", kind: kindList, launch: true, help: "gossip addresses of a cluster to join"},
		{key: "join_token", kind: kindPath, launch: true, help: "file with the token that nexus cluster invite printed"},
		{key: "report_dir", kind: kindPath, launch: true, help: "folder for deployment reports (default: the log folder)"},
		{key: "log_dir", kind: kindPath, launch: true, help: "folder for deployment logs (default: <data-dir>/logs/launch)"},
		{key: "junit", kind: kindPath, launch: true, help: "also write the result as JUnit XML"},
		{key: "only", kind: kindList, launch: true, help: "run only these phases (names or numbers), and those that cannot be skipped"},
		{key: "skip", kind: kindList, launch: true, help: "leave these phases out"},
		{key: "allow_degraded", kind: kindBool, def: "false", launch: true, help: "exit 0 also when the verdict is degraded"},
	}
}

// defaultDataDir is $XDG_DATA_HOME/nexus, for root /var/lib/nexus unless that variable is set.
func defaultDataDir(getenv func(string) string) string {
	if home := getenv("XDG_DATA_HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, "nexus")
	}
	if os.Geteuid() == 0 {
		return "/var/lib/nexus"
	}
	return filepath.Join(getenv("HOME"), ".local", "share", "nexus")
}

// check judges a value; where says which flag, variable or file it came from.
func (s setting) check(value, where string) error {
	bad := func(hint string) error {
		return nexus.Errf("configuration", nexus.CodeUsage, fmt.Sprintf("%s = %q in %s", s.key, value, where), hint, "not valid")
	}
	if value == "" {
		return nil
	}
	switch s.kind {
	case kindBool:
		if _, err := strconv.ParseBool(value); err != nil {
			return bad("write true or false")
		}
	case kindInt:
		if n, err := strconv.Atoi(value); err != nil || n < 0 {
			return bad("write a number")
		}
	case kindDuration:
		if d, err := time.ParseDuration(value); err != nil || d < 0 {
			return bad("write a duration such as 30s or 5m")
		}
	case kindAddress:
		if host, port, ok := cutPort(value); !ok || host == "" && port == "" {
			return bad("write host:port; port 0 lets the system choose")
		}
	}
	if len(s.choice) > 0 && !contains(s.choice, value) {
		return bad("write one of " + strings.Join(s.choice, ", "))
	}
	if s.key == "witness" {
		if _, err := witnessTargets(splitList(value)); err != nil {
			return bad(message(err))
		}
	}
	if s.key == "only" || s.key == "skip" {
		if _, err := phaseNumbers(splitList(value)); err != nil {
			return bad(err.Error())
		}
	}
	return nil
}

func cutPort(addr string) (host, port string, ok bool) {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 {
		return "", "", false
	}
	n, err := strconv.ParseUint(addr[i+1:], 10, 16)
	return addr[:i], addr[i+1:], err == nil && n <= 65535
}

func contains(list []string, word string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return false
}

// splitList reads a list written with commas; empty items are dropped.
func splitList(s string) []string {
	var out []string
	for _, item := range strings.Split(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// phaseNumbers reads phases by name or number.
func phaseNumbers(words []string) ([]int, error) {
	var out []int
	for _, w := range words {
		n, err := strconv.Atoi(w)
		if err != nil {
			for i, p := range wire.PhaseNames() {
				if p.Name == w {
					n = i + 1
				}
			}
		}
		if n < 1 || n > wire.PhaseCount {
			return nil, fmt.Errorf("%q is no phase: write 1 to %d or a name such as %s", w, wire.PhaseCount, wire.PhaseNames()[2].Name)
		}
		out = append(out, n)
	}
	return out, nil
}

// witnessTargets reads witnesses, none of which may stand twice.
func witnessTargets(words []string) ([]witness.Target, error) {
	var out []witness.Target
	var keys []verify.WitnessKey
	for _, w := range words {
		t, err := witness.ParseTarget(w)
		if err != nil {
			return nil, err
		}
		out, keys = append(out, t), append(keys, t.Key)
	}
	return out, verify.CheckWitnesses(keys, nexus.PublicKey{}, 0)
}

// listFlag is a list that a flag adds to each time it is given.
type listFlag struct{ text string }

// String implements pflag.Value.
func (l *listFlag) String() string { return l.text }

// Type implements pflag.Value.
func (l *listFlag) Type() string { return "string" }

// Set implements pflag.Value.
func (l *listFlag) Set(v string) error {
	if l.text != "" {
		v = l.text + "," + v
	}
	l.text = v
	return nil
}
