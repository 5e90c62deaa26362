package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// ImportsDir is where a node keeps the bundles of units that it took in, under the data directory: one folder per manifest, and beside it a
// file with what the bundle was found to prove (ImportEvidencePath).
const ImportsDir = "imports"

// ImportPath is the folder of a bundle that was taken in, by the SHA-256 of its manifest.
func ImportPath(dataDir string, manifest nexus.Hash) string {
	return filepath.Join(dataDir, ImportsDir, manifest.String())
}

// ImportEvidencePath is the file with the canonical ledger.ImportBody that the bundle was found to prove when it was taken in.
func ImportEvidencePath(dataDir string, manifest nexus.Hash) string {
	return ImportPath(dataDir, manifest) + ".evidence"
}

// DataDir is the directory that the engine runs on.
func (e *Engine) DataDir() string { return e.cfg.DataDir }

// checkExit refuses, before consensus, the end of an exit whose bundle does not end where the unit's chain did at its size. What every
// replica can hold it to, engine/state does.
func (e *Engine) checkExit(a *nexus.Action) error {
	if a.Kind != state.KindExitComplete {
		return nil
	}
	var b state.ExitComplete
	if err := nexus.Decode(a.Body, &b); err != nil || b.Size == 0 || b.Size > e.store.Size() {
		return nil // the state words the refusal, as an entry
	}
	leaving := false
	e.View(func(s *state.State) {
		u := s.Units[a.Unit]
		leaving = u != nil && u.Status == state.StatusExiting
	})
	if !leaving { // likewise, without a walk through the log
		return nil
	}
	seq, err := e.lastBefore(context.Background(), b.Size, a.Unit, b.UnitSeq)
	if err != nil {
		return err
	}
	salted, err := e.store.Entry(seq)
	if err != nil {
		return err
	}
	entry, err := ledger.ParseEntry(salted.Bytes)
	if err != nil {
		return err
	}
	head := ledger.Commitment(salted.Salt, salted.Bytes)
	if entry.UnitSeq != b.UnitSeq || head != b.UnitHead {
		return nexus.Errf(a.Kind, nexus.CodeConflict, "bundle "+b.Manifest.String(), "fetch it again from this node: nexus imvu exit",
			"it ends with number %d of the unit's chain; in a log of %d entries number %d is the last", b.UnitSeq, b.Size, entry.UnitSeq)
	}
	return nil
}

// checkImport refuses, before consensus, an import whose bundle this node did not verify and keep, or that says something else than it.
func (e *Engine) checkImport(a *nexus.Action) error {
	if a.Kind != state.KindUnitImport {
		return nil
	}
	b, err := state.DecodeUnitImport(a.Body)
	if err != nil {
		return nil
	}
	kept, err := os.ReadFile(ImportEvidencePath(e.cfg.DataDir, b.Evidence.Manifest))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nexus.Errf(a.Kind, nexus.CodeConflict, "bundle "+b.Evidence.Manifest.String(), "import it with nexus imvu import DIR", "this node did not take it in")
	case err != nil:
		return err
	case string(kept) != string(nexus.Encode(b.Evidence)):
		return nexus.Errf(a.Kind, nexus.CodeConflict, "bundle "+b.Evidence.Manifest.String(), "import it with nexus imvu import DIR",
			"it proves something else than this action says")
	}
	return nil
}

// sweepExits posts the end of grace and retention of units that have left.
func (e *Engine) sweepExits(ctx context.Context) error {
	var due []nexus.ID
	e.View(func(s *state.State) { due = s.DueExits(e.clock().UnixMilli(), sweepMost) })
	for _, unit := range due {
		_, err := e.Act(ctx, state.KindExitSettle, unit, struct{}{})
		if err != nil && nexus.CodeOf(err) != nexus.CodeConflict && nexus.CodeOf(err) != nexus.CodeRefused { // its owner came back between the look and the act
			return err
		}
	}
	return nil
}
