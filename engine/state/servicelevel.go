package state

import (
	"bytes"
	"fmt"
	stdslices "slices"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// The service-level record of slices (SPEC section 4): how many minutes of each month a slice kept its latency budget, and every
// breach with its evidence. The node that measures posts both; a breach is an entry in the unit's own chain, a notice to its
// owner and an audit finding in one command.

// Bounds of the record.
const (
	maxServiceRows   = 8192               // units of one slice.minutes
	maxServiceSpanMs = 2 * 60 * 60 * 1000 // that one slice.minutes covers
	serviceMonths    = 25                 // kept per unit in memory; older ones are in the ledger
	minuteMs         = 60 * 1000
)

// SliceMinutes is the body of slice.minutes: what the node's probes found since it posted last. The span lies within one month.
type SliceMinutes struct {
	FromMs int64 // Unix milliseconds
	ToMs   int64
	Rows   []MinutesRow
}

// MinutesRow is one slice's part: whole minutes.
type MinutesRow struct {
	Unit     nexus.ID
	Kept     uint32 // within the budget
	Broken   uint32 // over it
	Void     uint32 // the machine's own baseline was over it: neither
	WorstP99 int64  // highest added p99 of a judged minute, microseconds
}

// ServiceEntry is the body of a KindService entry in the unit's chain. Verb "minutes" fills FromMs, ToMs and Minutes, "breached"
// and "kept" fill Breach.
type ServiceEntry struct {
	Verb    string
	FromMs  int64
	ToMs    int64
	Minutes MinutesRow
	Breach  SliceBreach
}

// SliceBreach is the body of slice.breach: a slice's budget was passed, or is kept again. Latencies in microseconds.
type SliceBreach struct {
	Open        bool
	SinceMs     int64 // begin of the first minute over the budget, Unix milliseconds
	UntilMs     int64 // end of the minute that was measured last
	Budget      int64
	AddedP99    int64 // of the minute that opens or ends it
	BaselineP99 int64
	Samples     int64
	Missed      int64
}

// ServiceMonth is one unit's month. Attainment is Kept of Kept + Broken.
type ServiceMonth struct {
	Month    uint32 // YYYYMM, UTC
	Kept     uint64
	Broken   uint64
	Void     uint64
	Breaches uint64 // that began in it
	WorstP99 int64  // microseconds
}

// AttainmentPpm gives the attainment in parts per million, rounded down, and false when nothing was judged.
func (m ServiceMonth) AttainmentPpm() (int64, bool) {
	all := m.Kept + m.Broken
	if all == 0 {
		return 0, false
	}
	return int64(m.Kept * 1_000_000 / all), true
}

// serviceUnit is what the state holds of one unit.
type serviceUnit struct {
	Unit   nexus.ID
	Open   SliceBreach // zero: none
	Months []ServiceMonth
}

// servicePosted remembers up to when a node has posted, so that no minute counts twice.
type servicePosted struct {
	Node nexus.PublicKey
	ToMs int64
}

// serviceState is the whole area, in canonical order.
type serviceState struct {
	Units  []serviceUnit // by unit id
	Posted []servicePosted
}

func servicePart() part {
	return part{name: "service-level", save: func(s *State) []byte {
		if len(s.service.Units)+len(s.service.Posted) == 0 {
			return nil
		}
		return nexus.Encode(s.service)
	}, load: func(s *State, b []byte) error { return nexus.Decode(b, &s.service) }}
}

// serviceOf finds or makes a unit's record; the list stays sorted.
func (s *State) serviceOf(unit nexus.ID) *serviceUnit {
	list := s.service.Units
	at, found := searchService(list, unit)
	if !found {
		s.service.Units = stdslices.Insert(list, at, serviceUnit{Unit: unit})
	}
	return &s.service.Units[at]
}

func searchService(list []serviceUnit, unit nexus.ID) (int, bool) {
	return stdslices.BinarySearchFunc(list, unit, func(u serviceUnit, id nexus.ID) int { return bytes.Compare(u.Unit[:], id[:]) })
}

// month finds or makes the record of one month; the oldest beyond serviceMonths leaves memory.
func (u *serviceUnit) month(ms int64) *ServiceMonth {
	t := time.UnixMilli(ms).UTC()
	key := uint32(t.Year()*100 + int(t.Month()))
	for i := range u.Months {
		if u.Months[i].Month == key {
			return &u.Months[i]
		}
	}
	u.Months = append(u.Months, ServiceMonth{Month: key})
	if len(u.Months) > serviceMonths {
		u.Months = append([]ServiceMonth(nil), u.Months[1:]...)
	}
	return &u.Months[len(u.Months)-1]
}

// ServiceLevel gives a unit's months, oldest first, and its open breach. The slices are copies.
func (s *State) ServiceLevel(unit nexus.ID) (months []ServiceMonth, open SliceBreach) {
	at, ok := searchService(s.service.Units, unit)
	if !ok {
		return nil, SliceBreach{}
	}
	u := &s.service.Units[at]
	return append([]ServiceMonth(nil), u.Months...), u.Open
}

// measured says that only what measures may state what was measured: an admitted node, by its own signature.
func (st *step) measured() {
	role := st.facts.Identity.Role
	st.facts.Identity.MayIssue = role == gates.RoleNode || role == gates.RolePlatform
}

func (st *step) sliceMinutes() error {
	var b SliceMinutes
	if !st.body(&b) {
		return nil
	}
	st.measured()
	from, to := time.UnixMilli(b.FromMs).UTC(), time.UnixMilli(b.ToMs-1).UTC()
	span := b.ToMs - b.FromMs
	node := st.cmd.Action.Actor
	switch posted := st.s.servicePosted(node); {
	case b.FromMs < 0 || span <= 0 || span > maxServiceSpanMs || b.ToMs > st.now+maxSkewMs || len(b.Rows) == 0 || len(b.Rows) > maxServiceRows:
		st.fail(nexus.CodeMalformed, fmt.Sprintf("minutes %d to %d of %d slices", b.FromMs, b.ToMs, len(b.Rows)),
			"a past span of at most two hours, 1 to 8192 slices", "not a record of measurements")
	case from.Year() != to.Year() || from.Month() != to.Month():
		st.fail(nexus.CodeMalformed, "minutes across two months", "post one record for each month", "not within one month")
	case b.FromMs < posted:
		st.fail(nexus.CodeConflict, fmt.Sprintf("minutes from %d", b.FromMs), "post what came after", "this node has posted up to %d", posted)
	}
	seen := map[nexus.ID]bool{}
	for i := range b.Rows {
		r := &b.Rows[i]
		all := int64(r.Kept) + int64(r.Broken) + int64(r.Void)
		if st.s.Units[r.Unit] == nil || seen[r.Unit] || all == 0 || all > span/minuteMs+1 || r.WorstP99 < 0 {
			st.fail(nexus.CodeMalformed, "minutes of unit "+r.Unit.String(), "a known unit, once, with no more minutes than the span holds",
				"%d kept, %d broken, %d void", r.Kept, r.Broken, r.Void)
		}
		seen[r.Unit] = true
	}
	st.effect = func() {
		st.s.setServicePosted(node, b.ToMs)
		for _, r := range b.Rows {
			m := st.s.serviceOf(r.Unit).month(b.FromMs)
			m.Kept, m.Broken, m.Void = m.Kept+uint64(r.Kept), m.Broken+uint64(r.Broken), m.Void+uint64(r.Void)
			m.WorstP99 = max(m.WorstP99, r.WorstP99)
			st.draft(r.Unit, ledger.KindService, ServiceEntry{Verb: "minutes", FromMs: b.FromMs, ToMs: b.ToMs, Minutes: r})
		}
	}
	return nil
}

// servicePosted gives the end of what a node has posted, 0 when nothing.
func (s *State) servicePosted(node nexus.PublicKey) int64 {
	for i := range s.service.Posted {
		if s.service.Posted[i].Node == node {
			return s.service.Posted[i].ToMs
		}
	}
	return 0
}

// MinutesPostedTo is the end of what a node has posted of minutes, Unix milliseconds, 0 when nothing.
func (s *State) MinutesPostedTo(node nexus.PublicKey) int64 { return s.servicePosted(node) }

func (s *State) setServicePosted(node nexus.PublicKey, toMs int64) {
	for i := range s.service.Posted {
		if s.service.Posted[i].Node == node {
			s.service.Posted[i].ToMs = toMs
			return
		}
	}
	s.service.Posted = append(s.service.Posted, servicePosted{Node: node, ToMs: toMs})
}

func (st *step) sliceBreach() error {
	var b SliceBreach
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	st.measured()
	over := b.AddedP99 > b.Budget
	if b.Budget <= 0 || b.AddedP99 < 0 || b.BaselineP99 < 0 || b.Samples <= 0 || b.Missed < 0 || b.UntilMs <= b.SinceMs ||
		b.SinceMs < 0 || b.UntilMs > st.now+maxSkewMs || b.Open != over {
		st.fail(nexus.CodeMalformed, "breach of "+u.Label, "the figures of one measured minute",
			"p99 of %d us with a budget of %d us, %d samples, minutes %d to %d", b.AddedP99, b.Budget, b.Samples, b.SinceMs, b.UntilMs)
	}
	if _, open := st.s.ServiceLevel(u.ID); open.Open == b.Open {
		st.fail(nexus.CodeConflict, "breach of "+u.Label, "see nexus slices record "+u.Label, "open already: %t", open.Open)
	}
	st.effect = func() {
		rec := st.s.serviceOf(u.ID)
		if !b.Open {
			rec.Open = SliceBreach{}
			st.draft(u.ID, ledger.KindService, ServiceEntry{Verb: "kept", Breach: b})
			st.send(u.Owner, u.ID, "slice-kept/"+u.Label, st.keptText(u, &b))
			return
		}
		rec.Open = b
		rec.month(b.SinceMs).Breaches++
		st.s.Counters.Findings++
		st.draft(u.ID, ledger.KindService, ServiceEntry{Verb: "breached", Breach: b})
		st.draft(u.ID, ledger.KindAudit, AuditFinding{Unit: u.ID, Code: "slice", Observed: "added p99 of " + st.latency(b.AddedP99) + " in a minute",
			Required: "at most " + st.latency(b.Budget),
			Evidence: fmt.Sprintf("%d probes, %d missed, direct baseline p99 %s", b.Samples, b.Missed, st.latency(b.BaselineP99))})
		st.send(u.Owner, u.ID, "slice-breach/"+u.Label, fmt.Sprintf("slice of %s is over its budget: added p99 %s, budget %s, %d probes, %d missed",
			u.Label, st.latency(b.AddedP99), st.latency(b.Budget), b.Samples, b.Missed))
		st.events = append(st.events, nexus.Event{Type: "slice.breach", Index: st.index, Unit: u.ID, MustDeliver: true},
			nexus.Event{Type: "audit.finding", Index: st.index, Unit: u.ID, MustDeliver: true})
	}
	return nil
}
