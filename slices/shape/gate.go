package shape

import (
	"errors"
	"math"
	"sync"
	"time"
)

// ErrCanceled is what a wait returns when the caller's cancel channel was closed first.
var ErrCanceled = errors.New("wait canceled")

// Reason says why a gate refused.
type Reason string

// The reasons.
const (
	ReasonQueueFull Reason = "queue full"
	ReasonQueueAge  Reason = "queue too old"
	ReasonClosed    Reason = "stopping"
)

// Refusal is the error of a request that a gate did not let in. Several may be given the same one.
type Refusal struct {
	Reason     Reason
	RetryAfter time.Duration // when trying again makes sense
}

// Error implements error.
func (r *Refusal) Error() string { return "slice is over its share: " + string(r.Reason) }

// GateLimits bound one gate.
type GateLimits struct {
	InFlightMax int           // entered at once
	QueueMax    int           // requests waiting at once; waiting connections are bounded by their number
	Target      time.Duration // queue age that is fine for ever
	Interval    time.Duration // how long the age may stay above Target before the oldest are refused
	MaxWait     time.Duration // no request waits longer
}

// Gate bounds the work of one slice. Two kinds of callers wait in one queue, first come first served: requests that
// were read, which are refused when the queue is too long or too old, and connections whose next request lies unread in
// the kernel, which wait as long as their deadline lets them: not reading is what slows a flooder down. Safe for
// concurrent use.
type Gate struct {
	mu         sync.Mutex
	limits     GateLimits
	full       *Refusal // what the limits say when the queue is full
	inFlight   int
	peak       int
	head, tail *parked
	requests   int // waiting requests
	readers    int // waiting connections
	codel      codel
	dropped    uint64
	closed     bool

	spare sync.Pool // of waiters
}

// parked is one waiter in a gate.
type parked struct {
	since      time.Time // of a request
	reader     bool
	done       chan struct{} // capacity 1
	refusal    *Refusal      // set before done when refused
	out        bool          // no longer in the queue
	prev, next *parked
}

// reuse keeps a waiter for the next wait that is out of the queue and whose done is empty: under load every request waits once.
func (g *Gate) reuse(p *parked) {
	p.refusal, p.out = nil, false
	g.spare.Put(p)
}

// NewGate makes a gate. Limits below 1 count as 1, a queue below 0 as none.
func NewGate(l GateLimits) *Gate {
	g := &Gate{}
	g.limit(l)
	return g
}

// limit takes limits; the caller holds the mutex, or nobody else knows the gate.
func (g *Gate) limit(l GateLimits) {
	g.limits = l.normal()
	g.full = &Refusal{Reason: ReasonQueueFull, RetryAfter: g.limits.MaxWait}
}

func (l GateLimits) normal() GateLimits {
	l.InFlightMax = max(l.InFlightMax, 1)
	l.QueueMax = max(l.QueueMax, 0)
	if l.MaxWait <= 0 {
		l.MaxWait = time.Second
	}
	if l.Interval <= 0 {
		l.Interval = 100 * time.Millisecond
	}
	return l
}

// SetLimits changes the limits; a larger in-flight bound lets waiters in at once, a smaller one throws nobody out.
func (g *Gate) SetLimits(l GateLimits) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit(l)
	g.admit()
}

// Enter lets a request in, waiting in the queue when the gate is full. After nil the caller must call Leave once. The
// error is a *Refusal, or ErrCanceled.
func (g *Gate) Enter(cancel <-chan struct{}) error {
	p, maxWait, err := g.begin(false)
	if p == nil {
		return err
	}
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	return g.await(p, timer.C, maxWait, cancel)
}

// begin takes a place, refuses, or parks a waiter: then p is not nil.
func (g *Gate) begin(reader bool) (p *parked, maxWait time.Duration, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.free():
		g.take()
		return nil, 0, nil
	case g.closed:
		return nil, 0, &Refusal{Reason: ReasonClosed, RetryAfter: time.Second}
	case !reader && g.requests >= g.limits.QueueMax:
		return nil, 0, g.full
	}
	return g.park(reader), g.limits.MaxWait, nil
}

// EnterFirst lets in a request that is all its connection has, and that had to be read before its slice was known. Like a connection
// that waits unread it is bounded by the number of connections, so neither the queue's length nor the rule of its age refuses it,
// only MaxWait: a refusal would end the connection, and the next one would come at once. After nil the caller must call Leave once.
// The error is a *Refusal, or ErrCanceled.
func (g *Gate) EnterFirst(cancel <-chan struct{}) error {
	p, maxWait, err := g.begin(true)
	if p == nil {
		return err
	}
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	return g.await(p, timer.C, maxWait, cancel)
}

// await waits until p is answered, its caller goes away or its time is over; a nil channel of time never ends.
func (g *Gate) await(p *parked, over <-chan time.Time, maxWait time.Duration, cancel <-chan struct{}) error {
	select {
	case <-p.done:
	case <-cancel:
		if g.giveUp(p) {
			<-p.done // answered at the same moment
		}
		g.reuse(p)
		return ErrCanceled
	case <-over:
		if g.expire(p) {
			g.reuse(p)
			return &Refusal{Reason: ReasonQueueAge, RetryAfter: maxWait}
		}
		<-p.done
	}
	refusal := p.refusal
	g.reuse(p)
	if refusal != nil {
		return refusal
	}
	return nil
}

// TryEnter is Enter without waiting: false when the gate is full, closed, or others wait.
func (g *Gate) TryEnter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.free() {
		return false
	}
	g.take()
	return true
}

// EnterRead lets a connection read its next request, waiting as long as cancel stays open. After nil the caller
// must call Leave once, or hand the place to the request that it read. The error is ErrCanceled, or a *Refusal when the
// gate was closed.
func (g *Gate) EnterRead(cancel <-chan struct{}) error {
	p, _, err := g.begin(true)
	if p == nil {
		return err
	}
	return g.await(p, nil, 0, cancel)
}

// Expired counts and words the refusal of a request whose connection EnterRead let wait until its caller gave up.
func (g *Gate) Expired() *Refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dropped++
	return &Refusal{Reason: ReasonQueueAge, RetryAfter: g.limits.MaxWait}
}

// Leave gives a place back and lets the next waiter in.
func (g *Gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inFlight--
	if g.inFlight < 0 {
		panic("shape: Gate.Leave without Enter")
	}
	g.admit()
}

// GateStats are a gate's figures at one moment.
type GateStats struct {
	InFlight int    // entered now
	Peak     int    // most entered at once since the start
	Requests int    // requests waiting
	Readers  int    // connections waiting unread
	Dropped  uint64 // requests given up because of the queue's age
}

// Stats reads the figures.
func (g *Gate) Stats() GateStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return GateStats{g.inFlight, g.peak, g.requests, g.readers, g.dropped}
}

// Close refuses everybody who waits or comes later; who is inside stays until Leave.
func (g *Gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for g.head != nil {
		g.release(g.head, &Refusal{Reason: ReasonClosed, RetryAfter: time.Second})
	}
}

func (g *Gate) free() bool {
	return !g.closed && g.head == nil && g.inFlight < g.limits.InFlightMax
}

func (g *Gate) take() {
	g.inFlight++
	g.peak = max(g.peak, g.inFlight)
}

// admit fills free places from the queue's head. A request whose wait breaks the queue-age rule is refused on the way,
// at the head, so that the youngest, who may still be in time, get the place.
func (g *Gate) admit() {
	for g.head != nil && g.inFlight < g.limits.InFlightMax {
		p := g.head
		if !p.reader {
			now := time.Now()
			if g.codel.drop(now, now.Sub(p.since), g.requests <= 1, g.limits) {
				g.dropped++
				g.release(p, &Refusal{Reason: ReasonQueueAge, RetryAfter: g.limits.MaxWait})
				continue
			}
		}
		g.take()
		g.release(p, nil)
	}
}

func (g *Gate) park(reader bool) *parked {
	p, ok := g.spare.Get().(*parked)
	if !ok {
		p = &parked{done: make(chan struct{}, 1)}
	}
	p.reader, p.prev = reader, g.tail
	if !reader { // of a connection nobody asks
		p.since = time.Now()
	}
	if g.tail == nil {
		g.head = p
	} else {
		g.tail.next = p
	}
	g.tail = p
	if reader {
		g.readers++
	} else {
		g.requests++
	}
	return p
}

// release takes p out of the queue and wakes it.
func (g *Gate) release(p *parked, refusal *Refusal) {
	g.unlink(p)
	p.refusal = refusal
	p.done <- struct{}{}
}

func (g *Gate) unlink(p *parked) {
	if p.prev == nil {
		g.head = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		g.tail = p.prev
	} else {
		p.next.prev = p.prev
	}
	p.prev, p.next, p.out = nil, nil, true
	if p.reader {
		g.readers--
	} else {
		g.requests--
	}
}

// giveUp takes a waiter back whose caller went away. When it had been let in at the same moment, its place goes to the
// next. It reports whether p was answered.
func (g *Gate) giveUp(p *parked) (answered bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !p.out {
		g.unlink(p)
		return false
	}
	if p.refusal == nil {
		g.inFlight--
		g.admit()
	}
	return true
}

// expire refuses a waiter whose time is over, unless it was answered at the same moment.
func (g *Gate) expire(p *parked) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.out {
		return false
	}
	g.dropped++
	g.unlink(p)
	return true
}

// codel is the control law of CoDel (RFC 8289) on the time that requests waited, applied when one leaves the queue.
type codel struct {
	firstAbove time.Time // when the age will have been above target for an interval; zero while it is below
	dropping   bool
	dropNext   time.Time
	count      int
}

// drop decides about the request at the head. last says that nobody waits behind it: then there is no standing queue.
func (c *codel) drop(now time.Time, age time.Duration, last bool, l GateLimits) bool {
	if age < l.Target || last {
		c.firstAbove, c.dropping = time.Time{}, false
		return false
	}
	if c.firstAbove.IsZero() {
		c.firstAbove = now.Add(l.Interval)
		return false
	}
	if now.Before(c.firstAbove) {
		return false
	}
	if !c.dropping {
		c.dropping = true
		// Coming back soon after the last spell, the rate goes on where it was (RFC 8289 section 5.4).
		if c.count > 2 && now.Sub(c.dropNext) < 16*l.Interval {
			c.count -= 2
		} else {
			c.count = 1
		}
		c.dropNext = now.Add(c.step(l.Interval))
		return true
	}
	if now.Before(c.dropNext) {
		return false
	}
	c.count++
	c.dropNext = c.dropNext.Add(c.step(l.Interval))
	return true
}

func (c *codel) step(interval time.Duration) time.Duration {
	return time.Duration(float64(interval) / math.Sqrt(float64(c.count)))
}
