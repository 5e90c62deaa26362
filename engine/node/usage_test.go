package node

import (
	"context"
	"errors"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// meterRig is a meter of usage over two units, one of them a probe, with what was posted.
type meterRig struct {
	t      *testing.T
	meter  *usageMeter
	now    time.Time
	posted []state.UsagePost
	said   []state.AuditFinding
	fail   error
}

func newMeterRig(t *testing.T, start time.Time) *meterRig {
	t.Helper()
	st := twoUnits(t)
	r := &meterRig{t: t, now: start}
	r.meter = newUsageMeter(func(_ context.Context, kind string, _ nexus.ID, body any) error {
		if r.fail != nil {
			return r.fail
		}
		if b, ok := body.(state.AuditFinding); ok && kind == state.KindAuditFinding {
			r.said = append(r.said, b)
			return nil
		}
		b, ok := body.(state.UsagePost)
		if !ok || kind != state.KindUsagePost {
			t.Fatalf("posted %s %+v", kind, body)
		}
		r.posted = append(r.posted, b)
		return nil
	}, func(f func(*state.State)) { f(st) }, nexus.PublicKey{1}, start, newEdgeReports())
	return r
}

// pass lets a minute go by at whose end both units' counters show this.
func (r *meterRig) pass(in, requests uint64) error {
	r.now = r.now.Add(time.Minute)
	return r.meter.minute(context.Background(), r.now, r.stats(in, requests))
}

func (r *meterRig) stats(in, requests uint64) (stats []edge.SliceStats) {
	for _, id := range []nexus.ID{{1}, {2}} {
		s := edge.SliceStats{Slice: slices.Default(id, "s")}
		s.Gateway.BytesIn, s.Gateway.Requests = in, requests
		stats = append(stats, s)
	}
	return stats
}

func TestUsageIsWhatCountersWentUpBy(t *testing.T) {
	t.Parallel()
	r := newMeterRig(t, time.Date(2026, 3, 5, 10, 0, 0, 0, time.UTC))
	for _, shown := range [][2]uint64{{100, 1}, {150, 1}, {30, 2}} { // the last began anew: the gateway was restarted
		if err := r.pass(shown[0], shown[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.meter.flush(context.Background(), r.now); err != nil {
		t.Fatal(err)
	}
	if len(r.posted) != 1 || len(r.posted[0].Rows) != 1 {
		t.Fatalf("posted %+v: one unit used something, probes have no usage", r.posted)
	}
	got := r.posted[0].Rows[0]
	if got.Unit != (nexus.ID{1}) || len(got.Counts) != 2 || got.Counts[0].Meter != state.MeterBytesIn || got.Counts[0].Quantity != 180 ||
		got.Counts[1].Meter != state.MeterRequests || got.Counts[1].Quantity != 2 {
		t.Errorf("counted %+v", got)
	}
	if err := r.pass(30, 2); err != nil {
		t.Fatal(err)
	}
	if err := r.meter.flush(context.Background(), r.now); err != nil || len(r.posted) != 1 {
		t.Errorf("nothing was used, posted %+v, %v", r.posted[1:], err)
	}
}

func TestUsageIsPostedByTheHourAndSplitAtTheMonth(t *testing.T) {
	t.Parallel()
	r := newMeterRig(t, time.Date(2026, 3, 31, 21, 30, 0, 0, time.UTC))
	for i := range 160 {
		if err := r.pass(uint64(i+1)*10, 0); err != nil {
			t.Fatal(err)
		}
	}
	month := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	if len(r.posted) != 3 || r.posted[2].ToMs != month || r.posted[0].Rows[0].Counts[0].Quantity != 600 {
		t.Fatalf("posted %+v", r.posted)
	}
	if sum := r.posted[1].Rows[0].Counts[0].Quantity + r.posted[2].Rows[0].Counts[0].Quantity; sum != 890 {
		t.Errorf("March's rest is %d", sum)
	}
	r.fail = errors.New("no leader")
	for i := range 200 {
		_ = r.pass(uint64(160+i+1)*10, 0)
	}
	r.fail = nil
	if err := r.meter.flush(context.Background(), r.now); err != nil {
		t.Fatal(err)
	}
	if sum := r.wholeSpans(3); sum != 10*(200+11) {
		t.Errorf("after an outage %d bytes are posted, want %d", sum, 10*(200+11))
	}
}
