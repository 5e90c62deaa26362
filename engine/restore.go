package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/consensus"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/backup"
	"github.com/BobbyBlanco400/nexus-cos/ledger/badgerstore"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// RestoreConfig says what to restore and where to.
type RestoreConfig struct {
	Backup  string // directory of parts
	DataDir string // holds no ledger; its genesis, if there is one, is of the same cluster
	// Seen gives the size and root of the newest checkpoint of the cluster that was seen anywhere; zero: none. A backup that
	// ends before it is refused unless Older is set; one that does not pass through it is always refused.
	Seen  func(cluster nexus.ID) (size uint64, root nexus.Hash, err error)
	Older bool
	Check bool // verify only: the ledger is built beside, judged and thrown away
	// Import brings the bundle of one import into DataDir, verified, before the ledger is put in place; nil: bundles are not brought.
	Import func(ctx context.Context, b *ledger.ImportBody) error
}

// Restored is what a restore found and made.
type Restored struct {
	Cluster  nexus.ID
	Parts    int
	Records  uint64
	Entries  uint64
	Units    uint64
	Index    uint64
	Root     nexus.Hash
	Imports  uint64 // bundles of imported units that were brought
	Findings []string
	NoKeys   bool // the data directory lacks the node's keys
}

// Restore builds a data directory's ledger from a backup: every record is applied again through the live code path and must
// give the same bytes, the result is judged by the independent checker under the node's key, and only then put into place.
// Errors: CodeCorrupt for a damaged, mixed or forged backup, CodeConflict for a directory in use, a foreign cluster or an
// older backup, CodeUnfit for data of a newer version.
//
// A crash leaves DataDir/restoring; until the same restore has been run again nothing opens the directory.
func Restore(ctx context.Context, cfg RestoreConfig) (out Restored, err error) {
	parts, err := backup.Open(cfg.Backup)
	if err != nil {
		return out, err
	}
	g, err := restoreGenesis(parts[0])
	if err != nil {
		return out, err
	}
	out = Restored{Cluster: g.Cluster, Parts: len(parts), Index: parts[len(parts)-1].ToIndex}
	pins, err := cfg.judge(parts, g)
	if err != nil {
		return out, err
	}
	if err := cfg.prepare(g); err != nil {
		return out, err
	}
	stage := filepath.Join(cfg.DataDir, RestoringDir)
	err = buildRestored(ctx, stage, parts, g, pins, &out)
	if err == nil {
		err = cfg.bringImports(ctx, parts, &out)
	}
	if err != nil || cfg.Check {
		return out, errors.Join(err, os.RemoveAll(stage))
	}
	if err := cfg.place(stage, g); err != nil {
		return out, err
	}
	_, kerr := identity.LoadKeys(cfg.DataDir, g)
	out.NoKeys = kerr != nil
	return out, nil
}

// bringImports has every bundle brought that the records took in. What a failed restore leaves of them acts on nothing.
func (cfg RestoreConfig) bringImports(ctx context.Context, parts []backup.Part, out *Restored) error {
	if cfg.Import == nil {
		return nil
	}
	for i := range parts {
		for j := range parts[i].Imports {
			if err := cfg.Import(ctx, &parts[i].Imports[j]); err != nil {
				return err
			}
			out.Imports++
		}
	}
	return nil
}

func restoreGenesis(first backup.Part) (identity.Genesis, error) {
	g, err := identity.ParseGenesis(first.Genesis)
	if err == nil {
		err = g.Verify()
	}
	if err == nil && g.Cluster != first.Cluster {
		err = nexus.Errf("restore", nexus.CodeCorrupt, first.Path, "use another copy of this backup",
			"its genesis is of cluster %s, not %s", g.Cluster, first.Cluster)
	}
	return g, err
}

// judge opens every part's checkpoint under the node's key and compares the end with what was seen before.
func (cfg RestoreConfig) judge(parts []backup.Part, g identity.Genesis) ([]verify.Pin, error) {
	var pins []verify.Pin
	for _, p := range parts {
		cp, err := ledger.OpenCheckpoint(p.Checkpoint, (ledger.Checkpoint{Cluster: g.Cluster}).Origin(), g.Node.Public)
		if err == nil && (cp.Cluster != g.Cluster || cp.Size != p.ToSize || cp.Index != p.ToIndex) {
			err = fmt.Errorf("it speaks of %d entries at index %d", cp.Size, cp.Index)
		}
		if err != nil {
			return nil, nexus.Errf("restore", nexus.CodeCorrupt, p.Path, "use another copy of this backup", "its checkpoint does not fit: %w", err)
		}
		pins = append(pins, verify.Pin{Size: cp.Size, Root: cp.Root, Units: cp.Units})
	}
	if cfg.Seen == nil {
		return pins, nil
	}
	size, root, err := cfg.Seen(g.Cluster)
	if err != nil || size == 0 {
		return pins, err
	}
	if end := parts[len(parts)-1].ToSize; end < size {
		if !cfg.Older {
			return nil, nexus.Errf("restore", nexus.CodeConflict, "backup of "+cfg.Backup, "find a newer part or backup; --older restores it all the same",
				"it ends at %d entries, a checkpoint of %d was seen: %d entries would be lost", end, size, size-end)
		}
		return pins, nil
	}
	return append(pins, verify.Pin{Size: size, Root: root}), nil
}

// prepare makes the data directory ready and refuses one that holds a ledger or another cluster.
func (cfg RestoreConfig) prepare(g identity.Genesis) error {
	refuse := func(code nexus.Code, subject, hint, why string) error {
		return nexus.Errf("restore", code, subject, hint, "%s", why)
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return refuse(nexus.CodeUnavailable, cfg.DataDir, "check the directory", err.Error())
	}
	have, err := identity.ReadGenesis(cfg.DataDir)
	if err == nil && have.Cluster != g.Cluster {
		return refuse(nexus.CodeConflict, cfg.DataDir, "restore into another directory",
			fmt.Sprintf("it belongs to cluster %s, the backup to %s", have.Cluster, g.Cluster))
	}
	if err != nil && nexus.CodeOf(err) != nexus.CodeNotFound {
		return err
	}
	if cfg.Check {
		return os.RemoveAll(filepath.Join(cfg.DataDir, RestoringDir))
	}
	unfinished := refuseUnfinished(cfg.DataDir) != nil
	for _, d := range []string{LedgerDir, RaftDir} {
		path := filepath.Join(cfg.DataDir, d)
		entries, err := os.ReadDir(path)
		if err == nil && len(entries) > 0 && !unfinished {
			return refuse(nexus.CodeConflict, path, "stop the node and move ledger and raft away, or restore into another directory",
				"a ledger is there already")
		}
		if err := os.RemoveAll(path); err != nil {
			return refuse(nexus.CodeUnavailable, path, "check its permissions", err.Error())
		}
	}
	return os.RemoveAll(filepath.Join(cfg.DataDir, RestoringDir))
}

// place moves what was built to where it belongs; restoring goes last.
func (cfg RestoreConfig) place(stage string, g identity.Genesis) error {
	if err := identity.WriteGenesis(cfg.DataDir, g); err != nil && nexus.CodeOf(err) != nexus.CodeConflict {
		return err
	}
	for _, d := range []string{LedgerDir, RaftDir} {
		if err := os.Rename(filepath.Join(stage, d), filepath.Join(cfg.DataDir, d)); err != nil {
			return nexus.Errf("restore", nexus.CodeUnavailable, cfg.DataDir, "run the same restore again", "%w", err)
		}
	}
	if err := markFounded(cfg.DataDir, g.Cluster); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(stage), osfile.SyncDir(cfg.DataDir))
}

// buildRestored makes ledger and log below stage and judges them.
func buildRestored(ctx context.Context, stage string, parts []backup.Part, g identity.Genesis, pins []verify.Pin, out *Restored) (err error) {
	sets, err := rules.Sets()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(stage, 0o700); err != nil {
		return nexus.Errf("restore", nexus.CodeUnavailable, stage, "check the directory", "%w", err)
	}
	files, err := badgerstore.Open(filepath.Join(stage, LedgerDir), badgerstore.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	e := &Engine{cfg: Config{Cluster: g.Cluster, Logger: slog.New(slog.DiscardHandler)}, sets: sets, files: files, store: files, state: state.NewWith(sets)}
	term, err := e.applyBackup(ctx, parts)
	if err != nil {
		return err
	}
	if err := e.judgeRestored(ctx, g, pins, out); err != nil {
		return err
	}
	if err := errors.Join(e.saveState(), files.Sync()); err != nil {
		return err
	}
	return consensus.Seed(filepath.Join(stage, RaftDir), g.Node.Public.Short(),
		consensus.Head{Index: out.Index, Term: term, Root: out.Root, Size: out.Entries})
}

// applyBackup applies every record again and commits what comes out, which must be what the backup holds.
func (e *Engine) applyBackup(ctx context.Context, parts []backup.Part) (term uint64, err error) {
	const batchRecords = 256
	b := pendingBatch{e: e, overlay: map[string][]byte{}}
	err = backup.Records(parts, func(r ledger.Record) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		again, err := e.state.Apply(r.Index, r.Term, r.Command, b.look)
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		if again.Repeated || string(again.Record.Encode()) != string(r.Encode()) {
			return nexus.Errf("restore", nexus.CodeCorrupt, fmt.Sprintf("record %d", r.Index), "use another copy, or the program that wrote it",
				"applied again it gives other bytes than the backup holds")
		}
		term = r.Term
		b.add(r.Index, again)
		if len(b.b.Records) < batchRecords {
			return nil
		}
		b.overlay = map[string][]byte{}
		return b.commit("")
	})
	if err != nil {
		return 0, err
	}
	last := parts[len(parts)-1]
	b.b.Applied = last.ToIndex
	e.state.Index = max(e.state.Index, last.ToIndex)
	return term, b.commit(last.Checkpoint)
}

// judgeRestored runs the independent checker over the new store.
func (e *Engine) judgeRestored(ctx context.Context, g identity.Genesis, pins []verify.Pin, out *Restored) error {
	r, err := e.files.Reader()
	if err != nil {
		return err
	}
	rep, err := verify.Run(ctx, r, verify.Options{Cluster: g.Cluster, Key: g.Node.Public, Pinned: pins, CommandCheck: verify.ActionSignature})
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	out.Records, out.Entries, out.Units, out.Root = rep.Records, rep.Entries, rep.Units, rep.Root
	for _, f := range rep.Findings {
		out.Findings = append(out.Findings, f.String())
	}
	if rep.FindingsTotal > 0 {
		return nexus.Errf("restore", nexus.CodeCorrupt, "backup", "use another copy of this backup", "%d findings, the first: %s", rep.FindingsTotal, rep.Findings[0])
	}
	if !rep.CheckpointChecked || !rep.UnitsChecked {
		return nexus.Errf("restore", nexus.CodeInternal, "backup", "report this as a bug", "checkpoint or map of units was not checked")
	}
	return nil
}
