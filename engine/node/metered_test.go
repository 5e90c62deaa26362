package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

var errNoLeader = errors.New("no leader")

// wholeSpans holds the posts from one on to the rules by which the state takes them, and gives the bytes in them.
func (r *meterRig) wholeSpans(from int) (sum uint64) {
	r.t.Helper()
	for i, p := range r.posted[from:] {
		if span := p.ToMs - p.FromMs; span <= 0 || span > usageSpanMax.Milliseconds() || state.MonthOf(p.FromMs) != state.MonthOf(p.ToMs-1) {
			r.t.Errorf("post %d: from %d to %d", i, p.FromMs, p.ToMs)
		}
		if before := from + i - 1; before >= 0 && p.FromMs < r.posted[before].ToMs {
			r.t.Errorf("post %d begins before the one before ended", i)
		}
		sum += p.Rows[0].Counts[0].Quantity
	}
	return sum
}

// While nothing can be posted the spans wait, each within its month and short enough, and are posted whole when it can be again.
func TestUsageOfALongOutageIsPostedSpanBySpan(t *testing.T) {
	t.Parallel()
	r := newMeterRig(t, time.Date(2026, 3, 31, 20, 30, 0, 0, time.UTC))
	r.fail = errNoLeader
	const minutes = 9 * 60
	for i := range minutes {
		if err := r.pass(uint64(i+1)*10, 0); (err != nil) != (i >= 59) {
			t.Fatalf("minute %d: %v", i, err)
		}
	}
	r.fail = nil
	if err := r.pass((minutes+1)*10, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.meter.flush(context.Background(), r.now); err != nil {
		t.Fatal(err)
	}
	if sum := r.wholeSpans(0); sum != (minutes+1)*10 || len(r.posted) < 9 || len(r.said) != 0 {
		t.Errorf("%d bytes in %d posts, %d were used; said %+v", sum, len(r.posted), (minutes+1)*10, r.said)
	}
	month, march := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), uint64(0)
	for _, p := range r.posted {
		if p.ToMs <= month {
			march += p.Rows[0].Counts[0].Quantity
		}
	}
	if march != 10*(3*60+29) { // the minute in which the month turns counts with the new one
		t.Errorf("March's part is %d", march)
	}
}

// The minutes of a service level are posted after an outage of any length: a span of more than two hours would be refused for ever.
func TestMinutesOfALongOutageArePostedSpanBySpan(t *testing.T) {
	t.Parallel()
	r := newLevelRig(t, time.Date(2026, 3, 31, 20, 30, 0, 0, time.UTC))
	r.fail = errNoLeader
	const minutes = 9 * 60
	for range minutes {
		_ = r.pass(500, 300, 300)
	}
	r.fail = nil
	if err := r.level.flush(context.Background(), r.now); err != nil {
		t.Fatal(err)
	}
	kept, before := uint32(0), int64(0)
	for _, p := range r.posted {
		m, ok := p.(state.SliceMinutes)
		if !ok || m.ToMs-m.FromMs > 2*time.Hour.Milliseconds() || m.FromMs < before || state.MonthOf(m.FromMs) != state.MonthOf(m.ToMs-1) ||
			int64(m.Rows[0].Kept) > (m.ToMs-m.FromMs)/60_000+1 {
			t.Errorf("posted %+v", p)
		}
		kept, before = kept+m.Rows[0].Kept, m.ToMs
	}
	if kept != minutes {
		t.Errorf("%d minutes posted, %d were measured", kept, minutes)
	}
}

// What waited too long is lost to the record, and each unit's chain says from when to when and how much it was.
func TestUsageThatWaitedTooLongIsSaid(t *testing.T) {
	t.Parallel()
	r := newMeterRig(t, time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC))
	r.fail = errNoLeader
	const minutes = (meteredMost + 5) * 60
	for i := range minutes {
		_ = r.pass(uint64(i+1)*10, 0)
	}
	r.fail = nil
	if err := r.pass((minutes+1)*10, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.meter.flush(context.Background(), r.now); err != nil {
		t.Fatal(err)
	}
	said := uint64(0)
	for i, f := range r.said {
		var n uint64
		_, text, _ := strings.Cut(f.Observed, state.MeterBytesIn+" ")
		if _, err := fmt.Sscan(text, &n); err != nil || f.Unit != (nexus.ID{1}) || f.Code != "usage gap" || f.Evidence == "" {
			t.Fatalf("said %+v: %v", f, err)
		}
		if from := time.Date(2026, 3, 2, i, 0, 0, 0, time.UTC).Format(time.RFC3339); !strings.HasPrefix(f.Observed, "from "+from) {
			t.Errorf("the gap %q begins at %s", f.Observed, from)
		}
		said += n
	}
	if sum := r.wholeSpans(0); len(r.said) != 5 || said+sum != (minutes+1)*10 || len(r.posted) != meteredMost+1 {
		t.Errorf("%d gaps of %d bytes, %d posts of %d; %d were used", len(r.said), said, len(r.posted), sum, (minutes+1)*10)
	}
}

// A post that was taken while its answer was lost is not posted again, which would be refused for ever; one that overlaps what was posted begins
// after it.
func TestAPostWhoseAnswerWasLostIsNotRepeated(t *testing.T) {
	t.Parallel()
	r := newMeterRig(t, time.Date(2026, 3, 5, 10, 0, 0, 0, time.UTC))
	posted := int64(0)
	r.meter.out.postedTo = func() int64 { return posted }
	r.fail = errNoLeader
	for i := range 60 {
		_ = r.pass(uint64(i+1)*10, 0)
	}
	r.fail, posted = nil, r.now.UnixMilli()
	if err := r.pass(610, 0); err != nil || len(r.posted) != 0 {
		t.Fatalf("posted again: %+v, %v", r.posted, err)
	}
	posted += 30_000
	if err := r.meter.flush(context.Background(), r.now); err != nil || len(r.posted) != 1 || r.posted[0].FromMs != posted ||
		r.posted[0].Rows[0].Counts[0].Quantity != 10 {
		t.Errorf("posted %+v, %v", r.posted, err)
	}
}

// What was used before the machine slept is of the time before; no post spans the sleep.
func TestUsageBeforeASleepIsOfBefore(t *testing.T) {
	t.Parallel()
	r := newMeterRig(t, time.Date(2026, 3, 31, 20, 0, 0, 0, time.UTC))
	if err := r.pass(10, 0); err != nil {
		t.Fatal(err)
	}
	before := r.now.UnixMilli()
	r.now = r.now.Add(50 * time.Hour)
	if err := r.pass(15, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.meter.flush(context.Background(), r.now); err != nil {
		t.Fatal(err)
	}
	if len(r.posted) != 2 || r.posted[0].ToMs != before || r.wholeSpans(0) != 15 || r.posted[1].ToMs-r.posted[1].FromMs > time.Hour.Milliseconds() {
		t.Errorf("posted %+v", r.posted)
	}
}

// newMeters puts both records over a directory, as a node's start does.
func newMeters(t *testing.T, dir string, start time.Time) (*meters, *meterRig, *levelRig) {
	t.Helper()
	u, l := newMeterRig(t, start), newLevelRig(t, start)
	m := &meters{level: l.level, usage: u.meter, dir: dir}
	if err := m.begin(start); err != nil {
		t.Fatal(err)
	}
	return m, u, l
}

// What a process had metered and not posted when it ended is said once by the next one, also when that cannot say it at first.
func TestWhatAnEndedProcessDidNotPostIsSaid(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), slog.New(slog.NewTextHandler(io.Discard, nil))
	start := time.Date(2026, 3, 5, 10, 0, 0, 0, time.UTC)
	m, u, _ := newMeters(t, dir, start)
	look := func(m *meters, u *meterRig, in uint64) {
		t.Helper()
		u.now = u.now.Add(time.Minute)
		if err := m.minute(context.Background(), u.now, u.stats(in, 0), log); err != nil {
			t.Fatal(err)
		}
	}
	since := func() int64 {
		t.Helper()
		at, err := marked(dir)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if look(m, u, 0); since() != 0 {
		t.Error("a mark though nothing was used")
	}
	if look(m, u, 10); since() != start.UnixMilli() {
		t.Errorf("marked since %d, want %d", since(), start.UnixMilli())
	}
	if m.end(context.Background(), u.now, u.stats(10, 0), log); since() != 0 || len(u.posted) != 1 {
		t.Errorf("after a stop: marked since %d, posted %+v", since(), u.posted)
	}
	m, u, _ = newMeters(t, dir, start)
	u.fail = errNoLeader
	look(m, u, 10)
	if m.end(context.Background(), u.now, u.stats(20, 0), log); since() != start.UnixMilli() {
		t.Errorf("stopped while nothing could be posted: marked since %d", since())
	}
	later := start.Add(24 * time.Hour)
	m, u, _ = newMeters(t, dir, later)
	u.fail = errNoLeader
	if look(m, u, 0); since() != start.UnixMilli() {
		t.Errorf("it could not be said: marked since %d", since())
	}
	m, u, _ = newMeters(t, dir, later)
	look(m, u, 0)
	look(m, u, 0)
	const span = "from 2026-03-05T10:00:00Z to 2026-03-06T10:00:00Z"
	if len(u.said) != 1 || !u.said[0].Unit.IsZero() || !strings.HasPrefix(u.said[0].Observed, span) || since() != 0 {
		t.Errorf("said %+v, marked since %d", u.said, since())
	}
	if err := os.WriteFile(filepath.Join(dir, meterMark), nil, 0o600); err != nil || since() == 0 {
		t.Errorf("a mark that was cut short is none: %v", err)
	}
}

// Of units beyond those that one post takes the chain says that their minutes are not in the record.
func TestMinutesBeyondOnePostAreSaid(t *testing.T) {
	t.Parallel()
	r := newLevelRig(t, time.Date(2026, 3, 5, 10, 0, 0, 0, time.UTC))
	for i := range minutesRowsMax + 1 {
		unit := nexus.ID{byte(i), byte(i >> 8), 1}
		r.level.counts[unit] = &state.MinutesRow{Unit: unit, Kept: 1}
	}
	if err := r.level.flush(context.Background(), r.now.Add(time.Minute)); err != nil || len(r.posted) != 2 {
		t.Fatalf("%d posts, %v", len(r.posted), err)
	}
	m, ok := r.posted[0].(state.SliceMinutes)
	f, said := r.posted[1].(state.AuditFinding)
	if !ok || !said || len(m.Rows) != minutesRowsMax || f.Unit.IsZero() || !strings.Contains(f.Observed, "1 minutes kept") || f.Code != "service level gap" {
		t.Errorf("posted %d rows, said %+v", len(m.Rows), f)
	}
}
