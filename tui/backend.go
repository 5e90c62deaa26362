package tui

import (
	"context"
	"io"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// Backend is the node as the console needs it; the client of engine/control satisfies it. All methods are safe for
// concurrent use and return soon after ctx ends. Errors are shown to the user as they are: operation, subject, cause
// and hint.
type Backend interface {
	// Watch calls show for the present state and then for each later one, from one goroutine at a time, until ctx
	// ends (nil) or the node is lost (an error). It may skip states but never denials or phase results: those are
	// in the snapshots that follow. show returns at once and keeps the pointer: the snapshot must not change.
	Watch(ctx context.Context, show func(*wire.Overview)) error
	// Decision fetches the evidence of one decision.
	Decision(ctx context.Context, index uint64) (wire.Decision, error)
	// Proof fetches the proof of a unit's tally in one currency and re-computes its inclusion.
	Proof(ctx context.Context, unit, currency string) (wire.Proof, error)
	// Unit fetches one unit by id, label or slug, with what belongs to it.
	Unit(ctx context.Context, word string) (wire.UnitDetail, error)
	// UnitEntries fetches the newest entries of a unit.
	UnitEntries(ctx context.Context, word string) (wire.UnitEntries, error)
	// Entries fetches the newest entries of the log, oldest first.
	Entries(ctx context.Context) (wire.Entries, error)
	// EntryProof fetches an entry and its proof, and recomputes that the signed log holds it; an error when it does not.
	EntryProof(ctx context.Context, seq uint64) (wire.EntryProof, error)
	// GateDecisions fetches the newest decisions that a gate refused.
	GateDecisions(ctx context.Context, gate int) (wire.Decisions, error)
	// Slice fetches a slice with its series and distribution.
	Slice(ctx context.Context, id string) (wire.SliceDetail, error)
	// Units fetches all units that this session's identity may see, Tallies their tallies: a picture carries the first of them.
	Units(ctx context.Context) (wire.Units, error)
	Tallies(ctx context.Context) (wire.Tally, error)
	// Home fetches what belongs to this session's identity, and nothing else.
	Home(ctx context.Context) (wire.Home, error)
	// Audit scrubs the stack and gives the findings.
	Audit(ctx context.Context) (wire.AuditReport, error)
	// Log fetches lines of the node's log from a byte offset on, -1 for the end of it, and waits some seconds when there is none.
	Log(ctx context.Context, from int64) (wire.LogPage, error)
	// SetReadOnly makes all later requests those of a read-only session, whose acts the node itself refuses, or ends that.
	SetReadOnly(on bool)
	// RerunPhase runs a failed phase and what depends on it again.
	RerunPhase(ctx context.Context, phase int) error
	// Stop stops the node in order and returns when it has stopped.
	Stop(ctx context.Context) error
	// CreateUnit creates an IMVU or mini-platform, all or nothing.
	CreateUnit(ctx context.Context, req wire.UnitCreate) (wire.UnitCreated, error)
	// DryRun asks all 17 gates about a creation without doing it. A malformed request is an error.
	DryRun(ctx context.Context, req wire.UnitCreate) ([]wire.Verdict, error)
	// Identity is the identity that signs, known without asking the node.
	Identity() wire.Identity
}

// Options are what Run and Plain need to know. Zero values are usable except for Backend and Out.
type Options struct {
	Backend Backend
	In      io.Reader // keys; nil means none
	Out     io.Writer // the terminal; a file with a descriptor also gives size and resizes

	// Theme decides colours and glyphs: usually theme.Detect of the session's environment.
	Theme theme.Options
	// ReadOnly disables every act. It is implied by an identity that cannot sign.
	ReadOnly bool
	// Launching says that this session started the node: quitting then asks whether to stop it.
	Launching bool
	// Width and Height are the size until the terminal says its own; 80x24 when zero.
	Width, Height int
	// Keys override the default keys of actions by name (tui/keymap). A conflict is an error of Run.
	Keys map[string][]string
	// Commands is the command line behind the palette; nil: the palette has the console's own commands only.
	Commands Commands
	// Themes are the user's palettes by name, beside those built in.
	Themes []*theme.Palette
	// Guide takes the terminal over and leads through the creation of a unit; it says what came of it. It returns soon after ctx
	// ends, with the terminal as it found it. nil: the palette with the command line begun.
	Guide Guide
	// Mouse turns the mouse on at the start.
	Mouse bool
	// StateDir keeps saved views and, when the terminal has no clipboard, copies; empty: they last as long as the session.
	StateDir string
	// Tmux says that copies must pass through tmux, Screen through GNU screen.
	Tmux, Screen bool
	// FarTmux says that a terminal elsewhere calls itself tmux's.
	FarTmux bool
	// Draft says what half-finished guided creation waits, "" for none; nil: drafts are not known of.
	Draft func() string
	// Resizes gives the newest width and height of a terminal that is not a file of this machine, the first one too: the renderer
	// erases the rest of a line that became shorter only once it was told how wide the screen is. Nil when Out says its own.
	Resizes <-chan [2]int
	// Hosted says that the console runs in a process that is not its own, such as the node's: it follows no signal.
	Hosted bool
	// Recorded says that somebody keeps what this console shows; the header says so.
	Recorded bool
	// Version is this program's own; a node of another version is said once. Empty: nothing is said.
	Version string
	// Job says that the console is a job of a shell and may be suspended.
	Job bool
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Guide leads through the creation of a unit on the terminal that it is given, width by height cells until that says its own.
type Guide func(ctx context.Context, in io.Reader, out io.Writer, width, height int) (said string, err error)

// Quit says how a console session ended.
type Quit string

// The ways to end.
const (
	QuitDetach Quit = "detach" // the node goes on serving, or was never this session's
	QuitStop   Quit = "stop"   // the user asked for the node to stop, and it did
	QuitLost   Quit = "lost"   // the terminal or the context of the session went away; the node is untouched
)

// Result is what a console session came to.
type Result struct {
	Quit Quit
	// Launch is the status of the node's launch as last seen (wire.Status*), "" when no picture ever arrived. A
	// console launch exits by it.
	Launch string
	// Seen is that launch, with its phases and where its log and report are.
	Seen wire.Launch
	// Bytes and Frames count what was written to the terminal.
	Bytes, Frames uint64
}

func (o Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

func (o Options) readOnly() bool { return o.ReadOnly || o.Backend.Identity().ReadOnly }
