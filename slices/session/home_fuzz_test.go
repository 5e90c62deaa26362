package session

import (
	"bytes"
	"crypto/ed25519"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// FuzzHome gives a home frames of any kind in any order on three connections, with losses and time between: it never panics, holds no more than the
// sessions that were opened, hands every message over at most once and in order, and lets go of everything in the end.
func FuzzHome(f *testing.F) {
	step := func(slot int, frame Frame) []byte { // the first byte says which connection, and how long the frame is
		b := frame.Encode()
		return append([]byte{byte(3*(len(b)-1) + slot)}, b...)
	}
	hello := Frame{Type: FrameHello}
	data := Frame{Type: FrameData, Seq: 1, Payload: []byte("x")}
	f.Add(bytes.Join([][]byte{step(0, hello), step(0, data), step(0, data), step(1, hello), {255}, {240}, step(2, hello)}, nil))
	f.Add(bytes.Join([][]byte{step(0, hello), step(0, Frame{Type: FrameGap, Seq: 9}), step(0, Frame{Type: FrameAck, Seq: 3}),
		step(0, Frame{Type: FrameConfirm, Epoch: 1, Seq: 1}), step(0, Frame{Type: FrameClose}), step(1, data)}, nil))
	_, key, err := ed25519.GenerateKey(bytes.NewReader(make([]byte, 64)))
	if err != nil {
		f.Fatal(err)
	}
	tickets, err := NewTickets(key, nexus.ID{1})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ids := byte(0)
		w := &fuzzedHome{t: t, now: time.Unix(1_700_000_000, 0), slots: [3]Attachment{1, 2, 3}, next: 4,
			greeted: map[Attachment]bool{}, last: map[nexus.ID]uint64{}}
		w.home = NewHome(Limits{}.WithDefaults(), tickets, func() nexus.ID { ids++; return nexus.ID{ids} })
		for len(b) > 0 && ids < 200 {
			b = w.step(b[0], b[1:])
			if n := w.home.Sessions(); n > w.opened {
				t.Fatalf("%d sessions, %d were opened", n, w.opened)
			}
		}
		for at := Attachment(1); at < w.next; at++ {
			w.home.Lost(w.now, at)
		}
		for range 3 {
			w.now = w.now.Add(24 * time.Hour)
			w.judge(w.home.Tick(w.now))
		}
		if n := w.home.Sessions(); n != 0 {
			t.Fatalf("%d sessions are left", n)
		}
	})
}

// fuzzedHome is a home and what its clients know.
type fuzzedHome struct {
	t       *testing.T
	home    *Home
	now     time.Time
	slots   [3]Attachment // the connections; a number is never used again
	next    Attachment
	greeted map[Attachment]bool
	last    map[nexus.ID]uint64 // message of each session
	opened  int
}

// step does what the first byte says with what follows, and gives the rest.
func (w *fuzzedHome) step(op byte, b []byte) (rest []byte) {
	slot := int(op % 3)
	at := w.slots[slot]
	switch {
	case op >= 250:
		w.judge(w.home.Tick(w.now))
		w.now = w.now.Add(time.Duration(op-249) * time.Second)
		return b
	case op >= 240:
		w.lose(slot)
		return b
	}
	n := min(len(b), int(op/3)+1)
	frame, err := ParseFrame(b[:n])
	if err != nil {
		return b[n:]
	}
	var r Result // an error is the answer to a frame that has no place
	if w.greeted[at] {
		r, _ = w.home.Frame(w.now, at, frame)
	} else {
		w.greeted[at] = true
		r, _ = w.home.Hello(w.now, at, "s", frame)
	}
	w.judge(r)
	for _, o := range r.Outs {
		if o.Close && o.To == at {
			w.lose(slot)
			break
		}
	}
	return b[n:]
}

func (w *fuzzedHome) lose(slot int) {
	w.home.Lost(w.now, w.slots[slot])
	w.slots[slot] = w.next
	w.next++
}

func (w *fuzzedHome) judge(r Result) {
	w.opened += len(r.Opened)
	for _, m := range r.Messages {
		if m.Seq != 0 && m.Seq <= w.last[m.Session] {
			w.t.Fatalf("message %d of %v after %d", m.Seq, m.Session, w.last[m.Session])
		}
		w.last[m.Session] = max(w.last[m.Session], m.Seq)
	}
}
