package wire

import "time"

// Money is the answer of GET /v1/money: what units earned and what their owners are owed, at one moment of the ledger. Operators see
// all units, owners their own, earlier owners the time they owned. Amounts are integer minor units.
type Money struct {
	Time    time.Time  `json:"time"`    // of the newest command it holds
	Index   uint64     `json:"index"`   // of that command
	Entries uint64     `json:"entries"` // in the ledger
	Read    uint64     `json:"read"`    // entries that the day and month figures hold; below Entries they are still being read
	Rows    []MoneyRow `json:"rows"`    // by unit as created, then currency, then period
	Totals  []MoneySum `json:"totals"`  // over the rows shown, by currency

	// At is set in the figures of an earlier ledger: everything above is as of it, also what today and this month are; next payouts are left out.
	At *TallyPlace `json:"at,omitempty"`
}

// MoneyPart is the split of some events: an event counts by its event time, in UTC days and months.
type MoneyPart struct {
	Gross    int64  `json:"gross"`
	Creator  int64  `json:"creator"`
	Platform int64  `json:"platform"`
	Events   uint64 `json:"events"`
}

// MoneyRow is one unit in one currency in one period of ownership. Payable = Earned + Drawn; Held, OnItsWay and Paid are taken out of it
// already. Today and Month are what was posted in the period; All is the unit's until the end of the period, whoever owned it before.
type MoneyRow struct {
	Unit      string      `json:"unit"` // label
	UnitID    string      `json:"unit_id"`
	Name      string      `json:"name"`
	Kind      string      `json:"kind"`
	Rule      string      `json:"rule"`
	Currency  string      `json:"currency"`
	Period    int         `json:"period"`  // 0: the first owner's
	Current   bool        `json:"current"` // the present owner's, still growing
	Owner     string      `json:"owner"`   // name
	OwnerKey  string      `json:"owner_key"`
	Today     MoneyPart   `json:"today"`
	Month     MoneyPart   `json:"month"`
	All       MoneyPart   `json:"all"`
	Pending   int64       `json:"pending"` // announced, not posted: counts in no split
	Pendings  uint64      `json:"pendings"`
	Earned    int64       `json:"earned"`  // the creator's share posted in this period
	Drawn     int64       `json:"drawn"`   // what transfers, holds and payouts took from or added to it; below zero: taken
	Payable   int64       `json:"payable"` // what the owner is owed now
	Held      int64       `json:"held"`
	OnItsWay  int64       `json:"on_its_way"`
	Paid      int64       `json:"paid"`
	Dues      int64       `json:"dues"`                  // what the owner paid the platform for other reasons, less what the platform paid
	Payout    *NextPayout `json:"next_payout,omitempty"` // none: no terms are set for this period
	Newest    time.Time   `json:"newest_event_time,omitzero"`
	Posted    time.Time   `json:"posted_time,omitzero"`
	Statement string      `json:"statement,omitempty"` // newest month whose statement is issued, YYYY-MM
}

// NextPayout says when the owner's schedule pays next, and what.
type NextPayout struct {
	Time        time.Time `json:"time,omitzero"` // zero: on request only
	Schedule    string    `json:"schedule"`      // monthly, weekly, daily, manual
	Threshold   int64     `json:"threshold"`
	Destination string    `json:"destination"`
	Minor       int64     `json:"minor"`         // what it would be if it were now
	Why         string    `json:"why,omitempty"` // nothing would be paid, and why
}

// MoneySum adds rows up by currency. All and Pending count each unit once.
type MoneySum struct {
	Currency string    `json:"currency"`
	Today    MoneyPart `json:"today"`
	Month    MoneyPart `json:"month"`
	All      MoneyPart `json:"all"`
	Pending  int64     `json:"pending"`
	Payable  int64     `json:"payable"`
	Held     int64     `json:"held"`
	OnItsWay int64     `json:"on_its_way"`
	Paid     int64     `json:"paid"`
}

// OwnerPeriod is one time of ownership of a unit.
type OwnerPeriod struct {
	Number   int    `json:"number"`
	Owner    string `json:"owner"`
	OwnerKey string `json:"owner_key"`
	Current  bool   `json:"current"`
	Yours    bool   `json:"yours"`
}

// OwnerPeriods lists the periods of a unit that the reader may see.
type OwnerPeriods struct {
	Unit    string        `json:"unit"`
	UnitID  string        `json:"unit_id"`
	Periods []OwnerPeriod `json:"periods"`
}

// PendingRow is an announced event that waits.
type PendingRow struct {
	ID        string    `json:"id"`
	Unit      string    `json:"unit"`
	UnitID    string    `json:"unit_id"`
	Source    string    `json:"source"`
	EventID   string    `json:"event"`
	Kind      string    `json:"kind"`
	Currency  string    `json:"currency"`
	Minor     int64     `json:"amount"`
	EventTime time.Time `json:"event_time"`
	Opened    time.Time `json:"opened"`
	Expires   time.Time `json:"expires"`
	Index     uint64    `json:"index"`
}

// Pendings is the answer of `nexus revenue pending`.
type Pendings struct {
	Pending []PendingRow `json:"pending"`
}

// HoldRow is a hold that stands.
type HoldRow struct {
	ID        string    `json:"id"`
	Unit      string    `json:"unit"`
	UnitID    string    `json:"unit_id"`
	Period    int       `json:"period"`
	Owner     string    `json:"owner"`
	Currency  string    `json:"currency"`
	Minor     int64     `json:"amount"`
	Consented bool      `json:"consented"` // the owner placed it
	By        string    `json:"by"`
	Reason    string    `json:"reason"`
	Placed    time.Time `json:"placed"`
	Expires   time.Time `json:"expires"`
	Index     uint64    `json:"index"`
}

// Holds is the answer of `nexus revenue hold list`.
type Holds struct {
	Holds []HoldRow `json:"holds"`
}

// PayoutRow is one payout.
type PayoutRow struct {
	ID          string    `json:"id"`
	Unit        string    `json:"unit"`
	UnitID      string    `json:"unit_id"`
	Period      int       `json:"period"`
	Owner       string    `json:"owner"`
	Currency    string    `json:"currency"`
	Minor       int64     `json:"amount"`
	Destination string    `json:"destination"`
	Scheduled   bool      `json:"scheduled"`
	Status      string    `json:"status"` // pending, posted, voided
	Reference   string    `json:"reference,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	Opened      time.Time `json:"opened"`
	Closed      time.Time `json:"closed,omitzero"`
	Index       uint64    `json:"index"`             // decision that opened it
	Decided     uint64    `json:"decided,omitempty"` // decision that ended it
}

// DisputeRow is one dispute about a statement.
type DisputeRow struct {
	ID       string    `json:"id"`
	Unit     string    `json:"unit"`
	UnitID   string    `json:"unit_id"`
	Period   int       `json:"period"`
	Owner    string    `json:"owner"`
	Month    string    `json:"month"`           // of the statement, YYYY-MM
	Entry    uint64    `json:"entry,omitempty"` // contested; absent: the statement as a whole
	Currency string    `json:"currency"`
	Minor    int64     `json:"amount"` // what the owner says is missing; 0: no amount
	Reason   string    `json:"reason"`
	Status   string    `json:"status"` // opened, accepted, rejected, withdrawn
	Answer   string    `json:"answer,omitempty"`
	Paid     int64     `json:"paid"`
	Opened   time.Time `json:"opened"`
	Due      time.Time `json:"due"` // until when the platform owes an answer
	Overdue  bool      `json:"overdue"`
	Closed   time.Time `json:"closed,omitzero"`
	Index    uint64    `json:"index"`
	Decided  uint64    `json:"decided,omitempty"`
}

// Disputes is the answer of `nexus revenue dispute show`, newest first.
type Disputes struct {
	Disputes []DisputeRow `json:"disputes"`
	Total    int          `json:"total"` // there are so many; listed are the newest thousand
}

// Payouts is the answer of `nexus revenue payout list`, newest first.
type Payouts struct {
	Payouts []PayoutRow `json:"payouts"`
	Total   int         `json:"total"` // there are so many; listed are the newest thousand
}
