package edge

import (
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/meter"
	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// AddedLatency is what the probes of one slice measured (SPEC section 4): a client's view through the real listener,
// timed from the moment each probe was due, less the direct baseline: the same request sent straight to the same
// responder in the same seconds, quantile by quantile, never below the smaller quantile's difference. All figures are
// of the last minute, in microseconds; with Samples 0 they mean nothing.
type AddedLatency struct {
	AddedP50    int64 `json:"added_p50_micros"`
	AddedP99    int64 `json:"added_p99_micros"`
	AddedP999   int64 `json:"added_p999_micros"`
	ThroughP50  int64 `json:"through_p50_micros"` // through the gateway, nothing subtracted
	ThroughP99  int64 `json:"through_p99_micros"`
	ThroughP999 int64 `json:"through_p999_micros"`
	BaselineP50 int64 `json:"baseline_p50_micros"` // straight to the responder
	BaselineP99 int64 `json:"baseline_p99_micros"`
	// OwnP99 is the part of AddedP99 that limits of the slice itself made: it wanted more than its ceiling, or its places were taken by answers that
	// its backend was slow with. The service-level record is judged without it (Judged).
	OwnP99  int64 `json:"own_p99_micros,omitempty"`
	Samples int64 `json:"samples"` // probes through the gateway
	Missed  int64 `json:"missed"`  // of these, failed or not sent in time; each counts with the full timeout
}

// Judged gives the added p99 that the gateway answers for, microseconds.
func (a *AddedLatency) Judged() int64 { return max(a.AddedP99-a.OwnP99, 0) }

// SliceStats is one slice for the console: Added is what a client observes, Gateway the gateway's own histogram (first
// byte read to last byte written, less backend time) and counters, Promise what its guaranteed rate came to.
type SliceStats struct {
	Slice    slices.Slice   `json:"slice"`
	Hosts    int            `json:"hosts"`
	Added    AddedLatency   `json:"added"`
	Probes   int64          `json:"probes"` // answered or missed since this edge probes the slice
	Gateway  meter.Snapshot `json:"gateway"`
	Promise  shape.Kept     `json:"promise,omitzero"` // how the guaranteed rate was kept here
	Backends BackendStats   `json:"backends"`
	Routes   []RouteStats   `json:"routes"`
}
