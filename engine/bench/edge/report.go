package edge

import (
	"fmt"
	"io"
	stdslices "slices"
	"strings"
	"time"
)

// Options of a run.
type Options struct {
	Dir      string        // scratch directory, its path short enough for a socket
	Binary   string        // of this program
	Env      []string      // of the peers' processes, so that they are found and find what they need
	Runs     int           // of each case
	Duration time.Duration // of each case in each run
	Case     string        // only floods whose line ("FLOOD: PROXY, default") contains this; "": all, and all else
	Progress io.Writer     // a line a step
}

// Kinds of cases that others than the table read.
const (
	KindBaseline  = "baseline"  // the tenant without a proxy
	KindFlood     = "flood"     // the tenant beside a flood
	KindGuarantee = "guarantee" // share of the guaranteed rate, percent
	KindCeiling   = "ceiling"   // worst overshoot of the maximum rate, percent
)

// Case is one line of the report: the figures of every run.
type Case struct {
	Name   string
	Kind   string // "" for what only the table shows
	Flood  string // its name, KindFlood
	Unit   string
	Values []float64 // one a run; none: not measured, Note says why
	P50    []int64   // microseconds, one a run; nil where latency is not measured
	P99    []int64
	P999   []int64
	// Machine is the p99 of the same tenant in the same seconds through a relay that knows no requests, microseconds, one a run: as many processes on
	// its way, and none of them flooded. Of KindFlood in Alone only.
	Machine []int64
	Others  []float64 // what other programs took of all processors meanwhile, percent; as Machine
	Note    string    // of the last run
}

// Report is the cases in the order in which they were first measured.
type Report struct {
	Cases []*Case
}

// add notes one run of a case and gives the case.
func (r *Report) add(name, unit string, value float64, note string, latency ...int64) *Case {
	i := stdslices.IndexFunc(r.Cases, func(c *Case) bool { return c.Name == name })
	if i < 0 {
		i = len(r.Cases)
		r.Cases = append(r.Cases, &Case{Name: name, Unit: unit})
	}
	c := r.Cases[i]
	c.Values, c.Note = append(c.Values, value), note
	if len(latency) == 3 {
		c.P50, c.P99, c.P999 = append(c.P50, latency[0]), append(c.P99, latency[1]), append(c.P999, latency[2])
	}
	return c
}

// last gives the quantiles of a case's newest run, nil when there is none.
func (r *Report) last(name string) []int64 {
	for _, c := range r.Cases {
		if n := len(c.P50); c.Name == name && n > 0 {
			return []int64{c.P50[n-1], c.P99[n-1], c.P999[n-1]}
		}
	}
	return nil
}

// skip notes a case that is not measured, once.
func (r *Report) skip(name, why string) {
	if !stdslices.ContainsFunc(r.Cases, func(c *Case) bool { return c.Name == name }) {
		r.Cases = append(r.Cases, &Case{Name: name, Unit: "-", Note: why})
	}
}

// median gives the middle of the values; 0 without any.
func median[T int64 | float64](values []T) T {
	if len(values) == 0 {
		return 0
	}
	s := stdslices.Clone(values)
	stdslices.Sort(s)
	return s[len(s)/2]
}

// Medians gives the medians of a case's runs: the value, and latencies in microseconds.
func (c *Case) Medians() (value float64, p50, p99, p999 int64) {
	return median(c.Values), median(c.P50), median(c.P99), median(c.P999)
}

// Meanwhile gives the medians of Machine, in microseconds, and Others, in percent; 0 where they were not measured.
func (c *Case) Meanwhile() (machineP99 int64, others float64) {
	return median(c.Machine), median(c.Others)
}

// pairs adds, for each case named "FLOOD: ARRANGEMENT", in how many runs its p99 was below that of the same flood with the base arrangement in
// the same run, and the median of the ratios: what is left when the machine is not quiet.
func (r *Report) pairs(base string) {
	for _, c := range r.Cases {
		flood, name, _ := strings.Cut(c.Name, ": ")
		i := stdslices.IndexFunc(r.Cases, func(b *Case) bool { return b.Name == flood+": "+base })
		if c.Kind != KindFlood || name == base || i < 0 {
			continue
		}
		lower, ratios := 0, []float64(nil)
		for run, p99 := range c.P99 {
			if b := r.Cases[i].P99[run]; p99 < b {
				lower++
			}
			ratios = append(ratios, float64(p99)/float64(max(r.Cases[i].P99[run], 1)))
		}
		r.add(flood+", p99 of "+name+" to "+base, "ratio", median(ratios),
			fmt.Sprintf("lower in %d of %d runs; p99 in us, run by run: %d beside %d", lower, len(c.P99), c.P99, r.Cases[i].P99))
	}
}

// kept gives the share of a promise in bytes a window that the windows kept, 1 at most each, and the largest overshoot of a ceiling,
// both in percent of it.
func kept(windows []int64, promised float64) (share, overshoot float64) {
	if len(windows) == 0 {
		return 0, 0
	}
	for _, b := range windows {
		share += min(1, float64(b)/promised)
		overshoot = max(overshoot, 100*(float64(b)/promised-1))
	}
	return 100 * share / float64(len(windows)), overshoot
}
