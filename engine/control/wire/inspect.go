package wire

import "time"

// SlicePointsMax is the number of points that a slice's series keeps: one a second, five minutes.
const SlicePointsMax = 300

// SlicePoint is one second of a slice's added latency, over the minute that ended then; nil when it was not measured.
type SlicePoint struct {
	P50Ms  *float64 `json:"p50_ms"`
	P99Ms  *float64 `json:"p99_ms"`
	P999Ms *float64 `json:"p999_ms"`
}

// Bucket counts measurements up to a limit and above the bucket before; the last has no limit.
type Bucket struct {
	UpToMs *float64 `json:"up_to_ms"`
	Count  uint64   `json:"count"`
}

// SliceDetail is one slice with its series, oldest first, and the distribution of the last minute's probes.
type SliceDetail struct {
	SliceRow
	Points  []SlicePoint `json:"points"`
	Buckets []Bucket     `json:"buckets,omitempty"` // empty: nothing measured
	Record  *ServiceUnit `json:"record,omitempty"`  // of its unit, of the running month alone (UTC, by the node's clock); nil: the unit is not in the state yet
}

// LogPage is a piece of the node's log: whole lines, as they stand in the file (JSON, one object a line). Next is where the
// page after begins; Skipped is the offset of the first line when lines before it were left out.
type LogPage struct {
	Lines   []string `json:"lines"`
	Next    int64    `json:"next"`
	Skipped int64    `json:"skipped,omitempty"`
}

// UnitEntries is a page of one unit's entries, newest first. Next, when it is not 0, is the before= of the page after; a page may
// hold fewer entries than asked for, and even none, before the last.
type UnitEntries struct {
	Entries []Entry `json:"entries"`
	Next    uint64  `json:"next,omitempty"`
	Size    uint64  `json:"size"` // of the log
}

// RecordedFinding is a finding with its place in the ledger.
type RecordedFinding struct {
	Seq   uint64    `json:"seq"`
	Index uint64    `json:"index"`
	Time  time.Time `json:"time"`
	Finding
}

// FindingHistory is a page of the findings ever recorded, newest first; Next and Size as in UnitEntries.
type FindingHistory struct {
	Findings []RecordedFinding `json:"findings"`
	Next     uint64            `json:"next,omitempty"`
	Size     uint64            `json:"size"`
}
