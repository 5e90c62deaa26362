package session

import (
	"container/heap"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// The simulator drives the real Home and Client over links made of memory and a clock that only jumps: connections have random
// delay, are cut at random moments, fall silent without being closed, and race. One seed is one run.

// simEvent is a thing that happens at a moment.
type simEvent struct {
	at  time.Duration
	seq int
	do  func()
}

type simQueue []simEvent

func (q simQueue) Len() int { return len(q) }
func (q simQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q simQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *simQueue) Push(x any)   { *q = append(*q, x.(simEvent)) }
func (q *simQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// link is one connection: both directions keep order, each frame takes a random time.
type link struct {
	up, down time.Duration // when the last frame of a direction arrives
	cut      bool          // closed: both ends are told
	silent   bool          // frames vanish and nobody is told
}

type world struct {
	t       testing.TB
	rnd     *rand.Rand
	now     time.Duration
	events  simQueue
	count   int
	home    *Home
	client  *Client
	links   map[Attachment]*link
	next    Attachment
	session nexus.ID

	downSent, downGot uint64 // messages home -> client
	upSent, upGot     uint64
	sent, got         [2]hash.Hash64 // of everything sent and delivered, down and up: a second, independent witness
	gaps              int
	moves             int
	faults            []string

	dedupeOff, replayOff bool // negative controls
	want                 int  // messages per direction
	end                  time.Duration
}

var simStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newWorld(t testing.TB, seed uint64, want int) *world {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	tickets, err := NewTickets(key, nexus.ID{1})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 17)), links: map[Attachment]*link{}, want: want,
		sent: [2]hash.Hash64{fnv.New64a(), fnv.New64a()}, got: [2]hash.Hash64{fnv.New64a(), fnv.New64a()}}
	id := byte(0)
	w.home = NewHome(Limits{RetainBytes: 1 << 20, RetainFor: time.Minute}, tickets, func() nexus.ID { id++; return nexus.ID{id} })
	w.client = NewClient(Limits{RetainBytes: 1 << 20})
	return w
}

func (w *world) clock() time.Time { return simStart.Add(w.now) }

func (w *world) after(d time.Duration, do func()) {
	w.count++
	heap.Push(&w.events, simEvent{at: w.now + d, seq: w.count, do: do})
}

func (w *world) fault(format string, args ...any) {
	if len(w.faults) < 5 {
		w.faults = append(w.faults, fmt.Sprintf("%v: ", w.now)+fmt.Sprintf(format, args...))
	}
}

// connect begins a connection of the client through some edge.
func (w *world) connect() {
	if w.client.ended || len(w.client.conns) > 2 {
		return
	}
	w.next++
	conn := w.next
	w.links[conn] = &link{}
	w.toHome(w.client.Connected(w.clock(), conn))
}

func (w *world) delay() time.Duration { return time.Duration(100+w.rnd.IntN(3000)) * time.Microsecond }

func (w *world) toHome(o Out) {
	l := w.links[o.To]
	if l == nil || l.cut || l.silent {
		return
	}
	l.up = max(l.up, w.now) + w.delay()
	bytes := o.Frame.Encode()
	w.after(l.up-w.now, func() {
		if l.silent {
			return
		}
		w.homeGets(o.To, bytes)
	})
}

func (w *world) homeGets(conn Attachment, bytes []byte) {
	f, err := ParseFrame(bytes)
	if err != nil {
		w.fault("home: %v", err)
		return
	}
	var r Result
	if f.Type == FrameHello {
		if w.replayOff && f.Seq > 0 { // control: the home forgets what the client has not had
			w.home.all[w.session].down.forget(w.home.all[w.session].down.last())
		}
		r, err = w.home.Hello(w.clock(), conn, "slice", f)
	} else {
		if w.dedupeOff && f.Type == FrameData { // control: a home that takes whatever comes
			if s := w.home.by[conn]; s != nil && f.Seq <= s.received {
				w.upGets(Message{Seq: f.Seq, Payload: f.Payload})
			}
		}
		r, err = w.home.Frame(w.clock(), conn, f)
	}
	if err != nil && nexus.CodeOf(err) != nexus.CodeRefused {
		w.fault("home refuses: %v", err)
	}
	w.homeSays(r)
}

func (w *world) homeSays(r Result) {
	for _, id := range r.Opened {
		w.session = id
	}
	for _, m := range r.Messages {
		w.upGets(m)
		// The program takes its time; until then its client is not acknowledged.
		w.after(time.Duration(w.rnd.IntN(2000))*time.Microsecond, func() { w.homeSays(w.home.Taken(m.Session, m.Seq)) })
	}
	for _, o := range r.Outs {
		w.toClient(o)
	}
}

func (w *world) upGets(m Message) {
	if m.Gap {
		w.gaps++
		return
	}
	if n := binary.BigEndian.Uint64(m.Payload); n != w.upGot {
		w.fault("home got message %d, expected %d", n, w.upGot)
	}
	w.upGot++
	w.got[1].Write(m.Payload)
}

func (w *world) toClient(o Out) {
	l := w.links[o.To]
	if l == nil || l.cut || l.silent {
		return
	}
	l.down = max(l.down, w.now) + w.delay()
	bytes := o.Frame.Encode()
	w.after(l.down-w.now, func() {
		if l.cut || l.silent {
			return
		}
		w.clientGets(o.To, bytes)
		if o.Close {
			w.cut(o.To)
		}
	})
}

func (w *world) clientGets(conn Attachment, bytes []byte) {
	f, err := ParseFrame(bytes)
	if err != nil {
		w.fault("client: %v", err)
		return
	}
	r, err := w.client.Receive(w.clock(), conn, f)
	if err != nil {
		if w.replayOff {
			w.downGot = f.Seq // what a client without the check would take for the next
		}
		w.fault("client refuses: %v", err)
		w.cut(conn)
	}
	w.clientSays(r)
}

func (w *world) clientSays(r ClientResult) {
	for _, m := range r.Messages {
		if m.Gap {
			w.gaps++
			continue
		}
		if n := binary.BigEndian.Uint64(m.Payload); n != w.downGot {
			w.fault("client got message %d, expected %d", n, w.downGot)
		}
		w.downGot++
		w.got[0].Write(m.Payload)
		w.after(time.Duration(w.rnd.IntN(2000))*time.Microsecond, func() { w.clientSays(w.client.Taken(m.Seq)) })
	}
	if r.Suspect {
		w.connect()
	}
	for _, o := range r.Outs {
		w.toHome(o)
	}
	for _, conn := range r.Drop {
		w.cut(conn)
	}
	for range r.Move {
		w.connect()
	}
	if r.Switched {
		w.moves++
	}
	if r.Ended != "" {
		w.fault("session ended: %s", r.Ended)
	}
}

// cut closes a connection: home and client hear of it a moment later.
func (w *world) cut(conn Attachment) {
	l := w.links[conn]
	if l == nil || l.cut {
		return
	}
	l.cut = true
	lost := w.client.Lost(conn)
	w.after(w.delay(), func() { w.home.Lost(w.clock(), conn); delete(w.links, conn) })
	if lost {
		w.connect()
		if w.rnd.IntN(2) == 0 {
			w.connect() // race two edges
		}
	}
}

// step is one beat of the programs on both sides and of what goes wrong between them.
func (w *world) step() {
	for range w.rnd.IntN(4) {
		if w.downSent < uint64(w.want) && w.session != (nexus.ID{}) {
			if r, err := w.home.Send(w.session, number(w.downSent)); err == nil {
				w.sent[0].Write(number(w.downSent))
				w.downSent++
				w.homeSays(r)
			}
		}
		if w.upSent < uint64(w.want) {
			if r, err := w.client.Send(number(w.upSent)); err == nil {
				w.sent[1].Write(number(w.upSent))
				w.upSent++
				w.clientSays(r)
			}
		}
	}
	if w.rnd.IntN(10) == 0 {
		w.homeSays(w.home.Tick(w.clock()))
		w.clientSays(w.client.Tick(w.clock()))
		if w.client.Active() == 0 && len(w.client.conns) == 0 {
			w.connect()
		}
	}
	if w.now < w.end {
		w.trouble()
	}
	if w.upGot < uint64(w.want) || w.downGot < uint64(w.want) {
		if w.now > w.end+10*time.Minute {
			w.fault("not done: up %d down %d of %d", w.upGot, w.downGot, w.want)
			return
		}
		w.after(time.Millisecond, w.step)
	}
}

func (w *world) trouble() {
	conn := w.client.Active()
	if conn == 0 {
		return
	}
	switch n := w.rnd.IntN(1000); {
	case n < 20: // planned move
		if r, err := w.home.Move(w.clock(), w.session, []string{"edge"}); err == nil {
			w.homeSays(r)
		}
	case n < 30: // killed edge
		w.cut(conn)
	case n < 34: // silent edge
		w.links[conn].silent = true
	}
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// run gives the world after both sides have everything, or the faults it found.
func run(t testing.TB, seed uint64, want int, set func(*world)) *world {
	w := newWorld(t, seed, want)
	w.end = time.Duration(want) * time.Millisecond // trouble lasts while there is something to send
	if set != nil {
		set(w)
	}
	w.connect()
	w.after(0, w.step)
	for len(w.events) > 0 && len(w.faults) == 0 {
		e := heap.Pop(&w.events).(simEvent)
		w.now = e.at
		e.do()
	}
	return w
}

// TestNothingIsLostRepeatedOrReordered: the full figure (1,000,000 messages, 10,000 moves) runs under NEXUS_SOAK.
func TestNothingIsLostRepeatedOrReordered(t *testing.T) {
	t.Parallel()
	seeds, each := 40, 1000
	if os.Getenv("NEXUS_SOAK") != "" {
		seeds, each = 1000, 1500
	}
	messages, moves := uint64(0), 0
	for seed := range seeds {
		w := run(t, uint64(seed), each, nil)
		if len(w.faults) > 0 || w.gaps > 0 {
			t.Fatalf("seed %d: %v, %d gaps", seed, w.faults, w.gaps)
		}
		if w.upGot != uint64(each) || w.downGot != uint64(each) {
			t.Fatalf("seed %d: up %d, down %d of %d", seed, w.upGot, w.downGot, each)
		}
		for way := range w.sent {
			if s, g := w.sent[way].Sum64(), w.got[way].Sum64(); s != g {
				t.Fatalf("seed %d: direction %d: hash of what was sent %x, of what came %x", seed, way, s, g)
			}
		}
		messages, moves = messages+w.upGot+w.downGot, moves+w.moves-1
	}
	t.Logf("%d seeds: %d messages, %d moves, 0 lost, 0 repeated, 0 reordered", seeds, messages, moves)
	if wantMoves := seeds * each / 150; moves < wantMoves {
		t.Fatalf("only %d moves in %d messages: the simulator does not try the thing", moves, messages)
	}
}

// TestTheCheckerSeesWhatIsSwitchedOff: with dedupe or replay off the same runs must be found wrong.
func TestTheCheckerSeesWhatIsSwitchedOff(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]func(*world){
		"dedupe": func(w *world) { w.dedupeOff = true },
		"replay": func(w *world) { w.replayOff = true },
	} {
		found := 0
		for seed := range 10 {
			if w := run(t, uint64(seed), 3000, off); len(w.faults)+w.gaps > 0 {
				found++
			}
		}
		if found < 9 {
			t.Errorf("%s off: only %d of 10 runs were found wrong", name, found)
		}
	}
}
