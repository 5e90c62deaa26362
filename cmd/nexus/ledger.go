package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

func (a *app) ledgerCommand() *cobra.Command {
	cmd := noun("ledger", "The append-only log: head, entries, proofs, verification")
	cmd.AddCommand(a.headCommand(), a.ledgerShowCommand(), a.proveCommand(), a.ledgerVerifyCommand(), a.exportCommand(),
		a.ledgerBackupCommand(), a.ledgerRestoreCommand())
	return cmd
}

func rootText(root nexus.Hash) string { return base64.StdEncoding.EncodeToString(root[:]) }

func (a *app) headCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "head", Short: "The newest signed checkpoint, checked against the one you saw last", Args: noArgs,
		Long: `Print a checkpoint of now and who cosigned it. With witnesses (nexus launch --witness) the node asks them first and waits for up to five
seconds. The cosignatures are checked here with the keys that the node names; whose they are is yours to know.`,
		Example: "  nexus ledger head\n  nexus ledger head -o json"}
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error {
		head, err := n.pinnedHead(ctx, "1")
		if err != nil {
			return err
		}
		return a.print(head, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "size       %d\nroot       %s\ncosigners  %d\nkey        %s\n\n%s", head.Size, head.Root, head.Cosigners, head.Key, head.Checkpoint)
			if err != nil || len(head.Witnesses) == 0 {
				return err
			}
			fmt.Fprintln(w)
			return printWitnesses(w, head.Witnesses)
		})
	})
	return cmd
}

// printWitnesses lists where each witness stands.
func printWitnesses(w io.Writer, rows []wire.WitnessRow) error {
	t := &table{head: []string{"WITNESS", "STATUS", ">COSIGNED", ">BEHIND", "TIME", "ERROR"}}
	for _, r := range rows {
		t.add(r.Name, r.Status, fmt.Sprint(r.Size), fmt.Sprint(r.Lag), when(r.Cosigned), r.Error)
	}
	return t.print(w)
}

func (a *app) ledgerShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show [ENTRY]", Short: "Show one entry by number, or the newest ones", Args: maxOneArg,
		Example: "  nexus ledger show\n  nexus ledger show 17 -o json\n  nexus ledger show --from 0 --limit 100"}
	cmd.Flags().Uint64("from", 0, "first entry of the page (default: the newest)")
	cmd.Flags().Uint64("limit", 20, "entries to show")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		head, err := n.pinned(ctx)
		if err != nil {
			return err
		}
		if len(args) == 1 {
			seq, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return usage("entry "+args[0], "a number such as 17", "not a number")
			}
			e, err := get[wire.Entry](ctx, n, "/v1/entries/"+strconv.FormatUint(seq, 10))
			if err != nil {
				return err
			}
			return a.print(e, func(w io.Writer) error { return printEntry(w, e) })
		}
		from, _ := cmd.Flags().GetUint64("from")
		limit, _ := cmd.Flags().GetUint64("limit")
		if !set(cmd.Flags(), "from") && head.Size > limit {
			from = head.Size - limit
		}
		page, err := get[wire.Entries](ctx, n, "/v1/entries", "from", strconv.FormatUint(from, 10), "limit", strconv.FormatUint(limit, 10))
		if err != nil {
			return err
		}
		t := &table{head: []string{">ENTRY", ">INDEX", "TIME", "KIND", "UNIT", ">UNIT ENTRY", "POSTINGS"}, none: "no entries"}
		for _, e := range page.Entries {
			t.add(fmt.Sprint(e.Seq), fmt.Sprint(e.Index), when(e.Time), e.Kind, short(e.Unit), fmt.Sprint(e.UnitSeq), postings(e.Postings))
		}
		return a.print(page, t.print)
	})
	return cmd
}

// short cuts an id for a column; the zero id is nothing.
func short(id string) string {
	if id == (nexus.ID{}).String() {
		return ""
	}
	return id[:min(len(id), 8)]
}

func postings(list []wire.Posting) string {
	out := ""
	for _, p := range list {
		out += fmt.Sprintf("%s %s  ", p.Account, nexus.Money{Minor: p.Minor, Currency: p.Currency})
	}
	return out
}

// printEntry prints an entry for people; the whole body is in the JSON form, a decision's is what gates explain shows.
func printEntry(w io.Writer, e wire.Entry) error {
	body, err := json.Marshal(e.Body)
	if err != nil {
		return err
	}
	if e.Kind == ledger.KindDecision.String() {
		body = []byte(fmt.Sprintf("nexus gates explain %d", e.Index))
	}
	return pairs(w, "entry", fmt.Sprint(e.Seq), "index", fmt.Sprint(e.Index), "time", when(e.Time), "kind", e.Kind, "unit", e.Unit,
		"unit entry", fmt.Sprint(e.UnitSeq), "entry before", e.UnitPrev, "commitment", e.Commitment, "postings", postings(e.Postings), "body", string(body))
}

func (a *app) proveCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "prove [ID]", Short: "Prove an entry, an action, a unit's tally or all its entries, or that the log only grew", Args: maxOneArg,
		Long: `Prove that the log holds an entry (by number), an action (by its id) or the newest totals of a unit (by id, label or slug,
with --currency); with --complete, that a unit's list of entries leaves nothing out, or that there is no such unit; with --since,
that the log has only grown since a checkpoint that was kept. The proof is fetched from the node and re-computed here, under a
checkpoint that continues the one you saw last. --out writes it to a file that a recipient checks with nexus-verify and the
node's public key alone.`,
		Example: "  nexus ledger prove 17\n  nexus ledger prove IMVU-001 --currency USD\n  nexus ledger prove IMVU-001 --currency USD --out proof.json\n" +
			"  nexus ledger prove IMVU-001 --complete --out statement.jsonl\n  nexus ledger prove --since checkpoint.txt"}
	cmd.Flags().Bool("complete", false, "prove a unit's whole list of entries")
	cmd.Flags().String("since", "", "a kept checkpoint (a signed note) that the log must continue")
	cmd.Flags().String("currency", "", "currency of a unit's tally")
	cmd.Flags().String("out", "", "write the proof as JSON to this file")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		currency, _ := cmd.Flags().GetString("currency")
		path, _ := cmd.Flags().GetString("out")
		if since, _ := cmd.Flags().GetString("since"); since != "" {
			return n.proveSince(ctx, since, path)
		}
		if len(args) == 0 {
			return usage("ledger prove", "an entry's number, an action's id, a unit, or --since FILE", "nothing to prove")
		}
		if complete, _ := cmd.Flags().GetBool("complete"); complete {
			return n.proveComplete(ctx, args[0], path)
		}
		var proof any
		var text func(io.Writer) error
		var seq uint64
		var err error
		if currency != "" {
			proof, text, err = n.proveTally(ctx, args[0], currency)
		} else {
			proof, text, err = n.proveEntry(ctx, args[0])
		}
		if err != nil {
			return err
		}
		switch p := proof.(type) {
		case wire.Proof:
			seq = p.Entry
		case wire.EntryProof:
			seq = p.Seq
		}
		if path != "" {
			if _, err := n.proofFile(ctx, path, "entry", strconv.FormatUint(seq, 10)); err != nil {
				return err
			}
		}
		return a.print(proof, text)
	})
	return cmd
}

func (n *node) proveTally(ctx context.Context, word, currency string) (any, func(io.Writer) error, error) {
	p, err := n.tallyProof(ctx, word, currency)
	if err != nil {
		return nil, nil, err
	}
	return p, func(w io.Writer) error {
		return pairs(w, "unit", p.Unit+" ("+p.UnitID+")", "rule", p.Rule, "currency", p.Currency, "gross", money(p.Gross, p.Currency),
			"creator", money(p.Creator, p.Currency), "platform", money(p.Platform, p.Currency), "events", fmt.Sprint(p.Events),
			"entry", fmt.Sprint(p.Entry), "leaf", p.Leaf, "tree size", fmt.Sprint(p.Size), "root", p.Root,
			"checked", fmt.Sprintf("inclusion re-computed here over %d hashes, checkpoint signed by the node", len(p.Inclusion)))
	}, nil
}

// tallyProof fetches a tally's proof and re-computes it. Under traffic the totals may move between two reads of the node, so a
// mismatch counts only when it stays.
func (n *node) tallyProof(ctx context.Context, word, currency string) (p wire.Proof, err error) {
	const attempts = 3
	for range attempts {
		if p, err = get[wire.Proof](ctx, n, "/v1/proof", "unit", word, "currency", currency); err != nil {
			return p, err
		}
		if err = n.checkProof(ctx, &p); err == nil || nexus.CodeOf(err) != nexus.CodeCorrupt {
			return p, err
		}
	}
	return p, err
}

// checkProof re-computes a tally's proof: the split, the leaf under the root, the root under the signed checkpoint, and that
// checkpoint against the pinned one. Included is set here and nowhere else.
func (n *node) checkProof(ctx context.Context, p *wire.Proof) error {
	p.Included = false
	if err := n.checkIncluded(ctx, p.Leaf, p.Inclusion, p.Entry, p.Size, p.Root, p.Checkpoint); err != nil {
		return err
	}
	if p.Creator+p.Platform != p.Gross {
		return nexus.Errf("check proof", nexus.CodeCorrupt, "tally of "+p.Unit, "run nexus ledger verify", "creator and platform are not the gross")
	}
	e, err := get[wire.Entry](ctx, n, "/v1/entries/"+strconv.FormatUint(p.Entry, 10))
	if err != nil {
		return err
	}
	if err := checkTotals(e, p); err != nil {
		return err
	}
	p.Included = true
	return nil
}

// checkTotals demands that the proven entry carries the totals that the tally claims.
func checkTotals(e wire.Entry, p *wire.Proof) error {
	bad := func(what string) error {
		return nexus.Errf("check proof", nexus.CodeCorrupt, fmt.Sprintf("entry %d", p.Entry), "run nexus ledger verify", "%s", what)
	}
	leaf, err := leafOf(e)
	if err != nil {
		return err
	}
	if leaf.String() != p.Leaf {
		return bad("the entry is not the one that the leaf commits to")
	}
	entry, err := ledger.ParseEntry(e.Bytes)
	if err != nil {
		return err
	}
	var body ledger.RevenueBody
	if err := nexus.Decode(entry.Body, &body); err != nil {
		return bad("it is no revenue entry")
	}
	if entry.Unit.String() != p.UnitID || body.Currency != p.Currency || body.GrossAfter != p.Gross || body.CreatorAfter != p.Creator {
		return bad(fmt.Sprintf("it says gross %d and creator %d after it, the tally %d and %d", body.GrossAfter, body.CreatorAfter,
			p.Gross, p.Creator))
	}
	return nil
}

// leafOf computes the leaf that an entry's bytes and salt commit to.
func leafOf(e wire.Entry) (nexus.Hash, error) {
	var salt [16]byte
	var id nexus.ID
	if err := id.UnmarshalText([]byte(e.Salt)); err != nil {
		return nexus.Hash{}, nexus.Errf("check proof", nexus.CodeCorrupt, fmt.Sprintf("entry %d", e.Seq), "run nexus ledger verify", "its salt is not 16 bytes")
	}
	salt = id
	return ledger.LeafHash(ledger.Commitment(salt, e.Bytes)), nil
}

// checkIncluded re-computes an inclusion proof under a checkpoint that is signed and continues the pinned one.
func (n *node) checkIncluded(ctx context.Context, leafText string, inclusion []string, seq, size uint64, root, checkpoint string) error {
	if err := n.pin(ctx, checkpoint); err != nil {
		return err
	}
	cp, err := identity.ParseCheckpoint(checkpoint)
	if err != nil {
		return err
	}
	if cp.Size != size || rootText(cp.Root) != root {
		return nexus.Errf("check proof", nexus.CodeCorrupt, fmt.Sprintf("root of size %d", size), "do not trust this node",
			"differs from the checkpoint beside it")
	}
	var leaf nexus.Hash
	if err := leaf.UnmarshalText([]byte(leafText)); err != nil {
		return err
	}
	proof, err := hashes(inclusion)
	if err != nil {
		return err
	}
	return ledger.CheckInclusion(proof, seq, size, cp.Root, leaf)
}

func (n *node) proveEntry(ctx context.Context, word string) (any, func(io.Writer) error, error) {
	var p wire.EntryProof
	var err error
	if _, perr := strconv.ParseUint(word, 10, 64); perr == nil {
		p, err = get[wire.EntryProof](ctx, n, "/v1/proof", "entry", word)
	} else if _, perr := nexus.ParseID(word); perr == nil {
		p, err = get[wire.EntryProof](ctx, n, "/v1/proof", "action", word)
	} else {
		return nil, nil, usage(fmt.Sprintf("id %q", word), "an entry's number, an action's id, or a unit with --currency", "not provable")
	}
	if err != nil {
		return nil, nil, err
	}
	leaf, err := leafOf(p.Entry)
	if err != nil {
		return nil, nil, err
	}
	if leaf.String() != p.Leaf {
		return nil, nil, nexus.Errf("check proof", nexus.CodeCorrupt, fmt.Sprintf("entry %d", p.Seq), "run nexus ledger verify",
			"its bytes are not what the leaf commits to")
	}
	if err := n.checkIncluded(ctx, p.Leaf, p.Inclusion, p.Seq, p.Size, p.Root, p.Checkpoint); err != nil {
		return nil, nil, err
	}
	return p, func(w io.Writer) error {
		if err := printEntry(w, p.Entry); err != nil {
			return err
		}
		return pairs(w, "leaf", p.Leaf, "tree size", fmt.Sprint(p.Size), "root", p.Root, "signed by", p.Key,
			"checked", fmt.Sprintf("inclusion re-computed here over %d hashes", len(p.Inclusion)))
	}, nil
}

func (a *app) ledgerVerifyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "verify", Short: "Re-read and recompute everything stored", Args: noArgs,
		Long: `The running node re-reads its files and recomputes tree, chains and splits with code of its own. With --offline the files of a
stopped node or of a backup are checked here, without changing a byte. Exits 1 when there is a finding.`,
		Example: "  nexus ledger verify\n  nexus ledger verify --offline --data-dir /backup/nexus"}
	cmd.Flags().Bool("offline", false, "check the files of --data-dir, which no node may hold")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		var rep wire.VerifyReport
		var err error
		if offline, _ := cmd.Flags().GetBool("offline"); offline {
			rep, err = a.verifyOffline(ctx)
		} else {
			rep, err = a.verifyOnline(ctx)
		}
		if err != nil {
			return err
		}
		if err := a.print(rep, func(w io.Writer) error { return printVerify(w, rep) }); err != nil {
			return err
		}
		if len(rep.Findings) > 0 {
			return failed{exitFailed}
		}
		return nil
	})
	return cmd
}

func (a *app) verifyOnline(ctx context.Context) (rep wire.VerifyReport, err error) {
	n, err := a.connect(ctx)
	if err != nil {
		return rep, err
	}
	defer n.Close()
	if _, err := n.pinned(ctx); err != nil {
		return rep, err
	}
	return rep, n.Post(ctx, "/v1/verify", struct{}{}, &rep)
}

func (a *app) verifyOffline(ctx context.Context) (wire.VerifyReport, error) {
	dir := a.conf.text("data_dir")
	if file, err := control.ReadNodeFile(dir); err == nil && control.Alive(file.PID) {
		return wire.VerifyReport{}, nexus.Errf("ledger verify", nexus.CodeConflict, "data directory "+dir, "leave out --offline, or stop the node first",
			"node %s, pid %d, is using it", file.Name, file.PID)
	}
	if _, err := os.Stat(dir); err != nil {
		return wire.VerifyReport{}, usage("--data-dir "+dir, "give the directory of a stopped node or a backup", "%w", err)
	}
	return engine.VerifyOffline(ctx, dir)
}

func printVerify(w io.Writer, r wire.VerifyReport) error {
	for _, f := range r.Findings {
		fmt.Fprintf(w, "FINDING  %s: %s %s\n", clean(f.Where), clean(f.What), clean(f.Evidence))
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note     %s\n", clean(note))
	}
	verdict := "green"
	if len(r.Findings) > 0 {
		verdict = fmt.Sprintf("%d findings", len(r.Findings))
	}
	_, err := fmt.Fprintf(w, "verified %d of %d entries, %d records, %d units in %d ms: %s\n", r.Verified, r.Entries, r.Records,
		r.Units, r.DurationMs, verdict)
	return err
}
