package wire

import "time"

// NoticeRow is one must-deliver message in an owner's inbox.
type NoticeRow struct {
	ID        uint64    `json:"id"`    // counts per owner, from 1
	Index     uint64    `json:"index"` // decision it comes from
	Time      time.Time `json:"time"`
	Unit      string    `json:"unit,omitempty"` // label
	Text      string    `json:"text"`
	Times     uint64    `json:"times"` // how often it happened within an hour
	Delivered time.Time `json:"delivered,omitzero"`
	Read      time.Time `json:"read,omitzero"`
}

// Notices is the answer of `nexus notices list`. Overflow counts what the inbox had no room for: those notices stand in the ledger,
// from decision OverflowFirst to OverflowLast.
type Notices struct {
	Notices       []NoticeRow `json:"notices"` // oldest first
	Unread        uint64      `json:"unread"`
	Newest        uint64      `json:"newest"` // highest id given so far
	Overflow      uint64      `json:"overflow"`
	OverflowFirst uint64      `json:"overflow_first,omitempty"`
	OverflowLast  uint64      `json:"overflow_last,omitempty"`
}
