package edge

import "sync/atomic"

// pumpThreadsMax bounds the threads that a gateway's pumps have for themselves: each slice with a crowd takes one, and Go ends a process that has 10,000.
const pumpThreadsMax = 64

// pumpThreads counts them. Safe for concurrent use.
type pumpThreads struct{ taken atomic.Int32 }

// take reports whether there is one more.
func (t *pumpThreads) take() bool {
	if t.taken.Add(1) <= pumpThreadsMax {
		return true
	}
	t.taken.Add(-1)
	return false
}

func (t *pumpThreads) give() { t.taken.Add(-1) }
