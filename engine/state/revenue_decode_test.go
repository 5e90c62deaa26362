package state

import (
	"reflect"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// FuzzDecodePost holds the fast reader of batches to the one encoding: it accepts exactly what nexus.Decode accepts and reads
// the same from it.
func FuzzDecodePost(f *testing.F) {
	full := RevenuePost{Source: "s", FirstSeq: 7, Events: []RevenueEvent{{Unit: nexus.ID{1}, Kind: "sale", Currency: "USD", Minor: -5, TimeMs: 1},
		{Unit: nexus.ID{2}, EventID: "x", Kind: "refund", Currency: "JPY", Minor: 1 << 60, TimeMs: -1, Memo: []byte("m"), RefundOf: "y"}}}
	b := nexus.Encode(full)
	f.Add(b)
	f.Add(nexus.Encode(RevenuePost{}))
	for i := range b {
		f.Add(b[:i])
		c := append([]byte(nil), b...)
		c[i] ^= 0x81
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var fast, slow RevenuePost
		ferr, serr := decodePost(b, &fast), nexus.Decode(b, &slow)
		if (ferr == nil) != (serr == nil) {
			t.Fatalf("fast %v, slow %v", ferr, serr)
		}
		if ferr == nil && !reflect.DeepEqual(fast, slow) {
			t.Fatalf("fast %+v\nslow %+v", fast, slow)
		}
	})
}

// What a batch had is gone when its room is written over by the next, whichever of the two is longer.
func TestDecodePostOver(t *testing.T) {
	t.Parallel()
	rich := RevenueEvent{Unit: nexus.ID{2}, EventID: "x", Kind: "refund", Currency: "JPY", Minor: 7, TimeMs: 9, Memo: []byte("m"), RefundOf: "y"}
	poor := RevenueEvent{Unit: nexus.ID{1}, Kind: "sale", Currency: "USD", Minor: 1}
	p := new(RevenuePost)
	for _, want := range []RevenuePost{{Source: "a", FirstSeq: 7, Events: []RevenueEvent{rich, rich, rich}}, {Source: "b", Events: []RevenueEvent{poor}},
		{Source: "c", Events: []RevenueEvent{poor, poor, poor}}, {Source: "d", Events: []RevenueEvent{poor, rich, poor, poor, poor}}} {
		if err := decodePost(want.Encode(), p); err != nil || !reflect.DeepEqual(*p, want) {
			t.Fatalf("%+v was read as %+v, %v", want, *p, err)
		}
		if p.wipe(); len(p.Events) != 0 { // not done: it gives the room to whoever applies a batch at this moment
			t.Fatal("a batch that was applied can still be read")
		}
	}
	c := seenCommand{post: p}
	if c.done(); c.post != nil {
		t.Fatal("a batch that was applied can still be read")
	}
}
