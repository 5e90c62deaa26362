package bus

import (
	"math"
	"testing"
	"time"
)

// Every publication is counted once, in its class and not after the bus has closed, and a reader that takes nothing does not stop it.
func TestPublicationsAreTimed(t *testing.T) {
	t.Parallel()
	b := New(Limits{Lossy: 2})
	subscribe(t, b, Filter{})
	for range 5 {
		b.Publish(sample("a"))
	}
	before := b.Stats()
	for range 7 {
		b.Publish(sample("a"))
	}
	b.Publish(must("b"))
	b.Publish(must("b"))
	b.Close()
	b.Publish(must("c"))
	after := b.Stats()
	lossy := after.TookLossy.Less(before.TookLossy)
	if n, m := lossy.Count(), after.TookMust.Count(); n != 7 || m != 2 || after.TookLossy.Count() != 12 || before.TookMust.Count() != 0 {
		t.Errorf("%d lossy of %d in all, %d must-deliver, %d before", n, after.TookLossy.Count(), m, before.TookMust.Count())
	}
	if all := lossy.Plus(after.TookMust); all.Count() != 9 || all.Sum != lossy.Sum+after.TookMust.Sum {
		t.Errorf("both: %d in %v", all.Count(), all.Sum)
	}
	if lossy.Sum <= 0 || lossy.Sum > after.TookLossy.Sum || after.TookMust.Sum <= 0 {
		t.Errorf("sums %v of %v, %v", lossy.Sum, after.TookLossy.Sum, after.TookMust.Sum)
	}
}

// A quantile is the upper end of the range that the publication at it is in.
func TestTookQuantile(t *testing.T) {
	t.Parallel()
	var counted tooks
	for range 989 {
		counted.add(900 * time.Nanosecond)
	}
	counted.add(time.Microsecond) // a limit is part of its range
	for range 9 {
		counted.add(50 * time.Microsecond)
	}
	counted.add(time.Minute)
	got := counted.read()
	for percent, want := range map[int]time.Duration{1: time.Microsecond, 50: time.Microsecond, 99: time.Microsecond, 100: got.Sum} {
		if q := got.Quantile(percent); q != want {
			t.Errorf("quantile %d is %v, want %v", percent, q, want)
		}
	}
	counted.add(51 * time.Microsecond)
	counted.add(51 * time.Microsecond)
	if q := counted.read().Quantile(99); q != 50*time.Microsecond {
		t.Errorf("with two more above: %v", q)
	}
	if q := (Took{}).Quantile(99); q != 0 {
		t.Errorf("nothing took %v", q)
	}
	if got.Sum < time.Minute || got.Sum.Seconds() > math.Nextafter(60.01, 61) {
		t.Errorf("sum %v", got.Sum)
	}
	for i, limit := range TookLimits()[1:] {
		if limit <= TookLimits()[i] {
			t.Errorf("limit %v follows %v", limit, TookLimits()[i])
		}
	}
}
