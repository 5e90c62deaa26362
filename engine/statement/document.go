package statement

import (
	"crypto/sha256"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// The versions of Document's form, part of the digest. Which of the two a document has follows from the unit's entries: FormUsage once any
// entry of metered usage is among them, so that a statement issued before there were any comes out as it did then.
const (
	FormFirst = 1
	FormUsage = 2
)

// ListMax bounds the late items and the moves that a document lists one by one; beyond it they are counted. The sums hold all.
const ListMax = 2000

// Document is a statement. Every field but the lists is bounded by the unit's currencies and periods of ownership.
type Document struct {
	First
	Usage Usage `json:"usage,omitzero"` // of FormUsage
}

// First is the form of a statement without usage.
type First struct {
	Version   uint8           `json:"version"`
	Cluster   nexus.ID        `json:"cluster"`
	Unit      nexus.ID        `json:"unit_id"`
	Label     string          `json:"unit"`
	Name      string          `json:"name"`
	Kind      string          `json:"kind"`
	Percent   uint8           `json:"creator_percent"`
	Owner     nexus.PublicKey `json:"owner_key"`
	Month     string          `json:"month"`            // YYYY-MM, UTC
	After     string          `json:"after,omitempty"`  // the month closed before; months between the two are in this one
	Size      uint64          `json:"ledger_entries"`   // of the ledger it was made from
	Root      nexus.Hash      `json:"ledger_root"`      // of that ledger
	UnitSeq   uint64          `json:"unit_entries"`     // of the unit's own chain: all of them were read
	UnitHead  nexus.Hash      `json:"unit_head"`        // commitment of the last one
	Accounts  []Account       `json:"accounts"`         // by period of ownership, then currency
	Moves     []Move          `json:"moves"`            // transfers, holds and payouts, in the order of the ledger
	MovesLeft uint64          `json:"moves_not_listed"` // beyond ListMax
	Late      []Late          `json:"late_items"`       // events of months that were over already
	LateLeft  uint64          `json:"late_not_listed"`
	Service   Service         `json:"service"`
}

// Account is one currency in one period of ownership. Minor units.
//
// Net = Sales + Refunds + Chargebacks = Creator + Platform; Closing = Opening + Creator + Received - Fees - HoldsPlaced + HoldsBack -
// PayoutsOpened + PayoutsBack.
type Account struct {
	Period        uint32 `json:"period"` // from 0
	Currency      string `json:"currency"`
	Opening       int64  `json:"opening"` // owed to the owner at the end of the month closed before
	Sales         int64  `json:"sales"`
	SalesCount    uint64 `json:"sales_count"`
	Refunds       int64  `json:"refunds"` // below zero
	RefundCount   uint64 `json:"refund_count"`
	Chargebacks   int64  `json:"chargebacks"` // below zero
	ChargebackNum uint64 `json:"chargeback_count"`
	Net           int64  `json:"net"`
	Creator       int64  `json:"creator"`
	Platform      int64  `json:"platform"`
	LateCount     uint64 `json:"late_count"` // of the above, events of months that were over already
	LateNet       int64  `json:"late_net"`
	LateCreator   int64  `json:"late_creator"`
	Received      int64  `json:"received"` // transfers from the platform
	Fees          int64  `json:"fees"`     // transfers to the platform, as the owner approved
	HoldsPlaced   int64  `json:"holds_placed"`
	HoldsBack     int64  `json:"holds_returned"`
	HoldsTaken    int64  `json:"holds_captured"` // by the platform, out of what was held
	PayoutsOpened int64  `json:"payouts_opened"`
	PayoutsBack   int64  `json:"payouts_returned"`
	Paid          int64  `json:"paid"`
	Closing       int64  `json:"closing"` // owed to the owner
	Held          int64  `json:"held"`
	OnItsWay      int64  `json:"on_its_way"`
}

// Move is one transfer, hold or payout.
type Move struct {
	Entry    uint64 `json:"entry"`
	TimeMs   int64  `json:"time_ms"`
	Period   uint32 `json:"period"`
	What     string `json:"what"` // "transfer", "hold placed", "payout posted", ...
	Currency string `json:"currency"`
	Minor    int64  `json:"amount"` // what it added to, or below zero took from, what is owed
	Of       int64  `json:"of"`     // the amount of the hold or payout itself
	Note     string `json:"note"`   // reason, destination or reference
}

// Late is an event of a month that was over when it came.
type Late struct {
	Entry    uint64 `json:"entry"`
	EventMs  int64  `json:"event_time_ms"`
	Source   string `json:"source"`
	Event    string `json:"event"`
	Kind     string `json:"kind"`
	Period   uint32 `json:"period"`
	Currency string `json:"currency"`
	Minor    int64  `json:"gross"`
	Creator  int64  `json:"creator"`
}

// Service is how the unit's slice kept its latency budget in the month. Minutes.
type Service struct {
	Kept          uint64 `json:"kept_minutes"`
	Broken        uint64 `json:"broken_minutes"`
	Void          uint64 `json:"void_minutes"` // the machine's own baseline was over the budget
	Breaches      uint64 `json:"breaches"`
	WorstMicros   int64  `json:"worst_p99_us"`
	Judged        bool   `json:"judged"`
	AttainmentPpm int64  `json:"attainment_ppm"` // kept of kept and broken, parts per million, rounded down; 0 and not Judged: nothing was
}

const (
	digestDomain      = "nexus-statement-v1\n"
	digestDomainUsage = "nexus-statement-v2\n"
)

// Digest is what a statement's entry commits to: SHA-256 over the form's domain and the canonical bytes of the document.
func (d *Document) Digest() nexus.Hash {
	if d.Version == FormFirst {
		return sha256.Sum256(nexus.AppendCanonical([]byte(digestDomain), d.First))
	}
	return sha256.Sum256(nexus.AppendCanonical([]byte(digestDomainUsage), *d))
}
