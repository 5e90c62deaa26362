package state

import (
	"fmt"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Guaranteed rates that were not kept (docs/decisions/0074-short-windows.md): the second half of the service-level record. A rate is judged in
// windows of 2 s; a minute with a short one opens a breach, a minute with windows and none short ends it. It came after the bodies of slice.breach
// and of the record's entries, which logs hold, so it is an action and a part of the state of its own.

// SliceShort is the body of slice.short: a slice got less of its guaranteed rate than it was owed, or gets it again.
type SliceShort struct {
	Open          bool
	SinceMs       int64  // begin of what is counted here, Unix milliseconds: of the minute that opens it; at its end, of what came after that minute
	UntilMs       int64  // end of it
	GuaranteedBps uint64 // the promise, bits per second; at the end 0 when nothing is guaranteed any more
	Windows       uint32 // of 2 s that were judged
	Short         uint32 // of them, with less than 98 % of what was owed
	WorstPpm      uint32 // the least of what was owed that went in one of them, parts per million; 1,000,000 when none was short
}

// The verbs of ShortEntry. ServiceEntry has others: so one never reads as the other.
const (
	verbShort = "short"
	verbWhole = "whole"
)

// ShortEntry is the body of a KindService entry of slice.short: verb "short" or "whole".
type ShortEntry struct {
	Verb  string
	Short SliceShort
}

// ShortMonth is what came of one unit's guaranteed rate in a month.
type ShortMonth struct {
	Month    uint32 // YYYYMM, UTC
	Breaches uint64 // that began in it
	Windows  uint64 // short ones that were posted
	WorstPpm uint32 // least share of what was owed
}

// shortUnit is what the state holds of one unit.
type shortUnit struct {
	Unit   nexus.ID
	Open   SliceShort // zero: none
	Months []ShortMonth
}

func shortPart() part {
	return part{name: "short-windows", save: func(s *State) []byte {
		var list []shortUnit
		for _, u := range s.order {
			if r := s.short[u.ID]; r != nil {
				list = append(list, *r)
			}
		}
		if list == nil {
			return nil
		}
		return nexus.Encode(list)
	}, load: func(s *State, b []byte) error {
		var list []shortUnit
		if err := nexus.Decode(b, &list); err != nil {
			return err
		}
		for i := range list {
			r := &list[i]
			if s.Units[r.Unit] == nil || s.short[r.Unit] != nil {
				return fmt.Errorf("short windows of unit %s: no such unit, or its second record", r.Unit)
			}
			*s.shortOf(r.Unit) = *r
		}
		return nil
	}}
}

// shortOf finds or makes a unit's record.
func (s *State) shortOf(unit nexus.ID) *shortUnit {
	if s.short == nil {
		s.short = map[nexus.ID]*shortUnit{}
	}
	if s.short[unit] == nil {
		s.short[unit] = &shortUnit{Unit: unit}
	}
	return s.short[unit]
}

// add counts what was posted in the month in which it began; the oldest month beyond serviceMonths leaves memory.
func (u *shortUnit) add(b *SliceShort) {
	key := MonthOf(b.SinceMs)
	at := -1
	for i := range u.Months {
		if u.Months[i].Month == key {
			at = i
		}
	}
	if at < 0 {
		u.Months = append(u.Months, ShortMonth{Month: key, WorstPpm: ppmAll})
		u.Months = append([]ShortMonth(nil), u.Months[max(len(u.Months)-serviceMonths, 0):]...)
		at = len(u.Months) - 1
	}
	m := &u.Months[at]
	m.Windows += uint64(b.Short)
	m.WorstPpm = min(m.WorstPpm, b.WorstPpm)
	if b.Open {
		m.Breaches++
	}
}

// ShortWindows gives a unit's months in which windows were short, oldest first, and what is open. The list is a copy.
func (s *State) ShortWindows(unit nexus.ID) (months []ShortMonth, open SliceShort) {
	u := s.short[unit]
	if u == nil {
		return nil, SliceShort{}
	}
	return append([]ShortMonth(nil), u.Months...), u.Open
}

// ppmAll is all of what was owed.
const ppmAll = 1_000_000

// sound reports whether the figures can be what was measured until nowMs.
func (b *SliceShort) sound(nowMs int64) bool {
	windowsMost := (b.UntilMs-b.SinceMs)/1000 + 2 // several edges have windows of their own at the same time: bounded below
	switch {
	case b.SinceMs < 0 || b.UntilMs <= b.SinceMs || b.UntilMs > nowMs+maxSkewMs, b.Short > b.Windows, int64(b.Windows) > windowsMost*maxShortEdges:
		return false
	case b.WorstPpm > ppmAll || (b.Short > 0) != (b.WorstPpm < ppmAll):
		return false
	}
	return !b.Open || b.Short > 0 && b.GuaranteedBps > 0
}

// maxShortEdges bounds the edges whose windows one post adds up.
const maxShortEdges = 4096

func (st *step) sliceShort() error {
	var b SliceShort
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	st.measured()
	if !b.sound(st.now) {
		st.fail(nexus.CodeMalformed, "guaranteed rate of "+u.Label, "the windows of a past time, of them short ones when it opens",
			"%d windows, %d short, the least %d ppm, %d bit/s guaranteed, time %d to %d", b.Windows, b.Short, b.WorstPpm, b.GuaranteedBps, b.SinceMs, b.UntilMs)
	}
	if _, open := st.s.ShortWindows(u.ID); open.Open == b.Open {
		st.fail(nexus.CodeConflict, "guaranteed rate of "+u.Label, "see nexus slices record "+u.Label, "open already: %t", open.Open)
	}
	st.effect = func() { st.shortEffect(u, &b) }
	return nil
}

func (st *step) shortEffect(u *Unit, b *SliceShort) {
	rec := st.s.shortOf(u.ID)
	rec.add(b)
	if !b.Open {
		rec.Open = SliceShort{}
		st.draft(u.ID, ledger.KindService, ShortEntry{Verb: verbWhole, Short: *b})
		text := "slice of " + u.Label + " gets its guaranteed rate again: " + st.rate(b.GuaranteedBps)
		if b.GuaranteedBps == 0 {
			text = "slice of " + u.Label + " has no guaranteed rate any more; the breach of it is over"
		}
		st.send(u.Owner, u.ID, "slice-whole/"+u.Label, fmt.Sprintf("%s; %d more short windows until then", text, b.Short))
		return
	}
	rec.Open = *b
	st.s.Counters.Findings++
	st.draft(u.ID, ledger.KindService, ShortEntry{Verb: verbShort, Short: *b})
	st.draft(u.ID, ledger.KindAudit, AuditFinding{Unit: u.ID, Code: "guarantee", Observed: b.Text(),
		Required: "98 % of what is owed of " + st.rate(b.GuaranteedBps) + " in each window of 2 s",
		Evidence: fmt.Sprintf("windows from %s to %s", utcSecond(b.SinceMs), utcSecond(b.UntilMs))})
	st.send(u.Owner, u.ID, "slice-short/"+u.Label, fmt.Sprintf("slice of %s got less than its guaranteed %s: %s", u.Label, st.rate(b.GuaranteedBps), b.Text()))
	st.events = append(st.events, nexus.Event{Type: "slice.breach", Index: st.index, Unit: u.ID, MustDeliver: true},
		nexus.Event{Type: "audit.finding", Index: st.index, Unit: u.ID, MustDeliver: true})
}

// Text words what was short, for findings and notices.
func (b *SliceShort) Text() string {
	return fmt.Sprintf("%d of %d windows of 2 s short, the worst with %d.%d %% of what was owed", b.Short, b.Windows, b.WorstPpm/10_000, b.WorstPpm/1000%10)
}

func bits(n uint64) string { return fmt.Sprintf("%d bit/s", n) }

func utcSecond(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// formOf decodes the body of a kind of entry that has two forms; nil when it is neither.
func formOf(kind ledger.EntryKind, body []byte) any {
	if kind == ledger.KindSlice {
		return sliceEntry(body)
	}
	v, err := ServiceBody(body)
	if err != nil {
		return nil
	}
	return v
}

// ServiceBody decodes the body of a KindService entry: a *ServiceEntry or a *ShortEntry. Pure.
func ServiceBody(body []byte) (any, error) {
	var short ShortEntry
	if nexus.Decode(body, &short) == nil && (short.Verb == verbShort || short.Verb == verbWhole) {
		return &short, nil
	}
	var e ServiceEntry
	if err := nexus.Decode(body, &e); err != nil {
		return nil, err
	}
	return &e, nil
}
