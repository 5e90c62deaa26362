package state_test

import (
	"strconv"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// moved recomputes the owners' accounts from the postings of an entry that is no revenue: they never touch source, creator or platform,
// sum to zero, and leave an owner with no less than nothing when they take from it.
func (w *world) moved(e *ledger.Entry) {
	w.t.Helper()
	var period uint32
	var currency string
	var payable int64
	switch e.Kind {
	case ledger.KindTransfer:
		var b ledger.TransferBody
		w.decode(e, &b)
		period, currency, payable = b.Period, b.Currency, b.Payable
	case ledger.KindHold:
		var b ledger.HoldBody
		w.decode(e, &b)
		period, currency, payable = b.Period, b.Currency, b.Payable
	case ledger.KindPayout:
		var b ledger.PayoutBody
		w.decode(e, &b)
		period, currency, payable = b.Period, b.Currency, b.Payable
	default:
		w.t.Fatalf("entry %d of kind %s has postings", e.Seq, e.Kind)
	}
	k := state.PurseKey{Unit: e.Unit, Period: period, Currency: currency}
	p := w.purses[k]
	if p == nil {
		p = &state.Purse{}
		w.purses[k] = p
	}
	var sum, drawn int64
	for _, x := range e.Postings {
		sum += x.Minor
		if x.Currency != currency {
			w.t.Fatalf("entry %d posts %s beside %s", e.Seq, x.Currency, currency)
		}
		switch x.Account {
		case ledger.AccountOwner:
			if x.Ref != strconv.Itoa(int(period)) {
				w.t.Fatalf("entry %d of period %d posts to the owner of %q", e.Seq, period, x.Ref)
			}
			p.Drawn, drawn = p.Drawn+x.Minor, drawn+x.Minor
		case ledger.AccountHeld:
			p.Held += x.Minor
		case ledger.AccountPayout:
			p.OnItsWay += x.Minor
		case ledger.AccountPaid:
			p.Paid += x.Minor
		case ledger.AccountDues:
			p.Dues += x.Minor
		default:
			w.t.Fatalf("entry %d of kind %s moves the account %s", e.Seq, e.Kind, x.Account)
		}
	}
	if sum != 0 {
		w.t.Fatalf("entry %d sums to %d", e.Seq, sum)
	}
	owed := w.a.OwedIn(e.Unit, int(period), currency).Payable()
	if owed != payable || drawn < 0 && payable < 0 {
		w.t.Fatalf("entry %d states %d payable after taking %d, the state says %d", e.Seq, payable, -drawn, owed)
	}
}

func (w *world) decode(e *ledger.Entry, v any) {
	w.t.Helper()
	if err := nexus.Decode(e.Body, v); err != nil {
		w.t.Fatalf("entry %d: %v", e.Seq, err)
	}
}

// checkOwners compares the owners' accounts with what the entries posted, and what is set aside with the holds and payouts there are.
func (w *world) checkOwners() {
	w.t.Helper()
	held, onWay := map[state.PurseKey]int64{}, map[state.PurseKey]int64{}
	for _, h := range w.a.Holds() {
		held[state.PurseKey{Unit: h.Unit, Period: h.Period, Currency: h.Currency}] += h.Minor
	}
	for _, p := range w.a.Payouts() {
		if p.Status == state.PayoutPending {
			onWay[state.PurseKey{Unit: p.Unit, Period: p.Period, Currency: p.Currency}] += p.Minor
		}
	}
	for k, want := range w.purses {
		got := w.a.PurseOf(k)
		if got != *want || got.Drawn+got.Held+got.OnItsWay+got.Paid+got.Dues != 0 {
			w.t.Fatalf("owner's account %+v is %+v, the entries give %+v", k, got, *want)
		}
		if got.Held != held[k] || got.OnItsWay != onWay[k] || got.Held < 0 || got.OnItsWay < 0 || got.Paid < 0 {
			w.t.Fatalf("owner's account %+v is %+v; holds add up to %d, payouts on their way to %d", k, got, held[k], onWay[k])
		}
	}
	for unit, accounts := range w.byUnit() {
		for _, a := range accounts {
			var earned int64
			for _, p := range w.a.Periods(unit) {
				earned += w.a.OwedIn(unit, p.Number, a.Currency).Earned
			}
			if earned != a.Creator {
				w.t.Fatalf("the periods of %s earned %d %s, the unit %d", unit, earned, a.Currency, a.Creator)
			}
		}
	}
}

func (w *world) byUnit() map[nexus.ID][]*state.Account {
	out := map[nexus.ID][]*state.Account{}
	for _, a := range w.a.SortedAccounts() {
		out[a.Unit] = append(out[a.Unit], a)
	}
	return out
}

// replay applies every command again to a new state, with the keys as they stand at the end: records and state must come out byte for
// byte, as they must after a restart from an older snapshot.
func (w *world) replay() {
	w.t.Helper()
	again := state.New(w.chain)
	for i, cmd := range w.commands {
		rec, err := ledger.ParseRecord(w.records[i])
		if err != nil {
			w.t.Fatalf("record %d: %v", i, err)
		}
		out, err := again.Apply(rec.Index, rec.Term, cmd, w.look)
		if err != nil || out.Repeated || string(out.Record.Encode()) != string(w.records[i]) {
			w.t.Fatalf("command %d applied again gives another record: %v", rec.Index, err)
		}
	}
	again.Index = w.a.Index
	if again.Hash() != w.a.Hash() {
		w.t.Fatalf("applied again, the commands give another state")
	}
}
