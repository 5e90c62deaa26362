package edge

import (
	"fmt"
	stdslices "slices"
	"time"
)

// Shapes of what a generator sends on each of its connections.
const (
	shapeOpen     = "open"       // requests at a fixed rate, each on a connection that is free
	shapeClosed   = "closed"     // the next request as soon as the last was answered
	shapeStream   = "stream"     // one WebSocket, read as fast as it comes
	shapeLoris    = "loris"      // a header that never ends, one line a second
	shapeTLSDials = "tlsdials"   // a handshake, then the end, and again
	shapeQUIC     = "quicdials"  // the same over QUIC
	shapeHellos   = "quichellos" // half of such handshakes at a fixed rate
	shapeClients  = "clients"    // requests at a fixed rate by Protocol
)

// Protocols of shapeClients.
const (
	protocolPlain = "HTTP/1.1 without TLS"
	protocolH1    = "HTTP/1.1"
	protocolH2    = "HTTP/2"
	protocolH3    = "HTTP/3"
)

// Job is what a generator process is asked to do; it comes as one JSON object on its standard input.
type Job struct {
	Shape       string        `json:"shape"`
	Addr        string        `json:"addr"`               // of the proxy
	Source      string        `json:"source"`             // loopback address to connect from
	Host        string        `json:"host"`               // asked for, and the server name of TLS
	Path        string        `json:"path"`               // asked for
	Protocol    string        `json:"protocol,omitempty"` // shapeClients only
	Connections int           `json:"connections"`        // at once
	Rate        float64       `json:"rate"`               // requests a second, shapeOpen and shapeClients; hellos, shapeHellos
	Pause       time.Duration `json:"pause,omitempty"`    // added to each time between two requests, shapeOpen only
	Seed        uint64        `json:"seed,omitempty"`     // of the times between requests, shapeOpen only: who is compared has the same, who asks beside it another
	Warm        time.Duration `json:"warm"`               // before figures count
	Duration    time.Duration `json:"duration"`           // of what counts
	Nice        int           `json:"nice"`               // scheduling weight of the process
}

// Figures are what a generator saw while figures counted; one JSON object on its standard output.
type Figures struct {
	Seconds   float64 `json:"seconds"`
	Good      int64   `json:"good"`       // answers 200, WebSocket messages, handshakes, answered hellos
	Answers   int64   `json:"answers"`    // of HTTP, before figures counted too
	Refused   int64   `json:"refused"`    // other answers
	Broken    int64   `json:"broken"`     // connections that ended without an answer to what was asked on them
	Idle      int64   `json:"idle"`       // connections that ended while nothing was asked on them, shapeOpen only
	Asked     int64   `json:"asked"`      // clients that were asked by a Retry where they are, shapeHellos only
	Samples   int     `json:"samples"`    // latencies that the quantiles stand on
	Late      int64   `json:"late"`       // due, and not answered when the generator gave up
	Bytes     int64   `json:"bytes"`      // read and written, without TCP's own
	Open      int     `json:"open"`       // connections open at the end
	P50       int64   `json:"p50_micros"` // of latency, from the moment a request was due; Late count with their age
	P99       int64   `json:"p99_micros"`
	P999      int64   `json:"p999_micros"`
	Max       int64   `json:"max_micros"`
	LagP99    int64   `json:"lag_p99_micros"` // how late the generator itself was to look
	WindowsBy []int64 `json:"windows"`        // bytes in each whole window of windowLength
}

// windowLength is the averaging window of guaranteed and maximum rates (3GPP TS 23.501, 5.7.3).
const windowLength = 2 * time.Second

// rate gives good answers a second.
func (f Figures) rate() float64 { return float64(f.Good) / max(f.Seconds, 1e-9) }

// bytesRate gives bytes a second.
func (f Figures) bytesRate() float64 { return float64(f.Bytes) / max(f.Seconds, 1e-9) }

// trouble words what befell the requests of a fixed rate, nothing when all were answered well: broken ones were answered later or are among the late.
// Connections that were closed while nothing was asked on them are said and are no fault.
func (f Figures) trouble(who string) (note []string) {
	if f.Late+f.Broken+f.Refused > 0 {
		note = append(note, fmt.Sprintf("%s%d late, %d broken, %d refused", who, f.Late, f.Broken, f.Refused))
	}
	if f.Idle > 0 {
		note = append(note, fmt.Sprintf("%d idle connections closed", f.Idle))
	}
	return note
}

// standsOn words how many requests the percentiles are of.
func (f Figures) standsOn() string { return fmt.Sprintf("%d requests", f.Samples) }

// quantiles fills the latencies in.
func (f *Figures) quantiles(latencies []int64) {
	if len(latencies) == 0 {
		return
	}
	stdslices.Sort(latencies)
	f.Samples = len(latencies)
	f.P50, f.P99, f.P999, f.Max = quantile(latencies, 500), quantile(latencies, 990), quantile(latencies, 999), latencies[len(latencies)-1]
}

// lag fills in how late the generator was.
func (f *Figures) lag(lags []int64) {
	stdslices.Sort(lags)
	f.LagP99 = quantile(lags, 990)
}

// quantile gives the value below which a share of per mille of the sorted samples lies (nearest rank).
func quantile(sorted []int64, perMille int) int64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, max(0, (len(sorted)*perMille+999)/1000-1))]
}
