package bench

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// fault is what goes wrong on a node of the test.
type fault struct {
	name    string
	figures []string // that must say so; no other may
}

// wait is long where the figures come by themselves, and shorter where one never does.
func (c fault) wait() time.Duration {
	if strings.HasPrefix(strings.Join(c.figures, ""), "refusals") || strings.HasPrefix(strings.Join(c.figures, ""), "drops") {
		return 6 * time.Second
	}
	return time.Minute
}

var faults = []fault{
	{"none", nil},
	{"deaf", []string{"refusals lost"}},                               // one who listens misses a refusal
	{"twice", []string{"refusals lost"}},                              // or hears one twice
	{"early", []string{"refusals lost"}},                              // or is left too soon
	{"blind", []string{"refusals lost"}},                              // the screen misses one
	{"silent", []string{"drops on the screen unlike those counted"}},  // the screen has no drops
	{"wrong", []string{"drops on the screen unlike those counted"}},   // or too many
	{"nothing", []string{"drops on the screen unlike those counted"}}, // nobody loses anything in what was to be a flood
	{"slow", []string{"publish, p99"}},
	{"cut", []string{"who listen, cut off"}},
	{"leak", []string{"memory of the node, growth"}},
	{"thin", []string{"short of 100,000 ev/s"}}, // it does not publish what it was told to
}

// floodFake is a node of one fault. Its pictures are on a socket, which the console of the test finds in place of a data directory.
type floodFake struct {
	fakeNode
	fault    string
	pictures *recorded
	rate     atomic.Int64 // that Publish was asked for

	mu      sync.Mutex // everything below
	denied  int64
	dropped uint64
	told    chan struct{} // closed with each refusal
	hearing int
	held    float64
	after   int // questions of what was counted since the flood
}

func newFloodFake(t *testing.T, fault string) *floodFake {
	t.Helper()
	pictures, err := serveRecorded(t.TempDir(), floodPicture(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pictures.close() })
	return &floodFake{fakeNode: fakeNode{make(chan int, 1000)}, fault: fault, pictures: pictures, told: make(chan struct{}), held: 50e6}
}

// floodPicture is a node's with so many refusals since it began, of which there were nine before, and so many drops.
func floodPicture(denied int64, dropped uint64) *wire.Overview {
	o := marked(lone(), MarkMinor)
	o.DecisionsAllowed, o.DecisionsDenied, o.Dropped = 1234, uint64(9+denied), dropped
	return o
}

func (f *floodFake) DataDir() string { return f.pictures.path }

func (f *floodFake) show() {
	denied, dropped := f.denied, f.dropped
	if f.fault == "blind" && denied > 0 {
		denied--
	}
	switch f.fault {
	case "silent":
		dropped = 0
	case "wrong":
		dropped++
	}
	f.pictures.show(floodPicture(denied, dropped))
}

func (f *floodFake) Overview(context.Context) (*wire.Overview, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return floodPicture(f.denied, f.dropped), nil
}

func (f *floodFake) Deny(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.denied++
	close(f.told)
	f.told = make(chan struct{})
	f.show()
	return nil
}

func (f *floodFake) Publish(ctx context.Context, rate int, d time.Duration) (int, error) {
	f.rate.Store(int64(rate))
	if err := pause(ctx, d); err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault != "nothing" {
		f.dropped += 12_345
	}
	f.show()
	n := int(float64(rate) * d.Seconds())
	if f.fault == "thin" {
		n = n * 98 / 100
	}
	return n, nil
}

func (f *floodFake) PostLane(_ context.Context, lane, n int) error {
	f.posted <- lane*10_000 + n
	return nil
}

// Listen tells the refusals, and something else between them. The first who listens is the one with the fault.
func (f *floodFake) Listen(ctx context.Context, heard func(string) error) error {
	f.mu.Lock()
	first := f.hearing == 0
	f.hearing++
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.hearing--
		f.mu.Unlock()
	}()
	for told := int64(0); ; {
		f.mu.Lock()
		denied, next := f.denied, f.told
		f.mu.Unlock()
		for ; told < denied; told++ {
			kinds := []string{"gate.denied", "gate.allowed"}
			switch {
			case first && told == 0 && f.fault == "deaf":
				kinds = kinds[1:]
			case first && told == 0 && f.fault == "twice":
				kinds = append(kinds, kinds[0])
			case first && f.fault == "early":
				return errors.New("the stream ended")
			}
			for _, kind := range kinds {
				if err := heard(kind); err != nil {
					return err
				}
			}
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *floodFake) Counted(context.Context) (Counted, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := Counted{Subscribers: f.hearing, Dropped: f.dropped, Published: 1, P99: 50 * time.Microsecond, MustP99: time.Second}
	switch {
	case f.fault == "slow":
		c.P99 = 75 * time.Microsecond
	case f.fault == "cut" && f.dropped > 0:
		if f.after++; f.after == 2 { // once, and late: after the flood was counted
			c.CutOff = 1
		}
	}
	return c, nil
}

func (f *floodFake) Held(context.Context) (float64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault == "leak" {
		f.held += 5e6
	}
	return f.held, nil
}

// Each fault of a node in a flood is said by its figure, and by no other; the console is the real one, on a terminal.
func TestFloodJudges(t *testing.T) {
	t.Parallel()
	for _, c := range faults {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			node := newFloodFake(t, c.name)
			m := &measure{o: Options{Binary: os.Args[0], Env: append(os.Environ(), childKind+"=console"), Dir: t.TempDir(), Duration: 400 * time.Millisecond,
				Rest: time.Millisecond, StartFlooded: func(context.Context) (FloodNode, error) { return node, nil }}.withDefaults(), patience: c.wait()}
			figures, err := m.flood(t.Context(), publications)
			if err != nil {
				t.Fatal(err)
			}
			var over []string
			for _, f := range figures {
				name, ok := strings.CutPrefix(f.name, "flood of publications, ")
				if !ok {
					t.Errorf("a figure is called %q", f.name)
				}
				// What the real console of this machine holds, and how soon, is for the bench and not for this test.
				if f.limit != nil && f.value > *f.limit && !strings.Contains(name, "console") {
					over = append(over, name)
				}
			}
			if strings.Join(over, "; ") != strings.Join(c.figures, "; ") {
				t.Errorf("over their limits are %q, want %q: %+v", over, c.figures, figures)
			}
			if node.rate.Load() != floodRate {
				t.Errorf("%d events a second were asked for", node.rate.Load())
			}
			if figures[0].value <= 0 || figures[9].value <= 0 {
				t.Errorf("%+v", figures)
			}
		})
	}
}

// Revenue is posted in batches of a thousand on both lanes, no faster than it is due; an error ends it and is told.
func TestPourRevenue(t *testing.T) {
	t.Parallel()
	node := &floodFake{fakeNode: fakeNode{make(chan int, 1000)}}
	const d = 200 * time.Millisecond
	events, took, err := pourRevenue(t.Context(), node, d)
	if err != nil || events != 1000*len(node.posted) || events == 0 || float64(events) > floodRate*d.Seconds() || took < d {
		t.Fatalf("%d events in %d batches: %v", events, len(node.posted), err)
	}
	lanes := map[int]int{}
	for len(node.posted) > 0 {
		lanes[<-node.posted]++
	}
	if lanes[1000] == 0 || lanes[11_000] == 0 || len(lanes) != 2 {
		t.Errorf("batches %v", lanes)
	}
	if _, _, err := pourRevenue(t.Context(), brokenLanes{node}, time.Minute); err == nil || !strings.Contains(err.Error(), "no lane") {
		t.Errorf("a node that takes nothing gives %v", err)
	}
}

type brokenLanes struct{ *floodFake }

func (brokenLanes) PostLane(context.Context, int, int) error { return errors.New("no lane") }

func TestNumberAfter(t *testing.T) {
	t.Parallel()
	for screen, want := range map[string]int64{
		"":                               0,
		"deny":                           0,
		"deny  7":                        0,
		" 17 decide, allow 1,234 deny 9": 9,
		"deny deny 12,345,678 more":      12_345_678,
		"DENY G08 │ deny 0\ndeny 4":      0,
		"denyx 3 deny 5.":                5,
		"deny ,5":                        0,
	} {
		if got := numberAfter(screen, "deny "); got != want {
			t.Errorf("%q gives %d, want %d", screen, got, want)
		}
	}
}

// pacedNode takes a while for each event and fails after some.
type pacedNode struct {
	fakeNode
	most      int64
	taken     atomic.Int64
	together  atomic.Int64
	atOnceMax atomic.Int64
}

func (n *pacedNode) Post(ctx context.Context, events int) error {
	now := n.together.Add(1)
	defer n.together.Add(-1)
	n.atOnceMax.Store(max(n.atOnceMax.Load(), now))
	if events != 1 {
		return errors.New("not a single event")
	}
	if n.taken.Add(1) > n.most {
		return errors.New("no more")
	}
	return pause(ctx, 30*time.Millisecond)
}

// Single events are posted beside each other, each when it is due; by how much they are short of their rate is what is missing.
func TestSingleEvents(t *testing.T) {
	t.Parallel()
	node := &pacedNode{most: 1 << 40}
	m := &measure{node: node, o: Options{Rate: 200}.withDefaults()}
	load := m.startLoadOf(t.Context(), singles)
	for until := time.Now().Add(time.Minute); node.taken.Load() < 40 && time.Now().Before(until); {
		if err := pause(t.Context(), time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	detail, err := load.end()
	if err != nil || !strings.Contains(detail, "single durable events/s, a decision each") {
		t.Errorf("%q, %v", detail, err)
	}
	if n := node.taken.Load(); n < 40 || float64(n) > 200*load.took.Seconds()+1 || node.atOnceMax.Load() < 2 || int64(load.posted) > n {
		t.Errorf("%d events in %v, %d at once, %d counted", n, load.took, node.atOnceMax.Load(), load.posted)
	}
	if got := (&loading{rate: 1000, posted: 900, took: time.Second}).short(); got < 9.99 || got > 10.01 {
		t.Errorf("900 of 1,000 are short by %g %%", got)
	}
	if got := (&loading{rate: 1000, posted: 1100, took: time.Second}).short(); got != 0 {
		t.Errorf("more than asked for is short by %g %%", got)
	}
	failing := &pacedNode{most: 5}
	broken := (&measure{node: failing, o: Options{Rate: 10_000}.withDefaults()}).startLoadOf(t.Context(), singles)
	select {
	case <-broken.done:
	case <-time.After(time.Minute):
		t.Fatal("a load whose events fail goes on")
	}
	if _, err := broken.end(); err == nil || !strings.Contains(err.Error(), "no more") {
		t.Errorf("it ended with %v", err)
	}
}
