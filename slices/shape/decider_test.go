package shape

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// sim drives a decider with a clock of its own: every flow in it always wants more, in pieces of size bytes.
type sim struct {
	d     decider
	nowNs int64
	flows []*Flow
	size  []int
	held  int // waiters kept queued per flow
}

func newSim(capacityBps uint64, rates ...Rates) *sim {
	s := &sim{held: 4}
	s.d.link = NewBucket(capacityBps, max(int64(capacityBps/8/1000*linkBurstMs), QuantumBytes), 0)
	for _, r := range rates {
		f := &Flow{rates: r, guaranteed: NewBucket(r.GuaranteedBps, burstBytes(r.GuaranteedBps), 0),
			ceiling: NewBucket(r.CeilingBps, burstBytes(r.CeilingBps), 0)}
		f.promised(0)
		s.flows = append(s.flows, f)
		s.size = append(s.size, f.quantum())
	}
	return s
}

// run lets seconds pass, waking when the decider asks to and at least every millisecond. Flow i takes part when
// wants(i, nowNs) says so.
func (s *sim) run(seconds float64, wants func(i int, nowNs int64) bool) {
	end := s.nowNs + int64(seconds*nanosPerSecond)
	for s.nowNs < end {
		// Grants make room for new waiters at the same moment, as callers in a loop would.
		for {
			added := false
			for i, f := range s.flows {
				for f.waiting < s.held && wants(i, s.nowNs) {
					s.d.add(&waiter{flow: f, bytes: s.size[i], ready: make(chan struct{}, 1)}, s.nowNs)
					added = true
				}
			}
			if !added {
				break
			}
			s.d.dispatch(s.nowNs)
		}
		wait := s.d.dispatch(s.nowNs)
		if wait <= 0 || wait > 1_000_000 {
			wait = 1_000_000
		}
		s.nowNs += wait
	}
}

func always(int, int64) bool { return true }

func TestRoundRobinIsFairInBytes(t *testing.T) {
	t.Parallel()
	s := newSim(80_000_000, Rates{}, Rates{}, Rates{}, Rates{})
	// Equal shares of bytes, whatever the size of the pieces that each asks for.
	s.size = []int{QuantumBytes, 1500, 64, 9001}
	s.held = 300
	s.run(5, always)
	var total uint64
	for _, f := range s.flows {
		total += f.granted
	}
	fair := float64(total) / 4
	for i, f := range s.flows {
		if off := float64(f.granted)/fair - 1; off > 0.05 || off < -0.05 {
			t.Errorf("flow %d got %d bytes, %.1f %% off its fair share", i, f.granted, off*100)
		}
	}
	if use := float64(total) / (80_000_000 / 8 * 5); use < 0.95 || use > 1.02 {
		t.Errorf("the link was used to %.1f %%", use*100)
	}
}

func TestGuaranteeIsKeptUnderFlood(t *testing.T) {
	t.Parallel()
	const capacity, guaranteed = 100_000_000, 40_000_000
	rates := []Rates{{GuaranteedBps: guaranteed, Priority: 50}}
	for range 31 {
		rates = append(rates, Rates{Priority: 1}) // priority without a guarantee is worth nothing
	}
	s := newSim(capacity, rates...)
	kept := s.flows[0]
	for window := range 5 {
		before, floods := kept.granted, s.flows[1].granted
		s.run(2, always)
		want := uint64(guaranteed / 8 * 2)
		if got := kept.granted - before; float64(got) < 0.98*float64(want) {
			t.Errorf("window %d of 2 s: %d bytes of the guaranteed %d", window, got, want)
		}
		if s.flows[1].granted == floods {
			t.Errorf("window %d: an unguaranteed flow was starved", window)
		}
	}
}

func TestPriorityCountsInsideGuaranteesOnly(t *testing.T) {
	t.Parallel()
	s := newSim(10_000_000, Rates{GuaranteedBps: 4_000_000, Priority: 90}, Rates{GuaranteedBps: 4_000_000, Priority: 10},
		Rates{Priority: 10})
	s.run(10, always)
	share := func(i int) float64 { return float64(s.flows[i].granted) * 8 / 10 }
	// 8 of 10 Mbit/s are guaranteed; the other 2 are shared by three.
	for i, want := range []float64{4_667_000, 4_667_000, 667_000} {
		if got := share(i); got < want*0.95 || got > want*1.05 {
			t.Errorf("flow %d: %.0f bit/s, want %.0f", i, got, want)
		}
	}
	// Both guaranteed flows ask at the same moment with full buckets: the more urgent goes first.
	fresh := newSim(10_000_000, Rates{GuaranteedBps: 4_000_000, Priority: 90},
		Rates{GuaranteedBps: 4_000_000, Priority: 10})
	for _, f := range fresh.flows {
		fresh.d.add(&waiter{flow: f, bytes: 100, ready: make(chan struct{}, 1)}, fresh.nowNs)
	}
	if i := fresh.d.guaranteedNext(0); fresh.d.ring[i] != fresh.flows[1] {
		t.Error("the less urgent goes first")
	}
}

func TestCeilingOvershootsByTwoPercentAtMost(t *testing.T) {
	t.Parallel()
	for _, ceiling := range []uint64{80_000, 1_000_000, 20_000_000, 400_000_000} {
		t.Run(fmt.Sprint(ceiling), func(t *testing.T) {
			t.Parallel()
			s := newSim(1_000_000_000, Rates{CeilingBps: ceiling}, Rates{})
			r := rand.New(rand.NewPCG(3, ceiling))
			pause := int64(0)
			for window := range 10 {
				before := s.flows[0].granted
				// The flow stops and starts at random, so that full buckets come in too.
				s.run(2, func(i int, now int64) bool {
					if i != 0 {
						return now%5_000_000 < 1_000_000
					}
					if now > pause && r.IntN(2000) == 0 {
						pause = now + r.Int64N(100_000_000)
					}
					return now > pause
				})
				if got := float64(s.flows[0].granted-before) * 8 / 2; got > 1.02*float64(ceiling) {
					t.Errorf("window %d: %.0f bit/s, %.2f %% over", window, got, (got/float64(ceiling)-1)*100)
				}
			}
			before := s.flows[0].granted
			s.run(4, func(i int, _ int64) bool { return i == 0 })
			if got := float64(s.flows[0].granted-before) * 8 / 4; got < 0.95*float64(ceiling) {
				t.Errorf("alone: %.0f bit/s of %d", got, ceiling)
			}
		})
	}
}

func TestOneFlowAloneFillsTheLink(t *testing.T) {
	t.Parallel()
	s := newSim(200_000_000, Rates{}, Rates{})
	s.run(3, func(i int, _ int64) bool { return i == 0 })
	if use := float64(s.flows[0].granted) * 8 / 3 / 200_000_000; use < 0.95 || use > 1.02 {
		t.Errorf("%.1f %% of the link", use*100)
	}
}

func TestBucketArithmetic(t *testing.T) {
	t.Parallel()
	b := NewBucket(8000, 100, 0) // 1000 bytes per second
	b.Take(300)
	if b.Ready() || b.WaitNs() != 200_000_001 {
		t.Errorf("wait %d ns", b.WaitNs())
	}
	b.Advance(200_000_001)
	if !b.Ready() {
		t.Error("not ready when it said")
	}
	b.Advance(1 << 62) // an age later it is full, not overflowed
	b.Take(100)
	if b.tokens != 0 {
		t.Errorf("%d tokens after taking all", b.tokens)
	}
	for range 1000 {
		b.Take(1 << 40)
	}
	if b.tokens > 0 {
		t.Error("debt overflowed into credit")
	}
	huge := NewBucket(1<<50, 1<<40, 0)
	huge.Take(1 << 30)
	huge.Advance(1)
	if !huge.Ready() {
		t.Error("a huge bucket is empty")
	}
	none := NewBucket(0, 1, 0)
	none.Take(10)
	if none.WaitNs() < 1e15 {
		t.Error("a bucket without a rate promises something")
	}
}

// FuzzDecider drives random arrivals, give-ups and time, and checks what must always hold.
func FuzzDecider(f *testing.F) {
	f.Add(uint64(1), uint16(200))
	f.Add(uint64(99), uint16(1000))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint16) {
		r := rand.New(rand.NewPCG(seed, 7))
		s := newSim(uint64(r.IntN(1e9)+8000), Rates{}, Rates{GuaranteedBps: 80_000, Priority: 3},
			Rates{CeilingBps: uint64(r.IntN(1e8) + 8)}, Rates{GuaranteedBps: 8000, CeilingBps: 90_000})
		var open []*waiter
		var taken uint64
		for range steps % 2000 {
			switch r.IntN(4) {
			case 0, 1:
				i := r.IntN(len(s.flows))
				w := &waiter{flow: s.flows[i], bytes: r.IntN(QuantumBytes) + 1, ready: make(chan struct{}, 1)}
				s.d.add(w, s.nowNs)
				open = append(open, w)
			case 2:
				if len(open) > 0 {
					if w := open[r.IntN(len(open))]; w.queued {
						s.d.remove(w, s.nowNs)
					}
				}
			case 3:
				s.nowNs += r.Int64N(50_000_000)
			}
			s.d.dispatch(s.nowNs)
		}
		for _, w := range open {
			if w.granted {
				taken += uint64(w.bytes)
			}
			if w.granted != (len(w.ready) == 1) || w.granted && w.queued {
				t.Fatal("a waiter was woken without a grant, or granted twice")
			}
		}
		var granted uint64
		inRing := map[*Flow]bool{}
		for _, fl := range s.d.ring {
			if inRing[fl] || fl.head == nil {
				t.Fatal("the ring holds a flow twice or without waiters")
			}
			inRing[fl] = true
		}
		for _, fl := range s.flows {
			granted += fl.granted
			if fl.queued != inRing[fl] || (fl.head != nil) != fl.queued {
				t.Fatal("a flow's mark and the ring differ")
			}
		}
		if granted != taken {
			t.Fatalf("%d bytes paid, %d granted", granted, taken)
		}
	})
}

// jain is Jain's index of fairness: 1 when all have the same, 1/n when one has all.
func jain(shares []float64) float64 {
	var sum, squares float64
	for _, x := range shares {
		sum, squares = sum+x, squares+x*x
	}
	return sum * sum / (float64(len(shares)) * squares)
}

// TestEqualSlicesAreServedEqually holds the figures of docs/edge-figures.md: Jain's index of 50 equal flows of unequal pieces in each window of 2 s, and the
// use of the link when one of them alone asks, with the others there.
func TestEqualSlicesAreServedEqually(t *testing.T) {
	t.Parallel()
	const capacity = 400_000_000
	s := newSim(capacity, make([]Rates, 50)...)
	s.held = 40
	for i := range s.size {
		s.size[i] = []int{QuantumBytes, 1500, 9001, 4096}[i%4]
	}
	worst := 1.0
	for range 3 {
		before := make([]uint64, len(s.flows))
		for i, f := range s.flows {
			before[i] = f.granted
		}
		s.run(2, always)
		shares := make([]float64, len(s.flows))
		for i, f := range s.flows {
			shares[i] = float64(f.granted - before[i])
		}
		worst = min(worst, jain(shares))
	}
	s.run(1, func(i int, _ int64) bool { return i == 7 }) // what the others still had waiting goes
	before, start := s.flows[7].granted, s.nowNs
	s.run(2, func(i int, _ int64) bool { return i == 7 })
	use := float64(s.flows[7].granted-before) * 8 * nanosPerSecond / float64(s.nowNs-start) / capacity
	t.Logf("Jain's index, worst of 3 windows: %.5f; link used by one alone: %.2f %%", worst, use*100)
	if worst < 0.99 {
		t.Errorf("Jain's index is %.4f, at least 0.99", worst)
	}
	if use < 0.95 {
		t.Errorf("one flow alone uses %.1f %% of the link, at least 95 %%", use*100)
	}
}

// BenchmarkLocalQueue measures what a grant costs where callers wait for a link of this process alone: every flow always wants more, every other one
// has a guarantee.
func BenchmarkLocalQueue(b *testing.B) {
	for _, flows := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("%d flows", flows), func(b *testing.B) {
			var rates []Rates
			for i := range flows {
				rates = append(rates, Rates{GuaranteedBps: uint64(i%2) * 1_000_000_000 / uint64(flows), CeilingBps: 8_000_000_000, Priority: uint8(i % 3)})
			}
			s := newSim(8_000_000_000, rates...)
			var waiters []*waiter
			for i := range 4 * flows {
				waiters = append(waiters, &waiter{flow: s.flows[i%flows], bytes: QuantumBytes, ready: make(chan struct{}, 1)})
				s.d.add(waiters[i], s.nowNs)
			}
			b.ReportAllocs()
			grants := 0
			for b.Loop() {
				s.nowNs += 20_000
				s.d.dispatch(s.nowNs)
				for _, w := range waiters {
					if !w.queued {
						<-w.ready
						s.d.add(w, s.nowNs)
						grants++
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(grants, 1)), "ns/grant")
		})
	}
}
