package publication

import (
	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Prices is a price list as it is published. Amounts are minor units for each Per units of the meter; a price of a quantity is
// floor(quantity * amount / per).
type Prices struct {
	What        string      `json:"what"` // prices
	Cluster     nexus.ID    `json:"cluster"`
	Number      uint32      `json:"number"`
	From        string      `json:"from"` // YYYY-MM, UTC: holds from its first moment on, until the next list's
	AnnouncedMs int64       `json:"announced_ms"`
	Currency    string      `json:"currency"`
	Digest      nexus.Hash  `json:"digest"`
	Lines       []PriceLine `json:"lines"`
}

// PriceLine is the price of one meter.
type PriceLine struct {
	Meter string `json:"meter"`
	Per   int64  `json:"per"`
	Minor int64  `json:"amount"`
}

// PricesOf gives the published form of a list.
func PricesOf(cluster nexus.ID, b *ledger.PricesBody) *Prices {
	p := &Prices{What: "prices", Cluster: cluster, Number: b.Number, From: state.MonthText(b.FromMonth), AnnouncedMs: b.AnnouncedMs, Currency: b.Currency,
		Digest: b.Digest(), Lines: []PriceLine{}}
	for _, l := range b.Lines {
		p.Lines = append(p.Lines, PriceLine(l))
	}
	return p
}
