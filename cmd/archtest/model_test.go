package archtest

// The plan of the house as data. A line here changes only together with docs/ARCHITECTURE.md, and a line that lets
// somebody import more than before needs a decision record.

// topLevel is all that the repository's root may hold, beside the root package's Go files and what git ignores.
var topLevel = map[string]bool{
	".ci": true, ".editorconfig": true, ".git": true, ".gitignore": true, "CHANGELOG.md": true, "LICENSE": true,
	"Makefile": true, "README.md": true, "go.mod": true, "go.sum": true,
	"cluster": true, "cmd": true, "docs": true, "engine": true, "gates": true, "ledger": true, "slices": true,
	"osfile": true, "testdata": true, "tui": true,
}

// roomRule says what the non-test files of one folder may import of the house. A pattern that ends in "/..." stands for
// a folder and all below it. A folder that no rule names may not exist.
type roomRule struct {
	dir string
	may []string
}

// siblings never import each other; the one exception is cluster/witness, which checks proofs.
var siblings = []string{"ledger", "gates", "slices", "cluster"}

// rooms is DESIGN's table of packages: root < siblings < engine < cmd, and inside engine
// words (bus, wire, fabric, imvu) < state < fabrics < engine < those who call the door.
var rooms = []roomRule{
	{".", nil},
	{"osfile", nil}, // what package os lacks; imported by whoever keeps files, decision 70

	{"ledger/merkle", []string{"."}},
	{"ledger/split", []string{"."}},
	{"ledger", []string{".", "ledger/merkle", "ledger/split"}},
	{"ledger/badgerstore", []string{".", "osfile", "ledger", "ledger/merkle"}},
	{"ledger/backup", []string{".", "osfile", "ledger"}},
	{"ledger/verify", []string{"."}},
	{"ledger/ledgertest", []string{".", "ledger", "ledger/merkle", "ledger/split", "ledger/verify"}},

	{"gates", []string{"."}},
	{"gates/rules", []string{".", "gates"}},
	{"gates/gatetest", []string{".", "gates", "gates/rules"}},

	{"slices", []string{"."}},
	{"slices/shape", []string{".", "slices"}},
	{"slices/meter", []string{".", "slices"}},
	{"slices/session", []string{".", "slices"}},
	{"slices/session/host", []string{".", "slices/meter", "slices/session"}},
	{"slices/session/link", []string{".", "slices/session"}},
	{"slices/session/roam", []string{".", "slices/session"}},
	{"slices/session/proof", []string{".", "slices", "slices/edge", "slices/edge/satellite", "slices/session", "slices/session/host",
		"slices/session/link", "slices/session/roam"}},
	{"slices/session/browser", []string{".", "slices/session"}}, // its tests only
	{"slices/edge/h1", nil},
	{"slices/edge/peek", nil},
	{"slices/edge/quicshare", []string{"."}},
	{"slices/edge", []string{".", "slices", "slices/edge/h1", "slices/edge/peek", "slices/edge/quicshare", "slices/meter", "slices/session",
		"slices/session/browser", "slices/shape"}},
	{"slices/edge/conform", []string{".", "slices", "slices/edge", "slices/session", "slices/session/host", "slices/session/roam"}}, // its tests only
	{"slices/edge/acme", []string{"."}},
	{"slices/edge/supervise", []string{"."}},
	{"slices/edge/satellite", []string{".", "slices", "slices/edge", "slices/edge/quicshare", "slices/edge/supervise", "slices/session",
		"slices/session/link", "slices/shape"}},

	{"cluster", []string{"."}},
	{"cluster/gossip", []string{".", "osfile", "cluster"}},
	{"cluster/consensus", []string{".", "osfile", "cluster"}},
	{"cluster/place", []string{".", "cluster"}},
	{"cluster/witness", []string{".", "osfile", "cluster", "ledger/merkle", "ledger/verify"}},
	{"cluster/simnet", []string{".", "cluster"}},

	{"engine/bus", []string{"."}},
	{"engine/control/wire", []string{"."}},
	{"engine/fabric", []string{".", "gates"}},
	{"engine/fabrictest", []string{".", "gates", "engine/fabric"}},
	{"engine/imvu", []string{"."}},
	{"engine/personal", []string{"."}},
	{"engine/personal/keys", []string{".", "osfile", "engine/personal"}},
	{"engine/doctor", []string{".", "osfile", "engine/control/wire"}},
	{"engine/state", []string{".", "gates", "gates/rules", "ledger", "ledger/merkle", "ledger/split", "slices",
		"engine/imvu", "engine/personal"}},
	{"engine/journal", []string{".", "ledger", "engine/personal"}},
	{"engine/statement", []string{".", "ledger", "engine/state"}},
	{"engine/statement/page", []string{".", "engine/statement"}},
	{"engine/publication", []string{".", "ledger", "engine/state"}},
	{"engine/identity", fabricMay},
	{"engine/compute", fabricMay},
	{"engine/dns", fabricMay},
	{"engine/mail", fabricMay},
	{"engine/route", fabricMay},
	{"engine/slicing", fabricMay},
	{"engine/platform", fabricMay},
	{"engine/stream", append([]string{"engine/platform"}, fabricMay...)},
	{"engine/ott", append([]string{"engine/platform"}, fabricMay...)},
	{"engine", engineMay},
	{"engine/control", aboveTheDoor},
	{"engine/launch", aboveTheDoor},
	{"engine/revenue", aboveTheDoor},
	{"engine/audit", aboveTheDoor},
	{"engine/metrics", []string{"engine/control/wire"}},
	{"engine/tilelog", []string{".", "ledger", "ledger/merkle"}},
	{"engine/tilelog/tilelogtest", nil}, // an outsider: nothing of the house
	{"engine/suite", append([]string{"engine/audit", "engine/bench/edge", "engine/bundle"}, aboveTheDoor...)},
	{"engine/bundle", append([]string{"engine/journal", "engine/statement/page"}, aboveTheDoor...)},
	{"engine/bench", append([]string{"engine/bench/edge", "engine/bundle"}, aboveTheDoor...)},
	{"engine/bench/edge", []string{".", "slices/..."}},
	{"engine/enginetest", aboveTheDoor},
	{"engine/node", []string{".", "osfile", "gates/...", "ledger/...", "slices/...", "cluster/...", "engine/..."}},

	{"tui", tuiMay},
	{"tui/aaterm", nil},
	{"tui/keymap", tuiMay},
	{"tui/theme", tuiMay},
	{"tui/panel", tuiMay},
	{"tui/answers", nil},
	{"tui/wizard", tuiMay},
	{"tui/bench", tuiMay},
	{"tui/sshd", append([]string{"osfile"}, tuiMay...)},
	{"tui/tuitest", tuiMay},

	{"cmd/nexus", []string{"./..."}},
	{"cmd/nexus-verify", []string{".", "ledger/verify"}},
	{"cmd/archtest", nil},
}

// fabricMay: a fabric sees the contract, the state it makes real and the siblings, never the engine that runs it.
var fabricMay = []string{".", "osfile", "gates", "ledger", "ledger/merkle", "slices/...", "cluster",
	"engine/bus", "engine/fabric", "engine/imvu", "engine/personal", "engine/state"}

// engineMay: the door joins the siblings, the state machine and the fabrics.
var engineMay = append([]string{"gates/...", "ledger/...", "slices/...", "cluster/...", "engine/control/wire",
	"engine/statement", "engine/publication", "engine/personal/keys",
	"engine/identity", "engine/compute", "engine/dns", "engine/mail", "engine/route", "engine/slicing",
	"engine/platform", "engine/stream", "engine/ott"}, fabricMay...)

// aboveTheDoor: whoever calls the engine may see all that the engine sees, and the engine itself.
var aboveTheDoor = append([]string{"engine", "engine/control", "engine/doctor"}, engineMay...)

// tuiMay: the console sees plain data types and itself.
var tuiMay = []string{".", "engine/control/wire", "tui/..."}

// helpers may be imported by tests anywhere below their own layer's rules, by nothing else.
var helpers = []string{"ledger/ledgertest", "gates/gatetest", "engine/fabrictest", "engine/enginetest", "engine/tilelog/tilelogtest", "cluster/simnet",
	"tui/tuitest"}

// library gives an outside library its one home. Tests of any package may use those whose homes is "tests".
type library struct {
	prefix string
	homes  []string
}

// libraries are judged by the longest prefix. docs/decisions/0005-dependencies.md has the reason for each.
var libraries = []library{
	{"github.com/dgraph-io/badger/v4", []string{"ledger/badgerstore"}},
	{"golang.org/x/mod/sumdb/tlog", []string{"ledger/merkle", "engine/tilelog/tilelogtest"}},
	{"golang.org/x/mod/sumdb/note", []string{"ledger", "ledger/verify", "cluster/witness", "engine/identity", "engine/tilelog/tilelogtest"}},
	{"github.com/santhosh-tekuri/jsonschema/v6", []string{"tests"}},
	{"github.com/transparency-dev/formats", []string{"tests"}},
	{"github.com/transparency-dev/merkle", []string{"engine/tilelog/tilelogtest", "tests"}},
	{"github.com/anishathalye/porcupine", []string{"tests"}},

	{"github.com/hashicorp/serf", []string{"cluster/gossip"}},
	{"github.com/hashicorp/memberlist", []string{"cluster/gossip"}},
	{"github.com/hashicorp/raft", []string{"cluster/consensus"}},
	{"github.com/hashicorp/raft-wal", []string{"cluster/consensus"}},
	{"github.com/hashicorp/go-hclog", []string{"cluster/consensus"}},

	{"github.com/HdrHistogram/hdrhistogram-go", []string{"slices/meter"}},
	{"github.com/coder/websocket", []string{"slices/edge", "slices/session/...", "tests"}},
	{"github.com/quic-go/quic-go", []string{"slices/edge", "slices/edge/quicshare", "slices/session/roam", "engine/bench/edge", "tests"}},
	{"github.com/quic-go/webtransport-go", []string{"slices/edge", "slices/session/roam", "tests"}},
	{"github.com/caddyserver/certmagic", []string{"slices/edge/acme"}},
	{"github.com/mholt/acmez/v3", []string{"slices/edge/acme"}},
	{"go.uber.org/zap", []string{"slices/edge/acme"}},
	{"github.com/letsencrypt/pebble/v2", []string{"tests"}},
	{"github.com/summerwind/h2spec", []string{"tests"}},
	{"github.com/lxzan/gws", []string{"tests"}},
	{"golang.org/x/net/http2", []string{"tests"}},
	{"golang.org/x/net/ipv4", []string{"slices/edge/quicshare"}},
	{"golang.org/x/net/http2/hpack", []string{"slices/edge/peek", "tests"}},
	{"aidanwoods.dev/go-paseto", []string{"slices/session"}},

	{"github.com/prometheus/client_golang", []string{"engine/metrics"}},
	{"golang.org/x/crypto/ssh", []string{"engine/identity", "tui/sshd", "tests"}},
	{"codeberg.org/go-pdf/fpdf", []string{"engine/statement/page"}},
	{"golang.org/x/image/font/gofont", []string{"engine/statement/page"}},
	{"filippo.io/age", []string{"engine/identity"}},

	{"github.com/charmbracelet", []string{"tui/..."}},
	{"github.com/muesli", []string{"tui/..."}},
	{"github.com/rivo/uniseg", []string{"tui/..."}},
	{"github.com/aymanbagabas/go-osc52/v2", []string{"tui/..."}},
	{"github.com/creack/pty", []string{"tui/sshd", "tui/bench", "tests"}},

	{"github.com/spf13/cobra", []string{"cmd/..."}},
	{"github.com/spf13/pflag", []string{"cmd/..."}},
	{"github.com/spf13/viper", []string{"cmd/nexus"}},
	{"golang.org/x/term", []string{"cmd/nexus"}},
	{"golang.org/x/sys", []string{"engine/bench/edge", "cmd/nexus"}},

	{"pgregory.net/rapid", []string{"tests"}},
	{"github.com/rogpeppe/go-internal", []string{"tests"}},
	{"github.com/hinshun/vt10x", []string{"tui/bench", "tests"}},
	{"github.com/dop251/goja", []string{"tests"}},
}

// pureRule bans what would make two replicas, or a run and its replay, differ.
type pureRule struct {
	dir     string
	imports []string // packages of the standard library that may not be imported; "x/..." covers those below
	names   []string // package.Name that may not be used
	floats  bool     // float32 and float64 may not appear
}

var (
	effects = []string{"os", "os/...", "net", "net/http", "syscall", "io/fs", "math/rand", "math/rand/v2", "crypto/rand"}
	clocks  = []string{"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc",
		"time.NewTimer", "time.NewTicker", "time.Tick"}
)

var pure = []pureRule{
	{".", effects, clocks, true},
	{"engine/state", effects, clocks, true},
	{"engine/imvu", effects, clocks, true},
	{"engine/personal", effects, clocks, true},
	{"gates", []string{"os", "os/...", "net", "net/http", "math/rand", "math/rand/v2"}, clocks, true},
	{"gates/rules", effects, clocks, true},
	{"ledger/split", effects, clocks, true},
	{"ledger/merkle", effects, clocks, true},
	{"slices", effects, clocks, false},
}

// Limits of the root package (DESIGN section 2) and of every file (STYLE, habit 13).
const (
	rootFilesMax     = 6
	rootLinesMax     = 720
	functionLinesMax = 70
	fileLinesMax     = 800
	lineCharsMax     = 160
)
