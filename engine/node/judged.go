package node

import (
	"sync"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// judged counts the minutes of each unit's slice that were judged, for whoever looks: the record itself is posted once an hour. The zero value is
// ready. Safe for concurrent use.
type judged struct {
	mu    sync.Mutex
	units map[nexus.ID]*judgedUnit
}

type judgedUnit struct {
	all  wire.MinuteCounts // since the node started
	last wire.MinuteCounts // of these, since a span was closed
	held wire.MinuteCounts // of these, in spans that are closed and not posted yet
}

func (j *judged) count(unit nexus.ID, level slices.Level) {
	j.mu.Lock()
	defer j.mu.Unlock()
	u := j.units[unit]
	if u == nil {
		if j.units == nil {
			j.units = map[nexus.ID]*judgedUnit{}
		}
		u = &judgedUnit{}
		j.units[unit] = u
	}
	for _, c := range []*wire.MinuteCounts{&u.all, &u.last} {
		switch level {
		case slices.LevelKept:
			c.Kept++
		case slices.LevelVoid:
			c.Void++
		case slices.LevelBroken:
			c.Broken++
		}
	}
}

// closed notes that what was counted until now makes a span, which is to be posted.
func (j *judged) closed() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, u := range j.units {
		u.held, u.last = sum(u.held, u.last), wire.MinuteCounts{}
	}
}

// posted notes that all spans were.
func (j *judged) posted() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, u := range j.units {
		u.held = wire.MinuteCounts{}
	}
}

// of gives a unit's counts, and those of them that are not posted.
func (j *judged) of(unit nexus.ID) (all, waiting wire.MinuteCounts) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if u := j.units[unit]; u != nil {
		return u.all, sum(u.held, u.last)
	}
	return wire.MinuteCounts{}, wire.MinuteCounts{}
}

func sum(a, b wire.MinuteCounts) wire.MinuteCounts {
	return wire.MinuteCounts{Kept: a.Kept + b.Kept, Broken: a.Broken + b.Broken, Void: a.Void + b.Void}
}
