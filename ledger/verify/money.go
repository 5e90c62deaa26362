package verify

import (
	"strconv"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Money beside the split (docs/money.md), recomputed with code of this package's own: pending events, transfers, holds and payouts.
// What an owner is owed in a period of ownership is the creator's share posted in it plus the owner's account, and nothing but a
// refund brings it below zero.

// announced is a pending event that waits.
type announced struct {
	unit     [16]byte
	source   string
	event    string
	currency string
	minor    int64
	expires  int64
}

type eventName struct {
	unit          [16]byte
	source, event string
}

// aside is a hold or a payout that waits.
type aside struct {
	period   uint64
	currency string
	minor    int64
	expires  int64
	consent  bool
}

// contest is a dispute that waits for an answer.
type contest struct {
	purse
	month, entry uint64
	minor, due   int64
}

// gift is a transfer from the platform to an owner.
type gift struct {
	id    [16]byte
	index uint64 // of its record
	purse purse
	minor int64
}

type purse struct {
	period   uint64
	currency string
}

// unitMoney is what a unit's entries lead to beside its totals.
type unitMoney struct {
	ended   []map[string]int64 // creator's totals at the end of each closed period, by currency
	drawn   map[purse]int64
	holds   map[[16]byte]aside
	payouts map[[16]byte]aside

	month uint64 // the newest closed month, YYYYMM
	size  uint64 // entries its statement was made from

	issued   map[uint64]uint64 // closed months, with the entries their statements were made from
	disputes map[[16]byte]contest
	paid     gift // the last transfer to an owner
}

func (u *unit) moneyOf() *unitMoney {
	if u.money == nil {
		u.money = &unitMoney{drawn: map[purse]int64{}, holds: map[[16]byte]aside{}, payouts: map[[16]byte]aside{},
			issued: map[uint64]uint64{}, disputes: map[[16]byte]contest{}}
	}
	return u.money
}

// payable is what the owner of a period is owed now.
func (u *unit) payable(p purse) int64 {
	m := u.moneyOf()
	var before, end int64
	if p.period > 0 && p.period <= uint64(len(m.ended)) {
		before = m.ended[p.period-1][p.currency]
	}
	if p.period < uint64(len(m.ended)) {
		end = m.ended[p.period][p.currency]
	} else {
		end = u.total([]byte(p.currency)).Creator
	}
	return end - before + m.drawn[p]
}

// ownershipEntry closes a period when a unit changes hands. The balances it states must be the totals of that moment.
func (c *run) ownershipEntry(e *entry) {
	in := reader{b: e.body}
	verb := string(in.bytes())
	if unit := in.id(); in.err == nil && unit != e.unit {
		c.foundEntry("speaks of the owner of unit %s in the chain of %s", nexus.ID(unit), nexus.ID(e.unit))
	}
	in.hash() // from
	in.hash() // to
	in.id()   // proposal
	u := c.units[e.unit]
	stated := map[string]int64{}
	for range in.bounded(1<<16, "balances") {
		currency := string(in.bytes())
		gross, creator, platform := in.int(), in.int(), in.int()
		in.uint() // events
		if in.err != nil {
			break
		}
		stated[currency] = creator
		if t := u.total([]byte(currency)); t.Gross != gross || t.Creator != creator || t.Platform != platform {
			c.foundEntry("hands the unit over with %s gross %d, creator %d, platform %d; recomputed %d, %d, %d", currency, gross, creator, platform,
				t.Gross, t.Creator, t.Platform)
		}
	}
	if err := in.end(); err != nil {
		c.foundEntry("not a canonical entry about the owner: %v", err)
		return
	}
	if verb != "transferred" {
		return
	}
	ended := map[string]int64{}
	for _, a := range u.accounts {
		ended[a.currency] = a.total.Creator
		if _, said := stated[a.currency]; !said && a.total.Events > 0 {
			c.foundEntry("hands the unit over without its balance in %s", a.currency)
		}
	}
	m := u.moneyOf()
	m.ended = append(m.ended, ended)
}

// pendingEntry follows an announced event through its life.
func (c *run) pendingEntry(e *entry) {
	in := reader{b: e.body}
	verb, id := string(in.bytes()), in.id()
	a := announced{unit: e.unit, source: string(in.bytes()), event: string(in.bytes())}
	in.bytes() // kind
	a.currency, a.minor = string(in.bytes()), in.int()
	posted := in.int()
	in.int() // event time
	a.expires = in.int()
	in.bytes() // reason
	if err := in.end(); err != nil {
		c.foundEntry("not a canonical pending event: %v", err)
		return
	}
	if len(e.postings) > 0 {
		c.foundEntry("moves money for an event that is only pending")
	}
	name := eventName{a.unit, a.source, a.event}
	if verb == "opened" {
		if _, twice := c.pending[id]; twice || a.minor <= 0 || a.expires <= e.timeMs || c.waits[name] != [16]byte{} {
			c.foundEntry("announces event %q twice, without an amount or for no time", a.event)
		}
		c.pending[id], c.waits[name] = a, id
		return
	}
	if was, waits := c.pending[id]; !waits || was != a {
		c.foundEntry("settles a pending event that no entry announced so, or that was settled before")
		return
	}
	delete(c.pending, id)
	delete(c.waits, name)
	switch {
	case verb == "posted":
		if posted <= 0 || posted > a.minor || e.timeMs >= a.expires || c.lastEvent != name || c.lastMinor != posted {
			c.foundEntry("posts %d of the %d announced, late or without the revenue entry before it", posted, a.minor)
		}
		c.unsettled--
	case verb == "expired" && e.timeMs < a.expires:
		c.foundEntry("expires a pending event before its time")
	case verb != "voided" && verb != "expired":
		c.foundEntry("pending event of unknown fate %q", verb)
	}
}

// noteRevenue remembers a posted event while something is pending: a pending event is posted by its own entry only.
func (c *run) noteRevenue(e *entry, body *revenueBody) {
	if len(c.pending) == 0 || e.kind != kindRevenue {
		return
	}
	c.lastEvent, c.lastMinor = eventName{e.unit, string(body.source), string(body.eventID)}, body.minor
	if _, waits := c.waits[c.lastEvent]; waits {
		c.unsettled++
	}
}

// legs holds an entry's postings to those wanted: account, reference, amount. Nothing else may be there.
func (c *run) legs(e *entry, currency string, want ...posting) bool {
	if len(e.postings) != len(want) {
		c.foundEntry("%d postings, want %d", len(e.postings), len(want))
		return false
	}
	for i := range want {
		p := &e.postings[i]
		if p.account != want[i].account || string(p.ref) != string(want[i].ref) || string(p.currency) != currency || p.minor != want[i].minor {
			c.foundEntry("posts %d %s to account %d %q, want %d %s to account %d %q", p.minor, p.currency, p.account, p.ref, want[i].minor, currency,
				want[i].account, want[i].ref)
			return false
		}
	}
	return true
}

// draw books what an entry added to an owner's account and compares what it states as payable. What was taken must have been there.
func (c *run) draw(e *entry, p purse, minor, stated int64) {
	u := c.units[e.unit]
	m := u.moneyOf()
	if p.period > uint64(len(m.ended)) {
		c.foundEntry("speaks of period %d of ownership, there are %d", p.period, len(m.ended)+1)
	}
	sum, ok := nexus.AddMinor(m.drawn[p], minor)
	if !ok {
		c.foundEntry("an owner's account passes 64 bits")
		return
	}
	m.drawn[p] = sum
	now := u.payable(p)
	if now != stated {
		c.foundEntry("states %d %s payable in period %d, recomputed %d", stated, p.currency, p.period, now)
	}
	if minor < 0 && now < 0 {
		c.foundEntry("takes %d %s that was not there: %d is left", -minor, p.currency, now)
	}
}

func owner(p purse, minor int64) posting {
	return posting{account: accountOwner, ref: []byte(strconv.FormatUint(p.period, 10)), minor: minor}
}

func (c *run) transferEntry(e *entry) {
	in := reader{b: e.body}
	id := in.id()
	p := purse{period: in.bounded(1<<32-1, "period"), currency: string(in.bytes())}
	minor := in.int()
	toOwner := in.bounded(1, "direction") == 1
	reason := in.bytes()
	in.id() // approval
	stated := in.int()
	if err := in.end(); err != nil {
		c.foundEntry("not a canonical transfer: %v", err)
		return
	}
	if minor <= 0 || len(reason) == 0 {
		c.foundEntry("a transfer without an amount or a reason")
		return
	}
	if toOwner {
		c.units[e.unit].moneyOf().paid = gift{id: id, index: e.index, purse: p, minor: minor}
		c.legs(e, p.currency, posting{account: accountDues, minor: -minor}, owner(p, minor))
		c.draw(e, p, minor, stated)
		return
	}
	c.legs(e, p.currency, owner(p, -minor), posting{account: accountDues, minor: minor})
	c.draw(e, p, -minor, stated)
}

func (c *run) holdEntry(e *entry) {
	in := reader{b: e.body}
	verb, id := string(in.bytes()), in.id()
	p := purse{period: in.bounded(1<<32-1, "period"), currency: string(in.bytes())}
	h := aside{period: p.period, currency: p.currency, minor: in.int()}
	captured := in.int()
	h.consent = in.bounded(1, "consent") == 1
	h.expires = in.int()
	in.bytes() // reason
	in.id()    // approval
	stated := in.int()
	if err := in.end(); err != nil {
		c.foundEntry("not a canonical hold: %v", err)
		return
	}
	held := func(minor int64) posting {
		return posting{account: accountHeld, ref: []byte(nexus.ID(id).String()), minor: minor}
	}
	m := c.units[e.unit].moneyOf()
	if verb == "placed" {
		if _, twice := m.holds[id]; twice || h.minor <= 0 || h.expires <= e.timeMs {
			c.foundEntry("places a hold twice, of nothing or for no time")
		}
		m.holds[id] = h
		c.legs(e, p.currency, owner(p, -h.minor), held(h.minor))
		c.draw(e, p, -h.minor, stated)
		return
	}
	if was, stands := m.holds[id]; !stands || was != h {
		c.foundEntry("ends a hold that does not stand so")
		return
	}
	delete(m.holds, id)
	switch verb {
	case "released", "expired":
		c.legs(e, p.currency, held(-h.minor), owner(p, h.minor))
		c.draw(e, p, h.minor, stated)
	case "captured":
		want := []posting{held(-captured), {account: accountDues, minor: captured}}
		if rest := h.minor - captured; rest > 0 {
			want = append(want, held(-rest), owner(p, rest))
		}
		if captured <= 0 || captured > h.minor {
			c.foundEntry("captures %d of a hold of %d", captured, h.minor)
		}
		c.legs(e, p.currency, want...)
		c.draw(e, p, h.minor-captured, stated)
	default:
		c.foundEntry("hold of unknown fate %q", verb)
	}
}

func (c *run) payoutEntry(e *entry) {
	in := reader{b: e.body}
	verb, id := string(in.bytes()), in.id()
	p := purse{period: in.bounded(1<<32-1, "period"), currency: string(in.bytes())}
	x := aside{period: p.period, currency: p.currency, minor: in.int()}
	in.bytes() // destination
	in.bytes() // schedule
	for range in.bounded(1<<16, "thresholds") {
		in.bytes()
		in.int()
		if in.err != nil {
			break
		}
	}
	in.bounded(1, "scheduled")
	reference := in.bytes()
	in.bytes() // reason
	stated := in.int()
	if err := in.end(); err != nil {
		c.foundEntry("not a canonical payout: %v", err)
		return
	}
	onWay := func(minor int64) posting {
		return posting{account: accountPayout, ref: []byte(nexus.ID(id).String()), minor: minor}
	}
	m := c.units[e.unit].moneyOf()
	switch verb {
	case "terms":
		if len(e.postings) > 0 {
			c.foundEntry("terms of payouts move money")
		}
		return
	case "opened":
		if _, twice := m.payouts[id]; twice || x.minor <= 0 {
			c.foundEntry("opens a payout twice, or of nothing")
		}
		m.payouts[id] = x
		c.legs(e, p.currency, owner(p, -x.minor), onWay(x.minor))
		c.draw(e, p, -x.minor, stated)
		return
	}
	if was, waits := m.payouts[id]; !waits || was != x {
		c.foundEntry("settles a payout that is not on its way so")
		return
	}
	delete(m.payouts, id)
	switch verb {
	case "posted":
		c.legs(e, p.currency, onWay(-x.minor), posting{account: accountPaid, ref: []byte(nexus.ID(id).String()), minor: x.minor})
		if len(reference) == 0 {
			c.foundEntry("a payout is paid without the provider's reference")
		}
		c.draw(e, p, 0, stated)
	case "voided":
		c.legs(e, p.currency, onWay(-x.minor), owner(p, x.minor))
		c.draw(e, p, x.minor, stated)
	default:
		c.foundEntry("payout of unknown fate %q", verb)
	}
}

// statementEntry holds that months are closed in order, once over, each from more of the ledger than the one before.
func (c *run) statementEntry(e *entry) {
	in := reader{b: e.body}
	month, after := in.bounded(999912, "month"), in.bounded(999912, "month before")
	size := in.uint()
	in.hash()
	if err := in.end(); err != nil {
		c.foundEntry("not a canonical statement: %v", err)
		return
	}
	m := c.units[e.unit].moneyOf()
	if len(e.postings) > 0 {
		c.foundEntry("a statement moves money")
	}
	end := time.Date(int(month/100), time.Month(month%100)+1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	if month%100 < 1 || month%100 > 12 || e.timeMs < end {
		c.foundEntry("states the month %d before it is over, or there is no such month", month)
	}
	if after != m.month || month <= m.month || size < m.size || size > e.seq {
		c.foundEntry("states month %d after %d from %d entries; the month closed before is %d, from %d", month, after, size, m.month, m.size)
	}
	m.month, m.size = month, size
	m.issued[month] = size
}

// disputeEntry follows a dispute from its opening to its one end, and holds that an accepted one was paid what it says.
func (c *run) disputeEntry(e *entry) {
	in := reader{b: e.body}
	verb, id := string(in.bytes()), in.id()
	x := contest{purse: purse{period: in.bounded(1<<32-1, "period")}, month: in.bounded(999912, "month"), entry: in.uint()}
	x.currency, x.minor = string(in.bytes()), in.int()
	paid, transfer := in.int(), in.id()
	x.due = in.int()
	reason := in.bytes()
	if err := in.end(); err != nil {
		c.foundEntry("not a canonical dispute: %v", err)
		return
	}
	m := c.units[e.unit].moneyOf()
	if len(e.postings) > 0 {
		c.foundEntry("a dispute moves money itself")
	}
	if verb == "opened" {
		_, twice := m.disputes[id]
		if size, issued := m.issued[x.month]; twice || !issued || x.entry >= size || x.minor < 0 || x.due <= e.timeMs || len(reason) == 0 || paid != 0 {
			c.foundEntry("opens a dispute twice, of nothing that was stated, or without a reason or a time for the answer")
		}
		m.disputes[id] = x
		return
	}
	if was, stands := m.disputes[id]; !stands || was != x {
		c.foundEntry("ends a dispute that does not stand so")
		return
	}
	delete(m.disputes, id)
	switch {
	case verb != "accepted" && verb != "rejected" && verb != "withdrawn":
		c.foundEntry("dispute of unknown fate %q", verb)
	case verb != "withdrawn" && len(reason) == 0:
		c.foundEntry("answers a dispute without a reason")
	case paid != 0 && (verb != "accepted" || m.paid != gift{id: transfer, index: e.index, purse: x.purse, minor: paid}):
		c.foundEntry("says that a dispute was paid %d %s, which no transfer of its record did", paid, x.currency)
	case paid == 0 && transfer != [16]byte{}:
		c.foundEntry("names a transfer that paid nothing")
	}
}
