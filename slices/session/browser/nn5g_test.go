package browser

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"

	"github.com/BobbyBlanco400/nexus-cos/slices/session"
)

const (
	edgeA = "ws://a.example:1"
	edgeB = "ws://b.example:2"
	edgeC = "ws://c.example:3"
)

// troubled runs a session with messages both ways over links that are cut, fall silent, repeat, overtake and lose.
func troubled(t testing.TB, seed uint64, source string, want uint64) *world {
	w := newWorld(t, seed, source, session.Limits{RetainFor: time.Minute})
	w.dup, w.reorder, w.drop = 20, 3, 3
	w.open(0, edgeA, edgeB, edgeC)
	end := w.now + float64(want)*2
	var step func()
	step = func() {
		for range w.rnd.IntN(4) {
			if w.downSent < want {
				w.sendDown()
			}
			if w.upSent < want {
				w.sendUp()
			}
		}
		if l := w.active(); l != nil && w.now < end {
			switch n := w.rnd.IntN(1000); {
			case n < 20:
				if r, err := w.home.Move(w.clock(), w.id, []string{[]string{edgeA, edgeB, edgeC}[w.rnd.IntN(3)]}); err == nil {
					w.homeSays(r)
				}
			case n < 30:
				w.cut(l)
			case n < 34:
				l.silent = true
			}
		}
		w.after(1, step)
	}
	w.after(0, step)
	if !w.run(600_000, func() bool { return w.upGot >= want && w.downGot >= want }) && len(w.faults) == 0 {
		w.fault("not done: up %d, down %d of %d", w.upGot, w.downGot, want)
	}
	return w
}

// TestNothingIsLostRepeatedOrReordered: the script itself, over every trouble at once.
func TestNothingIsLostRepeatedOrReordered(t *testing.T) {
	t.Parallel()
	seeds, want := 12, uint64(600)
	if os.Getenv("NEXUS_SOAK") != "" {
		seeds, want = 200, 3000
	}
	moves := 0
	for seed := range seeds {
		w := troubled(t, uint64(seed), string(script), want)
		if len(w.faults) > 0 {
			t.Fatalf("seed %d: %v\n%s", seed, w.faults, strings.Join(w.events2, "\n"))
		}
		moves += w.moves
	}
	t.Logf("%d messages, %d moves, 0 lost, 0 repeated, 0 reordered", 2*seeds*int(want), moves)
	if least := seeds * int(want) / 150; moves < least {
		t.Fatalf("only %d moves, at least %d: the trouble is not tried", moves, least)
	}
}

// TestTheCheckerSeesWhatIsSwitchedOff: each rule of the script taken out makes the same runs fail.
func TestTheCheckerSeesWhatIsSwitchedOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new string }{
		"dedupe": {"if (f.seq <= this.received) return {};", "if (f.seq <= this.received) return { messages: [{ seq: f.seq, payload: f.payload }] };"},
		"order":  {"if (f.seq !== this.received + 1) throw", "if (false) throw"},
		"replay": {"const outs = this.kept.map(", "const outs = [].map("},
		"resume": {"type: HELLO, ticket: this.ticket", `type: HELLO, ticket: ""`},
	} {
		if strings.Count(string(script), c.old) != 1 {
			t.Fatalf("%s: the line to change is not there once: %s", name, c.old)
		}
		found := 0
		for seed := range 4 {
			if w := troubled(t, uint64(seed), strings.Replace(string(script), c.old, c.new, 1), 600); len(w.faults) > 0 {
				found++
			}
		}
		if found < 4 {
			t.Errorf("%s off: only %d of 4 runs were found wrong", name, found)
		}
	}
}

func opened(t *testing.T, edges ...string) *world {
	t.Helper()
	w := newWorld(t, 1, string(script), session.Limits{RetainFor: time.Minute})
	w.open(0, edges...)
	if !w.run(1000, func() bool { return w.page.Get("state").String() == "open" }) {
		t.Fatalf("not open: %v", w.faults)
	}
	return w
}

func (w *world) at(edge string) func() bool {
	return func() bool { return w.page.Get("edge").String() == edge }
}

// TestAKilledEdge: the others are dialled at once.
func TestAKilledEdge(t *testing.T) {
	t.Parallel()
	w := opened(t, edgeA, edgeB)
	w.kill(edgeA)
	if !w.run(20, w.at(edgeB)) {
		t.Fatalf("not at the other edge within 20 ms: %v, %v", w.dialled, w.faults)
	}
	w.run(2000, nil)
	if got := w.events2[len(w.events2)-1]; !strings.HasPrefix(got, "move ") || !strings.Contains(got, `"kind":"recovered"`) || !strings.Contains(got, `"from":"`+edgeA) {
		t.Fatalf("the page was told %s", got)
	}
}

// TestASilentEdge: the session is elsewhere before half a second has passed, and nobody told the page that the link is dead.
func TestASilentEdge(t *testing.T) {
	t.Parallel()
	w := opened(t, edgeA, edgeB)
	w.run(300, nil)
	w.mute[edgeA] = true
	if !w.run(500, w.at(edgeB)) {
		t.Fatalf("still at the silent edge: %v, %v", w.dialled, w.faults)
	}
}

// TestASleepingPage: timers that stand still for seconds make no edge suspect, and the session goes on.
func TestASleepingPage(t *testing.T) {
	t.Parallel()
	w := opened(t, edgeA, edgeB)
	for range 5 {
		w.asleep = true
		w.run(20_000, nil)
		w.asleep = false
		w.run(1_500, nil)
	}
	w.sendDown()
	w.sendUp()
	w.run(1000, nil)
	if len(w.dialled) != 1 || w.downGot != 1 || w.upGot != 1 || len(w.faults) > 0 {
		t.Fatalf("dialled %v, down %d, up %d, %v", w.dialled, w.downGot, w.upGot, w.faults)
	}
}

// TestBackoff: with every edge dead the tries become rarer, not in step, and the session resumes when one is back.
func TestBackoff(t *testing.T) {
	t.Parallel()
	w := opened(t, edgeA, edgeB)
	w.kill(edgeA)
	w.kill(edgeB)
	w.sendUp()
	before := len(w.dialled)
	w.run(1000, nil)
	first := len(w.dialled) - before
	w.run(9000, nil)
	before = len(w.dialled)
	w.run(10_000, nil)
	if late := len(w.dialled) - before; first < 5 || first > 30 || late < 2 || late > 10 {
		t.Fatalf("%d tries in the first second, %d in the ten after the tenth", first, late)
	}
	w.down[edgeB] = false
	if !w.run(10_000, func() bool { return w.upGot == 1 }) {
		t.Fatalf("not back: %v", w.faults)
	}
	if short, long := triesWith(t, 0), triesWith(t, 0.99); short <= long {
		t.Fatalf("%d tries with the shortest pauses, %d with the longest: chance has no part in them", short, long)
	}
}

// triesWith counts the connections tried in a minute without edges when chance always gives the same.
func triesWith(t *testing.T, chance float64) int {
	t.Helper()
	w := opened(t, edgeA, edgeB)
	if err := w.page.Get("_env").ToObject(w.vm).Set("random", func() float64 { return chance }); err != nil {
		t.Fatal(err)
	}
	w.kill(edgeA)
	w.kill(edgeB)
	w.run(60_000, nil)
	return len(w.dialled)
}

// TestNearest: the script chooses as the Go client does, and moves only for a gain above both thresholds.
func TestNearest(t *testing.T) {
	t.Parallel()
	w := opened(t, edgeA, edgeB)
	f, _ := goja.AssertFunction(w.vm.Get("nn5g").ToObject(w.vm).Get("nearest"))
	rnd := rand.New(rand.NewPCG(5, 5))
	for range 2000 {
		var list []session.Measured
		var js []any
		for i := range 1 + rnd.IntN(4) {
			m := session.Measured{Address: fmt.Sprint("edge", i), RTT: time.Duration(rnd.IntN(12)) * 2 * time.Millisecond}
			list = append(list, m)
			js = append(js, map[string]any{"address": m.Address, "rtt": float64(m.RTT) / 1e6})
		}
		present := fmt.Sprint("edge", rnd.IntN(5))
		if got, want := w.invoke(goja.Undefined(), f, present, w.vm.NewArray(js...)).String(), session.Nearest(present, list); got != want {
			t.Fatalf("%v from %s: %q, the Go client goes to %q", list, present, got, want)
		}
	}
	w = newWorld(t, 3, string(script), session.Limits{RetainFor: time.Minute})
	w.rtt[edgeA], w.rtt[edgeB] = 20, 17
	w.open(1000, edgeA, edgeB)
	w.run(5000, nil)
	if !w.at(edgeA)() {
		t.Fatalf("moved for 3 ms: %v", w.events2)
	}
	w.rtt[edgeB] = 9
	if !w.run(5000, w.at(edgeB)) || !strings.Contains(w.events2[len(w.events2)-1], `"kind":"planned"`) {
		t.Fatalf("stays at the farther edge: %v, %v", w.events2, w.faults)
	}
}

// TestWindow: what does not fit waits for the program, is refused above the queue's bound, and arrives in order.
func TestWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, string(script), session.Limits{RetainBytes: 1000, RetainFor: time.Minute})
	w.open(0, edgeA)
	w.run(100, nil)
	w.stalled = true
	var sent []*goja.Promise
	for range 20 {
		sent = append(sent, w.sendUp().Export().(*goja.Promise))
	}
	w.run(500, nil)
	if sent[0].State() != goja.PromiseStateFulfilled || sent[19].State() != goja.PromiseStatePending {
		t.Fatalf("first %v, last %v while the program takes nothing", sent[0].State(), sent[19].State())
	}
	big := w.method("send", w.vm.NewArrayBuffer(make([]byte, session.MaxPayloadBytes))).Export().(*goja.Promise)
	if big.State() != goja.PromiseStateRejected || !strings.Contains(big.Result().String(), "262143") {
		t.Fatalf("a message above the limit: %v", big.Result())
	}
	w.stalled = false
	w.run(1000, nil)
	if sent[19].State() != goja.PromiseStateFulfilled || w.upGot != 20 || len(w.faults) > 0 {
		t.Fatalf("last %v, %d arrived, %v", sent[19].State(), w.upGot, w.faults)
	}
	if n := w.page.Get("bufferedAmount").ToInteger(); n != 0 {
		t.Fatalf("%d bytes buffered when all is acknowledged", n)
	}
	if ms := w.page.Get("rtt").ToObject(w.vm).Get("median").ToFloat(); ms < 0.2 || ms > 10 {
		t.Fatalf("round trip of %v ms over links of 0.2 to 6.2", ms)
	}
	if len(w.trips) < 5 {
		t.Fatalf("the home was told %d round trips in more than a second", len(w.trips))
	}
	for _, trip := range w.trips {
		if trip.Took < 200*time.Microsecond || trip.Took > 10*time.Millisecond || trip.Slice != "slice" {
			t.Fatalf("the home was told %+v", trip)
		}
	}
}

// TestDiscontinuityIsSaid: a gap and an end reach the page as events with their reasons.
func TestDiscontinuityIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, string(script), session.Limits{RetainBytes: 500, RetainFor: 30 * time.Second})
	w.open(0, edgeA)
	w.run(100, nil)
	w.kill(edgeA)
	w.run(50, nil)
	for range 6 {
		w.sendDown()
	}
	w.homeSays(w.home.GiveUp(w.id, 400))
	w.down[edgeA] = false
	if !w.run(5000, func() bool { return strings.HasPrefix(w.events2[len(w.events2)-1], "gap ") }) {
		t.Fatalf("told %v, %v", w.events2, w.faults)
	}
	w.kill(edgeA)
	w.run(40_000, nil)
	w.down[edgeA] = false
	w.run(10_000, nil)
	if len(w.faults) != 1 || !strings.Contains(w.faults[0], "ticket refused") {
		t.Fatalf("the end is not said: %v, %v", w.faults, w.events2)
	}
	if p := w.sendUp().Export().(*goja.Promise); p.State() != goja.PromiseStateRejected {
		t.Fatal("a message to an ended session was taken")
	}
}

// TestFrames: the script's frames are the Go ones, and it refuses what the Go decoder refuses.
func TestFrames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, string(script), session.Limits{})
	if _, err := w.vm.RunString(`globalThis.again = (b) => { try { const f = nn5g.decode(new Uint8Array(b));
		return f.type === 2 ? "welcome " + f.session : nn5g.encode(f).slice().buffer; } catch (e) { return "refused " + e.message; } }`); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(9, 9))
	refused := 0
	for range 1000 {
		f := session.Frame{Type: session.FrameType(1 + rnd.IntN(12)), Epoch: rnd.Uint64() >> (11 + rnd.IntN(53)), Seq: rnd.Uint64() >> (11 + rnd.IntN(53)),
			Ticket: strings.Repeat("t", rnd.IntN(200)), Payload: bytes.Repeat([]byte{byte(rnd.Int())}, rnd.IntN(300))}
		if f.Type == session.FrameWelcome {
			f.Session[3] = byte(rnd.Int())
		}
		b := f.Encode()
		if rnd.IntN(2) == 0 {
			b[rnd.IntN(min(len(b), 8))] ^= 1 << rnd.IntN(8)
		} else if rnd.IntN(4) == 0 {
			b = append(b[:rnd.IntN(len(b))], b[:rnd.IntN(2)]...)
		}
		parsed, err := session.ParseFrame(b)
		if parsed.Epoch > 1<<53-1 || parsed.Seq > 1<<53-1 || strings.IndexFunc(parsed.Ticket, func(r rune) bool { return r > 126 }) >= 0 {
			continue // beyond a script's numbers; tickets are ASCII
		}
		got := w.call("again", w.vm.NewArrayBuffer(b))
		switch back, isFrame := got.Export().(goja.ArrayBuffer); {
		case err != nil:
			refused++
			if !strings.HasPrefix(got.String(), "refused ") {
				t.Fatalf("%x is taken; Go says %v", b, err)
			}
		case parsed.Type == session.FrameWelcome:
			if got.String() != "welcome "+parsed.Session.String() {
				t.Fatalf("%x: %v", b, got)
			}
		case !isFrame || !bytes.Equal(back.Bytes(), b):
			t.Fatalf("%x became %v", b, got)
		}
	}
	if refused < 100 {
		t.Fatalf("only %d frames were broken", refused)
	}
}

// TestTypesNameWhatIsThere: every member that the types declare exists, and every public member is declared.
func TestTypesNameWhatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, string(script), session.Limits{})
	v, err := w.vm.RunString(`Object.getOwnPropertyNames(nn5g.Session.prototype).filter((n) => !n.startsWith("_")).concat("path").sort().join(" ")`)
	if err != nil {
		t.Fatal(err)
	}
	_, class, _ := strings.Cut(string(types), "class Session {")
	class, _, _ = strings.Cut(class, "\n  }")
	declared := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^    (?:readonly )?([a-zA-Z]+)[:(<]`).FindAllStringSubmatch(class, -1) {
		declared[m[1]] = true
	}
	for _, name := range strings.Fields(v.String()) {
		if !declared[name] {
			t.Errorf("nn5g.d.ts does not declare Session.%s", name)
		}
		delete(declared, name)
	}
	if len(declared) > 0 {
		t.Errorf("nn5g.d.ts declares what is not there: %v", declared)
	}
}
