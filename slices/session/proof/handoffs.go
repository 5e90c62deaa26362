package proof

import (
	"context"
	"errors"
	"syscall"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/roam"
)

// HandOffEvery is the beat of the messages while hand-offs are measured: a gap cannot be shorter.
const HandOffEvery = time.Millisecond

// HandOff is one way in which a session leaves its edge.
type HandOff struct {
	Name   string
	Target time.Duration // for the 99th percentile of the gap; 0: none
	do     func(ctx context.Context, f *Fleet, s *roam.Session) error
}

// HandOffs lists the ways: none (the idle baseline), asked to, edge killed, edge silent.
func HandOffs() []HandOff {
	leave := func(how syscall.Signal) func(context.Context, *Fleet, *roam.Session) error {
		return func(ctx context.Context, f *Fleet, s *roam.Session) error { return leaveEdge(ctx, f, s, how) }
	}
	return []HandOff{
		{"idle baseline, no hand-off", 0, func(context.Context, *Fleet, *roam.Session) error { return nil }},
		{"planned, make before break", 5 * time.Millisecond, movePlanned},
		{"edge killed (SIGKILL)", 100 * time.Millisecond, leave(syscall.SIGKILL)},
		{"edge silent (SIGSTOP)", 500 * time.Millisecond, leave(stopSignal)},
	}
}

// Measure takes one session through n hand-offs of a kind while numbered messages flow both ways, and gives the gap of each: the longest
// time without a delivery to the client around it. Errors: an edge that does not come up, a hand-off that does not happen within 30 s, and
// CodeInternal when the checker finds a message lost, repeated or reordered; the report has the numbers.
func (h HandOff) Measure(ctx context.Context, f *Fleet, n int) ([]time.Duration, Report, error) {
	s, err := f.Dial(ctx, f.Edges()[0], HandOffEvery, roam.Options{MeasureEvery: -1})
	if err != nil {
		return nil, Report{}, err
	}
	defer s.Close()
	run := Start(ctx, s, HandOffEvery)
	var gaps []time.Duration
	for range n {
		if err := flow(ctx, run); err != nil {
			return nil, Report{}, err
		}
		begin := time.Now()
		if err := h.do(ctx, f, s); err != nil {
			return nil, Report{}, err
		}
		if err := flow(ctx, run); err != nil {
			return nil, Report{}, err
		}
		gaps = append(gaps, run.Gap(begin, time.Now()))
	}
	report, err := run.Finish(ctx)
	if err == nil && !report.Clean() {
		err = nexus.Errf("hand-offs", nexus.CodeInternal, h.Name, "", "the checker found %+v", report)
	}
	return gaps, report, err
}

// flow waits until a few more messages have come.
func flow(ctx context.Context, run *Run) error {
	n := run.Received()
	return until(ctx, "messages come", func() bool { return run.Received() >= n+15 })
}

func until(ctx context.Context, what string, ok func() bool) error {
	limit := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(limit) {
			return errors.New("not within 30 s: " + what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

func movePlanned(ctx context.Context, f *Fleet, s *roam.Session) error {
	here := s.Edge()
	for _, e := range f.Edges() {
		if to := e.Address(); to != here {
			if err := f.Home.Move(s.ID(), []string{to}); err != nil {
				return err
			}
			return until(ctx, "the session has moved", func() bool { return s.Edge() == to })
		}
	}
	return errors.New("no other edge")
}

// leaveEdge makes the session's edge fail, waits until the session is elsewhere and puts a fresh edge in place of the failed one.
func leaveEdge(ctx context.Context, f *Fleet, s *roam.Session, how syscall.Signal) error {
	victim := f.At(s.Edge())
	if victim == nil {
		return errors.New("the session is at no edge of ours")
	}
	if err := victim.Signal(how); err != nil {
		return err
	}
	err := until(ctx, "the session has left the edge", func() bool { e := s.Edge(); return e != "" && e != victim.Address() })
	f.Kill(victim)
	if err != nil {
		return err
	}
	added, err := f.AddEdge(ctx)
	if err != nil {
		return err
	}
	return until(ctx, "the client knows the new edge", func() bool {
		for _, a := range s.Edges() {
			if a == added.Address() {
				return true
			}
		}
		return false
	})
}
