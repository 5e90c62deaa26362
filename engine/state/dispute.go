package state

import (
	"fmt"
	"sort"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Disputes (SPEC section 1: statements, disputes, payouts): an owner contests a statement, or one entry of it, and the platform owes an
// answer with a reason. An accepted one is paid by a transfer in the same record, visible as any; past entries and the split never
// change. Silence is no refusal: a dispute stays open until somebody decides it, and an overdue one is a finding of the stack scrub.

// The kinds of action about disputes.
const (
	KindDisputeOpen     = "dispute.open"
	KindDisputeAnswer   = "dispute.answer"
	KindDisputeWithdraw = "dispute.withdraw"
)

// Bounds of disputes.
const (
	DisputeAnswerMs       = 30 * 24 * 60 * 60 * 1000 // in which the platform owes an answer, milliseconds
	maxDisputesOpen       = 64                       // of one unit
	maxDisputesRemembered = 1000                     // decided ones; all stand in the ledger
)

// What a dispute can be. Stored: never change a word.
const (
	DisputeOpened    = "opened"
	DisputeAccepted  = "accepted"
	DisputeRejected  = "rejected"
	DisputeWithdrawn = "withdrawn"
)

// Dispute is one dispute about a statement.
type Dispute struct {
	ID           nexus.ID
	Unit         nexus.ID
	Period       uint32
	Month        uint32 // of the statement, YYYYMM
	Entry        uint64 // of the ledger, that is contested; 0: the statement as a whole
	Currency     string
	Minor        int64 // what the owner says is missing; 0: no amount
	Reason       string
	Status       string
	Answer       string
	Paid         int64 // of an accepted one
	OpenedMs     int64
	DueMs        int64 // until when the platform owes an answer
	ClosedMs     int64
	OpenedIndex  uint64
	DecidedIndex uint64
}

// Overdue reports whether the platform owes an answer since before a log time.
func (d *Dispute) Overdue(nowMs int64) bool { return d.Status == DisputeOpened && nowMs >= d.DueMs }

// DisputeOpen is the body of dispute.open, signed by the owner of the period, within DisputeTermMs of the statement's issue.
type DisputeOpen struct {
	Period   uint32 // of ownership, from 0
	Month    uint32 // YYYYMM, of a statement that is issued
	Entry    uint64 // 0: the statement as a whole
	Currency string
	Minor    int64 // not below zero
	Reason   string
}

// DisputeMade is its result.
type DisputeMade struct {
	ID    nexus.ID
	DueMs int64
}

// DisputeEnd is the body of dispute.answer, signed by an operator or the platform, and of dispute.withdraw, by the owner.
type DisputeEnd struct {
	Dispute nexus.ID
	Accept  bool
	Minor   int64 // of an accepted one: what the platform pays; 0: it is settled otherwise, as the reason says
	Reason  string
}

// DisputeAnswered is the result of dispute.answer.
type DisputeAnswered struct {
	Transfer nexus.ID // zero: nothing was paid
	Payable  int64
}

func (st *step) disputeOpen() error {
	var b DisputeOpen
	if !st.body(&b) {
		return nil
	}
	st.reason(b.Reason)
	st.fresh(b.Reason)
	o := st.owedIn(b.Period, b.Currency)
	if o == nil {
		return nil
	}
	st.facts.Identity.MayIssue = o.byOwner()
	st.reach(o.unit, "ledger", o.byOwner())
	st.checkDispute(o, &b)
	digest := st.cmd.Action.Digest()
	d := &Dispute{ID: nexus.DeriveID("dispute", st.s.Cluster[:], digest[:]), Unit: o.unit.ID, Period: b.Period, Month: b.Month, Entry: b.Entry,
		Currency: b.Currency, Minor: b.Minor, Reason: b.Reason, Status: DisputeOpened, OpenedMs: st.now, DueMs: st.now + DisputeAnswerMs, OpenedIndex: st.index}
	st.effect = func() {
		if st.s.disputes == nil {
			st.s.disputes = map[nexus.ID]*Dispute{}
		}
		st.s.disputes[d.ID] = d
		o.disputeEntry(d, nexus.ID{})
		o.tell("your dispute %s about the statement of %s for %s is recorded; the platform owes you an answer until %s", d.ID, o.unit.Label,
			MonthText(d.Month), dayText(d.DueMs))
		st.result = nexus.Encode(DisputeMade{ID: d.ID, DueMs: d.DueMs})
	}
	return nil
}

// checkDispute refuses what cannot be contested.
func (st *step) checkDispute(o *owed, b *DisputeOpen) {
	subject := "statement of " + o.unit.Label + " for " + MonthText(b.Month)
	var issued *IssuedStatement
	for i := range st.s.statements[o.unit.ID] {
		if x := &st.s.statements[o.unit.ID][i]; x.Month == b.Month {
			issued = x
		}
	}
	open := 0
	for _, d := range st.s.disputes { // any order: counted and compared only
		if d.Unit != o.unit.ID || d.Status != DisputeOpened {
			continue
		}
		if !st.s.fourth() || d.Period == b.Period { // each owner has a bound of their own
			open++
		}
		if d.Period == b.Period && d.Month == b.Month && d.Entry == b.Entry && d.Currency == b.Currency {
			st.fail(nexus.CodeConflict, subject, "show it with nexus revenue dispute show", "dispute %s about the same is open", d.ID)
		}
	}
	switch {
	case issued == nil:
		st.fail(nexus.CodeNotFound, subject, "ask for it once its month is over: nexus revenue statement", "is not issued")
	case st.now >= issued.TimeMs+DisputeTermMs:
		st.fail(nexus.CodeConflict, subject, "", "could be disputed until %s", dayText(issued.TimeMs+DisputeTermMs))
	case b.Entry >= issued.Size:
		st.fail(nexus.CodeMalformed, fmt.Sprintf("entry %d", b.Entry), "name one that the statement was made from", "%s was made from %d entries", subject,
			issued.Size)
	case b.Minor < 0:
		st.fail(nexus.CodeMalformed, fmt.Sprintf("amount %d", b.Minor), "what is missing, in minor units; leave it out when it is no matter of an amount",
			"below zero")
	case open >= maxDisputesOpen:
		st.fail(nexus.CodeConflict, "disputes of "+o.unit.Label, "wait for answers, or withdraw some", "%d are open, at most %d", open, maxDisputesOpen)
	}
}

// disputed finds the open dispute that an action ends; nil: said why.
func (st *step) disputed() (*Dispute, *DisputeEnd, *owed) {
	var b DisputeEnd
	if !st.body(&b) {
		return nil, nil, nil
	}
	st.fresh(b.Reason)
	d := st.s.disputes[b.Dispute]
	if d == nil || d.Unit != st.cmd.Action.Unit {
		st.fail(nexus.CodeNotFound, "dispute "+b.Dispute.String(), "list them with nexus revenue dispute show", "not known on this unit")
		return nil, nil, nil
	}
	if d.Status != DisputeOpened {
		st.fail(nexus.CodeConflict, "dispute "+d.ID.String(), "see nexus revenue dispute show", "was %s at decision %d", d.Status, d.DecidedIndex)
	}
	return d, &b, st.owedIn(d.Period, d.Currency)
}

func (st *step) disputeAnswer() error {
	d, b, o := st.disputed()
	if o == nil {
		return nil
	}
	st.reason(b.Reason)
	st.facts.Identity.MayIssue = st.byPlatform()
	st.reach(o.unit, "ledger", st.byPlatform())
	if b.Minor < 0 || b.Minor > 0 && !b.Accept {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("amount %d", b.Minor), "an amount goes with an accepted dispute only", "out of range")
	}
	if b.Minor > 0 && !o.fits(b.Minor) {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("amount %d", b.Minor), fmt.Sprintf("1 to %d minor units", int64(maxTransferMinor)), "out of range")
	} else if b.Minor > 0 && !o.roomFor(b.Minor, true) {
		o.noRoom(b.Minor)
	}
	digest := st.cmd.Action.Digest()
	st.effect = func() {
		var paid nexus.ID
		if b.Minor > 0 {
			paid = nexus.DeriveID("transfer", st.s.Cluster[:], digest[:])
			o.transfer(&TransferMake{Period: d.Period, Currency: d.Currency, Minor: b.Minor, ToOwner: true,
				Reason: clip("dispute " + d.ID.String() + ": " + b.Reason)}, paid)
		}
		status, word := DisputeRejected, "rejected"
		if b.Accept {
			status, word = DisputeAccepted, "accepted"
		}
		d.Paid = b.Minor
		st.closeDispute(d, status, b.Reason)
		o.disputeEntry(d, paid)
		o.tell("your dispute %s about the statement of %s for %s is %s: %s", d.ID, o.unit.Label, MonthText(d.Month), word, b.Reason)
		st.result = nexus.Encode(DisputeAnswered{Transfer: paid, Payable: o.after()})
	}
	return nil
}

func (st *step) disputeWithdraw() error {
	d, b, o := st.disputed()
	if o == nil {
		return nil
	}
	st.text("reason", b.Reason)
	if b.Accept || b.Minor != 0 {
		st.fail(nexus.CodeMalformed, "withdrawal of dispute "+d.ID.String(), "give a reason only", "answers it as well")
	}
	st.facts.Identity.MayIssue = o.byOwner()
	st.reach(o.unit, "ledger", o.byOwner())
	st.effect = func() {
		st.closeDispute(d, DisputeWithdrawn, b.Reason)
		o.disputeEntry(d, nexus.ID{})
	}
	return nil
}

func (st *step) closeDispute(d *Dispute, status, answer string) {
	d.Status, d.Answer, d.ClosedMs, d.DecidedIndex = status, answer, st.now, st.index
	var closed []*Dispute
	for _, x := range st.s.Disputes() {
		if x.Status != DisputeOpened {
			closed = append(closed, x)
		}
	}
	for len(closed) > maxDisputesRemembered {
		delete(st.s.disputes, closed[0].ID)
		closed = closed[1:]
	}
}

// disputeEntry writes what a dispute has become.
func (o *owed) disputeEntry(d *Dispute, transfer nexus.ID) {
	reason := d.Reason
	if d.Status != DisputeOpened {
		reason = d.Answer
	}
	o.st.draft(o.unit.ID, ledger.KindDispute, ledger.DisputeBody{Verb: d.Status, Dispute: d.ID, Period: d.Period, Month: d.Month, Entry: d.Entry,
		Currency: d.Currency, Minor: d.Minor, Paid: d.Paid, Transfer: transfer, DueMs: d.DueMs, Reason: reason})
	o.st.events = append(o.st.events, nexus.Event{Type: "dispute." + d.Status, Index: o.st.index, Unit: o.unit.ID, MustDeliver: true})
}

// Disputes lists what is remembered, oldest first. The list is the caller's, the disputes are not.
func (s *State) Disputes() []*Dispute {
	out := make([]*Dispute, 0, len(s.disputes))
	for _, id := range sortedIDs(s.disputes) {
		out = append(out, s.disputes[id])
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].OpenedIndex < out[j].OpenedIndex })
	return out
}

func disputesPart() part {
	type picture struct{ List []Dispute }
	return part{name: "disputes", save: func(s *State) []byte {
		if len(s.disputes) == 0 {
			return nil
		}
		var p picture
		for _, d := range s.Disputes() {
			p.List = append(p.List, *d)
		}
		return nexus.Encode(p)
	}, load: func(s *State, b []byte) error {
		var p picture
		if err := nexus.Decode(b, &p); err != nil {
			return err
		}
		s.disputes = map[nexus.ID]*Dispute{}
		for i := range p.List {
			s.disputes[p.List[i].ID] = &p.List[i]
		}
		return nil
	}}
}
