package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// moment is an earlier ledger as --at names it.
type moment struct {
	at   string             // a size or a time, as the node takes it; empty: now
	seen *ledger.Checkpoint // whose root it must have; nil: none was given
	head wire.Head          // of now, signed and pinned
}

func momentFlag(cmd *cobra.Command) {
	cmd.Flags().String("at", "", "as of an earlier ledger: a checkpoint's number of entries, its file, or a time (RFC 3339); recomputed from the entries")
}

// moment reads --at. The file of a checkpoint is one signed note, as nexus-verify takes it.
func (n *node) moment(ctx context.Context, cmd *cobra.Command) (m moment, err error) {
	if m.head, err = n.pinned(ctx); err != nil {
		return m, err
	}
	m.at, _ = cmd.Flags().GetString("at")
	_, noSize := strconv.ParseUint(m.at, 10, 64)
	_, noTime := time.Parse(time.RFC3339, m.at)
	if m.at == "" || noSize == nil || noTime == nil {
		return m, nil
	}
	text, err := os.ReadFile(m.at)
	if errors.Is(err, fs.ErrNotExist) {
		return m, usage("--at "+strconv.Quote(m.at), "a checkpoint's number of entries, its file, or a time such as 2026-10-31T23:59:59Z",
			"neither a size nor a time, and no file")
	}
	if err != nil {
		return m, usage("--at "+strconv.Quote(m.at), "name a file that can be read", "%v", err)
	}
	key, err := n.logKey(ctx)
	if err != nil {
		return m, err
	}
	cp, err := ledger.OpenCheckpoint(string(text), (ledger.Checkpoint{Cluster: n.Cluster()}).Origin(), key)
	m.at, m.seen = strconv.FormatUint(cp.Size, 10), &cp
	return m, err
}

// checkMoment demands that what the node answered is of the ledger asked for, and that this is the beginning of the present one.
func (n *node) checkMoment(ctx context.Context, m *moment, at *wire.TallyPlace) error {
	if m.at == "" {
		return nil
	}
	if at != nil && m.seen != nil && (at.Size != m.seen.Size || at.Root != rootText(m.seen.Root)) {
		return nexus.Errf("read earlier ledger", nexus.CodeCorrupt, fmt.Sprintf("checkpoint of %d entries", m.seen.Size),
			"do not trust this node; keep the checkpoint: it shows that the log was rewritten", "the ledger has another root at this size: %s, the checkpoint has %s",
			at.Root, rootText(m.seen.Root))
	}
	return n.earlier(ctx, at, m.head)
}

// earlier demands that an earlier ledger is the beginning of the present one, whose signed checkpoint was checked and pinned.
func (n *node) earlier(ctx context.Context, at *wire.TallyPlace, head wire.Head) error {
	if at == nil {
		return nexus.Errf("read earlier ledger", nexus.CodeUnavailable, "--at", "start this version's node", "the node does not tell figures of earlier moments")
	}
	if at.Size == 0 {
		n.app.say("nothing stood in the ledger then")
		return nil
	}
	cp, err := identity.ParseCheckpoint(head.Checkpoint)
	if err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(at.Root)
	if err != nil || len(raw) != len(nexus.Hash{}) {
		return nexus.Errf("read earlier ledger", nexus.CodeCorrupt, "root "+strconv.Quote(at.Root), "do not trust this node", "not a hash")
	}
	if at.Size > cp.Size { // entries since the head was asked for
		if head, err = n.pinned(ctx); err != nil {
			return err
		}
		if cp, err = identity.ParseCheckpoint(head.Checkpoint); err != nil {
			return err
		}
	}
	c, err := get[wire.Consistency](ctx, n, "/v1/consistency", "old", strconv.FormatUint(at.Size, 10), "new", strconv.FormatUint(cp.Size, 10))
	if err != nil {
		return err
	}
	proof, err := hashes(c.Proof)
	if err != nil {
		return err
	}
	if err := ledger.CheckConsistency(proof, at.Size, cp.Size, nexus.Hash(raw), cp.Root); err != nil {
		return err
	}
	n.app.say("as of %s, %d entries, root %s: the beginning of the signed checkpoint at %d entries (proof checked)", when(at.Time), at.Size, at.Root, cp.Size)
	return nil
}
