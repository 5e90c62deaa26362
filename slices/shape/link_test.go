package shape

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// newLink makes a link of ordinary memory.
func newLink(t testing.TB) *Link {
	t.Helper()
	l, err := OpenLink(make([]byte, 4096))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// member is a sim that shares a link.
func member(l *Link, members int, offsetNs int64, capacityBps, freeBps uint64, rates ...Rates) *sim {
	s := newSim(capacityBps, rates...)
	part := freeBps / uint64(members)
	s.d.shared = &sharing{link: l, offsetNs: offsetNs, members: uint64(members), own: NewBucket(part, linkBurst(part), 0)}
	s.d.shared.setRate(capacityBps)
	return s
}

// step is one turn of a sim's loop at its own time.
func (s *sim) step(wants func(i int, nowNs int64) bool) {
	begin := s.nowNs
	s.run(1e-9, wants) // one dispatch, and on to when it asks to be woken
	if s.nowNs == begin {
		s.nowNs++
	}
}

// together lets members' times pass side by side.
func together(members []*sim, seconds float64, wants func(m, i int, nowNs int64) bool, at func(nowNs int64)) {
	for end := int64(seconds * nanosPerSecond); ; {
		m := 0
		for i, s := range members {
			if s.nowNs < members[m].nowNs {
				m = i
			}
		}
		now := members[m].nowNs
		if now >= end {
			return
		}
		members[m].step(func(i int, nowNs int64) bool { return wants(m, i, nowNs) })
		at(now)
	}
}

func (s *sim) granted() (n uint64) {
	for _, f := range s.flows {
		n += f.granted
	}
	return n
}

// TestSharedLinkIsNeverExceeded: whatever the guarantees of two schedulers on one link and whoever wants when, all they let through in any
// 100 ms is the capacity and the bursts, who always wants gets what is guaranteed to him, and what nobody uses is used.
func TestSharedLinkIsNeverExceeded(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		capacity := uint64(8_000_000) << r.IntN(8) // 8 Mbit/s to 1 Gbit/s
		l := newLink(t)
		var rates [2][]Rates
		left, bursts := capacity/10*9, linkBurst(capacity)
		for m := range rates {
			for range 1 + r.IntN(4) {
				g := uint64(0)
				if r.IntN(2) == 0 {
					g = left / uint64(2+r.IntN(4))
					left -= g
					bursts += burstBytes(g)
				}
				bursts += QuantumBytes
				rates[m] = append(rates[m], Rates{GuaranteedBps: g, Priority: uint8(1 + r.IntN(3))})
			}
		}
		free := left + capacity/10
		members := []*sim{member(l, 2, 0, capacity, free, rates[0]...), member(l, 2, 0, capacity, free, rates[1]...)}
		bursts += 2 * (linkBurst(free/2) + QuantumBytes)
		always := [2]int{r.IntN(len(rates[0])), r.IntN(len(rates[1]))} // these want all the time, the others in spells
		spell := int64(1+r.IntN(50)) * 1_000_000
		type mark struct {
			atNs  int64
			bytes uint64
		}
		var marks []mark
		const window = 100_000_000
		together(members, 1.5, func(m, i int, now int64) bool { return i == always[m] || now/spell%int64(i+2) == 0 }, func(now int64) {
			sum := members[0].granted() + members[1].granted()
			marks = append(marks, mark{now, sum})
			for now-marks[0].atNs > window {
				marks = marks[1:]
			}
			over := int64(sum-marks[0].bytes) - int64(float64(capacity)/8*float64(now-marks[0].atNs)/nanosPerSecond)
			if over > bursts {
				t.Fatalf("seed %d: %d bytes more than the capacity of %d bit/s in 100 ms, bursts are %d", seed, over, capacity, bursts)
			}
		})
		for m, s := range members {
			f := s.flows[always[m]]
			if want := float64(f.rates.GuaranteedBps) / 8 * 1.5 * 0.98; float64(f.granted) < want-QuantumBytes {
				t.Errorf("seed %d, member %d: %d bytes of %.0f guaranteed", seed, m, f.granted, want)
			}
			if want := float64(free) / 2 / 8 * 1.5 * 0.9; float64(s.granted()) < want-2*QuantumBytes {
				t.Errorf("seed %d: member %d got %d bytes, its part of what is free is %.0f", seed, m, s.granted(), want)
			}
		}
		if sum := float64(members[0].granted() + members[1].granted()); sum < float64(capacity)/8*1.5*0.95 {
			t.Errorf("seed %d: %.0f bytes on a link of %d bit/s", seed, sum, capacity)
		}
	}
}

// TestOneMemberHasAllThatIsIdle: with the other silent the whole capacity is one's own, and clocks with different zeros mean nothing.
func TestOneMemberHasAllThatIsIdle(t *testing.T) {
	t.Parallel()
	const capacity = 80_000_000
	l := newLink(t)
	a := member(l, 2, 5_000_000_000, capacity, capacity, Rates{})
	b := member(l, 2, 5_000_000_000, capacity, capacity, Rates{})
	together([]*sim{a, b}, 1, func(m, _ int, _ int64) bool { return m == 0 }, func(int64) {})
	if got := a.granted(); got < capacity/8*97/100 {
		t.Errorf("%d bytes alone on %d", got, capacity/8)
	}
	if b.granted() != 0 {
		t.Error("who wanted nothing got something")
	}
}

// TestADeadMembersChargeIsPaidOff: whatever number is in the page, the link flows again within debtNsMax.
func TestADeadMembersChargeIsPaidOff(t *testing.T) {
	t.Parallel()
	l := newLink(t)
	l.paid.Store(1 << 62)
	s := member(l, 2, 0, 8_000_000, 0, Rates{})
	if wait := s.d.shared.waitNs(0); wait > debtNsMax+1 {
		t.Errorf("waits %d s", wait/nanosPerSecond)
	}
	s.d.shared.take(1000, 0) // which brings the number back within bounds
	s.nowNs = debtNsMax + 1_000_000
	if !s.d.shared.ready(s.nowNs) {
		t.Error("never flows again")
	}
	l.paid.Store(-1 << 62)
	if !s.d.shared.ready(0) {
		t.Error("a number of long ago holds back")
	}
}

// TestSchedulersShareALink: real time, goroutines on both sides.
func TestSchedulersShareALink(t *testing.T) {
	t.Parallel()
	const capacity = 160_000_000
	l, zero := newLink(t), time.Now()
	clock := func() int64 { return int64(time.Since(zero)) + 1_000 }
	var got [2]atomic.Int64
	var users sync.WaitGroup
	stop := make(chan struct{})
	var all []*Scheduler
	for m := range got {
		s := NewScheduler(capacity)
		s.Share(l, 2, clock, capacity)
		s.SetFree(capacity)
		all = append(all, s)
		f := s.NewFlow(Rates{})
		for range 4 {
			users.Go(func() {
				for s.Take(f, QuantumBytes, stop) {
					got[m].Add(QuantumBytes)
				}
			})
		}
	}
	begin := time.Now()
	time.Sleep(500 * time.Millisecond)
	close(stop)
	users.Wait()
	took := time.Since(begin).Seconds()
	for _, s := range all {
		s.Close()
	}
	sum, most := got[0].Load()+got[1].Load(), capacity/8*took+float64(linkBurst(capacity)+2*linkBurst(capacity/2)+10*QuantumBytes)
	if float64(sum) > most {
		t.Errorf("%d bytes in %.3f s, at most %.0f", sum, took, most)
	}
	t.Logf("%d and %d bytes of %.0f", got[0].Load(), got[1].Load(), capacity/8*took)
	if got[0].Load() == 0 || got[1].Load() == 0 {
		t.Error("one of them starved")
	}
}

// TestIdleTimeIsNotSaved: after a second in which nobody wanted anything no more than the bursts go at once.
func TestIdleTimeIsNotSaved(t *testing.T) {
	t.Parallel()
	const capacity = 80_000_000
	l := newLink(t)
	s := member(l, 2, 0, capacity, capacity, Rates{})
	s.d.shared.take(1000, 0)
	s.nowNs = nanosPerSecond
	s.step(always)
	if most := uint64(linkBurst(capacity) + linkBurst(capacity/2) + 2*QuantumBytes); s.granted() > most {
		t.Errorf("%d bytes at once, the bursts are %d", s.granted(), most)
	}
}

// TestAGuaranteeDoesNotWaitForTheLink: with the link charged far ahead by another member, a flow is woken when its own guarantee lets it go.
func TestAGuaranteeDoesNotWaitForTheLink(t *testing.T) {
	t.Parallel()
	const capacity = 80_000_000
	l := newLink(t)
	s := member(l, 2, 0, capacity, 0, Rates{GuaranteedBps: 8_000_000}, Rates{})
	s.d.shared.own = NewBucket(0, 0, 0)
	s.d.shared.own.Take(QuantumBytes)
	s.d.shared.take(capacity/8, 0) // a second of it
	var wait int64
	for i := range 4 {
		for _, f := range s.flows {
			s.d.add(&waiter{flow: f, bytes: QuantumBytes, ready: make(chan struct{}, 1)}, s.nowNs)
		}
		if wait = s.d.dispatch(0); i == 0 && s.flows[0].granted == 0 {
			t.Error("a flow inside its guarantee waits for the link")
		}
	}
	if s.flows[1].granted != 0 {
		t.Error("a flow without a guarantee went over the charged link")
	}
	if most := int64(nanosPerSecond) * 3 * QuantumBytes / 1_000_000; wait <= 0 || wait > most {
		t.Errorf("asks to be woken after %d us, the guarantee lets it go within %d", wait/1000, most/1000)
	}
}

// TestShareFollowsWhatIsFree: the member's own part, and the distance of its clock.
func TestShareFollowsWhatIsFree(t *testing.T) {
	t.Parallel()
	s := NewScheduler(8_000_000)
	defer s.Close()
	s.SetFree(1) // of no link: nothing happens
	s.Share(newLink(t), 2, func() int64 { return s.nowNs() + 77*nanosPerSecond }, 8_000_000)
	shared := s.decider.shared
	if off := shared.offsetNs - 77*nanosPerSecond; off < -100_000 || off > 100_000 {
		t.Errorf("clocks are %d ns apart from what they are", off)
	}
	s.SetFree(4_000_000)
	if shared.own.rate != 250_000 {
		t.Errorf("its part is %d bytes/s of 500,000 free for two", shared.own.rate)
	}
	s.SetCapacity(80_000_000)
	if shared.rate != 10_000_000 || shared.burstNs != 5_000_000 {
		t.Errorf("the link is %d bytes/s, %d ns", shared.rate, shared.burstNs)
	}
	f := s.NewFlow(Rates{})
	s.Charge(f, 1_000_000)
	if ahead := shared.aheadNs(s.nowNs()); ahead < 50_000_000 {
		t.Errorf("a charge of 100 ms is %d ns", ahead)
	}
}

// FuzzLinkNumbers: whatever lies in the memory, nobody waits longer than the bounds, and a charge brings the number back within them.
func FuzzLinkNumbers(f *testing.F) {
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\x7f"), int64(5))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x80"), int64(1)<<40)
	f.Add([]byte("short"), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, now int64) {
		page := make([]byte, 16)
		copy(page, b)
		l, err := OpenLink(page[:min(len(b), len(page))])
		if (err == nil) != (len(b) >= LinkBytes) {
			t.Fatalf("%d bytes: %v", len(b), err)
		}
		if err != nil || now < 0 || now > 1<<60 {
			return
		}
		s := &sharing{link: l, members: 2}
		s.setRate(8_000_000)
		s.take(QuantumBytes, now)
		if wait := s.waitNs(now); wait > debtNsMax+1 || s.ready(now) && s.aheadNs(now) > s.burstNs {
			t.Fatalf("waits %d ns", wait)
		}
		if !s.ready(now + debtNsMax + 1) {
			t.Fatal("never ready again")
		}
	})
}

func TestOpenLinkWantsMemory(t *testing.T) {
	t.Parallel()
	page := make([]byte, 64)
	for _, bad := range [][]byte{nil, page[:7], page[1:32]} {
		if _, err := OpenLink(bad); err == nil {
			t.Errorf("%d bytes are taken", len(bad))
		}
	}
}

func BenchmarkTryTake(b *testing.B) {
	for name, share := range map[string]bool{"local": false, "shared": true} {
		b.Run(name, func(b *testing.B) {
			s := NewScheduler(1 << 40)
			if share {
				s.Share(newLink(b), 2, func() int64 { return int64(time.Since(s.start)) }, 1<<40)
			}
			f := s.NewFlow(Rates{GuaranteedBps: 1 << 20})
			b.ReportAllocs()
			for b.Loop() {
				s.TryTake(f, 1000)
			}
		})
	}
}

// FuzzOpenLink: memory of any length and content is a link or an error, and whatever stands in it, borrowed bytes flow again within the bound.
func FuzzOpenLink(f *testing.F) {
	f.Add([]byte{}, uint8(0))
	f.Add(bytes.Repeat([]byte{0xff}, 16), uint8(1))
	f.Add(bytes.Repeat([]byte{0x7f}, 16), uint8(0))
	f.Fuzz(func(t *testing.T, content []byte, shift uint8) {
		words := make([]uint64, len(content)/8+2) // aligned
		page := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words))[shift%8:][:len(content)]
		copy(page, content)
		l, err := OpenLink(page)
		if (err == nil) != (len(content) >= LinkBytes && shift%8 == 0) {
			t.Fatalf("%d bytes, shifted by %d: %v", len(content), shift%8, err)
		}
		if err != nil {
			return
		}
		s := &sharing{link: l}
		s.setRate(8_000_000)
		if wait := s.waitNs(0); wait < 1 || wait > debtNsMax+1 {
			t.Errorf("a wait of %d ns", wait)
		}
	})
}
