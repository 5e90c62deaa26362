package shape

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSchedulerWaitsForTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewScheduler(8_000_000) // 1 MB/s, burst one quantum
		defer s.Close()
		f := s.NewFlow(Rates{})
		begin := time.Now()
		for range 64 {
			if !s.Take(f, QuantumBytes, nil) {
				t.Fatal("refused")
			}
		}
		// 64 quanta are 1 MiB; the first two go at once (burst, then debt).
		if took := time.Since(begin); took < 1010*time.Millisecond || took > 1060*time.Millisecond {
			t.Errorf("1 MiB at 1 MB/s took %v", took)
		}
	})
}

// TestWhoseWaitItIs: a flow's own ceiling, the link that others fill, or both.
func TestWhoseWaitItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewScheduler(8_000_000) // 1 MB/s
		defer s.Close()
		f, free, other := s.NewFlow(Rates{CeilingBps: 80_000}), s.NewFlow(Rates{}), s.NewFlow(Rates{}) // 10 kB/s, burst 200 B
		if got := s.OwnWait(f); got != 0 {
			t.Errorf("before anything moved: %v", got)
		}
		s.Charge(f, 1200)
		if got := s.OwnWait(f); got != math.MaxInt64 {
			t.Errorf("a free link, and the ceiling passed: %v", got)
		}
		if got := s.OwnWait(free); got != 0 {
			t.Errorf("a flow without a ceiling: %v", got)
		}
		s.Charge(other, 3<<20) // the link is paid for three seconds
		// 999 bytes of debt at 10 kB/s.
		if got := s.OwnWait(f).Round(time.Millisecond); got != 100*time.Millisecond {
			t.Errorf("both: %v of it by the ceiling", got)
		}
		cancel := make(chan struct{})
		done := make(chan bool)
		go func() { done <- s.Take(f, 200, cancel) }()
		synctest.Wait()
		if got := s.OwnWait(f).Round(time.Millisecond); got != 120*time.Millisecond {
			t.Errorf("behind another that waits: %v", got)
		}
		close(cancel)
		<-done
		time.Sleep(time.Second)
		if got := s.OwnWait(f); got != 0 {
			t.Errorf("the link alone: %v", got)
		}
	})
}

func TestSchedulerCancelPaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewScheduler(8000)
		defer s.Close()
		f := s.NewFlow(Rates{})
		s.Charge(f, 100_000)
		cancel := make(chan struct{})
		got := make(chan bool)
		go func() { got <- s.Take(f, 500, cancel) }()
		synctest.Wait()
		if n := s.Waiting(f); n != 1 {
			t.Errorf("%d waiting", n)
		}
		close(cancel)
		if <-got {
			t.Error("granted after cancel")
		}
		if all, _ := s.Granted(f); all != 100_000 || s.Waiting(f) != 0 {
			t.Errorf("%d bytes paid, %d waiting", all, s.Waiting(f))
		}
		if s.TryTake(f, 1) {
			t.Error("a link in debt let something through at once")
		}
	})
}

func TestSchedulerCloseEndsAllWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewScheduler(8000)
		f, g := s.NewFlow(Rates{}), s.NewFlow(Rates{CeilingBps: 8})
		s.Charge(f, 1<<20)
		var refused atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if !s.Take([]*Flow{f, g}[i%2], 1000, nil) {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		s.Close()
		wg.Wait()
		if refused.Load() != 20 || s.Take(f, 1, nil) {
			t.Errorf("%d waits ended with a refusal", refused.Load())
		}
	})
}

func TestSchedulerRaisedCeilingWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewScheduler(800_000_000)
		defer s.Close()
		f := s.NewFlow(Rates{CeilingBps: 8})
		s.Charge(f, 1000)
		got := make(chan bool, 1)
		go func() { got <- s.Take(f, 1, nil) }()
		synctest.Wait()
		s.SetRates(f, Rates{})
		begin := time.Now()
		if !<-got || time.Since(begin) > time.Millisecond {
			t.Errorf("woken after %v", time.Since(begin))
		}
	})
}

var gateLimits = GateLimits{InFlightMax: 2, QueueMax: 3, Target: 5 * time.Millisecond, Interval: 100 * time.Millisecond,
	MaxWait: time.Second}

// TestSchedulerRaisedCapacityWakes: who waits for a slow link goes as soon as it has become a fast one.
func TestSchedulerRaisedCapacityWakes(t *testing.T) {
	t.Parallel()
	s := NewScheduler(8) // one byte a second
	defer s.Close()
	f := s.NewFlow(Rates{})
	for s.TryTake(f, QuantumBytes) {
	}
	done := make(chan bool)
	go func() { done <- s.Take(f, 100, nil) }()
	for s.Waiting(f) == 0 {
		time.Sleep(time.Millisecond)
	}
	s.SetCapacity(8_000_000_000)
	select {
	case ok := <-done:
		if !ok {
			t.Error("refused")
		}
	case <-time.After(time.Minute):
		t.Error("still waiting")
	}
}

func TestGateBoundsAndQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(gateLimits)
		var order []int
		var mu sync.Mutex
		for range 2 {
			if !g.TryEnter() {
				t.Fatal("no place in an empty gate")
			}
		}
		for i := range 3 {
			go func() {
				if err := g.Enter(nil); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
			}()
			synctest.Wait()
		}
		if g.TryEnter() {
			t.Error("a newcomer overtook the queue")
		}
		var full *Refusal
		if err := g.Enter(nil); !errors.As(err, &full) || full.Reason != ReasonQueueFull || full.RetryAfter != time.Second {
			t.Errorf("a fourth waiter: %v", err)
		}
		for range 3 {
			g.Leave()
			synctest.Wait()
		}
		if len(order) != 3 || order[0] != 0 || order[1] != 1 || order[2] != 2 {
			t.Errorf("order %v", order)
		}
		if s := g.Stats(); s.InFlight != 2 || s.Peak != 2 || s.Requests != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestGateNobodyWaitsLongerThanMaxWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(gateLimits)
		g.TryEnter()
		g.TryEnter()
		begin := time.Now()
		var old *Refusal
		if err := g.Enter(nil); !errors.As(err, &old) || old.Reason != ReasonQueueAge {
			t.Errorf("error: %v", err)
		}
		if d := time.Since(begin); d != time.Second {
			t.Errorf("waited %v", d)
		}
		if s := g.Stats(); s.Dropped != 1 || s.Requests != 0 || s.InFlight != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestGateReadersWaitWithoutAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(gateLimits)
		g.TryEnter()
		g.TryEnter()
		in := make(chan error, 20)
		cancel := make(chan struct{})
		// More readers than QueueMax: they wait unread, at no cost, and are never refused.
		for range 20 {
			go func() { in <- g.EnterRead(cancel) }()
		}
		synctest.Wait()
		time.Sleep(time.Hour)
		if s := g.Stats(); s.Readers != 20 || s.Dropped != 0 {
			t.Errorf("%+v", s)
		}
		g.Leave()
		if err := <-in; err != nil {
			t.Error(err)
		}
		close(cancel)
		for range 19 {
			if err := <-in; !errors.Is(err, ErrCanceled) {
				t.Error(err)
			}
		}
		if s := g.Stats(); s.Readers != 0 || s.InFlight != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestGateDropsFromAStandingQueueOnly(t *testing.T) {
	// Arrivals every 2 ms; service takes 1 ms (no standing queue) or 4 ms (overload) with one place.
	run := func(service time.Duration) (served, dropped int, worst time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			g := NewGate(GateLimits{InFlightMax: 1, QueueMax: 10_000, Target: 5 * time.Millisecond,
				Interval: 100 * time.Millisecond, MaxWait: time.Hour})
			var mu sync.Mutex
			var wg sync.WaitGroup
			for range 3000 {
				time.Sleep(2 * time.Millisecond)
				wg.Go(func() {
					begin := time.Now()
					err := g.Enter(nil)
					mu.Lock()
					if err != nil {
						dropped++
					} else {
						served++
						worst = max(worst, time.Since(begin))
					}
					mu.Unlock()
					if err == nil {
						time.Sleep(service)
						g.Leave()
					}
				})
			}
			wg.Wait()
		})
		return served, dropped, worst
	}
	if served, dropped, _ := run(time.Millisecond); dropped != 0 || served != 3000 {
		t.Errorf("without overload %d served, %d dropped", served, dropped)
	}
	if served, dropped, worst := run(4 * time.Millisecond); dropped < 100 || served < 1400 {
		t.Errorf("at twice the load %d served, %d dropped, longest wait %v", served, dropped, worst)
	}
}

func TestGateLimitsChangeAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(gateLimits)
		g.TryEnter()
		g.TryEnter()
		in := make(chan error, 3)
		for range 3 {
			go func() { in <- g.Enter(nil) }()
		}
		synctest.Wait()
		wider := gateLimits
		wider.InFlightMax = 4
		g.SetLimits(wider)
		for range 2 {
			if err := <-in; err != nil {
				t.Error(err)
			}
		}
		g.SetLimits(gateLimits)
		g.Leave()
		synctest.Wait()
		if s := g.Stats(); s.InFlight != 3 || s.Requests != 1 {
			t.Errorf("a narrower gate let somebody in: %+v", s)
		}
		g.Close()
		var stopping *Refusal
		if err := <-in; !errors.As(err, &stopping) || stopping.Reason != ReasonClosed {
			t.Errorf("waiting at close: %v", err)
		}
		if err := g.Enter(nil); !errors.As(err, &stopping) || g.TryEnter() || g.EnterRead(nil) == nil {
			t.Error("a closed gate let somebody in")
		}
	})
}

func TestGateUnderConcurrency(t *testing.T) {
	t.Parallel()
	g := NewGate(GateLimits{InFlightMax: 3, QueueMax: 1000, Target: time.Second, Interval: time.Second,
		MaxWait: time.Minute})
	var inside, most atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			cancel := make(chan struct{})
			for n := range 300 {
				var err error
				if (i+n)%3 == 0 {
					gone := make(chan struct{})
					close(gone)
					err = g.Enter(gone) // a client that leaves while it is let in
				} else if i%2 == 0 {
					err = g.Enter(cancel)
				} else {
					err = g.EnterRead(cancel)
				}
				if err != nil {
					continue
				}
				now := inside.Add(1)
				for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
				}
				inside.Add(-1)
				g.Leave()
			}
		})
	}
	wg.Wait()
	if s := g.Stats(); s.InFlight != 0 || s.Requests != 0 || s.Readers != 0 || s.Peak > 3 || most.Load() > 3 {
		t.Errorf("%+v, most inside %d", s, most.Load())
	}
}

func BenchmarkTakeUncontended(b *testing.B) {
	s := NewScheduler(1 << 49)
	defer s.Close()
	f := s.NewFlow(Rates{GuaranteedBps: 1 << 30})
	b.ReportAllocs()
	for b.Loop() {
		s.TryTake(f, QuantumBytes)
	}
}

func BenchmarkGate(b *testing.B) {
	g := NewGate(gateLimits)
	b.ReportAllocs()
	for b.Loop() {
		if g.TryEnter() {
			g.Leave()
		}
	}
}

// TestAWaiterIsReusedEmpty: who gives up at the moment at which it is answered leaves no answer behind for the next that waits.
func TestAWaiterIsReusedEmpty(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	close(gone)
	for name, wait := range map[string]func(*Gate, *parked) error{
		"gone": func(g *Gate, p *parked) error { return g.await(p, nil, 0, gone) },
		"too late": func(g *Gate, p *parked) error {
			over := make(chan time.Time)
			close(over)
			return g.await(p, over, time.Second, nil)
		},
	} {
		for range 200 { // of two ways that are open one is taken by chance
			g := NewGate(GateLimits{InFlightMax: 1})
			if !g.TryEnter() {
				t.Fatal("an empty gate is full")
			}
			p, _, _ := g.begin(true)
			g.Leave() // answers it
			if wait(g, p) != nil && !g.TryEnter() {
				t.Fatalf("%s: the place of one that gave up is lost", name)
			}
			next, _, _ := g.begin(true)
			select {
			case <-next.done:
				t.Fatalf("%s: the next is answered before there is a place", name)
			default:
			}
		}
	}
}
