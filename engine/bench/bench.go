// Package bench measures this machine: `nexus bench NAME`. Every figure is the median of several runs with its range, and
// beside it stand the machine's load and the physical limit that the figure rests on.
//
// Promises: scratch directories only, bounded runs that end by themselves, and no figure that was not measured in this run.
package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sort"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Row is one measured case.
type Row struct {
	Case   string  `json:"case"`
	Value  float64 `json:"value"` // median of the runs
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Unit   string  `json:"unit"`
	P50Ms  float64 `json:"p50_ms,omitempty"`
	P99Ms  float64 `json:"p99_ms,omitempty"`
	P999Ms float64 `json:"p999_ms,omitempty"`
	Runs   int     `json:"runs"`
	Detail string  `json:"detail,omitempty"`
}

// Result is one bench.
type Result struct {
	Bench      string    `json:"bench"`
	Time       time.Time `json:"time"`
	Cores      int       `json:"cores"`
	Go         string    `json:"go"`
	LoadBefore string    `json:"load_before"` // 1, 5 and 15 minutes
	LoadAfter  string    `json:"load_after"`
	Rows       []Row     `json:"rows"`
	Notes      []string  `json:"notes,omitempty"` // what was not measured, and against what
}

// Options of a run.
type Options struct {
	Dir      string        // scratch directory, on the disk to be measured
	Runs     int           // of each case; 0: 3
	Duration time.Duration // of each run; 0: 3 s
	Progress io.Writer     // a line a case; nil: none
	Binary   string        // of nexus, for benches that start processes of it
	Env      []string      // of other programs that a bench starts
	Case     string        // ledger, exit: only cases whose name contains it, empty: all; edge: floods whose line does, or "groups"
	Events   int           // of the history bench; 0: 1,000,000

	notes *[]string
}

// wants says whether a case was asked for.
func (o Options) wants(name string) bool { return strings.Contains(name, o.Case) }

// note adds a line below the table.
func (o Options) note(text string) { *o.notes = append(*o.notes, text) }

func (o Options) withDefaults() Options {
	if o.Events == 0 {
		o.Events = 1_000_000
	}
	if o.Runs == 0 {
		o.Runs = 3
	}
	if o.Duration == 0 {
		o.Duration = 3 * time.Second
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return o
}

// benches lists what can be measured, in order of the command line's help.
var benches = []struct {
	name string
	what string
	run  func(ctx context.Context, o Options) ([]Row, error)
}{
	{"ledger", "durable revenue events a second, in signed batches and singly, beside the disk's sync rate and PostgreSQL", ledgerBench},
	{"history", "a ledger of many events (--events): deduplication, start after a kill, export, proofs, bytes and memory", historyBench},
	{"gates", "one decision of all 17 gates", gatesBench},
	{"exit", "how long a unit takes to leave with everything, by its number of events, and its bundle's check offline", exitBench},
	{"session", "the gap when a live session moves to another edge: asked to, its edge killed, its edge silent", sessionBench},
	{"edge", "the edge beside nginx, haproxy, caddy and Go's ReverseProxy: added latency, throughput, a tenant beside five floods", edgeBench},
}

// Names lists the benches with what they measure.
func Names() [][2]string {
	out := make([][2]string, 0, len(benches))
	for _, b := range benches {
		out = append(out, [2]string{b.name, b.what})
	}
	return out
}

// Run runs one bench by name. Errors: CodeUsage for an unknown one.
func Run(ctx context.Context, name string, o Options) (Result, error) {
	for _, b := range benches {
		if b.name != name {
			continue
		}
		r := Result{Bench: name, Time: time.Now().UTC(), Cores: runtime.NumCPU(), Go: runtime.Version(), LoadBefore: load()}
		o.notes = &r.Notes
		rows, err := b.run(ctx, o.withDefaults())
		r.Rows, r.LoadAfter = rows, load()
		return r, err
	}
	var known []string
	for _, b := range benches {
		known = append(known, b.name)
	}
	return Result{}, nexus.Errf("bench", nexus.CodeUsage, fmt.Sprintf("bench %q", name), "one of "+strings.Join(known, ", "), "not in this version")
}

// Table prints a result for people.
func (r Result) Table(w io.Writer) {
	fmt.Fprintf(w, "bench %s  %s  %d cores  %s  load %s before, %s after\n", r.Bench, r.Time.Format(time.RFC3339), r.Cores, r.Go, r.LoadBefore, r.LoadAfter)
	fmt.Fprintf(w, "%-62s %12s %-9s %22s %8s %8s %8s %4s  %s\n", "case", "median", "unit", "min - max", "p50 ms", "p99 ms", "p99.9 ms", "runs", "")
	for _, row := range r.Rows {
		if row.Runs == 0 {
			fmt.Fprintf(w, "%-62s %12s %-9s %22s %8s %8s %8s %4d  %s\n", row.Case, "-", row.Unit, "-", "-", "-", "-", 0, row.Detail)
			continue
		}
		number := func(v float64) string {
			switch row.Unit {
			case "%":
				return fmt.Sprintf("%.2f", v)
			case "us":
				return fmt.Sprintf("%.1f", v)
			}
			return fmt.Sprintf("%.0f", v)
		}
		p50, p99, p999 := "-", "-", "-"
		if row.P99Ms != 0 {
			p50, p99 = fmt.Sprintf("%.2f", row.P50Ms), fmt.Sprintf("%.2f", row.P99Ms)
		}
		if row.P999Ms != 0 {
			p999 = fmt.Sprintf("%.2f", row.P999Ms)
		}
		fmt.Fprintf(w, "%-62s %12s %-9s %22s %8s %8s %8s %4d  %s\n", row.Case, number(row.Value), row.Unit, number(row.Min)+" - "+number(row.Max),
			p50, p99, p999, row.Runs, row.Detail)
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, n)
	}
}

func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	f := strings.Fields(string(b))
	return strings.Join(f[:min(3, len(f))], " ")
}

// sample is one run of a case.
type sample struct {
	rate      float64
	latencies []time.Duration
	detail    string
}

// row sums the runs of a case up: the median rate with its range, and the latencies of the median run.
func row(name, unit, detail string, runs []sample) Row {
	sort.Slice(runs, func(i, j int) bool { return runs[i].rate < runs[j].rate })
	mid := runs[len(runs)/2]
	out := Row{Case: name, Value: mid.rate, Min: runs[0].rate, Max: runs[len(runs)-1].rate, Unit: unit, Runs: len(runs), Detail: detail}
	if n := len(mid.latencies); n > 0 {
		sort.Slice(mid.latencies, func(i, j int) bool { return mid.latencies[i] < mid.latencies[j] })
		ms := func(q int) float64 { return float64(mid.latencies[min(n-1, n*q/100)].Microseconds()) / 1000 }
		out.P50Ms, out.P99Ms = ms(50), ms(99)
	}
	return out
}
