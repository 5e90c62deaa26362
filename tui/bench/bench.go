// Package bench measures the console as a terminal sees it: `nexus bench console`. It starts the real binary on a real
// pseudo-terminal, answers what a terminal answers, parses what arrives and holds it against the budgets of DESIGN section 6.
//
// Promises: every figure was measured in this run, a missed budget is shown as missed, processes it started have ended when it
// returns. It sees the node only through Node; it must not import the engine, the ledger or the command line.
package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	stdslices "slices"
	"sort"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// Node is a running scratch node as the bench needs it. All methods are safe for concurrent use.
type Node interface {
	// DataDir is where the console finds the node and the key it signs with.
	DataDir() string
	// Post makes n revenue events of several units durable in one signed batch; it returns with the receipt.
	Post(ctx context.Context, n int) error
	// Mark makes one event of MarkMinor durable for the unit labelled MarkUnit; it returns with the receipt.
	Mark(ctx context.Context) error
	// Marked asks GET /v1/tally for the gross of the marked unit, in minor units; 0 before the first event.
	Marked(ctx context.Context) (int64, error)
	// Overview asks for the present picture.
	Overview(ctx context.Context) (*wire.Overview, error)
	// Guests registers n more operators, and gives where the node's SSH console listens and a file with the private key of each.
	Guests(ctx context.Context, n int) (addr string, keyFiles []string, err error)
	// Held waits for a collection that begins after the call, and gives the memory that live objects and stacks take then, in bytes.
	Held(ctx context.Context) (bytes float64, err error)
	// Gauge reads a figure without labels from what the node tells Prometheus.
	Gauge(ctx context.Context, name string) (float64, error)
	// Close stops the node and removes its directory.
	Close()
}

// FloodNode is a running scratch node whose process publishes when it is told to. All methods but Counted are safe for concurrent use.
type FloodNode interface {
	Node
	// Publish puts rate lossy events a second on the node's bus for d, as the engine does, and gives how many they were; none later than d.
	Publish(ctx context.Context, rate int, d time.Duration) (events int, err error)
	// PostLane makes n revenue events durable in one signed batch, numbered by their producer; it returns with the receipt. A lane, 0 to
	// Lanes-1, is a producer, and used by one goroutine at a time.
	PostLane(ctx context.Context, lane, n int) error
	// Deny has the gates refuse one signed action as an entry of its own; it returns with the refusal.
	Deny(ctx context.Context) error
	// Listen reads the stream of events and calls heard with the type of each, until ctx ends, heard fails or the stream does.
	Listen(ctx context.Context, heard func(kind string) error) error
	// Counted gives what the bus counted.
	Counted(ctx context.Context) (Counted, error)
}

// Lanes is the number of producers of revenue that a FloodNode has.
const Lanes = 2

// Counted is what the bus of a node counted since the call before, and in all where it says so.
type Counted struct {
	Subscribers       int    // now
	Dropped           uint64 // in all, for all subscribers
	Published, CutOff uint64
	P99, MustP99      time.Duration // of publishing one event, and one of those that must be delivered; at most so long
}

// What the marked unit is, on the screen and in the tally.
const (
	MarkUnit     = "IMVU-001"
	MarkCurrency = "USD"
	MarkMinor    = 100
)

// Options of a run. Zero values are usable except for Binary, Dir, StartNode and StartFlooded.
type Options struct {
	Binary    string        // the nexus binary to be measured
	Env       []string      // environment of what is started; terminal, locale and NEXUS_* are replaced
	Dir       string        // scratch directory; what lies in it is the caller's to remove
	Case      string        // only cases whose name contains this
	Runs      int           // of each case; 0: 3
	Starts    int           // of the console, in each run; 0: 10
	Duration  time.Duration // of each window; 0: 10 s
	Rate      int           // events a second under load; 0: 1000
	Progress  io.Writer     // a line a case; nil: none
	StartNode func(ctx context.Context) (Node, error)

	StartFlooded func(ctx context.Context) (FloodNode, error)
	Rest         time.Duration // between a flood and the look at what is left of it; 0: 30 s
}

func (o Options) withDefaults() Options {
	if o.Runs <= 0 {
		o.Runs = 3
	}
	if o.Starts <= 0 {
		o.Starts = 10
	}
	if o.Duration <= 0 {
		o.Duration = 10 * time.Second
	}
	if o.Rate <= 0 {
		o.Rate = 1000
	}
	if o.Rest <= 0 {
		o.Rest = 30 * time.Second
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return o
}

// Row is one figure: the median of the runs, with their range and the budget that it is held against.
type Row struct {
	Case   string   `json:"case"`
	Value  float64  `json:"value"` // median of the runs
	Min    float64  `json:"min"`
	Max    float64  `json:"max"`
	Unit   string   `json:"unit"`
	Limit  *float64 `json:"limit,omitempty"` // at most this much; absent: there is no budget for it
	Met    *bool    `json:"met,omitempty"`   // absent with the limit
	Runs   int      `json:"runs"`
	Detail string   `json:"detail,omitempty"`
}

// Result is one run of the bench.
type Result struct {
	Bench      string    `json:"bench"`
	Time       time.Time `json:"time"`
	Cores      int       `json:"cores"`
	Go         string    `json:"go"`
	LoadBefore string    `json:"load_before"` // 1, 5 and 15 minutes
	LoadAfter  string    `json:"load_after"`
	Rows       []Row     `json:"rows"`
	LeftOut    []string  `json:"left_out,omitempty"` // what was not measured because a program is missing, and how to get it
}

// Missed counts the budgets that were not kept.
func (r Result) Missed() int {
	n := 0
	for _, row := range r.Rows {
		if row.Met != nil && !*row.Met {
			n++
		}
	}
	return n
}

// Table prints a result for people.
func (r Result) Table(w io.Writer) error {
	_, err := fmt.Fprintf(w, "bench %s  %s  %d cores  %s  load %s before, %s after\n%-52s %10s %-7s %20s %7s %-7s %4s  %s\n", r.Bench,
		r.Time.Format(time.RFC3339), r.Cores, r.Go, r.LoadBefore, r.LoadAfter, "case", "median", "unit", "min - max", "limit", "", "runs", "")
	for _, row := range r.Rows {
		limit, word := "-", ""
		if row.Limit != nil {
			limit, word = short(*row.Limit), "met"
			if !*row.Met {
				word = "MISSED"
			}
		}
		line := fmt.Sprintf("%-52s %10s %-7s %20s %7s %-7s %4d  %s", row.Case, short(row.Value), row.Unit, short(row.Min)+" - "+short(row.Max),
			limit, word, row.Runs, row.Detail)
		if _, werr := fmt.Fprintln(w, strings.TrimRight(line, " ")); err == nil {
			err = werr
		}
	}
	for _, what := range r.LeftOut {
		if _, werr := fmt.Fprintf(w, "left out: %s\n", what); err == nil {
			err = werr
		}
	}
	return err
}

// short writes a figure with as many digits as it is worth.
func short(v float64) string {
	if v >= 100 || v == float64(int64(v)) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// figure is one measured value of one run.
type figure struct {
	name, unit string
	value      float64
	limit      *float64
	detail     string
}

func limit(v float64) *float64 { return &v }

// Run measures everything, in the order of the table. It returns what was measured also with an error.
func Run(ctx context.Context, o Options) (Result, error) {
	o = o.withDefaults()
	r := Result{Bench: "console", Time: time.Now().UTC(), Cores: runtime.NumCPU(), Go: runtime.Version(), LoadBefore: load()}
	err := r.measure(ctx, o)
	r.LoadAfter = load()
	return r, err
}

func (r *Result) measure(ctx context.Context, o Options) error {
	m := &measure{o: o}
	cases, leftOut := m.cases(exec.LookPath)
	var names []string
	for _, c := range cases {
		names = append(names, c.name)
	}
	if !stdslices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, o.Case) }) {
		return nexus.Errf("bench console", nexus.CodeUsage, fmt.Sprintf("--case %q", o.Case), "part of one of these: "+strings.Join(names, "; "),
			"no case has that in its name")
	}
	fmt.Fprintln(o.Progress, "bench console: launching a scratch node")
	node, err := o.StartNode(ctx)
	if err != nil {
		return err
	}
	defer node.Close()
	m.node = node
	defer m.drain()
	if err := node.Mark(ctx); err != nil { // a frame of the console is complete when a tally is in it
		return err
	}
	for _, what := range leftOut {
		fmt.Fprintf(o.Progress, "bench console: left out: %s\n", what)
	}
	r.LeftOut = leftOut
	for _, c := range cases {
		if !strings.Contains(c.name, o.Case) {
			continue
		}
		var runs [][]figure
		for i := range o.Runs {
			fmt.Fprintf(o.Progress, "bench console: %s, run %d of %d\n", c.name, i+1, o.Runs)
			figures, err := c.run(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			runs = append(runs, figures)
		}
		m.drain()
		r.Rows = append(r.Rows, rows(runs)...)
	}
	return nil
}

// rows folds the runs of a case, figure by figure. Every run of a case gives the same figures.
func rows(runs [][]figure) []Row {
	var out []Row
	for i, f := range runs[len(runs)-1] {
		var values []float64
		for _, run := range runs {
			values = append(values, run[i].value)
		}
		sort.Float64s(values)
		row := Row{Case: f.name, Value: quantile(values, 50), Min: values[0], Max: values[len(values)-1], Unit: f.unit, Limit: f.limit,
			Runs: len(runs), Detail: f.detail}
		if f.limit != nil {
			met := row.Value <= *f.limit
			row.Met = &met
		}
		out = append(out, row)
	}
	return out
}

// quantile reads a sorted list: the smallest value that at least percent of the list do not exceed.
func quantile(values []float64, percent int) float64 {
	if len(values) == 0 {
		return 0
	}
	return values[max((len(values)*percent+99)/100-1, 0)]
}

// milliseconds sorts durations into a list for quantile.
func milliseconds(list []time.Duration) []float64 {
	out := make([]float64, 0, len(list))
	for _, d := range list {
		out = append(out, float64(d.Microseconds())/1000)
	}
	sort.Float64s(out)
	return out
}

func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	f := strings.Fields(string(b))
	return strings.Join(f[:min(3, len(f))], " ")
}
