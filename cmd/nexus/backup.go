package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bundle"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/backup"
)

// backupAnswer is what nexus ledger backup prints.
type backupAnswer struct {
	Dir     string `json:"dir"`
	Cluster string `json:"cluster"`
	Parts   int    `json:"parts"`
	Part    string `json:"part,omitempty"` // the file written now; none when nothing was new
	Records uint64 `json:"records"`        // in it
	Bytes   int64  `json:"bytes"`          // of it
	Size    uint64 `json:"size"`           // entries in the whole backup
	Root    string `json:"root"`
	Imports int    `json:"imports"` // bundles of imported units copied now
}

func (a *app) ledgerBackupCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "backup DIR", Short: "Back the ledger of the running node up; again into the same DIR adds what is new", Args: oneArg("DIR"),
		Long: `The node goes on serving. DIR gets one file per call with the records since the call before, under a checkpoint signed by the node;
before one is added, the node must prove that its log continues the backup. Units that came from other logs have their bundles copied to
DIR/imports, each once, verified; without them a restore would lose the history they brought. No key is in it: nexus identity backup
keeps those.`,
		Example: "  nexus ledger backup /mnt/backup/nexus\n  nexus ledger backup /mnt/backup/nexus -o json"}
	cmd.Flags().Bool("without-imports", false, "leave the bundles of imported units out")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		ans, err := n.backup(ctx, args[0])
		if err != nil {
			return err
		}
		if without, _ := cmd.Flags().GetBool("without-imports"); !without {
			if ans.Imports, err = n.backupImports(ctx, args[0]); err != nil {
				return err
			}
		}
		if ans.Imports > 0 {
			a.say("%d bundles of imported units copied to %s", ans.Imports, filepath.Join(args[0], engine.ImportsDir))
		}
		return a.print(ans, func(w io.Writer) error {
			if ans.Part == "" {
				_, err := fmt.Fprintf(w, "nothing new: %d entries in %d parts in %s\n", ans.Size, ans.Parts, ans.Dir)
				return err
			}
			_, err := fmt.Fprintf(w, "%s: %d records, %d bytes; the backup holds %d entries in %d parts\n", ans.Part, ans.Records, ans.Bytes, ans.Size, ans.Parts)
			return err
		})
	})
	return cmd
}

func (n *node) backup(ctx context.Context, dir string) (ans backupAnswer, err error) {
	genesis, err := os.ReadFile(filepath.Join(n.app.conf.text("data_dir"), identity.GenesisFile))
	if err != nil {
		return ans, nexus.Errf("ledger backup", nexus.CodeUnavailable, identity.GenesisFile, "name the node's own --data-dir", "%w", err)
	}
	parts, err := backup.Open(dir)
	if err != nil && nexus.CodeOf(err) != nexus.CodeNotFound {
		return ans, err
	}
	h := backup.Header{Cluster: n.Cluster(), Genesis: genesis}
	q := url.Values{}
	if k := len(parts); k > 0 {
		last := parts[k-1]
		if err := n.continues(ctx, last); err != nil {
			return ans, err
		}
		h.Genesis = nil
		q.Set("from", strconv.FormatUint(last.ToIndex, 10))
		q.Set("size", strconv.FormatUint(last.ToSize, 10))
		head, err := n.pinned(ctx)
		if err != nil {
			return ans, err
		}
		if head.Size == last.ToSize {
			return backupAnswer{Dir: dir, Cluster: n.Cluster().String(), Parts: k, Size: head.Size, Root: head.Root}, nil
		}
	}
	stream, err := n.Raw(ctx, "/v1/backup", q)
	if err != nil {
		return ans, err
	}
	defer stream.Close()
	p, err := backup.Append(dir, parts, h, stream)
	if err != nil {
		return ans, err
	}
	if err := n.pin(ctx, p.Checkpoint); err != nil { // the signature, and that it continues what was seen before
		return ans, err
	}
	cp, err := identity.ParseCheckpoint(p.Checkpoint)
	return backupAnswer{Dir: dir, Cluster: n.Cluster().String(), Parts: len(parts) + 1, Part: filepath.Base(p.Path), Records: p.Records,
		Bytes: p.Bytes, Size: cp.Size, Root: rootText(cp.Root)}, err
}

// backupImports copies the bundles of imported units that the backup's records speak of and that it does not hold yet. The parts that were
// written stand whatever becomes of it.
func (n *node) backupImports(ctx context.Context, dir string) (copied int, err error) {
	parts, err := backup.Open(dir)
	if err != nil {
		return 0, err
	}
	for i := range parts {
		for j := range parts[i].Imports {
			b := &parts[i].Imports[j]
			if bundle.Kept(dir, b) {
				continue
			}
			if err := bundle.Carry(ctx, n.app.conf.text("data_dir"), dir, b); err != nil {
				return copied, err
			}
			copied++
		}
	}
	return copied, nil
}

// continues demands a proof that the node's log begins with what the backup holds.
func (n *node) continues(ctx context.Context, last backup.Part) error {
	refuse := func(format string, args ...any) error {
		return nexus.Errf("ledger backup", nexus.CodeConflict, last.Path, "begin a new backup in another directory", format, args...)
	}
	if last.Cluster != n.Cluster() {
		return refuse("is of cluster %s, the node of %s", last.Cluster, n.Cluster())
	}
	key, err := n.logKey(ctx)
	if err != nil {
		return err
	}
	old, err := ledger.OpenCheckpoint(last.Checkpoint, (ledger.Checkpoint{Cluster: n.Cluster()}).Origin(), key)
	if err != nil {
		return err
	}
	head, err := n.pinned(ctx)
	if err != nil {
		return err
	}
	now, err := identity.ParseCheckpoint(head.Checkpoint)
	switch {
	case err != nil:
		return err
	case now.Size < old.Size:
		return refuse("holds %d entries, the node only %d", old.Size, now.Size)
	case now.Size == old.Size && now.Root != old.Root:
		return refuse("has another root at %d entries than the node", old.Size)
	case now.Size == old.Size:
		return nil
	}
	c, err := get[wire.Consistency](ctx, n, "/v1/consistency", "old", strconv.FormatUint(old.Size, 10), "new", strconv.FormatUint(now.Size, 10))
	if err != nil {
		return err
	}
	proof, err := hashes(c.Proof)
	if err != nil {
		return err
	}
	if err := ledger.CheckConsistency(proof, old.Size, now.Size, old.Root, now.Root); err != nil {
		return refuse("is not the beginning of the node's log: %w", err)
	}
	return nil
}

// restoreAnswer is what nexus ledger restore prints.
type restoreAnswer struct {
	Cluster  string `json:"cluster"`
	DataDir  string `json:"data_dir,omitempty"` // empty with --check
	Parts    int    `json:"parts"`
	Records  uint64 `json:"records"`
	Verified uint64 `json:"verified"` // entries
	Units    uint64 `json:"units"`
	Imports  uint64 `json:"imports"` // bundles of imported units, verified and brought
	Root     string `json:"root"`
	Keys     bool   `json:"keys"` // the node's keys are in the data directory
}

func (a *app) ledgerRestoreCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "restore DIR", Short: "Rebuild the ledger of --data-dir from a backup, verified before it is put in place", Args: oneArg("DIR"),
		Long: `Every record of the backup is applied again and must give the same bytes; hashes, chains, splits, the map of units and the signed
checkpoints are recomputed by the independent checker. A backup of another cluster, a damaged or mixed one, and one that ends before the
checkpoint that you saw last are refused. Bundles that imported units came with are verified and brought along. The data directory must hold no ledger. Keys come back with nexus identity backup FILE --restore.`,
		Example: "  nexus ledger restore /mnt/backup/nexus --data-dir /var/lib/nexus\n  nexus ledger restore /mnt/backup/nexus --check"}
	cmd.Flags().Bool("check", false, "verify the backup whole and put nothing in place")
	cmd.Flags().Bool("without-imports", false, "restore also without the bundles that imported units came with: their earlier history is lost")
	cmd.Flags().Bool("older", false, "restore also when a later checkpoint was seen: what came after is lost")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		cfg := engine.RestoreConfig{Backup: args[0], DataDir: a.conf.text("data_dir"), Seen: a.seen}
		cfg.Check, _ = cmd.Flags().GetBool("check")
		cfg.Older, _ = cmd.Flags().GetBool("older")
		if cfg.Check {
			dir, err := os.MkdirTemp("", "nexus-restore-")
			if err != nil {
				return nexus.Errf("ledger restore", nexus.CodeUnavailable, "temporary directory", "", "%w", err)
			}
			defer os.RemoveAll(dir)
			cfg.DataDir = dir
		} else if file, err := control.ReadNodeFile(cfg.DataDir); err == nil && control.Alive(file.PID) {
			return nexus.Errf("ledger restore", nexus.CodeConflict, "data directory "+cfg.DataDir, "stop the node first: nexus stop",
				"node %s, pid %d, is using it", file.Name, file.PID)
		}
		if without, _ := cmd.Flags().GetBool("without-imports"); !without {
			cfg.Import = func(ctx context.Context, b *ledger.ImportBody) error {
				return bundle.Carry(ctx, cfg.Backup, cfg.DataDir, b)
			}
		}
		r, err := engine.Restore(ctx, cfg)
		if err != nil {
			return err
		}
		ans := restoreAnswer{Cluster: r.Cluster.String(), Parts: r.Parts, Records: r.Records, Verified: r.Entries, Units: r.Units, Imports: r.Imports,
			Root: rootText(r.Root)}
		if !cfg.Check {
			ans.DataDir, ans.Keys = cfg.DataDir, !r.NoKeys
		}
		return a.print(ans, func(w io.Writer) error { return printRestored(w, ans) })
	})
	return cmd
}

func printRestored(w io.Writer, r restoreAnswer) error {
	_, err := fmt.Fprintf(w, "verified %d entries, %d records, %d units of cluster %s from %d parts\n", r.Verified, r.Records, r.Units,
		r.Cluster, r.Parts)
	if err == nil && r.Imports > 0 {
		_, err = fmt.Fprintf(w, "verified %d bundles that imported units came with\n", r.Imports)
	}
	if err != nil {
		return err
	}
	switch {
	case r.DataDir == "":
		_, err = fmt.Fprintln(w, "nothing was put in place (--check)")
		return err
	case !r.Keys:
		_, err = fmt.Fprintf(w, "restored into %s; its keys are missing: nexus identity backup FILE --restore\n", r.DataDir)
		return err
	}
	_, err = fmt.Fprintf(w, "restored into %s; start it with nexus launch\n", r.DataDir)
	return err
}

// seen is the newest checkpoint of a cluster that this user pinned.
func (a *app) seen(cluster nexus.ID) (uint64, nexus.Hash, error) {
	cp, _, err := a.pins().Load(cluster)
	if nexus.CodeOf(err) == nexus.CodeNotFound {
		return 0, nexus.Hash{}, nil
	}
	return cp.Size, cp.Root, err
}
