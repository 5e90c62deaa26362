package bus

// queue is a list of deliveries with a fixed bound, linked inside one slab so that a coalesced delivery is taken out of
// the middle at once. The slab grows by doubling up to the bound, so a quiet subscriber costs little. Owned by the lock
// of its subscription.
type queue struct {
	bound int
	slots []slot
	head  int32 // oldest, none when empty
	tail  int32 // newest, none when empty
	free  int32 // first unused slot, linked by next
	count int   // deliveries in it
}

// none marks the end of a link.
const none int32 = -1

type slot struct {
	delivery   Delivery
	key        coalesceKey
	keyed      bool
	prev, next int32
}

func newQueue(bound int) queue { return queue{bound: bound, head: none, tail: none, free: none} }

func (q *queue) full() bool { return q.count == q.bound }

// push appends and returns the place, by which remove finds it until it has left the queue. The caller made room.
func (q *queue) push(s slot) (place int32) {
	if q.free == none {
		q.grow()
	}
	place = q.free
	q.free = q.slots[place].next
	s.prev, s.next = q.tail, none
	q.slots[place] = s
	if q.tail == none {
		q.head = place
	} else {
		q.slots[q.tail].next = place
	}
	q.tail = place
	q.count++
	return place
}

func (q *queue) grow() {
	old := len(q.slots)
	slots := make([]slot, min(max(2*old, 16), q.bound))
	copy(slots, q.slots)
	for i := old; i < len(slots); i++ {
		slots[i].next = int32(i + 1)
	}
	slots[len(slots)-1].next = none
	q.slots, q.free = slots, int32(old)
}

// remove takes out the delivery at a place.
func (q *queue) remove(place int32) slot {
	s := q.slots[place]
	if s.prev == none {
		q.head = s.next
	} else {
		q.slots[s.prev].next = s.next
	}
	if s.next == none {
		q.tail = s.prev
	} else {
		q.slots[s.next].prev = s.prev
	}
	q.slots[place] = slot{next: q.free} // lets the collector have the event
	q.free = place
	q.count--
	return s
}

// peek gives the sequence number of the oldest delivery.
func (q *queue) peek() (sequence uint64, ok bool) {
	if q.head == none {
		return 0, false
	}
	return q.slots[q.head].delivery.Sequence, true
}
