package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/bundle"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func (a *app) importUnitCommand(word string) *cobra.Command {
	cmd := &cobra.Command{Use: "import DIR", Short: "Take in a unit that left another cluster, under the same id", Args: oneArg("DIR"),
		Long: `Verifies the bundle here, has the node verify and keep it, and takes the unit in: same id, rule and owner's key, label and slug if they are
free. What it earned elsewhere is shown as imported, with its origin; nothing of it is owed here. Signed by an operator or the unit's owner;
an owner not known here is issued an identity in the same act. The same bundle again changes nothing.`,
		Example: "  nexus " + word + " import ./IMVU-042-exit-20261126 --key KEY\n  nexus " + word + " import DIR --key KEY --name 'Another name'"}
	f := cmd.Flags()
	f.String("key", "", "public key of the node that signed it, as you know it, or a file with it (default: the bundle's own, shown for you to compare)")
	f.String("name", "", "display name here (default: as it was)")
	f.String("owner-name", "", "name of the owner's identity, when the key is not known here (default: as it was)")
	f.String("platform", "", "of a channel: the mini-platform here that it goes to")
	f.Bool("without-guarantee", false, "leave out the bandwidth that its slice was guaranteed")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		key, _, err := a.keyOf(cmd, args[0])
		if err != nil {
			return err
		}
		rep, err := bundle.Check(ctx, args[0], key)
		if err == nil {
			err = bundle.Refusal(&rep)
		}
		if err != nil {
			return err
		}
		mine, err := bundle.Evidence(args[0], &rep)
		if err != nil {
			return err
		}
		wish, err := n.takeIn(ctx, args[0], key, &mine)
		if err != nil {
			return err
		}
		if err := n.importFlags(ctx, cmd, &wish); err != nil {
			return err
		}
		return n.importUnit(ctx, wish)
	})
	return cmd
}

// takeIn has the node keep the bundle, and holds what it read out of it to what was read here.
func (n *node) takeIn(ctx context.Context, dir string, key nexus.PublicKey, mine *state.UnitImportSlice) (wish state.UnitImportSlice, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return wish, err
	}
	var ans wire.TakenIn
	if err := n.Post(ctx, "/v1/imports", wire.TakeIn{Dir: dir, Key: key.String()}, &ans); err != nil {
		return wish, err
	}
	if !bytes.Equal(ans.Wish, nexus.Encode(mine.Body())) {
		return wish, nexus.Errf("imvu import", nexus.CodeConflict, dir, "import it again", "the node read something else: the folder changed meanwhile")
	}
	return state.DecodeUnitImport(ans.Wish)
}

func (n *node) importFlags(ctx context.Context, cmd *cobra.Command, wish *state.UnitImportSlice) error {
	f := cmd.Flags()
	for flag, into := range map[string]*string{"name": &wish.Name, "owner-name": &wish.OwnerName} {
		if text, _ := f.GetString(flag); text != "" {
			*into = text
		}
	}
	if drop, _ := f.GetBool("without-guarantee"); drop {
		wish.GuaranteedBps = 0
	}
	if wish.Evidence.Kind != nexus.KindChannel {
		return nil
	}
	word, _ := f.GetString("platform")
	if word == "" {
		return usage("--platform", "stream, ott, or another mini-platform of this cluster", "is required: a channel is on one")
	}
	_, id, err := n.unit(ctx, word)
	wish.Parent = id
	return err
}

func (n *node) importUnit(ctx context.Context, wish state.UnitImportSlice) error {
	r, err := n.act(ctx, state.KindUnitImport, nexus.ID{}, wish.Body())
	if err != nil {
		return err
	}
	var made state.UnitImported
	if err := nexus.Decode(r.Result, &made); err != nil {
		return err
	}
	if made.Known {
		n.app.say("%s was taken in from this bundle before: nothing changed", made.Label)
	}
	d, _, err := n.unit(ctx, made.ID.String())
	if err != nil {
		return err
	}
	return n.app.print(d, func(w io.Writer) error {
		fmt.Fprintf(w, "imported %s\n", d.Label)
		if err := printUnit(w, d.UnitRow); err != nil {
			return err
		}
		if err := printImported(w, d.Imported); err != nil {
			return err
		}
		return pairs(w, "to do", "set its routes (nexus route set); its owner signs its policy again (nexus policy set, from policy.json)")
	})
}

// printImported prints a unit's past on other platforms.
func printImported(w io.Writer, rows []wire.ImportedRow) error {
	for _, m := range rows {
		if _, err := fmt.Fprintf(w, "imported      %d entries of log %s, signed by %s, decision %d; no account of this platform\n", m.Entries, oneLine(m.Origin),
			oneLine(m.Key), m.Decision); err != nil {
			return err
		}
		for _, e := range m.Earned {
			if _, err := fmt.Fprintf(w, "  earned there  %s gross, creator %s, platform %s\n", nexus.Money{Minor: e.Gross, Currency: e.Currency},
				money(e.Creator, e.Currency), money(e.Platform, e.Currency)); err != nil {
				return err
			}
		}
	}
	return nil
}
