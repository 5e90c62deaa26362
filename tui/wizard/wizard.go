package wizard

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// ErrLeft says that the user left before anything was created; the draft is kept.
var ErrLeft = errors.New("left before anything was created; the draft is kept")

// How long a check of an answer, the review and the creation may take.
const (
	checkTimeout  = 3 * time.Second
	reviewTimeout = 15 * time.Second
	createTimeout = time.Minute
)

// Backend is the node as the wizard needs it; tui.Backend satisfies it. Methods are safe for concurrent use.
type Backend interface {
	DryRun(ctx context.Context, req wire.UnitCreate) ([]wire.Verdict, error)
	CreateUnit(ctx context.Context, req wire.UnitCreate) (wire.UnitCreated, error)
	Identity() wire.Identity
}

// Choice is a value the node knows, with a few words about it.
type Choice struct{ Value, Words string }

// Options are what Run needs. Backend, In and Out are required.
type Options struct {
	Backend Backend
	In      io.Reader
	Out     io.Writer
	// Lines takes the card and what is asked in plain lines, where these need other ends than a screen does; Out when nil.
	Lines io.Writer
	// Prefill holds what flags already answered; it overrules the draft.
	Prefill wire.UnitCreate
	Theme   theme.Options
	// Accessible asks in plain lines: no screen, no cursor movement, numbered choices.
	Accessible bool
	// DraftFile keeps the answers between runs; its folder must exist. Empty: nothing is kept.
	DraftFile string
	// NoCard leaves out the card that is printed after a creation: the caller shows it.
	NoCard bool
	// BaseDomain is shown in the preview of the domain, "nexus.localhost" when empty.
	BaseDomain string
	// Jurisdictions and Classes are the tags and slice classes to offer; the defaults of the specification when empty.
	Jurisdictions, Classes []Choice
	// ClassSessions are the classes' numbers of connections at once, said beside the question for a cap; SessionsMax is the highest cap, 0: the node says.
	ClassSessions map[string]int
	SessionsMax   int
	// Recorded says that somebody keeps what this screen shows; its top line says so.
	Recorded      bool
	Resizes       <-chan [2]int // width and height of a terminal that is not a file of this machine; implies a process not its own
	Width, Height int           // until the terminal says its own; 80x24 when zero
}

// lines is where plain lines go.
func (o *Options) lines() io.Writer {
	if o.Lines != nil {
		return o.Lines
	}
	return o.Out
}

// session is one run of the wizard: options with their defaults, the draft, and what the gates said at the review.
type session struct {
	options  Options
	theme    *theme.Theme
	draft    *draft
	resumed  bool
	verdicts []wire.Verdict
	refused  error // of the dry run
}

// Run asks, reviews and creates. It returns what was asked for and what was created. ErrLeft means that the user left;
// a dry run that fails or a refusal of the creation goes back to the review, so other errors are those of the terminal,
// of the draft file, or ctx's.
func Run(ctx context.Context, o Options) (wire.UnitCreate, wire.UnitCreated, error) {
	if o.Backend == nil || o.In == nil || o.Out == nil {
		return wire.UnitCreate{}, wire.UnitCreated{}, nexus.Errf("wizard", nexus.CodeInternal, "options", "",
			"backend, input and output are needed")
	}
	w, err := newSession(o)
	if err != nil {
		return wire.UnitCreate{}, wire.UnitCreated{}, err
	}
	var created *wire.UnitCreated
	if o.Accessible {
		created, err = w.ask(ctx)
	} else {
		created, err = w.show(ctx)
	}
	if err != nil {
		return wire.UnitCreate{}, wire.UnitCreated{}, err
	}
	req, err := w.draft.request()
	if err != nil {
		return req, *created, err
	}
	if o.DraftFile != "" {
		if err := os.Remove(o.DraftFile); err != nil && !errors.Is(err, os.ErrNotExist) {
			return req, *created, err
		}
	}
	if o.NoCard {
		return req, *created, nil
	}
	return req, *created, w.printCard(o.lines(), created)
}

func newSession(o Options) (*session, error) {
	if o.BaseDomain == "" {
		o.BaseDomain = "nexus.localhost"
	}
	if len(o.Jurisdictions) == 0 {
		o.Jurisdictions = []Choice{{"US-CCPA", "California, the default"}, {"EU-GDPR", "European Union"}}
	}
	if len(o.Classes) == 0 {
		o.Classes = []Choice{{"interactive", "the default"}}
	}
	if o.Width <= 0 || o.Height <= 0 {
		o.Width, o.Height = 80, 24
	}
	w := &session{options: o, theme: theme.New(o.Theme)}
	d, err := loadDraft(o.DraftFile)
	if err != nil {
		return nil, &nexus.Error{Op: "wizard", Code: nexus.CodeUnavailable, Subject: "draft " + o.DraftFile, Cause: err,
			Hint: "remove the file, or choose another"}
	}
	if d == nil {
		w.draft = newDraft(o.Prefill)
		return w, nil
	}
	d.prefill(o.Prefill)
	w.draft, w.resumed = d, true
	return w, nil
}

// allowed reports whether the last dry run let the creation pass: 17 verdicts and no denial.
func (w *session) allowed() bool {
	return w.refused == nil && len(w.verdicts) == wire.GateCount && len(denials(w.verdicts)) == 0
}

// review asks all 17 gates about the draft.
func (w *session) review(ctx context.Context) ([]wire.Verdict, error) {
	req, err := w.draft.request()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	return w.options.Backend.DryRun(ctx, req)
}

// create does it.
func (w *session) create(ctx context.Context) (wire.UnitCreated, error) {
	req, err := w.draft.request()
	if err != nil {
		return wire.UnitCreated{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	created, err := w.options.Backend.CreateUnit(ctx, req)
	if err == nil && !created.Receipt.Allowed {
		return created, nexus.Errf("wizard", nexus.CodeRefused, "creation of "+req.Name, created.Receipt.Fix, "%s",
			created.Receipt.Reason)
	}
	return created, err
}

func (w *session) check(ctx context.Context, s step) error {
	if s.check == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return s.check(ctx, w)
}

// path lists the steps that apply to the draft as it stands.
func (w *session) path() []step {
	var out []step
	for _, s := range steps() {
		if s.when == nil || s.when(w.draft) {
			out = append(out, s)
		}
	}
	return out
}

// position finds a step by name, the first one when it does not apply any more.
func position(path []step, name string) int {
	for i, s := range path {
		if s.name == name {
			return i
		}
	}
	return 0
}
