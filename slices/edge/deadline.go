package edge

import (
	"sync"
	"time"
)

// deadline turns a connection's read or write deadline into a channel for waits that are not on the socket itself. It
// costs a lock and a store while nobody waits, because net/http moves deadlines several times per request.
type deadline struct {
	mu      sync.Mutex
	at      time.Time
	closed  bool
	waiters int
	wake    chan struct{} // closed when the deadline has passed; nil while nobody waits
	fired   bool          // wake is closed
	timer   *time.Timer
}

// set moves the deadline; the zero time means none.
func (d *deadline) set(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = at
	if d.waiters > 0 {
		d.rearm()
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

func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiters--; d.waiters == 0 {
		d.stop()
	}
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// rearm fires at once or sets the timer; the caller holds the mutex.
func (d *deadline) rearm() {
	d.stop()
	switch {
	case d.fired:
	case d.closed || !d.at.IsZero() && !time.Now().Before(d.at):
		d.fired = true
		close(d.wake)
	case !d.at.IsZero():
		wake := d.wake
		d.timer = time.AfterFunc(time.Until(d.at), func() { d.fire(wake) })
	}
}

// fire is the timer's call; wake tells a late timer from the present wait.
func (d *deadline) fire(wake chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wake == wake && !d.fired && !d.at.IsZero() && !time.Now().Before(d.at) {
		d.fired = true
		close(d.wake)
	}
}

// passed reports whether waits end at once now.
func (d *deadline) passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed || !d.at.IsZero() && !time.Now().Before(d.at)
}

func (d *deadline) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}
