package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func (a *app) approvalsCommand() *cobra.Command {
	cmd := noun("approvals", "Changes that wait for somebody's signature")
	list := &cobra.Command{Use: "list", Short: "What waits, or waited, for you and on your units", Args: noArgs,
		Example: "  nexus approvals list\n  nexus approvals list --status pending --unit IMVU-001 -o json"}
	list.Flags().String("status", "", "pending, applied, refused, expired, stale or withdrawn")
	list.Flags().String("unit", "", "only of this unit")
	list.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		status, _ := cmd.Flags().GetString("status")
		unit, _ := cmd.Flags().GetString("unit")
		all, err := get[wire.Proposals](ctx, n, "/v1/proposals", "status", status, "unit", unit)
		if err != nil {
			return err
		}
		a.sayRest(len(all.Proposals), all.Total)
		t := &table{head: []string{"PROPOSAL", "STATUS", "UNIT", "CHANGE", "BY", "WAITS FOR", "EXPIRES"}, none: "no proposals"}
		for _, p := range all.Proposals {
			t.add(p.ID, p.Status, p.Unit, p.Words(), p.Proposer, p.WaitsFor(), when(p.Expires))
		}
		return a.print(all, t.print)
	})
	show := &cobra.Command{Use: "show PROPOSAL", Short: "One proposal by its id or the start of it", Args: oneArg("PROPOSAL"),
		Example: "  nexus approvals show 3f2a"}
	show.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, args []string) error {
		return n.showProposal(ctx, args[0])
	})
	cmd.AddCommand(list, show,
		a.decideCommand("grant", state.KindProposalGrant, "Sign a proposal as a party to it; the last signature applies the change"),
		a.decideCommand("refuse", state.KindProposalRefuse, "Refuse a proposal as a party to it; that is final"),
		a.decideCommand("withdraw", state.KindProposalWithdraw, "Take back a proposal of your own"),
		a.proposeCommand())
	return cmd
}

func (n *node) showProposal(ctx context.Context, word string) error {
	p, err := get[wire.ProposalRow](ctx, n, "/v1/proposals/"+url.PathEscape(word))
	if err != nil {
		return err
	}
	p.Keys = nil // they are for the check in decide, not for a file
	return n.app.print(p, func(w io.Writer) error { return printProposal(w, p) })
}

func printProposal(w io.Writer, p wire.ProposalRow) error {
	decided := ""
	if p.Decided > 0 {
		decided = fmt.Sprintf("decision %d: %s", p.Decided, p.Why)
	}
	err := pairs(w, "proposal", p.ID, "status", p.Status, "change", p.Words(), "unit", p.Unit, "by", p.Proposer, "reason", p.Reason,
		"digest", p.Digest, "opened", fmt.Sprintf("%s, decision %d", when(p.Opened), p.Index), "expires", when(p.Expires)+", silence is refusal",
		"ended", decided)
	if err != nil {
		return err
	}
	for _, x := range p.Parties {
		word := "waits"
		if x.Granted {
			word = fmt.Sprintf("granted by %s, %s, decision %d", x.By, when(x.Time), x.Index)
		}
		if err := pairs(w, "party", strings.TrimSpace(oneLine(x.Role)+" "+x.Name)+": "+word); err != nil {
			return err
		}
	}
	return nil
}

// decideCommand is grant, refuse or withdraw.
func (a *app) decideCommand(verb, kind, short string) *cobra.Command {
	cmd := &cobra.Command{Use: verb + " PROPOSAL", Short: short, Args: oneArg("PROPOSAL"),
		Long: short + `. What is signed is the digest of the exact change, computed here from the proposal as it was read;
another content under the same id is another digest.`,
		Example: "  nexus approvals " + verb + " 3f2a --identity eva"}
	cmd.Flags().String("reason", "", "why; it stands in the ledger")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		reason, _ := cmd.Flags().GetString("reason")
		return n.decide(ctx, kind, args[0], reason)
	})
	return cmd
}

// saysChange reports whether a proposal is shown as what it holds. Sealed words are opened here; those that the node gives no key for have
// to be shown as such.
func saysChange(row *wire.ProposalRow, p *state.Proposal, cluster nexus.ID) bool {
	for _, hidden := range []string{personal.Hidden, engine.WordsErased, engine.WordsNoKey} {
		said := personal.Replace(state.DescribeChange(p), func(t *personal.Token) string {
			var key [personal.SecretLen]byte
			given := row.Keys[hex.EncodeToString(t.Salt[:])]
			if copy(key[:], given) != personal.SecretLen || len(given) != personal.SecretLen {
				return hidden
			}
			words, err := personal.OpenMessage(key, t, cluster)
			if err != nil {
				return hidden
			}
			return words
		})
		if said == row.Change {
			return true
		}
	}
	return false
}

func (n *node) decide(ctx context.Context, kind, word, reason string) error {
	row, err := get[wire.ProposalRow](ctx, n, "/v1/proposals/"+url.PathEscape(word))
	if err != nil {
		return err
	}
	var p state.Proposal
	if err := nexus.Decode(row.Proposal, &p); err != nil {
		return err
	}
	if digest := p.Digest(n.Cluster()); digest != p.Change || !saysChange(&row, &p, n.Cluster()) {
		return nexus.Errf(kind, nexus.CodeCorrupt, "proposal "+row.ID, "trust this node no further", "its digest is %s, the node says %s", digest, p.Change)
	}
	r, err := n.act(ctx, kind, p.Unit, state.ProposalDecide{Proposal: p.ID, Change: p.Change, Reason: reason})
	if err != nil {
		return err
	}
	n.app.say("decision %d", r.Index)
	return n.showProposal(ctx, row.ID)
}

// proposeFlags are those of every command that can propose its change instead of making it.
func proposeFlags(cmd *cobra.Command) {
	cmd.Flags().Bool("propose", false, "do not change it: propose it to whoever must approve")
	cmd.Flags().Duration("life", 0, "of the proposal, a minute to 720h (default 72h)")
	if cmd.Flags().Lookup("reason") == nil {
		cmd.Flags().String("reason", "", "why; the parties read it")
	}
}

func (a *app) proposeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "propose ACTION [FIELD=VALUE]...", Short: "Propose any change that needs somebody's approval",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || !state.Proposable(args[0]) {
				return usage("ACTION", "one of route.set, route.drop, slice.set, slice.sessions, imvu.scale, imvu.suspend, domain.claim, unit.transfer", "is required")
			}
			return nil
		},
		Example: "  nexus approvals propose slice.set --unit IMVU-001 class=interactive ceiling_bps=50000000 --reason 'the uplink is full'"}
	cmd.Flags().String("unit", "", "unit of the change (required)")
	cmd.Flags().String("body", "", "fields as JSON; - reads them from stdin, @FILE from a file")
	proposeFlags(cmd)
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		if err := required(cmd, "unit"); err != nil {
			return err
		}
		body, err := n.tryBody(ctx, cmd, args)
		if err != nil {
			return err
		}
		word, _ := cmd.Flags().GetString("unit")
		_, id, err := n.unit(ctx, word)
		if err != nil {
			return err
		}
		return n.propose(ctx, cmd, args[0], id, body)
	})
	return cmd
}

// propose opens a proposal and shows it.
func (n *node) propose(ctx context.Context, cmd *cobra.Command, kind string, unit nexus.ID, body any) error {
	life, _ := cmd.Flags().GetDuration("life")
	reason, _ := cmd.Flags().GetString("reason")
	open := state.ProposalOpen{Kind: kind, Body: nexus.Encode(body), LifeMs: int64(life / time.Millisecond), Reason: reason}
	r, err := n.act(ctx, state.KindProposalOpen, unit, open)
	if err != nil {
		return err
	}
	var made state.ProposalOpened
	if err := nexus.Decode(r.Result, &made); err != nil {
		return err
	}
	n.app.say("decision %d", r.Index)
	return n.showProposal(ctx, made.ID.String())
}

// change makes a change to a unit, or with --propose proposes it. A refusal that an approval would mend says so with the
// command to type.
func (n *node) change(ctx context.Context, cmd *cobra.Command, kind string, unit nexus.ID, body any, word string) error {
	if yes, _ := cmd.Flags().GetBool("propose"); yes {
		return n.propose(ctx, cmd, kind, unit, body)
	}
	r, err := n.act(ctx, kind, unit, body)
	if err != nil {
		if mends(r) {
			n.app.say("to ask for the approval: %s --propose", n.app.typed())
		}
		return err
	}
	n.app.say("decision %d", r.Index)
	return n.showUnit(ctx, word)
}

// mends reports whether the owner's approval is all that an action lacked: only gates that ask for it refused.
func mends(r nexus.Receipt) bool {
	for _, g := range r.Gates {
		if g != 8 && g != 14 && g != 15 {
			return false
		}
	}
	return len(r.Gates) > 0 && !r.Allowed && strings.Contains(r.Fix, "nexus approvals")
}
