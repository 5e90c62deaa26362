// Command nexus-verify checks what a recipient got from a Nexus COS node: an export of a ledger, one unit's complete list of
// entries, a proof that an entry is in the log, a proof that the log has only grown, a checkpoint. It needs the file and the node's
// public key, and the keys of outside witnesses when their cosignatures are demanded: no node, no network and no data directory
// (docs/proofs.md).
//
// It must import the root package and ledger/verify only, so that it shares no code with what writes the ledger.
//
// Exit codes: 0 all verified, 1 something is not as it must be, 2 wrong usage (a file that cannot be read included), 130 interrupted.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// proofMax bounds the size of a proof file: one entry and a few dozen hashes.
const proofMax = 96 << 20

// Set by the linker (Makefile).
var (
	version   = "unknown"
	commit    string
	buildTime string
)

const help = `Usage: nexus-verify --key KEY [flags] FILE...
       nexus-verify bundle --key KEY [flags] FOLDER...

Checks exports and proofs of a Nexus COS ledger with the node's public key alone. FILE "-" is standard input.
KEY is what the operator publishes: the verifier key "nexus/<cluster>+<hash>+<key>", or the base64 public key alone.
Get it from somewhere else than the file: whoever makes a false file also names a false key in it.
A FILE may also be what the platform publishes: the exits of a month (nexus exits show --out) or a price list.
A FOLDER is what a unit left with (nexus imvu exit): signature, every file, entries, statements, and the bundles within it.

With --witness, once for each, the checkpoint must be cosigned by all of these outside witnesses, or by --quorum of them. A key
counts once, however often and under whatever name it signed. The keys come from the witnesses, never from the node.

Examples:
  nexus-verify --key "$KEY" export.jsonl
  nexus-verify --key "$KEY" --seen checkpoint.txt export.jsonl
  nexus-verify --key "$KEY" -o json proof.json
  nexus-verify --key "$KEY" --witness "$W1" --witness "$W2" --witness "$W3" --quorum 2 export.jsonl checkpoint.txt
  nexus-verify bundle --key "$KEY" ./IMVU-042-exit-20261126

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// result is what -o json prints for a file.
type result struct {
	File      string   `json:"file"`
	Verified  bool     `json:"verified"`
	What      string   `json:"what"` // ledger, unit, absence, inclusion, consistency, checkpoint, bundle, exits, prices
	Unit      string   `json:"unit,omitempty"`
	Size      uint64   `json:"size"` // of the log under the checkpoint
	Entries   uint64   `json:"entries"`
	Older     uint64   `json:"older,omitempty"`
	Cosigned  int      `json:"cosigners"`       // of the witnesses that were named
	Files     int      `json:"files,omitempty"` // of a bundle
	Documents int      `json:"statements,omitempty"`
	Came      []result `json:"imported,omitempty"`
	Totals    []total  `json:"totals,omitempty"`
	Findings  []string `json:"findings"`

	Exits  *verify.ExitsLine  `json:"exits,omitempty"`  // of a month's publication
	Prices *verify.PricesLine `json:"prices,omitempty"` // of a price list

	entry *verify.EntryLine
	asked int // witnesses that were named
}

type total struct {
	Unit     string `json:"unit"`
	Currency string `json:"currency"`
	Gross    int64  `json:"gross"`
	Creator  int64  `json:"creator"`
	Platform int64  `json:"platform"`
	Events   uint64 `json:"events"`
}

// run is the program: its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	if len(args) > 0 && args[0] == "bundle" {
		args = args[1:]
	}
	fs := flag.NewFlagSet("nexus-verify", flag.ContinueOnError)
	fs.SetOutput(errs)
	fs.Usage = func() { fmt.Fprint(errs, help); fs.PrintDefaults() }
	key := fs.String("key", "", "public `key` of the node that signs checkpoints")
	seen := fs.String("seen", "", "`file` with a checkpoint that you saw earlier; the history must pass through it")
	quorum := fs.Int("quorum", -1, "`number` of the witnesses that must have cosigned (default: all that are named)")
	var witnesses []string
	fs.Func("witness", "verifier `key` of an outside witness, as it publishes it; may be repeated", func(s string) error {
		witnesses = append(witnesses, s)
		return nil
	})
	format := fs.String("output", "text", "text or json")
	fs.StringVar(format, "o", "text", "short for --output")
	showVersion := fs.Bool("version", false, "print the version")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		return exitUsage
	}
	if *showVersion {
		fmt.Fprintf(out, "nexus-verify %s %s %s\n", version, commit, buildTime)
		return exitDone
	}
	bad := func(format string, args ...any) int {
		fmt.Fprintf(errs, "nexus-verify: "+format+"\n", args...)
		return exitUsage
	}
	o, err := options(*key, *seen)
	if err == nil {
		err = demand(&o, witnesses, *quorum)
	}
	switch {
	case err != nil:
		return bad("%v", err)
	case *format != "text" && *format != "json":
		return bad("--output %q: text or json", *format)
	case fs.NArg() == 0:
		return bad("no file given; see nexus-verify --help")
	}
	code := exitDone
	for _, name := range fs.Args() {
		res, err := file(ctx, name, in, o)
		switch {
		case ctx.Err() != nil:
			fmt.Fprintln(errs, "nexus-verify: interrupted")
			return exitInterrupted
		case err != nil:
			return bad("%s: %v", name, err)
		}
		if !res.Verified {
			code = exitFailed
		}
		if *format == "json" {
			err = json.NewEncoder(out).Encode(res)
		} else {
			err = res.print(out)
		}
		if err != nil {
			return bad("%v", err)
		}
	}
	return code
}

// options reads the key in either form, and the checkpoint seen earlier.
func options(key, seen string) (verify.Options, error) {
	o := verify.Options{CommandCheck: verify.ActionSignature}
	const hint = `--key wants "nexus/<cluster>+<hash>+<key>" or the base64 public key, as nexus ledger head prints it`
	if key == "" {
		return o, errors.New("no key: " + hint)
	}
	parsed, err := verify.ParseKey(key)
	if err != nil {
		return o, fmt.Errorf("%w: %s", err, hint)
	}
	o.Cluster, o.Key = parsed.Cluster, parsed.Key
	if seen == "" {
		return o, nil
	}
	note, err := os.ReadFile(seen)
	if err != nil {
		return o, err
	}
	pin, err := verify.OpenCheckpoint(string(note), &o)
	if err != nil {
		return o, fmt.Errorf("%s: %w", seen, err)
	}
	o.Pinned = []verify.Pin{pin}
	return o, nil
}

// demand reads whose cosignatures are asked for, and how many.
func demand(o *verify.Options, witnesses []string, quorum int) error {
	for _, text := range witnesses {
		k, err := verify.ParseWitnessKey(text)
		if err != nil {
			return err
		}
		o.Witnesses = append(o.Witnesses, k)
	}
	switch {
	case quorum < 0:
		quorum = len(witnesses)
	case quorum == 0 || len(witnesses) == 0:
		return fmt.Errorf("--quorum %d: a quorum is one or more of the witnesses named by --witness", quorum)
	}
	o.Quorum = quorum
	return verify.CheckWitnesses(o.Witnesses, o.Key, quorum)
}

// file checks one file. The error says that it could not be read; what is wrong with it is a finding.
func file(ctx context.Context, name string, in io.Reader, o verify.Options) (result, error) {
	res := result{File: name, Findings: []string{}, asked: len(o.Witnesses)}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		rep, err := verify.CheckBundle(ctx, os.DirFS(name), o)
		res.bundle(&rep)
		return res, err
	}
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return res, err
		}
		defer f.Close()
		in = f
	}
	const probe = `{"format":"` + verify.ProofFormat + `"`
	const published = `{"format":"` + verify.PublicationFormat + `"`
	first := make([]byte, len(published))
	n, err := io.ReadFull(in, first)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return res, err
	}
	in = io.MultiReader(bytes.NewReader(first[:n]), in)
	switch {
	case string(first) == published:
		return res, res.publication(in, o)
	case bytes.HasPrefix(first, []byte(probe)):
		return res, res.proof(in, o)
	case bytes.HasPrefix(first, []byte("nexus/")):
		return res, res.checkpoint(in, o)
	}
	rep, err := verify.CheckExport(ctx, in, o)
	if err != nil {
		return res, err
	}
	res.export(rep)
	return res, nil
}

func (r *result) bundle(rep *verify.BundleReport) {
	r.export(rep.Export)
	m := &rep.Manifest
	r.What, r.Verified, r.Unit, r.Files, r.Documents = "bundle", rep.Clean(), m.Unit.ID.String(), len(m.Files), rep.Statements
	r.Findings = append([]string{}, rep.Findings...)
	for i := range rep.Came {
		inner := result{File: verify.ImportedDir + "/" + rep.Came[i].Digest.String()}
		inner.bundle(&rep.Came[i])
		r.Came = append(r.Came, inner)
	}
}

func (r *result) proof(in io.Reader, o verify.Options) error {
	b, err := io.ReadAll(io.LimitReader(in, proofMax))
	if err != nil {
		return err
	}
	rep, err := verify.CheckProof(b, o)
	r.What, r.Size, r.Older, r.Verified, r.entry, r.Cosigned = rep.Type, rep.Size, rep.Older, err == nil, rep.Entry, rep.Cosigners
	if err != nil {
		r.Findings = append(r.Findings, err.Error())
		return nil
	}
	if rep.Entry != nil {
		r.Entries, r.Unit = 1, rep.Unit.String()
	}
	return nil
}

// publication checks what the platform published: a month's exits or a price list.
func (r *result) publication(in io.Reader, o verify.Options) error {
	b, err := io.ReadAll(io.LimitReader(in, verify.PublicationMax+1))
	if err != nil {
		return err
	}
	if len(b) > verify.PublicationMax {
		r.Findings = append(r.Findings, fmt.Sprintf("has more than %d bytes, which no publication has", verify.PublicationMax))
		return nil
	}
	rep, err := verify.CheckPublication(b, o)
	if err != nil {
		r.Findings = append(r.Findings, err.Error())
		return nil
	}
	r.What, r.Size, r.Cosigned, r.Verified, r.Exits, r.Prices = rep.What, rep.Size, rep.Cosigners, true, rep.Exits, rep.Prices
	r.Entries = 1
	return nil
}

// printPublication words a publication for people.
func (r *result) printPublication(b *strings.Builder) {
	if d := r.Exits; d != nil {
		fmt.Fprintf(b, "  exits in %s, as a log of %d entries commits to: %d asked to leave, %d left (%d after more than two hours), %d stayed, %d came back\n",
			d.Month, r.Size, d.Asked, d.Left, d.Late, d.Stayed, d.CameBack)
		fmt.Fprintf(b, "  it took %d ms at least, %d in the middle, %d at most; failures: %d seen by the node, %d by owners, in %d exits\n", d.ShortestMs, d.MedianMs,
			d.LongestMs, d.FailedNode, d.FailedOwner, d.FailedUnits)
		fmt.Fprintf(b, "  that these figures are what its first %d entries add up to is shown by checking an export of the whole ledger\n", d.Size)
	}
	if d := r.Prices; d != nil {
		fmt.Fprintf(b, "  price list %d, from %s on, as a log of %d entries commits to\n", d.Number, d.From, r.Size)
		for _, l := range d.Lines {
			fmt.Fprintf(b, "  %s: %s for each %d\n", clean(l.Meter), money(l.Minor, d.Currency), l.Per)
		}
	}
}

// checkpointMax bounds the size of a checkpoint.
const checkpointMax = 64 << 10

// checkpoint checks a signed note alone. One that was seen earlier is compared when it has the same size.
func (r *result) checkpoint(in io.Reader, o verify.Options) error {
	b, err := io.ReadAll(io.LimitReader(in, checkpointMax+1))
	if err != nil {
		return err
	}
	pin, cosigners, err := verify.CheckCheckpoint(string(b), &o)
	for _, seen := range o.Pinned {
		if err == nil && seen.Size == pin.Size && seen.Root != pin.Root {
			err = fmt.Errorf("another root than the checkpoint seen before has at %d entries", pin.Size)
		}
	}
	r.What, r.Size, r.Cosigned, r.Verified = "checkpoint", pin.Size, cosigners, err == nil
	if err != nil {
		r.Findings = append(r.Findings, err.Error())
	}
	return nil
}

func (r *result) export(rep verify.ExportReport) {
	r.What, r.Verified, r.Size, r.Entries, r.Cosigned = rep.Scope, rep.Clean(), rep.CheckpointSize, rep.Entries, rep.Cosigners
	if rep.Scope == "unit" {
		r.Unit = rep.Unit.String()
		if !rep.Present {
			r.What = "absence"
		}
	}
	for _, f := range rep.Findings {
		r.Findings = append(r.Findings, f.String())
	}
	if extra := rep.FindingsTotal - uint64(len(rep.Findings)); extra > 0 {
		r.Findings = append(r.Findings, fmt.Sprintf("and %d more", extra))
	}
	for _, at := range verify.SortedAccounts(rep.Totals) {
		t := rep.Totals[at]
		r.Totals = append(r.Totals, total{Unit: at.Unit.String(), Currency: at.Currency, Gross: t.Gross, Creator: t.Creator, Platform: t.Platform, Events: t.Events})
	}
}

// print words the result for people. What the file says of itself is shown only when it was verified.
func (r *result) print(out io.Writer) error {
	var b strings.Builder
	if !r.Verified {
		fmt.Fprintf(&b, "%s: NOT VERIFIED\n", clean(r.File))
		for _, f := range r.Findings {
			fmt.Fprintf(&b, "  %s\n", clean(f))
		}
		_, err := io.WriteString(out, b.String())
		return err
	}
	fmt.Fprintf(&b, "%s: verified\n", clean(r.File))
	switch r.What {
	case "ledger":
		fmt.Fprintf(&b, "  the whole ledger: %d entries, every split recomputed, map of units recomputed\n", r.Entries)
	case "unit":
		fmt.Fprintf(&b, "  unit %s: all its %d entries in a log of %d, nothing left out\n", r.Unit, r.Entries, r.Size)
	case "bundle":
		fmt.Fprintf(&b, "  unit %s: %d files as signed, all its %d entries in a log of %d, nothing left out, %d statements\n", r.Unit, r.Files, r.Entries, r.Size,
			r.Documents)
		for _, c := range r.Came {
			fmt.Fprintf(&b, "  it brought %s: %d entries of another log, verified under the key that its own entry names\n", c.File, c.Entries)
		}
	case verify.PublicationExits, verify.PublicationPrices:
		r.printPublication(&b)
	case "absence":
		fmt.Fprintf(&b, "  unit %s has no entry in a log of %d\n", r.Unit, r.Size)
	case "checkpoint":
		fmt.Fprintf(&b, "  a checkpoint of a log of %d entries\n", r.Size)
	case verify.ProofConsistency:
		fmt.Fprintf(&b, "  the log of %d entries begins with the log of %d\n", r.Size, r.Older)
	case verify.ProofInclusion:
		fmt.Fprintf(&b, "  a log of %d holds entry %d: %s, number %d of unit %s, %s\n", r.Size, r.entry.Entry, r.entry.Kind, r.entry.Number, r.Unit,
			r.entry.Time.Format("2006-01-02 15:04:05Z07:00"))
		if e := r.entry.Event; e != nil {
			fmt.Fprintf(&b, "  %s after it: gross %s, creator %s, platform %s\n", clean(e.Currency), money(e.Gross, e.Currency), money(e.Creator, e.Currency),
				money(e.Gross-e.Creator, e.Currency))
		}
	}
	if r.asked > 0 {
		fmt.Fprintf(&b, "  cosigned by %d of the %d witnesses named\n", r.Cosigned, r.asked)
	}
	for _, t := range r.Totals {
		fmt.Fprintf(&b, "  %s  gross %s  creator %s  platform %s  (%d events)\n", t.Unit, money(t.Gross, t.Currency), money(t.Creator, t.Currency),
			money(t.Platform, t.Currency), t.Events)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func money(minor int64, currency string) string {
	return clean(nexus.Money{Minor: minor, Currency: currency}.String())
}

// clean keeps terminal escapes of a hostile file off the screen.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return '\uFFFD'
	}, s)
}
