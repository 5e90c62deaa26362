package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// loadKind is how the load's events come to the node.
type loadKind int

// The kinds: many events in a signed batch, one decision for all; or every event in a signed action of its own, with its own decision.
const (
	batches loadKind = iota
	singles
)

// String is how the figures call it.
func (k loadKind) String() string {
	if k == singles {
		return "single events"
	}
	return "load"
}

func (k loadKind) that() string {
	if k == singles {
		return "single events"
	}
	return "that load"
}

// loadShortMost is by how much single events may be short of their rate, in percent.
const loadShortMost = 5.0

// singleCallers is how many post single events at once, so that one that waits for the disk does not hold the rate back.
const singleCallers = 32

// batchEvery is the pace of the load's batches; each has as many events as are due, at most batchMost.
const (
	batchEvery = 50 * time.Millisecond
	batchMost  = 1000
)

// loading posts events at a rate until it is stopped. One goroutine, for single events singleCallers more.
type loading struct {
	kind    loadKind
	rate    int
	cancel  context.CancelFunc
	done    chan struct{}
	started time.Time

	// Owned by the goroutines until done is closed, by single's under its lock.
	posted int
	took   time.Duration
	err    error
}

// startLoad begins to post in batches. Stop or end ends it.
func (m *measure) startLoad(ctx context.Context) *loading { return m.startLoadOf(ctx, batches) }

func (m *measure) startLoadOf(ctx context.Context, kind loadKind) *loading {
	return startLoad(ctx, m.node, m.o.Rate, kind)
}

func startLoad(ctx context.Context, n Node, rate int, kind loadKind) *loading {
	ctx, cancel := context.WithCancel(ctx)
	l := &loading{kind: kind, rate: rate, cancel: cancel, done: make(chan struct{}), started: time.Now()}
	go func() {
		defer close(l.done)
		if kind == singles {
			l.err = l.single(ctx, n)
		} else {
			l.err = l.run(ctx, n, rate)
		}
		l.took = time.Since(l.started)
	}()
	return l
}

// single posts each event when it is due, by whoever is free; it ends with ctx or the first error.
func (l *loading) single(ctx context.Context, n Node) error {
	var mu sync.Mutex // guards taken, l.posted and failed
	var taken int
	var failed error
	next := func() int {
		mu.Lock()
		defer mu.Unlock()
		taken++
		return taken
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	for range singleCallers {
		all.Go(func() {
			for {
				due := time.Duration(float64(next()) / float64(l.rate) * float64(time.Second))
				if pause(ctx, time.Until(l.started.Add(due))) != nil {
					return
				}
				err := n.Post(ctx, 1)
				mu.Lock()
				if err == nil {
					l.posted++
				} else if failed == nil && !(ctx.Err() != nil && errors.Is(err, context.Canceled)) {
					failed = err
					cancel()
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return failed
}

func (l *loading) run(ctx context.Context, n Node, rate int) error {
	for {
		if pause(ctx, batchEvery) != nil {
			return nil
		}
		due := min(int(time.Since(l.started).Seconds()*float64(rate))-l.posted, batchMost)
		if due <= 0 {
			continue
		}
		if err := n.Post(ctx, due); err != nil {
			if ctx.Err() != nil && errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		}
		l.posted += due
	}
}

func (l *loading) stop() {
	l.cancel()
	<-l.done
}

// end stops the load and words what it really was.
func (l *loading) end() (string, error) {
	l.stop()
	if l.took <= 0 {
		return "", l.err
	}
	rate := float64(l.posted) / l.took.Seconds()
	if l.kind == singles {
		return fmt.Sprintf("%.0f single durable events/s, a decision each", rate), l.err
	}
	return fmt.Sprintf("%.0f durable events/s in batches every %v", rate, batchEvery), l.err
}

// short says by how much of its rate a load was short, in percent; after end.
func (l *loading) short() float64 {
	return max(100-100*float64(l.posted)/l.took.Seconds()/float64(l.rate), 0)
}
