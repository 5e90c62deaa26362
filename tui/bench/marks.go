package bench

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// marks are numbered events on their way to the screen. The screen shows how many have arrived, so one that is overtaken by
// the next counts as shown when the next one is.
type marks struct {
	mu    sync.Mutex // everything below
	base  int64      // shown before the first
	sent  []time.Time
	shown int64 // marks on the screen
	late  []time.Duration
}

// send notes that the next mark went out. One that the screen had before its receipt came took no time.
func (m *marks) send(at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, at)
	if int64(len(m.sent)) <= m.shown {
		m.late = append(m.late, 0)
	}
}

// show notes how many marks there are in all on the screen, those before this run included.
func (m *marks) show(total int64, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := total - m.base; m.shown < n; m.shown++ {
		if m.shown < int64(len(m.sent)) {
			m.late = append(m.late, max(at.Sub(m.sent[m.shown]), 0))
		}
	}
}

// missing counts marks that were sent and not shown.
func (m *marks) missing() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.sent) - len(m.late)
}

// follow reads the mark's line from every state of the screen until ctx ends.
func (m *marks) follow(ctx context.Context, t *terminal) {
	m.followBy(ctx, t, func(screen string) (int64, bool) {
		gross, ok := grossOnScreen(screen)
		return gross / MarkMinor, ok
	})
}

// followBy reads how many marks there are from every state of the screen until ctx ends.
func (m *marks) followBy(ctx context.Context, t *terminal, read func(screen string) (total int64, ok bool)) {
	for {
		screen, at, changed := t.look()
		if total, ok := read(screen); ok {
			m.show(total, at)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-t.ended:
			return
		}
	}
}

// settle waits until every mark is on the screen, for at most the given time.
func (m *marks) settle(ctx context.Context, most time.Duration) error {
	for end := time.Now().Add(most); m.missing() > 0 && time.Now().Before(end); {
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// grossOnScreen reads the marked unit's gross from the panel of splits: the first amount behind the currency.
func grossOnScreen(screen string) (minor int64, ok bool) {
	for line := range strings.SplitSeq(screen, "\n") {
		if !strings.Contains(line, MarkUnit+" ") || !strings.Contains(line, "55/45") {
			continue
		}
		_, rest, found := strings.Cut(line, " "+MarkCurrency+" ")
		fields := strings.Fields(rest)
		if !found || len(fields) == 0 {
			continue
		}
		digits := strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, fields[0])
		n, err := strconv.ParseInt(digits, 10, 64)
		return n, err == nil
	}
	return 0, false
}

// marked gives a copy of a picture in which the marked unit has the given gross.
func marked(o *wire.Overview, gross int64) *wire.Overview {
	out := *o
	out.Tallies = append([]wire.TallyRow(nil), o.Tallies...)
	for i := range out.Tallies {
		if r := &out.Tallies[i]; r.Unit == MarkUnit && r.Currency == MarkCurrency {
			r.Gross, r.Creator = gross, (gross*55+99)/100
			r.Platform = gross - r.Creator
		}
	}
	return &out
}
