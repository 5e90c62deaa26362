package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
)

// node is the running node that this command speaks to.
type node struct {
	*control.Client
	file   control.NodeFile
	app    *app
	source string // where the signing key is
}

// connect finds the node of the data directory and the identity that signs. CodeNoNode when none answers.
func (a *app) connect(ctx context.Context) (*node, error) {
	if a.guest != nil {
		return a.guest.connect(a), nil
	}
	file, err := control.ReadNodeFile(a.conf.text("data_dir"))
	if err != nil {
		return nil, err
	}
	return a.connectTo(ctx, file, file.Addresses["api"])
}

// connectPerson connects for a person who says something about themselves, and gives who that is. With --sign-only the person may be unknown to
// the node, so --by asks it instead, and the answer is only to be printed.
func (a *app) connectPerson(ctx context.Context, f *pflag.FlagSet) (n *node, person nexus.Signer, only bool, err error) {
	only, _ = f.GetBool("sign-only")
	if person, err = a.signer(); err != nil {
		return nil, nil, only, err
	}
	if only {
		by, _ := f.GetString("by")
		a.conf.values["identity"] = configValue{by, "--by"}
	}
	n, err = a.connect(ctx)
	return n, person, only, err
}

// connectTo speaks to the node behind an address. Hello tells a live node from a file that was left behind.
func (a *app) connectTo(ctx context.Context, file control.NodeFile, addr string) (*node, error) {
	if a.guest != nil {
		return a.guest.connect(a), nil
	}
	if addr == "" {
		return nil, nexus.Errf("find node", nexus.CodeNoNode, "node "+file.Name, "wait until it is up: nexus status", "has no address yet")
	}
	probe := control.NewClient(addr, file.Cluster, nil)
	hello, err := probe.Hello(ctx)
	probe.Close()
	if err != nil {
		return nil, err
	}
	a.peer = hello.Version
	signer, err := a.signer()
	early := hello.Cluster == "" || file.LedgerOn != ""
	if err != nil && early && a.conf.text("identity") == "" {
		// Before genesis, and on a node whose ledger is elsewhere, there is no key yet and what can be read is public.
		signer, err = passingKey()
	}
	if err != nil {
		return nil, err
	}
	var cluster nexus.ID
	if hello.Cluster != "" {
		if cluster, err = nexus.ParseID(hello.Cluster); err != nil {
			return nil, err
		}
	}
	n := &node{Client: control.NewClient(addr, cluster, signer), file: file, app: a, source: a.signerSource()}
	n.SetReadOnly(a.conf.yes("read_only"))
	return n, nil
}

// passingKey is a key for this command only.
func passingKey() (nexus.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return nexus.KeySigner(key), err
}

// signer gives the identity that signs. An encrypted key file is asked for on a terminal.
func (a *app) signer() (nexus.Signer, error) {
	if a.guest != nil {
		return a.guest.session.Signer, nil
	}
	return a.signerOf(a.conf.text("identity"))
}

// signerOf gives the key that a name, file or agent:FINGERPRINT says, on this machine.
func (a *app) signerOf(spec string) (nexus.Signer, error) {
	s, err := identity.Resolve(spec, a.conf.text("data_dir"), a.getenv("SSH_AUTH_SOCK"))
	if err == nil || !errors.Is(err, identity.ErrPassphrase) {
		return s, err
	}
	phrase, perr := a.secret("Passphrase of " + spec + ": ")
	if perr != nil {
		return nil, errors.Join(err, perr)
	}
	key, err := identity.LoadKeyPassphrase(spec, phrase)
	if err != nil {
		return nil, err
	}
	return key, nil
}

func (a *app) signerSource() string {
	if a.guest != nil {
		return a.guest.source()
	}
	spec := a.conf.text("identity")
	switch {
	case spec == "":
		return identity.KeyPath(a.conf.text("data_dir"), identity.OperatorName)
	case strings.HasPrefix(spec, "agent:") || strings.Contains(spec, "/"):
		return spec
	}
	return identity.KeyPath(a.conf.text("data_dir"), spec)
}

// secret asks for a secret on the terminal without showing it.
func (a *app) secret(prompt string) ([]byte, error) {
	f, ok := a.in.(interface{ Fd() uintptr })
	if !ok || !terminal(a.in) || a.conf.yes("no_tui") {
		return nil, usage("passphrase", "use the key through an ssh-agent: --identity agent:FINGERPRINT", "there is no terminal to ask on")
	}
	fmt.Fprint(a.err, prompt)
	phrase, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(a.err)
	return phrase, err
}

// ask puts a yes-or-no question; only y or yes is yes.
func (a *app) ask(question string) (bool, error) {
	if !terminal(a.in) || a.conf.yes("no_tui") {
		return false, usage("question", "", "there is no terminal to ask on")
	}
	fmt.Fprint(a.err, clean(question), " [y/N] ")
	var answer string
	if _, err := fmt.Fscanln(a.in, &answer); err != nil && answer == "" {
		return false, nil
	}
	answer = strings.ToLower(answer)
	return answer == "y" || answer == "yes", nil
}

// get reads an answer into out.
func get[T any](ctx context.Context, n *node, path string, query ...string) (T, error) {
	var out T
	q := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		if query[i+1] != "" {
			q.Set(query[i], query[i+1])
		}
	}
	err := n.Get(ctx, path, q, &out)
	return out, err
}

// unit finds a unit by id, label or slug.
func (n *node) unit(ctx context.Context, word string) (wire.UnitDetail, nexus.ID, error) {
	d, err := get[wire.UnitDetail](ctx, n, "/v1/units/"+url.PathEscape(word))
	if err != nil {
		return d, nexus.ID{}, err
	}
	id, err := nexus.ParseID(d.ID)
	return d, id, err
}

// act signs and does one action. The receipt's decision is said on stderr.
func (n *node) act(ctx context.Context, kind string, unit nexus.ID, body any) (nexus.Receipt, error) {
	sealed, err := n.sealed(ctx, kind, unit, body)
	if err != nil {
		return nexus.Receipt{}, err
	}
	a, err := engine.NewActionOf(n.Signer(), n.Cluster(), kind, unit, sealed, n.app.now())
	if err != nil {
		return nexus.Receipt{}, err
	}
	r, err := n.Do(ctx, a)
	if err != nil && r.Index > 0 {
		n.app.say("decision %d: nexus gates explain %d", r.Index, r.Index)
	}
	return r, err
}

// Do does a signed action, and says on stderr when the node's gateway does not serve yet what it has changed. It is done all the same.
func (n *node) Do(ctx context.Context, a nexus.Action) (nexus.Receipt, error) {
	ans, err := n.Ask(ctx, a)
	n.sayNotServed(ans.NotServed)
	return *ans.Receipt, err
}

func (n *node) sayNotServed(why string) {
	if why != "" {
		n.app.say("note: it is decided and stands, but the gateway of this node does not serve it yet: %s", why)
	}
}

// creation does a creating action, whose answer names the unit that it made.
func (n *node) creation(ctx context.Context, a nexus.Action) (wire.ActionAnswer, error) {
	ans, err := n.Ask(ctx, a)
	if err != nil {
		if ans.Receipt.Index > 0 {
			n.app.say("decision %d: nexus gates explain %d", ans.Receipt.Index, ans.Receipt.Index)
		}
		return ans, err
	}
	if ans.Unit == nil {
		return ans, nexus.Errf(a.Kind, nexus.CodeInternal, "answer of the node", "", "names no unit")
	}
	return ans, nil
}

// withNode runs fn with the node connected.
func (a *app) withNode(fn func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return a.do(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		n, err := a.connect(ctx)
		if err != nil {
			return err
		}
		defer n.Close()
		return fn(ctx, n, cmd, args)
	})
}
