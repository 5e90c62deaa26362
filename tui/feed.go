package tui

import (
	"context"
	"errors"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// Pace of pictures and of reconnection.
const (
	pacePressed  = 20 * time.Millisecond // for a picture that shows another refusal
	paceFast     = 100 * time.Millisecond
	paceSlow     = 250 * time.Millisecond
	paceMost     = time.Second // however many bytes went out, a picture a second is shown
	backoffFirst = 500 * time.Millisecond
	backoffMost  = 5 * time.Second
)

// picture is the state of the feed as the model sees it: the newest snapshot, and whether the node is lost.
type picture struct {
	overview *wire.Overview
	lost     bool
	lostAt   time.Time
	cause    error
}

// feed keeps the newest picture between the node and the program. Pictures that nobody came to fetch are replaced, so
// however fast the node is, one is waiting at most.
type feed struct {
	backend Backend
	now     func() time.Time

	mu   sync.Mutex
	last picture
	wake chan struct{} // one slot: something changed since the last take

	// caught is told a panic of the feed's goroutines, so that whoever owns the terminal can give it back first. nil: they end the
	// process as any panic does.
	caught func(any)
}

func newFeed(b Backend, now func() time.Time) *feed {
	return &feed{backend: b, now: now, wake: make(chan struct{}, 1)}
}

func (f *feed) set(change func(*picture)) {
	f.mu.Lock()
	change(&f.last)
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *feed) take() picture {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// watch follows the node until ctx ends, and comes back to it after a loss: at once 0.5 s later, then twice as long
// each time up to 5 s.
func (f *feed) watch(ctx context.Context) {
	backoff := backoffFirst
	for {
		err := f.backend.Watch(ctx, func(o *wire.Overview) {
			backoff = backoffFirst
			f.set(func(p *picture) { *p = picture{overview: o} })
		})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("the node closed the connection")
		}
		f.set(func(p *picture) {
			if !p.lost {
				p.lost, p.lostAt = true, f.now()
			}
			p.cause = err
		})
		if !sleep(ctx, backoff) {
			return
		}
		backoff = min(backoff*2, backoffMost)
	}
}

// pace hands pictures on: at once after a silence, otherwise when wait, told how long ago the one before went and whether the newest shows another
// refusal, has passed. send blocks until the program has taken the picture, so there is never more than one under way.
func (f *feed) pace(ctx context.Context, wait waiting, send func(picture)) {
	var last time.Time
	var denied uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		}
		if !f.await(ctx, last, denied, wait) {
			return
		}
		select { // what came at the last moment is in it too
		case <-f.wake:
		default:
		}
		last = time.Now()
		p := f.take()
		if p.overview != nil {
			denied = p.overview.DecisionsDenied
		}
		send(p)
	}
}

// await waits until the newest picture is due. What arrives meanwhile is part of it, and may be what does not wait. It reports false when ctx ended.
func (f *feed) await(ctx context.Context, last time.Time, denied uint64, wait waiting) bool {
	pressed := f.shows(denied)
	due := time.Now().Add(wait(time.Since(last), pressed))
	for ctx.Err() == nil {
		left := time.Until(due)
		if left <= 0 {
			return true
		}
		t := time.NewTimer(left)
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-f.wake:
			if !pressed && f.shows(denied) {
				pressed = true
				if sooner := time.Now().Add(wait(time.Since(last), true)); sooner.Before(due) {
					due = sooner
				}
			}
		}
		t.Stop()
	}
	return false
}

// shows reports whether the newest picture shows a refusal that one of so many does not.
func (f *feed) shows(denied uint64) bool {
	o := f.take().overview
	return o != nil && o.DecisionsDenied > denied
}

// waiting gives how long a picture waits that comes since after the one before; pressed, it shows a refusal that that one did not.
type waiting func(since time.Duration, pressed bool) time.Duration

// run does both until ctx ends, and returns when its goroutines have.
func (f *feed) run(ctx context.Context, wait waiting, send func(picture)) {
	var group sync.WaitGroup
	group.Go(func() { defer f.catch(); f.watch(ctx) })
	group.Go(func() { defer f.catch(); f.pace(ctx, wait, send) })
	group.Wait()
}

// catch is deferred by the feed's goroutines.
func (f *feed) catch() {
	if f.caught == nil {
		return
	}
	if r := recover(); r != nil {
		f.caught(r)
	}
}

// sleep waits, and reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// describe shortens an error for one line: hints stay, for they are the way out.
func describe(err error) string {
	var e *nexus.Error
	if errors.As(err, &e) && e.Hint != "" {
		return e.Error()
	}
	return err.Error()
}
