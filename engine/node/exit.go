package node

import (
	"context"
	"mime/multipart"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/bundle"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// Bundle implements control.Node.
func (n *Node) Bundle(ctx context.Context, unit nexus.ID, w *multipart.Writer) error {
	return bundle.Write(ctx, n.Engine(), unit, w)
}

// TakeIn implements control.Node.
func (n *Node) TakeIn(ctx context.Context, dir string, key nexus.PublicKey) (state.UnitImport, error) {
	return bundle.Take(ctx, n.Engine(), dir, key)
}
