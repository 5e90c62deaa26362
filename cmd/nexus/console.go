package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/tui"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/wizard"
)

func (a *app) consoleCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "console", Short: "Attach the console to a running node", Args: noArgs,
		Long: "Attach the console to the node of the data directory, or to another by the path of its socket. With --plain, lines instead of a screen. " +
			"With --replay, a launch from the lines that nexus launch -o json wrote; long pauses are cut.",
		Example: "  nexus console\n  nexus console --node /var/lib/nexus/nexus.sock\n  nexus console --plain\n  nexus console --replay run.ndjson"}
	cmd.Flags().String("node", "", "socket of the node (default: the node of --data-dir)")
	cmd.Flags().String("replay", "", "show a launch from its JSON lines instead of a node")
	cmd.RunE = a.do(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		if path, _ := cmd.Flags().GetString("replay"); path != "" {
			if set(cmd.Flags(), "node") {
				return usage("--node, --replay", "give one of them", "exclude each other")
			}
			return a.showReplay(ctx, path)
		}
		addr, _ := cmd.Flags().GetString("node")
		if addr != "" && !strings.Contains(addr, "/") {
			return usage("--node "+addr, "give the path of a node's socket; remote consoles come with the SSH console", "not a path")
		}
		b := &backend{app: a, addr: addr}
		if addr == "" && a.guest == nil {
			file, err := control.ReadNodeFile(a.conf.text("data_dir"))
			if err != nil {
				return err
			}
			b.file = file
		}
		// A node that does not answer is said at once, not by an empty screen.
		if _, err := b.node(ctx); err != nil {
			return err
		}
		return a.attach(ctx, b, false)
	})
	return cmd
}

// showConsole attaches to a node that is connected already.
func (a *app) showConsole(ctx context.Context, n *node, launching bool) error {
	return a.attach(ctx, &backend{app: a, file: n.file}, launching)
}

// attach shows the console until the user leaves. A console of a launch exits by the launch's verdict. When the screen
// cannot start, that is said and the plain form goes on.
func (a *app) attach(ctx context.Context, b *backend, launching bool) error {
	ok, why := a.interactive()
	plain := a.conf.yes("plain")
	if !ok && !plain {
		if launching {
			return usage("console", "use --no-tui", "no terminal: %s", why)
		}
		a.say("printing lines, as with --plain: %s", why)
		plain = true
	}
	var result tui.Result
	err := error(nil)
	if !plain {
		options, err := a.consoleOptions(b, launching)
		if err != nil { // the user's own files: say which and where, and start nothing
			return err
		}
		if result, err = tui.Run(ctx, options); err != nil {
			a.say("the console could not start, printing lines instead: %v", err)
			plain = true
		}
	}
	if plain {
		result, err = tui.Plain(ctx, a.plainOptions(b, launching))
	}
	if err != nil {
		return err
	}
	if !launching {
		if !plain && result.Quit == tui.QuitLost && a.guest == nil { // what ends a guest's session says why by itself
			a.say("the console was ended from outside and the node is untouched; nexus console attaches again")
			return failed{exitInterrupted}
		}
		return nil
	}
	return a.afterConsole(ctx, b, result)
}

// plainOptions are those of the plain form. Commands are taken where somebody types them, so not from a pipe, and not while a launch is watched.
func (a *app) plainOptions(b *backend, launching bool) tui.PlainOptions {
	o := tui.PlainOptions{Backend: b, Out: a.out, UntilLaunched: launching, Now: a.now, ReadOnly: a.conf.yes("read_only")}
	switch {
	case launching || b.addr != "" || a.conf.yes("no_tui"): // the command line finds its node by the data directory
		return o
	case a.guest != nil && a.guest.screen:
		shared := &sharedWriter{w: a.out} // what is typed is shown while changes are told
		o.In, o.Out = &guestLines{in: a.in, echo: shared}, shared
	case a.guest == nil && terminal(a.in):
		o.In = a.in
	}
	o.Commands = &commands{app: a}
	return o
}

// afterConsole ends a launch's console: a failed launch that the user quits is stopped, for nothing of it serves.
func (a *app) afterConsole(ctx context.Context, b *backend, result tui.Result) error {
	if result.Launch == wire.StatusFailed {
		a.sayWhy(&result.Seen)
	}
	if result.Quit == tui.QuitDetach && result.Launch == wire.StatusFailed {
		if err := b.Stop(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		return failed{exitFailed}
	}
	if result.Quit != tui.QuitStop && result.Launch != wire.StatusFailed {
		if !control.Alive(b.file.PID) { // it was killed, or fell, while it was watched
			return nexus.Errf("launch", nexus.CodeNoNode, fmt.Sprintf("the node, pid %d", b.file.PID),
				"its log, node.log in the data directory, has its last lines; nexus launch starts it again", "is no longer there")
		}
		a.say("the node goes on serving as pid %d; see nexus status, end it with nexus stop", b.file.PID)
	}
	return a.verdict(result.Launch)
}

// sayWhy tells of a failed launch what is gone with its screen: the phase, the way out, and where the whole of it can be read.
func (a *app) sayWhy(l *wire.Launch) {
	for i := range l.Phases {
		p := &l.Phases[i]
		if p.Status != wire.StatusFailed {
			continue
		}
		a.say("phase %d %s failed: %s", p.Number, clean(p.Name), clean(p.Reason))
		for _, c := range p.Checks {
			if c.Status == wire.StatusFailed && c.Remedy != "" {
				a.say("  fix %s: %s", clean(c.Name), clean(c.Remedy))
			}
		}
	}
	if l.Report != "" {
		a.say("report %s", clean(l.Report))
	}
	if l.Log != "" {
		a.say("log %s", clean(l.Log))
	}
}

// showWizard opens the guided creation. Leaving it without creating is no failure; the draft is kept.
func (a *app) showWizard(ctx context.Context, n *node, req creationRequest) error {
	o := a.wizardOptions(&backend{app: a, file: n.file}, req)
	o.In, o.Out, o.Lines = a.in, a.screenOut(), a.out
	if a.guest != nil && o.Accessible {
		o.In = &guestLines{in: a.in, echo: a.out}
	}
	o.Width, o.Height, o.Resizes = a.sizes()
	_, created, err := wizard.Run(ctx, o)
	if errors.Is(err, wizard.ErrLeft) {
		a.say("%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	if created.Unit.ID == "" {
		return nexus.Errf("wizard", nexus.CodeInternal, "answer of the node", "", "names no unit")
	}
	if created.Undone != "" { // the card has said it; a script must not take it for the whole
		return failed{exitFailed}
	}
	return nil
}

// guide is the wizard inside the console, on the console's terminal and in its look.
func (a *app) guide(b *backend, look theme.Options) tui.Guide {
	return func(ctx context.Context, in io.Reader, out io.Writer, width, height int) (string, error) {
		o := a.wizardOptions(b, creationRequest{}) // no kind: it would overrule that of a kept draft
		o.In, o.Out, o.Theme, o.Width, o.Height, o.Accessible, o.NoCard = in, out, look, width, height, false, true
		if a.guest != nil { // whose terminal does not say its size by itself
			size := make(chan [2]int, 1)
			size <- [2]int{width, height}
			o.Resizes = size
		}
		_, created, err := wizard.Run(ctx, o)
		if errors.Is(err, wizard.ErrLeft) {
			return err.Error(), nil
		}
		if err != nil {
			return "", err
		}
		u := created.Unit
		said := fmt.Sprintf("done: created %s %s at %s, decision %d", u.Label, u.Name, u.Domain, created.Receipt.Index)
		if created.OwnerKeyFile != "" {
			said += "; its owner's key is " + created.OwnerKeyFile
		}
		if created.Undone != "" {
			said += "; but " + created.Undone
		}
		if created.NotServed != "" {
			said += "; the gateway does not serve it yet: " + created.NotServed
		}
		return said, nil
	}
}

// draftFile is where the answers of a guided creation are kept. That of the console, which asks for the kind, is the one of imvu create -i.
func draftFile(dir, kind string) string {
	if kind == "" {
		kind = "imvu"
	}
	return filepath.Join(dir, "draft-"+kind+".json")
}

// wizardOptions are what the wizard offers and where it keeps its draft.
func (a *app) wizardOptions(b *backend, req creationRequest) wizard.Options {
	o := wizard.Options{Backend: b, Prefill: req.UnitCreate, Theme: theme.Detect(a.getenv), Accessible: a.conf.yes("plain"),
		BaseDomain: a.conf.text("base_domain"), ClassSessions: map[string]int{}, SessionsMax: slices.GatewayConnectionsMax,
		Recorded: a.guest != nil && a.guest.session.Recorded}
	if dir := a.stateFolder(); dir != "" {
		o.DraftFile = draftFile(dir, req.Kind)
	}
	for _, j := range rules.Jurisdictions() {
		o.Jurisdictions = append(o.Jurisdictions, wizard.Choice{Value: j.Tag, Words: j.Meaning})
	}
	for _, c := range slices.ClassSpecs() {
		if c.Class != slices.ClassControl { // the platform's own
			o.Classes = append(o.Classes, wizard.Choice{Value: c.Class.String(), Words: c.Purpose})
			o.ClassSessions[c.Class.String()] = c.SessionsMax
		}
	}
	return o
}
