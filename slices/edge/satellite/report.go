package satellite

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

const (
	// ReportEvery is how often an edge tells its home what it measured: the averaging window of guaranteed rates (SPEC section 4).
	ReportEvery = 2 * time.Second
	// probeAfter is how long a worker serves before it is probed: until then the one before it accepts from the same socket, and
	// would take probes for a client's requests.
	probeAfter = time.Second
	// lastReportFor bounds the report at the end; what it says is lost when the home does not take it by then.
	lastReportFor = time.Second
)

// Report is what an edge process tells its home. Counters are since the start of the process that Process names; so a home that
// keeps each process's newest report counts nothing twice and forgets nothing, whatever becomes of links.
type Report struct {
	Process   nexus.ID          `json:"process"` // random, of one run of one process
	Slices    []edge.SliceStats `json:"slices"`
	Table     TableState        `json:"table"`
	LinkNanos int64             `json:"link_nanos"` // round trip of the report before this one, edge to home and back; 0: not measured
	Closing   bool              `json:"closing,omitempty"`
	// Last is the process's goodbye: it ends after this report, and did not die.
	Last bool `json:"last,omitempty"`
	// Orphaned says that the supervisor has gone without a word: this process accepts nothing, and nobody starts another one.
	Orphaned bool `json:"orphaned,omitempty"`
}

// DecodeReport reads a report.
func DecodeReport(b []byte) (Report, error) {
	var r Report
	err := json.Unmarshal(b, &r)
	if err == nil && r.Process.IsZero() {
		err = errors.New("no process named")
	}
	if err != nil {
		return Report{}, nexus.Errf("edge report", nexus.CodeMalformed, "report", "run edge and home from the same build", "%w", err)
	}
	return r, nil
}

// reporter is what a satellite needs for its reports.
type reporter struct {
	mu      sync.Mutex // one report at a time, so that a later one never overtakes
	process nexus.ID
	trip    time.Duration
}

// report tells the home what was measured until now.
func (s *satellite) report(ctx context.Context, last bool) {
	r := &s.reporter
	r.mu.Lock()
	defer r.mu.Unlock()
	if !s.reports.Load() {
		return
	}
	table := s.tables.now()
	b, err := json.Marshal(Report{Process: r.process, Table: table, Slices: s.gateway.Snapshot(), LinkNanos: int64(r.trip), Closing: s.closing.Load(), Last: last,
		Orphaned: s.orphaned()})
	if err == nil {
		r.trip, err = s.client.Report(ctx, b)
	}
	if err == nil {
		s.tables.heard(&table)
	}
	if err != nil && ctx.Err() == nil {
		s.log.Debug("not reported", "error", err)
	}
}

// reportLoop reports until ctx ends, and at once what was refused.
func (s *satellite) reportLoop(ctx context.Context) {
	t := time.NewTicker(ReportEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-s.tables.wake:
		}
		turn, cancel := context.WithTimeout(ctx, ReportEvery)
		s.report(turn, false)
		cancel()
	}
}

// reportLast tells what came since the last turn, when nothing is served any more.
func (s *satellite) reportLast() {
	ctx, cancel := context.WithTimeout(context.Background(), lastReportFor)
	defer cancel()
	s.report(ctx, true)
}

// orphaned reports whether the supervisor has gone while this process was not asked to.
func (s *satellite) orphaned() bool {
	select {
	case <-s.config.Gone: // nil: never
		return true
	default:
		return false
	}
}

// probe measures the added latency of every slice through this edge's own plain listener until ctx ends. Without one nothing is
// measured: whether a client trusts the certificates of the other is not for this process to know.
func (s *satellite) probe(ctx context.Context) {
	if s.plain == nil {
		return
	}
	select {
	case <-ctx.Done():
		return
	case <-time.After(probeAfter):
	}
	if !s.reports.Load() {
		return // nobody would be told
	}
	if err := edge.NewProber(s.gateway, edge.ProberConfig{}).Run(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("prober ended", "error", err)
	}
}
