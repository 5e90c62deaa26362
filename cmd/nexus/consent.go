package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func (a *app) consentCommand() *cobra.Command {
	cmd := noun("consent", "What people agreed to, in their own signatures")
	cmd.Long = `A person is a public key, under which nothing else is known here. Each statement is signed by that key and carries the person's next
number and the hash of the statement before, so a history that lacks one, or has one out of order, does not fit together.`
	cmd.AddCommand(a.consentSay("give", state.KindConsentGive, "Consent to a purpose of a unit"),
		a.consentSay("withdraw", state.KindConsentWithdraw, "Withdraw a consent; it stands on record that it was given"),
		a.consentUse(), a.consentLog())
	return cmd
}

// signedConsent is a statement on its way from the person who signed it to whoever brings it.
type signedConsent struct {
	Verb      string `json:"verb"`
	Unit      string `json:"unit_id"`
	Purpose   string `json:"purpose"`
	Subject   string `json:"subject"`
	Seq       uint64 `json:"seq"`
	Statement []byte `json:"statement"`
}

func (a *app) consentSay(verb, kind, short string) *cobra.Command {
	cmd := &cobra.Command{Use: verb, Short: short, Args: noArgs,
		Long: `Signed by --identity, who is the person. A person who is no identity of the platform signs with --sign-only, on any machine with the
key, and the unit's owner brings the statement with --statement; nobody can change or repeat it on the way.`,
		Example: "  nexus consent " + verb + " --unit IMVU-001 --purpose newsletter --identity eva\n" +
			"  nexus consent " + verb + " --unit IMVU-001 --purpose newsletter --identity ./person.key --sign-only > said.json\n" +
			"  nexus consent " + verb + " --statement said.json --identity ada"}
	f := cmd.Flags()
	f.String("unit", "", "unit, by id, label or slug")
	f.String("purpose", "", "what for, such as newsletter")
	f.String("text", "", "file with the words that were shown; its SHA-256 is signed too")
	f.Bool("sign-only", false, "print the signed statement instead of sending it")
	f.String("statement", "", "bring a statement that the person signed; - reads it from stdin")
	f.String("by", "", "with --sign-only: identity that asks the node for the unit and the next number (default: the operator's)")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		n, person, only, err := a.connectPerson(ctx, f)
		if err != nil {
			return err
		}
		defer n.Close()
		said, err := n.statement(ctx, cmd, verb, person, only)
		if err != nil {
			return err
		}
		if only {
			return json.NewEncoder(a.out).Encode(said)
		}
		return n.say(ctx, kind, said)
	})
	return cmd
}

// statement reads the statement to bring, or makes the person's next one.
func (n *node) statement(ctx context.Context, cmd *cobra.Command, verb string, person nexus.Signer, sign bool) (signedConsent, error) {
	var said signedConsent
	if file, _ := cmd.Flags().GetString("statement"); file != "" {
		word := "@" + file
		if file == "-" {
			word = file
		}
		raw, err := n.app.argument(word)
		if err == nil {
			err = json.Unmarshal(raw, &said)
		}
		if err == nil && said.Verb != verb {
			err = usage("--statement "+file, "nexus consent "+said.Verb, "says %q", said.Verb)
		}
		return said, err
	}
	if err := required(cmd, "unit", "purpose"); err != nil {
		return said, err
	}
	word, _ := cmd.Flags().GetString("unit")
	_, id, err := n.publicUnit(ctx, word)
	if err != nil {
		return said, err
	}
	c := state.ConsentStatement{Subject: person.Public()}
	c.Purpose, _ = cmd.Flags().GetString("purpose")
	if path, _ := cmd.Flags().GetString("text"); path != "" {
		raw, err := os.ReadFile(path)
		if err != nil {
			return said, usage("--text "+path, "give a file that exists", "%w", err)
		}
		c.Text = sha256.Sum256(raw)
	}
	have, err := n.consents(ctx, c.Subject)
	if err != nil {
		return said, err
	}
	c.Seq = have.Seq + 1
	if err := c.Prev.UnmarshalText([]byte(have.Head)); err != nil {
		return said, err
	}
	shown := c.Purpose
	kind := state.KindConsentGive
	if verb != "give" {
		kind = state.KindConsentWithdraw
	}
	if sealed, err := n.sealed(ctx, kind, id, c); err != nil { // before it is signed
		return said, err
	} else if err := nexus.Decode(sealed, &c); err != nil {
		return said, err
	}
	if sign {
		if c.Signature, err = person.Sign(c.SigningBytes(n.Cluster(), id, verb == "give")); err != nil {
			return said, err
		}
	}
	return signedConsent{Verb: verb, Unit: id.String(), Purpose: shown, Subject: c.Subject.String(), Seq: c.Seq, Statement: nexus.Encode(c)}, nil
}

// publicUnit finds the id of a unit that the caller may know nothing else of: a person consents to units of others.
func (n *node) publicUnit(ctx context.Context, word string) (string, nexus.ID, error) {
	if id, err := nexus.ParseID(word); err == nil {
		return word, id, nil
	}
	routes, err := get[wire.UnitName](ctx, n, "/v1/names", "word", word)
	if err != nil {
		return "", nexus.ID{}, err
	}
	id, err := nexus.ParseID(routes.ID)
	return routes.Label, id, err
}

func (n *node) consents(ctx context.Context, subject nexus.PublicKey) (wire.ConsentLog, error) {
	return get[wire.ConsentLog](ctx, n, "/v1/consents", "subject", subject.String())
}

// say sends a statement and shows where it stands.
func (n *node) say(ctx context.Context, kind string, said signedConsent) error {
	var c state.ConsentStatement
	if err := nexus.Decode(said.Statement, &c); err != nil {
		return err
	}
	id, err := nexus.ParseID(said.Unit)
	if err != nil {
		return err
	}
	r, err := n.act(ctx, kind, id, c)
	if err != nil {
		return err
	}
	out := struct {
		Decision uint64 `json:"decision"`
		Subject  string `json:"subject"`
		Unit     string `json:"unit_id"`
		Purpose  string `json:"purpose"`
		Seq      uint64 `json:"seq"`
		Verb     string `json:"verb"`
	}{r.Index, c.Subject.String(), said.Unit, said.Purpose, c.Seq, said.Verb}
	return n.app.print(out, func(w io.Writer) error {
		return pairs(w, "person", out.Subject, "purpose", said.Purpose, "statement", fmt.Sprint(c.Seq), "decision", fmt.Sprint(r.Index))
	})
}

func (a *app) consentUse() *cobra.Command {
	cmd := &cobra.Command{Use: "use", Short: "Ask gate 10 before processing what is a person's; the answer is recorded", Args: noArgs,
		Long:    "Signed by the unit's owner. Allowed while a consent to that purpose stands; refused, and recorded as refused, without one. Exits 4.",
		Example: "  nexus consent use --unit IMVU-001 --subject KEY --purpose newsletter --what 'issue 12' --identity ada"}
	f := cmd.Flags()
	f.String("unit", "", "unit, by id, label or slug (required)")
	f.String("subject", "", "the person: public key, .pub file or identity (required)")
	f.String("purpose", "", "what for (required)")
	f.String("what", "", "what is done, for the record")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		if err := required(cmd, "unit", "subject", "purpose"); err != nil {
			return err
		}
		text := func(name string) string { v, _ := f.GetString(name); return v }
		_, id, err := n.unit(ctx, text("unit"))
		if err != nil {
			return err
		}
		subject, err := n.person(ctx, text("subject"))
		if err != nil {
			return err
		}
		r, err := n.act(ctx, state.KindConsentUse, id, state.ConsentUse{Subject: subject, Purpose: text("purpose"), What: text("what")})
		if err != nil {
			return err
		}
		n.app.say("decision %d", r.Index)
		return nil
	})
	return cmd
}

// person reads a key, or finds the identity of a name.
func (n *node) person(ctx context.Context, word string) (nexus.PublicKey, error) {
	read := identity.LoadPublic
	if n.app.guest != nil { // no file of this machine
		read = identity.ParsePublic
	}
	if key, err := read(word); err == nil {
		return key, nil
	}
	row, err := n.findIdentity(ctx, word)
	if err != nil {
		return nexus.PublicKey{}, err
	}
	return identity.ParsePublic(row.Key)
}

func (a *app) consentLog() *cobra.Command {
	cmd := &cobra.Command{Use: "log", Short: "A person's whole history, checked here", Args: noArgs,
		Long: `Shows every statement in order and recomputes here that none is missing: numbers without a gap, each statement carrying the hash of
the one before, up to the newest. A unit's owner sees what concerns the own units. Exits 1 when the history does not fit together.`,
		Example: "  nexus consent log --subject eva\n  nexus consent log --identity eva -o json"}
	cmd.Flags().String("subject", "", "the person: public key, .pub file or identity (default: whoever asks)")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		word, _ := cmd.Flags().GetString("subject")
		subject := n.Signer().Public()
		if word != "" {
			var err error
			if subject, err = n.person(ctx, word); err != nil {
				return err
			}
		}
		l, err := n.consents(ctx, subject)
		if err != nil {
			return err
		}
		why := ""
		if !l.Partial {
			why = n.checkConsents(&l, subject)
		}
		if !l.Complete && why == "" {
			why = "the node says that it is not complete"
		}
		if err := a.print(l, func(w io.Writer) error { return printConsents(w, &l) }); err != nil {
			return err
		}
		if why != "" {
			return nexus.Errf("consent log", nexus.CodeCorrupt, "history of "+l.Subject, "run nexus ledger verify", "%s", why)
		}
		return nil
	})
	return cmd
}

// checkConsents recomputes a history from its statements; empty when it fits together and every signature there is holds.
func (n *node) checkConsents(l *wire.ConsentLog, subject nexus.PublicKey) string {
	var seq uint64
	var hash nexus.Hash
	for _, row := range l.Rows {
		if row.Seq == 0 {
			continue
		}
		var c state.ConsentStatement
		unit, err := nexus.ParseID(row.UnitID)
		if err != nil || nexus.Decode(row.Statement, &c) != nil {
			return fmt.Sprintf("statement %d cannot be read", row.Seq)
		}
		given := row.Verb == "given"
		switch {
		case c.Subject != subject || c.Seq != row.Seq || c.Purpose != row.Purpose && !personal.Sealed(c.Purpose): // a sealed one is read by the node
			return fmt.Sprintf("statement %d is another than shown", row.Seq)
		case c.Seq != seq+1 || c.Prev != hash:
			return fmt.Sprintf("statement %d does not follow statement %d", c.Seq, seq)
		case len(c.Signature) > 0 && !subject.Verify(c.SigningBytes(n.Cluster(), unit, given), c.Signature):
			return fmt.Sprintf("statement %d is not signed by the person", c.Seq)
		}
		seq, hash = c.Seq, state.ConsentHash(c, n.Cluster(), unit, given)
	}
	if seq < l.Seq || seq == l.Seq && hash.String() != l.Head {
		return fmt.Sprintf("ends at statement %d, the newest is %d", seq, l.Seq)
	}
	return ""
}

func printConsents(w io.Writer, l *wire.ConsentLog) error {
	note := "complete: every statement from 1 on, re-computed here"
	if l.Partial {
		note = "what concerns your own units; the rest is not yours to read"
	}
	if err := pairs(w, "person", l.Subject, "statements", fmt.Sprint(l.Seq), "history", note); err != nil {
		return err
	}
	t := &table{head: []string{">NO", "TIME", "", "UNIT", "PURPOSE", "BY", ">DECISION", "NOTE"}, none: "nothing was ever said"}
	for _, r := range l.Rows {
		no := ""
		if r.Seq > 0 {
			no = fmt.Sprint(r.Seq)
		}
		t.add(no, when(r.Time), r.Verb, r.Unit, r.Purpose, r.By, fmt.Sprint(r.Index), r.What)
	}
	if err := t.print(w); err != nil {
		return err
	}
	for _, r := range l.Standing {
		if _, err := fmt.Fprintf(w, "stands: %s for %s, %d uses\n", oneLine(r.Unit), oneLine(r.Purpose), r.Uses); err != nil {
			return err
		}
	}
	return nil
}
