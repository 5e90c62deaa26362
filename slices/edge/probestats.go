package edge

import (
	stdslices "slices"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// probeSeries are the samples of one path, a ring ordered by time.
type probeSeries struct {
	samples  []probeSample
	next     int
	total    int64 // ever added: what says that there is something new, when as many come as go
	inFlight int
}

type probeSample struct {
	atNs   int64
	micros int64
	held   int64 // microseconds of micros that limits of the slice itself made it wait
	missed bool
}

func (s *probeSeries) add(sample probeSample) {
	s.total++
	if len(s.samples) < probeSamplesMax {
		s.samples = append(s.samples, sample)
		return
	}
	s.samples[s.next] = sample
	s.next = (s.next + 1) % probeSamplesMax
}

// Snapshot gives the figures of every slice that was probed in the last minute.
func (p *Prober) Snapshot() map[nexus.ID]AddedLatency {
	now := time.Now()
	out := map[nexus.ID]AddedLatency{}
	for _, t := range p.targets() {
		if a := p.stats(t.route.SliceID, now); a.Samples > 0 {
			out[t.route.SliceID] = a
		}
	}
	return out
}

// stats computes one slice's figures. Without a baseline there is nothing to subtract and no figure.
func (p *Prober) stats(slice nexus.ID, now time.Time) AddedLatency {
	p.mu.Lock()
	series := p.slices[slice]
	var through, ours, straight []int64
	var missed int64
	if series != nil {
		through, ours, missed = series.recent(now)
		straight, _, _ = p.baseline.recent(now)
	}
	p.mu.Unlock()
	if len(through) == 0 || len(straight) == 0 {
		return AddedLatency{}
	}
	stdslices.Sort(through)
	stdslices.Sort(ours)
	stdslices.Sort(straight)
	a := AddedLatency{
		ThroughP50: quantile(through, 500), ThroughP99: quantile(through, 990), ThroughP999: quantile(through, 999),
		BaselineP50: quantile(straight, 500), BaselineP99: quantile(straight, 990),
		Samples: int64(len(through)), Missed: missed,
	}
	a.AddedP50 = max(a.ThroughP50-a.BaselineP50, 0)
	a.AddedP99 = max(a.ThroughP99-a.BaselineP99, a.AddedP50)
	a.AddedP999 = max(a.ThroughP999-quantile(straight, 999), a.AddedP99)
	a.OwnP99 = a.AddedP99 - min(max(quantile(ours, 990)-a.BaselineP99, quantile(ours, 500)-a.BaselineP50, 0), a.AddedP99)
	return a
}

// probed gives how many probes of a slice were answered or missed since it is probed here.
func (p *Prober) probed(slice nexus.ID) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if series := p.slices[slice]; series != nil {
		return series.total
	}
	return 0
}

// HistogramLimitsMicros are the upper ends of a distribution's buckets, in microseconds; what is above the last is in one more.
func HistogramLimitsMicros() []int64 {
	return []int64{100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 1_000_000}
}

// Distribution counts the added latencies of the last minute by bucket: each probe through the gateway, less the median of the
// baseline, never below zero. One more count than HistogramLimitsMicros has; nil when nothing was measured.
func (p *Prober) Distribution(slice nexus.ID) []uint64 {
	now := time.Now()
	p.mu.Lock()
	series := p.slices[slice]
	var through, straight []int64
	if series != nil {
		through, _, _ = series.recent(now)
		straight, _, _ = p.baseline.recent(now)
	}
	p.mu.Unlock()
	if len(through) == 0 || len(straight) == 0 {
		return nil
	}
	stdslices.Sort(straight)
	median, limits := quantile(straight, 500), HistogramLimitsMicros()
	counts := make([]uint64, len(limits)+1)
	for _, v := range through {
		i, _ := stdslices.BinarySearch(limits, max(v-median, 0))
		counts[i]++
	}
	return counts
}

// recent gives the latencies of the last minute, the same less what the slice's own limits made the probes wait, and how many are of missed probes.
func (s *probeSeries) recent(now time.Time) (micros, ours []int64, missed int64) {
	oldest := now.Add(-probeWindow).UnixNano()
	for _, sample := range s.samples {
		if sample.atNs >= oldest {
			micros, ours = append(micros, sample.micros), append(ours, sample.micros-sample.held)
			if sample.missed {
				missed++
			}
		}
	}
	return micros, ours, missed
}

// quantile gives the smallest value that at least permille of the sorted values do not exceed.
func quantile(sorted []int64, permille int) int64 {
	return sorted[max((len(sorted)*permille+999)/1000, 1)-1]
}
