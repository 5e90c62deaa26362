package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

func (a *app) identityCommand() *cobra.Command {
	cmd := noun("identity", "Identities: Ed25519 keys with a name")
	cmd.AddCommand(a.identityNew(), a.identityImport(), a.identityList(), a.identityShow(), a.identityRotate(), a.identityRevoke(),
		a.identityBind(), a.identityAttest(), a.identityUnbind(),
		a.identityErase(), a.identityErasures(), a.identityBackup())
	cmd.AddCommand(a.recoveryCommands()...)
	return cmd
}

// issueFlags are those of new and import.
func issueFlags(cmd *cobra.Command) {
	cmd.Flags().String("role", "creator", "creator or operator (an operator is made by an operator)")
	cmd.Flags().String("recovery", "", "public key that may rotate a lost key after 72 hours")
	cmd.Flags().Bool("local", false, "make the key file only, tell no node")
}

func (a *app) identityNew() *cobra.Command {
	cmd := &cobra.Command{Use: "new NAME", Short: "Make a key in the data directory and register it", Args: oneArg("NAME"),
		Example: "  nexus identity new eva\n  nexus identity new eva --recovery paper.pub"}
	issueFlags(cmd)
	cmd.Flags().Bool("paper", false, "also make a recovery key and show its words once, on stderr")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		if err := identity.CheckName(args[0]); err != nil {
			return err
		}
		path := identity.KeyPath(a.conf.text("data_dir"), args[0])
		if _, err := os.Lstat(path); err == nil {
			return nexus.Errf("identity new", nexus.CodeConflict, path, "choose another name; nexus identity import registers a key that exists", "exists already")
		}
		key, issued, err := a.localKey(args[0])
		if err != nil {
			return err
		}
		a.say("key written to %s (keep it, it is the only copy)", issued.path)
		err = a.register(ctx, cmd, args[0], key)
		if err != nil && nexus.CodeOf(err) != nexus.CodeNoNode {
			issued.takeBack()
			a.say("the key was removed again")
		}
		return err
	})
	return cmd
}

func (a *app) identityImport() *cobra.Command {
	cmd := &cobra.Command{Use: "import FILE|KEY [NAME]", Short: "Register an OpenSSH ed25519 key of yours",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return nexus.Errf(cmd.CommandPath(), nexus.CodeUsage, "FILE", "usage: "+cmd.UseLine(), "is required")
			}
			if len(args) == 1 && keyLine(args[0]) {
				return nexus.Errf(cmd.CommandPath(), nexus.CodeUsage, "NAME", "name the identity after the key", "is required with a key in place of a file")
			}
			return nil
		},
		Long: `Register the public half of a key. A .pub file is registered as it is, and so is its line given in quotes; with a private key file and --copy the key is also copied
into the data directory, so that --identity NAME finds it.`,
		Example: "  nexus identity import ~/.ssh/id_ed25519.pub eva\n  nexus identity import 'ssh-ed25519 AAAA...' eva"}
	issueFlags(cmd)
	cmd.Flags().Bool("copy", false, "copy the private key into the data directory")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		name := strings.TrimSuffix(args[len(args)-1][strings.LastIndexByte(args[len(args)-1], '/')+1:], ".pub")
		if err := identity.CheckName(name); err != nil {
			return err
		}
		if yes, _ := cmd.Flags().GetBool("copy"); !yes {
			pub, err := publicOf(args[0])
			if err != nil {
				return err
			}
			return a.register(ctx, cmd, name, pub)
		}
		key, err := identity.LoadForeignKey(args[0])
		if err != nil {
			return err
		}
		own, err := identity.ImportKey(identity.KeyPath(a.conf.text("data_dir"), name), name, key.KeySigner)
		if err != nil {
			return err
		}
		a.say("key copied to %s", own.Path)
		return a.register(ctx, cmd, name, own.Public())
	})
	return cmd
}

// keyLine reports whether an argument is a public key as OpenSSH writes it rather than the name of a file.
func keyLine(arg string) bool { return strings.HasPrefix(arg, "ssh-ed25519 ") }

// publicOf reads the public half of a key file of either kind, or of a key given as its line.
func publicOf(path string) (nexus.PublicKey, error) {
	if keyLine(path) {
		return identity.ParsePublic(path)
	}
	pub, err := identity.LoadPublic(path)
	if err == nil || nexus.CodeOf(err) != nexus.CodeUsage {
		return pub, err
	}
	key, err := identity.LoadForeignKey(path)
	if err != nil {
		return nexus.PublicKey{}, err
	}
	return key.Public(), nil
}

// register issues an identity for a key that exists, and prints it.
func (a *app) register(ctx context.Context, cmd *cobra.Command, name string, key nexus.PublicKey) error {
	b := state.IdentityIssue{Name: name, Key: key, Role: uint8(gates.RoleCreator)}
	switch role, _ := cmd.Flags().GetString("role"); role {
	case "creator":
	case "operator":
		b.Role = uint8(gates.RoleOperator)
	default:
		return usage(fmt.Sprintf("--role %q", role), "creator or operator", "no such role")
	}
	if spec, _ := cmd.Flags().GetString("recovery"); spec != "" {
		pub, err := identity.LoadPublic(spec)
		if err != nil {
			return err
		}
		b.Recovery = pub
	}
	if paper, err := cmd.Flags().GetBool("paper"); err == nil && paper {
		recovery, err := identity.NewRecoveryKey()
		if err != nil {
			return err
		}
		b.Recovery = recovery.Public()
		a.say("recovery words (write them down, they are shown once):\n%s", recovery.Secret())
	}
	if local, _ := cmd.Flags().GetBool("local"); local {
		row := wire.IdentityRow{Name: name, Key: key.String(), Fingerprint: identity.Fingerprint(key), Role: "not registered"}
		return a.print(row, func(w io.Writer) error { return printIdentity(w, row) })
	}
	n, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer n.Close()
	if _, err := n.act(ctx, state.KindIdentityIssue, nexus.ID{}, b); err != nil {
		return err
	}
	return n.showIdentity(ctx, name)
}

func printIdentity(w io.Writer, r wire.IdentityRow) error {
	pub, err := identity.ParsePublic(r.Key)
	if err != nil {
		return err
	}
	standing := "valid"
	if r.Revoked {
		standing = "revoked"
	}
	pending := ""
	if r.PendingKey != "" {
		pending = r.PendingKey + ", may be completed from " + when(r.PendingTime)
	}
	err = pairs(w, "name", r.Name, "role", r.Role, "standing", standing, "key", r.Key, "openssh", identity.AuthorizedLine(pub, r.Name),
		"fingerprint", identity.Fingerprint(pub), "words", identity.Words(pub), "issued", when(r.Issued), "successor", r.Successor,
		"recovery key", r.Recovery, "recovery pending", pending)
	return errors.Join(err, printBindings(w, r))
}

func (a *app) identityList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "Registered identities, or with --local the keys in the data directory", Args: noArgs,
		Example: "  nexus identity list\n  nexus identity list --local"}
	cmd.Flags().Bool("local", false, "the key files of the data directory; needs no node")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		if local, _ := cmd.Flags().GetBool("local"); local {
			return a.listKeys()
		}
		n, err := a.connect(ctx)
		if err != nil {
			return err
		}
		defer n.Close()
		all, err := get[wire.Identities](ctx, n, "/v1/identities")
		if err != nil {
			return err
		}
		t := &table{head: []string{"NAME", "ROLE", "FINGERPRINT", "REVOKED", "ISSUED", "KEY"}, none: "none"}
		for _, r := range all.Identities {
			t.add(r.Name, r.Role, r.Fingerprint, fmt.Sprint(r.Revoked), when(r.Issued), r.Key)
		}
		return a.print(all, t.print)
	})
	return cmd
}

func (a *app) listKeys() error {
	type row struct {
		Name  string `json:"name"`
		Key   string `json:"key"`
		Path  string `json:"path"`
		Error string `json:"error,omitempty"`
	}
	entries, err := identity.List(a.conf.text("data_dir"))
	if err != nil {
		return err
	}
	out := struct {
		Keys []row `json:"keys"`
	}{Keys: []row{}}
	t := &table{head: []string{"NAME", "KEY", "FILE", "PROBLEM"}, none: "no keys in " + a.conf.text("data_dir")}
	for _, e := range entries {
		r := row{Name: e.Name, Path: e.Path}
		if e.Err != nil {
			r.Error = e.Err.Error()
		} else {
			r.Key = e.Public.String()
		}
		out.Keys = append(out.Keys, r)
		t.add(r.Name, r.Key, r.Path, r.Error)
	}
	return a.print(out, t.print)
}

func (a *app) identityShow() *cobra.Command {
	cmd := &cobra.Command{Use: "show NAME", Short: "One identity by name or key", Args: oneArg("NAME"), Example: "  nexus identity show eva"}
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, args []string) error {
		return n.showIdentity(ctx, args[0])
	})
	return cmd
}

func (n *node) showIdentity(ctx context.Context, word string) error {
	row, err := n.findIdentity(ctx, word)
	if err != nil {
		return err
	}
	return n.app.print(row, func(w io.Writer) error { return printIdentity(w, row) })
}

// hasFingerprint takes the fingerprint as ssh prints it, with SHA256: before it or without, and the short form that stands in narrow columns.
func hasFingerprint(r *wire.IdentityRow, word string) bool {
	key, err := identity.ParsePublic(r.Key)
	return err == nil && ("SHA256:"+strings.TrimPrefix(word, "SHA256:") == r.Fingerprint || word == key.Short())
}

// findIdentity finds an identity by name, key or fingerprint; of several of one name the valid one.
func (n *node) findIdentity(ctx context.Context, word string) (wire.IdentityRow, error) {
	all, err := get[wire.Identities](ctx, n, "/v1/identities")
	if err != nil {
		return wire.IdentityRow{}, err
	}
	var found *wire.IdentityRow
	for i := range all.Identities {
		r := &all.Identities[i]
		if r.Name != word && r.Key != word && !hasFingerprint(r, word) {
			continue
		}
		if found == nil || found.Revoked {
			found = r
		}
	}
	if found == nil {
		return wire.IdentityRow{}, nexus.Errf("find identity", nexus.CodeNotFound, fmt.Sprintf("%q", word), "list them with nexus identity list", "no such identity")
	}
	return *found, nil
}

func (a *app) identityRotate() *cobra.Command {
	cmd := &cobra.Command{Use: "rotate NAME", Short: "Replace an identity's key", Args: oneArg("NAME"),
		Long: `The old key signs for its successor: sign with it (--identity). When it is lost, the recovery key asks for the rotation (--recover,
signed with the recovery key), which the old key can cancel (--cancel) during a public wait of 72 hours; --complete ends it.
Names, roles and units go to the new key; money never moves.`,
		Example: "  nexus identity rotate eva --new eva-2.pub --identity eva"}
	cmd.Flags().String("new", "", "public key that follows: a .pub file, an ssh-ed25519 line or base64")
	cmd.Flags().String("reason", "", "why")
	cmd.Flags().Bool("recover", false, "ask for the rotation with the recovery key")
	cmd.Flags().Bool("complete", false, "complete a recovery after its wait")
	cmd.Flags().Bool("cancel", false, "cancel a recovery with the old key")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		kind, given := state.KindIdentityRotate, 0
		for flag, k := range map[string]string{"recover": state.KindIdentityRecover, "complete": state.KindIdentityComplete, "cancel": state.KindIdentityCancel} {
			if yes, _ := cmd.Flags().GetBool(flag); yes {
				kind = k
				given++
			}
		}
		if given > 1 {
			return usage("--recover, --complete, --cancel", "give one of them", "exclude each other")
		}
		return n.changeIdentity(ctx, cmd, kind, args[0])
	})
	return cmd
}

// recoveryCommands are the steps of a recovery, each signed by another key.
func (a *app) recoveryCommands() []*cobra.Command {
	var out []*cobra.Command
	for _, v := range []struct{ verb, kind, short, example string }{
		{"recover", state.KindIdentityRecover, "Ask with the recovery key to replace a lost or revoked key; a public wait of 72 hours begins",
			"  nexus identity recover eva --new eva-2.pub --identity paper.key"},
		{"complete", state.KindIdentityComplete, "Complete a recovery after its wait, with the recovery key or the new one",
			"  nexus identity complete eva --identity eva-2"},
		{"cancel", state.KindIdentityCancel, "Cancel a recovery during its wait, with the key that it would replace",
			"  nexus identity cancel eva --identity eva"},
	} {
		cmd := &cobra.Command{Use: v.verb + " NAME", Short: v.short, Args: oneArg("NAME"), Example: v.example}
		if v.kind != state.KindIdentityCancel {
			cmd.Flags().String("new", "", "public key that follows: a .pub file, an ssh-ed25519 line or base64")
		}
		cmd.Flags().String("reason", "", "why")
		cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
			return n.changeIdentity(ctx, cmd, v.kind, args[0])
		})
		out = append(out, cmd)
	}
	return out
}

func (a *app) identityRevoke() *cobra.Command {
	cmd := &cobra.Command{Use: "revoke NAME", Short: "Revoke an identity for ever (its holder or an operator)", Args: oneArg("NAME"),
		Example: "  nexus identity revoke eva --reason 'key lost'"}
	cmd.Flags().String("reason", "", "why")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		return n.changeIdentity(ctx, cmd, state.KindIdentityRevoke, args[0])
	})
	return cmd
}

func (n *node) changeIdentity(ctx context.Context, cmd *cobra.Command, kind, word string) error {
	row, err := n.findIdentity(ctx, word)
	if err != nil {
		return err
	}
	b := state.IdentityChange{}
	if b.Old, err = identity.ParsePublic(row.Key); err != nil {
		return err
	}
	b.Reason, _ = cmd.Flags().GetString("reason")
	if kind != state.KindIdentityRevoke && kind != state.KindIdentityCancel {
		spec, _ := cmd.Flags().GetString("new")
		if spec == "" && kind == state.KindIdentityComplete {
			spec = row.PendingKey
		}
		if spec == "" {
			return usage("--new", "the public key that follows", "is required")
		}
		if b.New, err = identity.LoadPublic(spec); err != nil {
			return err
		}
	}
	if _, err := n.act(ctx, kind, nexus.ID{}, b); err != nil {
		return err
	}
	shown := row.Key
	if kind == state.KindIdentityRotate || kind == state.KindIdentityComplete {
		shown = b.New.String()
	}
	return n.showIdentity(ctx, shown)
}

func (a *app) identityBackup() *cobra.Command {
	cmd := &cobra.Command{Use: "backup FILE", Short: "Write keys and genesis to an encrypted file, or restore them from one", Args: oneArg("FILE"),
		Long: `An age file around a tar archive: age -d FILE | tar x opens it without this program. It is protected by age recipients, or by a
passphrase, which is asked for on a terminal or read from the variable NEXUS_BACKUP_PASSPHRASE. Keys of personal texts have a file of their
own (--personal): what is erased later still stands in it, so make it anew often and keep none for long. The next start after a
restore destroys those whose erasure stands in the ledger.`,
		Example: "  nexus identity backup keys.age --recipient age1...\n  nexus identity backup keys.age --restore\n" +
			"  nexus identity backup personal.age --personal --recipient age1..."}
	cmd.Flags().StringSlice("recipient", nil, "age public key that may open it")
	cmd.Flags().StringSlice("name", nil, "only these keys (default: all, and genesis)")
	cmd.Flags().Bool("personal", false, "the keys of personal texts, and nothing else")
	cmd.Flags().Bool("restore", false, "restore from the file into the data directory")
	cmd.Flags().String("age-identity", "", "with --restore: age identity file that opens it")
	cmd.RunE = a.do(func(_ context.Context, cmd *cobra.Command, args []string) error {
		if restore, _ := cmd.Flags().GetBool("restore"); restore {
			return a.restoreKeys(cmd, args[0])
		}
		o := identity.BackupOptions{}
		o.Recipients, _ = cmd.Flags().GetStringSlice("recipient")
		o.Names, _ = cmd.Flags().GetStringSlice("name")
		if o.Personal, _ = cmd.Flags().GetBool("personal"); o.Personal && len(o.Names) > 0 {
			return usage("--personal", "leave --name out", "backs up no keys by name")
		}
		if len(o.Recipients) == 0 {
			phrase, err := a.backupPhrase("Passphrase for the backup: ")
			if err != nil {
				return err
			}
			o.Passphrase = phrase
		}
		return a.writeBackup(args[0], o)
	})
	return cmd
}

func (a *app) backupPhrase(prompt string) (string, error) {
	if phrase := a.getenv("NEXUS_BACKUP_PASSPHRASE"); phrase != "" {
		return phrase, nil
	}
	if !terminal(a.in) {
		return "", usage("--recipient", "give an age public key, or NEXUS_BACKUP_PASSPHRASE", "is required without a terminal")
	}
	b, err := a.secret(prompt)
	return string(b), err
}

// writeBackup writes a new file; one that exists is not touched.
func (a *app) writeBackup(path string, o identity.BackupOptions) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nexus.Errf("identity backup", nexus.CodeConflict, path, "name a file that does not exist", "%w", err)
	}
	err = identity.Backup(f, a.conf.text("data_dir"), o)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(path)
		return err
	}
	a.say("backup written to %s", path)
	return nil
}

func (a *app) restoreKeys(cmd *cobra.Command, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nexus.Errf("identity restore", nexus.CodeNotFound, path, "", "%w", err)
	}
	defer func() { _ = f.Close() }()
	var secret string
	if file, _ := cmd.Flags().GetString("age-identity"); file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nexus.Errf("identity restore", nexus.CodeNotFound, file, "", "%w", err)
		}
		secret = string(b)
	} else if secret, err = a.backupPhrase("Passphrase of the backup: "); err != nil {
		return err
	}
	names, err := identity.Restore(f, a.conf.text("data_dir"), secret)
	if err != nil {
		return err
	}
	return a.print(struct {
		Restored []string `json:"restored"`
	}{append([]string{}, names...)}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "restored %d files: %s\n", len(names), strings.Join(names, ", "))
		return err
	})
}
