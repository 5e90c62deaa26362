package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func (a *app) policyCommand() *cobra.Command {
	cmd := noun("policy", "A unit's own policy: rules that its owner adds to the gates")
	cmd.Long = `A policy can forbid, ask for a guardian's approval, or limit how often; it can never permit what the gates refuse. It is signed by
the unit's owner, numbered, an entry in the unit's chain, and judged inside the gates. docs/policies.md has the language.`
	cmd.AddCommand(a.policyShow(), a.policySet(), a.policyTry())
	return cmd
}

func (a *app) policyShow() *cobra.Command {
	cmd := &cobra.Command{Use: "show", Short: "The policy in force, and how far its limits are used", Args: noArgs,
		Example: "  nexus policy show --unit IMVU-001\n  nexus policy show --unit IMVU-001 --document > policy.json"}
	cmd.Flags().String("unit", "", "unit, by id, label or slug (required)")
	cmd.Flags().Bool("document", false, "print the document alone, as nexus policy set takes it")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		p, err := n.policyOf(ctx, cmd)
		if err != nil {
			return err
		}
		if only, _ := cmd.Flags().GetBool("document"); only {
			text, err := indented(p.Policy)
			if err == nil {
				_, err = fmt.Fprintln(a.out, text)
			}
			return err
		}
		return a.print(p, func(w io.Writer) error { return printPolicy(w, p) })
	})
	return cmd
}

func (n *node) policyOf(ctx context.Context, cmd *cobra.Command) (wire.Policy, error) {
	if err := required(cmd, "unit"); err != nil {
		return wire.Policy{}, err
	}
	word, _ := cmd.Flags().GetString("unit")
	return get[wire.Policy](ctx, n, "/v1/units/"+url.PathEscape(word)+"/policy")
}

func printPolicy(w io.Writer, p wire.Policy) error {
	if p.Version == 0 {
		_, err := fmt.Fprintf(w, "%s has no policy of its own\n", p.Unit)
		return err
	}
	set := ""
	if p.SetTime != nil {
		set = fmt.Sprintf("%s, decision %d, signed by %s", when(*p.SetTime), p.Index, p.SetBy)
	}
	if err := pairs(w, "unit", p.Unit, "version", fmt.Sprint(p.Version), "set", set, "guardian", p.Guardian); err != nil {
		return err
	}
	for _, u := range p.Uses {
		if err := pairs(w, "limit", fmt.Sprintf("%s: %d of %d in %d s", u.Rule, u.Used, u.Count, u.PerS)); err != nil {
			return err
		}
	}
	text, err := indented(p.Policy)
	if err != nil {
		return err
	}
	for _, line := range strings.Split(text, "\n") {
		if _, err := fmt.Fprintln(w, clean(line)); err != nil {
			return err
		}
	}
	return nil
}

// indented lays a JSON document out for people.
func indented(raw []byte) (string, error) {
	var b bytes.Buffer
	err := json.Indent(&b, raw, "", "  ")
	return b.String(), err
}

// readPolicy reads a document; a guardian may be named as identities are.
func (n *node) readPolicy(ctx context.Context, cmd *cobra.Command) (state.UnitPolicy, error) {
	file, _ := cmd.Flags().GetString("file")
	return n.readPolicyFile(ctx, file)
}

func (n *node) readPolicyFile(ctx context.Context, file string) (state.UnitPolicy, error) {
	word := "@" + file
	if file == "-" {
		word = file
	}
	raw, err := n.app.argument(word)
	if err != nil {
		return state.UnitPolicy{}, err
	}
	return state.ParsePolicy(raw, func(word string) (nexus.PublicKey, error) {
		row, err := n.findIdentity(ctx, word)
		if err != nil {
			return nexus.PublicKey{}, err
		}
		return identity.ParsePublic(row.Key)
	})
}

func (a *app) policySet() *cobra.Command {
	cmd := &cobra.Command{Use: "set", Short: "Put a new policy in force, signed by the unit's owner", Args: noArgs,
		Long: `The document replaces the policy in force as a whole. Where a guardian is named, a document that forbids less than the one in force
needs the guardian's word: --propose asks for it.`,
		Example: "  nexus policy set --unit IMVU-001 --file policy.json --identity ada\n" +
			"  nexus policy set --unit IMVU-001 --file looser.json --propose --identity ada"}
	cmd.Flags().String("unit", "", "unit, by id, label or slug (required)")
	cmd.Flags().String("file", "", "the document in JSON; - reads it from stdin (required)")
	proposeFlags(cmd)
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		if err := required(cmd, "file"); err != nil {
			return err
		}
		have, err := n.policyOf(ctx, cmd)
		if err != nil {
			return err
		}
		p, err := n.readPolicy(ctx, cmd)
		if err != nil {
			return err
		}
		id, err := nexus.ParseID(have.UnitID)
		if err != nil {
			return err
		}
		body := state.PolicySet{Base: have.Version, Policy: p}
		if yes, _ := cmd.Flags().GetBool("propose"); yes {
			return n.propose(ctx, cmd, state.KindPolicySet, id, body)
		}
		r, err := n.act(ctx, state.KindPolicySet, id, body)
		if err != nil {
			if !r.Allowed && r.Index > 0 && have.Guardian != "" {
				n.app.say("to ask the guardian: %s --propose", n.app.typed())
			}
			return err
		}
		n.app.say("decision %d", r.Index)
		now, err := n.policyOf(ctx, cmd)
		if err != nil {
			return err
		}
		return a.print(now, func(w io.Writer) error { return printPolicy(w, now) })
	})
	return cmd
}

func (a *app) policyTry() *cobra.Command {
	cmd := &cobra.Command{Use: "try ACTION [FIELD=VALUE]...", Short: "Ask the gates about an action under a policy, in force or not",
		Long: `Nothing is recorded. Without --file the policy in force is used. Exits 4 when a gate refuses. What a policy would have said of the
past: nexus gates what-if --policy.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("ACTION", "one of "+strings.Join(state.PolicyKinds(), ", "), "is required")
			}
			return nil
		},
		Example: "  nexus policy try --unit IMVU-001 --file policy.json imvu.scale cpu_milli=16000 memory_bytes=1073741824 storage_bytes=1073741824 processes=64"}
	cmd.Flags().String("unit", "", "unit, by id, label or slug (required)")
	cmd.Flags().String("file", "", "a document in JSON; - reads it from stdin")
	cmd.Flags().String("body", "", "fields as JSON; - reads them from stdin, @FILE from a file")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		have, err := n.policyOf(ctx, cmd)
		if err != nil {
			return err
		}
		policy := have.Canonical
		if file, _ := cmd.Flags().GetString("file"); file != "" {
			p, err := n.readPolicy(ctx, cmd)
			if err != nil {
				return err
			}
			policy = nexus.Encode(p)
		}
		body, err := n.tryBody(ctx, cmd, args)
		if err != nil {
			return err
		}
		id, err := nexus.ParseID(have.UnitID)
		if err != nil {
			return err
		}
		act, err := engine.NewAction(n.Signer(), n.Cluster(), args[0], id, body, a.now())
		if err != nil {
			return err
		}
		var ans wire.ActionAnswer
		if err := n.Post(ctx, "/v1/policy/try", wire.PolicyTry{Action: nexus.Encode(act), Policy: policy}, &ans); err != nil {
			return err
		}
		return a.showTry(args[0], ans.Verdicts, ans.Error.Err())
	})
	return cmd
}
