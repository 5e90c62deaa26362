package shape

// QuantumBytes is the most that one grant carries: large enough that copying costs more than scheduling, small enough
// that sixteen slices taking turns at 1 Gbit/s delay each other by 2 ms.
const QuantumBytes = 16 << 10

// quantumMin keeps slow slices from being scheduled byte by byte.
const quantumMin = 256

// burstMs is the depth of the guaranteed and ceiling buckets in milliseconds of their rate: 1 % of 3GPP's averaging
// window of 2000 ms, so that burst and one grant together stay below 2 % over the ceiling in any such window.
const burstMs = 20

// Rates are the limits of one slice's bytes.
type Rates struct {
	GuaranteedBps uint64 // bits per second served before everything unguaranteed; 0: none
	CeilingBps    uint64 // bits per second never passed; 0: no ceiling of its own
	Priority      uint8  // order among slices inside their guaranteed rates, 1 first
}

// Flow is one slice's place in a Scheduler. Make it with Scheduler.NewFlow; use it with that Scheduler only. A Flow
// nobody waits on costs the scheduler nothing and needs no removal.
type Flow struct {
	// Guarded by the scheduler's mutex.
	rates       Rates
	guaranteed  Bucket
	ceiling     Bucket
	deficit     int64
	visited     bool // the front of the ring has had its quantum this turn
	queued      bool // in the ring
	lastServed  uint64
	head, tail  *waiter
	waiting     int
	granted     uint64   // bytes, all
	grantedGuar uint64   // bytes inside the guaranteed rate
	promise     *promise // nil: nothing was ever guaranteed
}

// waiter is one caller that wants to move n bytes.
type waiter struct {
	flow       *Flow
	bytes      int
	ready      chan struct{} // capacity 1: a grant never blocks
	granted    bool
	queued     bool // in its flow's queue
	prev, next *waiter
}

func (f *Flow) setRates(r Rates, nowNs int64) {
	f.pass(nowNs) // what has passed is owed at the old rate
	f.rates = r
	f.promised(nowNs)
	f.guaranteed.setRate(r.GuaranteedBps, burstBytes(r.GuaranteedBps), nowNs)
	f.ceiling.setRate(r.CeilingBps, burstBytes(r.CeilingBps), nowNs)
}

func burstBytes(rateBps uint64) int64 {
	return int64(min(rateBps/8/1000*burstMs, burstBytesMax)) + 1
}

// quantum gives the largest grant for the flow: smaller under a low ceiling, so that one grant is at most 1 % of what
// the ceiling allows in two seconds.
func (f *Flow) quantum() int {
	if f.rates.CeilingBps == 0 {
		return QuantumBytes
	}
	return int(min(QuantumBytes, max(quantumMin, f.rates.CeilingBps/8/50)))
}

func (f *Flow) mayGo(nowNs int64) bool {
	if f.rates.CeilingBps == 0 {
		return true
	}
	f.ceiling.Advance(nowNs)
	return f.ceiling.Ready()
}

// insideGuarantee reports whether the flow has guaranteed rate left.
func (f *Flow) insideGuarantee(nowNs int64) bool {
	if f.rates.GuaranteedBps == 0 {
		return false
	}
	f.guaranteed.Advance(nowNs)
	return f.guaranteed.Ready()
}

func (f *Flow) push(w *waiter) {
	w.prev, w.next = f.tail, nil
	if f.tail == nil {
		f.head = w
	} else {
		f.tail.next = w
	}
	f.tail = w
	w.queued = true
	f.waiting++
}

func (f *Flow) unlink(w *waiter) {
	if w.prev == nil {
		f.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		f.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.queued = nil, nil, false
	f.waiting--
}
