package bus

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// EventCutOff is the type of the last event of a subscription that was over its must-deliver bound. Its data is CutOff.
const EventCutOff = "bus.cut-off"

// CutOff says why a subscription ended. Everything queued before it was delivered; the subscriber should read the
// present state anew and subscribe again.
type CutOff struct {
	Bound        int    `json:"bound"`         // pending must-deliver events allowed
	LastSequence uint64 `json:"last_sequence"` // the last event delivered before the gap
	FirstMissed  uint64 `json:"first_missed"`  // the event that did not fit
}

// Errors of Next, by errors.Is.
var (
	ErrClosed = errors.New("subscription closed")
	ErrCutOff = errors.New("subscriber too slow: cut off")
)

// Delivery is one event as one subscriber gets it.
type Delivery struct {
	Sequence uint64 // order of publication on this bus; gaps are events that the filter did not want, or lost lossy ones
	Event    nexus.Event
	// Dropped counts the lossy events that this subscriber lost since its previous delivery. Coalesced ones are not
	// lost: a newer one of the same key follows.
	Dropped uint64
}

type state uint8

const (
	stateOpen     state = iota
	stateDraining       // the bus has closed: pending events, then ErrClosed
	stateCutOff         // over the bound: pending events, the cut-off event, then ErrCutOff
	stateClosed         // by its owner: nothing more
)

// Subscription is one reader's view of the bus. One goroutine reads; Close may come from any. It
// must be closed, or its context ended, also after an error of Next.
type Subscription struct {
	bus       *Bus
	filter    Filter
	stopAfter func() bool   // set before Subscribe returns
	wake      chan struct{} // holds at most one token: something changed

	mu          sync.Mutex
	state       state
	waiting     bool // the reader found nothing and waits for wake
	lossy, must queue
	pending     map[coalesceKey]int32 // key -> place in lossy
	dropped     uint64                // since the last delivery
	last        uint64                // sequence number of the last delivery
	firstMissed uint64
	told        bool // the cut-off event has been delivered
}

func newSubscription(b *Bus, f Filter, since uint64) *Subscription {
	s := &Subscription{bus: b, filter: f, wake: make(chan struct{}, 1), last: since,
		lossy: newQueue(b.limits.Lossy), must: newQueue(b.limits.MustDeliver)}
	if f.Coalesce {
		s.pending = map[coalesceKey]int32{}
	}
	return s
}

// offer queues d when it is wanted; Publish calls it under the bus lock. It reports whether the subscription goes on.
func (s *Subscription) offer(d Delivery) bool {
	if !s.filter.wants(d.Event) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state != stateOpen:
		return false
	case !d.Event.MustDeliver:
		s.offerLossy(d)
	case s.must.full():
		// Dropping it silently would break the promise and waiting would stop the publisher, so the subscriber goes.
		s.state, s.firstMissed = stateCutOff, d.Sequence
		s.bus.counters.cutOff.Add(1)
		s.signal()
		return false
	default:
		s.must.push(slot{delivery: d})
	}
	s.signal()
	return true
}

// offerLossy always finds room: the older event of the same key goes, or the oldest of all, for the newest sample is
// worth most.
func (s *Subscription) offerLossy(d Delivery) {
	sl := slot{delivery: d}
	if s.pending != nil {
		sl.key, sl.keyed = keyOf(d.Event), true
		if place, ok := s.pending[sl.key]; ok {
			s.lossy.remove(place)
			s.bus.counters.coalesced.Add(1)
		}
	}
	if s.lossy.full() {
		s.forget(s.lossy.remove(s.lossy.head))
		s.dropped++
		s.bus.counters.dropped.Add(1)
	}
	place := s.lossy.push(sl)
	if sl.keyed {
		s.pending[sl.key] = place
	}
}

// forget takes a slot that left the queue out of the coalescing index, so the index is no larger than the queue.
func (s *Subscription) forget(sl slot) {
	if sl.keyed {
		delete(s.pending, sl.key)
	}
}

// signal wakes a reader that waits; a busy one looks by itself. Called under mu.
func (s *Subscription) signal() {
	if !s.waiting {
		return
	}
	s.waiting = false
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next returns the next event in order of publication, waiting for it. Errors: ctx's, ErrClosed after Close or the end
// of the bus, ErrCutOff after the EventCutOff event.
func (s *Subscription) Next(ctx context.Context) (Delivery, error) {
	for {
		d, ok, err := s.take()
		if ok || err != nil {
			return d, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Delivery{}, ctx.Err()
		}
	}
}

// TryNext is Next without waiting: ok is false when nothing is pending.
func (s *Subscription) TryNext() (d Delivery, ok bool, err error) { return s.take() }

// All yields deliveries until the subscription or ctx ends; the last pair carries the error.
func (s *Subscription) All(ctx context.Context) iter.Seq2[Delivery, error] {
	return func(yield func(Delivery, error) bool) {
		for {
			d, err := s.Next(ctx)
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// Pending counts the queued events.
func (s *Subscription) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lossy.count + s.must.count
}

// take gives the older of the two queues' heads, or the end of the subscription.
func (s *Subscription) take() (Delivery, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateClosed {
		return Delivery{}, false, ErrClosed
	}
	from := &s.must
	l, haveLossy := s.lossy.peek()
	m, haveMust := s.must.peek()
	if haveLossy && (!haveMust || l < m) {
		from = &s.lossy
	}
	if haveLossy || haveMust {
		sl := from.remove(from.head)
		s.forget(sl)
		d := sl.delivery
		d.Dropped, s.dropped, s.last = s.dropped, 0, d.Sequence
		s.bus.counters.delivered.Add(1)
		return d, true, nil
	}
	switch s.state {
	case stateDraining:
		return Delivery{}, false, ErrClosed
	case stateCutOff:
		return s.takeCutOff()
	}
	s.waiting = true
	return Delivery{}, false, nil
}

func (s *Subscription) takeCutOff() (Delivery, bool, error) {
	if s.told {
		return Delivery{}, false, fmt.Errorf("%w: more than %d must-deliver events pending", ErrCutOff, s.must.bound)
	}
	s.told = true
	d := Delivery{Sequence: s.firstMissed, Dropped: s.dropped, Event: nexus.Event{Type: EventCutOff, Time: time.Now(),
		MustDeliver: true, Data: CutOff{Bound: s.must.bound, LastSequence: s.last, FirstMissed: s.firstMissed}}}
	s.dropped = 0
	return d, true, nil
}

// Close ends the subscription at once; pending events are let go. Calling it again does nothing.
func (s *Subscription) Close() {
	s.bus.remove(s)
	s.end(stateClosed)
}

// end moves to a final state, wakes the reader and frees the queues when nobody will read them.
func (s *Subscription) end(to state) {
	s.mu.Lock()
	if to == stateClosed || s.state == stateOpen {
		s.state = to
	}
	if to == stateClosed {
		s.lossy, s.must = newQueue(s.lossy.bound), newQueue(s.must.bound)
		s.pending = nil
	}
	s.signal()
	s.mu.Unlock()
	s.stopAfter()
}
