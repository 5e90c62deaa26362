package suite

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/slicing"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// Env is what the suites act on. All fields are required but Edge and Binary.
type Env struct {
	Engine *engine.Engine
	// Edge is the gateway's fabric on this node; nil when no gateway runs; the checks that need it are then
	// skipped and the suite is degraded.
	Edge   *slicing.Fabric
	Audit  func(context.Context) (wire.AuditReport, error)  // the stack scrub
	Verify func(context.Context) (wire.VerifyReport, error) // the node's own re-reading of its entries
	Node   nexus.Signer                                     // the node's key: makes probes and feeds them
	// Binary is the program that can be an edge process (nexus slices edge); "": none, and what needs one is skipped.
	Binary string
}

// Run runs suites in the order of SPEC section 6 and returns when their probes are retired. Without names it runs the
// four of launch phase 10; "all" means all five. The error is ctx's, or CodeUsage for a name that is no suite; a
// failing check is a result, not an error. Safe for concurrent use: every run makes probes of its own.
func Run(ctx context.Context, env Env, names []string) (wire.Suites, error) {
	out := wire.Suites{Suites: []wire.SuiteReport{}}
	chosen, err := choose(names)
	if err != nil {
		return out, err
	}
	for _, s := range chosen {
		if s.named && len(names) == 0 {
			out.Suites = append(out.Suites, wire.SuiteReport{Suite: s.name, Status: wire.StatusSkipped, Checks: []wire.Check{}, Started: time.Now().UTC(),
				Reason: "not run unless named, it floods edge processes of its own for a minute: nexus verify " + s.name})
			continue
		}
		report, err := runOne(ctx, env, s)
		if err != nil {
			return out, err
		}
		out.Suites = append(out.Suites, report)
		for _, c := range report.Checks {
			out.Checks++
			if c.Status == wire.StatusPassed {
				out.Passed++
			}
		}
	}
	return out, nil
}

// choose picks the suites named, each once, in the list's order.
func choose(names []string) ([]entry, error) {
	wanted := map[string]bool{}
	var known []string
	for _, s := range order() {
		known = append(known, s.name)
	}
	for _, name := range names {
		if name != All && !strings.Contains(" "+strings.Join(known, " ")+" ", " "+name+" ") {
			return nil, nexus.Errf("verify", nexus.CodeUsage, fmt.Sprintf("suite %q", name),
				"one of "+strings.Join(known, ", ")+" or all", "no such suite")
		}
		wanted[name] = true
	}
	var out []entry
	for _, s := range order() {
		if wanted[s.name] || wanted[All] || len(names) == 0 && s.phase {
			out = append(out, s)
		}
	}
	return out, nil
}

func runOne(ctx context.Context, env Env, s entry) (wire.SuiteReport, error) {
	report := wire.SuiteReport{Suite: s.name, Status: wire.StatusSkipped, Checks: []wire.Check{},
		Started: time.Now().UTC()}
	if s.run == nil {
		report.Reason = "not built in this version: needs " + s.later
		return report, nil
	}
	return runSession(ctx, newSession(env, s.name), s, report)
}

func runSession(ctx context.Context, ses *session, s entry, report wire.SuiteReport) (wire.SuiteReport, error) {
	if err := ses.whole(ctx, s.run); err != nil {
		return report, err
	}
	report.Checks, report.DurationMs = ses.checks, time.Since(report.Started).Milliseconds()
	report.Status, report.Reason = sumUp(ses.checks)
	return report, nil
}

// sumUp gives a suite's status. A suite without a check showed nothing and has failed.
func sumUp(checks []wire.Check) (status, reason string) {
	if len(checks) == 0 {
		return wire.StatusFailed, "no check ran"
	}
	status = wire.StatusPassed
	for _, c := range checks {
		switch c.Status {
		case wire.StatusPassed:
		case wire.StatusSkipped:
			if status == wire.StatusPassed {
				status, reason = wire.StatusDegraded, c.Name+": "+c.Detail
			}
		default:
			return wire.StatusFailed, c.Name + ": " + c.Detail
		}
	}
	return status, reason
}

// wholeEntriesMax bounds the ledger that a suite recomputes as a whole.
const wholeEntriesMax = 1_000_000

// session is one run of one suite: what it found, and the probes it has to retire. It has one owner.
type session struct {
	env    Env
	suite  string
	seed   uint64 // of random; every failure names it
	random *rand.Rand
	checks []wire.Check
	probes []probe
	acts   []uint64 // indexes of the commands it made

	// What the suite reads and computes with; a test puts a liar in their place.
	store   engine.Reader
	stored  func() (engine.StoredBytes, error)
	formula func(gross *big.Int, percent int64) *big.Int
	replay  func(index uint64) (gates.Decision, bool, error)
	checker func(context.Context, verify.Source, verify.Options) (verify.Report, error)

	edgeWithin, scrubWithin time.Duration // how long reality may take to follow a decision
	tamperMax               uint64        // entries of the copy that is tampered with
}

func newSession(env Env, suite string) *session {
	s := &session{env: env, suite: suite, seed: rand.Uint64(), store: env.Engine.Store(), stored: env.Engine.Stored,
		formula: creatorTotal, replay: env.Engine.Replay, checker: verify.Run,
		edgeWithin: 5 * time.Second, scrubWithin: 5 * time.Second, tamperMax: tamperEntriesMax}
	s.random = rand.New(rand.NewPCG(s.seed, s.seed))
	return s
}

// whole runs the suite and then retires its probes, also when ctx has ended meanwhile.
func (s *session) whole(ctx context.Context, run func(context.Context, *session) error) error {
	before := s.desired()
	err := run(ctx, s)
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	s.retireAll(clean)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.broken("run to the end", err)
	}
	s.untouched(before)
	return nil
}

// require records passed or failed by what was seen.
func (s *session) require(ok bool, name, detail, remedy string) bool {
	c := wire.Check{Name: name, Status: wire.StatusPassed, Detail: detail}
	if !ok {
		c.Status, c.Remedy = wire.StatusFailed, remedy
	}
	s.checks = append(s.checks, c)
	return ok
}

// atMost records a number with its upper limit, equal one that must be hit exactly.
func (s *session) atMost(name string, value, limit float64, unit, detail, remedy string) bool {
	return s.number(value <= limit, name, value, limit, wire.BoundMost, unit, detail, remedy)
}

func (s *session) equal(name string, value, want int, unit, detail, remedy string) bool {
	return s.number(value == want, name, float64(value), float64(want), wire.BoundEqual, unit, detail, remedy)
}

func (s *session) number(ok bool, name string, value, limit float64, bound, unit, detail, remedy string) bool {
	c := wire.Check{Name: name, Status: wire.StatusPassed, Value: &value, Limit: &limit, Bound: bound, Unit: unit, Detail: detail}
	if !ok {
		c.Status, c.Remedy = wire.StatusFailed, remedy
	}
	s.checks = append(s.checks, c)
	return ok
}

// broken records that a check could not look: that is a failure, never a pass.
func (s *session) broken(name string, err error) {
	remedy := "see nexus logs"
	var e *nexus.Error
	if errors.As(err, &e) && e.Hint != "" {
		remedy = e.Hint
	}
	s.checks = append(s.checks, wire.Check{Name: name, Status: wire.StatusFailed, Detail: err.Error(), Remedy: remedy})
}
