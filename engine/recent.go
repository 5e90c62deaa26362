package engine

import (
	"encoding/base64"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func base64Root(h nexus.Hash) string { return base64.StdEncoding.EncodeToString(h[:]) }

// recentDecisions keeps the newest rows for the console: every refusal, and allows as they come. Bounded by
// wire.DecisionRowsMax; older ones are in the ledger.
type recentDecisions struct {
	mu     sync.Mutex
	rows   []wire.DecisionRow // oldest first
	second int64              // Unix second being counted
	count  uint64             // ledger events posted in it
	last   float64            // events of the last whole second
}

func newRecentDecisions() *recentDecisions { return &recentDecisions{} }

func (r *recentDecisions) add(row wire.DecisionRow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, row)
	if len(r.rows) > 2*wire.DecisionRowsMax {
		r.rows = append(r.rows[:0], r.rows[len(r.rows)-wire.DecisionRowsMax:]...)
	}
}

func (r *recentDecisions) newestFirst() []wire.DecisionRow {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(r.rows), wire.DecisionRowsMax)
	out := make([]wire.DecisionRow, n)
	for i := range n {
		out[i] = r.rows[len(r.rows)-1-i]
	}
	return out
}

// posted counts durable events for the rate shown.
func (r *recentDecisions) posted(now time.Time, n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.roll(now)
	r.count += n
}

func (r *recentDecisions) roll(now time.Time) {
	if s := now.Unix(); s != r.second {
		if s == r.second+1 {
			r.last = float64(r.count)
		} else {
			r.last = 0
		}
		r.second, r.count = s, 0
	}
}

// EventsPerSecond is the number of revenue events made durable in the last whole second.
func (e *Engine) EventsPerSecond() float64 {
	e.recent.mu.Lock()
	defer e.recent.mu.Unlock()
	e.recent.roll(e.clock())
	return e.recent.last
}

// RecentDecisions lists the newest decisions of this process, newest first.
func (e *Engine) RecentDecisions() []wire.DecisionRow { return e.recent.newestFirst() }

// publish puts an applied outcome on the bus. Called after the transaction, so nothing is shown that is not durable.
func (e *Engine) publish(out *state.Outcome, row wire.DecisionRow) {
	if out.Repeated {
		return
	}
	e.recent.add(row)
	refused := false
	for _, ev := range out.Events {
		ev.Time = ms(out.Record.TimeMs)
		if ev.Type == "gate.denied" || ev.Type == "gate.allowed" {
			ev.Data = row
			refused = refused || ev.Type == "gate.denied"
		}
		if n, ok := ev.Data.(int); ok && ev.Type == "revenue.posted" {
			e.recent.posted(e.clock(), uint64(n))
		}
		e.cfg.Bus.Publish(ev)
	}
	if refused {
		select {
		case e.refused <- struct{}{}:
		default: // told already
		}
	}
}

// Refusing has an element when the gates have refused something since it was last taken. It is for one reader.
func (e *Engine) Refusing() <-chan struct{} { return e.refused }
