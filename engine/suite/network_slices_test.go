package suite

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/engine/bench/edge"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// Where no edge process can be started, nothing is passed.
func TestNetworkSlicesNeedsEdgeProcesses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if rep := r.run(NetworkSlices, nil); rep.Status != wire.StatusDegraded || !strings.Contains(rep.Reason, "edge process") {
		t.Errorf("without a program: %s: %s", rep.Status, rep.Reason)
	}
	no, err := exec.LookPath("false")
	if err != nil {
		t.Fatal(err)
	}
	if rep := r.run(NetworkSlices, func(s *session) { s.env.Binary = no }); rep.Status != wire.StatusFailed ||
		!strings.Contains(rep.Reason, "did not come up") {
		t.Errorf("a program that ends at once: %s: %s", rep.Status, rep.Reason)
	}
}

// A latency above its limit fails on a quiet machine, and is never passed on a busy one.
func TestLatencyVerdicts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value, baseline float64
		want            string
	}{
		{9, 1, wire.StatusPassed}, {9, 50, wire.StatusPassed}, {11, 1, wire.StatusFailed}, {11, 2, wire.StatusFailed}, {11, 2.1, wire.StatusSkipped},
	} {
		var s session
		s.latency("p99", c.value, 10, c.baseline, 2, "seen")
		if len(s.checks) != 1 || s.checks[0].Status != c.want {
			t.Errorf("%v ms with a baseline of %v ms: %+v, want %s", c.value, c.baseline, s.checks, c.want)
		}
	}
}

// Beside a flood a gateway fails on a quiet machine, however slow it makes its machine. Where others keep the machine busy and it does not keep the limit
// itself, nothing is passed and nobody blamed; where it does, the gateway is judged.
func TestFloodVerdicts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name               string
		value, relay, idle int64 // microseconds
		others             float64
		want               string
	}{
		{name: "quiet", value: 5_000, relay: 1_000, idle: 300, want: wire.StatusPassed},
		{name: "quiet, and slow", value: 10_100, relay: 1_000, idle: 300, others: 10, want: wire.StatusFailed},
		{name: "quiet, and so slow that the machine suffers", value: 80_000, relay: 30_000, idle: 2000, others: 4, want: wire.StatusFailed},
		{name: "busy, and kept all the same", value: 9_900, relay: 9_800, idle: 300, others: 60, want: wire.StatusPassed},
		{name: "busy, and mostly the machine's", value: 12_000, relay: 5_100, idle: 300, others: 20, want: wire.StatusSkipped},
		{name: "busy, and mostly the gateway's", value: 12_000, relay: 4_900, idle: 300, others: 20, want: wire.StatusFailed},
		{name: "busy beyond the limit", value: 82_000, relay: 81_000, idle: 300, others: 60, want: wire.StatusSkipped},
		{name: "busy beyond the limit, by chance not the gateway", value: 9_000, relay: 10_100, idle: 300, others: 60, want: wire.StatusSkipped},
		{name: "busy without anybody to be seen", value: 82_000, relay: 81_000, idle: 2_100, want: wire.StatusSkipped},
	} {
		var s session
		judged := s.judge(edge.Report{Cases: []*edge.Case{
			{Kind: edge.KindBaseline, P99: []int64{c.idle}},
			{Kind: edge.KindFlood, Flood: "noise", P99: []int64{c.value}, Machine: []int64{c.relay}, Others: []float64{c.others},
				Note: "as measured"}}})
		if judged != 1 || len(s.checks) != 1 || s.checks[0].Status != c.want {
			t.Errorf("%s: %+v, want %s", c.name, s.checks, c.want)
			continue
		}
		for _, figure := range []string{fmt.Sprintf("not flooded %.1f ms", float64(c.relay)/1000), fmt.Sprintf("at %.0f %%", c.others), "as measured"} {
			if !strings.Contains(s.checks[0].Detail, figure) {
				t.Errorf("%s: %q is not shown: %s", c.name, figure, s.checks[0].Detail)
			}
		}
	}
}

// A case that has no limit is no check, and an edge whose figures have none was not measured.
func TestOnlyLimitsAreJudged(t *testing.T) {
	t.Parallel()
	var s session
	cases := []*edge.Case{{Name: "most requests", Values: []float64{1}}, {Kind: edge.KindBaseline, P99: []int64{1}}}
	if n := s.judge(edge.Report{Cases: cases}); n != 0 || len(s.checks) != 0 {
		t.Errorf("%d judged: %+v", n, s.checks)
	}
}
