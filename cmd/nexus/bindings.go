package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// signedStatement is a statement on its way from who signed it to the identity that takes it.
type signedStatement struct {
	Act       string    `json:"act"` // identity.bind or identity.attest
	Subject   string    `json:"subject"`
	By        string    `json:"by"`
	Claim     string    `json:"claim"`
	Number    uint64    `json:"number"`
	BringTime time.Time `json:"bring_time"`
	Statement []byte    `json:"statement"` // canonical, what the action's body will be
}

// statementFlags are those of bind and attest.
func statementFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String("claim", "", "one word for it: 1 to 40 lower-case letters, digits and hyphens")
	f.String("document", "", "a file that says more; its SHA-256 stands in the statement, the file itself nowhere")
	f.Duration("for", 0, "how long it holds (default: until it is ended)")
	f.Duration("bring", time.Hour, "how long the signed statement may be brought, at most 720h")
	f.String("statement", "", "take a statement that was signed before; - reads it from stdin")
}

func (a *app) identityBind() *cobra.Command {
	cmd := &cobra.Command{Use: "bind [KEY]", Short: "Bind another key of yours to your identity, by the signatures of both", Args: maxOneArg,
		Long: `KEY is a key file, the name of a key in the data directory, or agent:FINGERPRINT. It signs that it belongs to the identity, for the word of
--claim; the identity of --identity signs that it takes it. Everybody sees the binding (nexus identity show) and can verify both signatures. A
bound key acts for nobody here; while it is bound it becomes no other identity and no other's key. Where the two keys are on two
machines, --sign-only prints the statement of KEY, and --statement takes it there. Each statement is taken once, in order, in its time.`,
		Example: "  nexus identity bind ./release.key --claim release-key --identity eva\n" +
			"  nexus identity bind ./release.key --claim release-key --to eva --sign-only > statement.json\n" +
			"  nexus identity bind --statement statement.json --identity eva"}
	statementFlags(cmd)
	cmd.Flags().String("to", "", "identity that it is bound to, by name or key (default: the one that signs)")
	cmd.Flags().Bool("sign-only", false, "print the signed statement instead of sending it")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		if file, _ := cmd.Flags().GetString("statement"); file != "" || len(args) == 0 {
			return n.takeStatement(ctx, file, state.KindIdentityBind)
		}
		key, err := a.signerOf(args[0])
		if err != nil {
			return err
		}
		to, _ := cmd.Flags().GetString("to")
		if to == "" {
			to = n.Identity().String()
		}
		b, err := n.newStatement(ctx, cmd, key, to, false)
		if err != nil {
			return err
		}
		if only, _ := cmd.Flags().GetBool("sign-only"); only {
			return a.writeStatement(state.KindIdentityBind, b)
		}
		return n.take(ctx, state.KindIdentityBind, b)
	})
	return cmd
}

func (a *app) identityAttest() *cobra.Command {
	cmd := &cobra.Command{Use: "attest [NAME]", Short: "State something about another identity, which takes it by its own signature", Args: maxOneArg,
		Long: `Prints a statement about NAME, signed by --identity. It stands in the ledger once NAME takes it (--statement, signed by NAME): nobody says
anything about another here that the other does not want said. Either side ends it with nexus identity unbind; it lapses with its time
and when one of the two identities is revoked.`,
		Example: "  nexus identity attest eva --claim holder --identity operator > statement.json\n" +
			"  nexus identity attest --statement statement.json --identity eva"}
	statementFlags(cmd)
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		if file, _ := cmd.Flags().GetString("statement"); file != "" || len(args) == 0 {
			return n.takeStatement(ctx, file, state.KindIdentityAttest)
		}
		by, err := a.signer()
		if err != nil {
			return err
		}
		b, err := n.newStatement(ctx, cmd, by, args[0], true)
		if err != nil {
			return err
		}
		return a.writeStatement(state.KindIdentityAttest, b)
	})
	return cmd
}

// newStatement makes and signs the next statement about an identity.
func (n *node) newStatement(ctx context.Context, cmd *cobra.Command, by nexus.Signer, about string, attests bool) (b state.BindingStatement, err error) {
	if err := required(cmd, "claim"); err != nil {
		return b, err
	}
	row, err := n.findIdentity(ctx, about)
	if err != nil {
		return b, err
	}
	now, f := n.app.now(), cmd.Flags()
	b.Claim, _ = f.GetString("claim")
	bring, _ := f.GetDuration("bring")
	holds, _ := f.GetDuration("for")
	if bring <= 0 || bring > 720*time.Hour || holds < 0 {
		return b, usage("--bring and --for", "--bring of at most 720h, --for of some time to come", "%s and %s", bring, holds)
	}
	b.By, b.Number, b.BringMs = by.Public(), row.Statement, now.Add(bring).UnixMilli()
	if holds > 0 {
		b.UntilMs = now.Add(holds).UnixMilli()
	}
	if file, _ := f.GetString("document"); file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return b, usage("--document "+file, "give a file that exists", "%w", err)
		}
		b.Document = sha256.Sum256(raw)
	}
	if b.Subject, err = identity.ParsePublic(row.Key); err == nil {
		b.Signature, err = by.Sign(b.SigningBytes(n.Cluster(), attests))
	}
	return b, err
}

func (a *app) writeStatement(act string, b state.BindingStatement) error {
	return json.NewEncoder(a.out).Encode(signedStatement{Act: act, Subject: b.Subject.String(), By: b.By.String(), Claim: b.Claim, Number: b.Number,
		BringTime: time.UnixMilli(b.BringMs).UTC(), Statement: nexus.Encode(b)})
}

// takeStatement reads a signed statement and takes it.
func (n *node) takeStatement(ctx context.Context, file, act string) error {
	if file == "" {
		return usage("--statement", "name who or which key it is about, or give a signed statement", "is required")
	}
	word := "@" + file
	if file == "-" {
		word = file
	}
	var said signedStatement
	var b state.BindingStatement
	raw, err := n.app.argument(word)
	if err == nil {
		err = json.Unmarshal(raw, &said)
	}
	if err == nil {
		err = nexus.Decode(said.Statement, &b)
	}
	if err == nil && said.Act != act {
		err = errors.New("it is one of " + said.Act)
	}
	if err != nil {
		return nexus.Errf("read statement", nexus.CodeMalformed, file, "give what nexus identity bind --sign-only or nexus identity attest printed", "%w", err)
	}
	return n.take(ctx, act, b)
}

func (n *node) take(ctx context.Context, act string, b state.BindingStatement) error {
	if _, err := n.act(ctx, act, nexus.ID{}, b); err != nil {
		return err
	}
	return n.showIdentity(ctx, b.Subject.String())
}

func (a *app) identityUnbind() *cobra.Command {
	cmd := &cobra.Command{Use: "unbind NAME", Short: "End a binding or an attestation: the identity, or who signed the statement", Args: oneArg("NAME"),
		Long: `Signed by the identity NAME, by the bound key, or by who attested. A statement that was ended is never taken again; a new one may be.`,
		Example: "  nexus identity unbind eva --key release.pub --identity eva\n" +
			"  nexus identity unbind eva --key release.pub --identity ./release.key\n" +
			"  nexus identity unbind eva --attested-by operator --claim holder"}
	cmd.Flags().String("key", "", "the bound key: a .pub file, an ssh-ed25519 line or base64")
	cmd.Flags().String("attested-by", "", "who attested, by name or key")
	cmd.Flags().String("claim", "", "with --attested-by: what was attested")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		key, _ := cmd.Flags().GetString("key")
		by, _ := cmd.Flags().GetString("attested-by")
		if (key == "") == (by == "") {
			return usage("--key, --attested-by", "say which statement ends", "give one of them")
		}
		row, err := n.findIdentity(ctx, args[0])
		if err != nil {
			return err
		}
		b := state.BindingEnd{Attests: by != ""}
		if b.Subject, err = identity.ParsePublic(row.Key); err != nil {
			return err
		}
		if b.Attests {
			b.Claim, _ = cmd.Flags().GetString("claim")
			b.By, err = attesterOf(&row, by, b.Claim)
		} else {
			b.By, err = identity.LoadPublic(key)
		}
		if err != nil {
			return err
		}
		if _, err := n.act(ctx, state.KindIdentityUnbind, nexus.ID{}, b); err != nil {
			return err
		}
		for i := range row.Bindings { // as it was, without what ended: a key that is bound no more reads nothing here
			if x := &row.Bindings[i]; x.Attests == b.Attests && x.Key == b.By.String() && (x.Claim == b.Claim || !b.Attests) {
				row.Bindings = append(row.Bindings[:i], row.Bindings[i+1:]...)
				break
			}
		}
		return a.print(row, func(w io.Writer) error { return printIdentity(w, row) })
	})
	return cmd
}

// attesterOf finds the key that signed an attestation: it may have been rotated since.
func attesterOf(row *wire.IdentityRow, word, claim string) (nexus.PublicKey, error) {
	for _, b := range row.Bindings {
		if b.Attests && b.Claim == claim && (b.Name == word || b.Key == word) {
			return identity.ParsePublic(b.Key)
		}
	}
	return nexus.PublicKey{}, nexus.Errf("identity unbind", nexus.CodeNotFound, fmt.Sprintf("attestation %q of %s by %q", claim, row.Name, word),
		"see nexus identity show "+row.Name, "none stands")
}

// printBindings lists what other keys and identities signed about an identity.
func printBindings(w io.Writer, r wire.IdentityRow) error {
	if len(r.Bindings) == 0 {
		return nil
	}
	t := &table{head: []string{"STATEMENT", "CLAIM", "BY", "KEY", "TAKEN", "UNTIL", "STANDING"}}
	for _, b := range r.Bindings {
		what, standing, until := "bound key", "holds", ""
		if b.Attests {
			what = "attested"
		}
		if b.Lapsed != "" {
			standing = "lapsed: " + b.Lapsed
		}
		if !b.Until.IsZero() {
			until = when(b.Until)
		}
		t.add(what, b.Claim, b.Name, b.Key, when(b.Time), until, standing)
	}
	_, err := fmt.Fprintln(w)
	return errors.Join(err, t.print(w))
}
