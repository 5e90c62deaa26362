package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// Bounds of what was metered and waits to be posted.
const (
	meteredMost = 7 * 24           // spans of about an hour that wait
	meterAsleep = 10 * time.Minute // without a minute's look: the machine slept, or the clock was set
	meterSpan   = servicePostEvery
)

// metered is what was counted in one span, as it is posted. It never changes, so that posting it again is no second count.
type metered struct {
	fromMs, toMs int64
	body         func(fromMs int64) any                 // with another begin, where a part of the span was posted before
	lost         func() (ids []nexus.ID, what []string) // in words, by unit: said when it cannot be posted any more
}

// outbox posts spans in order. What cannot be posted now waits; of what waits for longer than meteredMost spans, findings in the units' chains say
// how much it was and when, so that nothing goes without a word. Owned by one goroutine.
type outbox struct {
	kind     string
	what     string // in words: "usage"
	post     func(ctx context.Context, kind string, unit nexus.ID, body any) error
	postedTo func() int64 // how far the ledger says that this node has posted, Unix milliseconds
	waiting  []metered
	gaps     []state.AuditFinding
}

// add takes a span. The oldest gives way when too many wait.
func (o *outbox) add(m metered) {
	o.waiting = append(o.waiting, m)
	for len(o.waiting) > meteredMost {
		o.lose(&o.waiting[0], fmt.Sprintf("%d spans waited to be posted", len(o.waiting)))
		o.waiting = o.waiting[1:]
	}
}

// lose has it said that a span will not be posted.
func (o *outbox) lose(m *metered, why string) {
	ids, what := m.lost()
	for i, id := range ids {
		o.gap(id, m.fromMs, m.toMs, what[i], why)
	}
}

func (o *outbox) gap(unit nexus.ID, fromMs, toMs int64, what, why string) {
	at := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
	o.gaps = append(o.gaps, state.AuditFinding{Unit: unit, Code: o.what + " gap", Observed: fmt.Sprintf("from %s to %s: %s", at(fromMs), at(toMs), what),
		Required: "posted within two hours", Evidence: why})
}

// send posts what waits, oldest first, and what is to be said of the rest.
func (o *outbox) send(ctx context.Context) error {
	for len(o.waiting) > 0 {
		m := &o.waiting[0]
		if posted := o.postedTo(); posted < m.toMs { // otherwise it was taken, and only the answer was lost
			if err := o.post(ctx, o.kind, nexus.ID{}, m.body(max(m.fromMs, posted))); err != nil {
				return err
			}
		}
		o.waiting = o.waiting[1:]
	}
	for len(o.gaps) > 0 {
		if err := o.post(ctx, state.KindAuditFinding, o.gaps[0].Unit, o.gaps[0]); err != nil {
			return err
		}
		o.gaps = o.gaps[1:]
	}
	return nil
}

// oldest is the begin of what waits, 0 when nothing does.
func (o *outbox) oldest() int64 {
	if len(o.waiting) > 0 {
		return o.waiting[0].fromMs
	}
	return 0
}

// span is the time that is being counted.
type span struct {
	fromMs int64
	lastMs int64 // the last minute's look
}

// look begins a minute's look: it ends the span at the last look when much time went by unseen, and where a month ended.
func (s *span) look(now time.Time, cut func(endMs int64)) {
	if nowMs := now.UnixMilli(); s.lastMs > 0 && nowMs-s.lastMs > meterAsleep.Milliseconds() {
		cut(s.lastMs)
		s.fromMs = max(s.fromMs, nowMs-meterSpan.Milliseconds())
	}
	s.lastMs = now.UnixMilli()
	for start := time.UnixMilli(s.fromMs).UTC(); !sameMonth(start, now.UTC()) && !monthEnd(start).After(now); start = time.UnixMilli(s.fromMs).UTC() {
		cut(monthEnd(start).UnixMilli())
	}
}

// due reports whether the span is long enough to be posted.
func (s *span) due(now time.Time) bool { return now.UnixMilli()-s.fromMs >= meterSpan.Milliseconds() }

// meters are both, with the mark of what they hold.
type meters struct {
	level  *serviceLevel
	usage  *usageMeter
	dir    string
	marked int64
}

// begin says what an earlier process of this node metered and never posted, when its mark is there.
func (r *meters) begin(now time.Time) error {
	since, err := marked(r.dir)
	if since > 0 {
		r.usage.out.gap(nexus.ID{}, since, now.UnixMilli(), "what this node metered of usage and service levels and had not posted is not known",
			"the node ended without posting it")
		r.marked = since // until that is said
	}
	return err
}

func (r *meters) minute(ctx context.Context, now time.Time, stats []edge.SliceStats, log *slog.Logger) error {
	level, usage := r.level.minute(ctx, now, stats), r.usage.minute(ctx, now, stats)
	if ctx.Err() == nil {
		r.complain("service level not posted", log, level)
		r.complain("usage not posted", log, usage)
	}
	return r.mark()
}

// end posts the rest as the node stops. What stays is marked.
func (r *meters) end(ctx context.Context, now time.Time, stats []edge.SliceStats, log *slog.Logger) {
	r.level.span.look(now, r.level.cut)
	r.complain("minutes of slices not posted", log, r.level.flush(ctx, now))
	r.usage.span.look(now, r.usage.cut)
	r.usage.take(now, stats)
	r.complain("usage not posted", log, r.usage.flush(ctx, now))
	r.complain("mark of metering not written", log, r.mark())
}

// mark says in the data directory since when something is not posted.
func (r *meters) mark() error {
	since := earliest(r.level.since(), r.usage.since())
	if len(r.level.out.gaps)+len(r.usage.out.gaps) > 0 {
		since = earliest(since, r.marked)
	}
	if since == r.marked {
		return nil
	}
	err := mark(r.dir, since)
	if err == nil {
		r.marked = since
	}
	return err
}

func (r *meters) complain(what string, log *slog.Logger, err error) {
	if err != nil {
		log.Warn(what, "component", "meters", "error", err)
	}
}

// meterMark is the file, in the data directory, that says since when something was metered and not posted. It is there when a node was killed, or
// stopped while nothing could be posted; the next start says the gap.
const meterMark = "metered-since"

// marked reads the mark; 0: none.
func marked(dir string) (int64, error) {
	raw, err := os.ReadFile(filepath.Join(dir, meterMark))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	at, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil || at <= 0 { // cut short by a loss of power: that something was not posted is all it says then
		return 1, nil
	}
	return at, nil
}

// mark sets it, or with 0 takes it away.
func mark(dir string, sinceMs int64) error {
	path := filepath.Join(dir, meterMark)
	if sinceMs == 0 {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := os.WriteFile(path+".new", strconv.AppendInt(nil, sinceMs, 10), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// earliest is the smaller of two moments, where 0 is none.
func earliest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
