package main

import (
	"context"
	"fmt"
	"strconv"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// pins is the store of the checkpoints this user saw last, outside the data directory (SPEC section 6).
func (a *app) pins() *identity.Pins {
	return identity.NewPins(identity.PinsDir(a.getenv("XDG_STATE_HOME"), a.getenv("HOME")))
}

// pinned fetches the head, verifies its signature, demands that it continues what this user saw before, and remembers it.
// A mismatch is CodeCorrupt: the log was rewritten or cut.
func (n *node) pinned(ctx context.Context) (wire.Head, error) { return n.pinnedHead(ctx, "") }

// pinnedHead is pinned; with cosigned "1" the node waits for its witnesses first, within bounds. Cosigners is counted here.
func (n *node) pinnedHead(ctx context.Context, cosigned string) (wire.Head, error) {
	head, err := get[wire.Head](ctx, n, "/v1/head", "cosigned", cosigned)
	if err != nil {
		return head, err
	}
	if err := n.pin(ctx, head.Checkpoint); err != nil {
		return head, err
	}
	cp, err := identity.ParseCheckpoint(head.Checkpoint)
	if err != nil {
		return head, err
	}
	if root := rootText(cp.Root); cp.Size != head.Size || root != head.Root {
		return head, nexus.Errf("check head", nexus.CodeCorrupt, fmt.Sprintf("size %d", head.Size), "do not trust this node",
			"the answer differs from the checkpoint that it signed")
	}
	return head, n.checkCosigners(ctx, &head)
}

// checkCosigners counts the cosignatures itself, with the keys that the node names. Whether those are keys of others is for the caller to
// know: nexus-verify --witness takes them from elsewhere.
func (n *node) checkCosigners(ctx context.Context, head *wire.Head) error {
	key, err := n.logKey(ctx)
	if err != nil {
		return err
	}
	keys := make([]verify.WitnessKey, len(head.Witnesses))
	for i, w := range head.Witnesses {
		if keys[i], err = verify.ParseWitnessKey(w.Key); err != nil {
			return err
		}
	}
	if err := verify.CheckWitnesses(keys, key, 0); err != nil {
		return err
	}
	if found := len(verify.Cosignatures(head.Checkpoint, keys)); found != head.Cosigners {
		return nexus.Errf("check head", nexus.CodeCorrupt, fmt.Sprintf("%d cosigners", head.Cosigners), "do not trust this node",
			"the checkpoint has %d valid cosignatures", found)
	}
	return nil
}

// pin checks one checkpoint text.
func (n *node) pin(ctx context.Context, text string) error {
	key, err := n.logKey(ctx)
	if err != nil {
		return err
	}
	if _, err := ledger.OpenCheckpoint(text, (ledger.Checkpoint{Cluster: n.Cluster()}).Origin(), key); err != nil {
		return err
	}
	_, err = n.app.pins().Check(n.Cluster(), text, func(older, newer identity.Checkpoint) error {
		c, err := get[wire.Consistency](ctx, n, "/v1/consistency", "old", strconv.FormatUint(older.Size, 10), "new", strconv.FormatUint(newer.Size, 10))
		if err != nil {
			return err
		}
		proof, err := hashes(c.Proof)
		if err != nil {
			return err
		}
		if err := ledger.CheckConsistency(proof, older.Size, newer.Size, older.Root, newer.Root); err != nil {
			return fmt.Errorf("%w: %w", identity.ErrInconsistent, err)
		}
		return nil
	})
	return err
}

// logKey is the key that signs checkpoints: genesis in the data directory names it.
func (n *node) logKey(context.Context) (nexus.PublicKey, error) {
	g, err := identity.ReadGenesis(n.app.conf.text("data_dir"))
	if err != nil {
		return nexus.PublicKey{}, err
	}
	if g.Cluster != n.Cluster() {
		return nexus.PublicKey{}, nexus.Errf("check head", nexus.CodeCorrupt, "cluster "+n.Cluster().String(), "name the node's own --data-dir",
			"genesis in the data directory is of cluster %s", g.Cluster)
	}
	return g.Node.Public, nil
}

func hashes(texts []string) ([]nexus.Hash, error) {
	out := make([]nexus.Hash, len(texts))
	for i, t := range texts {
		if err := out[i].UnmarshalText([]byte(t)); err != nil {
			return nil, err
		}
	}
	return out, nil
}
