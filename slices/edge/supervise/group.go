//go:build linux

package supervise

import (
	"context"
	"sync"
	"time"
)

// group is one group of workers.
type group struct {
	name    string
	changed chan struct{} // capacity 1: serving is another one

	mu      sync.Mutex
	serving *process
}

// put makes p the worker of g that serves and retires the one before.
func (s *Supervisor) put(g *group, p *process) {
	g.mu.Lock()
	old := g.serving
	g.serving = p
	s.announce(g.name, true)
	g.mu.Unlock()
	if old != nil {
		old.retire()
	}
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// replace puts p in the place of one that died, unless somebody else was put there; then p retires.
func (s *Supervisor) replace(g *group, dead, p *process) {
	g.mu.Lock()
	ours := g.serving == dead
	if ours {
		g.serving = p
		s.announce(g.name, true)
	}
	g.mu.Unlock()
	if !ours {
		p.retire()
	}
}

// fell tells all workers that none of g serves, unless another one was put in the dead one's place already.
func (s *Supervisor) fell(g *group, dead *process) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.serving != dead {
		return false
	}
	s.announce(g.name, false)
	return true
}

func (g *group) now() *process {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.serving
}

// keep starts a group's worker again when it dies, until ctx ends.
func (s *Supervisor) keep(ctx context.Context, g *group) {
	since, failures := time.Now(), 0
	for current := g.now(); ; current = g.now() {
		select {
		case <-ctx.Done():
			return
		case <-g.changed:
			since = time.Now()
			continue
		case <-current.done:
		}
		if ctx.Err() != nil {
			return
		}
		if !s.fell(g, current) {
			continue
		}
		s.log.Error("worker died", "group", g.name, "generation", current.generation, "error", current.err)
		if time.Since(since) > s.config.PauseMax {
			failures = 0
		}
		var next *process
		if next, failures = s.restart(ctx, g, current, failures); next == nil {
			return
		}
		if next != current {
			s.replace(g, current, next)
		}
		since = time.Now()
	}
}

// restart starts workers until one serves, with a pause before each but the first since things were well. It gives no worker when
// ctx ended, and dead itself when an upgrade put another one in its place meanwhile.
func (s *Supervisor) restart(ctx context.Context, g *group, dead *process, failures int) (*process, int) {
	for {
		if !s.pause(ctx, failures) {
			return nil, failures
		}
		if g.now() != dead {
			return dead, failures
		}
		failures++
		next, err := s.start(ctx, g.name)
		if err == nil {
			return next, failures
		}
		s.log.Error("worker not started", "group", g.name, "failures", failures, "error", err)
	}
}

// announce tells every worker whether one of a group serves.
func (s *Supervisor) announce(group string, up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	word := downWord
	if delete(s.up, group); up {
		s.up[group] = true
		word = upWord
	}
	for p := range s.told {
		p.tell(word + group)
	}
}
