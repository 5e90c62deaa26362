package edge

import (
	"sync"
	"time"
)

const (
	// latelyFor is how long a slice counts as at work after a request or a byte of an answer.
	latelyFor = time.Second
	// latelyStep is how exactly that is known.
	latelyStep = 50 * time.Millisecond
)

// lately knows the two slices that had work last, which is enough to say of any slice whether another one had. Probes are nobody's work, and
// neither is a handshake. The slice that has work while no other had any is wide (sliceState.setWide). Where the prompt group is another process its work
// counts as that of one more slice; for it the patient group's counts for nothing. Safe for concurrent use.
type lately struct {
	tells, asks *Work // of the prompt group; nil: not by this process
	clock       func() int64

	mu   sync.Mutex
	last [2]latelySlice // of different slices, the later one first
	wide *sliceState    // nil: none
}

type latelySlice struct {
	slice *sliceState
	at    time.Time
}

// note says that a slice has work at this moment. Most calls end at the first line: it stands in the way of every request.
func (l *lately) note(s *sliceState, now time.Time) {
	if ago := time.Duration(now.UnixNano() - s.workedNs.Load()); ago >= 0 && ago < latelyStep {
		return // a clock that was set back counts anew
	}
	s.workedNs.Store(now.UnixNano())
	if l.tells != nil {
		l.tells.last.Store(l.clock())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last[0].slice != s {
		l.last[1] = l.last[0]
	}
	l.last[0] = latelySlice{s, now}
	l.settle(s, now)
}

// settle makes the slice that has work at this moment wide when no other had any lately, and one that is no longer alone narrow; the caller holds
// the mutex. A slice that falls silent stays wide until another one has work: nobody waits for its places.
func (l *lately) settle(s *sliceState, now time.Time) {
	other := l.last[1]
	alone := (other.slice == nil || now.Sub(other.at) >= latelyFor) && !l.elsewhere()
	if l.wide != nil && (l.wide != s || !alone) {
		l.wide.setWide(false)
		l.wide = nil
	}
	if alone && l.wide == nil {
		s.setWide(true)
		l.wide = s
	}
}

// elsewhere reports whether the prompt group had work a moment ago in a process of its own.
func (l *lately) elsewhere() bool { return l.asks != nil && l.asks.lately(l.clock()) }

// beside reports whether a slice other than s had work a moment ago.
func (l *lately) beside(s *sliceState, now time.Time) bool {
	if l.elsewhere() {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	other := l.last[0]
	if other.slice == s {
		other = l.last[1]
	}
	return other.slice != nil && now.Sub(other.at) < latelyFor
}

// any reports whether any slice had work a moment ago.
func (l *lately) any(now time.Time) bool {
	if l.elsewhere() {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last[0].slice != nil && now.Sub(l.last[0].at) < latelyFor
}
