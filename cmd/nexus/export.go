package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

func (a *app) exportCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "export", Short: "Write the ledger, or one unit's part of it, as JSON lines that anyone can verify", Args: noArgs,
		Long: `Write every record of the ledger, or with --unit that unit's entries and the proof that none was left out, as JSON lines under a
signed checkpoint. What arrives is verified here, and a recipient verifies it again with nexus-verify and the node's public key
alone (docs/proofs.md). Without --out it goes to stdout.`,
		Example: "  nexus ledger export --out ledger.jsonl\n  nexus ledger export --unit IMVU-001 --out unit.jsonl\n  nexus-verify --key KEY unit.jsonl"}
	cmd.Flags().String("unit", "", "one unit: id, label or slug")
	cmd.Flags().String("out", "", "file to write (default: stdout)")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		unit, _ := cmd.Flags().GetString("unit")
		path, _ := cmd.Flags().GetString("out")
		rep, err := n.export(ctx, unit, path, a.out)
		if err != nil {
			return err
		}
		a.say("%d entries under a checkpoint of %d, verified here", rep.Entries, rep.CheckpointSize)
		return nil
	})
	return cmd
}

// export fetches an export and verifies it on its way to the file, which appears only when all of it is verified. Without a path it
// goes to w.
func (n *node) export(ctx context.Context, unit, path string, w io.Writer) (rep verify.ExportReport, err error) {
	if path != "" {
		err = writeWhole(path, func(f io.Writer) error {
			rep, err = n.exportTo(ctx, unit, f)
			return err
		})
		return rep, err
	}
	return n.exportTo(ctx, unit, w)
}

func (n *node) exportTo(ctx context.Context, unit string, w io.Writer) (verify.ExportReport, error) {
	o, err := n.recipient(ctx)
	if err != nil {
		return verify.ExportReport{}, err
	}
	q := url.Values{}
	if unit != "" {
		q.Set("unit", unit)
	}
	r, pipe := io.Pipe()
	type outcome struct {
		rep verify.ExportReport
		err error
	}
	checked := make(chan outcome, 1)
	go func() {
		rep, err := verify.CheckExport(ctx, r, o)
		_, _ = io.Copy(io.Discard, r) // the file is written whole even when its check ended early
		checked <- outcome{rep, err}
	}()
	err = n.Download(ctx, "/v1/export", q, io.MultiWriter(w, pipe))
	_ = pipe.CloseWithError(err) // never fails
	res := <-checked
	switch {
	case err != nil:
		return res.rep, err
	case res.err != nil:
		return res.rep, res.err
	case !res.rep.Clean():
		what := fmt.Sprintf("%d of %d entries", res.rep.Entries, res.rep.Claimed)
		if len(res.rep.Findings) > 0 {
			what = res.rep.Findings[0].String()
		}
		return res.rep, nexus.Errf("ledger export", nexus.CodeCorrupt, "export", "run nexus ledger verify; do not trust this node", "%s", what)
	}
	return res.rep, n.pin(ctx, res.rep.Checkpoint)
}

// recipient is what a recipient of a file knows: the log and its key.
func (n *node) recipient(ctx context.Context) (verify.Options, error) {
	key, err := n.logKey(ctx)
	return verify.Options{Cluster: n.Cluster(), Key: key, CommandCheck: verify.ActionSignature}, err
}

func (n *node) proveComplete(ctx context.Context, unit, path string) error {
	rep, err := n.export(ctx, unit, path, io.Discard)
	if err != nil {
		return err
	}
	out := struct {
		Unit       string `json:"unit"`
		Present    bool   `json:"present"`
		Entries    uint64 `json:"entries"`
		Size       uint64 `json:"size"`
		Complete   bool   `json:"complete"`
		Checkpoint string `json:"checkpoint"`
		Key        string `json:"key"`
	}{rep.Unit.String(), rep.Present, rep.Entries, rep.CheckpointSize, true, rep.Checkpoint, rep.Key}
	return n.app.print(out, func(w io.Writer) error {
		said := fmt.Sprintf("all its %d entries in a log of %d, nothing left out", rep.Entries, rep.CheckpointSize)
		if !rep.Present {
			said = fmt.Sprintf("has no entry in a log of %d", rep.CheckpointSize)
		}
		return pairs(w, "unit", out.Unit, "proven", said, "signed by", rep.Key, "checked", "chain, balances, map of units and inclusion re-computed here")
	})
}

func (n *node) proveSince(ctx context.Context, file, path string) error {
	older, err := os.ReadFile(file)
	if err != nil {
		return usage("--since "+file, "a file with a signed checkpoint, as nexus ledger head -o json gives it", "%w", err)
	}
	rep, err := n.proofFile(ctx, path, "older", string(older))
	if err != nil {
		return err
	}
	out := struct {
		Older      uint64 `json:"older"`
		Size       uint64 `json:"size"`
		Consistent bool   `json:"consistent"`
		Checkpoint string `json:"checkpoint"`
		Key        string `json:"key"`
	}{rep.Older, rep.Size, true, rep.Checkpoint, rep.Key}
	return n.app.print(out, func(w io.Writer) error {
		return pairs(w, "proven", fmt.Sprintf("the log of %d entries begins with the log of %d", rep.Size, rep.Older), "signed by", rep.Key)
	})
}

// proofFile fetches a proof, checks it as a recipient would and writes it to path ("": nowhere).
func (n *node) proofFile(ctx context.Context, path, what, value string) (verify.ProofReport, error) {
	var b bytes.Buffer
	o, err := n.recipient(ctx)
	if err != nil {
		return verify.ProofReport{}, err
	}
	if err := n.Download(ctx, "/v1/prooffile", url.Values{what: {value}}, &b); err != nil {
		return verify.ProofReport{}, err
	}
	rep, err := verify.CheckProof(b.Bytes(), o)
	if err != nil {
		return rep, nexus.Errf("ledger prove", nexus.CodeCorrupt, "proof of "+what, "run nexus ledger verify; do not trust this node", "%w", err)
	}
	if err := n.pin(ctx, rep.Checkpoint); err != nil || path == "" {
		return rep, err
	}
	err = writeWhole(path, func(w io.Writer) error {
		_, err := w.Write(b.Bytes())
		return err
	})
	if err == nil {
		n.app.say("proof written to %s", path)
	}
	return rep, err
}

// writeWhole writes a file beside path and puts it in place when fn succeeded; otherwise nothing is left.
func writeWhole(path string, fn func(io.Writer) error) error {
	bad := func(err error) error {
		return nexus.Errf("write file", nexus.CodeUnavailable, "--out "+path, "choose a folder that you may write to", "%w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return bad(err)
	}
	defer os.Remove(f.Name()) // gone already when all went well
	if err := fn(f); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		_ = f.Close()
		return bad(err)
	}
	if err := f.Close(); err != nil {
		return bad(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return bad(err)
	}
	return nil
}
