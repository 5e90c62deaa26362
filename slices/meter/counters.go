package meter

import (
	"sync/atomic"
	"time"
)

// rateSeconds is the number of whole seconds over which RateBps is taken.
const rateSeconds = 4

// Counters are the running figures of one slice. Every field counts up since the start of the process. The zero value
// is ready; all methods are safe for concurrent use and allocate nothing.
type Counters struct {
	Requests atomic.Uint64 // requests answered by the slice's backend or folder, WebSockets counted once
	Refused  atomic.Uint64 // requests answered 421 or 503 by the gateway, and connections refused for their number
	Dropped  atomic.Uint64 // requests that had waited and were given up because of the queue's age
	Stalls   atomic.Uint64 // times a connection waited unread because its slice was over its share
	Cut      atomic.Uint64 // connections cut because the client took or sent nothing for the stall timeout
	Failed   atomic.Uint64 // requests whose backend did not answer
	Strays   atomic.Uint64 // connections served in the process of another latency group: its limits are counted apart
	Streams  atomic.Int64  // WebSockets and other upgraded connections now open
	Sessions atomic.Int64  // connections now bound to the slice

	bytesIn  atomic.Uint64
	bytesOut atomic.Uint64
	rate     [rateSeconds + 4]rateCell
}

// rateCell holds the bytes of one second.
type rateCell struct {
	second atomic.Int64
	bytes  atomic.Uint64
}

// AddBytes counts bytes that crossed clients' connections, in from and out to clients.
func (c *Counters) AddBytes(now time.Time, in, out int) {
	if in > 0 {
		c.bytesIn.Add(uint64(in))
	}
	if out > 0 {
		c.bytesOut.Add(uint64(out))
	}
	second := now.Unix()
	cell := &c.rate[uint64(second)%uint64(len(c.rate))]
	// Two writers at the turn of a second may lose one's bytes from the rate, never from the totals.
	if old := cell.second.Load(); old < second && cell.second.CompareAndSwap(old, second) {
		cell.bytes.Store(0)
	}
	cell.bytes.Add(uint64(in + out))
}

// RateBps gives bits per second in both directions, averaged over the last four whole seconds before now.
func (c *Counters) RateBps(now time.Time) uint64 {
	var sum uint64
	second := now.Unix()
	for i := range c.rate {
		if s := c.rate[i].second.Load(); s < second && s >= second-rateSeconds {
			sum += c.rate[i].bytes.Load()
		}
	}
	return sum * 8 / rateSeconds
}

// BytesIn and BytesOut give the totals.
func (c *Counters) BytesIn() uint64  { return c.bytesIn.Load() }
func (c *Counters) BytesOut() uint64 { return c.bytesOut.Load() }

// Snapshot is one slice at one moment: the window's quantiles and the running counters. InFlight and Queue come from
// the slice's gate, and from its flow what waits for bandwidth; both are filled in by its owner.
type Snapshot struct {
	Quantiles
	Requests uint64 `json:"requests"`
	BytesIn  uint64 `json:"bytes_in"`
	BytesOut uint64 `json:"bytes_out"`
	InFlight int    `json:"in_flight"`
	Queue    int    `json:"queue"`
	Refused  uint64 `json:"refused"`
	Dropped  uint64 `json:"dropped"`
	Stalls   uint64 `json:"stalls"`
	Cut      uint64 `json:"cut"`
	Failed   uint64 `json:"failed"`
	Strays   uint64 `json:"strays,omitempty"`
	Streams  int64  `json:"streams"`
	Sessions int64  `json:"sessions"`
	RateBps  uint64 `json:"rate_bps"`
}

// Snap reads histogram and counters. The fields are read one after the other, not at one instant.
func Snap(now time.Time, h *Histogram, c *Counters) Snapshot {
	return Snapshot{
		Quantiles: h.Window(now),
		Requests:  c.Requests.Load(), BytesIn: c.BytesIn(), BytesOut: c.BytesOut(),
		Refused: c.Refused.Load(), Dropped: c.Dropped.Load(), Stalls: c.Stalls.Load(), Cut: c.Cut.Load(),
		Failed: c.Failed.Load(), Strays: c.Strays.Load(), Streams: c.Streams.Load(), Sessions: c.Sessions.Load(), RateBps: c.RateBps(now),
	}
}
