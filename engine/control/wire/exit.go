package wire

import "time"

// Exits is the answer of `nexus imvu exit-status -o json`: units that leave or have left.
type Exits struct {
	Exits []ExitRow `json:"exits"`
}

// ExitRow is one of them. Times are the ledger's; a zero one has not come.
type ExitRow struct {
	Unit          string    `json:"unit"` // label
	UnitID        string    `json:"unit_id"`
	Name          string    `json:"name"`
	Kind          string    `json:"kind"`
	Status        string    `json:"status"` // exiting, exited, closed
	Was           string    `json:"was"`    // before it began to leave
	Serving       bool      `json:"serving"`
	Late          bool      `json:"late"` // under way for more than two hours
	Begun         time.Time `json:"begun"`
	Decision      uint64    `json:"decision"` // that began it
	Completed     time.Time `json:"completed,omitzero"`
	GraceUntil    time.Time `json:"grace_until,omitzero"` // until then its owner can come back
	Released      time.Time `json:"released,omitzero"`    // its hosts and routes went
	RetainedUntil time.Time `json:"retained_until,omitzero"`
	Closed        time.Time `json:"closed,omitzero"`
	Manifest      string    `json:"manifest_sha256,omitempty"`
	Files         uint32    `json:"files,omitempty"`
	Bytes         int64     `json:"bytes,omitempty"`
	UnitEntries   uint64    `json:"unit_entries,omitempty"` // in the bundle
	Owed          []Amount  `json:"owed"`                   // to the present owner, still
}

// Amount is money in minor units.
type Amount struct {
	Currency string `json:"currency"`
	Minor    int64  `json:"amount"`
}

// ImportedRow is what a unit brought from another log: its past there, no account of this platform. Amounts in minor units.
type ImportedRow struct {
	Origin   string           `json:"origin"` // cluster
	Key      string           `json:"origin_key"`
	Entries  uint64           `json:"entries"`
	Manifest string           `json:"manifest_sha256"`
	Time     time.Time        `json:"time"`
	Decision uint64           `json:"decision"`
	Earned   []ImportedAmount `json:"earned"`
}

// ImportedAmount is one currency of it.
type ImportedAmount struct {
	Currency string `json:"currency"`
	Gross    int64  `json:"gross"`
	Creator  int64  `json:"creator"`
	Platform int64  `json:"platform"`
}

// TakeIn asks the node to verify a bundle in a folder of its own machine and to keep it.
type TakeIn struct {
	Dir string `json:"dir"` // absolute
	Key string `json:"key"` // public key of the node that signed it, base64
}

// TakenIn is the answer.
type TakenIn struct {
	Wish []byte `json:"wish"` // canonical body of the unit.import that the bundle allows
}
