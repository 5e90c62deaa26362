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
	kind, other := state.KindUnitSuspend, state.KindUnitResume
	set := func() *state.Outcome { // by somebody else: what one did oneself is read already
		defer func() { kind, other = other, kind }()
		return w.must(w.operator, kind, w.unit, state.UnitReason{Reason: "r"})
	}
	have := len(w.a.InboxOf(w.eve.Public()).List)
	for range state.MaxInbox - have {
		set()
	}
	first := w.a.InboxOf(w.eve.Public()).List[0]
	if told := entriesOf(t, set(), ledger.KindNotice); len(told) != 2 {
		t.Errorf("%d notices at the first overflow: the notice and the word that the inbox is full", len(told))
	}
	from := w.index
	if told := entriesOf(t, set(), ledger.KindNotice); len(told) != 1 {
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
	set()
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

// What its reader did lies in the inbox as read, from the level on; what others did on the reader's units does not, and neither does what a party
// learns of another's last word. The ledger has all of them alike, and the bus tells of what is news only.
func TestOnesOwnActsAreNoNews(t *testing.T) {
	t.Parallel()
	for _, level := range []uint32{state.RulesStanding, state.RulesOwnActs} {
		w := newHall(t, level)
		unread := func(s nexus.Signer) (out []string) {
			for _, n := range w.a.InboxOf(s.Public()).List {
				if n.ReadMs == 0 || n.DeliveredMs == 0 {
					out = append(out, n.Text)
				}
			}
			return out
		}
		told := func(out *state.Outcome) (n int) {
			for _, e := range out.Events {
				if e.Type == "notice.sent" {
					n++
				}
			}
			return n
		}
		news := 1 // of one's own act
		if level >= state.RulesOwnActs {
			news = 0
		}
		out := w.must(w.ada, state.KindUnitScale, w.unit, state.UnitScale{CPUMilli: 500, MemoryBytes: 1 << 30, StorageBytes: 1 << 30, Processes: 64})
		if got := unread(w.ada); len(got) != news || told(out) != news || len(entriesOf(t, out, ledger.KindNotice)) != 1 {
			t.Errorf("level %d: of one's own shrink there is unread %q, %d told", level, got, told(out))
		}
		if !strings.HasPrefix(w.newest(w.ada), "envelope of IMVU-") { // gate 15: it is there, and can be looked up
			t.Errorf("level %d: the newest is %q", level, w.newest(w.ada))
		}
		out = w.must(w.operator, state.KindUnitSuspend, w.unit, state.UnitReason{Reason: "r"})
		if got := unread(w.ada); len(got) != news+1 || told(out) != 1 {
			t.Errorf("level %d: of an operator's suspension there is unread %q, %d told", level, got, told(out))
		}
		w.must(w.operator, state.KindUnitResume, w.unit, state.UnitReason{})
		asked, waited := len(unread(w.bob)), len(unread(w.ada))
		w.hand(w.ada, w.bob) // the operator opens it, ada grants, and bob's is the last word
		asked, waited = len(unread(w.bob))-asked, len(unread(w.ada))-waited
		if (asked == 1) != (news == 0) || waited < 2 {
			t.Errorf("level %d: of a transfer whose last word was his bob has %d unread, ada, who waited for it, %d", level, asked, waited)
		}
		w.replay()
		w.check()
	}
}

// In an inbox full of unread notices one's own act takes no room and counts as nothing that was missed.
func TestOnesOwnActsFillNoInbox(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	kind, other := state.KindUnitSuspend, state.KindUnitResume
	for len(w.a.InboxOf(w.eve.Public()).List) < state.MaxInbox {
		w.must(w.operator, kind, w.unit, state.UnitReason{Reason: "r"})
		kind, other = other, kind
	}
	before := w.a.InboxOf(w.eve.Public())
	out := w.must(w.eve, state.KindSliceSet, w.unit, state.SliceSet{Class: "interactive", CeilingBps: 7})
	after := w.a.InboxOf(w.eve.Public())
	if after.Overflow.Count != 0 || after.Next != before.Next || len(after.List) != state.MaxInbox || after.List[0] != before.List[0] ||
		len(entriesOf(t, out, ledger.KindNotice)) != 1 {
		t.Errorf("%d notices, next %d after %d, overflow %+v", len(after.List), after.Next, before.Next, after.Overflow)
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
