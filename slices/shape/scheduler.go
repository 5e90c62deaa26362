package shape

import (
	"math"
	"sync"
	"time"
)

const (
	// linkBurstMs is the depth of the link's bucket: a timer that fires late by that much wastes nothing.
	linkBurstMs = 5
	// timerMinNs keeps the scheduler from waking more often than callers could notice.
	timerMinNs = 200_000
)

// decider is the pure heart of Scheduler: it knows the time only as an argument.
type decider struct {
	link   Bucket
	shared *sharing // in the place of link, where other processes share it; nil: nobody does
	ring   []*Flow  // flows with waiters; the front is the one whose turn it is
	serve  uint64   // counts grants, for turns among equals
}

// add puts a waiter in its flow's queue.
func (d *decider) add(w *waiter, nowNs int64) {
	f := w.flow
	f.pass(nowNs)
	f.push(w)
	if !f.queued {
		f.queued, f.visited, f.deficit = true, false, 0
		d.ring = append(d.ring, f)
	}
}

// remove takes back a waiter that gave up.
func (d *decider) remove(w *waiter, nowNs int64) {
	f := w.flow
	f.pass(nowNs)
	f.unlink(w)
	if f.head != nil {
		return
	}
	for i, g := range d.ring {
		if g == f {
			d.drop(i)
			return
		}
	}
}

func (d *decider) drop(i int) {
	f := d.ring[i]
	f.queued = false
	copy(d.ring[i:], d.ring[i+1:])
	d.ring[len(d.ring)-1] = nil
	d.ring = d.ring[:len(d.ring)-1]
}

// dispatch grants all that may go at nowNs and returns the nanoseconds after which to ask again, 0 when nobody waits.
func (d *decider) dispatch(nowNs int64) (waitNs int64) {
	if d.shared != nil {
		return d.dispatchShared(nowNs)
	}
	d.link.Advance(nowNs)
	for len(d.ring) > 0 {
		if !d.link.Ready() {
			return d.link.WaitNs()
		}
		if i := d.guaranteedNext(nowNs); i >= 0 {
			d.grant(i, true, nowNs)
			continue
		}
		i, wait := d.roundRobinNext(nowNs)
		if i < 0 {
			return wait
		}
		d.grant(i, false, nowNs)
	}
	return 0
}

// dispatchShared is dispatch on a link that others share. What is guaranteed to a flow goes at once, because all guarantees together are less than
// the link; so does this member's part of the rest. More than that is borrowed and waits for the link. All of it is charged to the link.
func (d *decider) dispatchShared(nowNs int64) (waitNs int64) {
	for len(d.ring) > 0 {
		if i := d.guaranteedNext(nowNs); i >= 0 {
			d.grant(i, true, nowNs)
			continue
		}
		if !d.mayBorrow(nowNs) {
			return d.sharedWait(nowNs)
		}
		i, wait := d.roundRobinNext(nowNs)
		if i < 0 {
			return d.untilGuaranteed(wait, nowNs)
		}
		d.grant(i, false, nowNs)
	}
	return 0
}

// mayBorrow reports whether bytes outside all guarantees may go now, and notes whether they are of the member's own part.
func (d *decider) mayBorrow(nowNs int64) bool {
	s := d.shared
	s.own.Advance(nowNs)
	s.ownTaken = s.own.Ready()
	return s.ownTaken || s.ready(nowNs)
}

// sharedWait gives the nanoseconds until anybody may go again.
func (d *decider) sharedWait(nowNs int64) int64 {
	return d.untilGuaranteed(min(d.shared.waitNs(nowNs), d.shared.own.WaitNs()), nowNs)
}

// untilGuaranteed gives the nanoseconds until a flow has guaranteed rate again, waitNs when that is sooner.
func (d *decider) untilGuaranteed(waitNs, nowNs int64) int64 {
	for _, f := range d.ring {
		if f.rates.GuaranteedBps > 0 {
			wait := f.guaranteed.WaitNs()
			if !f.mayGo(nowNs) {
				wait = max(wait, f.ceiling.WaitNs())
			}
			waitNs = min(waitNs, max(wait, 1))
		}
	}
	return waitNs
}

// guaranteedNext gives the ring index of the most urgent flow with guaranteed rate left, the longest unserved among
// equals; -1 when there is none. Priority counts here and nowhere else, so it cannot starve anybody: all guarantees
// together are at most ReservablePercent of the link.
func (d *decider) guaranteedNext(nowNs int64) int {
	best := -1
	for i, f := range d.ring {
		if !f.insideGuarantee(nowNs) || !f.mayGo(nowNs) {
			continue
		}
		if best >= 0 {
			b := d.ring[best]
			if f.rates.Priority > b.rates.Priority ||
				f.rates.Priority == b.rates.Priority && f.lastServed >= b.lastServed {
				continue
			}
		}
		best = i
	}
	return best
}

// roundRobinNext is deficit round robin: the flow at the front gets QuantumBytes a turn and goes to the back when its
// next waiter wants more than is left. Flows at their ceiling are passed over. The result is 0 (the front) or -1 with
// the nanoseconds until the first ceiling lets somebody go.
func (d *decider) roundRobinNext(nowNs int64) (index int, waitNs int64) {
	blocked := 0
	for blocked < len(d.ring) {
		f := d.ring[0]
		if !f.mayGo(nowNs) {
			blocked++
			if w := f.ceiling.WaitNs(); waitNs == 0 || w < waitNs {
				waitNs = w
			}
			d.rotate()
			continue
		}
		if !f.visited {
			f.visited = true
			f.deficit += QuantumBytes
		}
		if int64(f.head.bytes) <= f.deficit {
			return 0, 0
		}
		d.rotate()
	}
	return -1, waitNs
}

func (d *decider) rotate() {
	f := d.ring[0]
	f.visited = false
	copy(d.ring, d.ring[1:])
	d.ring[len(d.ring)-1] = f
}

// grant lets the head of ring[i] go. Bytes inside the guarantee do not count against the fair share.
func (d *decider) grant(i int, guaranteed bool, nowNs int64) {
	f := d.ring[i]
	w := f.head
	f.pass(nowNs)
	f.unlink(w)
	f.promise.count(w.bytes, true)
	d.charge(f, w.bytes, guaranteed)
	if d.shared != nil {
		d.chargeShared(w.bytes, guaranteed, nowNs)
	}
	if !guaranteed {
		f.deficit -= int64(w.bytes)
	}
	if f.head == nil {
		d.drop(i)
	}
	w.granted = true
	w.ready <- struct{}{}
}

func (d *decider) charge(f *Flow, n int, guaranteed bool) {
	d.serve++
	f.lastServed = d.serve
	d.link.Take(n) // where the link is shared nobody asks this bucket
	if f.rates.CeilingBps > 0 {
		f.ceiling.Take(n)
	}
	f.granted += uint64(n)
	if guaranteed {
		f.guaranteed.Take(n)
		f.grantedGuar += uint64(n)
	}
}

// chargeShared charges the link that others share, after charge.
func (d *decider) chargeShared(n int, guaranteed bool, nowNs int64) {
	d.shared.take(n, nowNs)
	if !guaranteed && d.shared.ownTaken {
		d.shared.own.Take(n)
	}
}

// Scheduler shares one link's bytes between flows. Safe for concurrent use. It holds at most one waiter per caller
// inside Take, so its memory is bounded by the callers.
type Scheduler struct {
	start time.Time
	pool  sync.Pool

	mu      sync.Mutex
	decider decider
	timer   *time.Timer
	timerAt int64 // nanoseconds since start when the timer is due, 0 when it is not set
	closed  bool
}

// NewScheduler makes a scheduler of a link of capacityBps bits per second.
func NewScheduler(capacityBps uint64) *Scheduler {
	s := &Scheduler{start: time.Now()}
	s.pool.New = func() any { return &waiter{ready: make(chan struct{}, 1)} }
	s.decider.link = NewBucket(capacityBps, linkBurst(capacityBps), 0)
	s.timer = time.AfterFunc(time.Hour, s.tick)
	s.timer.Stop()
	return s
}

func linkBurst(capacityBps uint64) int64 {
	return max(int64(min(capacityBps/8/1000*linkBurstMs, burstBytesMax)), QuantumBytes)
}

// SetCapacity changes the link's rate to capacityBps bits per second from now on. What was moved before stays paid.
func (s *Scheduler) SetCapacity(capacityBps uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decider.link.setRate(capacityBps, linkBurst(capacityBps), s.nowNs())
	if s.decider.shared != nil {
		s.decider.shared.setRate(capacityBps)
	}
	s.timerAt = 0 // set for the old rate: the new one may be sooner
	s.run()
}

// Share makes the scheduler one of members (at least 1, the same number in all of them) that share a link of capacityBps bits per second, each in a
// process of its own. clock gives the link's time in nanoseconds: the system's monotonic clock, the same for all. Call it before anything moves.
func (s *Scheduler) Share(l *Link, members int, clock func() int64, capacityBps uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.nowNs()
	shared := &sharing{link: l, offsetNs: s.offset(clock), members: uint64(max(members, 1))}
	shared.setRate(capacityBps)
	shared.own = NewBucket(capacityBps/shared.members, linkBurst(capacityBps/shared.members), now)
	s.decider.shared = shared
}

// offset measures how far another clock is ahead of the scheduler's, by the closest of a few readings: this goroutine may stand still between two.
func (s *Scheduler) offset(clock func() int64) (offsetNs int64) {
	best := int64(math.MaxInt64)
	for range 16 {
		before := s.nowNs()
		there := clock()
		if took := s.nowNs() - before; took < best {
			best, offsetNs = took, there-before-took/2
		}
	}
	return offsetNs
}

// SetFree tells a scheduler that shares its link how much of it is guaranteed to nobody, in bits per second: each member may always use its part of
// that, and borrows what the others leave.
func (s *Scheduler) SetFree(freeBps uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if shared := s.decider.shared; shared != nil {
		part := freeBps / shared.members
		shared.own.setRate(part, linkBurst(part), s.nowNs())
		s.timerAt = 0
		s.run()
	}
}

// NewFlow adds a slice.
func (s *Scheduler) NewFlow(r Rates) *Flow {
	f := &Flow{rates: r}
	now := s.nowNs()
	f.promised(now)
	f.guaranteed = NewBucket(r.GuaranteedBps, burstBytes(r.GuaranteedBps), now)
	f.ceiling = NewBucket(r.CeilingBps, burstBytes(r.CeilingBps), now)
	return f
}

// SetRates changes a flow's limits from now on.
func (s *Scheduler) SetRates(f *Flow, r Rates) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.setRates(r, s.nowNs())
	s.run()
}

// Quantum gives the largest n that Take accepts for the flow without cutting into its fairness, in bytes.
func (s *Scheduler) Quantum(f *Flow) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f.quantum()
}

// Take waits until the flow may move n bytes (at most Quantum) and pays for them. It reports false when cancel was
// closed or the scheduler closed first; then nothing was paid. A nil cancel waits without end.
func (s *Scheduler) Take(f *Flow, n int, cancel <-chan struct{}) bool {
	n = min(n, QuantumBytes)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	if s.takeNow(f, n) {
		s.mu.Unlock()
		return true
	}
	w := s.pool.Get().(*waiter)
	w.flow, w.bytes, w.granted = f, n, false
	s.decider.add(w, s.nowNs())
	s.run()
	s.mu.Unlock()
	select {
	case <-w.ready:
		return s.finish(w)
	case <-cancel:
	}
	s.mu.Lock()
	gaveUp := w.queued
	if gaveUp {
		s.decider.remove(w, s.nowNs())
	}
	s.mu.Unlock()
	if !gaveUp {
		<-w.ready // answered at the same moment; a grant is paid, so it counts
	}
	return s.finish(w)
}

// TryTake is Take without waiting: false when the flow would have to.
func (s *Scheduler) TryTake(f *Flow, n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed && s.takeNow(f, min(n, QuantumBytes))
}

func (s *Scheduler) finish(w *waiter) bool {
	ok := w.granted
	w.flow = nil
	s.pool.Put(w)
	return ok
}

// takeNow is the common case: nobody waits and the buckets hold something.
func (s *Scheduler) takeNow(f *Flow, n int) bool {
	d := &s.decider
	if len(d.ring) > 0 {
		return false
	}
	now := s.nowNs()
	if d.shared != nil {
		return d.takeShared(f, n, now)
	}
	d.link.Advance(now)
	if !d.link.Ready() || !f.mayGo(now) {
		return false
	}
	f.pass(now)
	f.promise.count(n, false)
	d.charge(f, n, f.insideGuarantee(now))
	return true
}

// takeShared is takeNow on a link that others share.
func (d *decider) takeShared(f *Flow, n int, nowNs int64) bool {
	guaranteed := f.insideGuarantee(nowNs)
	if !f.mayGo(nowNs) || !guaranteed && !d.mayBorrow(nowNs) {
		return false
	}
	f.pass(nowNs)
	f.promise.count(n, false)
	d.charge(f, n, guaranteed)
	d.chargeShared(n, guaranteed, nowNs)
	return true
}

// Charge pays for bytes that have moved already, without waiting: what follows waits the longer.
func (s *Scheduler) Charge(f *Flow, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.nowNs()
	s.decider.link.Advance(now)
	f.mayGo(now)
	f.pass(now)
	f.promise.count(n, f.waiting > 0)
	guaranteed := f.insideGuarantee(now)
	s.decider.charge(f, n, guaranteed)
	if s.decider.shared != nil {
		s.decider.mayBorrow(now)
		s.decider.chargeShared(n, guaranteed, now)
	}
}

// OwnWait gives how much of the next caller's wait is made by the flow's own ceiling, behind those of the flow that wait already: 0 where it could go
// at once but for the others on the link; all of it while the link is free, however late a turn comes; else what the ceiling alone would make.
func (s *Scheduler) OwnWait(f *Flow) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.rates.CeilingBps == 0 {
		return 0
	}
	now, d := s.nowNs(), &s.decider
	f.ceiling.Advance(now)
	after := f.ceiling
	for w := f.head; w != nil; w = w.next {
		after.Take(w.bytes)
	}
	if after.Ready() {
		return 0
	}
	d.link.Advance(now)
	if d.shared == nil && d.link.Ready() || d.shared != nil && d.shared.ready(now) {
		return math.MaxInt64
	}
	return time.Duration(after.WaitNs())
}

// Waiting gives the number of callers that wait on the flow.
func (s *Scheduler) Waiting(f *Flow) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f.waiting
}

// Granted gives the bytes granted to the flow in all and, of these, inside its guaranteed rate.
func (s *Scheduler) Granted(f *Flow) (all, guaranteed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f.granted, f.grantedGuar
}

// Close ends every wait with false and refuses new ones.
func (s *Scheduler) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.timer.Stop()
	for len(s.decider.ring) > 0 {
		w := s.decider.ring[0].head
		s.decider.remove(w, s.nowNs())
		w.ready <- struct{}{}
	}
}

func (s *Scheduler) nowNs() int64 { return int64(time.Since(s.start)) }

// tick runs on the timer's goroutine when the first waiter may go.
func (s *Scheduler) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timerAt = 0
	if !s.closed {
		s.run()
	}
}

// run dispatches and sets the timer; the caller holds the mutex.
func (s *Scheduler) run() {
	now := s.nowNs()
	wait := s.decider.dispatch(now)
	if wait == 0 {
		return
	}
	at := now + max(wait, timerMinNs)
	if s.timerAt == 0 || at < s.timerAt {
		s.timerAt = at
		s.timer.Reset(time.Duration(at - now))
	}
}
