package edge

import (
	"net/http"
	"testing"
	"time"
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

func TestLatelyKnowsWhetherAnotherSliceHadWork(t *testing.T) {
	t.Parallel()
	var l lately
	a, b, c := &sliceState{}, &sliceState{}, &sliceState{}
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
