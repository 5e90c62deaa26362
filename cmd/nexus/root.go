package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Groups of the root's help.
const (
	groupRun = "run"
	groupAct = "act"
	groupSee = "see"
)

// root builds the command tree. The word of a noun is the package's name and the reference page's name.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "nexus",
		Short: "A platform for creators whose economic rules are enforced by the infrastructure",
		Long: `Nexus COS is a self-hosted platform for creators whose economic rules are enforced by the
infrastructure: 55/45 for units, 80/20 for mini-platforms, 17 gates before every privileged action.

Without a command, on a terminal, it opens the console of the running node.`,
		Example: `  nexus launch --no-tui            launch headless; the exit code is the verdict
  nexus launch --no-tui --detach   launch and leave the node serving
  nexus imvu create --name TestProject --owner eva --cpu 4 --memory 8
  nexus revenue tally`,
		SilenceErrors: true, SilenceUsage: true,
		Args: noCommand,
		RunE: a.do(a.bare),
	}
	a.addFlags(root.PersistentFlags(), false)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return nexus.Errf(cmd.CommandPath(), nexus.CodeUsage, "command line", "see "+cmd.CommandPath()+" --help", "%w", plainFlag(err))
	})
	root.CompletionOptions.HiddenDefaultCmd = false
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Running:"}, &cobra.Group{ID: groupAct, Title: "Acting:"},
		&cobra.Group{ID: groupSee, Title: "Seeing and proving:"})
	root.SetCompletionCommandGroupID(groupRun)
	root.SetHelpCommandGroupID(groupRun)
	for _, g := range []struct {
		id   string
		cmds []*cobra.Command
	}{
		{groupRun, []*cobra.Command{a.launchCommand(), a.statusCommand(), a.stopCommand(), a.consoleCommand(), a.doctorCommand(),
			a.configCommand(), a.versionCommand(), a.manCommand(), a.schemaCommand()}},
		{groupAct, []*cobra.Command{a.imvuCommand(), a.platformCommand(), a.frontCommand("stream", "Nexus Stream: live streaming"),
			a.frontCommand("ott", "Nexus OTT Mini: video on demand"), a.revenueCommand(), a.routeCommand(), a.identityCommand(),
			a.approvalsCommand(), a.policyCommand(), a.consentCommand(), a.clusterCommand()}},
		{groupSee, []*cobra.Command{a.ledgerCommand(), a.gatesCommand(), a.slicesCommand(), a.homeCommand(), a.noticesCommand(), a.auditCommand(),
			a.exitsCommand(), a.verifyCommand(), a.witnessCommand(), a.reportCommand(), a.sshCommand(), a.logsCommand(), a.benchCommand()}},
	} {
		for _, c := range g.cmds {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
	root.AddCommand(a.docsCommand(), a.benchPartCommand())
	addNotBuilt(root)
	if a.guest != nil {
		root.Example = guestExample
		a.forGuest(root, guestVerbs())
	}
	return root
}

// guestExample is what the help of a session over SSH begins with: lines that go from there.
const guestExample = `  nexus console                    the console, or home for a creator; wants a terminal (ssh -t)
  nexus home                       the same in lines: units, money, what waits for your word
  nexus imvu create --name TestProject --cpu 4 --memory 8
  nexus revenue tally`

// nounMark marks a command that only holds others.
const nounMark = "noun"

// noun makes a command that only holds others. Without a verb it prints its help; an unknown verb is wrong usage.
func noun(use, short string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: noCommand, Annotations: map[string]string{nounMark: "noun"},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
}

// noCommand refuses a word that is no command, naming the near ones.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see " + cmd.CommandPath() + " --help"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return nexus.Errf(cmd.CommandPath(), nexus.CodeUsage, fmt.Sprintf("command %q", args[0]), hint, "unknown")
}

// takesNone is what is wrong with a word too many.
const takesNone = "takes no argument"

// noArgs and oneArg are the argument checks, in the house's wording.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return nexus.Errf(cmd.CommandPath(), nexus.CodeUsage, fmt.Sprintf("argument %q", args[0]), "see "+cmd.CommandPath()+" --help", takesNone)
	}
	return nil
}

func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return nexus.Errf(cmd.CommandPath(), nexus.CodeUsage, what, "usage: "+cmd.UseLine(), "%d arguments were given, 1 is wanted", len(args))
		}
		return nil
	}
}

func maxOneArg(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return nexus.Errf(cmd.CommandPath(), nexus.CodeUsage, fmt.Sprintf("argument %q", args[1]), "usage: "+cmd.UseLine(), "one too many")
	}
	return nil
}

// required refuses a missing flag by name: without a terminal nothing is asked.
func required(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f == nil || f.Value.String() == "" {
			return nexus.Errf(cmd.CommandPath(), nexus.CodeUsage, "--"+name, "see "+cmd.CommandPath()+" --help", "is required")
		}
	}
	return nil
}

// set reports whether a flag was given.
func set(flags *pflag.FlagSet, name string) bool {
	f := flags.Lookup(name)
	return f != nil && f.Changed
}

// bare is `nexus` alone: on a terminal the console or an offer to launch, else the help.
func (a *app) bare(ctx context.Context, cmd *cobra.Command, _ []string) error {
	if ok, _ := a.interactive(); !ok {
		return cmd.Help()
	}
	n, err := a.connect(ctx)
	if err == nil {
		defer n.Close()
		return a.showConsole(ctx, n, false)
	}
	if nexus.CodeOf(err) != nexus.CodeNoNode {
		return err
	}
	yes, err := a.ask("No node runs on " + a.conf.text("data_dir") + ". Launch one now?")
	if err != nil || !yes {
		return err
	}
	return a.launchTerminal(ctx, cmd)
}
