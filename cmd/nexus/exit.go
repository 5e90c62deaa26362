package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/bundle"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

const exitLong = `A unit leaves by its owner's word alone: free, with all that is held of it, and nobody can stop, delay or empty that (gate 13). The first run
announces it; then the bundle is fetched, checked here as a recipient would check it, put in its place whole, and the exit is complete
by the owner's signature over its manifest. The unit serves all the while and for 30 days after; until then --cancel brings it back. What is
owed stays owed and is paid. A run that breaks off leaves nothing at the target; the same command goes on. docs/exit.md has the whole.

With --export-path - the verified bundle goes to stdout as a tar, which works over SSH too.`

// addLeaving adds what leaves and comes. A bundle is of a unit of any kind, whichever noun it is asked under.
func (a *app) addLeaving(cmd *cobra.Command, word string) {
	cmd.AddCommand(a.exitCommand(word), a.exitStatusCommand(word), a.verifyExportCommand(word), a.importUnitCommand(word))
}

// exitCommand leaves with a unit of any kind.
func (a *app) exitCommand(word string) *cobra.Command {
	flag := word + "-id"
	cmd := &cobra.Command{Use: "exit", Short: "Leave with the unit and all that is its own; come back within 30 days", Args: noArgs, Long: exitLong,
		Example: "  nexus " + word + " exit --" + flag + " UNIT --identity eva\n  nexus " + word + " exit --" + flag + " UNIT --export-path /mnt/mine\n" +
			"  nexus " + word + " exit --" + flag + " UNIT --cancel\n  ssh -A -p PORT NODE " + word + " exit --" + flag + " UNIT --export-path - | tar x -C mine"}
	f := cmd.Flags()
	f.String(flag, "", "unit by id, label or slug (required)")
	f.String("export-path", "", "folder for the bundle, not there yet or empty (default ./LABEL-exit-YYYYMMDD); - for a tar on stdout")
	f.Bool("announce", false, "announce it only; fetch the bundle later")
	f.Bool("cancel", false, "come back: end the exit, until 30 days after it was complete")
	f.String("reason", "", "why; it stands in the ledger")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		if err := required(cmd, flag); err != nil {
			return err
		}
		unit, _ := f.GetString(flag)
		reason, _ := f.GetString("reason")
		d, id, err := n.unit(ctx, unit)
		if err != nil {
			return err
		}
		if cancel, _ := f.GetBool("cancel"); cancel {
			if _, err := n.act(ctx, state.KindExitCancel, id, state.ExitBegin{Reason: reason}); err != nil {
				return err
			}
			return n.printExit(ctx, d.ID)
		}
		x := &exitRun{node: n, unit: d, id: id}
		x.target, _ = f.GetString("export-path")
		announce, _ := f.GetBool("announce")
		return x.run(ctx, reason, announce)
	})
	return cmd
}

// exitRun is one run of the exit command.
type exitRun struct {
	*node
	unit   wire.UnitDetail
	id     nexus.ID
	target string
	got    bundle.Received
}

func (x *exitRun) run(ctx context.Context, reason string, announce bool) error {
	if x.target == "" {
		x.target = x.unit.Label + "-exit-" + x.app.now().UTC().Format("20060102")
	}
	if x.app.guest != nil && x.target != "-" && !announce {
		return usage("--export-path", "give --export-path - and send it into a file or into tar, or --announce",
			"a session over SSH writes no file of the node's machine")
	}
	if x.target != "-" && !announce { // a wrong path must not begin anything
		if err := bundle.Free(x.target); err != nil && !x.have(ctx) {
			return err
		}
	}
	if x.unit.Status != state.StatusExiting && x.unit.Status != state.StatusExited && x.unit.Status != state.StatusClosed {
		if _, err := x.act(ctx, state.KindExitBegin, x.id, state.ExitBegin{Reason: reason}); err != nil {
			return err
		}
		x.app.say("%s is leaving; it goes on serving, and nobody can hinder it now", x.unit.Label)
	}
	if announce {
		return x.printExit(ctx, x.unit.ID)
	}
	if err := x.fetch(ctx); err != nil {
		x.failed(ctx, fetchStep(err), err)
		return err
	}
	if x.unit.Status != state.StatusExited && x.unit.Status != state.StatusClosed {
		m := &x.got.Report.Manifest
		if _, err := x.act(ctx, state.KindExitComplete, x.id, state.ExitComplete{Manifest: x.got.Report.Digest, Size: m.Size, UnitSeq: m.UnitSeq,
			UnitHead: m.UnitHead, Files: uint32(len(m.Files)), Bytes: x.got.Report.Bytes}); err != nil {
			x.failed(ctx, state.ExitStepEnd, err)
			return err
		}
	} else {
		x.app.say("%s has left already: its bundle was made anew", x.unit.Label)
	}
	return x.printDone(ctx)
}

// fetchStep says at which step of fetching a bundle it failed; "" when nothing of the exit did: the target was not free.
func fetchStep(err error) string {
	switch code := nexus.CodeOf(err); {
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, fs.ErrPermission):
		return state.ExitStepStore
	case code == nexus.CodeCorrupt:
		return state.ExitStepCheck
	case code == nexus.CodeConflict || code == nexus.CodeRefused || code == nexus.CodeUsage:
		return ""
	}
	return state.ExitStepFetch
}

// failed states a failure of the exit, so that it is among what is published of exits. What the owner broke off is none.
func (x *exitRun) failed(ctx context.Context, step string, err error) {
	if step == "" || ctx.Err() != nil || x.unit.Status == state.StatusExited || x.unit.Status == state.StatusClosed {
		return
	}
	code := nexus.CodeOf(err)
	if code == "" {
		code = nexus.CodeInternal
	}
	if _, err := x.act(ctx, state.KindExitFail, x.id, state.ExitFail{Step: step, Code: code}); err != nil {
		x.app.say("this failure (%s) could not be recorded: %v", step, err)
		return
	}
	x.app.say("recorded: this exit failed at the step %s; the same command goes on", step)
}

// have reports whether the target holds this unit's verified bundle from an earlier run that did not get to its end.
func (x *exitRun) have(ctx context.Context) bool {
	key, err := x.logKey(ctx)
	if err != nil || x.unit.Status != state.StatusExiting {
		return false
	}
	rep, err := bundle.Check(ctx, x.target, key)
	if err != nil || !rep.Clean() || rep.Manifest.Unit.ID != x.id || rep.Manifest.Unit.Status != state.StatusExiting {
		return false
	}
	x.got = bundle.Received{Dir: x.target, Report: rep}
	return true
}

// fetch brings the bundle to the target, or as a tar to stdout.
func (x *exitRun) fetch(ctx context.Context) error {
	if x.got.Dir != "" {
		x.app.say("%s holds the verified bundle of an earlier run", x.got.Dir)
		return nil
	}
	key, err := x.logKey(ctx)
	if err != nil {
		return err
	}
	to := bundle.Receiver{Target: x.target, Key: key, Progress: x.progress(x.app.now())}
	if x.target == "-" {
		tmp, err := os.MkdirTemp("", "nexus-exit-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		to.Target = filepath.Join(tmp, x.unit.Label)
	}
	in, closer, err := x.Bundle(ctx, x.unit.ID)
	if err != nil {
		return err
	}
	x.got, err = to.Receive(ctx, in)
	if err = errors.Join(err, closer.Close()); err != nil {
		if row, known := x.exitOf(ctx, x.unit.ID); known == nil && row.Progress != nil && row.Progress.Broke != "" {
			return fmt.Errorf("%w: the node says: %s", err, row.Progress.Broke) // the stream itself can only end
		}
		return err
	}
	m := &x.got.Report.Manifest
	x.app.say("%d/%d 100 %%  all is here and verified: %d files, %s", len(m.Files)+2, len(m.Files)+2, len(m.Files), bytesText(uint64(x.got.Report.Bytes)))
	if x.target == "-" {
		if err := writeTar(x.app.out, x.got.Dir); err != nil {
			return nexus.Errf("imvu exit", nexus.CodeUnavailable, "stdout", "run the same command again", "%w", err)
		}
	}
	return x.pin(ctx, x.got.Report.Manifest.Checkpoint)
}

// progress says each file as it begins, how much of the work is done by then, and how long the rest takes at that pace.
func (x *exitRun) progress(began time.Time) func(step, percent, path string) {
	return func(step, percent, path string) {
		words := percentText(step, percent)
		n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(words), " %")) // 0, of which nothing is reckoned, when it says none
		if left := wire.TimeLeft(x.app.now().Sub(began), n); left > 0 {
			path += ", " + wire.LeftWords(left)
		}
		x.app.say("%s%s  %s", step, words, path)
	}
}

// percentText is how much of a bundle is made when a file begins, as the node says it, else by the file of a step like "3/20": 10 %. A step of another
// form gives "".
func percentText(step, percent string) string {
	var at, of int
	if n, err := fmt.Sscanf(step, "%d/%d", &at, &of); n != 2 || err != nil || at < 1 || at > of {
		return ""
	}
	done, err := strconv.Atoi(percent)
	if err != nil || done < 0 || done > 100 {
		done = (at - 1) * 100 / of
	}
	return fmt.Sprintf(" %3d %%", done)
}

// writeTar writes a folder's files, in order.
func writeTar(w io.Writer, dir string) error {
	out := tar.NewWriter(w)
	if err := out.AddFS(os.DirFS(dir)); err != nil {
		return err
	}
	return out.Close()
}

func (x *exitRun) printDone(ctx context.Context) error {
	row, err := x.exitOf(ctx, x.unit.ID)
	if err != nil {
		return err
	}
	m := &x.got.Report.Manifest
	out := struct {
		wire.ExitRow
		Dir     string                `json:"dir"`
		Bundle  nexus.Hash            `json:"bundle_sha256"` // of its manifest; another than the exit's when it was made anew
		Key     string                `json:"key"`
		Size    uint64                `json:"ledger_entries"`
		NotHeld []verify.ManifestNote `json:"not_held"`
	}{row, x.got.Dir, x.got.Report.Digest, m.Key, m.Size, m.NotHeld}
	if x.target == "-" { // stdout is the tar
		x.app.say("%s has left; manifest of this bundle %s", row.Unit, x.got.Report.Digest)
		return nil
	}
	return x.app.print(out, func(w io.Writer) error {
		fmt.Fprintf(w, "%s (%s) has left with %d files, %s, verified: %s\n", row.Unit, oneLine(row.Name), len(m.Files), bytesText(uint64(x.got.Report.Bytes)),
			x.got.Dir)
		var none []string
		for _, h := range m.NotHeld {
			none = append(none, h.What)
		}
		if err := printExitRow(w, &row); err != nil {
			return err
		}
		return pairs(w, "not held", strings.Join(none, "; "), "check it", "nexus-verify bundle --key "+m.Key+" "+x.got.Dir, "come back",
			"nexus imvu exit --imvu-id "+row.Unit+" --cancel", "elsewhere", "nexus imvu import "+x.got.Dir)
	})
}

func (n *node) exitOf(ctx context.Context, unit string) (wire.ExitRow, error) {
	all, err := get[wire.Exits](ctx, n, "/v1/exits", "unit", unit)
	if err != nil || len(all.Exits) == 0 {
		return wire.ExitRow{}, err
	}
	return all.Exits[0], nil
}

// printExit prints where a unit's exit stands.
func (n *node) printExit(ctx context.Context, unit string) error {
	all, err := get[wire.Exits](ctx, n, "/v1/exits", "unit", unit)
	if err != nil {
		return err
	}
	return n.app.print(all, func(w io.Writer) error {
		if len(all.Exits) == 0 {
			_, err := fmt.Fprintln(w, "it neither leaves nor left")
			return err
		}
		return printExitRow(w, &all.Exits[0])
	})
}

func printExitRow(w io.Writer, r *wire.ExitRow) error {
	var owed []string
	for _, o := range r.Owed {
		owed = append(owed, nexus.Money{Minor: o.Minor, Currency: o.Currency}.String())
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return when(t)
	}
	late := ""
	if r.Late {
		late = "under way for more than two hours: run nexus imvu exit --imvu-id " + r.Unit + " again"
	}
	progress := ""
	if r.Completed.IsZero() {
		progress = oneLine(r.Words())
	}
	return pairs(w, "unit", r.Unit+" ("+r.UnitID+")", "status", r.Status+", before "+r.Was, "progress", progress, "serving", yesNo(r.Serving), "late", late,
		"begun", fmt.Sprintf("%s, decision %d", when(r.Begun), r.Decision), "complete", at(r.Completed), "manifest", r.Manifest,
		"failures", failuresText(r), "back until", at(r.GraceUntil), "hosts went", at(r.Released),
		"kept until", at(r.RetainedUntil), "closed", at(r.Closed), "owed", strings.Join(owed, ", "))
}

func failuresText(r *wire.ExitRow) string {
	if r.Failures == 0 {
		return ""
	}
	return fmt.Sprintf("%d, the last at the step %s, %s", r.Failures, r.FailedStep, when(r.FailedAt))
}

func (a *app) exitStatusCommand(word string) *cobra.Command {
	cmd := &cobra.Command{Use: "exit-status", Short: "Units that leave or have left, and what time holds for them", Args: noArgs,
		Example: "  nexus " + word + " exit-status\n  nexus " + word + " exit-status --" + word + "-id UNIT -o json"}
	cmd.Flags().String(word+"-id", "", "one unit by id, label or slug")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		if unit, _ := cmd.Flags().GetString(word + "-id"); unit != "" {
			return n.printExit(ctx, unit)
		}
		all, err := get[wire.Exits](ctx, n, "/v1/exits")
		if err != nil {
			return err
		}
		return a.print(all, func(w io.Writer) error {
			t := &table{head: []string{"UNIT", "NAME", "STATUS", "BEGUN", "COMPLETE", "BACK UNTIL", "KEPT UNTIL", ">FILES"}, none: "nobody leaves or left"}
			for _, r := range all.Exits {
				state := r.Status
				if r.Late {
					state += ", late"
				}
				cells := []string{r.Unit, r.Name, state, when(r.Begun), "-", "-", "-", "-"}
				if !r.Completed.IsZero() {
					cells[4], cells[5], cells[6], cells[7] = when(r.Completed), when(r.GraceUntil), when(r.RetainedUntil), fmt.Sprint(r.Files)
				}
				t.add(cells...)
			}
			return t.print(w)
		})
	})
	return cmd
}

// keyOf gives the key to check a bundle with: --key, or the one that the bundle names, which proves nothing by itself.
func (a *app) keyOf(cmd *cobra.Command, dir string) (key nexus.PublicKey, from string, err error) {
	if text, _ := cmd.Flags().GetString("key"); text != "" {
		if raw, err := os.ReadFile(text); err == nil {
			text = strings.TrimSpace(string(raw))
		}
		o, err := verify.ParseKey(text)
		if err != nil {
			return key, "", usage("--key", `"nexus/CLUSTER+HASH+KEY" or the base64 public key, as nexus ledger head prints it, or a file with it`, "%w", err)
		}
		return o.Key, "flag", nil
	}
	key, name, err := bundle.KeyNamed(dir)
	if none := new(fs.PathError); errors.As(err, &none) && errors.Is(none, fs.ErrNotExist) { // the file alone: the hint is in this error
		return key, "", usage("DIR "+dir, "give the folder that nexus imvu exit wrote", "%w", none)
	}
	if err == nil {
		a.say("no --key given: the bundle names %s; compare it with the key as you know it", name)
	}
	return key, "bundle", err
}

func (a *app) verifyExportCommand(word string) *cobra.Command {
	cmd := &cobra.Command{Use: "verify-export DIR", Short: "Check a bundle offline, by public key alone", Args: oneArg("DIR"),
		Long: `Checks the signature, every file, the unit's entries with all their rules, every statement against the ledger and the entries, the journals,
and each bundle with which the unit came from another log. No node is needed. Exits 1 when anything is not as it must be.`,
		Example: "  nexus " + word + " verify-export ./IMVU-042-exit-20261126 --key KEY\n  nexus " + word + " verify-export DIR --key KEY -o json"}
	cmd.Flags().String("key", "", "public key of the node that signed it, as you know it, or a file with it (default: the bundle's own, shown for you to compare)")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		key, from, err := a.keyOf(cmd, args[0])
		if err != nil {
			return err
		}
		rep, err := bundle.Check(ctx, args[0], key)
		if err != nil {
			return err
		}
		if err := a.print(bundleJSON(args[0], from, &rep), func(w io.Writer) error { return printBundle(w, args[0], &rep) }); err != nil {
			return err
		}
		if !rep.Clean() {
			return failed{exitFailed}
		}
		return nil
	})
	return cmd
}

// bundleReport is what -o json prints of a bundle.
type bundleReport struct {
	Dir        string         `json:"dir"`
	Verified   bool           `json:"verified"`
	KeyFrom    string         `json:"key_from,omitempty"` // flag or bundle
	Key        string         `json:"key"`
	Unit       string         `json:"unit_id"`
	Label      string         `json:"unit"`
	Manifest   nexus.Hash     `json:"manifest_sha256"`
	Files      int            `json:"files"`
	Bytes      int64          `json:"bytes"`
	Entries    uint64         `json:"unit_entries"`
	Size       uint64         `json:"ledger_entries"`
	Statements int            `json:"statements"`
	Imported   []bundleReport `json:"imported"`
	Findings   []string       `json:"findings"`
}

func bundleJSON(dir, from string, r *verify.BundleReport) bundleReport {
	m := &r.Manifest
	out := bundleReport{Dir: dir, Verified: r.Clean(), KeyFrom: from, Key: m.Key, Unit: m.Unit.ID.String(), Label: m.Unit.Label, Manifest: r.Digest,
		Files: len(m.Files), Bytes: r.Bytes, Entries: r.Export.Entries, Size: m.Size, Statements: r.Statements, Imported: []bundleReport{}, Findings: r.Findings}
	if out.Findings == nil {
		out.Findings = []string{}
	}
	for i := range r.Came {
		inner := &r.Came[i]
		out.Imported = append(out.Imported, bundleJSON(verify.ImportedDir+"/"+inner.Digest.String(), "", inner))
	}
	return out
}

func printBundle(w io.Writer, dir string, r *verify.BundleReport) error {
	if !r.Clean() {
		fmt.Fprintf(w, "%s: NOT VERIFIED\n", clean(dir))
		for _, f := range r.Findings {
			fmt.Fprintf(w, "  %s\n", oneLine(f))
		}
		return nil
	}
	m := &r.Manifest
	fmt.Fprintf(w, "%s: verified\n", clean(dir))
	if err := pairs(w, "unit", m.Unit.Label+" ("+m.Unit.ID.String()+"), "+m.Unit.Name,
		"files", fmt.Sprintf("%d, %s, as signed", len(m.Files), bytesText(uint64(r.Bytes))),
		"entries", fmt.Sprintf("all %d in a log of %d, nothing left out, every split recomputed", r.Export.Entries, m.Size),
		"statements", fmt.Sprintf("%d, as the ledger commits to them and as the entries add up", r.Statements), "signed by", m.Key); err != nil {
		return err
	}
	for _, at := range verify.SortedAccounts(r.Export.Totals) {
		t := r.Export.Totals[at]
		if _, err := fmt.Fprintf(w, "earned  gross %s, creator %s, platform %s, %d events\n", nexus.Money{Minor: t.Gross, Currency: at.Currency},
			money(t.Creator, at.Currency), money(t.Platform, at.Currency), t.Events); err != nil {
			return err
		}
	}
	for i := range r.Came {
		c := &r.Came[i].Manifest
		if _, err := fmt.Fprintf(w, "came    from log %s with %d entries, verified under its own key\n", c.Cluster, c.UnitSeq); err != nil {
			return err
		}
	}
	return nil
}
