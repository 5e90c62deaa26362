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
	last wire.MinuteCounts // of these, since minutes were posted last
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

// posted begins the counts since the last post anew.
func (j *judged) posted() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, u := range j.units {
		u.last = wire.MinuteCounts{}
	}
}

func (j *judged) of(unit nexus.ID) (all, last wire.MinuteCounts) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if u := j.units[unit]; u != nil {
		return u.all, u.last
	}
	return
}
