package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	nodes "github.com/BobbyBlanco400/nexus-cos/engine/node"
)

func (a *app) reportCommand() *cobra.Command {
	cmd := noun("report", "Deployment reports")
	show := &cobra.Command{Use: "show [FILE]", Short: "Print a deployment report (default: the newest)", Args: maxOneArg,
		Example: "  nexus report show\n  nexus report show logs/deployment-20260131-120000-report.json -o json"}
	show.RunE = a.do(func(_ context.Context, _ *cobra.Command, args []string) error { return a.showReport(args) })
	list := &cobra.Command{Use: "list", Short: "The reports whose SHA-256 the ledger holds", Args: noArgs, Example: "  nexus report list"}
	list.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error {
		if _, err := n.pinned(ctx); err != nil {
			return err
		}
		r, err := get[wire.Reports](ctx, n, "/v1/reports")
		if err != nil {
			return err
		}
		t := &table{head: []string{">INDEX", "TIME", "VERDICT", "NAME", "SHA-256"}, none: "no reports"}
		for _, x := range r.Reports {
			t.add(fmt.Sprint(x.Index), when(x.Time), x.Verdict, x.Name, x.SHA256)
		}
		return a.print(r, t.print)
	})
	verify := &cobra.Command{Use: "verify [FILE]", Short: "Check a report's signature, and its SHA-256 against the ledger", Args: maxOneArg,
		Example: "  nexus report verify"}
	verify.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, args []string) error {
		return n.verifyReport(ctx, args)
	})
	cmd.RunE = show.RunE
	cmd.AddCommand(list, show, verify)
	return cmd
}

// reportFile finds the report: the one named, else the newest of the running node's folder, of the configured one or of
// the standard one.
func (a *app) reportFile(args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	dirs := []string{a.conf.text("report_dir"), a.conf.text("log_dir"), filepath.Join(a.conf.text("data_dir"), "logs", "launch")}
	if file, err := control.ReadNodeFile(a.conf.text("data_dir")); err == nil {
		dirs = append([]string{file.ReportDir}, dirs...)
	}
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		// Names carry the time of the launch, so the last by name is the newest.
		found, err := filepath.Glob(filepath.Join(dir, "deployment-*-report.json"))
		if err == nil && len(found) > 0 {
			sort.Strings(found)
			return found[len(found)-1], nil
		}
	}
	return "", nexus.Errf("report", nexus.CodeNotFound, "report", "launch first, or name the file", "none in %s", strings.Join(dirs, ", "))
}

func (a *app) showReport(args []string) error {
	path, err := a.reportFile(args)
	if err != nil {
		return err
	}
	r, err := nodes.VerifyReport(path)
	if err != nil {
		return err
	}
	a.say("%s, signed by %s", path, r.Key)
	return a.print(r, func(w io.Writer) error { _, err := io.WriteString(w, clean(r.Text())); return err })
}

// verifyReport checks the signature, that the signer is this cluster's node, and that the ledger holds the file's digest.
func (n *node) verifyReport(ctx context.Context, args []string) error {
	path, err := n.app.reportFile(args)
	if err != nil {
		return err
	}
	r, err := nodes.VerifyReport(path)
	if err != nil {
		return err
	}
	if _, err := n.pinned(ctx); err != nil {
		return err
	}
	bad := func(format string, args ...any) error {
		return nexus.Errf("report verify", nexus.CodeCorrupt, path, "compare it with nexus report list", format, args...)
	}
	g, err := identity.ReadGenesis(n.app.conf.text("data_dir"))
	if err != nil {
		return err
	}
	if r.Key != g.Node.Public.String() {
		return bad("signed by %s, which is not this node's key", r.Key)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	digest := hex.EncodeToString(sum[:])
	all, err := get[wire.Reports](ctx, n, "/v1/reports")
	if err != nil {
		return err
	}
	for _, row := range all.Reports {
		if row.SHA256 == digest {
			return n.app.print(row, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s: signature good, SHA-256 %s stands in the ledger since decision %d, verdict %s\n", path, digest, row.Index, row.Verdict)
				return err
			})
		}
	}
	return bad("the ledger does not hold its SHA-256 %s", digest)
}
