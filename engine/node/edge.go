package node

import (
	"context"
	"os"
	"path/filepath"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/fabric"
	"github.com/BobbyBlanco400/nexus-cos/engine/slicing"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// reconcileEvery is the full comparison of wanted and installed; changes are picked up at once by the bus.
const reconcileEvery = 2 * time.Second

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
	g, err := edge.New(edge.Config{Addr: n.cfg.GatewayAddr, TLSAddr: n.cfg.GatewayTLSAddr, CapacityBps: n.cfg.CapacityBps,
		Logger: n.log, Certificate: ca.Certificate})
	if err != nil {
		return err
	}
	if err := g.Start(); err != nil {
		return err
	}
	p := edge.NewProber(g, edge.ProberConfig{})
	n.mu.Lock()
	n.gateway, n.prober = g, p
	if e := n.Engine(); e != nil {
		n.fabric = slicing.New(e.Minter(), g)
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
	}
	return nil
}

// reconcileLoop compares what the ledger wants with what the gateway has, whenever something was applied.
func (n *Node) reconcileLoop(ctx context.Context) {
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	var seen uint64
	var full time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		v := n.Engine().Version()
		if v == seen && time.Since(full) < reconcileEvery {
			continue
		}
		if v == seen {
			full = time.Now()
		}
		seen = v
		if err := n.reconcile(ctx); err != nil && ctx.Err() == nil {
			n.log.Error("reconcile", "component", "slicing", "error", err)
		}
	}
}

// reconcile applies every spec that is not in force, each with a permit of its own minted now from the committed decision.
func (n *Node) reconcile(ctx context.Context) error {
	var want []fabric.Spec[slicing.Body]
	n.Engine().View(func(s *state.State) { want = slicing.Desired(s) })
	f := n.edgeFabric()
	keep := make(map[nexus.ID]bool, len(want))
	for _, spec := range want {
		keep[spec.Unit] = true
		if index, ok := f.Observe(spec.Unit); ok && index == spec.Index {
			continue
		}
		p, err := n.Engine().Minter().Mint(spec.Index, fabric.Resource(slicing.Name, spec.Unit), spec.Index)
		if err != nil {
			return err
		}
		spec.Digest = p.Digest()
		if err := f.Apply(ctx, p, spec); err != nil {
			return err
		}
	}
	return n.removeGone(ctx, f, keep)
}

// removeGone takes away what no unit wants any more; the permit comes from the decision that ended it.
func (n *Node) removeGone(ctx context.Context, f *slicing.Fabric, keep map[nexus.ID]bool) error {
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
		if err != nil {
			return err
		}
		if err := f.Remove(ctx, p, fabric.Spec[slicing.Body]{Unit: id, Index: index, Digest: p.Digest()}); err != nil {
			return err
		}
	}
	return nil
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
