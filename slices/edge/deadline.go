package edge

import (
	"errors"
	"os"
	"sync"
	"time"
)

// deadline turns a connection's read or write deadline into a channel for waits that are not on the socket itself, and keeps the socket's own. Both
// follow it lazily: it moves several times for each request, and moving a timer costs more than a look at the clock when one comes too soon.
type deadline struct {
	mu      sync.Mutex
	at      time.Time
	closed  bool
	waiters int
	wake    chan struct{} // closed when the deadline has passed; nil while nobody has waited
	fired   bool          // wake is closed
	timer   *time.Timer
	timerAt time.Time // when the timer is due, which may be before at; zero: it does not run
	socket  time.Time // what the socket has, which may be before at
}

// set moves the deadline, and that of the socket; the zero time means none. The error is the socket's.
func (d *deadline) set(at time.Time, socket func(time.Time) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.move(at)
	d.socket = at
	return socket(at)
}

// by moves the deadline as set does, and leaves the socket's where it is when that comes before. A wait on the socket may so end too soon;
// early tells.
func (d *deadline) by(at time.Time, socket func(time.Time) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.move(at)
	if d.socket.IsZero() && at.IsZero() || !d.socket.IsZero() && (at.IsZero() || !d.socket.After(at)) {
		return
	}
	d.socket = at
	_ = socket(at) // a closed socket says so at the read
}

// early reports whether a wait on the socket ended with an error only because the socket's deadline was before the one wanted. The socket has the
// right one then, and the wait is to begin again.
func (d *deadline) early(err error, socket func(time.Time) error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over() {
		return false
	}
	d.socket = d.at
	return socket(d.at) == nil
}

// move changes the time; the caller holds the mutex.
func (d *deadline) move(at time.Time) {
	d.at = at
	if d.waiters > 0 {
		d.rearm()
	}
}

// sooner moves the deadline forward, if it is later, for waits that are not on the socket.
func (d *deadline) sooner(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at.IsZero() || d.at.After(at) {
		d.move(at)
	}
}

// close ends all waits, now and for ever.
func (d *deadline) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.waiters > 0 {
		d.rearm()
	}
	if d.timer != nil {
		d.timer.Stop()
	}
}

// kick ends the waits of this moment without the deadline having passed.
func (d *deadline) kick() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiters > 0 && !d.fired {
		d.fired = true
		close(d.wake)
	}
}

// begin gives the channel that closes when the deadline passes; every begin needs an end.
func (d *deadline) begin() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiters++
	if d.wake == nil || d.fired {
		d.wake, d.fired = make(chan struct{}), false
	}
	d.rearm()
	return d.wake
}

// end leaves the timer to the next wait.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiters--
}

// over reports whether the deadline has passed or the connection was closed; the caller holds the mutex.
func (d *deadline) over() bool { return d.closed || !d.at.IsZero() && !time.Now().Before(d.at) }

// rearm fires at once or sees to it that the timer is due in time; the caller holds the mutex.
func (d *deadline) rearm() {
	switch {
	case d.fired:
	case !d.closed && !d.timerAt.IsZero() && !d.at.IsZero() && !d.timerAt.After(d.at): // it may have passed: the timer says so
	case d.over():
		d.fired = true
		close(d.wake)
	case d.at.IsZero():
	default:
		d.timerAt = d.at
		if d.timer == nil {
			d.timer = time.AfterFunc(time.Until(d.at), d.fire)
		} else {
			d.timer.Reset(time.Until(d.at))
		}
	}
}

// fire is the timer's call. Who waits for longer than it knew is waited for anew.
func (d *deadline) fire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timerAt = time.Time{}
	if d.waiters > 0 {
		d.rearm()
	}
}

// passed reports whether waits end at once now.
func (d *deadline) passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.over()
}

func (d *deadline) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}
