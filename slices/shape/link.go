package shape

import (
	"math"
	"sync/atomic"
	"unsafe"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// LinkBytes is the memory that a Link takes: one aligned 64-bit number. Processes of different builds may share it, so it never changes.
const LinkBytes = 8

// debtNsMax bounds how far ahead of now a link may be charged: whatever went wrong, borrowed bytes flow again after that long.
const debtNsMax = 10 * nanosPerSecond

// Link is the bandwidth that schedulers of several processes share: the moment at which all that was let through is paid for at the link's rate
// (GCRA's theoretical arrival time), in nanoseconds of the system's monotonic clock, in memory that all of them have mapped. The number alone is
// shared; rate and burst are each scheduler's own and the same in all. It is one atomic word: a process that dies leaves it whole. Safe for concurrent
// use.
type Link struct{ paid *atomic.Int64 }

// OpenLink makes a link of memory that is shared, at least LinkBytes long and zero at first, and that stays mapped for as long as the link is used.
// Error: it is too short, or not aligned.
func OpenLink(page []byte) (*Link, error) {
	paid, err := SharedNumber("link", page)
	return &Link{paid: paid}, err
}

// SharedNumber gives the number at the beginning of memory that several processes have mapped, at least 8 bytes, which stays mapped for as long as the number
// is used. Error: it is too short, or not aligned.
func SharedNumber(what string, page []byte) (*atomic.Int64, error) {
	if len(page) < LinkBytes || uintptr(unsafe.Pointer(&page[0]))%LinkBytes != 0 {
		return nil, nexus.Errf("shared "+what, nexus.CodeUsage, "memory", "map a page of memory", "%d bytes, or not aligned", len(page))
	}
	return (*atomic.Int64)(unsafe.Pointer(&page[0])), nil
}

// sharing is a decider's part in a link.
type sharing struct {
	link     *Link
	offsetNs int64  // from the decider's clock to the link's
	members  uint64 // schedulers that share it
	rate     int64  // bytes per second, of the whole link
	burstNs  int64
	own      Bucket // this member's part of what nobody was guaranteed
	ownTaken bool   // the next charge is to the own part
}

func (s *sharing) setRate(capacityBps uint64) {
	s.rate = max(int64(capacityBps/8), 1)
	s.burstNs = linkBurst(capacityBps) * nanosPerSecond / s.rate
}

// aheadNs is how far the link is charged ahead of now, 0 when it is not.
func (s *sharing) aheadNs(nowNs int64) int64 {
	return s.bounded(s.link.paid.Load(), nowNs+s.offsetNs) - nowNs - s.offsetNs
}

// bounded gives the time that a number in the link means: now when it is past, and never further ahead than may be.
func (s *sharing) bounded(paid, now int64) int64 { return min(max(paid, now), now+s.burstNs+debtNsMax) }

// ready reports whether anything of the whole link is free.
func (s *sharing) ready(nowNs int64) bool { return s.aheadNs(nowNs) < s.burstNs }

// waitNs gives the nanoseconds until ready.
func (s *sharing) waitNs(nowNs int64) int64 { return max(s.aheadNs(nowNs)-s.burstNs+1, 1) }

// take charges n bytes to the link.
func (s *sharing) take(n int, nowNs int64) {
	now := nowNs + s.offsetNs
	costNs := (int64(n)*nanosPerSecond + s.rate - 1) / s.rate // rounded up: never more than the rate
	for {
		paid := s.link.paid.Load()
		next := s.bounded(s.bounded(paid, now)+costNs, now)
		if s.link.paid.CompareAndSwap(paid, next) {
			return
		}
	}
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
