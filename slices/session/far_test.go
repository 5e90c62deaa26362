package session

import (
	"crypto/ed25519"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// farRun is a client and a home whose frames take half of rtt each way, on a clock that only jumps.
type farRun struct {
	t        *testing.T
	now      time.Time
	half     time.Duration
	h        *Home
	c        *Client
	toClient []farFrame
	toHome   []farFrame
	deaf     bool // the edge is dead: nothing arrives any more
	suspects int
	dropped  int
	trips    []Trip
}

type farFrame struct {
	due time.Time
	out Out
}

func newFarRun(t *testing.T, rtt time.Duration) *farRun {
	t.Helper()
	tickets, err := NewTickets(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), nexus.ID{1})
	if err != nil {
		t.Fatal(err)
	}
	f := &farRun{t: t, now: time.Unix(1_700_000_000, 0), half: rtt / 2, h: NewHome(Limits{}, tickets, nil), c: NewClient(Limits{})}
	f.up([]Out{f.c.Connected(f.now, 1)})
	return f
}

func (f *farRun) up(outs []Out) {
	for _, o := range outs {
		f.toHome = append(f.toHome, farFrame{f.now.Add(f.half), o})
	}
}

func (f *farRun) down(r Result) {
	f.trips = append(f.trips, r.Trips...)
	for _, o := range r.Outs {
		f.toClient = append(f.toClient, farFrame{f.now.Add(f.half), o})
	}
}

// run lets time pass in steps of 10 ms.
func (f *farRun) run(d time.Duration) {
	f.t.Helper()
	for end := f.now.Add(d); f.now.Before(end); f.now = f.now.Add(10 * time.Millisecond) {
		for len(f.toHome) > 0 && !f.toHome[0].due.After(f.now) {
			o := f.toHome[0].out
			f.toHome = f.toHome[1:]
			var r Result
			var err error
			if o.Frame.Type == FrameHello {
				r, err = f.h.Hello(f.now, o.To, "slice", o.Frame)
			} else {
				r, err = f.h.Frame(f.now, o.To, o.Frame)
			}
			if err != nil {
				f.t.Fatal(err)
			}
			f.down(r)
		}
		for len(f.toClient) > 0 && !f.toClient[0].due.After(f.now) && !f.deaf {
			o := f.toClient[0].out
			f.toClient = f.toClient[1:]
			r, err := f.c.Receive(f.now, o.To, o.Frame)
			if err != nil {
				f.t.Fatal(err)
			}
			f.up(r.Outs)
		}
		r := f.c.Tick(f.now)
		f.up(r.Outs)
		f.dropped += len(r.Drop)
		if r.Suspect {
			f.suspects++
		}
	}
}

// TestAFarEdgeIsNotASilentOne: an idle session over a round trip of several heartbeats suspects nobody and tells its round trips; when the edge then
// does fall silent it is suspected after two heartbeats and given up after ten.
func TestAFarEdgeIsNotASilentOne(t *testing.T) {
	t.Parallel()
	for _, rtt := range []time.Duration{40 * time.Millisecond, 300 * time.Millisecond, 900 * time.Millisecond} {
		f := newFarRun(t, rtt)
		f.run(10 * time.Second)
		if f.c.Active() != 1 || f.suspects != 0 || f.dropped != 0 {
			t.Errorf("%v: at %d, suspected %d times, dropped %d times", rtt, f.c.Active(), f.suspects, f.dropped)
		}
		if len(f.trips) < 50 {
			t.Errorf("%v: %d round trips told in 10 s", rtt, len(f.trips))
		}
		for _, trip := range f.trips {
			if trip.Took < rtt || trip.Took > rtt+20*time.Millisecond {
				t.Fatalf("%v: told as %v", rtt, trip.Took)
			}
		}
		f.deaf = true
		f.run(350 * time.Millisecond)
		if f.suspects != 1 || f.dropped != 0 {
			t.Errorf("%v: after 350 ms of silence suspected %d times, dropped %d", rtt, f.suspects, f.dropped)
		}
		f.run(time.Second)
		if f.dropped == 0 {
			t.Errorf("%v: a silent edge is not given up", rtt)
		}
	}
}
