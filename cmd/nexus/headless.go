package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/launch"
)

// heartbeatEvery is how long a launch may say nothing before it says what it waits for.
const heartbeatEvery = 10 * time.Second

// headless prints a launch without a screen: one line a change on stderr and the verdict on stdout, or JSON lines on stdout; on a
// CI service that folds its log, each phase as a section of its own. Silence is broken by a line that names the phases which
// have not ended. Safe for concurrent use.
type headless struct {
	app    *app
	ci     ciService
	ticker *time.Ticker
	ended  chan struct{}
	group  sync.WaitGroup

	mu       sync.Mutex // everything below
	said     time.Time
	began    time.Time
	phases   [wire.PhaseCount]phaseSoFar
	verdict  *wire.LaunchFinishedLine
	warnings int
	errors   int
}

// phaseSoFar is what the lines said of one phase.
type phaseSoFar struct {
	started  time.Time
	finished *wire.PhaseFinishedLine
	checks   []wire.PhaseCheckLine
	held     []string // lines of its section, until it ends
}

// newHeadless begins to watch for silence; stop ends that.
func (a *app) newHeadless() *headless {
	h := &headless{app: a, ci: ciService{kind: detectCI(a.getenv), getenv: a.getenv}, ticker: time.NewTicker(heartbeatEvery / 10),
		ended: make(chan struct{}), said: a.now(), began: a.now()}
	if a.conf.json() {
		h.ci.kind = ciNone // stdout is for programs, and sections of stderr would hold nothing
	}
	h.group.Go(func() {
		for {
			select {
			case <-h.ended:
				return
			case <-h.ticker.C:
				h.beat()
			}
		}
	})
	return h
}

// stop ends the heartbeat; may be called again. Lines after it are printed all the same.
func (h *headless) stop() {
	h.mu.Lock()
	select {
	case <-h.ended:
	default:
		close(h.ended)
		h.ticker.Stop()
	}
	h.mu.Unlock()
	h.group.Wait()
}

// line prints one line of the launch.
func (h *headless) line(line any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.note(line)
	a := h.app
	if a.conf.json() {
		if b, err := json.Marshal(line); err == nil {
			fmt.Fprintln(a.out, string(b))
			h.said = a.now()
		}
	} else {
		h.text(line)
	}
	if last, ok := line.(wire.LaunchFinishedLine); ok {
		h.verdict = &last
		if err := h.ci.finish(h.phases, last); err != nil {
			a.say("%v", err)
		}
	}
}

// note keeps what a heartbeat and a summary need.
func (h *headless) note(line any) {
	switch l := line.(type) {
	case wire.PhaseStartedLine:
		h.phases[l.Phase-1] = phaseSoFar{started: h.app.now()}
	case wire.PhaseCheckLine:
		p := &h.phases[l.Phase-1]
		p.checks = append(p.checks, l)
	case wire.PhaseFinishedLine:
		h.phases[l.Phase-1].finished = &l
	}
}

// text prints a line for people. On a CI service checks wait for the end of their phase: phases run side by side, and sections
// cannot.
func (h *headless) text(line any) {
	words := launch.Plain(line)
	if words == "" {
		return
	}
	a := h.app
	switch l := line.(type) {
	case wire.LaunchFinishedLine:
		fmt.Fprintln(a.out, clean(words))
	case wire.PhaseCheckLine:
		if h.ci.kind != ciNone {
			h.phases[l.Phase-1].held = append(h.phases[l.Phase-1].held, h.ci.inert(words))
			return // nothing was said
		}
		fmt.Fprintln(a.err, clean(words))
	case wire.PhaseFinishedLine:
		if h.ci.kind != ciNone {
			p := &h.phases[l.Phase-1]
			h.print(h.ci.section(l, p.held, a.now()))
			h.print(h.annotations(p))
			p.held = nil
			break
		}
		fmt.Fprintln(a.err, clean(words))
	default:
		fmt.Fprintln(a.err, h.ci.inert(words))
	}
	h.said = a.now()
}

func (h *headless) print(lines []string) {
	for _, l := range lines {
		fmt.Fprintln(h.app.err, l)
	}
}

// annotations are the service's own marks for what a phase found; the log shows ten of a kind, so more are not made.
func (h *headless) annotations(p *phaseSoFar) []string {
	var out []string
	for _, c := range p.checks {
		switch {
		case c.Status == wire.StatusFailed && h.errors < annotationsMax:
			h.errors++
			out = append(out, h.ci.annotation("error", c)...)
		case c.Status == wire.StatusDegraded && h.warnings < annotationsMax:
			h.warnings++
			out = append(out, h.ci.annotation("warning", c)...)
		}
	}
	return out
}

// beat breaks a silence.
func (h *headless) beat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.app.now()
	if h.verdict != nil || now.Sub(h.said) < heartbeatEvery {
		return
	}
	h.said = now
	fmt.Fprintln(h.app.err, h.ci.inert(h.waiting(now)))
}

// waiting names what is missing: the phases that run with what they have shown so far and how long they may take, and those
// that wait for others.
func (h *headless) waiting(now time.Time) string {
	ended, running, later := 0, []string(nil), []string(nil)
	for i, spec := range launch.Phases() {
		p := &h.phases[i]
		switch {
		case p.finished != nil:
			ended++
		case p.started.IsZero():
			var needs []string
			for _, n := range spec.Needs {
				if h.phases[n-1].finished == nil {
					needs = append(needs, wire.PhaseNames()[n-1].Name)
				}
			}
			word := spec.Name
			if len(needs) > 0 {
				word += " (needs " + strings.Join(needs, ", ") + ")"
			}
			later = append(later, word)
		default:
			word := fmt.Sprintf("%s for %.0f s of %.0f s, %d checks so far", spec.Name, now.Sub(p.started).Seconds(), spec.Timeout.Seconds(),
				len(p.checks))
			if n := len(p.checks); n > 0 {
				word += ", last: " + p.checks[n-1].Check
			}
			running = append(running, word)
		}
	}
	text := fmt.Sprintf("waiting %.0f s: %d of %d phases have ended", now.Sub(h.began).Seconds(), ended, wire.PhaseCount)
	if len(running) > 0 {
		text += "; running: " + strings.Join(running, "; ")
	}
	if len(later) > 0 {
		text += "; not begun: " + strings.Join(later, ", ")
	}
	return text
}
