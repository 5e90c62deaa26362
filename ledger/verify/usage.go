package verify

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"sort"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Metered usage and its list prices, recomputed with code of this package's own. A unit's entries name the price list that held by its
// digest, and a statement holds the lists whole: whoever has the unit's entries alone can price them again.

const (
	statementUsageDomain = "nexus-statement-v2\n"
	priceNoticeMs        = 30 * 24 * 60 * 60 * 1000
	meterMax             = 64 // meters of one entry or list
)

// statementUsage has the canonical form of a statement's usage.
type statementUsage struct {
	Lines []statementUsed   `json:"lines"`
	Lists []statementPrices `json:"price_lists"`
}

type statementUsed struct {
	List     uint32 `json:"price_list"`
	Meter    string `json:"meter"`
	Quantity uint64 `json:"quantity"`
	Per      int64  `json:"per"`
	Price    int64  `json:"price"`
	Currency string `json:"currency"`
	Amount   int64  `json:"amount"`
}

type statementPrices struct {
	Number      uint32           `json:"number"`
	From        string           `json:"from"`
	AnnouncedMs int64            `json:"announced_ms"`
	Currency    string           `json:"currency"`
	Digest      nexus.Hash       `json:"digest"`
	Lines       []statementPrice `json:"lines"`
}

type statementPrice struct {
	Meter string `json:"meter"`
	Per   int64  `json:"per"`
	Price int64  `json:"price"`
}

// usageDigest is the digest of a statement with usage: the fields of the first form, then usage.
func (s *statement) usageDigest() nexus.Hash {
	b := nexus.AppendCanonical([]byte(statementUsageDomain), s.firstStatement)
	return sha256.Sum256(nexus.AppendCanonical(b, s.Usage))
}

type usedKey struct {
	list  uint64
	meter string
}

// usageBody is the body of an entry of usage.
type usageBody struct {
	from, to int64
	list     uint64
	prices   [32]byte
	counts   []usageCount
}

type usageCount struct {
	meter    string
	quantity uint64
}

func (b *usageBody) parse(raw []byte) error {
	in := reader{b: raw}
	b.from, b.to = in.int(), in.int()
	b.list, b.prices = in.bounded(math.MaxUint32, "price list"), in.hash()
	for range in.bounded(meterMax, "meters") {
		b.counts = append(b.counts, usageCount{string(in.bytes()), in.uint()})
		if in.err != nil {
			break
		}
	}
	return in.end()
}

// usage takes an entry of usage into a statement's recount.
func (f *refold) usage(e *entry) error {
	var b usageBody
	if err := b.parse(e.body); err != nil {
		return err
	}
	f.metered = true
	if m := f.belongs(e.seq, monthAt(b.from)); m > f.month || m <= f.after {
		return nil
	}
	if named, seen := f.lists[b.list]; seen && named != b.prices {
		return fmt.Errorf("entry %d names price list %d by another digest than before", e.seq, b.list)
	}
	f.lists[b.list] = b.prices
	for _, c := range b.counts {
		k := usedKey{b.list, c.meter}
		sum, carry := bits.Add64(f.used[k], c.quantity, 0)
		f.over = f.over || carry != 0
		f.used[k] = sum
	}
	return nil
}

// compareUsage says the first thing in which a document's usage differs from the entries and from its own prices.
func (f *refold) compareUsage(s *statement) error {
	want := uint8(1)
	if f.metered {
		want = 2
	}
	if s.Version != want || want == 1 && len(s.Usage.Lines)+len(s.Usage.Lists) > 0 {
		return fmt.Errorf("has form %d; the unit's entries lead to form %d", s.Version, want)
	}
	lists := map[uint64]*statementPrices{}
	for i := range s.Usage.Lists {
		p := &s.Usage.Lists[i]
		digest, err := p.digest()
		if err != nil {
			return err
		}
		named, ok := f.lists[uint64(p.Number)]
		if !ok || p.Number == 0 || lists[uint64(p.Number)] != nil || named != digest || p.Digest != digest {
			return fmt.Errorf("price list %d has the digest %s; the unit's entries name %s", p.Number, digest, nexus.Hash(named))
		}
		lists[uint64(p.Number)] = p
	}
	keys := make([]usedKey, 0, len(f.used))
	for k := range f.used {
		keys = append(keys, k)
	}
	if len(keys) != len(s.Usage.Lines) {
		return fmt.Errorf("has %d lines of usage, the entries lead to %d", len(s.Usage.Lines), len(keys))
	}
	seen := map[usedKey]bool{}
	for i := range s.Usage.Lines {
		l := &s.Usage.Lines[i]
		k := usedKey{uint64(l.List), l.Meter}
		quantity, ok := f.used[k]
		if !ok || seen[k] || quantity != l.Quantity {
			return fmt.Errorf("states %d of %s under price list %d; the entries add up to %d", l.Quantity, l.Meter, l.List, quantity)
		}
		seen[k] = true
		if err := l.priced(lists[k.list]); err != nil {
			return err
		}
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i].list < keys[j].list }) // lists of the entries that the document leaves out
	for _, k := range keys {
		if k.list != 0 && lists[k.list] == nil {
			return fmt.Errorf("does not hold price list %d, which the entries name", k.list)
		}
	}
	return nil
}

func (p *statementPrices) digest() (nexus.Hash, error) {
	l := PricesLine{Number: p.Number, From: p.From, AnnouncedMs: p.AnnouncedMs, Currency: p.Currency}
	for _, x := range p.Lines {
		l.Lines = append(l.Lines, PriceLine{Meter: x.Meter, Per: x.Per, Minor: x.Price})
	}
	return l.digest()
}

// priced holds a line to its list: floor(quantity * price / per).
func (l *statementUsed) priced(p *statementPrices) error {
	var x statementPrice
	currency := ""
	if p != nil {
		for _, line := range p.Lines {
			if line.Meter == l.Meter {
				x, currency = line, p.Currency
			}
		}
	}
	amount, err := listPrice(l.Quantity, x)
	if err != nil {
		return fmt.Errorf("%s: %w", l.Meter, err)
	}
	if l.Per != x.Per || l.Price != x.Price || l.Currency != currency || l.Amount != amount {
		return fmt.Errorf("prices %d of %s at %d per %d as %s %d; price list %d says %d per %d, which is %s %d", l.Quantity, l.Meter, l.Price, l.Per, l.Currency,
			l.Amount, l.List, x.Price, x.Per, currency, amount)
	}
	return nil
}

func listPrice(quantity uint64, x statementPrice) (int64, error) {
	if x.Per == 0 {
		return 0, nil
	}
	if x.Per < 0 || x.Price < 0 {
		return 0, errors.New("a price below zero")
	}
	hi, lo := bits.Mul64(quantity, uint64(x.Price))
	if hi >= uint64(x.Per) {
		return 0, errors.New("the amount passes 63 bits")
	}
	n, _ := bits.Div64(hi, lo, uint64(x.Per))
	if n > math.MaxInt64 {
		return 0, errors.New("the amount passes 63 bits")
	}
	return int64(n), nil
}

// priceBook holds the price lists of a whole ledger.
type priceBook struct {
	whole bool // false: one unit's entries, the lists are not here
	lists []pricesKnown
}

type pricesKnown struct {
	month  uint64
	digest [32]byte
}

// in gives the number and digest of the list that holds in a month.
func (p *priceBook) in(month uint64) (number uint64, digest [32]byte) {
	for i, l := range p.lists {
		if l.month <= month {
			number, digest = uint64(i+1), l.digest
		}
	}
	return number, digest
}

// pricesEntry holds that lists follow each other, and are announced before they hold.
func (c *run) pricesEntry(e *entry) {
	in := reader{b: e.body}
	number, month := in.bounded(math.MaxUint32, "number"), in.bounded(999912, "month")
	announced := in.int()
	in.bytes() // currency
	for range in.bounded(meterMax, "lines") {
		meter, per, minor := string(in.bytes()), in.int(), in.int()
		if in.err != nil {
			break
		}
		if per <= 0 || minor < 0 {
			c.foundEntry("prices %s at %d for each %d", meter, minor, per)
		}
	}
	if err := in.end(); err != nil || month%100 < 1 || month%100 > 12 {
		c.foundEntry("not a canonical price list: %v, from month %d", err, month)
		return
	}
	begin := monthEndMs(monthBefore(month))
	last := uint64(0)
	if n := len(c.prices.lists); n > 0 {
		last = c.prices.lists[n-1].month
	}
	switch {
	case e.unit != [16]byte{} || len(e.postings) > 0 || announced != e.timeMs:
		c.foundEntry("announces prices in the chain of a unit, at another time than its own, or moves money")
	case !c.prices.whole:
	case number != uint64(len(c.prices.lists))+1 || month <= last:
		c.foundEntry("is price list %d from %d on, after %d lists of which the last holds from %d on", number, month, len(c.prices.lists), last)
	case month < monthAt(announced) || last != 0 && begin < announced+priceNoticeMs:
		c.foundEntry("announces price list %d less than 30 days before it holds", number)
	}
	c.prices.lists = append(c.prices.lists, pricesKnown{month, sha256.Sum256(append([]byte(pricesDomain), e.body...))})
}

func monthBefore(month uint64) uint64 {
	if month%100 == 1 {
		return month - 89
	}
	return month - 1
}

// usageEntry holds what was metered to one month and to the price list that holds in it.
func (c *run) usageEntry(e *entry) {
	var b usageBody
	if err := b.parse(e.body); err != nil {
		c.foundEntry("not canonical usage: %v", err)
		return
	}
	if b.from < 0 || b.to <= b.from || monthAt(b.from) != monthAt(b.to-1) || len(e.postings) > 0 || len(b.counts) == 0 {
		c.foundEntry("meters from %d to %d, which is no span of one month, or moves money", b.from, b.to)
		return
	}
	if !c.prices.whole {
		return
	}
	if number, digest := c.prices.in(monthAt(b.from)); number != b.list || digest != b.prices {
		c.foundEntry("names price list %d by %s; list %d holds, with digest %s", b.list, nexus.Hash(b.prices), number, nexus.Hash(digest))
	}
}
