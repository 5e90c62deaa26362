package edge

import (
	"sync"
	"time"
)

// longAfter is the age at which a request counts as long: what it costs the gateway is behind it, and it waits for a
// slow backend, a slow client or its turn in the byte scheduler.
const longAfter = 20 * time.Millisecond

// place is a request's place in its slice's gate. The gate is narrow (Slice.Turns), because every request inside may
// want the CPU at the same moment and Go gives no slice's goroutines precedence: the fewer may run, the less another
// slice waits. So that slow backends and long downloads do not fill it, a request that has become long gives its place
// to the next and counts as lent; both together are bounded by Slice.InFlight.
type place struct {
	mu    sync.Mutex
	slice *sliceState
	held  bool // inside the gate
	lent  bool
	timer *time.Timer
}

// begin takes over a place that the caller got from the gate.
func (p *place) begin(s *sliceState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slice, p.held = s, true
	if s.lentMax.Load() > 0 {
		p.timer = time.AfterFunc(longAfter, p.lend)
	}
}

// lend runs on a timer's goroutine. While all long places are taken the request keeps its own and asks again.
func (p *place) lend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.held {
		return
	}
	if p.slice.lent.Add(1) > p.slice.lentMax.Load() {
		p.slice.lent.Add(-1)
		p.timer.Reset(longAfter)
		return
	}
	p.held, p.lent = false, true
	p.slice.gate.Leave()
}

// end gives back whatever is held. Ending twice is harmless.
func (p *place) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.held {
		p.held = false
		p.slice.gate.Leave()
	}
	if p.lent {
		p.lent = false
		p.slice.lent.Add(-1)
	}
}
