package statement

import (
	"fmt"
	"sort"
	"strconv"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Usage is what was metered of the unit, at list prices: what the platform's share bought. It stands beside the split; no figure of an
// account contains any of it (SPEC section 1).
type Usage struct {
	Lines []UsageLine `json:"lines"`       // by price list, then meter
	Lists []PriceList `json:"price_lists"` // that the lines name, whole: the unit's own entries hold their digests
}

// UsageLine is one meter under one price list. Amount = floor(Quantity * Price / Per), in minor units of Currency.
type UsageLine struct {
	List     uint32 `json:"price_list"` // 0: none was in force, it has no price
	Meter    string `json:"meter"`
	Quantity uint64 `json:"quantity"`
	Per      int64  `json:"per"`
	Price    int64  `json:"price"`
	Currency string `json:"currency"`
	Amount   int64  `json:"amount"`
}

// PriceList is a list as it was announced.
type PriceList struct {
	Number      uint32      `json:"number"`
	From        string      `json:"from"` // YYYY-MM, UTC
	AnnouncedMs int64       `json:"announced_ms"`
	Currency    string      `json:"currency"`
	Digest      nexus.Hash  `json:"digest"`
	Lines       []PriceLine `json:"lines"`
}

// PriceLine is the price of one meter: Price minor units for each Per units.
type PriceLine struct {
	Meter string `json:"meter"`
	Per   int64  `json:"per"`
	Price int64  `json:"price"`
}

// Prices finds a price list by its number.
type Prices func(number uint32) (ledger.PricesBody, bool)

// PricesIn gives the lists that a state holds. They are copied: the function may be used after the state has changed.
func PricesIn(s *state.State) Prices {
	all := s.PriceLists()
	return func(number uint32) (ledger.PricesBody, bool) {
		if number == 0 || int(number) > len(all) {
			return ledger.PricesBody{}, false
		}
		return all[number-1].PricesBody, true
	}
}

type usageKey struct {
	list  uint32
	meter int // place in state.Meters
}

// usage takes what was metered: in its own month, or when that was closed before it was posted, in the next open one.
func (f *Fold) usage(e *ledger.Entry) error {
	var b ledger.UsageBody
	if err := nexus.Decode(e.Body, &b); err != nil {
		return f.bad(e, "%v", err)
	}
	f.doc.Version = FormUsage
	if _, inside := f.place(e.Seq, state.MonthOf(b.FromMs)); !inside {
		return f.err
	}
	if named, seen := f.lists[b.List]; seen && named != b.Prices {
		return f.bad(e, "price list %d has two digests", b.List)
	}
	f.lists[b.List] = b.Prices
	for _, c := range b.Counts {
		k := usageKey{b.List, meterAt(c.Meter)}
		if k.meter < 0 {
			return f.bad(e, "meter %q is none that this version knows", c.Meter)
		}
		sum := f.used[k] + c.Quantity
		if sum < c.Quantity {
			return f.bad(e, "%s passes 64 bits", c.Meter)
		}
		f.used[k] = sum
	}
	return f.err
}

func meterAt(meter string) int {
	for i, m := range state.Meters {
		if m == meter {
			return i
		}
	}
	return -1
}

// priced gives what was used with its list prices. Error: nexus.CodeCorrupt when a list is not the one that the unit's entries name.
func (f *Fold) priced(prices Prices) (Usage, error) {
	out := Usage{Lines: []UsageLine{}, Lists: []PriceList{}}
	bad := func(format string, args ...any) (Usage, error) {
		return out, nexus.Errf("statement", nexus.CodeCorrupt, f.doc.Label+" "+f.doc.Month, "run nexus ledger verify", format, args...)
	}
	numbers := make([]uint32, 0, len(f.lists))
	for n := range f.lists {
		numbers = append(numbers, n)
	}
	sort.Slice(numbers, func(i, j int) bool { return numbers[i] < numbers[j] })
	for _, n := range numbers {
		var list ledger.PricesBody
		if n > 0 {
			var ok bool
			if list, ok = prices(n); !ok || list.Digest() != f.lists[n] {
				return bad("the unit's entries name price list %d with digest %s, which is not there", n, f.lists[n])
			}
			out.Lists = append(out.Lists, listOf(&list))
		}
		for i, meter := range state.Meters {
			quantity, used := f.used[usageKey{n, i}]
			if !used {
				continue
			}
			l := UsageLine{List: n, Meter: meter, Quantity: quantity}
			if p, ok := list.Line(meter); ok {
				l.Per, l.Price, l.Currency = p.Per, p.Minor, list.Currency
				if l.Amount, ok = p.Amount(quantity); !ok {
					return bad("%d of %s at list %d passes 63 bits", quantity, meter, n)
				}
			}
			out.Lines = append(out.Lines, l)
		}
	}
	return out, nil
}

func listOf(b *ledger.PricesBody) PriceList {
	p := PriceList{Number: b.Number, From: state.MonthText(b.FromMonth), AnnouncedMs: b.AnnouncedMs, Currency: b.Currency, Digest: b.Digest(),
		Lines: []PriceLine{}}
	for _, l := range b.Lines {
		p.Lines = append(p.Lines, PriceLine{Meter: l.Meter, Per: l.Per, Price: l.Minor})
	}
	return p
}

// UsageWords is the heading under which every form shows usage.
const UsageWords = "Used, at list prices: what the platform's share bought. Nothing of it is deducted"

// PriceText is a line's price in words.
func (l *UsageLine) PriceText() string {
	if l.Per == 0 {
		return "no list price"
	}
	return fmt.Sprintf("%s %s per %s (list %d)", Decimal(l.Price, l.Currency), l.Currency, strconv.FormatInt(l.Per, 10), l.List)
}

// AmountText is a line's amount in words, "-" without a price.
func (l *UsageLine) AmountText() string {
	if l.Per == 0 {
		return "-"
	}
	return Decimal(l.Amount, l.Currency) + " " + l.Currency
}

// csv writes the rows of usage.
func (u *Usage) csv(put func(cells ...string)) {
	for _, l := range u.Lines {
		amount, decimal := "", ""
		if l.Per != 0 {
			amount, decimal = strconv.FormatInt(l.Amount, 10), plain(l.Amount, l.Currency)
		}
		put("usage", "", l.Currency, l.Meter, strconv.FormatUint(l.Quantity, 10), amount, decimal, "", "", l.PriceText())
	}
	for _, p := range u.Lists {
		put("price_list", "", p.Currency, strconv.FormatUint(uint64(p.Number), 10), "", "", "", "", TimeText(p.AnnouncedMs),
			"from "+p.From+", digest "+p.Digest.String())
	}
}
