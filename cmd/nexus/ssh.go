package main

import (
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	nodes "github.com/BobbyBlanco400/nexus-cos/engine/node"
	"github.com/BobbyBlanco400/nexus-cos/tui/sshd"
)

// hostKeyFile is the SSH console's host key in a data directory.
const hostKeyFile = "ssh/host_ed25519"

// guest is a client of the SSH console: what its command lines are run as. They run in the node's process, so nothing of this
// machine may be reached by them but the node's own API: no file, no environment, no key.
type guest struct {
	session *sshd.Session
	node    *nodes.Node
	dataDir string
	token   string // for reads, good while the session lasts
	screen  bool   // the terminal is this app's own: a screen may be shown
}

// openSSH opens the SSH console of a node; with a folder to record in, each session is recorded.
func (a *app) openSSH(addr, dataDir, record string) func(*nodes.Node) (nodes.Door, error) {
	return func(n *nodes.Node) (nodes.Door, error) {
		handle := func(ctx context.Context, s *sshd.Session) int {
			token, end := n.OpenSession(s.ID, s.Key, !s.Agent)
			defer end()
			return serveGuest(ctx, &guest{session: s, node: n, dataDir: dataDir, token: token, screen: s.Terminal})
		}
		return sshd.Listen(sshd.Config{Addr: addr, HostKeyFile: filepath.Join(dataDir, hostKeyFile), Known: n.Knows, Handle: handle,
			Log: slog.New(n.LogHandler()), RecordDir: record, Recorded: postRecording(n)})
	}
}

// serveGuest runs what a client asked for: a command line, or the console.
func serveGuest(ctx context.Context, g *guest) int {
	words, err := sshd.Words(g.session.Command)
	ctx, interrupt := context.WithCancel(ctx)
	defer interrupt()
	in := g.session.In
	if g.screen { // without a terminal the client makes a signal of ctrl-c itself
		keys := newGuestInput(in, interrupt)
		defer keys.close()
		in = keys
	}
	a := &app{in: in, out: g.session.Text, err: g.session.Err, getenv: g.getenv, now: time.Now, guest: g}
	if err != nil {
		a.say("nexus: %v", err)
		return exitUsage
	}
	if len(words) > 0 && words[0] == "nexus" { // as it is typed at home
		words = words[1:]
	}
	switch {
	case len(words) > 0:
		return a.run(ctx, words)
	case g.screen:
		return a.run(ctx, []string{"console"})
	}
	a.run(ctx, []string{"help"})
	a.say("no command and no terminal: ssh -t for the console, or give a command such as imvu list")
	return exitUsage
}

// getenv is the environment of a guest: how the terminal looks, and places that are the guest's own.
func (g *guest) getenv(name string) string {
	switch name {
	case "NEXUS_DATA_DIR":
		return g.dataDir
	case "XDG_STATE_HOME", "XDG_CONFIG_HOME", "HOME":
		return filepath.Join(g.dataDir, "ssh", "guests", hex.EncodeToString(g.session.Key[:]))
	}
	return g.session.Getenv(name)
}

// connect speaks to the node of this process as the guest.
func (g *guest) connect(a *app) *node {
	s := g.session
	c := control.NewSessionClient(g.node.Socket(), g.node.Cluster(), s.Signer, g.token, !s.Agent)
	h := g.node.Hello()
	file := control.NodeFile{PID: h.PID, Name: h.Name, Cluster: g.node.Cluster(), Profile: h.Profile, State: h.State, Version: h.Version, Addresses: h.Addresses}
	n := &node{Client: c, app: a, source: g.source(), file: file}
	n.SetReadOnly(!s.Agent || a.conf.yes("read_only"))
	return n
}

// watch follows the node of this process, whose pictures all its guests share.
func (g *guest) watch(ctx context.Context, show func(*wire.Overview)) error {
	return g.node.WatchSession(ctx, g.token, show)
}

// source says where a guest's key is.
func (g *guest) source() string {
	if g.session.Agent {
		return "your agent, over ssh"
	}
	return "no key here: read-only (ssh -A)"
}

// guestVerbs are the command lines that a guest may run: those that reach nothing but the node's API. A verb that stands in no
// list is refused.
func guestVerbs() map[string]bool {
	out := map[string]bool{}
	for _, v := range []string{"console", "home", "status", "version", "help", "launch rerun", "imvu list", "imvu show",
		"imvu exit", "imvu exit-status", "platform exit", "platform exit-status", "exits list", "exits show",
		"revenue prices list", "revenue prices show", "imvu create", "imvu transfer", "platform transfer",
		"imvu scale", "imvu suspend", "imvu resume", "platform list", "platform show", "platform create", "platform prove", "stream list",
		"stream show", "stream channel create", "ott list", "ott show", "ott channel create", "revenue record",
		"revenue refund", "revenue dispute open", "revenue dispute show", "revenue dispute withdraw",
		"revenue tally", "revenue balance", "revenue statement", "revenue journal", "revenue pending", "revenue hold list", "revenue hold place",
		"revenue payout list", "revenue payout set", "revenue payout request", "revenue sources", "route list", "route set", "route prove",
		"route drop", "policy show", "policy set", "policy try", "consent give", "consent withdraw", "consent use", "consent log",
		"stream channel transfer", "ott channel transfer", "identity show", "approvals list", "approvals show",
		"approvals grant", "approvals refuse", "notices", "notices list", "notices show", "notices read", "cluster members", "cluster edges", "cluster keys",
		"approvals withdraw", "approvals propose",
		"ledger verify", "ledger head", "ledger show", "ledger prove", "ledger export", "gates list", "gates log", "gates explain",
		"gates try", "slices list", "slices show", "slices probe", "slices record", "slices set", "slices top", "audit", "audit findings"} {
		out[v] = true
	}
	return out
}

// guestFlags are flags that reach into this machine; no guest gives them.
func guestFlags() []string {
	return []string{"out", "junit", "node", "replay", "check", "offline", "text", "sign-only", "by"}
}

// errNoFile refuses to read a file of the node's machine for a guest; what is read from standard input comes from the guest.
func errNoFile(path string) error {
	return usage("file "+path, "give - and send it on standard input: ssh HOST policy set --unit UNIT --file - < policy.json",
		"is on the node's machine, which a session over SSH does not reach")
}

// elsewhereMark marks a verb that is hidden only because it is not served here.
const elsewhereMark = "elsewhere"

// forGuest takes from a command tree what a guest may not run. A refused verb stays, to say so.
func (a *app) forGuest(cmd *cobra.Command, allowed map[string]bool) {
	for _, sub := range cmd.Commands() {
		a.forGuest(sub, allowed)
		path := strings.TrimPrefix(sub.CommandPath(), "nexus ")
		if allowed[path] {
			sub.PreRunE = func(c *cobra.Command, _ []string) error {
				for _, name := range guestFlags() {
					if f := c.Flags().Lookup(name); f != nil && f.Changed {
						return usage("--"+name, "run it in a shell of that machine", "reaches into the node's machine, which a session over SSH does not")
					}
				}
				return nil
			}
			continue
		}
		if holdsAllowed(sub, allowed) {
			if sub.Annotations[nounMark] == "" { // a verb of its own with verbs below it: launch, whose rerun goes
				refuseHere(sub, path)
			}
			continue
		}
		if !sub.Hidden {
			sub.Hidden, sub.Annotations = true, map[string]string{elsewhereMark: "ssh"} // help lists what goes from here; the palette says why not
		}
		if sub.HasSubCommands() && !sub.Runnable() {
			continue
		}
		refuseHere(sub, path)
	}
}

// refuseHere makes a verb say that it does not go over SSH, whatever stands behind it; verbs below it stay as they are.
func refuseHere(cmd *cobra.Command, path string) {
	cmd.Args, cmd.DisableFlagParsing, cmd.PreRunE, cmd.ValidArgsFunction = cobra.ArbitraryArgs, true, nil, nil
	cmd.RunE = func(*cobra.Command, []string) error {
		return usage("nexus "+path, "run it in a shell of that machine; nexus help lists what goes from here", "is not served over SSH")
	}
}

// holdsAllowed reports whether a verb that a guest may run lies below cmd.
func holdsAllowed(cmd *cobra.Command, allowed map[string]bool) bool {
	for _, sub := range cmd.Commands() {
		if allowed[strings.TrimPrefix(sub.CommandPath(), "nexus ")] || holdsAllowed(sub, allowed) {
			return true
		}
	}
	return false
}

// screenOut is where a screen is drawn: for a guest without the ends of lines that a terminal needs from plain text.
func (a *app) screenOut() io.Writer {
	if a.guest != nil {
		return a.guest.session.Out
	}
	return a.out
}

// sizes gives the first size of a guest's terminal and its changes; a terminal of this machine says its own.
func (a *app) sizes() (width, height int, changes <-chan [2]int) {
	if a.guest == nil {
		return 0, 0, nil
	}
	s := a.guest.session
	return s.Size[0], s.Size[1], s.Sizes
}

// errNoLocalKey refuses to make a key file on the node's machine for a guest.
func errNoLocalKey(name string) error {
	return nexus.Errf("issue identity", nexus.CodeUsage, "owner "+name, "register the owner's own key first: nexus identity import, on the node's machine",
		"is not known, and no key file is made over SSH")
}
