package engine

import (
	"context"
	"fmt"
	"io"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/engine/statement"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// Frozen is one unit under one checkpoint: whatever is read of it later is as of that moment. Safe for concurrent use.
type Frozen struct {
	e    *Engine
	unit nexus.ID
	h    *signedHead
}

// Freeze fixes the newest checkpoint for a unit and calls look with the state that belongs to it. The checkpoint is cosigned when witnesses
// answer in time and before the log has grown on. Error: nexus.CodeNotFound for a unit
// without entries, nexus.CodeUnavailable before the first checkpoint.
func (e *Engine) Freeze(unit nexus.ID, look func(*state.State)) (*Frozen, error) {
	for range 200 {
		var f *Frozen
		e.View(func(s *state.State) {
			if h := e.checkpoint.Load(); h != nil && h.cp.Size == s.Chain.Size() {
				f = &Frozen{e: e, unit: unit, h: h}
				look(s)
			}
		})
		if f == nil { // the checkpoint of what was just applied is being signed
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if _, ok := f.h.units.Get(unit); !ok {
			return nil, nexus.Errf("freeze unit", nexus.CodeNotFound, "unit "+unit.String(), "list units with nexus imvu list", "the log has no entry of it")
		}
		// Of this very size or not at all: what is read later is as of the state that look saw.
		if c := e.attestedFrom(context.Background(), f.h); c.cp.Size == f.h.cp.Size {
			f.h = c
		}
		return f, nil
	}
	return nil, nexus.Errf("freeze unit", nexus.CodeUnavailable, "checkpoint", "try again when the node is up", "there is none of the newest entry")
}

// Checkpoint is the checkpoint and its signed note.
func (f *Frozen) Checkpoint() (ledger.Checkpoint, string) { return f.h.cp, f.h.text }

// Head is the unit's chain under the checkpoint.
func (f *Frozen) Head() ledger.UnitCommitment {
	c, _ := f.h.units.Get(f.unit)
	return c
}

// Export writes the unit's entries with their proof (Engine.Export).
func (f *Frozen) Export(ctx context.Context, w io.Writer) error {
	return f.e.exportAt(ctx, w, &f.unit, f.h)
}

// Entries calls fn for the unit's entries in order, with what the log commits to. Read are the records that hold one.
func (f *Frozen) Entries(ctx context.Context, fn func(e *ledger.Entry, commitment nexus.Hash) error) error {
	return f.e.unitEntries(ctx, f.unit, f.h.cp.Size, func(r *ledger.Record, i int) error {
		e, err := ledger.ParseEntry(r.Entries[i])
		if err != nil {
			return err
		}
		return fn(&e, ledger.Commitment(ledger.EntrySalt(r.Salt, uint32(i)), r.Entries[i]))
	})
}

// Statements makes the documents of the unit's closed months, as they were issued, and one of the month given with all that is open since,
// as of the checkpoint; in one pass along its chain. Error: nexus.CodeCorrupt when an issued one does not come out as it was issued.
func (f *Frozen) Statements(ctx context.Context, issued []state.IssuedStatement, open uint32) (closed []statement.Document,
	last statement.Document, err error) {
	var closings []statement.Closing
	for _, x := range issued {
		closings = append(closings, statement.Closing{Month: x.Month, Size: x.Size})
	}
	folds := make([]*statement.Fold, 0, len(issued)+1)
	sizes := make([]uint64, 0, len(issued)+1)
	for _, x := range issued {
		folds, sizes = append(folds, statement.New(f.unit, x.Month, closings)), append(sizes, x.Size)
	}
	folds, sizes = append(folds, statement.New(f.unit, open, closings)), append(sizes, f.h.cp.Size)
	err = f.Entries(ctx, func(e *ledger.Entry, commitment nexus.Hash) error {
		for i, fold := range folds {
			if e.Seq >= sizes[i] {
				continue
			}
			if err := fold.Add(e, commitment); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, last, err
	}
	var prices statement.Prices
	f.e.View(func(s *state.State) { prices = statement.PricesIn(s) })
	for i, fold := range folds {
		root, err := f.e.RootAt(sizes[i])
		if err != nil {
			return nil, last, err
		}
		d, err := fold.Document(f.e.cfg.Cluster, sizes[i], root, prices)
		if err != nil {
			return nil, last, err
		}
		if i == len(issued) {
			return closed, d, nil
		}
		if d.Digest() != issued[i].Digest {
			return nil, last, nexus.Errf("statement", nexus.CodeCorrupt, d.Label+" "+d.Month, "run nexus ledger verify",
				"made again it has the digest %s, issued was %s", d.Digest(), issued[i].Digest)
		}
		closed = append(closed, d)
	}
	return closed, last, nil
}

// SignBundle signs the manifest of a unit's bundle with the node's key.
func (e *Engine) SignBundle(unit nexus.ID, manifest []byte) (string, error) {
	cp := ledger.Checkpoint{Cluster: e.cfg.Cluster}
	return ledger.SignNote(e.cfg.Node, cp.Origin(), verify.BundleText(e.cfg.Cluster, unit, manifest))
}

// Key is the verifier key of the log, as recipients give it to nexus-verify.
func (f *Frozen) Key() (string, error) {
	key, err := ledger.VerifierKey(f.h.cp.Origin(), f.e.NodeKey())
	if err != nil {
		return "", fmt.Errorf("freeze unit: %w", err)
	}
	return key, nil
}
