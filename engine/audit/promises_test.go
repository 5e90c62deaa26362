package audit

import (
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// What the platform owes by a time is a finding from that time on, and no longer once it is done.
func TestPromisesFallDue(t *testing.T) {
	t.Parallel()
	opened := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	at := opened.UnixMilli()
	x := &subject{unit: state.Unit{Label: "IMVU-001"},
		disputes: []state.Dispute{{Status: state.DisputeOpened, OpenedMs: at, DueMs: at + state.DisputeAnswerMs},
			{Status: state.DisputeRejected, OpenedMs: at, DueMs: at}},
		payouts: []state.Payout{{Status: state.PayoutPending, OpenedMs: at}, {Status: state.PayoutPosted, OpenedMs: at}}}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {payoutPatience, 0}, {payoutPatience + time.Millisecond, 1}, {state.DisputeAnswerMs*time.Millisecond - time.Millisecond, 1},
		{state.DisputeAnswerMs * time.Millisecond, 2}} {
		var s scrub
		s.promises(x, opened.Add(c.after))
		if len(s.findings) != c.want || s.checks != 4 {
			t.Errorf("after %s: %d findings of %d checks, want %d of 4: %+v", c.after, len(s.findings), s.checks, c.want, s.findings)
		}
		for _, f := range s.findings {
			if f.Unit != "IMVU-001" || f.Evidence == "" || f.Required == "" || !f.Late {
				t.Errorf("finding %+v names neither unit nor evidence", f)
			}
		}
	}
}
