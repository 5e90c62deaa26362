package engine_test

import (
	"fmt"
	"reflect"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// The tally as of an earlier size is what the tally was then, and its root is the root of then.
func TestTallyAtIsTheTallyOfThen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	unit := r.create("Shop", "ada", testKey(1).Public())
	type moment struct {
		size uint64
		root string
		ms   int64
		rows []wire.TallyRow
	}
	var then []moment
	for i := range 6 {
		event := state.RevenueEvent{Unit: unit, EventID: fmt.Sprint("e", i), Kind: "sale", Currency: []string{"USD", "JPY"}[i%2], Minor: int64(7*i + 1), TimeMs: 1}
		if i == 4 {
			event.Kind, event.Minor, event.RefundOf = "refund", -8, "e2"
		}
		if _, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource,
			Events: []state.RevenueEvent{event}}); err != nil {
			t.Fatal(err)
		}
		cp, _, _ := r.eng.Head()
		tally := r.eng.Tally(false)
		then = append(then, moment{cp.Size, cp.Root.String(), tally.Time.UnixMilli(), tally.Units})
	}
	for i, want := range then {
		for _, got := range []func() (wire.Tally, error){
			func() (wire.Tally, error) { return r.eng.TallyAt(want.size, 0, false) },
			func() (wire.Tally, error) { return r.eng.TallyAt(0, want.ms, false) },
		} {
			tally, err := got()
			if err != nil || !reflect.DeepEqual(tally.Units, want.rows) || tally.At.Size != want.size {
				t.Fatalf("moment %d: %+v at %+v, want %+v at %d: %v", i, tally.Units, tally.At, want.rows, want.size, err)
			}
			if root, err := r.eng.RootAt(tally.At.Size); err != nil || root.String() != want.root {
				t.Errorf("moment %d: root %s, was %s: %v", i, root, want.root, err)
			}
		}
	}
	if tally, err := r.eng.TallyAt(1, 0, false); err != nil || len(tally.Units) != 0 {
		t.Errorf("before any revenue: %+v, %v", tally.Units, err)
	}
	if _, err := r.eng.TallyAt(1<<40, 0, false); nexus.CodeOf(err) != nexus.CodeMalformed {
		t.Errorf("past the end: %v", err)
	}
}
