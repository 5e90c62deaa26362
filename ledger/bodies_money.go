package ledger

import nexus "github.com/BobbyBlanco400/nexus-cos"

// PendingBody is the body of a KindPending entry, in the unit's own chain. What is pending moves nothing: it has no postings and counts
// in no split. When it is posted, the same record holds the revenue entry with the same source and event id.
type PendingBody struct {
	Verb        string // "opened", "posted", "voided", "expired"
	Pending     nexus.ID
	Source      string
	EventID     string
	Kind        string
	Currency    string // ISO 4217
	Minor       int64  // announced, above zero, minor units
	Posted      int64  // of "posted": what the revenue entry holds, at most Minor
	EventTimeMs int64  // Unix milliseconds
	ExpiresMs   int64  // log time from which it can only expire
	Reason      string
}

// TransferBody is the body of a KindTransfer entry: money between an owner and the platform for other reasons than the split, in the
// unit's chain. Postings: AccountOwner (Ref: period) against AccountDues.
type TransferBody struct {
	Transfer nexus.ID
	Period   uint32 // of ownership, from 0
	Currency string
	Minor    int64 // above zero
	ToOwner  bool  // the platform pays; otherwise the owner, who approved it
	Reason   string
	Approval nexus.ID // the proposal that the owner granted; zero: the owner's own signature, or the platform pays
	Payable  int64    // of the period in this currency afterwards
}

// HoldBody is the body of a KindHold entry. Postings of "placed": AccountOwner against AccountHeld (Ref: hold); of "released" and
// "expired" the reverse; of "captured" AccountHeld against AccountDues, and the rest back to AccountOwner.
type HoldBody struct {
	Verb      string // "placed", "released", "captured", "expired"
	Hold      nexus.ID
	Period    uint32
	Currency  string
	Minor     int64 // of the hold, above zero
	Captured  int64 // of "captured": what the platform keeps, at most Minor
	Consented bool  // the owner placed it
	ExpiresMs int64
	Reason    string
	Approval  nexus.ID
	Payable   int64
}

// PayoutBody is the body of a KindPayout entry. Postings of "opened": AccountOwner against AccountPayout (Ref: payout); of "posted"
// AccountPayout against AccountPaid; of "voided" AccountPayout against AccountOwner; "terms" has none.
type PayoutBody struct {
	Verb        string // "terms", "opened", "posted", "voided"
	Payout      nexus.ID
	Period      uint32
	Currency    string
	Minor       int64 // above zero; 0 for "terms"
	Destination string
	Schedule    string       // of "terms"
	Thresholds  []MinorLimit // of "terms", by currency
	Scheduled   bool         // opened by the schedule, not on request
	Reference   string       // the provider's, of "posted"
	Reason      string
	Payable     int64
}

// StatementBody is the body of a KindStatement entry: the unit's months up to Month are closed, and the digest is that of the document made
// from its entries before Size. It has no postings.
type StatementBody struct {
	Month  uint32 // YYYYMM, UTC
	After  uint32 // the month closed before it; 0: none
	Size   uint64 // entries of the ledger the document was made from
	Digest nexus.Hash
}

// DisputeBody is the body of a KindDispute entry, in the unit's chain. It has no postings: what an accepted one pays is a KindTransfer
// entry of the same record.
type DisputeBody struct {
	Verb     string // "opened", "accepted", "rejected", "withdrawn"
	Dispute  nexus.ID
	Period   uint32
	Month    uint32 // of the statement, YYYYMM
	Entry    uint64 // contested; 0: the statement as a whole
	Currency string
	Minor    int64    // what the owner says is missing, not below zero
	Paid     int64    // of "accepted", not below zero
	Transfer nexus.ID // that paid it; zero: nothing was paid
	DueMs    int64    // log time until which the platform owes an answer
	Reason   string
}

// MinorLimit is an amount in one currency, minor units.
type MinorLimit struct {
	Currency string
	Minor    int64
}
