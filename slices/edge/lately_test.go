package edge

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// busy makes a slice one that has work, for as long as the test lasts.
func busy(g *Gateway, s *sliceState) { g.lately.note(s, time.Now().Add(time.Hour)) }

// stateOf gives what runs for a slice.
func (g *Gateway) stateOf(t *testing.T, name string) *sliceState {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.states {
		if s.slice.Load().Name == name {
			return s
		}
	}
	t.Fatalf("no slice %s", name)
	return nil
}

// bareState is of a slice with a gate and no more.
func bareState(name string) *sliceState {
	s := &sliceState{gate: shape.NewGate(gateLimits(unit(name), false))}
	s.setSlice(unit(name))
	return s
}

// room counts what an empty gate lets in at once.
func room(s *sliceState) (n int) {
	for s.gate.TryEnter() {
		n++
	}
	for range n {
		s.gate.Leave()
	}
	return n
}

// TestTheSliceThatIsAloneIsWide: the one that has work while no other had any, until another one has.
func TestTheSliceThatIsAloneIsWide(t *testing.T) {
	t.Parallel()
	var l lately
	a, b, c := bareState("a"), bareState("b"), bareState("c")
	begin := time.Unix(1_800_000_000, 0)
	for _, step := range []struct {
		what  string
		works *sliceState
		after time.Duration
		wide  *sliceState
	}{
		{"the first", a, 0, a},
		{"again", a, latelyStep, a},
		{"another one beside it", b, latelyStep, nil},
		{"the first beside the other", a, latelyFor - latelyStep, nil},
		{"the other has had none for long", a, latelyFor, a},
		{"still", a, latelyFor, a},
		{"all were silent, and another one begins", c, latelyFor, c},
		{"and one beside it at once", a, latelyStep, nil},
	} {
		begin = begin.Add(step.after)
		l.note(step.works, begin)
		for _, s := range []*sliceState{a, b, c} {
			want := s.slice.Load().Turns()
			if s == step.wide {
				want = s.slice.Load().InFlight()
			}
			if got := room(s); got != want {
				t.Errorf("%s: slice %s lets in %d, want %d", step.what, s.slice.Load().Name, got, want)
			}
			s.setSlice(*s.slice.Load()) // a table that is swapped changes nothing of that
			if got := room(s); got != want {
				t.Errorf("%s, another table: slice %s lets in %d, want %d", step.what, s.slice.Load().Name, got, want)
			}
		}
	}
}

// TestAloneASliceNeedsNoTurns: all that it may have in flight is in its gate at once; beside another one it has its turns, and what is long is lent.
func TestAloneASliceNeedsNoTurns(t *testing.T) {
	t.Parallel()
	let, answers := make(chan struct{}), sync.WaitGroup{}
	a, b := unit("a"), unit("b")
	g := gateway(t, table(t, []Route{
		route("a.test", a, backend(t, func(http.ResponseWriter, *http.Request) { <-let })),
		route("b.test", b, backend(t, text("b"))),
	}, a, b))
	s := g.stateOf(t, "a")
	turns, most := s.slice.Load().Turns(), s.slice.Load().InFlight()
	if turns >= most {
		t.Fatalf("%d turns of %d: nothing is tried", turns, most)
	}
	ask := func(host string) {
		c := client(t, g.Addr())
		c.Timeout = time.Minute
		resp, err := c.Get("http://" + host + "/")
		if err != nil {
			t.Error(err)
			return
		}
		_ = resp.Body.Close()
	}
	full := func() bool {
		entered := s.gate.TryEnter()
		if entered {
			s.gate.Leave()
		}
		return !entered
	}
	for range most {
		answers.Go(func() { ask("a.test") })
	}
	eventually(t, "the gate is as wide as the slice", func() bool { return s.gate.Stats().InFlight == most })
	time.Sleep(2 * longAfter) // all are long now
	if s.lent.Load() != 0 || !full() {
		t.Errorf("%d are lent; full: %v", s.lent.Load(), full())
	}
	ask("b.test")
	eventually(t, "what is long is lent, and the turns stay", func() bool {
		return s.gate.Stats().InFlight == turns && int(s.lent.Load()) == most-turns && !s.wide.Load()
	})
	if !full() {
		t.Errorf("more than %d may be in flight", most)
	}
	close(let)
	answers.Wait()
}

func TestLatelyKnowsWhetherAnotherSliceHadWork(t *testing.T) {
	t.Parallel()
	var l lately
	a, b, c := bareState("a"), bareState("b"), bareState("c")
	begin := time.Unix(1_800_000_000, 0)
	expect := func(what string, at time.Time, forA, forB, forC bool) {
		t.Helper()
		if got := [3]bool{l.beside(a, at), l.beside(b, at), l.beside(c, at)}; got != [3]bool{forA, forB, forC} {
			t.Errorf("%s: another one had work beside a, b, c: %v", what, got)
		}
	}
	expect("nobody had work", begin, false, false, false)
	l.note(a, begin)
	expect("a had work", begin, false, true, true)
	expect("a had work a moment ago", begin.Add(latelyFor-1), false, true, true)
	expect("a had work long ago", begin.Add(latelyFor), false, false, false)
	l.note(b, begin.Add(latelyFor/2))
	expect("b after a", begin.Add(latelyFor/2), true, true, true)
	expect("a long ago, b not", begin.Add(latelyFor), true, false, true)
	for n := range 10 { // who has work all the time does not push out the one before
		l.note(b, begin.Add(latelyFor/2+time.Duration(n)*latelyStep/2))
	}
	expect("b again and again", begin.Add(latelyFor/2+latelyStep), true, true, true)
	expect("b again and again, a long ago", begin.Add(latelyFor), true, false, true)
	back := begin.Add(-time.Hour) // the clock is set
	l.note(c, back)
	l.note(b, back)
	expect("b and c after the clock was set back", back, true, true, true)
	expect("and long after that", back.Add(latelyFor), false, false, false)
}

// TestWhatCountsAsWork: requests and the bytes of their answers do; probes, connections and handshakes do not.
func TestWhatCountsAsWork(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	more := make(chan struct{}, 1)
	a, b := unit("a"), unit("b")
	g := gateway(t, table(t, []Route{
		route("a.test", a, backend(t, text("a"))),
		route("b.test", b, backend(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("b"))
			_ = http.NewResponseController(w).Flush()
			for range more {
				_, _ = w.Write([]byte("b"))
				_ = http.NewResponseController(w).Flush()
			}
		})),
	}, a, b), func(c *Config) { c.TLSAddr, c.Certificate = "127.0.0.1:0", ca.Certificate })
	defer close(more)
	worked := g.stateOf(t, "b")
	if _, err := NewProber(g, ProberConfig{}).Measure(t.Context(), b.ID, 5, 1000); err != nil {
		t.Fatal(err)
	}
	if err := shake(g, ca, "b.test", nil); err != nil {
		t.Fatal(err)
	}
	if worked.workedNs.Load() != 0 {
		t.Error("a probe or a handshake counts as work")
	}
	resp, err := client(t, g.Addr()).Get("http://b.test/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	first := worked.workedNs.Load()
	if first == 0 {
		t.Error("a request does not count as work")
	}
	eventually(t, "a byte of an answer counts as work", func() bool {
		select {
		case more <- struct{}{}:
		default: // it has not been written yet
		}
		return worked.workedNs.Load() > first
	})
}
