package state

import (
	"fmt"
	"strconv"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// What level 7 of the rules changed (docs/decisions/0081-budgets-that-can-be-judged.md): the least latency budget, and notices of slices that say what
// changed, from what to what, in units for people. Each function here does as before below that level.

// seventh reports whether the rules of level 7 hold.
func (s *State) seventh() bool { return s.Rules >= RulesBudgets }

// judgeable refuses a latency budget (microseconds) that no minute can be held against. A slice that has one already, from an earlier level or
// another platform, keeps it in a change of something else.
func (st *step) judgeable(u *Unit, budget int64, class string) {
	if !st.s.seventh() || budget <= 0 || budget >= slices.LeastBudgetMicros || budget == u.Slice.BudgetMicros {
		return // one below 0 is gate 8's
	}
	hint := "give " + millis(slices.LeastBudgetMicros) + " or more"
	if of := budgetMicros(class); of > 0 {
		hint += "; 0 is the " + millis(of) + " of class " + class
	}
	st.fail(nexus.CodeMalformed, "latency budget of "+millis(budget)+" of "+u.Label, hint,
		"the least is %s, %s more: a minute in which even the requests straight to the responder take longer than the budget is void, "+
			"and those take about that long", millis(slices.LeastBudgetMicros), millis(slices.LeastBudgetMicros-budget))
}

// setText is the notice of slice.set to the owner, made before the slice changes.
func (st *step) setText(u *Unit, b *SliceSet) string {
	if !st.s.seventh() {
		return fmt.Sprintf("slice of %s is now %s, %d bit/s guaranteed, %d bit/s ceiling%s", u.Label, b.Class, b.GuaranteedBps, b.CeilingBps,
			capWords(st.facts.Session))
	}
	if changed := SliceChange(u.Slice, *b, st.s.SessionCap(u.ID)); changed != "" {
		return "slice of " + u.Label + " changed: " + changed
	}
	return "slice of " + u.Label + " was set again as it was"
}

// proposedSlice words a slice.set for whoever is asked to grant it.
func (s *State) proposedSlice(u *Unit, b *SliceSet) string {
	return wordsOfChange("slice.set: %s", orDefault(SliceChange(u.Slice, *b, s.SessionCap(u.ID)), "nothing changes"))
}

// SliceChange says what a slice.set makes of a slice: what changes, new in place of old, in milliseconds and Mbit/s; empty when nothing does. sessionCap
// is the slice's own cap, 0 for the class's number. What stands last is cut first where there is little room: it follows from the class. Pure.
func SliceChange(from SliceSpec, to SliceSet, sessionCap uint32) string {
	want := specOf(&to, 0)
	var capFrom, capTo int64
	if _, err := slices.ParseClass(want.Class); err == nil && sessionCap == 0 {
		capFrom, capTo = sessionsInForce(0, from.Class), sessionsInForce(0, want.Class)
	}
	var out []string
	add := func(changed bool, to, from string) {
		if changed {
			out = append(out, to+" in place of "+from)
		}
	}
	add(want.Class != from.Class, "class "+want.Class, from.Class)
	had := strings.TrimSuffix(guaranteeWords(from.GuaranteedBps), " guaranteed")
	add(want.GuaranteedBps != from.GuaranteedBps, guaranteeWords(want.GuaranteedBps), had)
	add(want.CeilingBps != from.CeilingBps, "ceiling "+ceilingWords(want.CeilingBps), ceilingWords(from.CeilingBps))
	add(want.BudgetMicros != from.BudgetMicros, "latency budget "+millis(want.BudgetMicros), millis(from.BudgetMicros))
	add(capTo != capFrom, fmt.Sprintf("at most %d connections at once", capTo), strconv.FormatInt(capFrom, 10))
	now, before := priorityOf(want.Class), priorityOf(from.Class)
	add(now != before, fmt.Sprintf("priority %d", now), strconv.Itoa(before))
	return strings.Join(out, ", ")
}

// specOf is the slice that a body of slice.set asks for.
func specOf(b *SliceSet, index uint64) SliceSpec {
	return SliceSpec{Class: b.Class, GuaranteedBps: b.GuaranteedBps, CeilingBps: b.CeilingBps, BudgetMicros: orNumber(b.BudgetMicros, budgetMicros(b.Class)),
		Index: index}
}

// priorityOf is the place in the queue that a class gives, 0 for none; the smaller is served first.
func priorityOf(class string) int {
	c, err := slices.ParseClass(class)
	if err != nil {
		return 0
	}
	spec, _ := c.Spec()
	return int(spec.Priority)
}

func guaranteeWords(bps int64) string {
	if bps == 0 {
		return "a fair share"
	}
	return rateWords(bps) + " guaranteed"
}

func ceilingWords(bps int64) string {
	if bps == 0 {
		return "the gateway's capacity"
	}
	return rateWords(bps)
}

// setCapText is the notice of slice.sessions to the owner, made before the cap changes.
func (st *step) setCapText(u *Unit, sessions uint32) string {
	text := fmt.Sprintf("slice of %s now has at most %s", u.Label, sessionsText(sessions, u.Slice.Class))
	if !st.s.seventh() {
		return text
	}
	had := sessionsInForce(st.s.SessionCap(u.ID), u.Slice.Class)
	switch {
	case had == sessionsInForce(sessions, u.Slice.Class):
		return text + ", as before"
	case sessions == 0:
		return fmt.Sprintf("%s, in place of %d", text, had)
	}
	return fmt.Sprintf("%s in place of %d", text, had)
}

// latency writes microseconds for a notice or a finding: as such below level 7.
func (st *step) latency(micros int64) string {
	if !st.s.seventh() {
		return fmt.Sprintf("%d us", micros)
	}
	return millis(micros)
}

// keptText is the notice that a slice keeps its latency budget again.
func (st *step) keptText(u *Unit, b *SliceBreach) string {
	if !st.s.seventh() {
		return fmt.Sprintf("slice of %s keeps its budget again: p99 %d of %d us", u.Label, b.AddedP99, b.Budget)
	}
	return fmt.Sprintf("slice of %s keeps its latency budget again: added p99 %s, budget %s", u.Label, millis(b.AddedP99), millis(b.Budget))
}

// rate writes bits per second for a notice or a finding: as such below level 7.
func (st *step) rate(bps uint64) string {
	if !st.s.seventh() {
		return bits(bps)
	}
	return rateWords(bps)
}

// millis writes microseconds as milliseconds, exactly: 1.5 ms.
func millis(micros int64) string { return thousandths(micros) + " ms" }

// rateWords writes bits per second in the largest unit that says them exactly with three decimal places: 1.5 Mbit/s. wire.Human does the same with
// the bare numbers in texts of earlier levels.
func rateWords[N int64 | uint64](bps N) string {
	for _, u := range []struct {
		step N
		name string
	}{{1_000_000_000, "Gbit/s"}, {1_000_000, "Mbit/s"}, {1000, "kbit/s"}} {
		if bps >= u.step && bps%(u.step/1000) == 0 {
			return thousandths(int64(bps/(u.step/1000))) + " " + u.name
		}
	}
	return fmt.Sprintf("%d bit/s", bps)
}

// thousandths writes n thousandths without zeros at the end.
func thousandths(n int64) string {
	text := fmt.Sprintf("%d.%03d", n/1000, n%1000)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
