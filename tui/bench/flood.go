package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A flood: so many events a second for a window, while the console watches, some read the stream of events and some have stopped reading it.
const (
	floodRate    = 100_000
	floodBatch   = 1000 // of revenue: events in one signed batch
	floodReaders = 2    // who read as fast as they can
	floodStalled = 2    // who read nothing until the flood is over
	denyEvery    = 50 * time.Millisecond
	heardMost    = time.Minute // until the screen shows and everybody has heard every refusal

	refusalMost = 60.0 // milliseconds at p99, from a refusal's receipt to the screen
	publishMost = 50.0 // microseconds at p99, of publishing one event
	shortMost   = 1.0  // percent that a flood may be short of its rate
	growthMost  = 4.0  // MB of live memory in the node, and of resident memory in the console: none, but for noise
)

// denied is the type of the event that a refusal is.
const denied = "gate.denied"

// pouring is one kind of flood.
type pouring struct {
	name   string
	losing bool // those who stopped reading must lose events in it
	filled bool // a flood goes before it: what the ledger keeps ready of its entries, up to a bound, is full then, and what grows still is the flood's
	pour   func(ctx context.Context, n FloodNode, d time.Duration) (events int, took time.Duration, err error)
}

// The two floods: of what the bus carries, and of what the ledger takes, of which the bus carries two events a batch.
var (
	publications = pouring{"flood of publications", true, false, func(ctx context.Context, n FloodNode, d time.Duration) (int, time.Duration, error) {
		events, err := n.Publish(ctx, floodRate, d)
		return events, d, err
	}}
	revenue = pouring{"flood of revenue", false, true, pourRevenue}
)

// pourRevenue posts signed batches at the flood's rate, each lane its share.
func pourRevenue(ctx context.Context, n FloodNode, d time.Duration) (int, time.Duration, error) {
	var posted atomic.Int64
	var all sync.WaitGroup
	failed := make([]error, Lanes)
	started := time.Now()
	for lane := range Lanes {
		all.Go(func() {
			for mine := 0; failed[lane] == nil; {
				since := time.Since(started)
				due := int(min(since, d).Seconds() * floodRate / Lanes)
				if since >= d && due-mine < floodBatch || since >= 2*d { // what was due is posted late, but not without end
					return
				}
				if due-mine < floodBatch {
					failed[lane] = pause(ctx, time.Millisecond)
					continue
				}
				if failed[lane] = n.PostLane(ctx, lane, floodBatch); failed[lane] == nil {
					mine += floodBatch
					posted.Add(floodBatch)
				}
			}
		})
	}
	all.Wait()
	return int(posted.Load()), max(time.Since(started), d), errors.Join(failed...)
}

// listener reads the stream of events and counts refusals.
type listener struct {
	denials atomic.Int64
	done    chan error // what ended it
}

// listen starts one; until go is closed it reads nothing. It ends with ctx.
func listen(ctx context.Context, n FloodNode, ready <-chan struct{}) *listener {
	l := &listener{done: make(chan error, 1)}
	go func() {
		l.done <- n.Listen(ctx, func(kind string) error {
			select {
			case <-ready:
			case <-ctx.Done():
				return ctx.Err()
			}
			if kind == denied {
				l.denials.Add(1)
			}
			return nil
		})
	}()
	return l
}

// drain ends the node of the floods.
func (m *measure) drain() {
	if m.flooded != nil {
		m.flooded.Close()
		m.flooded = nil
	}
}

// floodNode starts it, unless it runs.
func (m *measure) floodNode(ctx context.Context) (FloodNode, error) {
	if m.flooded != nil {
		return m.flooded, nil
	}
	n, err := m.o.StartFlooded(ctx)
	if err != nil {
		return nil, err
	}
	m.flooded = n
	return n, n.Mark(ctx) // a frame of the console is complete when a tally is in it
}

// floodConsole gives that node and a console on it; the caller closes the terminal.
func (m *measure) floodConsole(ctx context.Context) (FloodNode, *terminal, error) {
	n, err := m.floodNode(ctx)
	if err != nil {
		return nil, nil, err
	}
	t, _, err := m.consoleOf(ctx, n, wide(), "")
	return n, t, err
}

// refusals measures how soon the console shows that the gates refused something, under load: from the receipt of the refusal until the counter of
// refusals shows it.
func (m *measure) refusals(ctx context.Context) ([]figure, error) {
	n, t, err := m.floodConsole(ctx)
	if err != nil {
		return nil, err
	}
	defer t.close("q")
	o, err := n.Overview(ctx)
	if err != nil {
		return nil, err
	}
	load := startLoad(ctx, n, m.o.Rate, batches)
	defer load.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen := &marks{base: int64(o.DecisionsDenied)}
	go seen.followBy(ctx, t, func(screen string) (int64, bool) { // ends with ctx or the terminal
		total := numberAfter(screen, "deny ")
		return total, total > 0
	})
	for end := time.Now().Add(m.o.Duration); time.Now().Before(end); {
		if err := pause(ctx, time.Duration(50+rand.IntN(100))*time.Millisecond); err != nil {
			return nil, err
		}
		if err := n.Deny(ctx); err != nil {
			return nil, err
		}
		seen.send(time.Now())
	}
	detail, err := load.end()
	if err != nil {
		return nil, err
	}
	return seen.figures(ctx, "refusal to glyph, whole road, under load", detail, nil, limit(refusalMost))
}

// flood measures one: what it costs to publish, what the screen says of what was lost, whether any refusal was, and what is held afterwards.
func (m *measure) flood(ctx context.Context, p pouring) ([]figure, error) {
	n, t, err := m.floodConsole(ctx)
	if err != nil {
		return nil, err
	}
	defer t.close("q")
	if p.filled {
		if _, _, err := p.pour(ctx, n, m.o.Duration); err != nil {
			return nil, err
		}
		if err := pause(ctx, m.o.Rest); err != nil { // until what is still under way is gone, as at the end
			return nil, err
		}
	}
	if err := pause(ctx, warmUp); err != nil {
		return nil, err
	}
	before, err := m.holding(ctx, n, t)
	if err != nil {
		return nil, err
	}
	w, err := m.wash(ctx, n, t, p)
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, m.o.Rest); err != nil {
		return nil, err
	}
	after, err := m.holding(ctx, n, t)
	if err != nil {
		return nil, err
	}
	return w.figures(p, before, after, m.o.Rest), nil
}

// holding is what the node holds after a collection and what of the console is in the machine's memory, in bytes.
type holding struct{ node, console float64 }

func (m *measure) holding(ctx context.Context, n FloodNode, t *terminal) (h holding, err error) {
	if h.node, err = n.Held(ctx); err != nil {
		return h, err
	}
	h.console, err = resident(t.cmd.Process.Pid)
	return h, err
}

// washed is what was seen of a flood.
type washed struct {
	events    int
	took      time.Duration // of pouring them
	counted   Counted
	sent      int64   // refusals
	shown     int64   // of them, on the screen
	heard     []int64 // of them, by each listener
	dropped   int64   // on the screen
	bytes     float64 // a second, to the screen
	cpu       float64 // of the console, percent of one core
	subscribe int     // who listened beside the console
}

// wash is the flood itself, with those who read and those who do not.
func (m *measure) wash(ctx context.Context, n FloodNode, t *terminal, p pouring) (w washed, err error) {
	o, err := n.Overview(ctx)
	if err != nil {
		return w, err
	}
	base, wait := int64(o.DecisionsDenied), cmp.Or(m.patience, heardMost)
	hearing, deafen := context.WithCancel(ctx)
	defer deafen()
	at, over := make(chan struct{}), make(chan struct{})
	close(at)
	still, err := n.Counted(ctx)
	if err != nil {
		return w, err
	}
	var all []*listener
	for i := range floodReaders + floodStalled {
		if i < floodReaders {
			all = append(all, listen(hearing, n, at))
		} else {
			all = append(all, listen(hearing, n, over))
		}
	}
	if err := m.attached(ctx, n, still.Subscribers+len(all)); err != nil {
		return w, err
	}
	denying := m.startDenying(ctx, n)
	defer denying.stop()
	poured := make(chan error, 1)
	go func() {
		var err error
		w.events, w.took, err = p.pour(ctx, n, m.o.Duration)
		poured <- err
	}()
	w.bytes, w.cpu, err = t.window(ctx, m.o.Duration)
	err = errors.Join(err, <-poured)
	w.subscribe = len(all)
	var refusing error
	w.sent, refusing = denying.end()
	if err = errors.Join(err, refusing); err != nil {
		return w, err
	}
	if w.counted, err = n.Counted(ctx); err != nil {
		return w, err
	}
	if err := w.read(ctx, n, t, base, wait); err != nil {
		return w, err
	}
	close(over)
	for until := time.Now().Add(wait); ; {
		w.heard = w.heard[:0]
		missing := false
		for _, l := range all {
			w.heard = append(w.heard, l.denials.Load())
			missing = missing || l.denials.Load() < w.sent
		}
		if !missing || time.Now().After(until) {
			return w, nil // a refusal that somebody did not hear is a figure, not an error
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return w, err
		}
	}
}

// attached waits until so many subscribe.
func (m *measure) attached(ctx context.Context, n FloodNode, want int) error {
	for until := time.Now().Add(settleMost); ; {
		c, err := n.Counted(ctx)
		if err != nil || c.Subscribers >= want {
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("%d subscribe to the node's events after %v, %d were to", c.Subscribers, settleMost, want)
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// read takes the counters off the screen, once it shows all refusals there are and all drops, or after a wait as it is.
func (w *washed) read(ctx context.Context, n FloodNode, t *terminal, base int64, wait time.Duration) error {
	for until := time.Now().Add(wait); ; {
		c, err := n.Counted(ctx)
		if err != nil {
			return err
		}
		w.counted.Dropped = c.Dropped // those who stalled go on losing what the node publishes
		w.counted.CutOff += c.CutOff
		screen, _, _ := t.look()
		w.shown, w.dropped = numberAfter(screen, "deny ")-base, numberAfter(screen, "dropped ")
		if w.shown == w.sent && w.dropped == int64(c.Dropped) || time.Now().After(until) {
			return nil
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// numeral is a number as panels and header write it.
var numeral = regexp.MustCompile(`^[0-9][0-9,]*`)

// numberAfter reads the first number behind a word on a screen; 0 when there is none.
func numberAfter(screen, word string) int64 {
	for {
		_, rest, found := strings.Cut(screen, word)
		if !found {
			return 0
		}
		if digits := numeral.FindString(rest); digits != "" {
			n, err := strconv.ParseInt(strings.ReplaceAll(digits, ",", ""), 10, 64)
			if err == nil {
				return n
			}
		}
		screen = rest
	}
}

// denying has actions refused, evenly, until it is ended. One goroutine.
type denying struct {
	cancel context.CancelFunc
	done   chan struct{}
	sent   int64 // owned by the goroutine until done is closed, as err
	err    error
}

func (m *measure) startDenying(ctx context.Context, n FloodNode) *denying {
	ending, cancel := context.WithCancel(ctx)
	d := &denying{cancel: cancel, done: make(chan struct{})}
	go func() { // ends with ending
		defer close(d.done)
		for pause(ending, denyEvery) == nil {
			if d.err = n.Deny(ctx); d.err != nil { // not of ending: one that is under way is counted
				return
			}
			d.sent++
		}
	}()
	return d
}

func (d *denying) stop() {
	d.cancel()
	<-d.done
}

func (d *denying) end() (int64, error) {
	d.stop()
	return d.sent, d.err
}

// lost counts the refusals that the screen or a listener did not get, or got twice.
func (w *washed) lost() (n int64) {
	for _, got := range append([]int64{w.shown}, w.heard...) {
		n += max(w.sent-got, got-w.sent)
	}
	return n
}

// figures holds it against the budget.
func (w *washed) figures(p pouring, before, after holding, rest time.Duration) []figure {
	rate := float64(w.events) / w.took.Seconds()
	detail := fmt.Sprintf("%d events, the bus carried %d to %d who listen, %d of them reading nothing", w.events, w.counted.Published, w.subscribe, floodStalled)
	micros := func(t time.Duration) float64 { return float64(t.Nanoseconds()) / 1000 }
	unlike := 0.0
	if w.dropped != int64(w.counted.Dropped) || p.losing && w.dropped == 0 {
		unlike = 1
	}
	grown := func(before, after float64) float64 { return max(after-before, 0) / 1e6 }
	held := func(before, after float64) string {
		return fmt.Sprintf("%.1f MB before, %.1f MB %v after", before/1e6, after/1e6, rest)
	}
	name := p.name + ", "
	return []figure{{name: name + "rate", unit: "ev/s", value: rate, detail: detail},
		{name: name + "short of 100,000 ev/s", unit: "%", value: max(100-100*rate/floodRate, 0), limit: limit(shortMost), detail: detail},
		{name: name + "publish, p99", unit: "us", value: micros(w.counted.P99), limit: limit(publishMost), detail: "every event, measured in the node, at most"},
		{name: name + "publish a refusal, p99", unit: "us", value: micros(w.counted.MustP99),
			detail: "of them alone: most of it is waiting for the flood's publisher to get a core"},
		{name: name + "refusals lost", value: float64(w.lost()), limit: limit(0), detail: fmt.Sprintf("%d sent, %d on the screen, heard %v",
			w.sent, w.shown, w.heard)},
		{name: name + "who listen, cut off", value: float64(w.counted.CutOff), limit: limit(0)},
		{name: name + "drops on the screen unlike those counted", value: unlike, limit: limit(0), detail: fmt.Sprintf("dropped %d on the screen, %d counted",
			w.dropped, w.counted.Dropped)},
		{name: name + "memory of the node, growth", unit: "MB", value: grown(before.node, after.node), limit: limit(growthMost),
			detail: "live heap and stacks, " + held(before.node, after.node)},
		{name: name + "memory of the console, growth", unit: "MB", value: grown(before.console, after.console), limit: limit(growthMost),
			detail: "resident, " + held(before.console, after.console)},
		{name: name + "160x48", unit: "bytes/s", value: w.bytes},
		{name: name + "160x48, CPU", unit: "% core", value: w.cpu}}
}
