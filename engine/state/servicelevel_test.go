package state_test

import (
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// breach is one minute's figures that end now.
func breach(w *house, open bool, p99 int64) state.SliceBreach {
	return state.SliceBreach{Open: open, SinceMs: w.now - 60_000, UntilMs: w.now, Budget: 10_000, AddedP99: p99, BaselineP99: 400, Samples: 300}
}

// A breach is an entry with its evidence, a notice and a finding; it opens once, and ends once.
func TestSliceBreachIsEntryNoticeAndFinding(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.now = 10 * hourMs
	out := w.must(w.node, state.KindSliceBreach, w.unit, breach(w, true, 25_000))
	for kind, want := range map[ledger.EntryKind]int{ledger.KindService: 1, ledger.KindNotice: 1, ledger.KindAudit: 1} {
		if got := len(entriesOf(t, out, kind)); got != want {
			t.Errorf("%d entries of kind %s, want %d", got, kind, want)
		}
	}
	box := w.a.InboxOf(w.eve.Public()).List
	if text := box[len(box)-1].Text; !strings.Contains(text, "added p99 25 ms, budget 10 ms") {
		t.Errorf("the notice says %q", text)
	}
	if again := w.do(w.node, state.KindSliceBreach, w.unit, breach(w, true, 26_000)); again.Err == nil {
		t.Error("an open breach opens again")
	}
	w.swap()
	w.must(w.node, state.KindSliceBreach, w.unit, breach(w, false, 900))
	months, open := w.a.ServiceLevel(w.unit)
	if open.Open || len(months) != 1 || months[0].Breaches != 1 {
		t.Errorf("months %+v, open %+v", months, open)
	}
	if again := w.do(w.node, state.KindSliceBreach, w.unit, breach(w, false, 900)); again.Err == nil {
		t.Error("a breach that is not open ends")
	}
	w.check()
}

// Only what measures may state what was measured; figures that contradict themselves are refused.
func TestServiceLevelIsStatedByNodesOnly(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.now = 10 * hourMs
	for _, who := range []nexus.KeySigner{w.eve, w.bob, w.operator} {
		if out := w.do(who, state.KindSliceBreach, w.unit, breach(w, true, 25_000)); out.Receipt.Allowed {
			t.Error("somebody else than a node states a breach")
		}
		if out := w.do(who, state.KindSliceMinutes, nexus.ID{}, minutesOf(w, state.MinutesRow{Unit: w.unit, Kept: 5})); out.Receipt.Allowed {
			t.Error("somebody else than a node states minutes")
		}
	}
	for name, b := range map[string]state.SliceBreach{"within the budget": breach(w, true, 9_999), "over, and called kept": breach(w, false, 25_000),
		"nothing measured": {Open: true, SinceMs: 1, UntilMs: 2, Budget: 1, AddedP99: 2}} {
		if out := w.do(w.node, state.KindSliceBreach, w.unit, b); out.Err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	w.check()
}

// minutesOf is a record of the hour that ends now.
func minutesOf(w *house, rows ...state.MinutesRow) state.SliceMinutes {
	return state.SliceMinutes{FromMs: w.now - hourMs, ToMs: w.now, Rows: rows}
}

func TestSliceMinutesAddUpByMonthAndNeverTwice(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.now = time.Date(2026, 3, 5, 10, 0, 0, 0, time.UTC).UnixMilli()
	first := minutesOf(w, state.MinutesRow{Unit: w.unit, Kept: 58, Broken: 1, Void: 1, WorstP99: 12_000})
	if out := w.must(w.node, state.KindSliceMinutes, nexus.ID{}, first); len(entriesOf(t, out, ledger.KindService)) != 1 {
		t.Error("no entry in the unit's chain")
	}
	if out := w.do(w.node, state.KindSliceMinutes, nexus.ID{}, first); out.Err == nil {
		t.Error("the same minutes count twice")
	}
	w.now += hourMs
	w.must(w.node, state.KindSliceMinutes, nexus.ID{}, minutesOf(w, state.MinutesRow{Unit: w.unit, Kept: 60, WorstP99: 800}))
	w.swap()
	months, _ := w.a.ServiceLevel(w.unit)
	want := state.ServiceMonth{Month: 202603, Kept: 118, Broken: 1, Void: 1, WorstP99: 12_000}
	if len(months) != 1 || months[0] != want {
		t.Fatalf("months %+v, want %+v", months, want)
	}
	if ppm, ok := months[0].AttainmentPpm(); !ok || ppm != 991_596 {
		t.Errorf("attainment %d ppm, want 118 of 119", ppm)
	}
	w.now += hourMs
	for name, b := range map[string]state.SliceMinutes{
		"more minutes than the span holds": minutesOf(w, state.MinutesRow{Unit: w.unit, Kept: 62}),
		"a unit twice":                     minutesOf(w, state.MinutesRow{Unit: w.unit, Kept: 1}, state.MinutesRow{Unit: w.unit, Kept: 1}),
		"an unknown unit":                  minutesOf(w, state.MinutesRow{Unit: nexus.ID{99}, Kept: 1}),
		"nothing":                          minutesOf(w),
		"across two months": {FromMs: w.now, ToMs: time.Date(2026, 4, 1, 0, 1, 0, 0, time.UTC).UnixMilli(),
			Rows: []state.MinutesRow{{Unit: w.unit, Kept: 1}}},
		"the future": {FromMs: w.now, ToMs: w.now + hourMs, Rows: []state.MinutesRow{{Unit: w.unit, Kept: 1}}},
	} {
		if out := w.do(w.node, state.KindSliceMinutes, nexus.ID{}, b); out.Err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	w.check()
}
