package quicshare

import (
	"sync"
	"time"
)

// deadline is a read deadline as a channel. Safe for concurrent use.
type deadline struct {
	mu     sync.Mutex
	passed chan struct{} // closed when it has passed
	timer  *time.Timer
}

func newDeadline() *deadline { return &deadline{passed: make(chan struct{})} }

// set moves it; the zero time means none. Waits that have begun follow only if the old one has not passed.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.passed // the timer's function runs or has run: it closes
	}
	d.timer = nil
	select {
	case <-d.passed:
		d.passed = make(chan struct{})
	default:
	}
	switch left := time.Until(t); {
	case t.IsZero():
	case left <= 0:
		close(d.passed)
	default:
		passed := d.passed
		d.timer = time.AfterFunc(left, func() { close(passed) })
	}
}

func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}
