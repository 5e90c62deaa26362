package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// signedErasure is a request on its way from the person who signed it to whoever brings it.
type signedErasure struct {
	Subject string `json:"subject"`
	Number  uint32 `json:"number"`
	Request []byte `json:"request"`
}

func (a *app) identityErase() *cobra.Command {
	cmd := &cobra.Command{Use: "erase", Short: "Make your own words in the ledger unreadable for ever, by destroying their key", Args: noArgs,
		Long: `Signed by --identity, who is the person. Everything that was sealed for that person until now becomes unreadable: payout destinations and
references, words of disputes, purposes and uses of consents. Amounts, splits, proofs and statements stay what they are and verify as
before. Consents end; a payout destination has to be set anew. Whoever is no identity of the platform signs with --sign-only, and
anybody brings the request with --request. Nobody can ask for another person, and nobody's approval is needed. It cannot be undone.`,
		Example: "  nexus identity erase --yes --identity eva\n" +
			"  nexus identity erase --identity ./person.key --sign-only > request.json\n" +
			"  nexus identity erase --request request.json --yes --identity ada"}
	f := cmd.Flags()
	f.Bool("yes", false, "do not ask")
	f.Bool("sign-only", false, "print the signed request instead of sending it")
	f.String("request", "", "bring a request that the person signed; - reads it from stdin")
	f.String("by", "", "with --sign-only: identity that asks the node for the number of the request (default: the operator's)")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		n, person, only, err := a.connectPerson(ctx, f)
		if err != nil {
			return err
		}
		defer n.Close()
		b, err := n.erasure(ctx, cmd, person, only)
		if err != nil {
			return err
		}
		if only {
			return json.NewEncoder(a.out).Encode(signedErasure{Subject: b.Subject.String(), Number: b.Number, Request: nexus.Encode(b)})
		}
		return n.erase(ctx, cmd, b)
	})
	return cmd
}

// erasure reads the request to bring, or makes the person's next one.
func (n *node) erasure(ctx context.Context, cmd *cobra.Command, person nexus.Signer, sign bool) (b state.IdentityErase, err error) {
	if file, _ := cmd.Flags().GetString("request"); file != "" {
		word := "@" + file
		if file == "-" {
			word = file
		}
		var said signedErasure
		raw, err := n.app.argument(word)
		if err == nil {
			err = json.Unmarshal(raw, &said)
		}
		if err == nil {
			err = nexus.Decode(said.Request, &b)
		}
		return b, err
	}
	b.Subject = person.Public()
	list, err := get[wire.Erasures](ctx, n, "/v1/erasures")
	if err != nil {
		return b, err
	}
	for _, e := range list.Erasures {
		if e.Subject == b.Subject.String() {
			b.Number = e.Number
		}
	}
	if sign {
		b.Signature, err = person.Sign(b.SigningBytes(n.Cluster()))
	}
	return b, err
}

func (n *node) erase(ctx context.Context, cmd *cobra.Command, b state.IdentityErase) error {
	if yes, _ := cmd.Flags().GetBool("yes"); !yes {
		ok, err := n.app.ask("Make the words of " + b.Subject.Short() + " in the ledger unreadable for ever?")
		if err != nil {
			return usage("--yes", "add it to erase without being asked", "is required without a terminal")
		}
		if !ok {
			n.app.say("nothing was done")
			return nil
		}
	}
	r, err := n.act(ctx, state.KindIdentityErase, nexus.ID{}, b)
	if err != nil {
		return err
	}
	list, err := get[wire.Erasures](ctx, n, "/v1/erasures")
	if err != nil {
		return err
	}
	out := wire.ErasureRow{Subject: b.Subject.String(), Number: b.Number + 1, Index: r.Index, Destroyed: []wire.DestructionRow{}}
	for _, e := range list.Erasures {
		if e.Subject == out.Subject { // whoever only brings a request sees no more than the decision
			out = e
		}
	}
	return n.app.print(out, func(w io.Writer) error {
		destroyed := "stated by each node in an entry: nexus identity erasures"
		for _, d := range out.Destroyed {
			destroyed = fmt.Sprintf("by %s, decision %d", d.Node, d.Index)
		}
		return pairs(w, "person", out.Subject, "erased", fmt.Sprintf("decision %d", out.Index), "key destroyed", destroyed)
	})
}

func (a *app) identityErasures() *cobra.Command {
	cmd := &cobra.Command{Use: "erasures", Short: "Whose words were erased, and which nodes stated that they destroyed the key", Args: noArgs,
		Long:    "Operators see all, everybody else their own. A node that has not destroyed a key within an hour is a finding of the stack scrub.",
		Example: "  nexus identity erasures\n  nexus identity erasures --identity eva -o json"}
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error {
		list, err := get[wire.Erasures](ctx, n, "/v1/erasures")
		if err != nil {
			return err
		}
		return a.print(list, func(w io.Writer) error {
			t := &table{head: []string{"TIME", "PERSON", "NAME", ">NUMBER", ">DECISION", "DESTROYED BY"}, none: "nothing was erased"}
			for _, e := range list.Erasures {
				by := ""
				for _, d := range e.Destroyed {
					by += fmt.Sprintf("%s (decision %d) ", d.Node, d.Index)
				}
				t.add(when(e.Time), e.Subject, e.Name, fmt.Sprint(e.Number), fmt.Sprint(e.Index), by)
			}
			return t.print(w)
		})
	})
	return cmd
}
