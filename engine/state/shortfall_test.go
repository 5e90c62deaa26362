package state_test

import (
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// short is what a minute that ends now came to: 30 windows, of which some were short.
func short(w *house, open bool, windows uint32) state.SliceShort {
	b := state.SliceShort{Open: open, SinceMs: w.now - 60_000, UntilMs: w.now, GuaranteedBps: 4_000_000, Windows: 30, Short: windows, WorstPpm: 1_000_000}
	if windows > 0 {
		b.WorstPpm = 612_345
	}
	return b
}

// A guaranteed rate that was not kept is an entry with its evidence, a notice and a finding; it opens once, ends once, and outlives a restart.
func TestAShortRateIsEntryNoticeAndFinding(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.now = 10 * hourMs
	opened := short(w, true, 2)
	out := w.must(w.node, state.KindSliceShort, w.unit, opened)
	for kind, want := range map[ledger.EntryKind]int{ledger.KindService: 1, ledger.KindNotice: 1, ledger.KindAudit: 1} {
		if got := len(entriesOf(t, out, kind)); got != want {
			t.Errorf("%d entries of kind %s, want %d", got, kind, want)
		}
	}
	said := "slice of " + w.a.Units[w.unit].Label + " got less than its guaranteed 4 Mbit/s: " +
		"2 of 30 windows of 2 s short, the worst with 61.2 % of what was owed"
	box := w.a.InboxOf(w.eve.Public()).List
	if text := box[len(box)-1].Text; text != said {
		t.Errorf("the notice says %q", text)
	}
	if again := w.do(w.node, state.KindSliceShort, w.unit, short(w, true, 3)); again.Err == nil {
		t.Error("an open breach opens again")
	}
	w.swap()
	if _, open := w.a.ShortWindows(w.unit); open != opened {
		t.Errorf("open after a restart: %+v", open)
	}
	out = w.must(w.node, state.KindSliceShort, w.unit, short(w, false, 5))
	for _, e := range entriesOf(t, out, ledger.KindService) {
		if b, err := state.ServiceBody(e.Body); err != nil || b.(*state.ShortEntry).Verb != "whole" {
			t.Errorf("%+v, %v", b, err)
		}
	}
	months, open := w.a.ShortWindows(w.unit)
	if open.Open || len(months) != 1 || months[0] != (state.ShortMonth{Month: 197001, Breaches: 1, Windows: 7, WorstPpm: 612_345}) {
		t.Errorf("months %+v, open %+v", months, open)
	}
	if again := w.do(w.node, state.KindSliceShort, w.unit, short(w, false, 0)); again.Err == nil {
		t.Error("a breach that is not open ends")
	}
	w.check()
}

// Only what measures may state it; figures that contradict themselves are refused.
func TestShortRatesAreStatedByNodesOnly(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.now = 10 * hourMs
	for _, who := range []nexus.KeySigner{w.eve, w.bob, w.operator} {
		if out := w.do(who, state.KindSliceShort, w.unit, short(w, true, 2)); out.Receipt.Allowed {
			t.Error("somebody else than a node states a short rate")
		}
	}
	bent := func(bend func(*state.SliceShort)) state.SliceShort {
		b := short(w, true, 2)
		bend(&b)
		return b
	}
	for name, b := range map[string]state.SliceShort{"none short": short(w, true, 0), "more short than there were": short(w, true, 31),
		"nothing guaranteed":          bent(func(b *state.SliceShort) { b.GuaranteedBps = 0 }),
		"short, and all of it":        bent(func(b *state.SliceShort) { b.WorstPpm = 1_000_000 }),
		"more than all":               bent(func(b *state.SliceShort) { b.WorstPpm = 1_000_001 }),
		"no time":                     bent(func(b *state.SliceShort) { b.SinceMs = b.UntilMs }),
		"the future":                  bent(func(b *state.SliceShort) { b.UntilMs = w.now + 61_000 }),
		"before time":                 bent(func(b *state.SliceShort) { b.SinceMs = -1 }),
		"more windows than time":      bent(func(b *state.SliceShort) { b.Windows = 1 << 30 }),
		"closed though never opened ": short(w, false, 0)} {
		if out := w.do(w.node, state.KindSliceShort, w.unit, b); out.Err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	w.check()
}

// The two forms of a service entry are told apart, and what is neither is an error.
func TestServiceBodies(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"minutes", "breached", "kept"} {
		e := state.ServiceEntry{Verb: verb, FromMs: 1, ToMs: 2, Minutes: state.MinutesRow{Kept: 1}, Breach: state.SliceBreach{Open: true}}
		if b, err := state.ServiceBody(nexus.Encode(e)); err != nil || *b.(*state.ServiceEntry) != e {
			t.Errorf("%s: %+v, %v", verb, b, err)
		}
	}
	e := state.ShortEntry{Verb: "short", Short: state.SliceShort{Open: true, Short: 1}}
	if b, err := state.ServiceBody(nexus.Encode(e)); err != nil || *b.(*state.ShortEntry) != e {
		t.Errorf("%+v, %v", b, err)
	}
	e.Verb = "kept" // of the other form
	if b, err := state.ServiceBody(nexus.Encode(e)); err == nil {
		t.Errorf("read as %+v", b)
	}
	if b, err := state.ServiceBody([]byte(strings.Repeat("x", 9))); err == nil {
		t.Errorf("read as %+v", b)
	}
}

// FuzzServiceBody: whatever stands in an entry, it is read as one form or refused, and what is read is what was written.
func FuzzServiceBody(f *testing.F) {
	f.Add(nexus.Encode(state.ShortEntry{Verb: "whole"}))
	f.Add(nexus.Encode(state.ServiceEntry{Verb: "minutes"}))
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := state.ServiceBody(body)
		switch v := b.(type) {
		case *state.ShortEntry:
			if string(nexus.Encode(*v)) != string(body) {
				t.Error("not what was written")
			}
		case *state.ServiceEntry:
			if string(nexus.Encode(*v)) != string(body) {
				t.Error("not what was written")
			}
		default:
			if err == nil {
				t.Error("neither form nor error")
			}
		}
	})
}
