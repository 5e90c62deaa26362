package bench

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sort"
	"syscall"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/proof"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/roam"
)

// sessionEvery is the beat of the messages: a gap cannot be shorter.
const sessionEvery = time.Millisecond

// Hand-offs of each kind in one run.
const (
	plannedMoves = 200
	killedEdges  = 20
	silentEdges  = 10
)

// sessionCase is one kind of hand-off: make it happen to the session's present edge, and give the moment when it began.
type sessionCase struct {
	name   string
	events int
	target time.Duration // for the 99th percentile; 0: none
	do     func(ctx context.Context, f *proof.Fleet, s *roam.Session) error
}

func sessionCases() []sessionCase {
	return []sessionCase{
		{"idle baseline, no hand-off", 100, 0, func(context.Context, *proof.Fleet, *roam.Session) error { return nil }},
		{"planned, make before break", plannedMoves, 5 * time.Millisecond, movePlanned},
		{"edge killed (SIGKILL)", killedEdges, 100 * time.Millisecond, func(ctx context.Context, f *proof.Fleet, s *roam.Session) error {
			return leaveEdge(ctx, f, s, syscall.SIGKILL)
		}},
		{"edge silent (SIGSTOP)", silentEdges, 500 * time.Millisecond, func(ctx context.Context, f *proof.Fleet, s *roam.Session) error {
			return leaveEdge(ctx, f, s, syscall.SIGSTOP)
		}},
	}
}

// sessionBench measures one live session over three real edge processes while numbered messages flow both ways; each case ends with
// the checker's verdict, and a message lost, repeated or reordered is an error.
func sessionBench(ctx context.Context, o Options) ([]Row, error) {
	f, err := proof.StartFleet(ctx, proof.FleetConfig{Dir: o.Dir, Edges: 3, Edge: func(home, name string) *exec.Cmd {
		return exec.Command(o.Binary, "slices", "edge", "--home", home, "--name", name, "--tls-listen", "", "-o", "json", "--data-dir", o.Dir)
	}})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var rows []Row
	for _, c := range sessionCases() {
		row, err := sessionRow(ctx, f, c, o)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", c.name, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func sessionRow(ctx context.Context, f *proof.Fleet, c sessionCase, o Options) (Row, error) {
	var gaps []time.Duration
	messages := uint64(0)
	for run := range o.Runs {
		more, report, err := sessionRun(ctx, f, c)
		if err != nil {
			return Row{}, err
		}
		gaps = append(gaps, more...)
		messages += report.DownSent + report.UpSent
		fmt.Fprintf(o.Progress, "session: %s: run %d of %d: %d hand-offs, %d messages\n", c.name, run+1, o.Runs, len(more), report.DownSent+report.UpSent)
	}
	sort.Slice(gaps, func(i, j int) bool { return gaps[i] < gaps[j] })
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	us := func(d time.Duration) float64 { return float64(d.Microseconds()) }
	at := func(q int) time.Duration { return gaps[min(len(gaps)-1, len(gaps)*q/100)] }
	verdict := ""
	if c.target > 0 {
		verdict = fmt.Sprintf("; budget p99 <= %v: met", c.target)
		if at(99) > c.target {
			verdict = fmt.Sprintf("; budget p99 <= %v: MISSED", c.target)
		}
	}
	return Row{Case: c.name, Value: us(at(50)), Min: us(gaps[0]), Max: us(gaps[len(gaps)-1]), Unit: "us gap", P50Ms: ms(at(50)), P99Ms: ms(at(99)),
		Runs: o.Runs, Detail: fmt.Sprintf("%d gaps; %d messages: 0 lost, 0 repeated, 0 reordered%s", len(gaps), messages, verdict)}, nil
}

// sessionRun is one session with its hand-offs.
func sessionRun(ctx context.Context, f *proof.Fleet, c sessionCase) ([]time.Duration, proof.Report, error) {
	s, err := f.Dial(ctx, f.Edges()[0], sessionEvery, roam.Options{MeasureEvery: -1})
	if err != nil {
		return nil, proof.Report{}, err
	}
	defer s.Close()
	run := proof.Start(ctx, s, sessionEvery)
	var gaps []time.Duration
	for range c.events {
		if err := flow(ctx, run); err != nil {
			return nil, proof.Report{}, err
		}
		begin := time.Now()
		if err := c.do(ctx, f, s); err != nil {
			return nil, proof.Report{}, err
		}
		if err := flow(ctx, run); err != nil {
			return nil, proof.Report{}, err
		}
		gaps = append(gaps, run.Gap(begin, time.Now()))
	}
	report, err := run.Finish(ctx)
	if err == nil && !report.Clean() {
		err = nexus.Errf("bench session", nexus.CodeInternal, c.name, "", "the checker found %+v", report)
	}
	return gaps, report, err
}

// flow waits until a few more messages have come.
func flow(ctx context.Context, run *proof.Run) error {
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

func movePlanned(ctx context.Context, f *proof.Fleet, s *roam.Session) error {
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
func leaveEdge(ctx context.Context, f *proof.Fleet, s *roam.Session, how syscall.Signal) error {
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
