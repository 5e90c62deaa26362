package state_test

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// recordSource gives the independent checker the records of a world, without the keys that a store keeps beside them.
type recordSource struct{ records [][]byte }

func (recordSource) Scan(func(key, sealed []byte) error) error { return nil }

func (s recordSource) Records(fn func(index uint64, encoded []byte) error) error {
	for _, raw := range s.records {
		index, _ := binary.Uvarint(raw)
		if err := fn(index, raw); err != nil {
			return err
		}
	}
	return nil
}

func (recordSource) Get(key []byte) ([]byte, error) {
	return nil, nexus.Errf("get", nexus.CodeNotFound, string(key), "", "absent")
}

// findings runs the independent checker and gives what it says of records and entries.
func findings(t failer, records [][]byte) []string {
	t.Helper()
	report, err := verify.Run(context.Background(), recordSource{records}, verify.Options{FindingsMax: 1 << 20})
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	var out []string
	for _, f := range report.Findings {
		if f.Record != nil {
			out = append(out, f.String())
		}
	}
	return out
}

// verified wants the independent checker to find nothing wrong.
func (w *world) verified() {
	w.t.Helper()
	if found := findings(w.t, w.records); len(found) > 0 {
		w.t.Fatalf("the independent checker finds %q", found)
	}
}

// moneyStory is one life with every kind of entry about money in it.
func moneyStory(t *testing.T) (*world, nexus.ID) {
	t.Helper()
	w := newWorld(t)
	shop, ada, bob := signer(30), signer(31), signer(32)
	w.must(w.operator, state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "shop", Class: state.ClassProvider, Key: shop.Public()})
	unit := w.create(w.operator, state.KindIMVUCreate, state.UnitCreate{Name: "Shop", OwnerName: "ada", OwnerKey: ada.Public()})
	w.must(w.operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "bob", Key: bob.Public(), Role: 2})
	event := func(id string, minor int64) state.RevenueEvent {
		return state.RevenueEvent{Unit: unit, EventID: id, Kind: "sale", Currency: "USD", Minor: minor, TimeMs: w.now}
	}
	open := func(id string) state.PendingOpened {
		var o state.PendingOpened
		w.result(w.must(shop, state.KindPendingOpen, nexus.ID{}, state.PendingOpen{Source: "shop", Event: event(id, 1000), LifeMs: state.PendingLifeMinMs}), &o)
		return o
	}
	w.must(shop, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: "shop", Events: []state.RevenueEvent{event("s1", 10_000)}})
	posted, voided, expired := open("p1"), open("p2"), open("p3")
	w.must(shop, state.KindPendingPost, nexus.ID{}, state.PendingSettle{Pending: posted.ID, Minor: 400})
	w.must(shop, state.KindPendingVoid, nexus.ID{}, state.PendingSettle{Pending: voided.ID, Reason: "cancelled"})
	w.now += state.PendingLifeMinMs
	w.must(w.node, state.KindPendingExpire, nexus.ID{}, state.PendingSettle{Pending: expired.ID})
	w.must(ada, state.KindTransferMake, unit, state.TransferMake{Currency: "USD", Minor: 20, Reason: "studio"})
	w.must(w.operator, state.KindTransferMake, unit, state.TransferMake{Currency: "USD", Minor: 7, ToOwner: true, Reason: "prize"})
	hold := func(s nexus.Signer, minor int64) state.HoldPlaced {
		var h state.HoldPlaced
		w.result(w.must(s, state.KindHoldPlace, unit, state.HoldPlace{Currency: "USD", Minor: minor, LifeMs: state.HoldLifeMinMs, Reason: "chargebacks"}), &h)
		return h
	}
	w.must(w.operator, state.KindHoldRelease, unit, state.HoldEnd{Hold: hold(w.operator, 100).ID})
	w.must(w.operator, state.KindHoldCapture, unit, state.HoldEnd{Hold: hold(ada, 90).ID, Minor: 30, Reason: "damage"})
	last := hold(w.operator, 50)
	w.now += state.HoldLifeMinMs
	w.must(w.node, state.KindHoldExpire, unit, state.HoldEnd{Hold: last.ID})
	w.must(ada, state.KindPayoutSet, unit, state.PayoutSet{Destination: "acct_1", Schedule: state.ScheduleDaily,
		Thresholds: []ledger.MinorLimit{{Currency: "USD", Minor: 10}}})
	w.now += 86_400_000
	for _, k := range w.a.DuePayouts(w.now, 9) {
		w.must(w.node, state.KindPayoutOpen, k.Unit, state.PayoutOpen{Period: k.Period, Currency: k.Currency})
	}
	first := w.a.Payouts()[0]
	w.must(w.operator, state.KindPayoutVoid, unit, state.PayoutSettle{Payout: first.ID, Reason: "account closed"})
	var again state.PayoutOpened
	w.result(w.must(ada, state.KindPayoutOpen, unit, state.PayoutOpen{Currency: "USD", Minor: 5000}), &again)
	w.must(w.operator, state.KindPayoutPost, unit, state.PayoutSettle{Payout: again.ID, Reference: "tr_17"})
	var opened state.ProposalOpened
	w.result(w.must(w.operator, state.KindProposalOpen, unit, state.ProposalOpen{Kind: state.KindUnitTransfer,
		Body: nexus.Encode(state.UnitTransfer{To: bob.Public()})}), &opened)
	w.must(ada, state.KindProposalGrant, unit, state.ProposalDecide{Proposal: opened.ID, Change: opened.Change})
	w.must(bob, state.KindProposalGrant, unit, state.ProposalDecide{Proposal: opened.ID, Change: opened.Change})
	// A refund after the transfer lowers what the new owner is owed, below zero when there is nothing else.
	w.must(shop, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: "shop", Events: []state.RevenueEvent{
		{Unit: unit, EventID: "r1", Kind: "chargeback", Currency: "USD", Minor: -400, TimeMs: w.now, RefundOf: "p1"}}})
	w.now += 120 * 86_400_000
	for _, month := range []uint32{197001, 197003} {
		w.must(w.operator, state.KindStatementIssue, unit, state.StatementIssue{Month: month, Size: w.a.Chain.Size(), Digest: nexus.Hash{1}})
	}
	w.disputes(unit, ada, bob)
	return w, unit
}

// disputes has one of each end: ada's about her time is accepted and paid, one of bob's rejected, the other taken back.
func (w *world) disputes(unit nexus.ID, ada, bob nexus.Signer) {
	w.t.Helper()
	open := func(s nexus.Signer, period, month uint32, minor int64) nexus.ID {
		var made state.DisputeMade
		b := state.DisputeOpen{Period: period, Month: month, Currency: "USD", Minor: minor, Reason: "a sale is missing"}
		w.result(w.must(s, state.KindDisputeOpen, unit, b), &made)
		return made.ID
	}
	first, second, third := open(ada, 0, 197001, 400), open(bob, 1, 197003, 0), open(bob, 1, 197001, 9)
	w.must(w.operator, state.KindDisputeAnswer, unit, state.DisputeEnd{Dispute: first, Accept: true, Minor: 300, Reason: "lost by the provider"})
	w.must(w.operator, state.KindDisputeAnswer, unit, state.DisputeEnd{Dispute: second, Reason: "it is in the list"})
	w.must(bob, state.KindDisputeWithdraw, unit, state.DisputeEnd{Dispute: third})
}

func (w *world) result(out *state.Outcome, v any) {
	w.t.Helper()
	if err := nexus.Decode(out.Receipt.Result, v); err != nil {
		w.t.Fatalf("result: %v", err)
	}
}

// The figures of the story, to the unit: 55 % of 10,400 is 5,720; 20 + 30 went to the platform, 7 came, 5,000 were paid,
// 300 came for a dispute.
func TestAMoneyStoryAddsUp(t *testing.T) {
	t.Parallel()
	w, unit := moneyStory(t)
	w.check()
	w.checkOwners()
	w.verified()
	w.replay()
	if a := w.a.Accounts[state.AccountKey{Unit: unit, Currency: "USD"}]; a.Gross != 10_000 || a.Creator != 5500 || a.Platform != 4500 {
		t.Errorf("account %+v", a)
	}
	if o := w.a.OwedIn(unit, 0, "USD"); o.Earned != 5720 || o.Payable() != 5720-20+7-30-5000+300 {
		t.Errorf("the first owner is owed %+v: %d", o, o.Payable())
	}
	if o := w.a.OwedIn(unit, 1, "USD"); o.Earned != -220 || o.Payable() != -220 {
		t.Errorf("the second owner is owed %+v", o)
	}
	if len(w.a.PendingList())+len(w.a.Holds()) != 0 {
		t.Errorf("something waits still")
	}
	for _, who := range []byte{31, 32} {
		if box := w.a.InboxOf(signer(who).Public()); len(box.List) == 0 {
			t.Errorf("owner %d was told nothing", who)
		}
	}
}

// Whoever rewrites an entry about money is found out by the checker alone, whatever hashes are made anew.
func TestCheckerFindsFalseMoney(t *testing.T) {
	t.Parallel()
	w, _ := moneyStory(t)
	foundOut(t, w.records, map[string]moneyLie{
		"pending posted above what was announced": {ledger.KindPending,
			body(func(b *ledger.PendingBody) bool { b.Posted += 700; return b.Verb == "posted" }), "posts 1100 of the 1000"},
		"pending expired early": {ledger.KindPending,
			body(func(b *ledger.PendingBody) bool { b.ExpiresMs += 1 << 40; return b.Verb == "expired" }), "no entry announced so"},
		"pending moves money": {ledger.KindPending, func(e *ledger.Entry) bool {
			e.Postings = []ledger.Posting{{Account: 2, Currency: "USD", Minor: 1}, {Account: 3, Currency: "USD", Minor: -1}}
			return true
		}, "only pending"},
		"transfer of another amount":     {ledger.KindTransfer, body(func(b *ledger.TransferBody) bool { b.Minor++; return true }), "want"},
		"transfer without a reason":      {ledger.KindTransfer, body(func(b *ledger.TransferBody) bool { b.Reason = ""; return true }), "reason"},
		"transfer from the split itself": {ledger.KindTransfer, accountSwapped(ledger.AccountOwner, ledger.AccountCreator), "to account 2"},
		"payable misstated":              {ledger.KindTransfer, body(func(b *ledger.TransferBody) bool { b.Payable++; return true }), "payable in period"},
		"hold captured whole": {ledger.KindHold, body(func(b *ledger.HoldBody) bool {
			b.Captured = b.Minor + 1
			return b.Verb == "captured"
		}), "captures 91 of a hold of 90"},
		"hold that never stood": {ledger.KindHold, body(func(b *ledger.HoldBody) bool { b.Hold[0]++; return b.Verb == "released" }), "does not stand so"},
		"payout of more than there is": {ledger.KindPayout, func(e *ledger.Entry) bool {
			ok := body(func(b *ledger.PayoutBody) bool {
				b.Payable, b.Minor = b.Payable-10_000, b.Minor+10_000
				return b.Verb == "opened"
			})(e)
			if ok {
				e.Postings[0].Minor, e.Postings[1].Minor = e.Postings[0].Minor-10_000, e.Postings[1].Minor+10_000
			}
			return ok
		}, "that was not there"},
		"payout paid without reference": {ledger.KindPayout, body(func(b *ledger.PayoutBody) bool { b.Reference = ""; return b.Verb == "posted" }), "reference"},
		"payout settled twice":          {ledger.KindPayout, body(func(b *ledger.PayoutBody) bool { b.Payout[3]++; return b.Verb == "voided" }), "not on its way"},
		"month stated that is not over": {ledger.KindStatement,
			body(func(b *ledger.StatementBody) bool { b.Month = 999912; return true }), "before it is over"},
		"month stated out of order": {ledger.KindStatement, body(func(b *ledger.StatementBody) bool { b.Month = 197001; return b.After > 0 }),
			"the month closed before is 197001"},
		"month left out between": {ledger.KindStatement, body(func(b *ledger.StatementBody) bool { b.After = 197002; return b.Month == 197003 }),
			"after 197002"},
		"statement of what came later": {ledger.KindStatement, body(func(b *ledger.StatementBody) bool { b.Size += 1000; return true }), "states month"},
		"unit handed over with less": {ledger.KindOwnership, body(func(b *state.OwnershipEntry) bool { b.Balances[0].Creator--; return true }),
			"hands the unit over"},
	})
}

// What is said of a dispute is held to its opening, its statement and the transfer that paid it.
func TestCheckerFindsFalseDisputes(t *testing.T) {
	t.Parallel()
	w, _ := moneyStory(t)
	foundOut(t, w.records, map[string]moneyLie{
		"dispute paid another amount": {ledger.KindDispute, body(func(b *ledger.DisputeBody) bool { b.Paid++; return b.Verb == "accepted" }),
			"no transfer of its record"},
		"dispute paid by no transfer": {ledger.KindDispute, body(func(b *ledger.DisputeBody) bool { b.Transfer[0]++; return b.Verb == "accepted" }),
			"no transfer of its record"},
		"dispute rejected and paid": {ledger.KindDispute, body(func(b *ledger.DisputeBody) bool { b.Verb = "rejected"; return b.Paid > 0 }),
			"no transfer of its record"},
		"dispute answered without a reason": {ledger.KindDispute, body(func(b *ledger.DisputeBody) bool { b.Reason = ""; return b.Verb == "rejected" }),
			"without a reason"},
		"dispute of no statement": {ledger.KindDispute, body(func(b *ledger.DisputeBody) bool { b.Month = 197002; return b.Verb == "opened" }),
			"opens a dispute"},
		"dispute decided twice": {ledger.KindDispute, body(func(b *ledger.DisputeBody) bool { b.Dispute[0]++; return b.Verb == "withdrawn" }),
			"does not stand so"},
	})
}

// moneyLie is a change to an entry, and what the checker should say of it.
type moneyLie struct {
	kind   ledger.EntryKind
	change func(e *ledger.Entry) bool
	want   string
}

// foundOut wants the checker to find each lie.
func foundOut(t *testing.T, story [][]byte, lies map[string]moneyLie) {
	t.Helper()
	for name, c := range lies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			records, changed := rewritten(t, story, c.kind, c.change)
			if !changed {
				t.Fatal("the story has no such entry")
			}
			for _, f := range findings(t, records) {
				if strings.Contains(f, c.want) {
					return
				}
			}
			t.Errorf("not found out: %q", findings(t, records))
		})
	}
}

// body changes an entry's body; false leaves it.
func body[T any](change func(*T) bool) func(*ledger.Entry) bool {
	return func(e *ledger.Entry) bool {
		var b T
		if nexus.Decode(e.Body, &b) != nil || !change(&b) {
			return false
		}
		e.Body = nexus.Encode(b)
		return true
	}
}

func accountSwapped(from, to ledger.AccountKind) func(*ledger.Entry) bool {
	return func(e *ledger.Entry) bool {
		for i := range e.Postings {
			if e.Postings[i].Account == from {
				e.Postings[i].Account, e.Postings[i].Ref = to, ""
				return true
			}
		}
		return false
	}
}

// rewritten changes the first entry of a kind that change takes.
func rewritten(t *testing.T, records [][]byte, kind ledger.EntryKind, change func(*ledger.Entry) bool) ([][]byte, bool) {
	t.Helper()
	out := append([][]byte(nil), records...)
	for i, raw := range records {
		r, err := ledger.ParseRecord(raw)
		if err != nil {
			t.Fatal(err)
		}
		entries := append([][]byte(nil), r.Entries...)
		for j, one := range entries {
			e, err := ledger.ParseEntry(one)
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == kind && change(&e) {
				entries[j] = e.AppendTo(nil)
				r.Entries = entries
				out[i] = r.Encode()
				return out, true
			}
		}
	}
	return out, false
}
