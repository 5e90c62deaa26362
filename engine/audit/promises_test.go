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

// A guaranteed rate that is not kept is a finding while it is open, beside the latency budget.
func TestAShortRateIsAFinding(t *testing.T) {
	t.Parallel()
	for _, open := range []bool{false, true} {
		x := &subject{unit: state.Unit{Label: "IMVU-001"},
			short: state.SliceShort{Open: open, SinceMs: 1000, GuaranteedBps: 4e6, Windows: 30, Short: 2, WorstPpm: 612_345}}
		var s scrub
		s.unit(x)
		found := 0
		for _, f := range s.findings {
			if f.Where != "guaranteed rate" {
				continue
			}
			found++
			if f.What != "not kept since 1970-01-01T00:00:01Z: 2 of 30 windows of 2 s short, the worst with 61.2 % of what was owed" || !f.Late {
				t.Errorf("%+v", f)
			}
		}
		if open != (found == 1) {
			t.Errorf("open: %t, %d findings", open, found)
		}
	}
}
