package session

import (
	"crypto/ed25519"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// TestBrokenProtocolEndsNoSession: what the home says of a broken rule costs the client its connection, and both ends go on over the next.
func TestBrokenProtocolEndsNoSession(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	tickets, err := NewTickets(key, nexus.ID{1})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	h, c := NewHome(Limits{}, tickets, nil), NewClient(Limits{})
	// deliver takes what the home says to the client and gives what that leads to.
	deliver := func(r Result) (all ClientResult) {
		for _, o := range r.Outs {
			got, err := c.Receive(now, o.To, o.Frame)
			if err != nil {
				t.Fatal(err)
			}
			all.Outs, all.Drop = append(all.Outs, got.Outs...), append(all.Drop, got.Drop...)
			all.Ended += got.Ended
		}
		return all
	}
	connect := func(at Attachment) ClientResult {
		r, err := h.Hello(now, at, "slice", c.Connected(now, at).Frame)
		if err != nil {
			t.Fatal(err)
		}
		return deliver(r)
	}
	connect(1)
	if _, err := c.Send([]byte("a")); err != nil {
		t.Fatal(err)
	}
	// The message is lost, the one after it arrives: a rule is broken.
	r, err := h.Frame(now, 1, Frame{Type: FrameData, Seq: 2, Payload: []byte("b")})
	if err == nil {
		t.Fatal("message 2 after 0 was taken")
	}
	if got := deliver(r); got.Ended != "" || len(got.Drop) != 1 || got.Drop[0] != 1 || h.Sessions() != 1 {
		t.Fatalf("after a broken rule: %+v, %d sessions held", got, h.Sessions())
	}
	if !c.Lost(1) {
		t.Fatal("the client does not look for another connection")
	}
	again := connect(2)
	if len(again.Outs) == 0 || again.Outs[0].Frame.Type != FrameData || again.Outs[0].Frame.Seq != 1 || c.Active() != 2 {
		t.Errorf("over the next connection: %+v", again)
	}
}
