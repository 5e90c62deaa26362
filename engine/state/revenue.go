package state

import (
	"crypto/sha256"
	"fmt"
	"math"
	stdslices "slices"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/split"
)

// Bounds of one signed batch. Together they keep its record and keys well below what the store writes in one transaction.
const (
	MaxBatchEvents = 4096
	MaxBodyBytes   = 512 << 10 // of any action's body

	// MaxRecordBytes bounds what one batch makes of itself: record, keys and tree. The store must take it in one transaction
	// (engine.Open checks that), because a committed command that it does not take stops the machine.
	MaxRecordBytes = 3<<20 + 512<<10

	// maxRefunds bounds how often one event is refunded in part.
	maxRefunds = 64
)

// eventRef is stored under EventKey: what an event id stands for. Refunds lists what was taken back so far, each with the
// index it happened at, so that a replay at an earlier index sees only what was there then.
type eventRef struct {
	Index    uint64
	Digest   nexus.Hash
	Minor    int64
	Currency string
	Refunds  []refundRef
}

type refundRef struct {
	Index uint64
	Minor int64
}

// EventKey is the store key of one event id: exact for ever, per (unit, source) (SPEC section 1, Sources).
func EventKey(unit nexus.ID, source, id string) []byte {
	h := sha256.Sum256(nexus.Encode(struct {
		Unit   nexus.ID
		Source string
		ID     string
	}{unit, source, id}))
	return append([]byte("d/"), h[:20]...)
}

func (e *RevenueEvent) digest() nexus.Hash { return sha256.Sum256(nexus.Encode(*e)) }

// posting is what one event of a batch will do.
type posting struct {
	event    *RevenueEvent
	seq      uint64
	creator  int64
	platform int64
	gross    int64 // after
	total    int64 // creator's, after
}

// batch works a revenue.post through without touching the state, so that the whole of it is applied or refused.
type batch struct {
	st       *step
	src      *Source
	body     RevenuePost
	accounts map[AccountKey]*Account // working copies
	clearing map[string]*int64       // of the source by currency, working copies
	units    map[nexus.ID]*batchUnit // those of the batch
	cleared  *int64                  // in clearing, that of the event before
	currency string                  // of cleared
	postings []posting
	refs     map[string]*eventRef // changed or new, by key
	order    []string             // keys in order of first change
	facts    gates.RevenueFacts
}

// batchUnit is one unit of a batch, with the account that its event before was posted to: looked up once, not for each event.
type batchUnit struct {
	unit    *Unit
	account *Account
}

func (st *step) revenuePost() error {
	b := &batch{st: st, accounts: map[AccountKey]*Account{}, clearing: map[string]*int64{}, refs: map[string]*eventRef{},
		units: map[nexus.ID]*batchUnit{}}
	if st.known != nil && st.known.post != nil && st.cmd == &st.known.cmd {
		b.body = *st.known.post
	} else if err := decodePost(st.cmd.Action.Body, &b.body); err != nil {
		st.fail(nexus.CodeMalformed, "body", "build the action with the nexus command or the API", "%v", err)
		return nil
	}
	b.facts = gates.RevenueFacts{Source: b.body.Source, Events: uint64(len(b.body.Events)), SplitPercent: 55, RequiredPercent: 55}
	if src, ok := st.s.Sources[b.body.Source]; ok {
		b.src = src
		b.facts.SourceKnown, b.facts.SourceActive, b.facts.SourceClass = true, src.Active, src.Class
		b.facts.ActorIsSource = src.Key == st.cmd.Action.Actor
	}
	if n := len(b.body.Events); n == 0 || n > MaxBatchEvents {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("batch of %d events", n), fmt.Sprintf("1 to %d events", MaxBatchEvents), "size out of range")
		st.facts.Revenue = []gates.RevenueFacts{b.facts}
		return nil
	}
	if b.src != nil {
		b.postings = stdslices.Grow(st.scratch.postings[:0], len(b.body.Events))
		if err := b.work(); err != nil {
			return err
		}
		st.scratch.postings = b.postings
	}
	st.facts.Revenue = []gates.RevenueFacts{b.facts}
	if n := b.sizeMax(); n > MaxRecordBytes {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("batch of %d events", len(b.body.Events)), "send smaller batches",
			"would take up to %d bytes, at most %d are stored at once", n, MaxRecordBytes)
	}
	st.effect = b.apply
	return nil
}

// work checks every event and computes its postings over working copies of the accounts.
func (b *batch) work() error {
	first := b.body.FirstSeq
	if first > 0 && first != b.src.LastSeq+1 {
		b.fault(0, fmt.Sprintf("producer sequence %d, expected %d", first, b.src.LastSeq+1))
		return nil
	}
	last := &batchUnit{}
	for i := range b.body.Events {
		e := &b.body.Events[i]
		bu := last
		if bu.unit == nil || bu.unit.ID != e.Unit {
			bu = b.unit(e.Unit)
			b.checkUnit(bu.unit) // each time, since the last of several stands in the facts
		}
		last = bu
		if why := b.faultOf(e, bu.unit, first > 0); why != "" {
			b.fault(i, why)
			continue
		}
		if first == 0 {
			fresh, err := b.dedupe(i, e)
			if err != nil {
				return err
			}
			if !fresh {
				continue
			}
		}
		b.post(i, e, bu)
	}
	return nil
}

// unit gives what the batch knows of a unit; its unit is nil when there is none of this id.
func (b *batch) unit(id nexus.ID) *batchUnit {
	bu := b.units[id]
	if bu == nil {
		bu = &batchUnit{unit: b.st.s.Units[id]}
		b.units[id] = bu
	}
	return bu
}

func (b *batch) fault(i int, why string) {
	if b.facts.FirstOffender == 0 {
		b.facts.FirstOffender, b.facts.Fault = uint64(i)+1, clip(why)
	}
}

// sizeMax is an upper bound of ledger.Batch.Size for what apply makes. The fixed parts: 64 KiB for decision, answer and
// checkpoint; 256 bytes of an entry, its postings, its body's numbers and its leaf; 216 of an event reference with its key and
// overhead; 20 of a refund.
func (b *batch) sizeMax() int {
	n := 64<<10 + len(b.st.cmd.Action.Body) + 2*len(b.body.Source)
	n += len(b.postings) * (256 + 2*len(b.body.Source))
	for i := range b.postings {
		e := b.postings[i].event
		n += len(e.EventID) + len(e.Kind) + len(e.Memo) + len(e.RefundOf)
	}
	for _, r := range b.refs {
		n += 216 + 20*len(r.Refunds)
	}
	return n + n/4096
}

// checkUnit takes the facts that hold for all events of one unit: nobody attests revenue for a unit they own, and the
// percentage is the constitution's.
func (b *batch) checkUnit(u *Unit) {
	if u == nil {
		return
	}
	if b.src.Class == ClassAttested && (u.Owner == b.st.cmd.Action.Actor || u.Owner == b.src.Key) {
		b.facts.Beneficiary, b.facts.BeneficiaryOf = true, u.ID
	}
	if b.facts.RequiredPercent == b.facts.SplitPercent { // the first mismatch of a batch stands
		b.facts.RequiredPercent, b.facts.SplitPercent = PercentOf(u.Kind, u.Percent), u.Percent
	}
}

func (b *batch) faultOf(e *RevenueEvent, u *Unit, sequenced bool) string {
	_, known := nexus.CurrencyExponent(e.Currency)
	switch {
	case u == nil:
		return fmt.Sprintf("unknown unit %s", e.Unit)
	case !known:
		return fmt.Sprintf("unknown currency %q", e.Currency)
	case b.st.s.noCurrency(e.Currency):
		return "currency XXX means that no currency is involved"
	case e.Minor == 0:
		return "amount 0"
	case e.Minor == math.MinInt64: // its opposite, which the source's posting would hold, is no number of 64 bits
		return fmt.Sprintf("amount %d is out of range", e.Minor)
	case (e.Currency == nexus.TestCurrency) != (u.Kind == nexus.KindProbe):
		return fmt.Sprintf("currency %s on %s", e.Currency, u.Label)
	case u.Kind == nexus.KindProbe && b.src.Name != ProbeSource && b.src.Class != ClassAttested:
		return "a probe takes test money from a probe source only"
	case e.Kind == "" || len(e.Kind) > 32:
		return fmt.Sprintf("event kind %q", e.Kind)
	case sequenced != (e.EventID == "") || len(e.EventID) > 256:
		return fmt.Sprintf("event id %q", e.EventID)
	case len(e.Memo) > 8192:
		return fmt.Sprintf("memo of %d bytes", len(e.Memo))
	case e.TimeMs <= -62135596800000 || e.TimeMs > 253402300799999:
		return fmt.Sprintf("event time %d ms", e.TimeMs)
	case sequenced && e.RefundOf != "": // its original has no id that could be looked up
		return "a sequenced batch cannot name the event it refunds"
	case e.Minor < 0 && e.RefundOf == "" && !sequenced:
		return "a negative amount needs the event it refunds"
	}
	return ""
}

// dedupe looks an event id up: fresh, a duplicate (counted once) or a conflict (refused). A refund must find its original.
func (b *batch) dedupe(i int, e *RevenueEvent) (fresh bool, err error) {
	key := string(EventKey(e.Unit, b.src.Name, e.EventID))
	ref, err := b.ref(key)
	if err != nil {
		return false, err
	}
	if ref != nil {
		if ref.Digest == e.digest() {
			b.facts.Duplicates++
			return false, nil
		}
		b.facts.Conflicts++
		b.fault(i, fmt.Sprintf("event id %q was used at index %d with other content", e.EventID, ref.Index))
		return false, nil
	}
	if e.RefundOf != "" {
		if why, err := b.refund(e); err != nil || why != "" {
			b.fault(i, why)
			return false, err
		}
	}
	b.put(key, &eventRef{Index: b.st.index, Digest: e.digest(), Minor: e.Minor, Currency: e.Currency})
	return true, nil
}

func (b *batch) refund(e *RevenueEvent) (string, error) {
	key := string(EventKey(e.Unit, b.src.Name, e.RefundOf))
	orig, err := b.ref(key)
	switch {
	case err != nil:
		return "", err
	case orig == nil:
		return fmt.Sprintf("refund of unknown event %q", e.RefundOf), nil
	case e.Minor >= 0 || orig.Minor <= 0:
		return fmt.Sprintf("refund of %q must lower a sale", e.RefundOf), nil
	case orig.Currency != e.Currency:
		return fmt.Sprintf("refund in %s of a sale in %s", e.Currency, orig.Currency), nil
	}
	if len(orig.Refunds) >= maxRefunds {
		return fmt.Sprintf("event %q was refunded %d times already", e.RefundOf, maxRefunds), nil
	}
	left := orig.Minor
	for _, r := range orig.Refunds {
		left += r.Minor
	}
	if left+e.Minor < 0 {
		asked, have := fmt.Sprint(-e.Minor), fmt.Sprint(left)
		if b.st.s.fourth() {
			asked, have = nexus.Money{Minor: -e.Minor, Currency: e.Currency}.String(), nexus.Money{Minor: left, Currency: e.Currency}.String()
		}
		return fmt.Sprintf("refund of %s exceeds the %s left of event %q", asked, have, e.RefundOf), nil
	}
	orig.Refunds = append(orig.Refunds, refundRef{b.st.index, e.Minor})
	b.put(key, orig)
	return "", nil
}

// ref reads an event reference as of this index: the batch's own changes first, then the store, leaving out whatever a
// replay must not see yet.
func (b *batch) ref(key string) (*eventRef, error) {
	if r, ok := b.refs[key]; ok {
		return r, nil
	}
	v, err := b.st.look([]byte(key))
	if err != nil || v == nil {
		return nil, err
	}
	var r eventRef
	if err := nexus.Decode(v, &r); err != nil {
		return nil, err
	}
	if r.Index >= b.st.index {
		return nil, nil
	}
	kept := r.Refunds[:0]
	for _, x := range r.Refunds {
		if x.Index < b.st.index {
			kept = append(kept, x)
		}
	}
	r.Refunds = kept
	return &r, nil
}

func (b *batch) put(key string, r *eventRef) {
	if _, ok := b.refs[key]; !ok {
		b.order = append(b.order, key)
	}
	b.refs[key] = r
}

func (b *batch) post(i int, e *RevenueEvent, bu *batchUnit) {
	u, acc := bu.unit, bu.account
	if acc == nil || acc.Currency != e.Currency {
		acc = b.account(AccountKey{e.Unit, e.Currency})
		bu.account = acc
	}
	creator, platform, err := split.Post(acc.Gross, e.Minor, split.Rule(PercentOf(u.Kind, u.Percent)))
	if err != nil {
		b.fault(i, fmt.Sprintf("amount %d takes the gross of %s past 64 bits", e.Minor, u.Label))
		return
	}
	cleared, ok := nexus.AddMinor(*b.clears(e.Currency), -e.Minor)
	if !ok {
		b.fault(i, fmt.Sprintf("amount %d takes the clearing account of source %q past 64 bits", e.Minor, b.src.Name))
		return
	}
	*b.cleared = cleared
	acc.Gross += e.Minor
	acc.Creator += creator
	acc.Platform += platform
	acc.Events++
	acc.NewestMs = max(acc.NewestMs, e.TimeMs)
	acc.PostedMs = b.st.now
	acc.NewestSeq = b.st.s.Chain.Size() + 1 + uint64(len(b.postings)) // the decision stands first
	p := posting{event: e, creator: creator, platform: platform, gross: acc.Gross, total: acc.Creator}
	if b.body.FirstSeq > 0 {
		p.seq = b.body.FirstSeq + uint64(i)
	}
	b.postings = append(b.postings, p)
}

// account gives the working copy of an account.
func (b *batch) account(k AccountKey) *Account {
	acc, ok := b.accounts[k]
	if !ok {
		acc = &Account{Unit: k.Unit, Currency: k.Currency}
		if have := b.st.s.Accounts[k]; have != nil {
			*acc = *have
		}
		b.accounts[k] = acc
	}
	return acc
}

// clears gives the working copy of the source's clearing balance, and keeps it in b.cleared for the next event.
func (b *batch) clears(currency string) *int64 {
	if b.cleared != nil && b.currency == currency {
		return b.cleared
	}
	have := b.clearing[currency]
	if have == nil {
		minor := b.st.s.Clearing[ClearingKey{b.src.Name, currency}]
		have = &minor
		b.clearing[currency] = have
	}
	b.cleared, b.currency = have, currency
	return have
}

// apply makes the batch's entries, accounts and references real. Runs only when all gates allow.
func (b *batch) apply() {
	st, s, sc := b.st, b.st.s, b.st.scratch
	st.drafts = stdslices.Grow(sc.drafts[:0], len(b.postings))
	bodies, lines := stdslices.Grow(sc.bodies[:0], b.bodiesTypical()), stdslices.Grow(sc.lines[:0], 3*len(b.postings)) // of all drafts, each in one piece
	for i := range b.postings {
		var d ledger.Draft
		d, bodies, lines = b.draft(&b.postings[i], bodies, lines)
		st.drafts = append(st.drafts, d)
	}
	sc.drafts, sc.bodies, sc.lines = st.drafts, bodies, lines
	for _, acc := range b.accounts { // order does not matter: distinct keys, each put in its place
		s.putAccount(acc)
	}
	for currency, minor := range b.clearing { // likewise
		s.Clearing[ClearingKey{b.src.Name, currency}] = *minor
	}
	for _, key := range b.order {
		st.puts = append(st.puts, ledger.KV{Key: []byte(key), Value: nexus.Encode(*b.refs[key])})
	}
	b.src.Events += uint64(len(b.postings))
	s.Counters.Events += uint64(len(b.postings))
	if b.body.FirstSeq > 0 {
		b.src.LastSeq = b.body.FirstSeq + uint64(len(b.body.Events)) - 1
	}
	b.tellChargebacks()
	st.result = nexus.Encode(RevenuePosted{Posted: uint64(len(b.postings)), Duplicates: b.facts.Duplicates})
	st.events = append(st.events, nexus.Event{Type: "revenue.posted", Index: st.index, Data: len(b.postings)})
}

// bodiesTypical is about what the bodies of all drafts take, in bytes.
func (b *batch) bodiesTypical() int {
	n := (40 + len(b.src.Name)) * len(b.postings)
	for i := range b.postings {
		e := b.postings[i].event
		n += len(e.EventID) + len(e.Kind) + len(e.Memo) + len(e.RefundOf)
	}
	return n
}

// draft makes an event's draft; its body and postings are appended to what those of the others lie in.
func (b *batch) draft(p *posting, bodies []byte, lines []ledger.Posting) (ledger.Draft, []byte, []ledger.Posting) {
	e := p.event
	kind := ledger.KindRevenue
	if e.Minor < 0 {
		kind = ledger.KindRefund
	}
	body := ledger.RevenueBody{Source: b.src.Name, EventID: e.EventID, ProducerSeq: p.seq, Kind: e.Kind, SourceClass: b.src.Class,
		Currency: e.Currency, Minor: e.Minor, EventTimeMs: e.TimeMs, Memo: e.Memo, GrossAfter: p.gross, CreatorAfter: p.total, RefundOf: e.RefundOf}
	start, first := len(bodies), len(lines)
	bodies = body.AppendTo(bodies)
	lines = append(lines, ledger.Posting{Account: ledger.AccountSource, Ref: b.src.Name, Currency: e.Currency, Minor: -e.Minor},
		ledger.Posting{Account: ledger.AccountCreator, Currency: e.Currency, Minor: p.creator},
		ledger.Posting{Account: ledger.AccountPlatform, Currency: e.Currency, Minor: p.platform})
	return ledger.Draft{Unit: e.Unit, Kind: kind, Body: bodies[start:len(bodies):len(bodies)], Postings: lines[first:len(lines):len(lines)]}, bodies, lines
}
