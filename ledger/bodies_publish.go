package ledger

import (
	"crypto/sha256"
	"math"
	"math/bits"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// PublicationBody is the body of a KindPublication entry, in the platform's chain: what a month's publication says, by its digest. The
// document is made again from the entries before Size at any time; nothing of it is stored.
type PublicationBody struct {
	What   string     // "exits"
	Month  uint32     // YYYYMM, UTC
	Size   uint64     // entries of the ledger with a log time before the month's end
	Root   nexus.Hash // of that ledger
	Digest nexus.Hash // of the document
}

// PricesBody is the body of a KindPrices entry, in the platform's chain: a list of list prices for metered usage. It stands beside the
// split and moves nothing (SPEC section 1).
type PricesBody struct {
	Number      uint32 // from 1, without a gap
	FromMonth   uint32 // YYYYMM, UTC: holds for what is used from its first millisecond on, until the next list's
	AnnouncedMs int64  // log time, Unix milliseconds
	Currency    string // ISO 4217
	Lines       []PriceLine
}

// PriceLine is the list price of one meter: Minor minor units for each Per units of it.
type PriceLine struct {
	Meter string
	Per   int64 // above 0
	Minor int64 // 0 or more
}

const pricesDomain = "nexus-prices-v1\n"

// Digest is what usage and statements name a list by: SHA-256 over the domain and the canonical bytes of the list.
func (p *PricesBody) Digest() nexus.Hash {
	return sha256.Sum256(nexus.AppendCanonical([]byte(pricesDomain), *p))
}

// Line finds a meter's price.
func (p *PricesBody) Line(meter string) (PriceLine, bool) {
	for _, l := range p.Lines {
		if l.Meter == meter {
			return l, true
		}
	}
	return PriceLine{}, false
}

// Amount is the list price of a quantity in minor units, rounded down once: floor(quantity * Minor / Per). False when it passes 63 bits, or
// the line is none.
func (l PriceLine) Amount(quantity uint64) (int64, bool) {
	if l.Per <= 0 || l.Minor < 0 {
		return 0, false
	}
	hi, lo := bits.Mul64(quantity, uint64(l.Minor))
	if hi >= uint64(l.Per) {
		return 0, false
	}
	n, _ := bits.Div64(hi, lo, uint64(l.Per))
	return int64(n), n <= math.MaxInt64
}

// UsageBody is the body of a KindUsage entry, in the unit's own chain: what was metered of it in a span of one month. It has no postings.
type UsageBody struct {
	FromMs int64 // Unix milliseconds
	ToMs   int64
	List   uint32     // the price list in force in that month, 0: none
	Prices nexus.Hash // its digest; zero without one
	Counts []UsageCount
}

// UsageCount is what one meter counted.
type UsageCount struct {
	Meter    string
	Quantity uint64
}
