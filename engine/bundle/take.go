package bundle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// Evidence is what a verified bundle proves of its unit, and what the unit was: what a unit.import says but for what the new place
// decides. Error: nexus.CodeCorrupt when unit.json, the entries and the manifest do not speak of one unit.
func Evidence(dir string, rep *verify.BundleReport) (state.UnitImportSlice, error) {
	var out state.UnitImportSlice
	bad := func(format string, args ...any) (state.UnitImportSlice, error) {
		return out, nexus.Errf("import bundle", nexus.CodeCorrupt, dir, "do not trust it; fetch it again from the node", format, args...)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return out, err
	}
	defer root.Close()
	var u Unit
	var s Slice
	for name, into := range map[string]any{"unit.json": &u, "slice.json": &s} {
		raw, err := root.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(raw, into)
		}
		if err != nil {
			return bad("%s: %w", name, err)
		}
	}
	m := &rep.Manifest
	proof, err := exportProof(root)
	if err != nil {
		return bad("%s: %w", verify.ExportFile, err)
	}
	body := ledger.UnitBody{}
	owner := m.Unit.Owner
	if err := unitEntries(root.FS(), func(e *ledger.Entry) error {
		if e.Kind == ledger.KindUnit {
			return nexus.Decode(e.Body, &body)
		}
		if _, key := state.OwnerNamed(*e); e.Kind == ledger.KindOwnership {
			body.Owner = key
		}
		return nil
	}); err != nil {
		return bad("%s: %w", verify.ExportFile, err)
	}
	if body.Unit != m.Unit.ID || u.ID != m.Unit.ID || body.Owner != owner || body.Percent != m.Unit.Percent || body.Kind.String() != m.Unit.Kind {
		return bad("the entries name another unit, owner or rule than the manifest")
	}
	key, err := verify.ParseKey(m.Key)
	if err != nil {
		return bad("%w", err)
	}
	out.UnitImport = state.UnitImport{Label: u.Label, Name: u.Name, Slug: u.Slug, OwnerName: u.OwnerName, Jurisdiction: u.Jurisdiction, Parent: u.Parent,
		Envelope: state.Envelope{CPUMilli: u.CPUMilli, MemoryBytes: u.MemoryBytes, StorageBytes: u.StorageBytes, Processes: u.Processes},
		Class:    s.Class, GuaranteedBps: s.GuaranteedBps, CeilingBps: s.CeilingBps}
	out.BudgetMicros, out.Sessions = s.BudgetMicros, s.MaxSessions
	out.Evidence = ledger.ImportBody{Unit: m.Unit.ID, Origin: m.Cluster, Key: key.Key, Checkpoint: m.Checkpoint, Owner: owner, Kind: body.Kind,
		Percent: body.Percent, Seq: proof.Sequence, Head: proof.Head, Siblings: proof.Siblings, Manifest: rep.Digest}
	for _, b := range proof.Balances {
		out.Evidence.Balances = append(out.Evidence.Balances, ledger.Balance{Currency: b.Currency, Account: ledger.AccountKind(b.Account), Minor: b.Minor})
	}
	if _, err := state.CheckImport(&out.Evidence); err != nil {
		return out, err
	}
	return out, nil
}

// exportProof reads what the checkpoint says of the unit.
func exportProof(root *os.Root) (*verify.UnitProof, error) {
	in, err := root.Open(verify.ExportFile)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var h verify.ExportHeader
	if err := json.NewDecoder(in).Decode(&h); err != nil {
		return nil, err
	}
	if h.Unit == nil {
		return nil, errors.New("is of no unit")
	}
	return h.Unit, nil
}

// Take verifies a bundle under the key of its signer and keeps it on this node, so that its unit can be imported: the evidence of where the
// unit comes from. Taking it again changes nothing where it is kept whole, and mends what was kept where it is not. Nothing acts on the
// state. By is who asks: the unit's owner or an operator, since nobody else can import it and the disk is the platform's. Errors: as Check
// and Refusal, and of the disk; nexus.CodeRefused for anybody else, nexus.CodeConflict while another takes the same bundle in.
func Take(ctx context.Context, eng *engine.Engine, dir string, key, by nexus.PublicKey) (state.UnitImportSlice, error) {
	return takeInto(ctx, eng.DataDir(), dir, key, func(owner nexus.PublicKey) error {
		may := false
		eng.View(func(st *state.State) { may = st.MayTakeIn(by, owner) })
		if !may {
			return nexus.Errf("import bundle", nexus.CodeRefused, "identity "+by.Short(), "let its owner or an operator import it",
				"the unit is %s's", owner.Short())
		}
		return nil
	})
}

// takeInto is Take for a data directory, or a backup, that keeps bundles in the same places. Nothing is kept unless may allows it of the unit's owner.
func takeInto(ctx context.Context, dataDir, dir string, key nexus.PublicKey, may func(owner nexus.PublicKey) error) (state.UnitImportSlice, error) {
	rep, err := Check(ctx, dir, key)
	if err != nil {
		return state.UnitImportSlice{}, err
	}
	if err := Refusal(&rep); err != nil {
		return state.UnitImportSlice{}, err
	}
	wish, err := Evidence(dir, &rep)
	if err != nil {
		return wish, err
	}
	if err := may(wish.Evidence.Owner); err != nil {
		return state.UnitImportSlice{}, err
	}
	target := engine.ImportPath(dataDir, rep.Digest)
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return wish, err
	}
	// The lock is taken before the look: whoever waits with a look from before would take away what another has just kept.
	tmp := target + partial
	lock, err := claim(tmp)
	if err != nil {
		return wish, err
	}
	defer lock.Close()
	err = keepOnce(ctx, dir, tmp, target, &rep)
	if err == nil {
		err = writeOnce(engine.ImportEvidencePath(dataDir, rep.Digest), nexus.Encode(wish.Evidence))
	}
	return wish, explain(err, target)
}

// keepOnce keeps a bundle unless it stands whole in its place. The folder tmp is the caller's by its lock, and gone afterwards.
func keepOnce(ctx context.Context, dir, tmp, target string, rep *verify.BundleReport) error {
	whole, err := standsWhole(ctx, target, rep)
	if err == nil && !whole {
		err = keep(ctx, dir, tmp, target, rep)
	}
	if err != nil || whole { // else it was renamed, and what has its name now is another's
		err = errors.Join(err, os.RemoveAll(tmp))
	}
	return err
}

// standsWhole reports whether the very bundle of a report stands at a place.
func standsWhole(ctx context.Context, target string, rep *verify.BundleReport) (bool, error) {
	root, err := os.OpenRoot(target)
	if err != nil {
		return false, nil // keep says what is wrong with the place
	}
	defer root.Close()
	key, err := verify.ParseKey(rep.Manifest.Key)
	if err != nil {
		return false, err
	}
	kept, err := verify.CheckBundle(ctx, root.FS(), key)
	return kept.Clean() && kept.Digest == rep.Digest, err
}

// keep copies a verified bundle into its place. What was copied is checked against the manifest again: the files may change meanwhile.
func keep(ctx context.Context, dir, tmp, target string, rep *verify.BundleReport) error {
	from, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenRoot(tmp)
	if err != nil {
		return err
	}
	defer to.Close()
	names := []string{verify.ManifestFile, verify.SignatureFile}
	for _, f := range rep.Manifest.Files {
		names = append(names, f.Path)
	}
	for _, name := range names {
		in, err := from.Open(name)
		if err != nil {
			return err
		}
		err = writeFile(ctx, to, name, in)
		if err = errors.Join(err, in.Close()); err != nil {
			return err
		}
	}
	key, err := verify.ParseKey(rep.Manifest.Key)
	if err != nil {
		return err
	}
	again, err := verify.CheckBundle(ctx, to.FS(), key)
	if err == nil && again.Digest != rep.Digest {
		err = nexus.Errf("import bundle", nexus.CodeConflict, dir, "import it again", "it changed while it was read")
	}
	if err = errors.Join(err, Refusal(&again)); err != nil {
		return err
	}
	if err := errors.Join(syncTree(tmp), os.RemoveAll(target)); err != nil { // what stood there was not whole
		return err
	}
	if err := os.Rename(tmp, target); err != nil {
		return err
	}
	return syncDir(filepath.Dir(target))
}

// writeOnce writes a small file unless it says so already.
func writeOnce(path string, b []byte) error {
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, b) {
		return nil
	}
	return writeSynced(path, b)
}

// writeSynced writes a file beside its place, locked against RemoveLeftovers, and renames it.
func writeSynced(path string, b []byte) error {
	f, err := openLocked(path + partial)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync()); err == nil {
		err = os.Rename(path+partial, path)
	}
	if err = errors.Join(err, f.Close()); err != nil { // the lock goes with it
		return err
	}
	return syncDir(filepath.Dir(path))
}

// openLocked opens an empty file that nobody else writes or removes until it is closed.
func openLocked(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err = osfile.Lock(f); err == nil && sameFolder(f, path) {
			if err = f.Truncate(0); err == nil {
				return f, nil
			}
		}
		if err = errors.Join(err, f.Close()); err != nil { // else it was removed, or put in its place, meanwhile
			return nil, err
		}
	}
}
