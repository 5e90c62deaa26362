// Package launch runs the twelve phases (SPEC section 2): a fixed list, executed as a graph of needs, each phase a set of
// named checks with measured values, ending with a signed report whose digest stands in the ledger.
//
// Promises: a phase is passed only when every check of it ran and passed; a check that could not run is not a check that
// passed; a console launch and a headless one run this same code and give the same lines. It must not start or stop
// anything by itself: what a phase needs done it asks of Env, which the node implements.
package launch

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// Phase is one of the twelve. Contract: Run records at least one check, or skips with a reason; it returns when
// everything it started for checking has ended; an error it returns becomes a failed check.
type Phase struct {
	Number    int
	Name      string
	Title     string
	Needs     []int
	Mandatory bool // cannot be skipped by request (1, 2, 6, 11, 12)
	Timeout   time.Duration
	Run       func(ctx context.Context, env Env, rec *Recorder) error
}

// Options of one launch.
type Options struct {
	Only    []int // nil: all; what they need runs too, and so do mandatory phases
	Skip    []int
	Version string
	// Emit gets each progress line (wire.VersionLine, PhaseStartedLine, PhaseCheckLine, PhaseFinishedLine) as it happens,
	// from one goroutine at a time.
	Emit func(line any)
}

// Runner holds the phases' latest results. Safe for concurrent use.
type Runner struct {
	env    Env
	opts   Options
	phases []Phase

	busy    atomic.Bool // phases run: two runs at once would start things twice and mix their results
	mu      sync.Mutex  // guards what follows, and serialises Emit
	results [wire.PhaseCount]wire.Phase
	started time.Time
	ended   time.Time
}

// New makes a runner over the twelve phases.
func New(env Env, opts Options) *Runner {
	opts.Only = withNeeds(opts.Only)
	r := &Runner{env: env, opts: opts, phases: Phases()}
	for i, p := range r.phases {
		r.results[i] = wire.Phase{Number: p.Number, Name: p.Name, Title: p.Title, Status: wire.StatusPending, Checks: []wire.Check{}}
	}
	return r
}

// withNeeds adds what the picked phases need, so that --only mini-platforms brings up an edge to bind them to.
func withNeeds(only []int) []int {
	phases := Phases()
	for i := 0; i < len(only); i++ {
		if only[i] < 1 || only[i] > len(phases) {
			continue
		}
		for _, n := range phases[only[i]-1].Needs {
			if !contains(only, n) {
				only = append(only, n)
			}
		}
	}
	return only
}

// Run executes all phases: each as soon as its needs have ended, those without common needs side by side. It returns the
// verdict of the phases; the report is phase 12's work.
func (r *Runner) Run(ctx context.Context) string {
	if done, err := r.Busy(); err == nil {
		defer done()
	}
	r.mu.Lock()
	r.started = time.Now()
	r.emit(wire.VersionLine{Type: wire.LineVersion, Version: r.opts.Version, Schema: wire.LaunchSchemaVersion, Time: r.started.UTC()})
	r.mu.Unlock()
	r.graph(ctx, func(Phase) bool { return true })
	r.mu.Lock()
	r.ended = time.Now()
	r.mu.Unlock()
	return Verdict(r.Results())
}

// Busy claims the phases until done is called. CodeConflict while they run.
func (r *Runner) Busy() (done func(), err error) {
	if !r.busy.CompareAndSwap(false, true) {
		return nil, nexus.Errf("rerun phase", nexus.CodeConflict, "launch", "wait until its phases have ended", "phases are running")
	}
	return func() { r.busy.Store(false) }, nil
}

// Rerun runs one phase again, and what depends on it. The caller holds Busy.
func (r *Runner) Rerun(ctx context.Context, number int) {
	again := map[int]bool{number: true}
	for changed := true; changed; {
		changed = false
		for _, p := range r.phases {
			for _, n := range p.Needs {
				if again[n] && !again[p.Number] {
					again[p.Number], changed = true, true
				}
			}
		}
	}
	r.mu.Lock()
	for i, p := range r.phases {
		if again[p.Number] {
			r.results[i].Status, r.results[i].Reason, r.results[i].Checks = wire.StatusPending, "", []wire.Check{}
		}
	}
	r.mu.Unlock()
	r.graph(ctx, func(p Phase) bool { return again[p.Number] })
}

// graph runs the picked phases in order of their needs. Phases 3 and 6 come before what needs them though their numbers
// say otherwise; the numbers are for people.
func (r *Runner) graph(ctx context.Context, pick func(Phase) bool) {
	done := make(map[int]chan struct{}, len(r.phases))
	for _, p := range r.phases {
		done[p.Number] = make(chan struct{})
		if !pick(p) {
			close(done[p.Number])
		}
	}
	var wg sync.WaitGroup
	for _, p := range r.phases {
		if !pick(p) {
			continue
		}
		wg.Go(func() {
			defer close(done[p.Number])
			for _, n := range p.Needs {
				<-done[n]
			}
			r.one(ctx, p)
		})
	}
	wg.Wait()
}

// one runs a phase or says why it does not.
func (r *Runner) one(ctx context.Context, p Phase) {
	rec := &Recorder{r: r, phase: p.Number}
	r.begin(p)
	start := time.Now()
	switch reason := r.blocked(p); {
	case reason != "":
		rec.Skip(reason)
	case ctx.Err() != nil:
		rec.Skip("interrupted")
	default:
		c, cancel := context.WithTimeout(ctx, p.Timeout)
		err := p.Run(c, r.env, rec)
		if err == nil && c.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("not done within %s", p.Timeout)
		}
		cancel()
		if err != nil {
			rec.Error(p.Name, err)
		}
	}
	r.finish(p, rec, time.Since(start))
}

// blocked gives the reason for which a phase does not run: a failed need, or the operator's wish.
func (r *Runner) blocked(p Phase) string {
	if on := r.env.LedgerOn(); on != "" && p.Number != 1 && p.Number != 3 {
		return "ledger is on " + on
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range p.Needs {
		need := &r.results[n-1]
		if need.Status == wire.StatusFailed || need.Status == wire.StatusSkipped && needFailed(need) {
			if p.Number != wire.PhaseCount { // the last phase reports on failures too
				return fmt.Sprintf("needs phase %d", n)
			}
		}
	}
	if p.Mandatory {
		return ""
	}
	if contains(r.opts.Skip, p.Number) {
		return "by request (--skip)"
	}
	if len(r.opts.Only) > 0 && !contains(r.opts.Only, p.Number) {
		return "by request (--only)"
	}
	return ""
}

// needFailed reports whether a phase was skipped because a need of its own failed.
func needFailed(p *wire.Phase) bool {
	var n int
	_, err := fmt.Sscanf(p.Reason, "needs phase %d", &n)
	return err == nil
}

func contains(list []int, n int) bool {
	for _, v := range list {
		if v == n {
			return true
		}
	}
	return false
}

func (r *Runner) begin(p Phase) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now().UTC()
	res := &r.results[p.Number-1]
	res.Status, res.Started, res.Checks = wire.StatusRunning, now, []wire.Check{}
	r.emit(wire.PhaseStartedLine{Type: wire.LinePhaseStarted, Phase: p.Number, Name: p.Name, Time: now})
}

func (r *Runner) finish(p Phase, rec *Recorder, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	res := &r.results[p.Number-1]
	res.Status, res.Reason = rec.status(res.Checks)
	res.DurationMs = took.Milliseconds()
	r.emit(wire.PhaseFinishedLine{Type: wire.LinePhaseFinished, Phase: p.Number, Name: p.Name, Status: res.Status, Reason: res.Reason,
		DurationMs: res.DurationMs, Time: time.Now().UTC()})
}

// emit hands a line on; callers hold mu.
func (r *Runner) emit(line any) {
	if r.opts.Emit != nil {
		r.opts.Emit(line)
	}
}

// Results gives a copy of the phases as they stand.
func (r *Runner) Results() [wire.PhaseCount]wire.Phase {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.results
	for i := range out {
		out[i].Checks = append([]wire.Check{}, out[i].Checks...)
	}
	return out
}

// State describes the launch for the console.
func (r *Runner) State() wire.Launch {
	l := wire.Launch{Phases: r.Results(), Status: wire.StatusRunning}
	r.mu.Lock()
	defer r.mu.Unlock()
	l.Started = r.started.UTC()
	if r.ended.IsZero() {
		if !r.started.IsZero() {
			l.DurationMs = time.Since(r.started).Milliseconds()
		} else {
			l.Status = wire.StatusPending
		}
		return l
	}
	l.DurationMs = r.ended.Sub(r.started).Milliseconds()
	l.Status = Verdict(l.Phases)
	return l
}

// Verdict of a set of phases: any failed = failed; else any degraded or skipped = degraded; else passed (SPEC section 2). A
// phase that has not ended makes it failed: nothing is passed that was not checked.
func Verdict(phases [wire.PhaseCount]wire.Phase) string {
	verdict := wire.StatusPassed
	for _, p := range phases {
		switch p.Status {
		case wire.StatusPassed:
		case wire.StatusDegraded, wire.StatusSkipped:
			if verdict == wire.StatusPassed {
				verdict = wire.StatusDegraded
			}
		default:
			verdict = wire.StatusFailed
		}
	}
	return verdict
}

// Finished counts the phases by status for the last line.
func Finished(phases [wire.PhaseCount]wire.Phase) wire.LaunchFinishedLine {
	l := wire.LaunchFinishedLine{Type: wire.LineLaunchFinished, Status: Verdict(phases), Time: time.Now().UTC()}
	for _, p := range phases {
		switch p.Status {
		case wire.StatusPassed:
			l.Passed++
		case wire.StatusDegraded:
			l.Degraded++
		case wire.StatusSkipped:
			l.Skipped++
		default:
			l.Failed++
		}
	}
	return l
}
