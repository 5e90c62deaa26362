package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
)

// backend lets the console see a node through the client of engine/control. It satisfies tui.Backend; safe for concurrent
// use. Before genesis there is no key to sign with: what may be watched then needs none, and the watch starts again with
// the operator's key as soon as there is one.
type backend struct {
	app  *app
	file control.NodeFile // of the node; its address does not change while it runs
	addr string           // instead of the file's own address (console --node)

	mu       sync.Mutex
	live     *node // nil until the first call, and after the node was lost
	readOnly bool
}

// errFounded ends an early watch once the cluster is founded.
var errFounded = fmt.Errorf("the cluster is founded")

// node gives the connection, made anew when there is none.
func (b *backend) node(ctx context.Context) (*node, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.live != nil {
		return b.live, nil
	}
	addr := b.addr
	if addr == "" {
		addr = b.file.Addresses["api"]
	}
	n, err := b.app.connectTo(ctx, b.file, addr)
	if err != nil {
		return nil, err
	}
	n.SetReadOnly(n.ReadOnly() || b.readOnly)
	b.live = n
	return n, nil
}

// SetReadOnly implements tui.Backend.
func (b *backend) SetReadOnly(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readOnly = on
	if b.live != nil {
		b.live.SetReadOnly(on || b.app.conf.yes("read_only"))
	}
}

// drop forgets a connection that failed or was made too early.
func (b *backend) drop(n *node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.live == n {
		b.live = nil
	}
	n.Close()
}

// Watch implements tui.Backend.
func (b *backend) Watch(ctx context.Context, show func(*wire.Overview)) error {
	for {
		err := b.watchOnce(ctx, show)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != errFounded:
			return err
		}
	}
}

func (b *backend) watchOnce(ctx context.Context, show func(*wire.Overview)) error {
	n, err := b.node(ctx)
	if err != nil {
		return err
	}
	early := n.Cluster().IsZero()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := n.Watch
	if g := b.app.guest; g != nil { // of this process, whose pictures it shares
		watch = g.watch
	}
	err = watch(ctx, func(o *wire.Overview) {
		o.Identity.Source = n.source // the Overview itself is this session's own
		show(o)
		if early && o.Node.Cluster != "" {
			cancel(errFounded)
		}
	})
	b.drop(n)
	if context.Cause(ctx) == errFounded {
		return errFounded
	}
	return err
}

// Decision implements tui.Backend.
func (b *backend) Decision(ctx context.Context, index uint64) (wire.Decision, error) {
	n, err := b.node(ctx)
	if err != nil {
		return wire.Decision{}, err
	}
	return get[wire.Decision](ctx, n, fmt.Sprintf("/v1/decisions/%d", index))
}

// Proof implements tui.Backend: the proof is re-computed here before it is shown.
func (b *backend) Proof(ctx context.Context, unit, currency string) (wire.Proof, error) {
	n, err := b.node(ctx)
	if err != nil {
		return wire.Proof{}, err
	}
	return n.tallyProof(ctx, unit, currency)
}

// Unit implements tui.Backend.
func (b *backend) Unit(ctx context.Context, word string) (wire.UnitDetail, error) {
	return ask[wire.UnitDetail](ctx, b, "/v1/units/"+url.PathEscape(word))
}

// entriesShown is how many entries the console shows of a unit or of the log.
const entriesShown = 200

// UnitEntries implements tui.Backend.
func (b *backend) UnitEntries(ctx context.Context, word string) (wire.UnitEntries, error) {
	return ask[wire.UnitEntries](ctx, b, "/v1/units/"+url.PathEscape(word)+"/entries", "limit", fmt.Sprint(entriesShown))
}

// Entries implements tui.Backend.
func (b *backend) Entries(ctx context.Context) (wire.Entries, error) {
	head, err := ask[wire.Head](ctx, b, "/v1/head")
	if err != nil {
		return wire.Entries{}, err
	}
	from := uint64(0)
	if head.Size > entriesShown {
		from = head.Size - entriesShown
	}
	return ask[wire.Entries](ctx, b, "/v1/entries", "from", fmt.Sprint(from), "limit", fmt.Sprint(entriesShown))
}

// EntryProof implements tui.Backend: the proof is re-computed here before it is shown.
func (b *backend) EntryProof(ctx context.Context, seq uint64) (wire.EntryProof, error) {
	n, err := b.node(ctx)
	if err != nil {
		return wire.EntryProof{}, err
	}
	p, _, err := n.proveEntry(ctx, fmt.Sprint(seq))
	if err != nil {
		return wire.EntryProof{}, err
	}
	return p.(wire.EntryProof), nil
}

// GateDecisions implements tui.Backend.
func (b *backend) GateDecisions(ctx context.Context, gate int) (wire.Decisions, error) {
	return ask[wire.Decisions](ctx, b, "/v1/decisions", "gate", fmt.Sprint(gate), "limit", fmt.Sprint(entriesShown))
}

// Slice implements tui.Backend.
func (b *backend) Slice(ctx context.Context, id string) (wire.SliceDetail, error) {
	return ask[wire.SliceDetail](ctx, b, "/v1/slices/"+url.PathEscape(id))
}

// Units implements tui.Backend.
func (b *backend) Units(ctx context.Context) (wire.Units, error) {
	return ask[wire.Units](ctx, b, "/v1/units")
}

// Tallies implements tui.Backend.
func (b *backend) Tallies(ctx context.Context) (wire.Tally, error) {
	return ask[wire.Tally](ctx, b, "/v1/tally")
}

// Home implements tui.Backend.
func (b *backend) Home(ctx context.Context) (wire.Home, error) {
	n, err := b.node(ctx)
	if err != nil {
		return wire.Home{}, err
	}
	return n.home(ctx)
}

// Audit implements tui.Backend.
func (b *backend) Audit(ctx context.Context) (wire.AuditReport, error) {
	n, err := b.node(ctx)
	if err != nil {
		return wire.AuditReport{}, err
	}
	var r wire.AuditReport
	return r, n.Post(ctx, "/v1/audit", struct{}{}, &r)
}

// Log implements tui.Backend.
func (b *backend) Log(ctx context.Context, from int64) (wire.LogPage, error) {
	return ask[wire.LogPage](ctx, b, "/v1/log", "from", fmt.Sprint(from), "wait", "1")
}

// ask reads an answer of the node.
func ask[T any](ctx context.Context, b *backend, path string, query ...string) (T, error) {
	n, err := b.node(ctx)
	if err != nil {
		var none T
		return none, err
	}
	return get[T](ctx, n, path, query...)
}

// RerunPhase implements tui.Backend.
func (b *backend) RerunPhase(ctx context.Context, phase int) error {
	n, err := b.node(ctx)
	if err != nil {
		return err
	}
	return n.rerun(ctx, phase)
}

// Stop implements tui.Backend. Before genesis no action can be signed; the user who started the process ends it.
func (b *backend) Stop(ctx context.Context) error {
	n, err := b.node(ctx)
	if err != nil {
		return err
	}
	if n.Cluster().IsZero() {
		if err := terminate(n.file.PID); err != nil {
			return err
		}
		return n.gone(ctx)
	}
	return n.stop(ctx)
}

// CreateUnit implements tui.Backend and wizard.Backend.
func (b *backend) CreateUnit(ctx context.Context, req wire.UnitCreate) (wire.UnitCreated, error) {
	n, err := b.node(ctx)
	if err != nil {
		return wire.UnitCreated{}, err
	}
	full, err := n.creationOf(ctx, req)
	if err != nil {
		return wire.UnitCreated{}, err
	}
	made, err := n.createUnit(ctx, full)
	if err != nil && made.Unit.ID != "" { // the unit stands: whoever tried again would make a second one
		made.Undone, err = err.Error(), nil
	}
	return made, err
}

// DryRun implements tui.Backend and wizard.Backend.
func (b *backend) DryRun(ctx context.Context, req wire.UnitCreate) ([]wire.Verdict, error) {
	n, err := b.node(ctx)
	if err != nil {
		return nil, err
	}
	full, err := n.creationOf(ctx, req)
	if err != nil {
		return nil, err
	}
	return n.dryRun(ctx, full)
}

// creationOf finds the mini-platform that a channel is to be on.
func (n *node) creationOf(ctx context.Context, req wire.UnitCreate) (creationRequest, error) {
	full := creationRequest{UnitCreate: req}
	var err error
	if req.On != "" {
		_, full.Parent, err = n.publicUnit(ctx, req.On)
	}
	return full, err
}

// Identity implements tui.Backend. Its name is what the data directory calls the key; the node says the registered one.
func (b *backend) Identity() wire.Identity {
	id := wire.Identity{Source: b.app.signerSource(), Roles: []string{}, Name: filepath.Base(b.app.signerSource())}
	b.mu.Lock()
	live := b.live
	b.mu.Unlock()
	var key nexus.PublicKey
	if g := b.app.guest; g != nil {
		key, id.Name, id.ReadOnly = g.session.Key, g.session.Name, !g.session.Agent
	} else if live != nil {
		key = live.Identity()
	} else if spec := b.app.conf.text("identity"); spec == "" || identity.CheckName(spec) == nil {
		if k, err := identity.LoadKey(id.Source); err == nil {
			key = k.Public()
		}
	}
	if !key.IsZero() {
		id.Key, id.Fingerprint = key.String(), identity.Fingerprint(key)
	}
	return id
}
