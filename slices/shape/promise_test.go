package shape

import (
	"testing"
	"time"
)

// kept is what a flow of a simulation came to.
func (s *sim) kept(i int) Kept {
	s.flows[i].pass(s.nowNs)
	return s.flows[i].promise.told(s.nowNs)
}

func TestWindowsThatWereKept(t *testing.T) {
	t.Parallel()
	s := newSim(80_000_000, Rates{GuaranteedBps: 40_000_000, CeilingBps: 40_000_000}, Rates{GuaranteedBps: 8000}, Rates{}, Rates{})
	s.run(20.5, always)
	for i := range 2 {
		if k := s.kept(i); k.Windows != 10 || k.Kept != 10 || k.Recent != 10 || k.WorstPercent < 98 {
			t.Errorf("flow %d beside a flood: %+v, want 10 windows of 10 kept", i, k)
		}
	}
	if k := s.kept(2); k != (Kept{}) {
		t.Errorf("nothing was promised, but %+v", k)
	}
}

func TestAWindowThatWasNotKept(t *testing.T) {
	t.Parallel()
	// The link became smaller than what is promised on it: half of what is owed goes.
	s := newSim(20_000_000, Rates{GuaranteedBps: 40_000_000})
	s.run(10.5, always)
	if k := s.kept(0); k.Windows != 5 || k.Kept != 0 || k.Short != 5 || k.WorstPercent < 48 || k.WorstPercent > 52 {
		t.Errorf("%+v, want 5 windows, none kept, half of each", k)
	}
	// It grew again, in the middle of a window that caught up, and a minute later nothing is left of it but the count.
	s.d.link.setRate(80_000_000, QuantumBytes, s.nowNs)
	s.run(70, always)
	if k := s.kept(0); k.Windows != 40 || k.Kept != 35 || k.Short != 0 || k.Recent != recentWindows || k.WorstPercent < 98 {
		t.Errorf("%+v, want 40 windows, 35 kept, none of the last minute broken", k)
	}
}

func TestWindowsOfOneWhoWaitsForNothing(t *testing.T) {
	t.Parallel()
	s := newSim(80_000_000, Rates{GuaranteedBps: 8_000_000})
	f := s.flows[0]
	wait := func(seconds float64) { s.nowNs += int64(seconds * nanosPerSecond) }
	wait(100.5) // nothing asked, nothing judged
	if k := s.kept(0); k != (Kept{}) {
		t.Fatalf("idle: %+v", k)
	}
	f.pass(s.nowNs)
	f.promise.count(1000, false)
	wait(1.5) // a little, given at once, in a window that ends with its number
	if k := s.kept(0); k.Windows != 1 {
		t.Errorf("%+v, want one window at 102 s", k)
	}
	wait(8) // then nothing
	if k := s.kept(0); k.Windows != 1 || k.Kept != 1 || k.WorstPercent != 100 {
		t.Errorf("%+v, want one window, kept", k)
	}
	s.d.add(&waiter{flow: f, bytes: 100, ready: make(chan struct{}, 1)}, s.nowNs)
	wait(6) // nobody was asked to let it go: three windows without a byte
	if k := s.kept(0); k.Windows != 4 || k.Kept != 1 || k.WorstPercent != 0 {
		t.Errorf("%+v, want three more windows, none kept", k)
	}
	s.d.remove(f.head, s.nowNs)
	wait(100)
	if k := s.kept(0); k.Windows != 4 || k.Recent != 0 || k.WorstPercent != 0 {
		t.Errorf("%+v, want nothing of the last minute", k)
	}
}

// TestAShareIsOfWhatWasAskedFor: a flow that got its rate by itself for most of a window, and nothing once it had to wait, lost what it waited for.
func TestAShareIsOfWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	s := newSim(80_000_000, Rates{GuaranteedBps: 8_000_000}) // 2 MB a window
	f := s.flows[0]
	f.pass(s.nowNs)
	f.promise.count(500_000, false)
	s.nowNs = WindowNs / 2
	s.d.add(&waiter{flow: f, bytes: 100, ready: make(chan struct{}, 1)}, s.nowNs)
	s.nowNs = WindowNs
	if k := s.kept(0); k.Windows != 1 || k.Kept != 0 || k.WorstPercent < 33.3 || k.WorstPercent > 33.4 {
		t.Errorf("%+v, want 0.5 MB of the 1.5 that were owed", k)
	}
	s = newSim(80_000_000, Rates{GuaranteedBps: 8_000_000})
	s.d.add(&waiter{flow: s.flows[0], bytes: QuantumBytes, ready: make(chan struct{}, 1)}, 0)
	s.nowNs = WindowNs / 2
	s.d.dispatch(s.nowNs) // it waited for a second
	s.nowNs = WindowNs
	if k := s.kept(0); k.WorstPercent < 1.63 || k.WorstPercent > 1.65 {
		t.Errorf("%+v, want 16 KiB of 1 MB: what was waited for is not owed a second time", k)
	}
}

// TestWhatWasHadAheadIsNotOwedTwice: bytes that moved before they were paid for stand against the windows that pay for them.
func TestWhatWasHadAheadIsNotOwedTwice(t *testing.T) {
	t.Parallel()
	s := newSim(80_000_000, Rates{GuaranteedBps: 8_000_000, CeilingBps: 8_000_000})
	f := s.flows[0]
	f.pass(0)
	f.promise.count(5_000_000, false) // Charge, by hand
	f.mayGo(0)
	s.d.charge(f, 5_000_000, f.insideGuarantee(0))
	s.run(8.5, always)
	if k := s.kept(0); k.Windows != 4 || k.Kept != 4 {
		t.Errorf("%+v, want all kept: five seconds of the rate were had at once", k)
	}
}

func TestARateThatChangesWithinAWindow(t *testing.T) {
	t.Parallel()
	s := newSim(80_000_000, Rates{}, Rates{})
	s.run(3, always)
	s.flows[0].setRates(Rates{GuaranteedBps: 40_000_000}, s.nowNs)
	s.run(1.5, always)
	if k := s.kept(0); k.Windows != 1 || k.Kept != 1 {
		t.Errorf("%+v, want the window from the promise on", k)
	}
	starved := newSim(0, Rates{GuaranteedBps: 8_000_000}) // owed: 1.9 MB, and 1 MB in the tenth of a second at ten times the rate
	starved.d.add(&waiter{flow: starved.flows[0], bytes: 100, ready: make(chan struct{}, 1)}, 0)
	starved.nowNs = WindowNs * 19 / 20
	starved.flows[0].setRates(Rates{GuaranteedBps: 80_000_000}, starved.nowNs)
	starved.flows[0].promise.count(1_450_000, true)
	starved.nowNs = WindowNs
	if k := starved.kept(0); k.WorstPercent < 49.9 || k.WorstPercent > 50.1 {
		t.Errorf("%+v, want half of what was owed at both rates", k)
	}
	s.flows[0].setRates(Rates{}, s.nowNs)
	s.run(10, always)
	if k := s.kept(0); k.Windows != 1 {
		t.Errorf("%+v, want no window judged once nothing is promised", k)
	}
}

func TestASchedulerTellsWhatWasKept(t *testing.T) {
	t.Parallel()
	s := NewScheduler(1_000_000_000)
	defer s.Close()
	f := s.NewFlow(Rates{GuaranteedBps: 8_000_000})
	free := s.NewFlow(Rates{})
	s.Charge(f, 1000)
	if !s.TryTake(f, 100) || !s.TryTake(free, 100) {
		t.Fatal("an idle link lets nobody go")
	}
	s.mu.Lock()
	if f.promise.granted != 1100 || f.promise.owed != 1100 {
		t.Errorf("counted %+v, want 1100 bytes", f.promise)
	}
	s.start = s.start.Add(-2 * time.Second) // the window ends
	s.mu.Unlock()
	if k := s.Kept(f); k.Windows != 1 || k.Kept != 1 || k.Recent != 1 || k.WorstPercent != 100 {
		t.Errorf("%+v, want one window, kept", k)
	}
	if k := s.Kept(free); k != (Kept{}) {
		t.Errorf("nothing was promised, but %+v", k)
	}
}
