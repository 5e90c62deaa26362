package node

import (
	"context"
	"mime/multipart"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/bundle"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// Bundle implements control.Node.
func (n *Node) Bundle(ctx context.Context, unit nexus.ID, w *multipart.Writer, told func(part, of int, path string, percent int)) error {
	return bundle.Write(ctx, n.Engine(), unit, w, told)
}

// TakeIn implements control.Node.
func (n *Node) TakeIn(ctx context.Context, dir string, key, by nexus.PublicKey) (state.UnitImportSlice, error) {
	return bundle.Take(ctx, n.Engine(), dir, key, by)
}

// What a killed node left of bundles that it took in goes at the start, and later what is old and nobody writes.
const (
	leftoverEvery = time.Hour
	leftoverAge   = time.Hour
)

func (n *Node) sweepImports() {
	t := time.NewTicker(leftoverEvery)
	defer t.Stop()
	for age := time.Duration(0); ; age = leftoverAge {
		gone, err := bundle.RemoveLeftovers(n.cfg.DataDir, age)
		if len(gone) > 0 {
			n.log.Info("leftovers of bundles removed", "component", "node", "names", gone)
		}
		if err != nil {
			n.log.Warn("leftovers of bundles not removed; tried again in an hour", "component", "node", "error", err)
		}
		select {
		case <-n.ctx.Done():
			return
		case <-t.C:
		}
	}
}
