package state

import (
	"sort"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Period is one time of ownership of a unit, counted from 0. Each has an account of its own, so that what an earlier owner earned is
// never mixed with what comes after a transfer. A rotation or recovery is the same owner under another key and begins no period.
type Period struct {
	Number int
	Owner  nexus.PublicKey // the key that speaks for it today
	Open   bool            // the present owner's
}

// Periods lists a unit's periods of ownership, oldest first.
func (s *State) Periods(unit nexus.ID) []Period {
	u := s.Units[unit]
	if u == nil {
		return nil
	}
	var out []Period
	for i, p := range s.OwnerPeriods(unit) {
		out = append(out, Period{Number: i, Owner: s.heir(p.Owner)})
	}
	return append(out, Period{Number: len(out), Owner: u.Owner, Open: true})
}

// heir gives the key that speaks for a key today: its newest successor.
func (s *State) heir(key nexus.PublicKey) nexus.PublicKey {
	for range len(s.Identities) { // a circle of successors cannot be made; bounded all the same
		id := s.Identities[key]
		if id == nil || id.Successor.IsZero() {
			break
		}
		key = id.Successor
	}
	return key
}

// Owed is what an owner is owed in one currency from one period. Minor units.
type Owed struct {
	Earned int64 // the creator's share posted in the period
	Drawn  int64 // what transfers, holds and payouts added to it or, below zero, took from it
}

// Payable is what is owed now. Below zero only when more was refunded than was left.
func (o Owed) Payable() int64 {
	sum, ok := nexus.AddMinor(o.Earned, o.Drawn)
	if !ok { // both are bounded by 64 bits of the unit's gross
		return 0
	}
	return sum
}

// OwedIn gives what the owner of a period is owed in one currency.
func (s *State) OwedIn(unit nexus.ID, period int, currency string) Owed {
	before, end := int64(0), int64(0)
	closed := s.owners[unit]
	at := func(n int) int64 {
		for _, b := range closed.Periods[n].Balances {
			if b.Currency == currency {
				return b.Creator
			}
		}
		return 0
	}
	if closed != nil && period > 0 && period <= len(closed.Periods) {
		before = at(period - 1)
	}
	if closed != nil && period < len(closed.Periods) {
		end = at(period)
	} else if a := s.Accounts[AccountKey{unit, currency}]; a != nil {
		end = a.Creator
	}
	return Owed{Earned: end - before, Drawn: s.PurseOf(PurseKey{unit, uint32(period), currency}).Drawn}
}

// MoneyAccounts lists a unit's split accounts by currency, and an empty one for each currency in which something is pending or was
// paid without any revenue.
func (s *State) MoneyAccounts(unit nexus.ID, also map[AccountKey]bool) []*Account {
	out := append([]*Account(nil), s.accounts[unit]...)
	for k := range also {
		if k.Unit == unit && s.Accounts[k] == nil {
			out = append(out, &Account{Unit: unit, Currency: k.Currency})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Currency < out[j].Currency })
	return out
}

// MovedAccounts lists the accounts that transfers, holds or payouts ever touched.
func (s *State) MovedAccounts() map[AccountKey]bool {
	out := map[AccountKey]bool{}
	for k := range s.money.Purses {
		out[AccountKey{k.Unit, k.Currency}] = true
	}
	return out
}
