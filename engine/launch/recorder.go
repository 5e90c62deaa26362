package launch

import (
	"errors"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// Recorder takes one phase's checks. Safe for concurrent use.
type Recorder struct {
	r       *Runner
	phase   int
	skipped string // guarded by r.mu
}

// Check records one check and emits its line.
func (c *Recorder) Check(check wire.Check) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	res := &c.r.results[c.phase-1]
	res.Checks = append(res.Checks, check)
	c.r.emit(wire.PhaseCheckLine{Type: wire.LinePhaseCheck, Phase: c.phase, Check: check.Name, Status: check.Status, Value: check.Value,
		Unit: check.Unit, Limit: check.Limit, Bound: check.Bound, Detail: check.Detail, Remedy: check.Remedy, Time: time.Now().UTC()})
}

// Pass records a passed check without a number.
func (c *Recorder) Pass(name, detail string) {
	c.Check(wire.Check{Name: name, Status: wire.StatusPassed, Detail: detail})
}

// Fail records a failed check with the way out.
func (c *Recorder) Fail(name, detail, remedy string) {
	c.Check(wire.Check{Name: name, Status: wire.StatusFailed, Detail: detail, Remedy: remedy})
}

// Degrade records something that is not there or not as it should be, and does not stop the launch.
func (c *Recorder) Degrade(name, detail, remedy string) {
	c.Check(wire.Check{Name: name, Status: wire.StatusDegraded, Detail: detail, Remedy: remedy})
}

// Require records passed or failed by a condition that was measured.
func (c *Recorder) Require(ok bool, name, detail, remedy string) bool {
	if ok {
		c.Pass(name, detail)
	} else {
		c.Fail(name, detail, remedy)
	}
	return ok
}

// AtMost records a number with its upper limit.
func (c *Recorder) AtMost(name string, value, limit float64, unit, detail, remedy string) {
	check := wire.Check{Name: name, Status: wire.StatusPassed, Value: &value, Unit: unit, Limit: &limit, Bound: wire.BoundMost, Detail: detail}
	if value > limit {
		check.Status, check.Remedy = wire.StatusFailed, remedy
	}
	c.Check(check)
}

// Count records a number that must equal what is wanted.
func (c *Recorder) Count(name string, value, want int, unit, detail, remedy string) {
	v, w := float64(value), float64(want)
	check := wire.Check{Name: name, Status: wire.StatusPassed, Value: &v, Unit: unit, Limit: &w, Bound: wire.BoundEqual, Detail: detail}
	if value != want {
		check.Status, check.Remedy = wire.StatusFailed, remedy
	}
	c.Check(check)
}

// Error records an error as a failed check, its hint as the remedy.
func (c *Recorder) Error(name string, err error) {
	remedy := "see nexus logs"
	var e *nexus.Error
	if errors.As(err, &e) && e.Hint != "" {
		remedy = e.Hint
	}
	c.Fail(name, err.Error(), remedy)
}

// Skip says that the phase does not run, and why. A phase with checks cannot be skipped any more.
func (c *Recorder) Skip(reason string) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.skipped = reason
}

// status sums the checks up; callers hold r.mu. No check at all and no reason is a failure: nothing was shown.
func (c *Recorder) status(checks []wire.Check) (status, reason string) {
	if c.skipped != "" {
		return wire.StatusSkipped, c.skipped
	}
	if len(checks) == 0 {
		return wire.StatusFailed, "no check ran"
	}
	status = wire.StatusPassed
	for _, ch := range checks {
		switch {
		case ch.Status == wire.StatusFailed && status != wire.StatusFailed:
			status, reason = wire.StatusFailed, ch.Name+": "+ch.Detail
		case ch.Status == wire.StatusDegraded && status == wire.StatusPassed:
			status, reason = wire.StatusDegraded, ch.Name+": "+ch.Detail
		}
	}
	return status, reason
}
