package suite

import (
	"os/exec"
	"strings"
	"testing"

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
		s.latency("p99", c.value, 10, c.baseline, quietP99Ms, "seen")
		if len(s.checks) != 1 || s.checks[0].Status != c.want {
			t.Errorf("%v ms with a baseline of %v ms: %+v, want %s", c.value, c.baseline, s.checks, c.want)
		}
	}
}
