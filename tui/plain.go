package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// PlainOptions are what Plain needs.
type PlainOptions struct {
	Backend Backend
	Out     io.Writer
	// UntilLaunched ends Plain once the node's launch has ended.
	UntilLaunched bool
	// Recorded says that it is a launch shown again: all of it is told, and nothing of how to act.
	Recorded bool
	// In takes command lines while changes are told, and its end leaves; Commands runs them. Nil: none are taken. A read of In that is under
	// way when Plain returns is not waited for.
	In       io.Reader
	Commands Commands
	// ReadOnly disables every act. It is implied by an identity that cannot sign.
	ReadOnly bool
	Now      func() time.Time // time.Now when nil
}

// plainWelcome ends the first lines, where whoever listens to them is.
const plainWelcome = "console: from here on a line for each change; ctrl-c leaves, the node goes on; act with nexus VERB in another session"

// plainPace is the shortest time between two groups of lines, so that a screen reader keeps up.
const plainPace = time.Second

// Plain prints what changes as lines: no cursor movement, colour, box or bar, one word for the kind of thing first. It
// is the accessible form of the console. It returns when ctx ends, when the reader leaves, or the launch ends with UntilLaunched; a node that is
// lost is said and waited for.
func Plain(ctx context.Context, o PlainOptions) (Result, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	session, end := context.WithCancel(ctx)
	defer end()
	feed, printer := newFeed(o.Backend, o.Now), &Printer{launches: o.UntilLaunched || o.Recorded}
	result, failed := Result{Quit: QuitLost}, error(nil)
	var group sync.WaitGroup
	group.Go(func() { feed.watch(session) })
	input, over := context.WithCancel(session) // ends with what is typed
	defer over()
	typed, asks := o.takesLines(session, over)
	say := func(lines []string) {
		for _, line := range lines {
			n, err := fmt.Fprintln(o.Out, line)
			result.Bytes, failed = result.Bytes+uint64(n), errors.Join(failed, err)
		}
	}
	var last time.Time
	begun := false
	for session.Err() == nil && failed == nil {
		select {
		case <-session.Done():
		case line, ok := <-typed:
			if ok {
				say(asks.answer(input, line))
			}
			if !ok || asks.left {
				result.Quit = QuitDetach
				end()
			}
			continue
		case <-feed.wake:
			sleep(session, plainPace-time.Since(last))
		}
		last = time.Now()
		picture := feed.take()
		said := append(printer.ownLines(session, o, picture), printer.lines(picture)...)
		if !begun && len(said) > 0 && !printer.launches {
			begun = true
			said = append(said, o.welcome())
		}
		say(said)
		if asks.now = picture; picture.overview != nil {
			result.Seen = picture.overview.Launch
			result.Launch = result.Seen.Status
			if o.UntilLaunched && ended(result.Launch) {
				result.Quit = QuitDetach
				end()
			}
		}
	}
	end()
	group.Wait()
	if o.Recorded && failed == nil { // the end of a recording may come before its last pictures were told
		say(printer.lines(feed.take()))
	}
	if failed != nil {
		return result, &nexus.Error{Op: "plain", Code: nexus.CodeUnavailable, Subject: "output", Cause: failed}
	}
	return result, nil
}

// ownLines ask for the home of whoever operates nothing, and say what changed there. A home that is not told is asked for with the next picture.
func (p *Printer) ownLines(ctx context.Context, o PlainOptions, now picture) []string {
	if now.lost || now.overview == nil || o.UntilLaunched || operates(now.overview) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	home, err := o.Backend.Home(ctx)
	if err != nil {
		if ctx.Err() != nil || p.refused == err.Error() {
			return nil
		}
		p.refused = err.Error()
		return []string{"home: " + theme.Clean(describe(err))}
	}
	p.refused = ""
	return p.Home(&home)
}

func ended(status string) bool {
	return status == wire.StatusPassed || status == wire.StatusFailed || status == wire.StatusDegraded
}

// Printer turns successive snapshots into lines that say what changed. It is not safe for concurrent use.
type Printer struct {
	last    *wire.Overview
	lost    bool
	phases  [wire.PhaseCount]string
	checks  [wire.PhaseCount]int
	slices  map[string]string
	newest  uint64
	alerts  time.Time
	refused string            // why the home was not told, as last said
	said    map[string]string // of the home, by what it is about
	now     map[string]string
	// launches says that the launch is what is watched: one that was over at the beginning is told whole too.
	launches bool
}

// lines says what changed in a picture: first whether the node is there.
func (p *Printer) lines(now picture) []string {
	var out []string
	if now.lost {
		if !p.lost {
			out = append(out,
				"node: lost at "+now.lostAt.UTC().Format("15:04:05")+", reconnecting: "+theme.Clean(describe(now.cause)))
		}
		p.lost = true
		return out
	}
	if p.lost {
		p.lost, out = false, append(out, "node: answers again")
	}
	return append(out, p.Print(now.overview)...)
}

// Print gives the lines between the snapshot before and o, alerts first. The same snapshot again gives none.
func (p *Printer) Print(o *wire.Overview) []string {
	if o == nil || o == p.last {
		return nil
	}
	var out []string
	first := p.last == nil
	own := !operates(o) // whose matter is their own units, not how the node came up and what it is made of
	if first || p.last.Node.State != o.Node.State {
		out = append(out, fmt.Sprintf("node: %s is %s, cluster %s", theme.Clean(o.Node.Name), o.Node.State, o.Node.Cluster))
	}
	out = append(out, p.alertLines(o)...)
	if !own {
		out = append(out, p.launchLines(&o.Launch)...)
	}
	out = append(out, p.decisionLines(o)...)
	out = append(out, p.sliceLines(o)...)
	if !own {
		out = append(out, p.splitLines(o)...)
		out = append(out, p.memberLines(o)...)
	}
	p.last = o
	return out
}

func (p *Printer) alertLines(o *wire.Overview) []string {
	var out []string
	for i := len(o.Alerts) - 1; i >= 0; i-- {
		a := &o.Alerts[i]
		if !a.Time.After(p.alerts) {
			continue
		}
		p.alerts = a.Time
		line := "alert: " + a.Level + ": " + theme.Clean(a.Text)
		if a.Unit != "" {
			line += ", unit " + theme.Clean(a.Unit)
		}
		if a.Fix != "" {
			line += "; fix: " + theme.Clean(a.Fix)
		}
		out = append(out, line)
	}
	return out
}

// launchLines tells checks and phases as they end. Of a launch that was over before the first snapshot only what did not pass is told, for
// whoever comes to a node that serves: its some 200 checks stand in its report.
func (p *Printer) launchLines(launch *wire.Launch) []string {
	var out []string
	past := p.last == nil && ended(launch.Status) && !p.launches
	passed := 0
	for i := range launch.Phases {
		ph := &launch.Phases[i]
		if len(ph.Checks) < p.checks[i] { // run again
			p.checks[i] = 0
		}
		for _, c := range ph.Checks[p.checks[i]:] {
			if !past || c.Status == wire.StatusFailed || c.Status == wire.StatusDegraded {
				out = append(out, checkSentence(i+1, &c))
			}
		}
		p.checks[i] = len(ph.Checks)
		if ph.Status == p.phases[i] || ph.Status == wire.StatusPending || ph.Status == "" {
			continue
		}
		p.phases[i] = ph.Status
		if past && ph.Status == wire.StatusPassed {
			passed++
			continue
		}
		line := fmt.Sprintf("phase %d of %d: %s %s", i+1, wire.PhaseCount, ph.Name, ph.Status)
		if ph.Status != wire.StatusRunning && ph.DurationMs > 0 {
			line += fmt.Sprintf(" in %d ms", ph.DurationMs)
		}
		if ph.Reason != "" {
			line += ": " + theme.Clean(ph.Reason)
		}
		out = append(out, line)
	}
	if ended(launch.Status) && (p.last == nil || p.last.Launch.Status != launch.Status) {
		line := fmt.Sprintf("launch: %s in %d ms", launch.Status, launch.DurationMs)
		if launch.Report != "" {
			line += ", report " + theme.Clean(launch.Report)
		}
		if past {
			line += fmt.Sprintf("; %d of %d phases passed, nexus report show has every check", passed, wire.PhaseCount)
		}
		out = append(out, line)
	}
	return out
}

func checkSentence(phase int, c *wire.Check) string {
	line := fmt.Sprintf("check in phase %d: %s %s", phase, theme.Clean(c.Name), c.Status)
	if figure := c.Figure(); figure != "" {
		line += ", " + theme.Clean(figure)
	}
	if c.Detail != "" {
		line += ", " + theme.Clean(c.Detail)
	}
	if c.Remedy != "" {
		line += "; fix: " + theme.Clean(c.Remedy)
	}
	return line
}

// decisionLines groups allows into a count and tells every denial that is in the snapshot.
func (p *Printer) decisionLines(o *wire.Overview) []string {
	if len(o.Decisions) == 0 {
		return nil
	}
	since, allowed, denied := p.newest, 0, []string(nil)
	p.newest = max(p.newest, o.Decisions[0].Index)
	if p.last == nil {
		return []string{fmt.Sprintf("gates: %d decisions allowed, %d denied so far", o.DecisionsAllowed, o.DecisionsDenied)}
	}
	for i := len(o.Decisions) - 1; i >= 0; i-- {
		d := &o.Decisions[i]
		switch {
		case d.Index <= since:
		case d.Verdict == wire.VerdictAllow:
			allowed++
		default:
			denied = append(denied, fmt.Sprintf("denied: decision %d, gates %v, %s %s: %s; fix: %s", d.Index, d.Gates,
				theme.Clean(d.Action), theme.Clean(d.UnitLabel), theme.Clean(d.Reason), theme.Clean(d.Fix)))
		}
	}
	if allowed == 0 && len(denied) == 0 {
		return nil
	}
	return append([]string{fmt.Sprintf("gates: %d allowed, %d denied", allowed, len(denied))}, denied...)
}
