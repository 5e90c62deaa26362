package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/publication"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// How long after a month's end, and after the node began to serve, its publication may be on its way.
const (
	publishPatience = time.Hour
	publishStart    = 10 * time.Minute
)

const publishedExits = "exits published"

// publications holds that every month that is over is published (SPEC section 5), and that what is published is what the entries add up to.
func (s *scrub) publications(ctx context.Context) {
	first, err := s.eng.FirstMonth()
	s.check(err == nil, "", publishedExits, fmt.Sprint(err), "the ledger's entries add up", "nexus ledger verify names the place")
	if err != nil || first == 0 {
		return
	}
	m := months{first: first, held: map[uint32]state.Published{}, now: s.eng.Now(), opened: s.eng.OpenedAt()}
	s.eng.View(func(st *state.State) {
		for _, p := range st.Published() {
			m.held[p.Month] = p
		}
	})
	m.made = func(month uint32) (publication.Exits, error) { return s.eng.ExitsOf(ctx, month) }
	s.months(&m)
}

// months is what the audit holds publications against.
type months struct {
	first       uint32 // of the ledger, YYYYMM
	held        map[uint32]state.Published
	now, opened time.Time
	made        func(month uint32) (publication.Exits, error) // from the entries
}

func (s *scrub) months(m *months) {
	for month := m.first; ; month = state.NextMonth(month) {
		end, ok := state.MonthEndMs(month)
		if !ok || m.now.UnixMilli() < end {
			return
		}
		p, ok := m.held[month]
		if !ok {
			waits := m.now.Sub(time.UnixMilli(end)) <= publishPatience || m.now.Sub(m.opened) <= publishStart
			s.inTime(waits, "", publishedExits, state.MonthText(month)+" is not published", "counts, times and failures within "+publishPatience.String()+" of its end",
				"over since "+utcMinute(end)+"; nexus exits list")
			return // those after it wait for it
		}
		d, err := m.made(month)
		s.check(err == nil && d.Digest() == p.Digest && d.Size == p.Size && d.Root == p.Root, "", publishedExits,
			fmt.Sprintf("%s: digest %s over %d entries, %v", state.MonthText(month), p.Digest, p.Size, err), fmt.Sprintf("%s over %d entries", d.Digest(), d.Size),
			fmt.Sprintf("entry %d; recomputed from the entries before the month's end", p.Entry))
	}
}
