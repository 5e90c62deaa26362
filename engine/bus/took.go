package bus

import (
	"sort"
	"sync/atomic"
	"time"
)

// tookLimits are the upper ends of the ranges in which publications are counted by how long they took, ascending. What took longer than the
// last is counted behind it.
var tookLimits = [...]time.Duration{500 * time.Nanosecond, time.Microsecond, 2 * time.Microsecond, 3 * time.Microsecond, 5 * time.Microsecond,
	7 * time.Microsecond, 10 * time.Microsecond, 15 * time.Microsecond, 20 * time.Microsecond, 30 * time.Microsecond, 40 * time.Microsecond,
	50 * time.Microsecond, 75 * time.Microsecond, 100 * time.Microsecond, 150 * time.Microsecond, 200 * time.Microsecond, 300 * time.Microsecond,
	500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second}

// TookLimits gives the upper ends of the ranges of Took, ascending.
func TookLimits() []time.Duration { return append([]time.Duration(nil), tookLimits[:]...) }

// Took says how long calls of Publish took, from the call to the return: waiting for other publishers is part of it.
type Took struct {
	Counts [len(tookLimits) + 1]uint64 `json:"counts"` // by range; the last is what took longer than every limit
	Sum    time.Duration               `json:"sum"`    // of all
}

// Count is the number of publications.
func (t Took) Count() (n uint64) {
	for _, c := range t.Counts {
		n += c
	}
	return n
}

// Less takes away what was counted before: both are of one bus.
func (t Took) Less(before Took) Took {
	for i := range t.Counts {
		t.Counts[i] -= before.Counts[i]
	}
	t.Sum -= before.Sum
	return t
}

// Plus adds what was counted of others.
func (t Took) Plus(others Took) Took {
	for i := range t.Counts {
		t.Counts[i] += others.Counts[i]
	}
	t.Sum += others.Sum
	return t
}

// Quantile is a time that at least percent of the publications did not exceed: the upper end of its range, so it is never flattering. 0
// without publications; what took longer than the last limit gives the sum of all, which none of them exceeds.
func (t Took) Quantile(percent int) time.Duration {
	all, seen := t.Count(), uint64(0)
	for i, c := range t.Counts {
		if seen += c; seen > 0 && seen*100 >= all*uint64(percent) {
			if i < len(tookLimits) {
				return tookLimits[i]
			}
			return t.Sum
		}
	}
	return 0
}

// tooks counts without a lock.
type tooks struct {
	counts [len(tookLimits) + 1]atomic.Uint64
	sum    atomic.Int64 // nanoseconds
}

func (t *tooks) add(d time.Duration) {
	t.counts[sort.Search(len(tookLimits), func(i int) bool { return d <= tookLimits[i] })].Add(1)
	t.sum.Add(int64(d))
}

func (t *tooks) read() (out Took) {
	for i := range t.counts {
		out.Counts[i] = t.counts[i].Load()
	}
	out.Sum = time.Duration(t.sum.Load())
	return out
}
