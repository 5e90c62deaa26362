package state

import (
	"fmt"
	stdslices "slices"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Metered usage (SPEC sections 1 and 4): the node that meters posts it, each unit's part an entry in its own chain with the price list that
// holds, so that whoever has the unit's entries can price them again.

// KindUsagePost is the kind of action that posts it.
const KindUsagePost = "usage.post"

const (
	maxUsageRows  = 8192
	maxUsageCount = 1 << 62 // of one meter in one span
)

// UsagePost is the body of usage.post: what the node's meters counted since it posted last. The span lies within one month.
type UsagePost struct {
	FromMs int64 // Unix milliseconds
	ToMs   int64
	Rows   []UsageRow
}

// UsageRow is one unit's part.
type UsageRow struct {
	Unit   nexus.ID
	Counts []ledger.UsageCount // in the order of Meters, each above 0
}

// UsageMonth is what a unit used in its newest month, by price list and meter.
type UsageMonth struct {
	Unit  nexus.ID
	Month uint32 // YYYYMM, UTC
	Lines []UsageLine
}

// UsageLine is one meter under one price list, 0: none was in force.
type UsageLine struct {
	List     uint32
	Meter    string
	Quantity uint64
}

// UsageOf gives a unit's newest month; false when nothing was posted. The lines are the caller's.
func (s *State) UsageOf(unit nexus.ID) (UsageMonth, bool) {
	m := s.usage[unit]
	if m == nil {
		return UsageMonth{Unit: unit}, false
	}
	out := *m
	out.Lines = append([]UsageLine(nil), m.Lines...)
	return out, true
}

// UsagePostedTo is the end of what a node has posted of usage, Unix milliseconds, 0 when nothing.
func (s *State) UsagePostedTo(node nexus.PublicKey) int64 {
	for _, p := range s.usagePosted {
		if p.Node == node {
			return p.ToMs
		}
	}
	return 0
}

func (st *step) usagePost() error {
	var b UsagePost
	if !st.body(&b) {
		return nil
	}
	st.measured() // what was used is stated by what measured it, never by the unit or an operator
	span, month := b.ToMs-b.FromMs, MonthOf(b.FromMs)
	node := st.cmd.Action.Actor
	at := stdslices.IndexFunc(st.s.usagePosted, func(p servicePosted) bool { return p.Node == node })
	switch {
	case b.FromMs < 0 || span <= 0 || span > maxServiceSpanMs || b.ToMs > st.now+maxSkewMs || len(b.Rows) == 0 || len(b.Rows) > maxUsageRows:
		st.fail(nexus.CodeMalformed, fmt.Sprintf("usage %d to %d of %d units", b.FromMs, b.ToMs, len(b.Rows)),
			"a past span of at most two hours, 1 to 8192 units", "not a record of measurements")
	case month != MonthOf(b.ToMs-1):
		st.fail(nexus.CodeMalformed, "usage across two months", "post one record for each month", "not within one month")
	case at >= 0 && b.FromMs < st.s.usagePosted[at].ToMs:
		st.fail(nexus.CodeConflict, fmt.Sprintf("usage from %d", b.FromMs), "post what came after", "this node has posted up to %d", st.s.usagePosted[at].ToMs)
	}
	seen := map[nexus.ID]bool{}
	for i := range b.Rows {
		r := &b.Rows[i]
		why := badCounts(r.Counts)
		strange := st.s.Units[r.Unit] == nil || seen[r.Unit]
		if strange && why == "" && st.s.fourth() {
			why = "no unit here, or one named before"
		}
		if why != "" || strange {
			st.fail(nexus.CodeMalformed, "usage of unit "+r.Unit.String(), "a known unit, once, with its meters in order", "%s", why)
		}
		seen[r.Unit] = true
	}
	st.effect = func() {
		if at < 0 {
			st.s.usagePosted = append(st.s.usagePosted, servicePosted{Node: node})
			at = len(st.s.usagePosted) - 1
		}
		st.s.usagePosted[at].ToMs = b.ToMs
		e := ledger.UsageBody{FromMs: b.FromMs, ToMs: b.ToMs}
		if list, ok := st.s.PricesIn(month); ok {
			e.List, e.Prices = list.Number, list.Digest()
		}
		for _, r := range b.Rows {
			e.Counts = r.Counts
			st.s.addUsage(r.Unit, month, e.List, r.Counts)
			st.draft(r.Unit, ledger.KindUsage, e)
		}
	}
	return nil
}

func badCounts(counts []ledger.UsageCount) string {
	at := 0
	for _, c := range counts {
		i := stdslices.Index(Meters, c.Meter)
		if i < at || c.Quantity == 0 || c.Quantity > maxUsageCount {
			return fmt.Sprintf("meter %q with %d: none, out of order, or nothing", clip(c.Meter), c.Quantity)
		}
		at = i + 1
	}
	if len(counts) == 0 {
		return "no meter"
	}
	return ""
}

// addUsage adds to a unit's newest month; what is late for an older one stands in the ledger alone.
func (s *State) addUsage(unit nexus.ID, month, list uint32, counts []ledger.UsageCount) {
	if s.usage == nil {
		s.usage = map[nexus.ID]*UsageMonth{}
	}
	m := s.usage[unit]
	if m == nil || m.Month < month {
		m = &UsageMonth{Unit: unit, Month: month}
		s.usage[unit] = m
	}
	if m.Month != month {
		return
	}
	for _, c := range counts {
		i := stdslices.IndexFunc(m.Lines, func(l UsageLine) bool { return l.List == list && l.Meter == c.Meter })
		if i < 0 {
			m.Lines = append(m.Lines, UsageLine{List: list, Meter: c.Meter})
			i = len(m.Lines) - 1
		}
		m.Lines[i].Quantity = addQuantity(m.Lines[i].Quantity, c.Quantity)
	}
}

// addQuantity adds and stays at the largest number where the sum passes 64 bits.
func addQuantity(a, b uint64) uint64 {
	if sum := a + b; sum >= a {
		return sum
	}
	return 1<<64 - 1
}

func usagePart() part {
	type picture struct {
		Units  []UsageMonth // by unit id
		Posted []servicePosted
	}
	return part{name: "usage", save: func(s *State) []byte {
		if len(s.usage)+len(s.usagePosted) == 0 {
			return nil
		}
		p := picture{Posted: s.usagePosted}
		for _, id := range sortedIDs(s.usage) {
			p.Units = append(p.Units, *s.usage[id])
		}
		return nexus.Encode(p)
	}, load: func(s *State, b []byte) error {
		var p picture
		if err := nexus.Decode(b, &p); err != nil {
			return err
		}
		s.usagePosted, s.usage = p.Posted, map[nexus.ID]*UsageMonth{}
		for i := range p.Units {
			s.usage[p.Units[i].Unit] = &p.Units[i]
		}
		return nil
	}}
}
