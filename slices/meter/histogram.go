package meter

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The histograms count microseconds from 1 us to 60 s with three significant digits; what lies outside is counted at
// the border. The sliding window is Windows pieces of WindowLength each.
const (
	LowestMicros      = 1
	HighestMicros     = 60_000_000
	SignificantDigits = 3
	Windows           = 6
	WindowLength      = 10 * time.Second
)

// Histogram holds the latencies of one slice. Its zero value is ready and takes no memory worth naming until the first
// sample; with traffic it takes about 140 KB for its life and as much for each window that has samples. Windows
// without samples give their memory back. Safe for concurrent use.
type Histogram struct {
	mu       sync.Mutex
	lifetime *hdrhistogram.Histogram
	windows  [Windows]window

	reading sync.Mutex // taken before mu
	scratch *hdrhistogram.Histogram
}

// window is one piece of the sliding window; epoch says which ten seconds it holds.
type window struct {
	epoch  int64
	counts *hdrhistogram.Histogram
}

// Quantiles are latencies in microseconds. With Samples 0 the others are 0 and mean nothing.
type Quantiles struct {
	P50     int64 `json:"p50_micros"`
	P99     int64 `json:"p99_micros"`
	P999    int64 `json:"p999_micros"`
	Max     int64 `json:"max_micros"`
	Samples int64 `json:"samples"`
}

func newCounts() *hdrhistogram.Histogram {
	return hdrhistogram.New(LowestMicros, HighestMicros, SignificantDigits)
}

// epochOf numbers the pieces of time. The caller's clock decides, so that tests can bring their own.
func epochOf(now time.Time) int64 { return now.UnixNano() / int64(WindowLength) }

// Record counts one latency, seen at now.
func (h *Histogram) Record(now time.Time, latency time.Duration) {
	micros := min(max(latency.Microseconds(), LowestMicros), HighestMicros)
	epoch := epochOf(now)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lifetime == nil {
		h.lifetime = newCounts()
	}
	w := &h.windows[((epoch%Windows)+Windows)%Windows]
	switch {
	case w.counts == nil:
		w.counts, w.epoch = newCounts(), epoch
	case w.epoch < epoch:
		w.counts.Reset()
		w.epoch = epoch
	}
	// The value was clamped to the range, so RecordValue cannot fail. A sample older than the piece (a writer that was
	// descheduled for a minute) is counted in the newer piece: late by one window, never lost.
	_ = h.lifetime.RecordValue(micros)
	_ = w.counts.RecordValue(micros)
}

// Window gives the quantiles of the last Windows*WindowLength before now. Without samples it costs next to nothing.
func (h *Histogram) Window(now time.Time) Quantiles {
	h.reading.Lock()
	defer h.reading.Unlock()
	oldest := epochOf(now) - Windows + 1
	merged := 0
	for i := range h.windows {
		if h.mergeInto(i, oldest, merged == 0) {
			merged++
		}
	}
	if merged == 0 {
		h.scratch = nil
		return Quantiles{}
	}
	return quantilesOf(h.scratch)
}

// mergeInto adds piece i to the scratch histogram, emptied before when first; false when the piece holds nothing of the
// window. The lock is taken per piece, so that a writer waits for one of them at most.
func (h *Histogram) mergeInto(i int, oldest int64, first bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := &h.windows[i]
	if w.counts == nil {
		return false
	}
	if w.epoch < oldest {
		w.counts = nil // nobody has recorded for a whole window: give the memory back
		return false
	}
	if h.scratch == nil {
		h.scratch = newCounts()
	} else if first {
		h.scratch.Reset()
	}
	h.scratch.Merge(w.counts)
	return true
}

// Lifetime gives the quantiles of everything recorded since the start of the process.
func (h *Histogram) Lifetime() Quantiles {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lifetime == nil {
		return Quantiles{}
	}
	return quantilesOf(h.lifetime)
}

func quantilesOf(h *hdrhistogram.Histogram) Quantiles {
	n := h.TotalCount()
	if n == 0 {
		return Quantiles{}
	}
	q := h.ValueAtPercentilesSlice([]float64{50, 99, 99.9})
	return Quantiles{P50: q[0], P99: q[1], P999: q[2], Max: h.Max(), Samples: n}
}
