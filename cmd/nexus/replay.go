package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui"
)

// Limits of a recording, and of a pause in its replay.
const (
	recordLineMax  = 1 << 20
	recordLinesMax = 100_000
	replayPauseMax = 2 * time.Second
)

// recording is a launch read back from its JSON lines: one picture for each line. It satisfies tui.Backend; there is no node behind
// it, so whatever asks one is refused. Immutable, safe for concurrent use.
type recording struct {
	path     string
	pictures []*wire.Overview
	pace     bool   // wait between pictures as the recording did
	done     func() // called after the last picture
}

// readRecording folds a file of launch lines into pictures. A line that is no launch line is named by its number; types that this
// version does not know are passed over; another major version of the lines is refused.
func readRecording(path string) (*recording, error) {
	fail := func(number int, cause error, hint string) error {
		return nexus.Errf("console", nexus.CodeUsage, fmt.Sprintf("--replay %s, line %d", path, number), hint, "%w", cause)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, usage("--replay "+path, "name a file that nexus launch -o json wrote", "%w", err)
	}
	defer func() { _ = f.Close() }() // read only
	r := &recording{path: path, done: func() {}}
	now := wire.Overview{Node: wire.NodeInfo{Name: filepath.Base(path), State: wire.NodeLaunching, Profile: "replay"}, Identity: replayIdentity()}
	now.Launch.Status = wire.StatusPending
	for i, p := range wire.PhaseNames() {
		now.Launch.Phases[i] = wire.Phase{Number: i + 1, Name: p.Name, Title: p.Title, Status: wire.StatusPending, Checks: []wire.Check{}}
	}
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, recordLineMax)
	number := 0
	for scan.Scan() {
		if number++; number > recordLinesMax {
			return nil, fail(number, fmt.Errorf("more than %d lines", recordLinesMax), "")
		}
		line, err := parseLine(scan.Bytes())
		if err != nil {
			if number > 1 && errors.Is(err, errUnknownLine) {
				continue
			}
			return nil, fail(number, err, "name a file that nexus launch -o json wrote")
		}
		if v, ok := line.(wire.VersionLine); ok != (number == 1) || ok && !strings.HasPrefix(v.Schema, "1.") {
			return nil, fail(number, fmt.Errorf("a recording begins with one version line of schema 1.x"), "replay it with the version that wrote it")
		}
		if !fold(&now, line) {
			return nil, fail(number, fmt.Errorf("names a phase that is not there"), "")
		}
		now.Seq++
		picture := now
		r.pictures = append(r.pictures, &picture)
	}
	if err := scan.Err(); err != nil {
		return nil, fail(number+1, err, "")
	}
	if number == 0 {
		return nil, fail(1, fmt.Errorf("the file is empty"), "name a file that nexus launch -o json wrote")
	}
	return r, nil
}

// fold takes one line into the picture; false when it names a phase out of range. Slices are never changed in place: earlier pictures
// keep theirs.
func fold(o *wire.Overview, line any) bool {
	phase := func(n int) *wire.Phase {
		if n < 1 || n > wire.PhaseCount {
			return nil
		}
		return &o.Launch.Phases[n-1]
	}
	switch l := line.(type) {
	case wire.VersionLine:
		o.Time, o.Node.Version, o.Node.Started = l.Time, l.Version, l.Time
		o.Launch.Started, o.Launch.Status = l.Time, wire.StatusRunning
	case wire.PhaseStartedLine:
		p := phase(l.Phase)
		if p == nil {
			return false
		}
		o.Time, p.Started, p.Status, p.Reason, p.Checks = l.Time, l.Time, wire.StatusRunning, "", []wire.Check{}
	case wire.PhaseCheckLine:
		p := phase(l.Phase)
		if p == nil {
			return false
		}
		o.Time = l.Time
		p.Checks = append(p.Checks[:len(p.Checks):len(p.Checks)], wire.Check{Name: l.Check, Status: l.Status, Value: l.Value, Unit: l.Unit, Limit: l.Limit,
			Bound: l.Bound, Detail: l.Detail, Remedy: l.Remedy})
	case wire.PhaseFinishedLine:
		p := phase(l.Phase)
		if p == nil {
			return false
		}
		o.Time, p.Status, p.Reason, p.DurationMs = l.Time, l.Status, l.Reason, l.DurationMs
	case wire.LaunchFinishedLine:
		o.Time, o.Launch.Status, o.Launch.Report, o.Node.Addresses = l.Time, l.Status, l.Report, l.Addresses
		o.Node.State = map[string]string{wire.StatusPassed: wire.NodeServing, wire.StatusDegraded: wire.NodeDegraded}[l.Status]
		if o.Node.State == "" {
			o.Node.State = wire.NodeFailed
		}
		o.Launch.DurationMs = l.DurationMs
		return true
	}
	o.Launch.DurationMs = max(0, o.Time.Sub(o.Launch.Started).Milliseconds())
	return true
}

func replayIdentity() wire.Identity {
	return wire.Identity{Name: "replay", ReadOnly: true, Roles: []string{}, Source: "a recording"}
}

// showReplay shows a recording; without a terminal, or with --plain, as lines.
func (a *app) showReplay(ctx context.Context, path string) error {
	r, err := readRecording(path)
	if err != nil {
		return err
	}
	if ok, why := a.interactive(); !ok || a.conf.yes("plain") {
		if !ok && !a.conf.yes("plain") {
			a.say("printing lines, as with --plain: %s", why)
		}
		session, end := context.WithCancel(ctx)
		defer end()
		r.done = end
		_, err := tui.Plain(session, tui.PlainOptions{Backend: r, Out: a.out, Recorded: true, Now: a.now})
		return err
	}
	o, err := a.consoleOptions(&backend{app: a}, false)
	if err != nil {
		return err
	}
	r.pace = true
	o.Backend, o.ReadOnly, o.Commands, o.Guide = r, true, nil, nil
	_, err = tui.Run(ctx, o)
	return err
}

// Watch implements tui.Backend: the pictures at the recording's pace, long pauses cut; then the last one stays.
func (r *recording) Watch(ctx context.Context, show func(*wire.Overview)) error {
	for i, o := range r.pictures {
		if i > 0 && r.pace {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(min(o.Time.Sub(r.pictures[i-1].Time), replayPauseMax)):
			}
		}
		show(o)
	}
	r.done()
	<-ctx.Done()
	return nil
}

// none is the answer to whatever only a node knows.
func (r *recording) none(what string) error {
	return nexus.Errf("replay", nexus.CodeUnavailable, what, "attach to the node: nexus console", "%s is a recording of a launch, and holds no more than that",
		filepath.Base(r.path))
}

// Decision and those after it implement tui.Backend: a recording cannot answer.
func (r *recording) Decision(context.Context, uint64) (wire.Decision, error) {
	return wire.Decision{}, r.none("decision")
}

// Proof implements tui.Backend.
func (r *recording) Proof(context.Context, string, string) (wire.Proof, error) {
	return wire.Proof{}, r.none("proof")
}

// Unit implements tui.Backend.
func (r *recording) Unit(context.Context, string) (wire.UnitDetail, error) {
	return wire.UnitDetail{}, r.none("unit")
}

// UnitEntries implements tui.Backend.
func (r *recording) UnitEntries(context.Context, string) (wire.UnitEntries, error) {
	return wire.UnitEntries{}, r.none("entries")
}

// Entries implements tui.Backend.
func (r *recording) Entries(context.Context) (wire.Entries, error) {
	return wire.Entries{}, r.none("entries")
}

// EntryProof implements tui.Backend.
func (r *recording) EntryProof(context.Context, uint64) (wire.EntryProof, error) {
	return wire.EntryProof{}, r.none("entry")
}

// GateDecisions implements tui.Backend.
func (r *recording) GateDecisions(context.Context, int) (wire.Decisions, error) {
	return wire.Decisions{}, r.none("decisions")
}

// Slice implements tui.Backend.
func (r *recording) Slice(context.Context, string) (wire.SliceDetail, error) {
	return wire.SliceDetail{}, r.none("slice")
}

// Units implements tui.Backend.
func (r *recording) Units(context.Context) (wire.Units, error) { return wire.Units{}, r.none("units") }

// Tallies implements tui.Backend.
func (r *recording) Tallies(context.Context) (wire.Tally, error) {
	return wire.Tally{}, r.none("tallies")
}

// Home implements tui.Backend.
func (r *recording) Home(context.Context) (wire.Home, error) { return wire.Home{}, r.none("home") }

// Audit implements tui.Backend.
func (r *recording) Audit(context.Context) (wire.AuditReport, error) {
	return wire.AuditReport{}, r.none("audit")
}

// Log implements tui.Backend.
func (r *recording) Log(context.Context, int64) (wire.LogPage, error) {
	return wire.LogPage{}, r.none("log")
}

// SetReadOnly implements tui.Backend: a recording is read-only always.
func (r *recording) SetReadOnly(bool) {}

// RerunPhase implements tui.Backend.
func (r *recording) RerunPhase(context.Context, int) error { return r.none("phase") }

// Stop implements tui.Backend.
func (r *recording) Stop(context.Context) error { return r.none("node") }

// CreateUnit implements tui.Backend.
func (r *recording) CreateUnit(context.Context, wire.UnitCreate) (wire.UnitCreated, error) {
	return wire.UnitCreated{}, r.none("unit")
}

// DryRun implements tui.Backend.
func (r *recording) DryRun(context.Context, wire.UnitCreate) ([]wire.Verdict, error) {
	return nil, r.none("gates")
}

// Identity implements tui.Backend.
func (r *recording) Identity() wire.Identity { return replayIdentity() }
