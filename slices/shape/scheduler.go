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
