package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sort"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/bench/edge"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/proof"
)

// Suite network-slices. Rule: a slice's promise holds beside a flood, and a session loses nothing when its edge goes. Reason: an
// edge that only says so is a label. Everything is measured at edge processes that the suite starts itself, on this machine, beside
// the node's own; nothing passes through the node's gateway. SPEC sections 4 and 6.

const (
	guaranteeLeast = 98.0 // percent of the guaranteed rate, over windows of 2 s
	overshootMost  = 2.0  // percent of the ceiling, worst window
	neighbourP99Ms = 10.0 // of an interactive tenant while a neighbour floods
	quietP99Ms     = 2.0  // of the same without a proxy and without a flood; above it others keep the machine busy
	quietGapMs     = 3.0  // of a session without hand-offs; above it the machine is too busy for a verdict; messages come every millisecond
	// othersMostPercent is what other programs may take of all processors on a machine that counts as quiet.
	othersMostPercent = 10.0

	floodDuration   = 2 * time.Second
	slicesRemedy    = "see nexus slices top for the load, and nexus bench edge for every flood beside other proxies"
	slicesEdges     = 3
	noProcessRemedy = "run it through nexus launch, whose binary can be an edge process"
)

// handOffsWanted are the hand-offs of each kind, in the order of proof.HandOffs.
var handOffsWanted = []int{50, 50, 5, 3}

func networkSlices(ctx context.Context, s *session) error {
	if s.env.Binary == "" {
		s.skip("edge processes", "this node was started from a program that cannot be an edge process", noProcessRemedy)
		return nil
	}
	dir, err := os.MkdirTemp("", "nexus-slices-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := s.handOffs(ctx, dir); err != nil {
		return err
	}
	return s.floods(ctx, dir)
}

// skip records a check that could not be judged; it counts as none passed.
func (s *session) skip(name, detail, remedy string) {
	s.checks = append(s.checks, wire.Check{Name: name, Status: wire.StatusSkipped, Detail: detail, Remedy: remedy})
}

// handOffs takes a session through every way to leave its edge.
func (s *session) handOffs(ctx context.Context, dir string) error {
	f, err := proof.StartFleet(ctx, proof.FleetConfig{Dir: dir, Edges: slicesEdges, Edge: func(home, name string) *exec.Cmd {
		return exec.Command(s.env.Binary, "slices", "edge", "--home", home, "--name", name, "--tls-listen", "", "-o", "json", "--data-dir", dir)
	}})
	if err != nil {
		return err
	}
	defer f.Close()
	baseline := 0.0
	for i, h := range proof.HandOffs() {
		gaps, report, err := h.Measure(ctx, f, handOffsWanted[i])
		if err != nil && nexus.CodeOf(err) != nexus.CodeInternal { // CodeInternal is the checker's, judged next
			return fmt.Errorf("%s: %w", h.Name, err)
		}
		s.require(report.Clean(), "messages, "+h.Name, fmt.Sprintf("%d down and %d up over %d hand-offs: %s", report.DownSent, report.UpSent,
			len(gaps), word(report.Clean())), "report this with the node's log")
		p99 := p99Ms(gaps)
		if h.Target == 0 {
			baseline = p99
			continue
		}
		// A planned gap is a few beats of the messages; a machine that pauses longer than that by itself cannot show it.
		s.latency("gap p99, "+h.Name, p99, float64(h.Target.Milliseconds()), baseline, quietGapMs,
			fmt.Sprintf("%d hand-offs; without one the longest gap is %.1f ms at p99", len(gaps), baseline))
	}
	return nil
}

func word(clean bool) string {
	if clean {
		return "none lost, repeated or reordered"
	}
	return "some lost, repeated or reordered"
}

// latency judges a latency in milliseconds. Above its limit it is a failure on a quiet machine, and no verdict on a busy one.
func (s *session) latency(name string, value, limit, baseline, quiet float64, detail string) {
	if value > limit && baseline > quiet {
		s.skip(name, fmt.Sprintf("%.1f ms, limit %.1f, no verdict: %s; this machine is too busy", value, limit, detail), "run it again on a quiet machine")
		return
	}
	s.atMost(name, value, limit, "ms", detail, slicesRemedy)
}

func p99Ms(gaps []time.Duration) float64 {
	if len(gaps) == 0 {
		return 0
	}
	sort.Slice(gaps, func(i, j int) bool { return gaps[i] < gaps[j] })
	return float64(gaps[min(len(gaps)-1, len(gaps)*99/100)].Microseconds()) / 1000
}

// floods measures an edge process of the suite's own, with contracts in force.
func (s *session) floods(ctx context.Context, dir string) error {
	report, err := edge.Alone(ctx, edge.Options{Dir: dir, Binary: s.env.Binary, Runs: 1, Duration: floodDuration, Progress: io.Discard})
	if err != nil {
		return err
	}
	judged := s.judge(report)
	if judged == 0 {
		return errors.New("the edge was not measured: " + strings.TrimSpace(fmt.Sprint(len(report.Cases), " cases")))
	}
	return nil
}

// judge records a check for each case that has a limit, and gives how many there were.
func (s *session) judge(report edge.Report) (judged int) {
	idle := 0.0
	for _, c := range report.Cases {
		value, _, p99, _ := c.Medians()
		latencyMs := float64(p99) / 1000
		switch c.Kind {
		case edge.KindBaseline:
			idle = latencyMs
		case edge.KindFlood:
			judged++
			relay, others := c.Meanwhile()
			s.beside(c.Flood, latencyMs, machine{relayMs: float64(relay) / 1000, others: others, idleMs: idle}, c.Note)
		case edge.KindGuarantee:
			judged++
			s.number(value >= guaranteeLeast, "guaranteed rate kept", value, guaranteeLeast, wire.BoundLeast, "%", c.Note, slicesRemedy)
		case edge.KindCeiling:
			judged++
			s.atMost("ceiling overshoot, worst window", value, overshootMost, "%", c.Note, slicesRemedy)
		}
	}
	return judged
}

// machine is what this machine could do at the moment of a flood, without the gateway.
type machine struct {
	relayMs float64 // p99 of the same tenant in the same seconds through a relay that is not flooded
	others  float64 // percent of all processors that other programs took in these seconds
	idleMs  float64 // p99 of the tenant at the backend alone, before the floods
}

// busy reports whether others than the suite keep the machine busy. Nothing that the gateway does moves it: beside its flood the relay waits too, for the
// processors that a bad gateway burns, so by the relay alone the worst gateway would be blamed for nothing.
func (m machine) busy() bool { return m.others > othersMostPercent || m.idleMs > quietP99Ms }

// keeps reports whether the machine itself could keep so many milliseconds.
func (m machine) keeps(ms float64) bool { return !m.busy() || m.relayMs <= ms }

// beside judges a tenant's p99 beside a flood in milliseconds. On a machine that others keep busy there is no verdict where the machine itself is above the
// limit; and where it takes more than half of it by itself, a gateway that is above it is not blamed.
func (s *session) beside(flood string, value float64, m machine, note string) {
	name := "tenant's p99 beside " + flood
	detail := fmt.Sprintf("200 requests a second; in the same seconds through a relay that is not flooded %.1f ms, other programs at %.0f %% of the processors; "+
		"idle and without proxy %.1f ms; %s", m.relayMs, m.others, m.idleMs, note)
	if !m.keeps(neighbourP99Ms) || value > neighbourP99Ms && !m.keeps(neighbourP99Ms/2) {
		s.skip(name, fmt.Sprintf("%.1f ms, limit %.1f, no verdict: %s; this machine is too busy", value, neighbourP99Ms, detail), "run it again on a quiet machine")
		return
	}
	s.atMost(name, value, neighbourP99Ms, "ms", detail, slicesRemedy)
}
