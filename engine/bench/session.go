package bench

import (
	"context"
	"fmt"
	"os/exec"
	"sort"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/session/proof"
)

// handOffsPerRun are the hand-offs of each kind in one run, in the order of proof.HandOffs.
var handOffsPerRun = []int{100, 200, 20, 10}

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
	for i, h := range proof.HandOffs() {
		row, err := sessionRow(ctx, f, h, handOffsPerRun[i], o)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", h.Name, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func sessionRow(ctx context.Context, f *proof.Fleet, h proof.HandOff, n int, o Options) (Row, error) {
	var gaps []time.Duration
	messages := uint64(0)
	for run := range o.Runs {
		more, report, err := h.Measure(ctx, f, n)
		if err != nil {
			return Row{}, err
		}
		gaps = append(gaps, more...)
		messages += report.DownSent + report.UpSent
		fmt.Fprintf(o.Progress, "session: %s: run %d of %d: %d hand-offs, %d messages\n", h.Name, run+1, o.Runs, len(more), report.DownSent+report.UpSent)
	}
	sort.Slice(gaps, func(i, j int) bool { return gaps[i] < gaps[j] })
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	us := func(d time.Duration) float64 { return float64(d.Microseconds()) }
	at := func(q int) time.Duration { return gaps[min(len(gaps)-1, len(gaps)*q/100)] }
	verdict := ""
	if h.Target > 0 {
		verdict = fmt.Sprintf("; budget p99 <= %v: met", h.Target)
		if at(99) > h.Target {
			verdict = fmt.Sprintf("; budget p99 <= %v: MISSED", h.Target)
		}
	}
	return Row{Case: h.Name, Value: us(at(50)), Min: us(gaps[0]), Max: us(gaps[len(gaps)-1]), Unit: "us gap", P50Ms: ms(at(50)), P99Ms: ms(at(99)),
		Runs: o.Runs, Detail: fmt.Sprintf("%d gaps; %d messages: 0 lost, 0 repeated, 0 reordered%s", len(gaps), messages, verdict)}, nil
}
