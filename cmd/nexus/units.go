package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func (a *app) imvuCommand() *cobra.Command {
	cmd := noun("imvu", "Units of creators, split 55/45")
	cmd.AddCommand(a.createCommand(nexus.KindIMVU), a.listCommand(nexus.KindIMVU), a.showCommand("imvu"), a.scaleCommand(),
		a.standingCommand("suspend", state.KindUnitSuspend, "Suspend a unit (gate 13 refuses it once an exit is announced)"),
		a.standingCommand("resume", state.KindUnitResume, "End a suspension"), a.transferCommand("imvu"))
	a.addLeaving(cmd, "imvu")
	return cmd
}

func (a *app) platformCommand() *cobra.Command {
	cmd := noun("platform", "Mini-platforms, split 80/20")
	cmd.AddCommand(a.createCommand(nexus.KindPlatform), a.listCommand(nexus.KindPlatform), a.showCommand("platform"),
		a.transferCommand("platform"), a.ownershipCommand())
	a.addLeaving(cmd, "platform")
	return cmd
}

// frontCommand is stream or ott: the platform's own mini-platforms, with the creators' channels on them.
func (a *app) frontCommand(slug, short string) *cobra.Command {
	cmd := noun(slug, short)
	list := &cobra.Command{Use: "list", Short: "List the channels", Args: noArgs, Example: "  nexus " + slug + " list"}
	list.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error {
		all, err := get[wire.Units](ctx, n, "/v1/units", "kind", nexus.KindChannel.String())
		if err != nil {
			return err
		}
		label, _, err := n.publicUnit(ctx, slug) // the platform's: its channels are for everybody, its figures are not
		if err != nil {
			return err
		}
		own := wire.Units{Units: []wire.UnitRow{}}
		for _, u := range all.Units {
			d, _, err := n.unit(ctx, u.ID)
			if err != nil {
				return err
			}
			if d.Parent == label {
				own.Units = append(own.Units, u)
			}
		}
		return a.print(own, unitTable(own.Units).print)
	})
	show := &cobra.Command{Use: "show [CHANNEL]", Short: "Show " + slug + ", or one channel on it", Args: maxOneArg,
		Example: "  nexus " + slug + " show\n  nexus " + slug + " show CHAN-001"}
	show.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, args []string) error {
		return n.showUnit(ctx, append(args, slug)[0])
	})
	channel := noun("channel", "Creators' channels on "+slug)
	channel.AddCommand(a.channelCommand(slug), a.transferCommand(slug+" channel"))
	cmd.AddCommand(list, show, channel)
	return cmd
}

func (a *app) channelCommand(platform string) *cobra.Command {
	cmd := &cobra.Command{Use: "create", Short: "Create a channel: a unit of account of its own, split 80/20", Args: noArgs,
		Example: "  nexus " + platform + " channel create --name 'Night Show' --owner eva"}
	flags := cmd.Flags()
	flags.String("name", "", "display name, 1 to 80 characters (required)")
	flags.String("owner", "", "identity that owns it; an unknown name is issued one")
	flags.Bool("owner-must-exist", false, "refuse an unknown owner")
	flags.String("jurisdiction", "", "jurisdiction tag (default US-CCPA)")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		if err := required(cmd, "name"); err != nil {
			return err
		}
		_, parent, err := n.publicUnit(ctx, platform)
		if err != nil {
			return err
		}
		req := creationRequest{Parent: parent}
		req.Kind = nexus.KindChannel.String()
		req.Name, _ = flags.GetString("name")
		req.Owner, _ = flags.GetString("owner")
		req.OwnerMustExist, _ = flags.GetBool("owner-must-exist")
		req.Jurisdiction, _ = flags.GetString("jurisdiction")
		return n.createAndPrint(ctx, req)
	})
	return cmd
}

func (a *app) createCommand(kind nexus.UnitKind) *cobra.Command {
	word := kind.String()
	cmd := &cobra.Command{Use: "create", Short: "Create a unit by flags, or with the wizard", Args: noArgs,
		Long: `Create a unit: identity binding, id and label, domain, slice, jurisdiction, envelope and rule in one act, all or
nothing. Sizes are ceilings, not reservations (recorded and judged in this version, not yet enforced by the kernel). On a terminal without --name, or with -i, the
guided wizard opens.

It returns when this node's gateway serves the unit's hosts. Where that takes more than 3 s, or cannot be, a note on stderr says why: the unit stands, and the
exit code is 0. Edges of their own processes follow a moment later.`,
		Example: "  nexus " + word + " create --name TestProject --owner trae-identity --cpu 4 --memory 8\n" +
			"  nexus " + word + " create --name Small --cpu 0.5 --memory 512MiB --jurisdiction EU-GDPR"}
	f := cmd.Flags()
	f.String("name", "", "display name, 1 to 80 characters (required)")
	f.String("owner", "", "identity that owns it (default: you); an unknown name is issued one, its key file written")
	f.Bool("owner-must-exist", false, "refuse an unknown owner")
	f.String("jurisdiction", "", "jurisdiction tag (default US-CCPA)")
	f.String("cpu", "", "cores, such as 4 or 0.5 (default 2)")
	f.String("memory", "", "GB, or with a unit: 512MiB (default 4)")
	f.String("storage", "", "GB, or with a unit (default 50)")
	f.Uint64("processes", 0, "most processes at once (default 512)")
	f.String("class", "", "slice class (default interactive; control is the platform's own: an operator gives it)")
	f.String("guarantee", "", "guaranteed bits per second, such as 10M (default: a fair share)")
	f.String("ceiling", "", "most bits per second (default: the gateway's capacity)")
	f.Uint32("sessions", 0, "session cap of the slice: most connections at once at a gateway (default: the class's number)")
	f.String("slug", "", "word in domain names (default: made from the name)")
	f.String("domain", "", "own domain (default: SLUG.LABEL.BASE)")
	f.String("backend", "", "where its domain leads: http://127.0.0.1:PORT or dir:/absolute/folder")
	f.BoolP("interactive", "i", false, "open the wizard")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, _ []string) error {
		req, err := creationFlags(cmd, word)
		if err != nil {
			return err
		}
		wizard, _ := f.GetBool("interactive")
		if wizard || req.Name == "" {
			if ok, why := a.interactive(); !ok {
				return usage("--name", "give it, or run on a terminal for the wizard", "is required (%s)", why)
			}
			return a.showWizard(ctx, n, req)
		}
		return n.createAndPrint(ctx, req)
	})
	return cmd
}

// creationFlags reads the flags of create.
func creationFlags(cmd *cobra.Command, kind string) (creationRequest, error) {
	f := cmd.Flags()
	req := creationRequest{UnitCreate: wire.UnitCreate{Kind: kind}}
	for flag, into := range map[string]*string{"name": &req.Name, "owner": &req.Owner, "jurisdiction": &req.Jurisdiction,
		"class": &req.Class, "slug": &req.Slug, "domain": &req.Domain, "backend": &req.Backend} {
		*into, _ = f.GetString(flag)
	}
	if req.Class != "" {
		if err := knownClass(req.Class); err != nil {
			return req, err
		}
	}
	req.OwnerMustExist, _ = f.GetBool("owner-must-exist")
	req.Envelope.Processes, _ = f.GetUint64("processes")
	req.Sessions, _ = f.GetUint32("sessions")
	env, err := envelopeFlags(cmd)
	if err != nil {
		return req, err
	}
	if env.cpuMilli != nil {
		req.Envelope.CPUCores = float64(*env.cpuMilli) / 1000
	}
	if env.memory != nil {
		req.Envelope.MemoryBytes = uint64(*env.memory)
	}
	if env.storage != nil {
		req.Envelope.StorageBytes = uint64(*env.storage)
	}
	for flag, into := range map[string]*uint64{"guarantee": &req.GuaranteedBps, "ceiling": &req.CeilingBps} {
		if text, _ := f.GetString(flag); text != "" {
			bits, err := parseBits(flag, text)
			if err != nil {
				return req, err
			}
			*into = uint64(bits)
		}
	}
	return req, nil
}

// envelopeSizes are the sizes that were given; nil where none was.
type envelopeSizes struct{ cpuMilli, memory, storage *int64 }

func envelopeFlags(cmd *cobra.Command) (envelopeSizes, error) {
	var e envelopeSizes
	for _, s := range []struct {
		flag  string
		parse func(flag, text string) (int64, error)
		into  **int64
	}{{"cpu", parseCores, &e.cpuMilli}, {"memory", parseBytes, &e.memory}, {"storage", parseBytes, &e.storage}} {
		if !set(cmd.Flags(), s.flag) {
			continue
		}
		text, _ := cmd.Flags().GetString(s.flag)
		v, err := s.parse(s.flag, text)
		if err != nil {
			return e, err
		}
		*s.into = &v
	}
	return e, nil
}

// createAndPrint creates and prints the unit; the path of a new owner's key goes to stderr.
func (n *node) createAndPrint(ctx context.Context, req creationRequest) error {
	made, err := n.createUnit(ctx, req)
	if made.OwnerKeyFile != "" {
		n.app.say("identity %s was issued; its key is %s (keep it, it is the only copy)", req.Owner, made.OwnerKeyFile)
	}
	if made.Unit.ID == "" {
		return err
	}
	// The unit is there also when its first route was refused: it is printed, and the exit code tells of the route.
	n.warnCeilings(made.Unit)
	n.sayNotServed(made.NotServed)
	perr := n.app.print(made.Unit, func(w io.Writer) error {
		fmt.Fprintf(w, "created %s\n", made.Unit.Label)
		return printUnit(w, made.Unit)
	})
	return errors.Join(err, perr)
}

// warnCeilings says when a ceiling is above the largest node: it is allowed, and never reached there.
func (n *node) warnCeilings(u wire.UnitRow) {
	for _, host := range hostCapacity() {
		if have := host.of(u.Envelope); have > host.limit {
			n.app.say("note: the %s ceiling of %s is above what this host has (%s); it is a ceiling, not a reservation", host.name, u.Label, host.text)
		}
	}
}

func printUnit(w io.Writer, u wire.UnitRow) error {
	return pairs(w, "id", u.ID, "label", u.Label, "name", u.Name, "kind", u.Kind, "owner", owner(u), "status", status(u), "domain", u.Domain,
		"stage domain", u.StageDomain, "slice", u.Slice, "rule", u.Rule, "jurisdiction", u.Jurisdiction, "envelope", envelope(u.Envelope))
}

func owner(u wire.UnitRow) string {
	if u.OwnerName == "" {
		return u.Owner
	}
	return u.OwnerName + " (" + u.Owner + ")"
}

func status(u wire.UnitRow) string {
	if u.Dormant {
		return u.Status + ", dormant"
	}
	return u.Status
}

func envelope(e wire.Envelope) string {
	cores := "cores"
	if e.CPUCores == 1 {
		cores = "core"
	}
	return fmt.Sprintf("%g %s, %s memory, %s storage, %d processes", e.CPUCores, cores, bytesText(e.MemoryBytes), bytesText(e.StorageBytes), e.Processes)
}

func (a *app) listCommand(kind nexus.UnitKind) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List them", Args: noArgs, Example: "  nexus " + kind.String() + " list -o json"}
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, _ *cobra.Command, _ []string) error {
		units, err := get[wire.Units](ctx, n, "/v1/units", "kind", kind.String())
		if err != nil {
			return err
		}
		return a.print(units, unitTable(units.Units).print)
	})
	return cmd
}

func unitTable(units []wire.UnitRow) *table {
	t := &table{head: []string{"LABEL", "NAME", "OWNER", "STATUS", "RULE", "JURISDICTION", ">CPU", ">MEMORY", "DOMAIN"}, none: "none"}
	for _, u := range units {
		t.add(u.Label, u.Name, u.OwnerName, status(u), u.Rule, u.Jurisdiction, fmt.Sprintf("%g", u.Envelope.CPUCores),
			bytesText(u.Envelope.MemoryBytes), u.Domain)
	}
	return t
}

func (a *app) showCommand(word string) *cobra.Command {
	cmd := &cobra.Command{Use: "show UNIT", Short: "Show one by id, label or slug", Args: oneArg("UNIT"), ValidArgsFunction: a.completeUnits,
		Example: "  nexus " + word + " show IMVU-001\n  nexus " + word + " show IMVU-001 --proof -o json"}
	cmd.Flags().Bool("proof", false, "prove who owns it (nexus platform prove --check checks that offline)")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		if proof, _ := cmd.Flags().GetBool("proof"); proof {
			return n.proveOwnership(ctx, args[0], "")
		}
		return n.showUnit(ctx, args[0])
	})
	return cmd
}

func (n *node) showUnit(ctx context.Context, word string) error {
	d, _, err := n.unit(ctx, word)
	if err != nil {
		return err
	}
	return n.app.print(d, func(w io.Writer) error {
		if err := printUnit(w, d.UnitRow); err != nil {
			return err
		}
		err := pairs(w, "parent", d.Parent, "created", fmt.Sprintf("%s, decision %d", when(d.Created), d.CreatedIndex),
			"class", fmt.Sprintf("%s, budget %g ms", d.Class, d.BudgetMs), "bandwidth", bandwidth(d.GuaranteedBps, d.CeilingBps),
			"session cap", ownCapText(d.MaxSessions),
			"domains", strings.Join(d.Domains, ", "),
			"entries", fmt.Sprintf("%d, newest %s", d.Sequence, d.Head))
		if err != nil {
			return err
		}
		for _, r := range d.Routes {
			fmt.Fprintf(w, "route         %s -> %s (entry of decision %d)\n", r.Host, r.Backend, r.Index)
		}
		if err := printImported(w, d.Imported); err != nil {
			return err
		}
		for _, t := range d.Tallies {
			fmt.Fprintf(w, "tally         %s gross %s, creator %s, platform %s, %d events\n", t.Currency, money(t.Gross, t.Currency),
				money(t.Creator, t.Currency), money(t.Platform, t.Currency), t.Events)
		}
		return nil
	})
}

func (a *app) scaleCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "scale UNIT", Short: "Change the ceilings of a unit (gate 15: less needs the owner's signature)", Args: oneArg("UNIT"),
		ValidArgsFunction: a.completeUnits, Example: "  nexus imvu scale IMVU-001 --memory 16\n  nexus imvu scale IMVU-001 --cpu 1 --identity eva"}
	f := cmd.Flags()
	f.String("cpu", "", "cores")
	f.String("memory", "", "GB, or with a unit: 512MiB")
	f.String("storage", "", "GB, or with a unit")
	f.Uint64("processes", 0, "most processes at once")
	proposeFlags(cmd)
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		sizes, err := envelopeFlags(cmd)
		if err != nil {
			return err
		}
		processes, _ := f.GetUint64("processes")
		if sizes == (envelopeSizes{}) && processes == 0 {
			return usage("--cpu, --memory, --storage or --processes", "", "one of them is required")
		}
		d, id, err := n.unit(ctx, args[0])
		if err != nil {
			return err
		}
		b := state.UnitScale{CPUMilli: int64(d.Envelope.CPUCores*1000 + 0.5), MemoryBytes: int64(d.Envelope.MemoryBytes),
			StorageBytes: int64(d.Envelope.StorageBytes), Processes: int64(d.Envelope.Processes)}
		for _, s := range []struct{ given, into *int64 }{{sizes.cpuMilli, &b.CPUMilli}, {sizes.memory, &b.MemoryBytes}, {sizes.storage, &b.StorageBytes}} {
			if s.given != nil {
				*s.into = *s.given
			}
		}
		if processes > 0 {
			b.Processes = int64(processes)
		}
		return n.change(ctx, cmd, state.KindUnitScale, id, b, args[0])
	})
	return cmd
}

// standingCommand is suspend or resume.
func (a *app) standingCommand(verb, kind, short string) *cobra.Command {
	cmd := &cobra.Command{Use: verb + " UNIT", Short: short, Args: oneArg("UNIT"), ValidArgsFunction: a.completeUnits,
		Example: "  nexus imvu " + verb + " IMVU-001 --reason 'at the owner's wish'"}
	cmd.Flags().String("reason", "", "why; it stands in the owner's notice")
	proposeFlags(cmd)
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		_, id, err := n.unit(ctx, args[0])
		if err != nil {
			return err
		}
		reason, _ := cmd.Flags().GetString("reason")
		return n.change(ctx, cmd, kind, id, state.UnitReason{Reason: reason}, args[0])
	})
	return cmd
}
