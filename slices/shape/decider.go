package shape

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
