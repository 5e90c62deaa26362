package browser

import (
	"container/heap"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

// The world runs nn5g.js in an interpreter whose clock only jumps and whose WebSockets are links of memory to the real Home. One seed
// is one run.

type event struct {
	at  float64 // ms
	seq int
	do  func()
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// link is one WebSocket. Both directions keep order; each frame takes a random time.
type link struct {
	at       session.Attachment
	edge     string
	js       *goja.Object
	up, down float64
	cut      bool
	silent   bool // frames vanish and nobody is told
	hello    bool
	held     []byte // a frame that the next one overtakes
}

type world struct {
	t       testing.TB
	rnd     *rand.Rand
	vm      *goja.Runtime
	now     float64
	events  queue
	count   int
	home    *session.Home
	id      nexus.ID
	links   map[session.Attachment]*link
	dialled []string        // addresses, in order
	down    map[string]bool // edges that refuse connections
	mute    map[string]bool // edges that say nothing
	rtt     map[string]float64
	far     float64 // ms that a round trip takes more than next door
	next    session.Attachment
	page    *goja.Object // the session
	asleep  bool         // the page's timers stand still
	timers  map[int64]bool

	downSent, downGot, upSent, upGot uint64
	moves                            int
	events2                          []string // what the page was told, but messages
	faults                           []string
	dup, reorder, drop               int // per mille of data frames to the page

	trips   []session.Trip // told by the page
	stalled bool           // the program takes nothing
}

// environment is the JavaScript side of the world; the functions with two underscores are Go's.
const environment = `
class FakeSocket {
	constructor(url, protocol) { this.readyState = 0; this.protocol = ""; this.asked = protocol; this.number = __dial(this, url); }
	send(b) { __send(this.number, b.slice().buffer); }
	close() { __close(this.number); }
}
globalThis.world = {
	WebSocket: FakeSocket,
	TextEncoder: class { encode(s) { return new Uint8Array(__utf8(s)); } },
	TextDecoder: class { decode(b) { return __text(b.slice().buffer); } },
	AbortController: null,
	now: __now, random: __random, fetch: __fetch,
	setTimeout: (f, ms) => __timer(f, ms, false), clearTimeout: __clear,
	setInterval: (f, ms) => __timer(f, ms, true), clearInterval: __clear,
};
globalThis.open = (url, edges, measureEvery) => {
	const s = new nn5g.Session(url, { edges, measureEvery, environment: world });
	s.on("message", (m) => __message(m.seq, typeof m.data === "string", typeof m.data === "string" ? m.data : m.data.slice().buffer));
	for (const type of ["open", "move", "lost", "gap", "close"]) s.on(type, (e) => __event(type, JSON.stringify(e)));
	return s;
};
`

func newWorld(t testing.TB, seed uint64, source string, limits session.Limits) *world {
	t.Helper()
	tickets, err := session.NewTickets(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), nexus.ID{1})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 23)), vm: goja.New(), links: map[session.Attachment]*link{}, now: 1000,
		down: map[string]bool{}, mute: map[string]bool{}, rtt: map[string]float64{}, timers: map[int64]bool{}}
	id := byte(0)
	w.home = session.NewHome(limits, tickets, func() nexus.ID { id++; return nexus.ID{id} })
	for name, f := range map[string]any{"__dial": w.dial, "__send": w.send, "__close": w.closeFromPage, "__now": func() float64 { return w.now },
		"__random": w.rnd.Float64, "__timer": w.timer, "__clear": func(n int64) { delete(w.timers, n) }, "__fetch": w.fetch,
		"__utf8":    func(s string) goja.ArrayBuffer { return w.vm.NewArrayBuffer([]byte(s)) },
		"__text":    func(b goja.ArrayBuffer) string { return string(b.Bytes()) },
		"__message": w.message, "__event": w.told} {
		if err := w.vm.Set(name, f); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{source, environment} {
		if _, err := w.vm.RunString(text); err != nil {
			t.Fatal(err)
		}
	}
	w.after(20, w.beat)
	return w
}

// open begins a session at the first of the edges.
func (w *world) open(measureEvery int, edges ...string) {
	w.t.Helper()
	w.page = w.call("open", edges[0]+"/room?x=1", edges, measureEvery).ToObject(w.vm)
}

func (w *world) call(name string, args ...any) goja.Value {
	f, ok := goja.AssertFunction(w.vm.Get(name))
	if !ok {
		w.t.Fatalf("%s is no function", name)
	}
	return w.invoke(goja.Undefined(), f, args...)
}

// method calls one of the session's.
func (w *world) method(name string, args ...any) goja.Value {
	f, ok := goja.AssertFunction(w.page.Get(name))
	if !ok {
		w.t.Fatalf("session.%s is no function", name)
	}
	return w.invoke(w.page, f, args...)
}

func (w *world) invoke(this goja.Value, f goja.Callable, args ...any) goja.Value {
	values := make([]goja.Value, len(args))
	for i, a := range args {
		values[i] = w.vm.ToValue(a)
	}
	v, err := f(this, values...)
	if err != nil {
		w.fault("the script throws: %v", err)
		return goja.Undefined()
	}
	return v
}

func (w *world) after(ms float64, do func()) {
	w.count++
	heap.Push(&w.events, event{at: w.now + ms, seq: w.count, do: do})
}

// run lets time pass.
func (w *world) run(ms float64, until func() bool) bool {
	end := w.now + ms
	for len(w.events) > 0 && w.events[0].at <= end && len(w.faults) == 0 {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
		if until != nil && until() {
			return true
		}
	}
	if len(w.faults) == 0 {
		w.now = end
	}
	return until == nil
}

func (w *world) fault(format string, args ...any) {
	if len(w.faults) < 5 {
		w.faults = append(w.faults, fmt.Sprintf("%.1f ms: ", w.now)+fmt.Sprintf(format, args...))
	}
}

func (w *world) clock() time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(w.now * float64(time.Millisecond)))
}

func (w *world) delay() float64 { return 0.1 + 3*w.rnd.Float64() }

func (w *world) timer(f goja.Callable, ms float64, again bool) int64 {
	w.count++
	n := int64(w.count)
	w.timers[n] = true
	var fire func()
	fire = func() {
		if !w.timers[n] {
			return
		}
		if w.asleep { // a hidden page's timers come about once a second
			w.after(1000, fire)
			return
		}
		if again {
			w.after(ms, fire)
		}
		w.invoke(goja.Undefined(), f)
	}
	w.after(ms, fire)
	return n
}

// fetch answers the round trip's question after the time set for the edge.
func (w *world) fetch(url string) *goja.Promise {
	p, resolve, reject := w.vm.NewPromise()
	edge := "ws" + strings.TrimPrefix(strings.TrimSuffix(url, session.RTTPath), "http")
	w.after(w.rtt[edge], func() {
		var err error
		if w.rtt[edge] == 0 || w.down[edge] {
			err = reject("not reached")
		} else {
			err = resolve(map[string]any{"status": 204})
		}
		if err == nil {
			_, err = w.vm.RunString("0") // lets what waits for the promise go on
		}
		if err != nil {
			w.fault("fetch: %v", err)
		}
	})
	return p
}

func (w *world) told(kind, text string) {
	w.events2 = append(w.events2, kind+" "+text)
	switch kind {
	case "move":
		w.moves++
	case "close":
		w.fault("session ended: %s", text)
	}
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
