package state

import nexus "github.com/BobbyBlanco400/nexus-cos"

// KindChargeback is the kind of event by which a payer's bank took money back.
const KindChargeback = "chargeback"

// noCurrency reports whether a code is ISO 4217's for no currency at all, which earlier rules took for one.
func (s *State) noCurrency(code string) bool { return code == "XXX" && s.Rules >= RulesMoney }

// chargebackLot is what a batch's chargebacks took back of one unit in one currency. Minor units, below zero.
type chargebackLot struct {
	first          *RevenueEvent
	count          int
	minor, creator int64
}

// lowered adds amounts below zero. Sales between them may let their sum pass 64 bits, which before level 4 wrapped around.
func (st *step) lowered(sum, minor int64) int64 {
	if below, ok := nexus.AddMinor(sum, minor); ok || !st.s.fourth() {
		return below
	}
	return -1 << 63
}

// tellChargebacks tells each owner of what the batch's chargebacks took back: one notice per unit and currency, in the order of the
// batch. A chargeback is nobody's decision here, so it must not be found only by looking.
func (b *batch) tellChargebacks() {
	if b.st.s.Rules < RulesMoney {
		return
	}
	lots := map[AccountKey]*chargebackLot{}
	var order []AccountKey
	for i := range b.postings {
		p := &b.postings[i]
		if p.event.Kind != KindChargeback || p.event.Minor >= 0 {
			continue
		}
		k := AccountKey{Unit: p.event.Unit, Currency: p.event.Currency}
		l := lots[k]
		if l == nil {
			l = &chargebackLot{first: p.event}
			lots[k] = l
			order = append(order, k)
		}
		l.count, l.minor, l.creator = l.count+1, b.st.lowered(l.minor, p.event.Minor), b.st.lowered(l.creator, p.creator)
	}
	for _, k := range order {
		u, l := b.st.s.Units[k.Unit], lots[k]
		if u.Kind == nexus.KindProbe {
			continue
		}
		b.st.notice(u, "%s", b.chargebackText(u, l, k.Currency))
	}
}
