package state

import (
	"fmt"
	"sort"
	"strings"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Payouts (SPEC section 1: payouts run on a schedule; threshold and destination are the owner's). The owner signs the terms; when they
// fall due a node opens the payout, or the owner asks for one. It is on its way until an operator posts it with the provider's
// reference, or voids it, which gives the money back. An owner's account never goes below zero by a payout.

// Schedules of payouts. Stored: never change a word.
const (
	ScheduleMonthly = "monthly" // the first of a month, UTC
	ScheduleWeekly  = "weekly"  // Monday
	ScheduleDaily   = "daily"
	ScheduleManual  = "manual" // on request only
)

// Bounds of payouts.
const (
	maxDestinationBytes = 256
	maxThresholds       = 32
	maxPayoutsOpen      = 64   // on their way, of one unit
	maxPayoutsClosed    = 1000 // remembered; all stand in the ledger
)

// What a payout can be. Stored: never change a word.
const (
	PayoutPending = "pending"
	PayoutPosted  = "posted"
	PayoutVoided  = "voided"
)

// Payout is one payout.
type Payout struct {
	ID           nexus.ID
	Unit         nexus.ID
	Period       uint32
	Currency     string
	Minor        int64
	Destination  string
	Scheduled    bool
	Status       string
	Reference    string
	Reason       string
	OpenedMs     int64
	ClosedMs     int64
	OpenedIndex  uint64
	DecidedIndex uint64
}

// PayoutTerms are an owner's own, for one period of ownership.
type PayoutTerms struct {
	Schedule    string
	Destination string
	Thresholds  []ledger.MinorLimit // by currency; none: any amount
	SetMs       int64
	Index       uint64
	Last        []lastPayout // scheduled ones, by currency
}

type lastPayout struct {
	Currency string
	OpenedMs int64
}

// PayoutSet is the body of payout.set, signed by the period's owner: where to, when, and from how much on.
type PayoutSet struct {
	Period      uint32
	Schedule    string // empty: monthly
	Destination string // a word that the payment provider understands, at best a token of its own; sealed in the ledger
	Thresholds  []ledger.MinorLimit
}

// PayoutOpen is the body of payout.open, by the period's owner on request or by a node when it is due.
type PayoutOpen struct {
	Period   uint32
	Currency string
	Minor    int64 // 0: all that is payable
}

// PayoutOpened is its result.
type PayoutOpened struct {
	ID      nexus.ID
	Minor   int64
	Payable int64
}

// PayoutSettle is the body of payout.post and payout.void, signed by an operator or the platform.
type PayoutSettle struct {
	Payout    nexus.ID
	Reference string // the provider's; needed to post
	Reason    string // needed to void
}

func (st *step) payoutSet() error {
	var b PayoutSet
	if !st.body(&b) {
		return nil
	}
	o := st.owedIn(b.Period, nexus.TestCurrency)
	if o == nil {
		return nil
	}
	// Nobody but the owner says where the owner's money goes.
	st.facts.Identity.MayIssue = o.byOwner()
	st.reach(o.unit, "ledger", o.byOwner())
	schedule := orDefault(b.Schedule, ScheduleMonthly)
	switch schedule {
	case ScheduleMonthly, ScheduleWeekly, ScheduleDaily, ScheduleManual:
	default:
		st.fail(nexus.CodeMalformed, fmt.Sprintf("schedule %q", clipTo(schedule, 64)), "monthly, weekly, daily or manual", "no such schedule")
	}
	st.fresh(b.Destination)
	tooLong := len(b.Destination) > maxDestinationBytes && !withinSealed(b.Destination, maxDestinationBytes)
	if b.Destination == "" || tooLong || strings.ContainsFunc(b.Destination, control) {
		st.fail(nexus.CodeMalformed, "destination", fmt.Sprintf("1 to %d bytes of text that the payment provider understands", maxDestinationBytes),
			"missing or out of range")
	}
	st.thresholds(b.Thresholds)
	terms := &PayoutTerms{Schedule: schedule, Destination: b.Destination, Thresholds: b.Thresholds, SetMs: st.now, Index: st.index}
	key := PurseKey{Unit: o.unit.ID, Period: b.Period}
	if old := st.s.money.Terms[key]; old != nil {
		terms.Last = old.Last
	}
	st.effect = func() {
		if st.s.money.Terms == nil {
			st.s.money.Terms = map[PurseKey]*PayoutTerms{}
		}
		st.s.money.Terms[key] = terms
		st.draft(o.unit.ID, ledger.KindPayout, ledger.PayoutBody{Verb: "terms", Period: b.Period, Destination: b.Destination, Schedule: schedule,
			Thresholds: b.Thresholds})
		o.tell("payouts of %s go to %q from now on, %s; if that was not you, revoke or rotate your key", o.unit.Label, b.Destination, schedule)
		st.events = append(st.events, nexus.Event{Type: "payout.terms", Index: st.index, Unit: o.unit.ID, MustDeliver: true})
	}
	return nil
}

func (st *step) thresholds(list []ledger.MinorLimit) {
	if len(list) > maxThresholds {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("%d thresholds", len(list)), fmt.Sprintf("at most %d", maxThresholds), "too many")
		return
	}
	for i, t := range list {
		if _, known := nexus.CurrencyExponent(t.Currency); !known || t.Minor < 0 || i > 0 && list[i-1].Currency >= t.Currency {
			st.fail(nexus.CodeMalformed, fmt.Sprintf("threshold %d %q", t.Minor, clipTo(t.Currency, 16)), "one per currency, sorted by code, not below zero",
				"unknown currency, out of order or below zero")
		}
	}
}

func (st *step) payoutOpen() error {
	var b PayoutOpen
	if !st.body(&b) {
		return nil
	}
	o := st.owedIn(b.Period, b.Currency)
	if o == nil {
		return nil
	}
	own := o.byOwner()
	if !own {
		st.byNode()
	}
	st.reach(o.unit, "ledger", own || st.facts.Identity.MayIssue)
	terms := st.s.money.Terms[PurseKey{Unit: o.unit.ID, Period: b.Period}]
	if terms == nil {
		st.fail(nexus.CodeConflict, "payouts of "+o.unit.Label, "the owner sets it: nexus revenue payout set", "no destination is set for period %d", b.Period)
		return nil
	}
	minor := orNumber(b.Minor, o.payable)
	if !own {
		if b.Minor != 0 || !st.s.payoutDue(o.key(), st.now) {
			st.fail(nexus.CodeConflict, "payout of "+o.unit.Label, "wait for the schedule, or let the owner ask", "is not due")
		}
	}
	o.leaves(minor)
	if open := st.s.payoutsOpen(o.key()); open >= maxPayoutsOpen {
		st.fail(nexus.CodeConflict, "payouts of "+o.unit.Label, "post or void some", "%d are on their way, at most %d", open, maxPayoutsOpen)
	}
	digest := st.cmd.Action.Digest()
	p := &Payout{ID: nexus.DeriveID("payout", st.s.Cluster[:], digest[:]), Unit: o.unit.ID, Period: b.Period, Currency: b.Currency, Minor: minor,
		Destination: terms.Destination, Scheduled: !own, Status: PayoutPending, OpenedMs: st.now, OpenedIndex: st.index}
	st.effect = func() {
		if st.s.money.Payouts == nil {
			st.s.money.Payouts = map[nexus.ID]*Payout{}
		}
		st.s.money.Payouts[p.ID] = p
		if p.Scheduled {
			terms.opened(b.Currency, st.now)
		}
		payable := o.payoutEntry(p, "opened", o.legs(ledger.AccountOwner, "", ledger.AccountPayout, p.ID.String(), minor))
		o.tell("a payout of %s from %s is on its way to %q (payout %s)", o.words(minor), o.unit.Label, p.Destination, p.ID)
		st.result = nexus.Encode(PayoutOpened{ID: p.ID, Minor: minor, Payable: payable})
	}
	return nil
}

func (o *owed) payoutEntry(p *Payout, verb string, postings []ledger.Posting) int64 {
	body := ledger.PayoutBody{Verb: verb, Payout: p.ID, Period: p.Period, Currency: p.Currency, Minor: p.Minor, Destination: p.Destination,
		Scheduled: p.Scheduled, Reference: p.Reference, Reason: p.Reason, Payable: o.after()}
	o.st.draft(o.unit.ID, ledger.KindPayout, body, postings...)
	o.st.events = append(o.st.events, nexus.Event{Type: "payout." + verb, Index: o.st.index, Unit: o.unit.ID, MustDeliver: true})
	return body.Payable
}

// onItsWay finds the payout that an action settles; nil: said why.
func (st *step) onItsWay() (*Payout, *PayoutSettle, *owed) {
	var b PayoutSettle
	if !st.body(&b) {
		return nil, nil, nil
	}
	st.text("reference", b.Reference, b.Reason)
	st.fresh(b.Reference, b.Reason)
	p := st.s.money.Payouts[b.Payout]
	if p == nil || p.Unit != st.cmd.Action.Unit {
		st.fail(nexus.CodeNotFound, "payout "+b.Payout.String(), "list them with nexus revenue payout list", "not known on this unit")
		return nil, nil, nil
	}
	if p.Status != PayoutPending {
		st.fail(nexus.CodeConflict, "payout "+p.ID.String(), "see nexus revenue payout list", "was %s at decision %d", p.Status, p.DecidedIndex)
	}
	st.facts.Identity.MayIssue = st.byPlatform()
	o := st.owedIn(p.Period, p.Currency)
	if o != nil {
		st.reach(o.unit, "ledger", st.byPlatform())
	}
	return p, &b, o
}

func (st *step) payoutPost() error {
	p, b, o := st.onItsWay()
	if o == nil {
		return nil
	}
	if b.Reference == "" {
		st.fail(nexus.CodeMalformed, "reference", "give the provider's reference of the payment", "missing")
	}
	st.effect = func() {
		st.closePayout(p, PayoutPosted, b)
		o.payoutEntry(p, PayoutPosted, o.legs(ledger.AccountPayout, p.ID.String(), ledger.AccountPaid, p.ID.String(), p.Minor))
		o.tell("the payout of %s from %s to %q is paid, reference %q", o.words(p.Minor), o.unit.Label, p.Destination, b.Reference)
	}
	return nil
}

func (st *step) payoutVoid() error {
	p, b, o := st.onItsWay()
	if o == nil {
		return nil
	}
	st.reason(b.Reason)
	st.effect = func() {
		st.closePayout(p, PayoutVoided, b)
		payable := o.payoutEntry(p, PayoutVoided, o.legs(ledger.AccountPayout, p.ID.String(), ledger.AccountOwner, "", p.Minor))
		o.tell("the payout of %s from %s to %q did not go through: %s; %s is payable now", o.words(p.Minor), o.unit.Label, p.Destination, b.Reason,
			o.words(payable))
	}
	return nil
}

func (st *step) closePayout(p *Payout, status string, b *PayoutSettle) {
	p.Status, p.Reference, p.Reason, p.ClosedMs, p.DecidedIndex = status, b.Reference, b.Reason, st.now, st.index
	var closed []*Payout
	for _, x := range st.s.Payouts() {
		if x.Status != PayoutPending {
			closed = append(closed, x)
		}
	}
	for len(closed) > maxPayoutsClosed {
		delete(st.s.money.Payouts, closed[0].ID)
		closed = closed[1:]
	}
}

// Payouts lists what is remembered, oldest first. The list is the caller's, the payouts are not.
func (s *State) Payouts() []*Payout {
	out := make([]*Payout, 0, len(s.money.Payouts))
	for _, id := range sortedIDs(s.money.Payouts) {
		out = append(out, s.money.Payouts[id])
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].OpenedIndex < out[j].OpenedIndex })
	return out
}

// TermsOf gives the owner's terms for a period; nil when none are set.
func (s *State) TermsOf(unit nexus.ID, period int) *PayoutTerms {
	return s.money.Terms[PurseKey{Unit: unit, Period: uint32(period)}]
}

func (t *PayoutTerms) opened(currency string, nowMs int64) {
	for i := range t.Last {
		if t.Last[i].Currency == currency {
			t.Last[i].OpenedMs = nowMs
			return
		}
	}
	t.Last = append(t.Last, lastPayout{currency, nowMs})
}

// Threshold is the smallest scheduled payout in a currency, at least 1.
func (t *PayoutTerms) Threshold(currency string) int64 {
	for _, x := range t.Thresholds {
		if x.Currency == currency {
			return max(1, x.Minor)
		}
	}
	return 1
}

// NextMs is when the next scheduled payout in a currency falls due, Unix milliseconds; 0: never by itself.
func (t *PayoutTerms) NextMs(currency string) int64 {
	from := t.SetMs
	for _, x := range t.Last {
		if x.Currency == currency {
			from = max(from, x.OpenedMs)
		}
	}
	at := time.UnixMilli(from).UTC()
	day := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
	switch t.Schedule {
	case ScheduleMonthly:
		return time.Date(at.Year(), at.Month()+1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	case ScheduleWeekly:
		return day.AddDate(0, 0, 7-(int(at.Weekday())+6)%7).UnixMilli()
	case ScheduleDaily:
		return day.AddDate(0, 0, 1).UnixMilli()
	}
	return 0
}

// payoutsOpen counts what is on its way from a unit; from level 4 on to the owner of one period, so that nobody fills another's bound.
func (s *State) payoutsOpen(k PurseKey) int {
	open := 0
	for _, p := range s.money.Payouts { // any order: counted only
		if p.Unit == k.Unit && p.Status == PayoutPending && (!s.fourth() || p.Period == k.Period) {
			open++
		}
	}
	return open
}

// payoutDue reports whether the schedule opens a payout at a log time. Below its threshold it waits until that is reached.
func (s *State) payoutDue(k PurseKey, nowMs int64) bool {
	t := s.TermsOf(k.Unit, int(k.Period))
	if t == nil {
		return false
	}
	if s.leftPayout(k, t, nowMs) {
		return true
	}
	next := t.NextMs(k.Currency)
	return next > 0 && nowMs >= next && s.payoutsOpen(k) < maxPayoutsOpen && s.OwedIn(k.Unit, int(k.Period), k.Currency).Payable() >= t.Threshold(k.Currency)
}

// DuePayouts lists up to most that a node should open at a log time.
func (s *State) DuePayouts(nowMs int64, most int) []PurseKey {
	var out []PurseKey
	moved := s.MovedAccounts() // the platform may have paid in a currency that the unit earned nothing in
	for _, k := range sortedPurses(s.money.Terms) {
		for _, a := range s.MoneyAccounts(k.Unit, moved) {
			k.Currency = a.Currency
			if len(out) < most && s.payoutDue(k, nowMs) {
				out = append(out, k)
			}
		}
	}
	return out
}

// dayText writes a log time for people, to the minute.
func dayText(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04 UTC") }
