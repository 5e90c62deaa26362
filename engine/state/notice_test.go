package state_test

import (
	"fmt"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Every attempt of the platform's side on a unit is told to its owner, once an hour each; a stranger's is not.
func TestOwnersAreToldOfAttempts(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.must(w.eve, state.KindRouteSet, w.unit, state.RouteSet{Host: w.a.Units[w.unit].Domain, Backend: "http://127.0.0.1:9000"})
	texts := func() string {
		var b strings.Builder
		for _, n := range w.a.InboxOf(w.eve.Public()).List {
			fmt.Fprintf(&b, "%d x %s\n", n.Times, n.Text)
		}
		return b.String()
	}
	scale := state.UnitScale{CPUMilli: 1, MemoryBytes: 1, StorageBytes: 1, Processes: 1}
	reroute := state.RouteSet{Host: w.a.Units[w.unit].Domain, Backend: "http://127.0.0.1:9001"}
	for range 3 {
		w.do(w.operator, state.KindUnitScale, w.unit, scale)
		w.do(w.operator, state.KindRouteSet, w.unit, reroute)
	}
	w.do(w.operator, state.KindUnitTransfer, w.unit, to(w.bob))
	before := len(w.a.InboxOf(w.eve.Public()).List)
	w.do(w.bob, state.KindRouteSet, w.unit, reroute)
	got := texts()
	for _, want := range []string{"3 x refused: imvu.scale on IMVU-003 by operator (gate 15", "3 x refused: route.set on IMVU-003 by operator (gate 14",
		"1 x refused: unit.transfer on IMVU-003 by operator (gate 1 "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if len(w.a.InboxOf(w.eve.Public()).List) != before {
		t.Error("a stranger's attempt fills the inbox")
	}
	w.now += hourMs
	if out := w.do(w.operator, state.KindRouteSet, w.unit, reroute); len(entriesOf(t, out, ledger.KindNotice)) != 1 {
		t.Error("an attempt an hour later is not told")
	}
	w.swap()
	w.check()
}

// Nothing unread is pushed out: what has no room is counted, once said in the ledger, and what was read makes room.
func TestUnreadNoticesAreNeverDropped(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	set := func(n int) *state.Outcome {
		return w.must(w.eve, state.KindSliceSet, w.unit, state.SliceSet{Class: "interactive", CeilingBps: int64(n + 1)})
	}
	have := len(w.a.InboxOf(w.eve.Public()).List)
	for n := have; n < state.MaxInbox; n++ {
		set(n)
	}
	first := w.a.InboxOf(w.eve.Public()).List[0]
	if told := entriesOf(t, set(1), ledger.KindNotice); len(told) != 2 {
		t.Errorf("%d notices at the first overflow: the notice and the word that the inbox is full", len(told))
	}
	from := w.index
	if told := entriesOf(t, set(2), ledger.KindNotice); len(told) != 1 {
		t.Errorf("%d notices at the second", len(told))
	}
	w.swap()
	box := w.a.InboxOf(w.eve.Public())
	if len(box.List) != state.MaxInbox || box.List[0] != first || box.Overflow != (state.Overflow{Count: 2, First: from, Last: w.index}) {
		t.Fatalf("%d in the inbox from %+v, overflow %+v at %d", len(box.List), box.List[0], box.Overflow, w.index)
	}
	invalidFor(t, w.do(w.eve, state.KindNoticeMark, nexus.ID{}, state.NoticeMark{ReadUpTo: box.Next + 1}), nexus.CodeConflict, "its newest notice is")
	invalidFor(t, w.do(w.eve, state.KindNoticeMark, nexus.ID{}, state.NoticeMark{Overflow: 3}), nexus.CodeConflict, "2 had no room, not 3")
	invalidFor(t, w.do(w.bob, state.KindNoticeMark, nexus.ID{}, state.NoticeMark{ReadUpTo: 1}), nexus.CodeNotFound, "is empty")
	w.must(w.eve, state.KindNoticeMark, nexus.ID{}, state.NoticeMark{Read: []uint64{first.ID, first.ID + 1}, Overflow: 2, Delivered: first.ID + 5})
	set(3)
	box = w.a.InboxOf(w.eve.Public())
	if box.List[0].ID != first.ID+1 || box.List[0].ReadMs == 0 || box.List[3].DeliveredMs == 0 || box.List[3].ReadMs != 0 || box.Overflow.Count != 0 ||
		len(box.List) != state.MaxInbox {
		t.Errorf("after reading two: %+v, %+v, overflow %+v", box.List[0], box.List[3], box.Overflow)
	}
	w.must(w.eve, state.KindIdentityRotate, nexus.ID{}, w.change())
	if moved := w.a.InboxOf(w.next.Public()); len(moved.List) != state.MaxInbox || len(w.a.InboxOf(w.eve.Public()).List) != 0 {
		t.Errorf("the successor has %d notices", len(moved.List))
	}
	w.swap()
	w.check()
}

// Marks reach the signer's own inbox alone, and nothing that was not shown there.
func TestMarksAreOnesOwnAndOfWhatWasShown(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.must(w.operator, state.KindUnitSuspend, w.unit, state.UnitReason{Reason: "r"})
	newest := w.a.InboxOf(w.eve.Public()).Next
	invalidFor(t, w.do(w.carl, state.KindNoticeMark, nexus.ID{}, state.NoticeMark{ReadUpTo: 1}), nexus.CodeNotFound, "is empty")
	for name, b := range map[string]state.NoticeMark{
		"delivered, not yet there": {Delivered: newest + 1},
		"read, not yet there":      {ReadUpTo: newest + 1},
		"an overflow of none":      {Overflow: 1},
	} {
		if out := w.do(w.eve, state.KindNoticeMark, nexus.ID{}, b); nexus.CodeOf(out.Err) != nexus.CodeConflict {
			t.Errorf("%s: %v", name, out.Err)
		}
	}
	for _, other := range []nexus.Signer{w.operator, w.node, w.ada, w.world.platform} { // theirs may take it: eve's stays unread
		w.do(other, state.KindNoticeMark, nexus.ID{}, state.NoticeMark{ReadUpTo: 1})
	}
	for _, n := range w.a.InboxOf(w.eve.Public()).List {
		if n.DeliveredMs != 0 || n.ReadMs != 0 {
			t.Errorf("marked by somebody else: %+v", n)
		}
	}
	w.swap()
	w.check()
}
