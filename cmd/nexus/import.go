package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/revenue"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func (a *app) importCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "import FILE", Short: "Import revenue events from JSON lines or CSV", Args: oneArg("FILE"),
		Long: `Import events, one a line: {"id":"...","unit":"IMVU-001","kind":"sale","amount":1999,"currency":"USD","time":"..."}.
Kind defaults to sale; amounts are integer minor units; other fields are kept as memo. CSV names the fields in its first line.

The whole file is checked first, against the ledger too. A bad line is reported with its number, and then nothing is posted
unless --continue is given. Events count once: the same import again posts nothing, and completes one that was interrupted.`,
		Example: `  nexus revenue import sales.jsonl
  nexus revenue import films.jsonl --unit-by distributor --create-missing
  nexus revenue import sales.csv --create-missing-as platform --create-missing --unit-by shop --owner eva`}
	f := cmd.Flags()
	f.String("unit-by", "", "field whose value is the unit's display name")
	f.Bool("create-missing", false, "create units that are not there yet, dormant")
	f.String("create-missing-as", "imvu", "imvu or platform")
	f.String("owner", "", "owner of created units (default: in the platform's custody until claimed)")
	f.Bool("continue", false, "post the good lines although there are bad ones")
	f.String("format", "", "jsonl or csv (default: by the file's name)")
	f.String("source", state.OperatorSource, "revenue source; --identity must be its key")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		conf, err := n.importConfig(cmd, args[0])
		if err != nil {
			return err
		}
		bar := &progressBar{w: a.err, live: terminal(a.err)}
		conf.Bad = func(e *revenue.LineError) {
			bar.clear()
			a.say("%s:%d: %v", args[0], e.Line, e.Err)
		}
		conf.Progress = bar.show
		result, err := revenue.Import(ctx, conf)
		bar.clear()
		if err != nil && result.Posted > 0 && !(conf.Continue && result.BadLines > 0) {
			a.say("interrupted after %d events in %d batches; the same command again posts the rest", result.Posted, result.Batches)
		}
		if result.Batches > 0 || err == nil {
			if perr := a.print(result, func(w io.Writer) error { return printImport(w, result) }); perr != nil {
				return perr
			}
		}
		return continued(err, conf.Continue && result.Batches > 0)
	})
	return cmd
}

// continued makes the left-out lines of --continue a failure of the import, not wrong usage: the command line was right.
func continued(err error, yes bool) error {
	if err == nil || !yes || nexus.CodeOf(err) != nexus.CodeMalformed {
		return err
	}
	return nexus.Errf("", nexus.CodeConflict, "", "", "%w", err)
}

func (n *node) importConfig(cmd *cobra.Command, path string) (revenue.Config, error) {
	text := func(flag string) string { s, _ := cmd.Flags().GetString(flag); return s }
	info, err := os.Stat(path)
	if err != nil {
		return revenue.Config{}, usage("file "+path, "give a file that exists", "%w", err)
	}
	if !info.Mode().IsRegular() {
		return revenue.Config{}, usage("file "+path, "save it to a file first: it is read more than once", "not a regular file")
	}
	conf := revenue.Config{Node: importNode{n}, Signer: n.Signer(), Cluster: n.Cluster(), Source: text("source"), Now: n.app.now,
		Open:    func() (io.ReadCloser, error) { return os.Open(path) },
		Options: revenue.Options{Format: revenue.FormatOf(path), UnitBy: text("unit-by")}, Owner: text("owner")}
	conf.CreateMissing, _ = cmd.Flags().GetBool("create-missing")
	conf.Continue, _ = cmd.Flags().GetBool("continue")
	switch format := revenue.Format(text("format")); format {
	case "":
	case revenue.JSONLines, revenue.CSV:
		conf.Options.Format = format
	default:
		return conf, usage(fmt.Sprintf("--format %q", format), "jsonl or csv", "no such format")
	}
	switch as := text("create-missing-as"); as {
	case "imvu":
		conf.CreateAs = nexus.KindIMVU
	case "platform":
		conf.CreateAs = nexus.KindPlatform
	default:
		return conf, usage(fmt.Sprintf("--create-missing-as %q", as), "imvu or platform", "no such kind")
	}
	if conf.Owner != "" {
		conf.OwnerKey = n.importOwner
	}
	return conf, nil
}

// importOwner gives the key for an owner that may not be known yet; a key that is not needed is none.
func (n *node) importOwner(name string) (nexus.PublicKey, error) {
	b := state.UnitCreate{OwnerName: name}
	issued, err := n.ownerKey(context.Background(), &b)
	if issued.made {
		n.app.say("identity %s is issued with the first unit; its key is %s (keep it, it is the only copy)", name, issued.path)
	}
	return b.OwnerKey, err
}

// importNode lets the import see a node.
type importNode struct{ n *node }

func (i importNode) Units(ctx context.Context) ([]wire.UnitRow, error) {
	u, err := get[wire.Units](ctx, i.n, "/v1/units", "probes", "1")
	return u.Units, err
}

func (i importNode) Unit(ctx context.Context, word string) (wire.UnitRow, error) {
	d, err := get[wire.UnitDetail](ctx, i.n, "/v1/units/"+url.PathEscape(word))
	return d.UnitRow, err
}

func (i importNode) Do(ctx context.Context, a nexus.Action) (nexus.Receipt, error) {
	return i.n.Do(ctx, a)
}

func (i importNode) Try(ctx context.Context, a nexus.Action) ([]wire.Verdict, error) {
	return i.n.Try(ctx, a)
}

func printImport(w io.Writer, r revenue.Result) error {
	_, err := fmt.Fprintf(w, "%d events read, %d posted, %d known already, %d bad, %d units created\n", r.Lines, r.Posted, r.Duplicates,
		r.BadLines, r.UnitsMade)
	return err
}

// progressBar shows how far an import is: redrawn on a terminal, one line per stage elsewhere.
type progressBar struct {
	w     io.Writer
	live  bool
	stage string
	shown bool
}

func (b *progressBar) show(p revenue.Progress) {
	const cells = 30
	if !b.live {
		if p.Stage != b.stage && p.Total > 0 {
			b.stage = p.Stage
			fmt.Fprintf(b.w, "%s: %d\n", p.Stage, p.Total)
		}
		return
	}
	if p.Total == 0 {
		return
	}
	full := p.Done * cells / p.Total
	fmt.Fprintf(b.w, "\r%-7s [%s%s] %d/%d\x1b[K", p.Stage, strings.Repeat("#", full), strings.Repeat(".", cells-full), p.Done, p.Total)
	b.shown = true
}

func (b *progressBar) clear() {
	if b.shown {
		fmt.Fprint(b.w, "\r\x1b[K")
		b.shown = false
	}
}
