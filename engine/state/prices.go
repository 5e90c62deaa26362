package state

import (
	"bytes"
	"fmt"
	stdslices "slices"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// List prices of metered usage (SPEC section 1): what the platform's share bought, shown beside the split and never deducted from it. A list
// is announced by an entry, with a notice to every owner, holds from the first of a month on, and is never changed: the next list is.

// The kinds of action about list prices.
const (
	KindPricesPublish = "prices.publish"
	KindPricesTell    = "prices.tell"
)

// The meters that have a list price. Stored: never change a word; a new one goes to the end.
const (
	MeterBytesIn  = "edge-bytes-in"  // bytes that came in through the gateways
	MeterBytesOut = "edge-bytes-out" // bytes that went out
	MeterRequests = "edge-requests"  // requests answered
)

// Meters lists them in order.
var Meters = []string{MeterBytesIn, MeterBytesOut, MeterRequests}

// PricesNoticeMs is how long before it holds a list that follows another must be announced, milliseconds. The first one follows none, and may
// hold from the month that runs.
const PricesNoticeMs = 30 * 24 * 60 * 60 * 1000

const (
	maxPriceLists = 1200
	maxPricePer   = 1_000_000_000_000_000
	maxPriceMinor = 1_000_000_000_000
	tellMost      = 256 // owners told in one command
)

// PricesPublish is the body of prices.publish, signed by an operator.
type PricesPublish struct {
	FromMonth uint32 // YYYYMM, UTC
	Currency  string
	Lines     []ledger.PriceLine // in the order of Meters, those left out have no price
}

// PriceList is a list that was announced.
type PriceList struct {
	ledger.PricesBody
	Entry uint64 // its entry in the ledger
	Index uint64
}

// pricesState is the whole area. Told lists have reached every owner; of the next one, owners up to After have been told.
type pricesState struct {
	Lists []PriceList
	Told  uint32
	After nexus.PublicKey
}

// PriceLists lists all, oldest first. The list is the caller's.
func (s *State) PriceLists() []PriceList { return append([]PriceList(nil), s.prices.Lists...) }

// PricesIn gives the list that holds in a month YYYYMM; false when none does.
func (s *State) PricesIn(month uint32) (PriceList, bool) {
	for i := len(s.prices.Lists) - 1; i >= 0; i-- {
		if s.prices.Lists[i].FromMonth <= month {
			return s.prices.Lists[i], true
		}
	}
	return PriceList{}, false
}

// PricesUntold reports whether owners wait to be told of a list.
func (s *State) PricesUntold() bool { return int(s.prices.Told) < len(s.prices.Lists) }

func (st *step) pricesPublish() error {
	var b PricesPublish
	if !st.body(&b) {
		return nil
	}
	role := st.facts.Identity.Role
	st.facts.Identity.MayIssue = role == gates.RoleOperator || role == gates.RolePlatform
	lists := st.s.prices.Lists
	subject := fmt.Sprintf("price list %d from %s", len(lists)+1, MonthText(b.FromMonth))
	end, ok := MonthEndMs(b.FromMonth)
	begin := time.UnixMilli(end).UTC().AddDate(0, -1, 0).UnixMilli()
	_, known := nexus.CurrencyExponent(b.Currency)
	switch {
	case !ok:
		st.fail(nexus.CodeMalformed, subject, "a month as YYYYMM", "no such month")
	case len(lists) > 0 && b.FromMonth <= lists[len(lists)-1].FromMonth:
		st.fail(nexus.CodeConflict, subject, "announce it for a later month", "list %d holds from %s on: lists follow each other and none is changed",
			len(lists), MonthText(lists[len(lists)-1].FromMonth))
	case len(lists) > 0 && begin < st.now+PricesNoticeMs:
		st.fail(nexus.CodeConflict, subject, "announce it for a later month", "begins in less than 30 days: owners are told before a price changes")
	case b.FromMonth < MonthOf(st.now):
		st.fail(nexus.CodeConflict, subject, "announce it for this month or a later one", "what was used before it was announced has no price")
	case !known || b.Currency == nexus.TestCurrency || b.Currency == "XXX":
		st.fail(nexus.CodeMalformed, subject, nexus.CurrencyHint(b.Currency), "currency %q", clip(b.Currency))
	case len(lists) >= maxPriceLists:
		st.fail(nexus.CodeConflict, subject, "", "%d lists are announced already", len(lists))
	}
	if why := badLines(b.Lines); why != "" {
		st.fail(nexus.CodeMalformed, subject, "one line for each meter, in their order: see nexus revenue prices --help", "%s", why)
	}
	st.effect = func() {
		p := PriceList{PricesBody: ledger.PricesBody{Number: uint32(len(lists) + 1), FromMonth: b.FromMonth, AnnouncedMs: st.now, Currency: b.Currency,
			Lines: b.Lines}, Index: st.index, Entry: st.s.Chain.Size() + 1 + uint64(len(st.drafts))} // the decision stands first
		st.s.prices.Lists = append(lists[:len(lists):len(lists)], p)
		st.draft(nexus.ID{}, ledger.KindPrices, p.PricesBody)
		st.events = append(st.events, nexus.Event{Type: "prices.published", Index: st.index})
		st.tellPrices()
	}
	return nil
}

// badLines says what is wrong with the lines of a list, "" nothing.
func badLines(lines []ledger.PriceLine) string {
	if len(lines) == 0 {
		return "no line"
	}
	at := 0
	for _, l := range lines {
		i := stdslices.Index(Meters, l.Meter)
		switch {
		case i < 0:
			return fmt.Sprintf("meter %q is none", clip(l.Meter))
		case i < at:
			return fmt.Sprintf("meter %s out of order or twice", l.Meter)
		case l.Per <= 0 || l.Per > maxPricePer || l.Minor < 0 || l.Minor > maxPriceMinor:
			return fmt.Sprintf("%s: %d minor units for each %d", l.Meter, l.Minor, l.Per)
		}
		at = i + 1
	}
	return ""
}

// tellPrices tells the next owners of the oldest list that not all have heard of, in the order of their keys. Owners of probes and of units
// that never ran are told nothing.
func (st *step) tellPrices() {
	p := &st.s.prices
	if int(p.Told) >= len(p.Lists) {
		return
	}
	list := &p.Lists[p.Told]
	owners := map[nexus.PublicKey]bool{}
	for _, u := range st.s.order {
		if u.Kind != nexus.KindProbe && !u.Dormant && u.Owner != st.s.Platform && u.Status != StatusClosed && bytes.Compare(u.Owner[:], p.After[:]) > 0 {
			owners[u.Owner] = true
		}
	}
	told := 0
	for _, key := range sortedPublic(owners) {
		if told == tellMost {
			return
		}
		st.noticeTo(key, nexus.ID{}, "price list %d holds from %s on: nexus revenue prices. List prices stand beside your statement; nothing is deducted",
			list.Number, MonthText(list.FromMonth))
		told, p.After = told+1, key
	}
	p.Told, p.After = p.Told+1, nexus.PublicKey{}
}

// pricesTell is a node's step of telling owners of a list.
func (st *step) pricesTell() error {
	st.byNode()
	if !st.s.PricesUntold() {
		st.fail(nexus.CodeConflict, "price lists", "", "every owner was told of all of them")
	}
	st.effect = st.tellPrices
	return nil
}

func pricesPart() part {
	return part{name: "prices", save: func(s *State) []byte {
		if len(s.prices.Lists) == 0 {
			return nil
		}
		return nexus.Encode(s.prices)
	}, load: func(s *State, b []byte) error { return nexus.Decode(b, &s.prices) }}
}
