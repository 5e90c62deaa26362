package edge

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// quicSilentMax bounds a slice's connections of HTTP/3 on which nothing was asked yet, while another slice has work. Each is half a dozen goroutines and
	// some 60 KiB that every collection of garbage walks through; and while its client does not answer, it is sent packets again and again.
	quicSilentMax = 128
	// quicSilentStep is how many of those that are too many a new one ends, so that the bound is reached in steps.
	quicSilentStep = 4
)

// silents knows the connections of HTTP/3 of one slice on which nothing was asked yet, oldest first. Safe for concurrent use.
type silents struct {
	mu    sync.Mutex
	conns list.List // of *silent
}

// silent is one of them, until something is asked on it or it has ended.
type silent struct {
	conn *conn
	of   *silents
	over atomic.Bool
	at   *list.Element // guarded by of.mu
}

// add takes a connection whose handshake is complete. A client asks in the same breath, so beside others, where there are too many, the oldest are ended: a
// client that wants one still opens another.
func (l *silents) add(g *Gateway, c *conn) *silent {
	n := &silent{conn: c, of: l}
	l.mu.Lock()
	n.at = l.conns.PushBack(n)
	l.mu.Unlock()
	s := c.bound.Load()
	for range quicSilentStep {
		oldest := l.tooMany(g, s)
		if oldest == nil {
			break
		}
		s.counters.Cut.Add(1)
		_ = oldest.Close() // nothing is under way on it
	}
	return n
}

// tooMany takes the oldest off the list when it has to go, nil when none has.
func (l *silents) tooMany(g *Gateway, s *sliceState) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns.Len() <= quicSilentMax || !g.lately.beside(s, time.Now()) {
		return nil
	}
	n := l.conns.Remove(l.conns.Front()).(*silent)
	n.over.Store(true)
	return n.conn
}

// end says that something was asked on the connection, or that it has ended. Any call but the first does nothing.
func (n *silent) end() {
	if n.over.Load() || n.over.Swap(true) {
		return
	}
	n.of.mu.Lock()
	defer n.of.mu.Unlock()
	n.of.conns.Remove(n.at)
}
