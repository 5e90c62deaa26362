package edge

import (
	"math"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// The patient group's process makes room while the prompt group's has work, and no longer; the prompt group's makes none for the patient one.
func TestThePatientGroupHearsOfThePromptOnesWork(t *testing.T) {
	t.Parallel()
	work, err := OpenWork(make([]byte, 64))
	if err != nil {
		t.Fatal(err)
	}
	clock := int64(time.Hour)
	group := func(group slices.Group) *Gateway {
		return gateway(t, table(t, nil), func(c *Config) {
			c.Group, c.Work, c.LinkClock = group, work, func() int64 { return clock }
		})
	}
	prompt, patient := group(slices.GroupPrompt), group(slices.GroupPatient)
	p, q := bareState("p"), bareState("q")
	now := time.Unix(1_800_000_000, 0)
	pass := func(d time.Duration) { now, clock = now.Add(d), clock+int64(d) }
	want := func(what string, beside, wide bool) {
		t.Helper()
		if got := patient.lately.beside(q, now); got != beside {
			t.Errorf("%s: a slice of the patient group is beside others: %t, want %t", what, got, beside)
		}
		if got := patient.lately.any(now); what == "nobody" && got {
			t.Errorf("%s: somebody has work", what)
		}
		patient.lately.note(q, now)
		if got := q.wide.Load(); got != wide {
			t.Errorf("%s: it is wide: %t, want %t", what, got, wide)
		}
	}
	want("nobody", false, true)
	pass(time.Second)
	prompt.lately.note(p, now)
	if !p.wide.Load() || prompt.lately.beside(p, now) {
		t.Error("the prompt group makes room for the patient one")
	}
	want("at the same moment", true, false)
	pass(latelyFor - latelyStep)
	want("within the time", true, false)
	pass(latelyStep)
	want("after it", false, true)
	clock = int64(time.Minute)
	pass(latelyStep)
	want("a moment that has not come", false, true)
}

// Memory that cannot hold the number is refused.
func TestWorkNeedsItsMemory(t *testing.T) {
	t.Parallel()
	page := make([]byte, 64)
	for _, b := range [][]byte{nil, page[:WorkBytes-1], page[4:]} {
		if _, err := OpenWork(b); err == nil {
			t.Errorf("%d bytes at %p were taken", len(b), b)
		}
	}
}

// Whatever lies in the memory, work counts only when it was within the last second.
func FuzzWork(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0}, int64(0))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 127}, int64(1))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 128}, int64(math.MaxInt64))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0}, int64(latelyFor))
	f.Fuzz(func(t *testing.T, b []byte, nowNs int64) {
		page := make([]byte, max(len(b), 1))
		copy(page, b)
		w, err := OpenWork(page)
		if err != nil {
			return
		}
		last := w.last.Load()
		if got, want := w.lately(nowNs), last > 0 && nowNs >= last && uint64(nowNs-last) < uint64(latelyFor); got != want {
			t.Errorf("%d at %d: %t, want %t", last, nowNs, got, want)
		}
	})
}
