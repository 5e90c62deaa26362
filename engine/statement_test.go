package engine_test

import (
	"fmt"
	"math/rand"
	"sync/atomic"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/engine/statement"
)

// bookkeeper is a second, naive account of one unit: lists of amounts by month, added up without the code under test.
type bookkeeper struct {
	t      *testing.T
	r      *rig
	rnd    *rand.Rand
	nowMs  atomic.Int64
	unit   nexus.ID
	owner  nexus.KeySigner
	gross  int64
	closed uint32
	items  []booked
	moves  []booked
	sold   []state.RevenueEvent
	digest map[uint32]nexus.Hash
	ends   map[uint32]int64
	next   int
}

type booked struct {
	month, own     uint32
	kind           string
	minor, creator int64
}

func newBookkeeper(t *testing.T, seed int64) *bookkeeper {
	b := &bookkeeper{t: t, rnd: rand.New(rand.NewSource(seed)), owner: testKey(1), digest: map[uint32]nexus.Hash{}, ends: map[uint32]int64{}}
	b.nowMs.Store(time.Now().UnixMilli())
	b.r = newRigAt(t, func() time.Time { return time.UnixMilli(b.nowMs.Load()) })
	b.unit = b.r.create("Shop", "ada", b.owner.Public())
	b.must(b.owner, state.KindPayoutSet, state.PayoutSet{Schedule: state.ScheduleManual, Destination: "acct_1"})
	return b
}

func (b *bookkeeper) must(s nexus.Signer, kind string, body any) nexus.Receipt {
	b.t.Helper()
	r, err := b.r.do(s, kind, b.unit, body)
	if err != nil {
		b.t.Fatalf("%s: %v", kind, err)
	}
	return r
}

func (b *bookkeeper) monthNow() uint32 { return state.MonthOf(b.nowMs.Load()) }

// in gives the month that something of a month of its own belongs to now.
func (b *bookkeeper) in(own uint32) uint32 {
	if own > b.closed {
		return own
	}
	if b.closed%100 == 12 {
		return b.closed + 89
	}
	return b.closed + 1
}

// share is ceil(gross x 55 / 100), also below zero.
func share(gross int64) int64 {
	q := gross * 55 / 100
	if gross*55%100 > 0 {
		q++
	}
	return q
}

func (b *bookkeeper) event(kind string, minor int64, refundOf string, eventMs int64) state.RevenueEvent {
	b.t.Helper()
	b.next++
	e := state.RevenueEvent{Unit: b.unit, EventID: fmt.Sprint("e", b.next), Kind: kind, Currency: "USD", Minor: minor, TimeMs: eventMs, RefundOf: refundOf}
	post := state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{e}}
	if _, err := b.r.do(b.r.operator(), state.KindRevenuePost, nexus.ID{}, post); err != nil {
		b.t.Fatal(err)
	}
	own := state.MonthOf(eventMs)
	b.items = append(b.items, booked{month: b.in(own), own: own, kind: kind, minor: minor, creator: share(b.gross+minor) - share(b.gross)})
	b.gross += minor
	return e
}

func (b *bookkeeper) move(kind string, delta int64) {
	b.moves = append(b.moves, booked{month: b.in(b.monthNow()), kind: kind, minor: delta})
}

func (b *bookkeeper) payable() int64 {
	sum := share(b.gross)
	for _, m := range b.moves {
		sum += m.minor
	}
	return sum
}

func (b *bookkeeper) step() {
	b.nowMs.Add(int64(b.rnd.Intn(5)) * 86_400_000)
	some := int64(b.rnd.Intn(300) + 1)
	switch b.rnd.Intn(8) {
	case 0, 1, 2:
		b.sold = append(b.sold, b.event("sale", some, "", b.nowMs.Load()-int64(b.rnd.Intn(60))*86_400_000))
	case 3:
		if len(b.sold) > 0 {
			at := b.rnd.Intn(len(b.sold))
			e := b.sold[at]
			b.sold = append(b.sold[:at], b.sold[at+1:]...)
			b.event([]string{"refund", "chargeback"}[b.rnd.Intn(2)], -e.Minor, e.EventID, b.nowMs.Load()-int64(b.rnd.Intn(20))*86_400_000)
		}
	case 4:
		b.must(b.r.operator(), state.KindTransferMake, state.TransferMake{Currency: "USD", Minor: some, ToOwner: true, Reason: "prize"})
		b.move("received", some)
	case 5:
		if some <= b.payable() {
			b.must(b.owner, state.KindTransferMake, state.TransferMake{Currency: "USD", Minor: some, Reason: "rent"})
			b.move("fees", -some)
		}
	case 6:
		b.hold(some)
	case 7:
		b.payout(some)
	}
}

func (b *bookkeeper) hold(some int64) {
	if some > b.payable() {
		return
	}
	r := b.must(b.owner, state.KindHoldPlace, state.HoldPlace{Currency: "USD", Minor: some, LifeMs: 86_400_000, Reason: "deposit"})
	var placed state.HoldPlaced
	b.decode(r.Result, &placed)
	b.move("placed", -some)
	if b.rnd.Intn(2) == 0 {
		b.must(b.r.operator(), state.KindHoldCapture, state.HoldEnd{Hold: placed.ID, Minor: 1, Reason: "damage"})
		b.move("back", some-1)
		return
	}
	b.must(b.r.operator(), state.KindHoldRelease, state.HoldEnd{Hold: placed.ID})
	b.move("back", some)
}

func (b *bookkeeper) payout(some int64) {
	if some > b.payable() {
		return
	}
	r := b.must(b.owner, state.KindPayoutOpen, state.PayoutOpen{Currency: "USD", Minor: some})
	var opened state.PayoutOpened
	b.decode(r.Result, &opened)
	b.move("opened", -some)
	if b.rnd.Intn(2) == 0 {
		b.must(b.r.operator(), state.KindPayoutVoid, state.PayoutSettle{Payout: opened.ID, Reason: "closed"})
		b.move("failed", some)
		return
	}
	b.must(b.r.operator(), state.KindPayoutPost, state.PayoutSettle{Payout: opened.ID, Reference: "tr_1"})
}

func (b *bookkeeper) decode(raw []byte, v any) {
	b.t.Helper()
	if err := nexus.Decode(raw, v); err != nil {
		b.t.Fatal(err)
	}
}

// want adds up what a month's statement must say, from the month closed before.
func (b *bookkeeper) want(month uint32) statement.Account {
	w := statement.Account{Currency: "USD"}
	for _, x := range b.items {
		switch {
		case x.month <= b.closed:
			w.Opening += x.creator
		case x.month <= month:
			w.Net, w.Creator, w.Platform = w.Net+x.minor, w.Creator+x.creator, w.Platform+x.minor-x.creator
			switch x.kind {
			case "sale":
				w.Sales, w.SalesCount = w.Sales+x.minor, w.SalesCount+1
			case "refund":
				w.Refunds, w.RefundCount = w.Refunds+x.minor, w.RefundCount+1
			default:
				w.Chargebacks, w.ChargebackNum = w.Chargebacks+x.minor, w.ChargebackNum+1
			}
			if x.own < month {
				w.LateCount, w.LateNet, w.LateCreator = w.LateCount+1, w.LateNet+x.minor, w.LateCreator+x.creator
			}
		}
	}
	for _, m := range b.moves {
		to := map[string]*int64{"received": &w.Received, "fees": &w.Fees, "placed": &w.HoldsPlaced, "back": &w.HoldsBack, "opened": &w.PayoutsOpened,
			"failed": &w.PayoutsBack}[m.kind]
		if m.month <= b.closed {
			w.Opening += m.minor
		} else if m.month <= month {
			*to += max(m.minor, -m.minor)
		}
	}
	w.Closing = w.Opening + w.Creator + w.Received - w.Fees - w.HoldsPlaced + w.HoldsBack - w.PayoutsOpened + w.PayoutsBack
	return w
}

func (b *bookkeeper) issue(month uint32) {
	b.t.Helper()
	d, issued, err := b.r.eng.Statement(b.unit, month)
	if err != nil || issued != nil {
		b.t.Fatalf("%d: issued %v, %v", month, issued, err)
	}
	b.compare(&d, b.want(month))
	if again, _, _ := b.r.eng.Statement(b.unit, month); again.Digest() != d.Digest() {
		b.t.Fatalf("%d: made twice, two digests", month)
	}
	b.must(b.r.operator(), state.KindStatementIssue, state.StatementIssue{Month: month, Size: d.Size, Digest: d.Digest()})
	b.closed, b.digest[month] = month, d.Digest()
}

func (b *bookkeeper) compare(d *statement.Document, want statement.Account) {
	b.t.Helper()
	got := statement.Account{Currency: "USD"}
	if len(d.Accounts) > 0 {
		got = d.Accounts[0]
	}
	want.HoldsTaken, want.Paid, want.Held, want.OnItsWay = got.HoldsTaken, got.Paid, 0, 0 // not in the bookkeeper's lists; nothing is left set aside
	if got != want || uint64(len(d.Late)) != want.LateCount {
		b.t.Fatalf("%s:\n got %+v, %d late\nwant %+v", d.Month, got, len(d.Late), want)
	}
	opening := int64(0)
	if d.After != "" {
		opening = b.ends[b.closed]
	}
	if got.Opening != opening {
		b.t.Fatalf("%s opens with %d, the statement before closed with %d", d.Month, got.Opening, opening)
	}
	number := b.monthOf(d.Month)
	b.ends[number] = got.Closing
}

func (b *bookkeeper) monthOf(text string) uint32 {
	b.t.Helper()
	t, err := time.Parse("2006-01", text)
	if err != nil {
		b.t.Fatal(err)
	}
	return state.MonthOf(t.UnixMilli())
}

// Statements say what a naive bookkeeper adds up, each begins where the one before ended, late events go to the next open month, and made
// again at the end, after a restart, all of them have the digests that the ledger holds.
func TestStatementsAreWhatABookkeeperAddsUp(t *testing.T) {
	t.Parallel()
	for seed := range int64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			b := newBookkeeper(t, seed)
			before := b.monthNow()
			for range 90 {
				b.step()
				if month := b.monthNow(); month != before && b.rnd.Intn(3) > 0 {
					b.issue(before)
				}
				before = max(before, b.monthNow())
			}
			b.nowMs.Add(32 * 86_400_000)
			b.issue(before)
			owed := int64(0)
			b.r.eng.View(func(s *state.State) { owed = s.OwedIn(b.unit, 0, "USD").Payable() })
			if b.ends[before] != owed || owed != b.payable() || len(b.digest) < 3 {
				t.Errorf("%d months; the last ends with %d, the state owes %d, the bookkeeper %d", len(b.digest), b.ends[before], owed, b.payable())
			}
			b.r.close()
			if err := b.r.tryOpen(); err != nil {
				t.Fatal(err)
			}
			for month, digest := range b.digest {
				d, issued, err := b.r.eng.Statement(b.unit, month)
				if err != nil || issued == nil || d.Digest() != digest {
					t.Errorf("%d made again: digest %s, was %s: %v", month, d.Digest(), digest, err)
				}
			}
		})
	}
}

// What may not be issued: a month that runs, a digest of another document, a month twice or out of order, and by whom it may not.
func TestStatementsThatAreRefused(t *testing.T) {
	t.Parallel()
	b := newBookkeeper(t, 1)
	begun := b.monthNow()
	b.event("sale", 1000, "", b.nowMs.Load())
	early, _, err := b.r.eng.Statement(b.unit, begun)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(s nexus.Signer, x state.StatementIssue) nexus.Code {
		_, err := b.r.do(s, state.KindStatementIssue, b.unit, x)
		return nexus.CodeOf(err)
	}
	good := func(d *statement.Document) state.StatementIssue {
		return state.StatementIssue{Month: b.monthOf(d.Month), Size: d.Size, Digest: d.Digest()}
	}
	if code := issue(b.r.operator(), good(&early)); code != nexus.CodeConflict {
		t.Errorf("a month that runs: %v", code)
	}
	b.event("sale", 500, "", b.nowMs.Load())
	b.nowMs.Add(32 * 86_400_000)
	if code := issue(b.r.operator(), good(&early)); code != nexus.CodeConflict {
		t.Errorf("a statement that leaves out events of its month: %v", code)
	}
	d, _, err := b.r.eng.Statement(b.unit, begun)
	if err != nil {
		t.Fatal(err)
	}
	forged := good(&d)
	forged.Digest[0]++
	for name, c := range map[string]struct {
		who  nexus.Signer
		what state.StatementIssue
		code nexus.Code
	}{
		"forged digest":  {b.r.operator(), forged, nexus.CodeConflict},
		"by a stranger":  {testKey(9), good(&d), nexus.CodeRefused},
		"no such month":  {b.r.operator(), state.StatementIssue{Month: 202613, Size: d.Size, Digest: d.Digest()}, nexus.CodeMalformed},
		"past the end":   {b.r.operator(), state.StatementIssue{Month: begun, Size: 1 << 40, Digest: d.Digest()}, nexus.CodeMalformed},
		"without digest": {b.r.operator(), state.StatementIssue{Month: begun, Size: d.Size}, nexus.CodeConflict},
	} {
		if code := issue(c.who, c.what); code != c.code {
			t.Errorf("%s: %v, want %v", name, code, c.code)
		}
	}
	if code := issue(b.owner, good(&d)); code != "" {
		t.Errorf("the owner's own: %v", code)
	}
	if code := issue(b.r.operator(), good(&d)); code != nexus.CodeConflict {
		t.Errorf("twice: %v", code)
	}
	if _, _, err := b.r.eng.Statement(b.unit, begun-1); begun%100 > 1 && nexus.CodeOf(err) != nexus.CodeConflict {
		t.Errorf("a month that was closed with a later one: %v", err)
	}
}
