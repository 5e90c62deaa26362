package state_test

import (
	"bytes"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/slices"
)

func whole(b state.UnitImport, budgetMicros int64, sessions uint32) state.UnitImportSlice {
	return state.UnitImportSlice{UnitImport: b, BudgetMicros: budgetMicros, Sessions: sessions}
}

// A unit that comes keeps the session cap and the latency budget that it left with, within what there is here: neither keeps it from coming.
func TestAUnitComesWithItsCapAndBudget(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		class        string
		budget       int64
		sessions     uint32
		wantBudget   int64
		wantSessions uint32
	}{
		"both":                                 {"interactive", 5_000, 77, 5_000, 77},
		"the cap alone":                        {"interactive", 0, 77, 10_000, 77},
		"the budget alone":                     {"interactive", 5_000, 0, 5_000, 0},
		"neither":                              {"interactive", 10_000, 0, 10_000, 0},
		"no class":                             {"", 5_000, 77, 5_000, 77},
		"more than there is":                   {"interactive", 1 << 40, 1 << 30, 10_000, slices.GatewayConnectionsMax},
		"below nothing":                        {"interactive", -1, 77, 10_000, 77},
		"a budget that no minute is judged by": {"interactive", 400, 77, 400, 77},  // it had it, and keeps it
		"another class":                        {"control", 3_000, 77, 10_000, 77}, // it comes as interactive, with that one's budget
	} {
		w := newHouse(t)
		b := importOf(foreign(t, w.eve.Public(), 55, 45))
		b.Class = c.class
		out := w.must(w.eve, state.KindUnitImport, nexus.ID{}, whole(b, c.budget, c.sessions).Body())
		unit := b.Evidence.Unit
		if u := w.a.Units[unit]; u.Slice.BudgetMicros != c.wantBudget || w.a.SessionCap(unit) != c.wantSessions {
			t.Errorf("%s: budget %d, cap %d", name, u.Slice.BudgetMicros, w.a.SessionCap(unit))
		}
		last := 0
		var f gates.Facts
		if err := gates.DecodeFacts(out.Decision.Facts, &f); err != nil {
			t.Fatal(err)
		}
		for _, e := range entriesOf(t, out, ledger.KindSlice) {
			if most, ok := state.DescribeBody(e.Kind, e.Body).(*state.SessionsEntry); ok && most.Sessions == c.wantSessions && e.Unit == unit {
				last++
			}
		}
		if capped := min(1, int(c.wantSessions)); last != capped || len(f.Session) != capped {
			t.Errorf("%s: %d entries of the cap, facts %+v", name, last, f.Session)
		}
		w.swap()
		w.check()
		w.replay()
	}
}

// A unit that left here comes back with the cap of its bundle when its resources had gone; before that it has its own still.
func TestAUnitComesBackWithItsCap(t *testing.T) {
	t.Parallel()
	for _, released := range []bool{false, true} {
		w := newHouse(t)
		b := gone(t, w, func(unit nexus.ID) { w.must(w.eve, state.KindSliceSessions, unit, sessions(90)) })
		want := uint32(90)
		if released {
			x, _ := w.a.ExitOf(w.unit)
			w.now, want = x.Done.GraceMs, 77
			w.must(w.node, state.KindExitSettle, w.unit, struct{}{})
		}
		w.must(w.eve, state.KindUnitImport, nexus.ID{}, whole(b, 0, 77).Body())
		if got := w.a.SessionCap(w.unit); got != want || w.status() != "active" {
			t.Errorf("released %t: %s with a cap of %d, not %d", released, w.status(), got, want)
		}
		w.check()
		w.replay()
	}
}

// Before level 6 the second form of the body was none, and it is none where the first says as much.
func TestAnImportHasOneSpelling(t *testing.T) {
	t.Parallel()
	w := newHall(t, state.RulesOwnActs)
	b := importOf(foreign(t, w.ada.Public(), 55, 45))
	bare, capped := whole(b, 0, 0), whole(b, 0, 77)
	refused := func(b state.UnitImportSlice) {
		t.Helper()
		if out := w.do(w.ada, state.KindUnitImport, nexus.ID{}, b); nexus.CodeOf(out.Err) != nexus.CodeMalformed {
			t.Errorf("%+v, %v", out.Receipt, out.Err)
		}
	}
	refused(capped)
	w.must(w.node, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: state.RulesSessionCaps})
	refused(bare)
	refused(whole(b, 10_000, 0))
	if _, short := bare.Body().(state.UnitImport); !short {
		t.Errorf("the body is a %T", bare.Body())
	}
	w.must(w.ada, state.KindUnitImport, nexus.ID{}, capped)
	w.check()
	w.replay()
}

// What is read is what was written, in the one spelling of it.
func FuzzUnitImport(f *testing.F) {
	b := state.UnitImport{Label: "IMVU-042", Class: "interactive",
		Evidence: ledger.ImportBody{Kind: nexus.KindIMVU, Balances: []ledger.Balance{{Currency: "USD"}}}}
	for _, x := range []any{b, whole(b, 0, 77), whole(b, 5_000, 0), whole(b, 10_000, 0)} {
		f.Add(nexus.Encode(x))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := state.DecodeUnitImport(body)
		if err == nil && !bytes.Equal(nexus.Encode(got.Body()), body) {
			t.Fatalf("%x reads back as %x", body, nexus.Encode(got.Body()))
		}
	})
}
