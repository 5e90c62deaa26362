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
// to the next and counts as lent; both together are bounded by Slice.InFlight. The gate of a slice that is alone is as wide
// as that (lately), and nothing is lent there.
type place struct {
	slice *sliceState

	// Guarded by the slice's lender.
	held       bool // inside the gate
	lent       bool
	listed     bool // with the lender
	since      time.Time
	prev, next *place
}

// lender knows the places of one slice that are held, oldest first, and lends those of requests that have become long. It has one timer for all of
// them, which runs while there are any, at most once in longAfter; a timer of its own would cost a short request more than its place.
type lender struct {
	mu         sync.Mutex
	head, tail *place
	timer      *time.Timer
	armed      bool
}

// begin takes over a place that the caller got from the gate at a moment.
func (p *place) begin(s *sliceState, now time.Time) {
	l := &s.lender
	l.mu.Lock()
	defer l.mu.Unlock()
	p.slice, p.held, p.lent = s, true, false
	if s.lentMax.Load() > 0 {
		l.add(p, now)
	}
}

// add lists a place as the newest; the caller holds the mutex.
func (l *lender) add(p *place, now time.Time) {
	p.since, p.listed, p.prev, p.next = now, true, l.tail, nil
	if l.tail == nil {
		l.head = p
	} else {
		l.tail.next = p
	}
	l.tail = p
	if l.armed {
		return
	}
	l.armed = true
	if l.timer == nil {
		l.timer = time.AfterFunc(longAfter, p.slice.lend)
	} else {
		l.timer.Reset(longAfter)
	}
}

// remove takes a place off the list; the caller holds the mutex.
func (l *lender) remove(p *place) {
	if !p.listed {
		return
	}
	if p.prev == nil {
		l.head = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		l.tail = p.prev
	} else {
		p.next.prev = p.prev
	}
	p.listed, p.prev, p.next = false, nil, nil
}

// lend runs on the timer's goroutine. While all long places are taken, or the slice is wide, a request keeps its own, and is asked again.
func (s *sliceState) lend() {
	l := &s.lender
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for l.head != nil && now.Sub(l.head.since) >= longAfter {
		p := l.head
		l.remove(p)
		if !s.mayLend() {
			l.add(p, now)
			continue
		}
		p.held, p.lent = false, true
		s.gate.Leave()
	}
	if l.armed = l.head != nil; l.armed {
		l.timer.Reset(max(longAfter-now.Sub(l.head.since), 0))
	}
}

// mayLend counts one more long request, if there may be one.
func (s *sliceState) mayLend() bool {
	if s.wide.Load() {
		return false
	}
	if s.lent.Add(1) > s.lentMax.Load() {
		s.lent.Add(-1)
		return false
	}
	return true
}

// end gives back whatever is held. Ending twice is harmless, and so is ending what was never begun.
func (p *place) end() {
	s := p.slice
	if s == nil {
		return
	}
	l := &s.lender
	l.mu.Lock()
	held, lent := p.held, p.lent
	p.held, p.lent = false, false
	l.remove(p)
	l.mu.Unlock()
	if held {
		s.gate.Leave()
	}
	if lent {
		s.lent.Add(-1)
	}
}
