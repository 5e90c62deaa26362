package state

import (
	"bytes"
	"fmt"
	"sort"
	"strconv"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// What an owner is owed is the creator's share of the owner's time, less what transfers, holds and payouts took from it. None of these
// stands between gross and split: they post to accounts of their own (SPEC section 1: what a party owes for other reasons is a
// separate, visible transfer).

// PurseKey names an owner's account: one per unit, period of ownership and currency.
type PurseKey struct {
	Unit     nexus.ID
	Period   uint32
	Currency string
}

// Purse holds the balances of one owner's account and of those it moves money to. Minor units; they sum to zero.
type Purse struct {
	Drawn    int64 // below zero: taken from the share
	Held     int64
	OnItsWay int64
	Paid     int64
	Dues     int64 // what the platform got for other reasons, less what it paid
}

// owed finds the money of one period in one currency. The actor's request names all three.
type owed struct {
	st       *step
	unit     *Unit
	period   Period
	currency string
	payable  int64
}

// owedIn checks what an action about an owner's money names, and who the owner is. Nil: said why.
func (st *step) owedIn(period uint32, currency string) *owed {
	u := st.existing()
	if u == nil {
		return nil
	}
	all := st.s.Periods(u.ID)
	_, known := nexus.CurrencyExponent(currency)
	switch {
	case uint64(period) >= uint64(len(all)):
		st.fail(nexus.CodeNotFound, fmt.Sprintf("period %d of %s", period, u.Label), "see nexus revenue balance", "it has %d periods of ownership, from 0", len(all))
		return nil
	case !known:
		st.fail(nexus.CodeMalformed, fmt.Sprintf("currency %q", currency), nexus.CurrencyHint(currency), "unknown currency")
		return nil
	case st.s.noCurrency(currency):
		st.fail(nexus.CodeMalformed, "currency XXX", "the ISO 4217 code of the amount", "means that no currency is involved")
		return nil
	case u.Kind == nexus.KindProbe:
		st.fail(nexus.CodeConflict, "unit "+u.Label, "probes are left out of payouts and transfers", "holds test money only")
		return nil
	}
	o := &owed{st: st, unit: u, period: all[period], currency: currency}
	o.payable = st.s.OwedIn(u.ID, int(period), currency).Payable()
	return o
}

func (o *owed) byOwner() bool { return o.period.Owner == o.st.cmd.Action.Actor }

func (st *step) byPlatform() bool {
	return st.facts.Identity.Role == gates.RoleOperator || st.facts.Identity.Role == gates.RolePlatform
}

// owes asks for the owner's approval as a fact: the owner's own signature, or the proposal that the owner granted.
func (o *owed) owes(kind string) {
	st := o.st
	f := gates.ApprovalFacts{Kind: kind, Needed: true, Parties: 1}
	if o.byOwner() {
		f.Granted = 1
	}
	if p := st.approval; p != nil {
		f.Proposal, f.Change = p.ID, p.Change
		for i := range p.Parties {
			if x := &p.Parties[i]; x.Key == o.period.Owner && !x.GrantedBy.IsZero() {
				f.Granted = 1
			}
		}
	}
	st.facts.Approval = append(st.facts.Approval, f)
}

// ownerAsked gives the owner whose word a change of money needs: that of the period it is about, not always the present one.
func (s *State) ownerAsked(u *Unit, kind string, body []byte) (nexus.PublicKey, bool) {
	var period uint32
	switch kind {
	case KindTransferMake:
		var b TransferMake
		if nexus.Decode(body, &b) != nil {
			return nexus.PublicKey{}, false
		}
		period = b.Period
	case KindHoldCapture:
		var b HoldEnd
		if nexus.Decode(body, &b) != nil || s.money.Holds[b.Hold] == nil {
			return nexus.PublicKey{}, false
		}
		period = s.money.Holds[b.Hold].Period
	default:
		return nexus.PublicKey{}, false
	}
	all := s.Periods(u.ID)
	if uint64(period) >= uint64(len(all)) {
		return nexus.PublicKey{}, false
	}
	return all[period].Owner, true
}

// approvalID names the proposal under which the change at hand is made; zero: none.
func (st *step) approvalID() nexus.ID {
	if st.approval == nil {
		return nexus.ID{}
	}
	return st.approval.ID
}

// amount holds an amount that leaves the owner's account to what is there: the balance may not go below zero.
func (o *owed) amount(minor int64) {
	switch {
	case minor <= 0:
		o.st.fail(nexus.CodeMalformed, fmt.Sprintf("amount %d", minor), "an integer above zero, in minor units", "nothing to move")
	case minor > o.payable:
		o.st.fail(nexus.CodeConflict, fmt.Sprintf("amount %d", minor), "see nexus revenue balance",
			"only %s is payable to the owner of period %d of %s", nexus.Money{Minor: o.payable, Currency: o.currency}, o.period.Number, o.unit.Label)
	}
}

// leaves is amount for what goes on from the owner's account.
func (o *owed) leaves(minor int64) {
	o.amount(minor)
	if o.st.invalid == nil && !o.roomFor(minor, false) {
		o.noRoom(minor)
	}
}

// reason wants the words that stand in the ledger.
func (st *step) reason(s string) {
	st.text("reason", s)
	if s == "" {
		st.fail(nexus.CodeMalformed, "reason", "say why: it stands in the ledger and in the notice", "missing")
	}
}

func (o *owed) key() PurseKey { return PurseKey{o.unit.ID, uint32(o.period.Number), o.currency} }

// purse gives the balances to be changed. Only effects call it.
func (s *State) purse(k PurseKey) *Purse {
	if s.money.Purses == nil {
		s.money.Purses = map[PurseKey]*Purse{}
	}
	if s.money.Purses[k] == nil {
		s.money.Purses[k] = &Purse{}
	}
	return s.money.Purses[k]
}

// legs makes the two postings of one move from the account before to the one after.
func (o *owed) legs(from ledger.AccountKind, fromRef string, to ledger.AccountKind, toRef string, minor int64) []ledger.Posting {
	p := o.st.s.purse(o.key())
	p.Add(from, -minor)
	p.Add(to, minor)
	return []ledger.Posting{{Account: from, Ref: o.ref(from, fromRef), Currency: o.currency, Minor: -minor},
		{Account: to, Ref: o.ref(to, toRef), Currency: o.currency, Minor: minor}}
}

func (o *owed) ref(kind ledger.AccountKind, ref string) string {
	if kind == ledger.AccountOwner {
		return strconv.Itoa(o.period.Number)
	}
	return ref
}

// Add books a posting to one of its accounts; those of the split are none.
func (p *Purse) Add(kind ledger.AccountKind, minor int64) {
	switch kind {
	case ledger.AccountOwner:
		p.Drawn += minor
	case ledger.AccountHeld:
		p.Held += minor
	case ledger.AccountPayout:
		p.OnItsWay += minor
	case ledger.AccountPaid:
		p.Paid += minor
	case ledger.AccountDues:
		p.Dues += minor
	}
}

// after is what is payable once the effect has moved the money.
func (o *owed) after() int64 {
	return o.st.s.OwedIn(o.unit.ID, o.period.Number, o.currency).Payable()
}

func (o *owed) words(minor int64) string {
	return nexus.Money{Minor: minor, Currency: o.currency}.String()
}

// tell sends a notice to the period's owner.
func (o *owed) tell(format string, args ...any) {
	o.st.noticeTo(o.period.Owner, o.unit.ID, format, args...)
}

// moneyState is what the state remembers of money beside the split accounts.
type moneyState struct {
	Purses   map[PurseKey]*Purse
	Pendings map[nexus.ID]*Pending
	Holds    map[nexus.ID]*Hold
	Payouts  map[nexus.ID]*Payout
	Terms    map[PurseKey]*PayoutTerms // Currency is empty
	order    []*Pending                // as they were opened
}

// PurseOf gives the balances of an owner's account.
func (s *State) PurseOf(k PurseKey) Purse {
	if p := s.money.Purses[k]; p != nil {
		return *p
	}
	return Purse{}
}

func sortedIDs[V any](m map[nexus.ID]V) []nexus.ID {
	out := make([]nexus.ID, 0, len(m))
	for id := range m {
		out = append(out, id)
	}
	sort.Slice(out, func(i, j int) bool { return bytes.Compare(out[i][:], out[j][:]) < 0 })
	return out
}

func sortedPurses[V any](m map[PurseKey]V) []PurseKey {
	out := make([]PurseKey, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if c := bytes.Compare(a.Unit[:], b.Unit[:]); c != 0 {
			return c < 0
		}
		return a.Period < b.Period || a.Period == b.Period && a.Currency < b.Currency
	})
	return out
}

// moneyPart saves all of it, sorted; nothing when there is nothing.
func moneyPart() part {
	type purse struct {
		Key   PurseKey
		Purse Purse
	}
	type terms struct {
		Key   PurseKey
		Terms PayoutTerms
	}
	type picture struct {
		Purses   []purse
		Pendings []Pending
		Holds    []Hold
		Payouts  []Payout
		Terms    []terms
	}
	return part{name: "money", save: func(s *State) []byte {
		m := &s.money
		if len(m.Purses)+len(m.Pendings)+len(m.Holds)+len(m.Payouts)+len(m.Terms) == 0 {
			return nil
		}
		var p picture
		for _, k := range sortedPurses(m.Purses) {
			p.Purses = append(p.Purses, purse{k, *m.Purses[k]})
		}
		for _, x := range m.order {
			p.Pendings = append(p.Pendings, *x)
		}
		for _, id := range sortedIDs(m.Holds) {
			p.Holds = append(p.Holds, *m.Holds[id])
		}
		for _, id := range sortedIDs(m.Payouts) {
			p.Payouts = append(p.Payouts, *m.Payouts[id])
		}
		for _, k := range sortedPurses(m.Terms) {
			p.Terms = append(p.Terms, terms{k, *m.Terms[k]})
		}
		return nexus.Encode(p)
	}, load: func(s *State, b []byte) error {
		var p picture
		if err := nexus.Decode(b, &p); err != nil {
			return err
		}
		s.money = newMoney()
		for i := range p.Purses {
			s.money.Purses[p.Purses[i].Key] = &p.Purses[i].Purse
		}
		for i := range p.Pendings {
			s.putPending(&p.Pendings[i])
		}
		for i := range p.Holds {
			s.money.Holds[p.Holds[i].ID] = &p.Holds[i]
		}
		for i := range p.Payouts {
			s.money.Payouts[p.Payouts[i].ID] = &p.Payouts[i]
		}
		for i := range p.Terms {
			s.money.Terms[p.Terms[i].Key] = &p.Terms[i].Terms
		}
		return nil
	}}
}

func newMoney() moneyState {
	return moneyState{Purses: map[PurseKey]*Purse{}, Pendings: map[nexus.ID]*Pending{}, Holds: map[nexus.ID]*Hold{}, Payouts: map[nexus.ID]*Payout{},
		Terms: map[PurseKey]*PayoutTerms{}}
}

// moneyBody gives an empty body for the kinds of entry about money beside the split; nil for any other.
func moneyBody(kind ledger.EntryKind) any {
	switch kind {
	case ledger.KindPending:
		return &ledger.PendingBody{}
	case ledger.KindTransfer:
		return &ledger.TransferBody{}
	case ledger.KindHold:
		return &ledger.HoldBody{}
	case ledger.KindPayout:
		return &ledger.PayoutBody{}
	case ledger.KindStatement:
		return &ledger.StatementBody{}
	case ledger.KindDispute:
		return &ledger.DisputeBody{}
	}
	return nil
}
