package wire

import "time"

// Published is what the platform has published: the exits of each month that is over, and its price lists.
type Published struct {
	First   string         `json:"first"`   // YYYY-MM, UTC, of the ledger's first entry: the first month that is published
	Exits   []PublishedRow `json:"exits"`   // oldest first
	Missing []string       `json:"missing"` // months that are over and not published yet
	Prices  []PriceList    `json:"prices"`  // oldest first
}

// PublishedRow is one month's publication.
type PublishedRow struct {
	Month    string    `json:"month"` // YYYY-MM
	Size     uint64    `json:"ledger_entries"`
	Digest   string    `json:"digest"`
	Decision uint64    `json:"decision"`
	Entry    uint64    `json:"entry"`
	Time     time.Time `json:"time"`
}

// PublishedFile is a publication as a recipient checks it: the content of a file for nexus-verify.
type PublishedFile struct {
	File []byte `json:"file"`
}

// PriceList is a list of list prices. A price of a quantity is floor(quantity * amount / per) minor units.
type PriceList struct {
	Number    uint32      `json:"number"`
	From      string      `json:"from"` // YYYY-MM, UTC
	Holds     bool        `json:"holds"`
	Announced time.Time   `json:"announced"`
	Currency  string      `json:"currency"`
	Digest    string      `json:"digest"`
	Entry     uint64      `json:"entry"`
	Decision  uint64      `json:"decision"`
	Lines     []PriceLine `json:"lines"`
}

// PriceLine is the price of one meter: Minor minor units for each Per units.
type PriceLine struct {
	Meter string `json:"meter"`
	Per   int64  `json:"per"`
	Minor int64  `json:"amount"`
}

// Used is what was metered of units in their newest month, as their ledger entries say, at list prices. It stands beside the split:
// nothing of it is deducted.
type Used struct {
	Units []UsedMonth `json:"units"`
}

// UsedMonth is one unit's newest month.
type UsedMonth struct {
	Unit   string     `json:"unit"` // label
	UnitID string     `json:"unit_id"`
	Month  string     `json:"month"` // YYYY-MM, UTC
	Lines  []UsedLine `json:"lines"`
	Totals []Amount   `json:"totals"` // of the lines that have a price, by currency
}

// UsedLine is one meter under one price list. Amount is absent without a price.
type UsedLine struct {
	Meter    string `json:"meter"`
	Quantity uint64 `json:"quantity"`
	List     uint32 `json:"price_list"` // 0: none was in force
	Per      int64  `json:"per,omitempty"`
	Price    int64  `json:"price"`
	Currency string `json:"currency,omitempty"`
	Amount   *int64 `json:"amount,omitempty"`
}
