package satellite

import (
	"sync/atomic"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// lateHome stands for a home that is known only after the gateway has its ports.
type lateHome struct {
	home atomic.Pointer[session.Attacher]
}

func (l *lateHome) set(a session.Attacher) { l.home.Store(&a) }

// Attach implements session.Attacher.
func (l *lateHome) Attach(v session.Visit, p session.Port) (session.Line, error) {
	h := l.home.Load()
	if h == nil {
		return nil, nexus.Errf("session attach", nexus.CodeUnavailable, "edge", "connect to another edge", "no home yet")
	}
	return (*h).Attach(v, p)
}
