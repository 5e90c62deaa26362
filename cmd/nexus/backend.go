package main

import (
	"context"
	"fmt"
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

	mu   sync.Mutex
	live *node // nil until the first call, and after the node was lost
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
	b.live = n
	return n, nil
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
	err = n.Watch(ctx, func(o *wire.Overview) {
		o.Identity.Source = n.source
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

// RerunPhase implements tui.Backend.
func (b *backend) RerunPhase(ctx context.Context, phase int) error {
	n, err := b.node(ctx)
	if err != nil {
		return err
	}
	return n.Post(ctx, fmt.Sprintf("/v1/phases/%d/rerun", phase), struct{}{}, nil)
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
	return n.createUnit(ctx, creationRequest{UnitCreate: req})
}

// DryRun implements tui.Backend and wizard.Backend.
func (b *backend) DryRun(ctx context.Context, req wire.UnitCreate) ([]wire.Verdict, error) {
	n, err := b.node(ctx)
	if err != nil {
		return nil, err
	}
	return n.dryRun(ctx, creationRequest{UnitCreate: req})
}

// Identity implements tui.Backend. Its name is what the data directory calls the key; the node says the registered one.
func (b *backend) Identity() wire.Identity {
	id := wire.Identity{Source: b.app.signerSource(), Roles: []string{}, Name: filepath.Base(b.app.signerSource())}
	b.mu.Lock()
	live := b.live
	b.mu.Unlock()
	var key nexus.PublicKey
	if live != nil {
		key = live.Identity()
	} else if spec := b.app.conf.text("identity"); spec == "" || identity.CheckName(spec) == nil {
		if k, err := identity.LoadKey(id.Source); err == nil {
			key = k.Public()
		}
	}
	if !key.IsZero() {
		id.Key, id.Fingerprint = key.String(), key.Short()
	}
	return id
}
