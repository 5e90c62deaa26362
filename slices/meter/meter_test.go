package meter

import (
	"math/rand/v2"
	stdslices "slices"
	"sync"
	"testing"
	"time"
)

var start = time.Unix(1_700_000_000, 0)

func TestNoSamplesMeansNothing(t *testing.T) {
	t.Parallel()
	var h Histogram
	if q := h.Window(start); q != (Quantiles{}) {
		t.Errorf("%+v", q)
	}
	if q := h.Lifetime(); q != (Quantiles{}) {
		t.Errorf("%+v", q)
	}
}

func TestQuantilesAreWithinThreeDigits(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var h Histogram
	var all []int64
	for range 50_000 {
		micros := int64(r.ExpFloat64() * 3000)
		all = append(all, max(micros, 1))
		h.Record(start, time.Duration(micros)*time.Microsecond)
	}
	stdslices.Sort(all)
	q := h.Window(start)
	for _, c := range []struct {
		got, want int64
	}{{q.P50, all[25_000]}, {q.P99, all[49_500]}, {q.P999, all[49_950]}, {q.Max, all[49_999]}} {
		if diff := c.got - c.want; diff > c.want/250+1 || diff < -c.want/250-1 {
			t.Errorf("got %d, exact %d", c.got, c.want)
		}
	}
	if q.Samples != 50_000 || q != h.Lifetime() {
		t.Errorf("%+v, lifetime %+v", q, h.Lifetime())
	}
}

func TestBordersAreCounted(t *testing.T) {
	t.Parallel()
	var h Histogram
	h.Record(start, -time.Second)
	h.Record(start, time.Hour)
	q := h.Window(start)
	if q.Samples != 2 || q.P50 != LowestMicros || q.Max < HighestMicros || q.Max > HighestMicros*1001/1000 {
		t.Errorf("%+v", q)
	}
}

func TestWindowSlidesAndGivesMemoryBack(t *testing.T) {
	t.Parallel()
	var h Histogram
	for i := range 12 {
		h.Record(start.Add(time.Duration(i)*WindowLength), time.Duration(i+1)*time.Millisecond)
	}
	last := start.Add(11 * WindowLength)
	if q := h.Window(last); q.Samples != Windows || q.P50 < 9000 || q.P50 > 9010 {
		t.Errorf("%+v", q)
	}
	if q := h.Window(last.Add(3 * WindowLength)); q.Samples != 3 {
		t.Errorf("%+v", q)
	}
	if q := h.Window(last.Add(time.Hour)); q.Samples != 0 {
		t.Errorf("%+v", q)
	}
	for i := range h.windows {
		if h.windows[i].counts != nil {
			t.Errorf("piece %d keeps its memory", i)
		}
	}
	if n := h.Lifetime().Samples; n != 12 {
		t.Errorf("lifetime %d", n)
	}
}

func TestConcurrentRecordingLosesNothing(t *testing.T) {
	t.Parallel()
	var h Histogram
	var c Counters
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 5000 {
				h.Record(start.Add(time.Duration(i)*time.Millisecond), time.Millisecond)
				c.AddBytes(start, 10, 20)
				if i%1000 == 0 {
					h.Window(start)
				}
			}
		})
	}
	wg.Wait()
	if n := h.Lifetime().Samples; n != 20_000 {
		t.Errorf("%d samples", n)
	}
	if c.BytesIn() != 200_000 || c.BytesOut() != 400_000 {
		t.Errorf("%d in, %d out", c.BytesIn(), c.BytesOut())
	}
}

func TestRateIsOfWholeSeconds(t *testing.T) {
	t.Parallel()
	var c Counters
	for second := range 10 {
		for range 10 {
			c.AddBytes(start.Add(time.Duration(second)*time.Second), 50, 50)
		}
	}
	now := start.Add(10 * time.Second)
	if got := c.RateBps(now); got != 8000 {
		t.Errorf("%d bit/s, want 8000", got)
	}
	if got := c.RateBps(now.Add(2 * time.Second)); got != 4000 {
		t.Errorf("two silent seconds later %d bit/s, want 4000", got)
	}
	if got := c.RateBps(now.Add(time.Minute)); got != 0 {
		t.Errorf("long silent: %d bit/s", got)
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	var h Histogram
	var c Counters
	h.Record(start, time.Millisecond)
	if n := testing.AllocsPerRun(1000, func() {
		h.Record(start, time.Millisecond)
		c.AddBytes(start, 1, 1)
		c.Requests.Add(1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	var h Histogram
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.Record(start, 350*time.Microsecond)
		}
	})
}

func BenchmarkAddBytes(b *testing.B) {
	var c Counters
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.AddBytes(start, 1000, 0)
		}
	})
}

func BenchmarkSnapshot(b *testing.B) {
	var h Histogram
	var c Counters
	for i := range 10_000 {
		h.Record(start.Add(time.Duration(i)*5*time.Millisecond), time.Duration(i)*time.Microsecond)
	}
	b.ReportAllocs()
	for b.Loop() {
		Snap(start.Add(50*time.Second), &h, &c)
	}
}
