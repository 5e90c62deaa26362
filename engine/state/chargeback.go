package state

import nexus "github.com/BobbyBlanco400/nexus-cos"

// KindChargeback is the kind of event by which a payer's bank took money back.
const KindChargeback = "chargeback"

// noCurrency reports whether a code is ISO 4217's for no currency at all, which earlier rules took for one.
func (s *State) noCurrency(code string) bool { return code == "XXX" && s.Rules >= RulesMoney }

// tellChargebacks tells each owner of what the batch's chargebacks took back: one notice per unit and currency, in the order of the
// batch. A chargeback is nobody's decision here, so it must not be found only by looking.
func (b *batch) tellChargebacks() {
	if b.st.s.Rules < RulesMoney {
		return
	}
	type lot struct {
		first          *RevenueEvent
		count          int
		minor, creator int64
	}
	lots := map[AccountKey]*lot{}
	var order []AccountKey
	for i := range b.postings {
		p := &b.postings[i]
		if p.event.Kind != KindChargeback || p.event.Minor >= 0 {
			continue
		}
		k := AccountKey{Unit: p.event.Unit, Currency: p.event.Currency}
		l := lots[k]
		if l == nil {
			l = &lot{first: p.event}
			lots[k] = l
			order = append(order, k)
		}
		// The sums cannot leave 64 bits: each is a part of what the account's gross went down by.
		l.count, l.minor, l.creator = l.count+1, l.minor+p.event.Minor, l.creator+p.creator
	}
	for _, k := range order {
		u, l := b.st.s.Units[k.Unit], lots[k]
		if u.Kind == nexus.KindProbe {
			continue
		}
		amount, share := nexus.Money{Minor: l.minor, Currency: k.Currency}, nexus.Money{Minor: l.creator, Currency: k.Currency}
		b.st.notice(u, "%d chargeback(s) on %s took back %s; your share changed by %s (first event %q of source %s): nexus revenue balance --unit %s",
			l.count, u.Label, amount, share, clipTo(orDefault(l.first.EventID, "in a sequence"), 64), b.src.Name, u.Label)
	}
}
