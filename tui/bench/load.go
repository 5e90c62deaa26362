package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// batchEvery is the pace of the load's batches; each has as many events as are due, at most batchMost.
const (
	batchEvery = 50 * time.Millisecond
	batchMost  = 1000
)

// loading posts events at a rate until it is stopped. One goroutine.
type loading struct {
	cancel  context.CancelFunc
	done    chan struct{}
	started time.Time

	// Owned by the goroutine until done is closed.
	posted int
	took   time.Duration
	err    error
}

// startLoad begins to post. Stop or end ends it.
func (m *measure) startLoad(ctx context.Context) *loading {
	ctx, cancel := context.WithCancel(ctx)
	l := &loading{cancel: cancel, done: make(chan struct{}), started: time.Now()}
	go func() {
		defer close(l.done)
		l.err = l.run(ctx, m.node, m.o.Rate)
		l.took = time.Since(l.started)
	}()
	return l
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
	return fmt.Sprintf("%.0f durable events/s in batches every %v", float64(l.posted)/l.took.Seconds(), batchEvery), l.err
}
