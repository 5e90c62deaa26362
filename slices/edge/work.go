package edge

import (
	"sync/atomic"

	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// WorkBytes is the memory that a Work takes: one aligned 64-bit number. Processes of different builds may share it, so it never changes.
const WorkBytes = 8

// Work tells the process of the patient latency group when that of the prompt group last had work, for which it makes room: the moment, in
// nanoseconds of the machine's monotonic clock (Config.LinkClock), in memory that both have mapped; 0 for never. Safe for concurrent use.
type Work struct{ last *atomic.Int64 }

// OpenWork makes one of memory that is shared, at least WorkBytes long and zero at first, and that stays mapped for as long as it is used.
// Error: it is too short, or not aligned.
func OpenWork(page []byte) (*Work, error) {
	last, err := shape.SharedNumber("work", page)
	return &Work{last: last}, err
}

// lately reports whether there was work within latelyFor of a moment. A number from ahead of it, which no process of this machine can have
// written, counts for nothing.
func (w *Work) lately(nowNs int64) bool {
	last := w.last.Load()
	return last > 0 && last <= nowNs && nowNs-last < int64(latelyFor)
}
