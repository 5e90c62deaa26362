package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/fabric"
	"github.com/BobbyBlanco400/nexus-cos/engine/slicing"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

const (
	// reconcileEvery is the full comparison of wanted and installed, whether or not something was applied.
	reconcileEvery = 2 * time.Second
	// reconcileStep is how often is asked whether something was applied. Whoever waits for a change has it looked at before.
	reconcileStep = 50 * time.Millisecond
)

// StartEdge implements launch.Env.
func (n *Node) StartEdge(ctx context.Context) error {
	n.mu.Lock()
	running := n.gateway != nil
	n.mu.Unlock()
	if !running {
		if err := n.openEdge(); err != nil {
			return err
		}
	}
	// Whatever becomes of single units, what stands now is all there is to serve.
	defer n.sessions.made.Do(func() { close(n.sessions.whole) })
	if n.Engine() == nil {
		return n.writeNodeFile()
	}
	if err := n.reconcile(ctx); err != nil {
		return err
	}
	return n.writeNodeFile()
}

func (n *Node) openEdge() error {
	dir := filepath.Join(n.cfg.DataDir, "devca")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ca, err := edge.OpenDevCA(dir)
	if err != nil {
		return err
	}
	s, err := n.newSessions()
	if err != nil {
		return err
	}
	g, err := edge.New(edge.Config{Addr: n.cfg.GatewayAddr, TLSAddr: n.cfg.GatewayTLSAddr, CapacityBps: n.cfg.CapacityBps,
		Logger: n.log, Certificate: ca.Certificate, CertificateStatus: ca.Status, QUIC: true, Name: ownEdge, Sessions: s.host})
	if err == nil {
		s.gateway = g
		err = g.Start()
	}
	if err == nil {
		err = n.serveSessions(n.ctx, s)
	}
	if err != nil {
		s.host.Close()
		return err
	}
	p := edge.NewProber(g, edge.ProberConfig{})
	n.mu.Lock()
	n.gateway, n.prober, n.sessions = g, p, s
	if e := n.Engine(); e != nil {
		n.fabric = slicing.New(e.Minter(), sharedTable{s})
		n.auditor.Watch(n.fabric)
	}
	n.mu.Unlock()
	n.wg.Go(func() {
		if err := g.Run(n.ctx); err != nil && n.ctx.Err() == nil {
			n.log.Error("gateway ended", "component", "edge", "error", err)
		}
	})
	n.wg.Go(func() {
		if err := p.Run(n.ctx); err != nil && n.ctx.Err() == nil {
			n.log.Error("prober ended", "component", "edge", "error", err)
		}
	})
	if n.Engine() != nil {
		n.wg.Go(func() { n.reconcileLoop(n.ctx) })
		n.wg.Go(func() { n.serviceLoop(n.ctx) })
	}
	return nil
}

// reconcileLoop compares what the ledger wants with what the gateway has, whenever something was applied. Between two turns it rests as long as the first
// took, reconcileStep at most: those who wait for their changes share the next one.
func (n *Node) reconcileLoop(ctx context.Context) {
	t := time.NewTicker(reconcileStep)
	defer t.Stop()
	var seen uint64
	var full time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-n.turns.wake:
		}
		v := n.Engine().Version()
		if v == seen && time.Since(full) < reconcileEvery {
			continue
		}
		if v == seen {
			full = time.Now()
		}
		seen = v
		begin := time.Now()
		if err := n.reconcile(ctx); err != nil && ctx.Err() == nil {
			n.log.Error("reconcile", "component", "slicing", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(time.Since(begin), reconcileStep)):
		}
	}
}

// reconcile takes away what is no longer wanted, then applies every spec that is not in force, each with a permit of its own
// minted now from the committed decision. One unit's failure holds up no other unit.
func (n *Node) reconcile(ctx context.Context) error {
	n.reconciling.Lock()
	defer n.reconciling.Unlock()
	var want []fabric.Spec[slicing.Body]
	var index uint64
	n.Engine().View(func(s *state.State) { want, index = slicing.Desired(s), s.Index })
	f := n.edgeFabric()
	keep := make(map[nexus.ID]bool, len(want))
	for i := range want {
		keep[want[i].Unit] = true
	}
	wrong := map[uint64]error{}
	errs := []error{n.removeGone(ctx, f, keep, wrong)}
	for _, spec := range want {
		if index, ok := f.Observe(spec.Unit); ok && index == spec.Index {
			continue
		}
		if err := n.applySpec(ctx, f, spec); err != nil {
			wrong[spec.Index] = err
			errs = append(errs, err)
		}
	}
	n.turns.done(index, wrong)
	return errors.Join(errs...)
}

func (n *Node) applySpec(ctx context.Context, f *slicing.Fabric, spec fabric.Spec[slicing.Body]) error {
	p, err := n.Engine().Minter().Mint(spec.Index, fabric.Resource(slicing.Name, spec.Unit), spec.Index)
	if err != nil {
		return err
	}
	spec.Digest = p.Digest()
	for i := range spec.Body.Routes {
		b := &spec.Body.Routes[i].Backend
		if b.Folder != "" && overlaps(b.Folder, n.cfg.DataDir) {
			// Keys and ledger are no unit's: the host answers that nothing is deployed there.
			n.log.Error("folder not served", "component", "slicing", "host", spec.Body.Routes[i].Host, "folder", b.Folder,
				"error", "it shares files with the node's data directory")
			b.Folder = ""
		}
	}
	return f.Apply(ctx, p, spec)
}

// overlaps reports whether one folder lies within the other, links followed as far as they lead.
func overlaps(a, b string) bool {
	real := func(path string) string {
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		if target, err := filepath.EvalSymlinks(path); err == nil {
			path = target
		}
		return filepath.Clean(path)
	}
	within := func(inner, outer string) bool {
		rel, err := filepath.Rel(outer, inner)
		return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
	}
	x, y := real(a), real(b)
	return within(x, y) || within(y, x)
}

// removeGone takes away what no unit wants any more; the permit comes from the decision that ended it. What stays is told in wrong, by that
// decision.
func (n *Node) removeGone(ctx context.Context, f *slicing.Fabric, keep map[nexus.ID]bool, wrong map[uint64]error) error {
	var errs []error
	for _, id := range f.Installed() {
		if keep[id] {
			continue
		}
		var index uint64
		n.Engine().View(func(s *state.State) {
			if u := s.Units[id]; u != nil {
				index = u.UpdatedIndex
			}
		})
		p, err := n.Engine().Minter().Mint(index, fabric.Resource(slicing.Name, id), index)
		if err == nil {
			err = f.Remove(ctx, p, fabric.Spec[slicing.Body]{Unit: id, Index: index, Digest: p.Digest()})
		}
		if err != nil {
			wrong[index] = err
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (n *Node) edgeFabric() *slicing.Fabric {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.fabric
}

// EdgeAddr implements launch.Env.
func (n *Node) EdgeAddr() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gateway == nil {
		return ""
	}
	return n.gateway.Addr()
}

// SliceStats implements launch.Env.
func (n *Node) SliceStats() []edge.SliceStats {
	n.mu.Lock()
	g := n.gateway
	n.mu.Unlock()
	if g == nil {
		return nil
	}
	return g.Snapshot()
}
