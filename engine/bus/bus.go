package bus

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Limits of a bus, in events or subscribers. The zero value of a field takes the default.
type Limits struct {
	Subscribers int // most subscriptions at a time; default 256
	Lossy       int // pending lossy events of one subscriber; default 1024
	MustDeliver int // pending must-deliver events of one subscriber; default 8192
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		value *int
		def   int
	}{{&l.Subscribers, 256}, {&l.Lossy, 1024}, {&l.MustDeliver, 8192}} {
		if *f.value <= 0 {
			*f.value = f.def
		}
	}
	return l
}

// Bus hands each published event to every subscriber whose filter wants it. Safe for concurrent use.
type Bus struct {
	limits Limits

	// mu orders events: sequence numbers are given and queues filled under it. Subscribers read their own queue under
	// their own lock, so a slow reader never holds it.
	mu          sync.Mutex
	sequence    uint64
	subscribers []*Subscription
	closed      bool

	counters counters
}

type counters struct {
	published, delivered, dropped, coalesced, cutOff atomic.Uint64
	lossy, must                                      tooks
}

// Stats are the counters of a bus since it was made.
type Stats struct {
	Published   uint64 `json:"published"`   // events given to Publish
	Delivered   uint64 `json:"delivered"`   // events taken out by subscribers
	Dropped     uint64 `json:"dropped"`     // lossy events pushed out of a full queue
	Coalesced   uint64 `json:"coalesced"`   // lossy events replaced by a newer one of the same key
	CutOff      uint64 `json:"cut_off"`     // subscribers ended for being over the must-deliver bound
	Subscribers int    `json:"subscribers"` // now
	Sequence    uint64 `json:"sequence"`    // number of the newest event
	TookLossy   Took   `json:"took_lossy"`  // publishing lossy events
	TookMust    Took   `json:"took_must"`   // publishing must-deliver events
}

// New makes a bus.
func New(limits Limits) *Bus { return &Bus{limits: limits.withDefaults()} }

// Publish gives the event to every subscriber that wants it and returns its sequence number, counted from 1 without a
// gap. It never waits for a subscriber and does no I/O: its time grows with the number of subscribers only. Measured by
// BenchmarkPublish on two busy cores at 10,000 events/s: p99 below 10 us with 8 reading subscribers (the bound to keep
// is 50 us), about 0.15 ms with 64. The event's Data must not be changed afterwards. After Close it does
// nothing and returns 0. A zero Time is set to now. How long each call takes is counted (Stats).
func (b *Bus) Publish(e nexus.Event) uint64 {
	start := time.Now()
	if e.Time.IsZero() {
		e.Time = start
	}
	sequence := b.hand(e)
	took := &b.counters.lossy
	if e.MustDeliver {
		took = &b.counters.must
	}
	if sequence > 0 {
		took.add(time.Since(start))
	}
	return sequence
}

// hand numbers an event and queues it everywhere.
func (b *Bus) hand(e nexus.Event) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0
	}
	b.sequence++
	b.counters.published.Add(1)
	d := Delivery{Sequence: b.sequence, Event: e}
	kept := b.subscribers[:0]
	for _, s := range b.subscribers {
		if s.offer(d) {
			kept = append(kept, s)
		}
	}
	clear(b.subscribers[len(kept):])
	b.subscribers = kept
	return b.sequence
}

// Subscribe starts a subscription: it sees every event published after the return. It ends by Close, when ctx is done,
// when the bus closes, or by being cut off. CodeUnavailable when the bus is closed or has its limit of subscribers.
func (b *Bus) Subscribe(ctx context.Context, f Filter) (*Subscription, error) {
	const op = "subscribe"
	if err := ctx.Err(); err != nil {
		return nil, &nexus.Error{Op: op, Code: nexus.CodeUnavailable, Subject: "subscription", Cause: err}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, nexus.Errf(op, nexus.CodeUnavailable, "bus", "the node is stopping", "closed")
	}
	if len(b.subscribers) >= b.limits.Subscribers {
		return nil, nexus.Errf(op, nexus.CodeUnavailable, fmt.Sprintf("%d subscribers", len(b.subscribers)),
			"close a console or event stream first", "the limit of this node is reached")
	}
	s := newSubscription(b, f, b.sequence)
	b.subscribers = append(b.subscribers, s)
	// AfterFunc holds no goroutine while it waits; Close stops it, so a finished subscription leaves nothing in ctx.
	s.stopAfter = context.AfterFunc(ctx, s.Close)
	return s, nil
}

// remove takes a subscription off the list.
func (b *Bus) remove(s *Subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, have := range b.subscribers {
		if have == s {
			last := len(b.subscribers) - 1
			b.subscribers[i] = b.subscribers[last]
			b.subscribers[last] = nil
			b.subscribers = b.subscribers[:last]
			return
		}
	}
}

// Close ends the bus. Subscribers still get what is pending, then ErrClosed. Calling it again does nothing.
func (b *Bus) Close() {
	b.mu.Lock()
	subscribers := b.subscribers
	b.subscribers, b.closed = nil, true
	b.mu.Unlock()
	for _, s := range subscribers {
		s.end(stateDraining)
	}
}

// Stats reads the counters.
func (b *Bus) Stats() Stats {
	b.mu.Lock()
	n, seq := len(b.subscribers), b.sequence
	b.mu.Unlock()
	return Stats{Published: b.counters.published.Load(), Delivered: b.counters.delivered.Load(),
		Dropped: b.counters.dropped.Load(), Coalesced: b.counters.coalesced.Load(), CutOff: b.counters.cutOff.Load(),
		Subscribers: n, Sequence: seq, TookLossy: b.counters.lossy.read(), TookMust: b.counters.must.read()}
}
