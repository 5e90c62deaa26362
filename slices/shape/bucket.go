package shape

import "math"

// nanosPerSecond is the number of token units in one byte: tokens are counted in byte-nanoseconds, so that a rate in
// bytes per second times nanoseconds is exact and nothing drifts.
const nanosPerSecond = 1_000_000_000

// burstBytesMax keeps token arithmetic inside 64 bits.
const burstBytesMax = 4 << 30

// Bucket is a token bucket that may go into debt: a taker may go when the bucket holds anything, and pays in full. So
// over any time T a bucket lets through at most burst + rate*T + one taking. Not safe for concurrent use; times are
// nanoseconds of one monotonic clock and never run backwards.
type Bucket struct {
	rate   int64 // bytes per second
	burst  int64 // byte-nanoseconds
	tokens int64 // byte-nanoseconds
	lastNs int64
}

// NewBucket makes a full bucket of rateBps bits per second that holds burstBytes.
func NewBucket(rateBps uint64, burstBytes, nowNs int64) Bucket {
	burst := min(max(burstBytes, 1), burstBytesMax) * nanosPerSecond
	return Bucket{rate: int64(min(rateBps/8, math.MaxInt64>>8)), burst: burst, tokens: burst, lastNs: nowNs}
}

// Advance adds what has flowed in since the last call.
func (b *Bucket) Advance(nowNs int64) {
	elapsed := nowNs - b.lastNs
	if elapsed <= 0 {
		return
	}
	b.lastNs = nowNs
	missing := b.burst - b.tokens
	// Compare by division first: rate*elapsed of an idle hour would overflow.
	if b.rate > 0 && elapsed > missing/b.rate {
		b.tokens = b.burst
		return
	}
	b.tokens += b.rate * elapsed
}

// Ready reports whether anything is in the bucket.
func (b *Bucket) Ready() bool { return b.tokens > 0 }

// Take pays for n bytes, into debt if need be. Debt is bounded by what 64 bits hold.
func (b *Bucket) Take(n int) {
	cost := int64(n) * nanosPerSecond
	if b.tokens < math.MinInt64/2+cost {
		b.tokens = math.MinInt64 / 2
		return
	}
	b.tokens -= cost
}

// WaitNs gives the nanoseconds until Ready, 0 when it is, and a year for a bucket without a rate.
func (b *Bucket) WaitNs() int64 {
	if b.tokens > 0 {
		return 0
	}
	if b.rate == 0 {
		return 365 * 24 * 3600 * nanosPerSecond
	}
	return -b.tokens/b.rate + 1
}

// setRate changes rate and burst and keeps the tokens, so that a change of limits is no way around them.
func (b *Bucket) setRate(rateBps uint64, burstBytes, nowNs int64) {
	b.Advance(nowNs)
	tokens := b.tokens
	*b = NewBucket(rateBps, burstBytes, nowNs)
	b.tokens = min(b.burst, tokens)
}
