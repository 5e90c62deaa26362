package audit

import (
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// Findings are read by people: latencies in milliseconds as everywhere, ceilings in words.
func TestFindingsAreInWords(t *testing.T) {
	t.Parallel()
	if got := inMs(59_866); got != "59.9 ms" {
		t.Errorf("%q", got)
	}
	if got := ceilings(state.Envelope{CPUMilli: 500, MemoryBytes: 1 << 29}); !strings.HasPrefix(got, "500 thousandths of a core, 536870912 bytes of memory") ||
		strings.Contains(got, "{") {
		t.Errorf("%q", got)
	}
}
