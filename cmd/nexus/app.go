package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Exit codes (CLI.md).
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNoNode      = 3
	exitRefused     = 4
	exitInterrupted = 130
)

// app is one run of the program: its streams, its environment and, once loaded, its configuration. One goroutine.
type app struct {
	in     io.Reader
	out    io.Writer // results
	err    io.Writer // everything else
	getenv func(string) string
	now    func() time.Time
	conf   *config
	args   []string // as typed
	silent int      // how many of them a console put before what was typed
	guest  *guest   // who runs it over SSH; nil: the user of this machine
	peer   string   // version of the node that was spoken to, "" for none
}

// failed is the error of a command that has said all there is to say: only the exit code is left.
type failed struct{ code int }

func (f failed) Error() string { return fmt.Sprintf("exit %d", f.code) }

// run executes one command line and gives its exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	a.args = args
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	code := exitCode(ctx, err)
	var quiet failed
	switch {
	case err == nil || errors.As(err, &quiet):
	case code == exitInterrupted:
		fmt.Fprintln(a.err, "nexus: interrupted")
	default:
		fmt.Fprintln(a.err, message(err))
		if code == exitUsage && nexus.CodeOf(err) == nexus.CodeUsage && !ofFile(err) {
			fmt.Fprintln(a.err, "Run 'nexus help' or the command with --help for its flags and examples.")
		}
		if a.guest != nil && code == exitUsage && strings.Contains(err.Error(), takesNone) { // the client's shell took the quotes off
			fmt.Fprintln(a.err, `A value with blanks is quoted twice over SSH, for your shell and for the node: ssh HOST imvu create --name '"Night Show"'`)
		}
		if words := otherVersion(a.peer, buildInfo().Version); words != "" && code != exitRefused { // a gate's reason is the reason
			fmt.Fprintln(a.err, clean(words)+"; if that is why, use programs of one version")
		}
	}
	return code
}

// ofFile reports whether an error is of a file of keys, themes or settings, which no flag's help mends.
func ofFile(err error) bool {
	var e *nexus.Error
	return errors.As(err, &e) && (e.Op == "keys" || e.Op == "theme" || e.Op == "configuration" && strings.Contains(e.Subject, "file"))
}

// message words an error as the last line on stderr; one that names the command line already is not prefixed twice.
func message(err error) string {
	text := clean(err.Error())
	if strings.HasPrefix(text, "nexus") {
		return text
	}
	return "nexus: " + text
}

// exitCode maps an error to the promise of CLI.md. A gate's refusal wins over everything but an interruption.
func exitCode(ctx context.Context, err error) int {
	var quiet failed
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &quiet):
		return quiet.code
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	switch nexus.CodeOf(err) {
	case nexus.CodeRefused:
		return exitRefused
	case nexus.CodeUsage, nexus.CodeMalformed:
		return exitUsage
	case nexus.CodeNoNode:
		return exitNoNode
	default:
		return exitFailed
	}
}

// clean keeps terminal escapes that came from outside (names, memos) out of messages.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return '\uFFFD'
	}, s)
}

// usage makes an error of the command line.
func usage(subject, hint, format string, args ...any) error {
	return nexus.Errf("", nexus.CodeUsage, subject, hint, format, args...)
}

// typed is the command line again, quoted so that a shell reads it as it was. What a console put before it is not a part of it.
func (a *app) typed() string {
	words := []string{"nexus"}
	for _, w := range a.args[min(a.silent, len(a.args)):] {
		if w == "" || strings.ContainsFunc(w, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+", r))
		}) {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// say writes a line for people to stderr.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.err, clean(fmt.Sprintf(format, args...)))
}

// terminal reports whether a stream is one.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// interactive reports whether a screen or a question may be shown, and if not, why.
func (a *app) interactive() (bool, string) {
	switch {
	case a.conf != nil && a.conf.yes("no_tui"):
		return false, "--no-tui"
	case a.guest != nil && !a.guest.screen:
		return false, "the session has no terminal: ssh -t"
	case a.guest != nil && a.getenv("TERM") != "dumb" && a.getenv("TERM") != "":
		return true, ""
	case !terminal(a.in):
		return false, "stdin is no terminal"
	case !terminal(a.out):
		return false, "stdout is no terminal"
	case a.getenv("TERM") == "dumb" || a.getenv("TERM") == "":
		return false, "TERM is dumb or not set"
	case a.getenv("CI") != "":
		return false, "CI is set"
	}
	return true, ""
}

// deadline applies --timeout; 0 is none. The cause tells a timeout from an interruption.
func (a *app) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if d := a.conf.duration("timeout"); d > 0 {
		return context.WithTimeoutCause(ctx, d, errTimeout)
	}
	return context.WithCancel(ctx)
}

var errTimeout = errors.New("not done within --timeout")

// do wraps a command's work: configuration, deadline and the wording of a timeout.
func (a *app) do(fn func(ctx context.Context, cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := a.configure(cmd); err != nil {
			return err
		}
		ctx, cancel := a.deadline(cmd.Context())
		defer cancel()
		err := fn(ctx, cmd, args)
		if err != nil && errors.Is(context.Cause(ctx), errTimeout) {
			return nexus.Errf(cmd.CommandPath(), nexus.CodeUnavailable, "--timeout "+a.conf.text("timeout"), "give it more time", "%w", errTimeout)
		}
		return err
	}
}
