package consensus

import (
	"context"
	"errors"
	"sync"
)

// Group commit. raft writes what has come in since its last write, and hands that on to the machine as one batch. Left to
// themselves, callers spread into many batches of one or two, each with the price of a whole one: a write of the log, a
// transaction, a write of the head. So proposals go in cohorts: cohortsMax of them are under way (one being written while
// one is being applied and one stored), and all who come meanwhile make up the next. A lone caller never waits.
const (
	cohortsMax    = 3
	cohortSizeMax = 64
)

// cohorts is the turnstile. Safe for concurrent use.
type cohorts struct {
	mu      sync.Mutex
	running int
	waiting []chan *cohort // in order of arrival; each takes one value
}

// cohort is one group under way; left counts its members without an answer, under cohorts.mu.
type cohort struct{ left int }

var errGroupEnded = errors.New("the group has ended")

// enter waits for a place. ended wakes those who wait when the group fails.
func (c *cohorts) enter(ctx context.Context, ended <-chan struct{}) (*cohort, error) {
	c.mu.Lock()
	if c.running < cohortsMax {
		c.running++
		c.mu.Unlock()
		return &cohort{left: 1}, nil
	}
	turn := make(chan *cohort, 1)
	c.waiting = append(c.waiting, turn)
	c.mu.Unlock()
	select {
	case co := <-turn:
		return co, nil
	case <-ctx.Done():
		c.giveUp(turn)
		return nil, ctx.Err()
	case <-ended:
		c.giveUp(turn)
		return nil, errGroupEnded
	}
}

// giveUp takes a waiter out; one whose turn has come meanwhile leaves its cohort at once.
func (c *cohorts) giveUp(turn chan *cohort) {
	c.mu.Lock()
	for i, w := range c.waiting {
		if w == turn {
			c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
			c.mu.Unlock()
			return
		}
	}
	c.mu.Unlock()
	c.leave(<-turn)
}

// leave ends one member's part; the last one lets the next cohort in.
func (c *cohorts) leave(co *cohort) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if co.left--; co.left > 0 {
		return
	}
	n := min(len(c.waiting), cohortSizeMax)
	if n == 0 {
		c.running--
		return
	}
	next := &cohort{left: n}
	for _, turn := range c.waiting[:n] {
		turn <- next
	}
	c.waiting = append([]chan *cohort(nil), c.waiting[n:]...)
}
