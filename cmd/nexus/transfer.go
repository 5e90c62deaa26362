package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// transferCommand hands a unit to another owner: a proposal of the present owner, the new owner and the platform.
func (a *app) transferCommand(word string) *cobra.Command {
	cmd := &cobra.Command{Use: "transfer UNIT", Short: "Hand it to another owner: signed by both, approved by the platform", Args: oneArg("UNIT"),
		Long: `Opens a proposal that the present owner, the new owner and the platform (any operator) must grant; whoever of them opens it has
signed with it. What the unit earned until the last signature stays payable to the earlier owner.`,
		ValidArgsFunction: a.completeUnits,
		Example: "  nexus " + word + " transfer UNIT --to bob --identity eva\n  nexus approvals grant 3f2a --identity bob\n" +
			"  nexus approvals grant 3f2a",
	}
	cmd.Flags().String("to", "", "identity of the new owner (required)")
	cmd.Flags().Duration("life", 0, "of the proposal, a minute to 720h (default 72h)")
	cmd.Flags().String("reason", "", "why; the parties read it")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		if err := required(cmd, "to"); err != nil {
			return err
		}
		_, id, err := n.unit(ctx, args[0])
		if err != nil {
			return err
		}
		to, _ := cmd.Flags().GetString("to")
		row, err := n.findIdentity(ctx, to)
		if err != nil {
			return err
		}
		key, err := identity.ParsePublic(row.Key)
		if err != nil {
			return err
		}
		return n.propose(ctx, cmd, state.KindUnitTransfer, id, state.UnitTransfer{To: key})
	})
	return cmd
}

func (a *app) ownershipCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "prove [UNIT]", Short: "Prove who owns a unit, to be checked offline", Args: maxOneArg, ValidArgsFunction: a.completeUnits,
		Long: `Prints the entry that names the owner, its inclusion proof and the signed checkpoint, re-computed here. With --check a proof that was
written before is checked without any node; --key is the node's public key as you know it, else the proof's own is shown for you to
compare. A proof speaks for the moment of its checkpoint.`,
		Example: "  nexus platform prove PLAT-003 --out proof.json\n  nexus platform prove --check proof.json --key NODE.pub"}
	cmd.Flags().String("out", "", "write the proof to a file")
	cmd.Flags().String("check", "", "check a proof file; needs no node")
	cmd.Flags().String("key", "", "with --check: the node's public key: a .pub file, base64, or as nexus ledger head prints it")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		path, _ := cmd.Flags().GetString("check")
		if path != "" {
			key, _ := cmd.Flags().GetString("key")
			return a.checkOwnership(path, key)
		}
		if len(args) == 0 {
			return usage("UNIT", "name a unit, or give --check FILE", "is required")
		}
		n, err := a.connect(ctx)
		if err != nil {
			return err
		}
		defer n.Close()
		out, _ := cmd.Flags().GetString("out")
		return n.proveOwnership(ctx, args[0], out)
	})
	return cmd
}

func (n *node) proveOwnership(ctx context.Context, word, out string) error {
	p, err := get[wire.OwnershipProof](ctx, n, "/v1/units/"+url.PathEscape(word)+"/ownership")
	if err != nil {
		return err
	}
	e := &p.Entry
	if err := n.checkIncluded(ctx, e.Leaf, e.Inclusion, e.Seq, e.Size, e.Root, e.Checkpoint); err != nil {
		return err
	}
	if err := checkOwner(&p, p.Node); err != nil {
		return err
	}
	if out != "" {
		b, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(out, append(b, '\n'), 0o644); err != nil {
			return nexus.Errf("prove ownership", nexus.CodeUnavailable, "--out "+out, "", "%w", err)
		}
		n.app.say("proof written to %s", out)
	}
	return n.app.print(p, func(w io.Writer) error { return printOwnership(w, &p) })
}

func (a *app) checkOwnership(path, key string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return usage("--check "+path, "give a file that exists", "%w", err)
	}
	var p wire.OwnershipProof
	if err := json.Unmarshal(b, &p); err != nil {
		return nexus.Errf("check proof", nexus.CodeMalformed, path, "a file that nexus platform prove wrote", "%w", err)
	}
	trusted := p.Node
	if key != "" {
		pub, log, err := nodeKey(key)
		if err != nil {
			return err
		}
		if log != "" && !strings.HasPrefix(p.Entry.Checkpoint, log+"\n") {
			return nexus.Errf("check proof", nexus.CodeCorrupt, "owner of "+p.Unit, "do not trust this proof", "its checkpoint is not of the log %s", log)
		}
		trusted = pub.String()
	} else {
		a.say("no --key given: compare %s with the node's key as you know it", p.Node)
	}
	if err := checkOwner(&p, trusted); err != nil {
		return err
	}
	return a.print(p, func(w io.Writer) error { return printOwnership(w, &p) })
}

// nodeKey reads a node's public key in the forms of identity.LoadPublic, or as the log's verifier key that nexus ledger head prints and nexus-verify
// takes (C2SP signed-note, NAME+HASH+KEY); that one names the log too.
func nodeKey(text string) (key nexus.PublicKey, log string, err error) {
	const ed25519Key = 1 // the algorithm of the signature, the first byte of the key
	log, rest, found := strings.Cut(text, "+")
	_, coded, two := strings.Cut(rest, "+")
	raw, derr := base64.StdEncoding.DecodeString(coded)
	if !found || !two || derr != nil || len(raw) != 1+len(key) || raw[0] != ed25519Key {
		key, err = identity.LoadPublic(text)
		return key, "", err
	}
	copy(key[:], raw[1:])
	again, err := ledger.VerifierKey(log, key)
	if err == nil && again != text {
		err = nexus.Errf("read verifier key", nexus.CodeMalformed, "key "+strconv.Quote(text), "give it as nexus ledger head prints it",
			"its parts do not belong together")
	}
	return key, log, err
}

// checkOwner re-computes an ownership proof with nothing but a public key: the entry names unit and owner, its leaf is what its
// bytes commit to, the leaf is in the tree, the tree is what the key signed. What the proof says beside that of the entry and its signer is
// replaced by what was checked. That no later entry names another owner, one entry cannot show.
func checkOwner(p *wire.OwnershipProof, key string) error {
	bad := func(format string, args ...any) error {
		return nexus.Errf("check proof", nexus.CodeCorrupt, "owner of "+p.Unit, "do not trust this proof", format, args...)
	}
	var node nexus.PublicKey
	if err := node.UnmarshalText([]byte(key)); err != nil {
		return err
	}
	origin, _, _ := strings.Cut(p.Entry.Checkpoint, "\n")
	cp, err := ledger.OpenCheckpoint(p.Entry.Checkpoint, origin, node)
	if err != nil {
		return err
	}
	leaf, err := leafOf(p.Entry.Entry)
	if err != nil {
		return err
	}
	proof, err := hashes(p.Entry.Inclusion)
	if err != nil {
		return err
	}
	entry, err := ledger.ParseEntry(p.Entry.Bytes)
	if err != nil {
		return err
	}
	unit, owner := state.OwnerNamed(entry)
	switch {
	case unit.String() != p.UnitID || entry.Unit != unit:
		return bad("the entry is about another unit")
	case owner.String() != p.Owner:
		return bad("the entry gives it to key %s", owner)
	case cp.Size != p.Entry.Size || rootText(cp.Root) != p.Entry.Root:
		return bad("the checkpoint beside it is of another tree")
	}
	if err := ledger.CheckInclusion(proof, entry.Seq, cp.Size, cp.Root, leaf); err != nil {
		return err
	}
	e := &p.Entry
	p.Node, e.Leaf = key, leaf.String()
	e.Seq, e.Index, e.Time, e.Kind = entry.Seq, entry.Index, time.UnixMilli(entry.TimeMs).UTC(), entry.Kind.String()
	return nil
}

func printOwnership(w io.Writer, p *wire.OwnershipProof) error {
	return pairs(w, "unit", p.Unit+" ("+p.UnitID+")", "owner", p.Owner+", called "+p.OwnerName+" by whoever made the proof",
		"entry", fmt.Sprintf("%d of decision %d, %s", p.Entry.Seq, p.Entry.Index, when(p.Entry.Time)), "leaf", p.Entry.Leaf,
		"tree size", fmt.Sprint(p.Entry.Size), "root", p.Entry.Root, "signed by", p.Node,
		"checked", fmt.Sprintf("entry, %d hashes and checkpoint re-computed here", len(p.Entry.Inclusion)),
		"not shown", "that no later entry names another owner: an export of the unit (nexus ledger export --unit) or its bundle shows it")
}
