package control

import (
	"errors"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// leaving knows how far the newest stream of each unit's bundle got. It lies in memory only and says nothing of whether the unit has left:
// that is the ledger's. One record per unit that was ever fetched since the node started. Safe for concurrent use.
type leaving struct {
	mu sync.Mutex // guards what follows
	at map[nexus.ID]*wire.ExitProgress
}

// begin starts a stream's record. told takes each part before it is written, ended the end of the stream; both are of the
// goroutine that writes it.
func (l *leaving) begin(unit nexus.ID, sent func() int64, now func() time.Time) (told func(part, of int, path string, percent int),
	ended func(error)) {
	p := &wire.ExitProgress{Started: now().UTC()}
	l.mu.Lock()
	if l.at == nil {
		l.at = map[nexus.ID]*wire.ExitProgress{}
	}
	l.at[unit] = p
	l.mu.Unlock()
	told = func(part, of int, path string, percent int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		p.Part, p.Of, p.File, p.Bytes, p.Percent = part, of, path, sent(), percent
		took := now().Sub(p.Started)
		if ms := took.Milliseconds(); ms > 0 {
			p.Rate = int64(float64(p.Bytes) * 1000 / float64(ms))
		}
		p.LeftMs = wire.TimeLeft(took, percent).Milliseconds()
	}
	return told, func(err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		p.Ended, p.Bytes, p.LeftMs = now().UTC(), sent(), 0
		if err == nil {
			p.Percent = 100
			return
		}
		p.Broke = "an error of the node's own, which its log names"
		if known := new(nexus.Error); errors.As(err, &known) && known.Code != nexus.CodeInternal {
			p.Broke = known.Error()
		}
	}
}

// of gives a copy of the newest record of a unit, nil when none of its bundle was sent since the node started.
func (l *leaving) of(unit nexus.ID) *wire.ExitProgress {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.at[unit]
	if p == nil {
		return nil
	}
	out := *p
	return &out
}
