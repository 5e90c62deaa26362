package ledger

import nexus "github.com/BobbyBlanco400/nexus-cos"

// UnitBody is the body of a KindUnit entry, in the unit's own chain. Unit, Kind and Percent never change after the
// first entry of a unit (SPEC section 1: no stored value changes a rule); ledger/verify holds that.
type UnitBody struct {
	Unit         nexus.ID
	Parent       nexus.ID // the platform a channel is on; zero otherwise
	Kind         nexus.UnitKind
	Percent      uint8 // the creator's: 55 or 80, following from Kind; a probe carries its own
	Label        string
	Name         string
	Slug         string
	Jurisdiction string
	Domain       string
	Owner        nexus.PublicKey
	Verb         string // "created", "updated", ...
	Detail       []byte // canonical encoding of what the verb adds
}

// The classes of revenue source (SPEC section 1, Sources). Values are stored: never renumber.
const (
	SourceMetered  uint8 = 1 // measured by the infrastructure
	SourceProvider uint8 = 2 // a payment provider's signature is kept
	SourceAttested uint8 = 3 // a registered source, shown as attested everywhere
)

// RevenueBody is the body of a KindRevenue or KindRefund entry, in the unit's own chain. The entry's postings are
// AccountSource (Ref = Source) -Minor, AccountCreator +(CreatorAfter - before), AccountPlatform the rest; a posting
// of zero may be left out.
type RevenueBody struct {
	Source       string
	EventID      string // unique per (unit, source) for ever; empty when the producer sequences its events
	ProducerSeq  uint64 // position in the producer's contiguous sequence, from 1; 0 when EventID is set
	Kind         string // "sale", "subscription", ...
	SourceClass  uint8  // SourceMetered, SourceProvider or SourceAttested
	Currency     string // ISO 4217
	Minor        int64  // gross in minor units; negative for a refund
	EventTimeMs  int64  // when it happened, Unix milliseconds
	Memo         []byte // further fields as they were given
	GrossAfter   int64  // gross total of (unit, currency) after this entry
	CreatorAfter int64  // creator total of (unit, currency) after this entry
	RefundOf     string // event id of the original, for a refund
}
