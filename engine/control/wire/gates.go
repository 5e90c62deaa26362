package wire

import (
	"encoding/json"
	"time"
)

// WhatIfRequest is the body of POST /v1/gates/what-if. Exactly one of Without, GateSet and Policy is given.
type WhatIfRequest struct {
	Without []int  `json:"without,omitempty"`  // gates left out
	GateSet string `json:"gate_set,omitempty"` // another set that the node knows, by hash
	Unit    string `json:"unit,omitempty"`     // only decisions on it; required with Policy
	Policy  []byte `json:"policy,omitempty"`   // canonical state.UnitPolicy: in force in place of the unit's own
	Last    uint64 `json:"last,omitempty"`     // decisions looked at, newest; 0: 10000
}

// WhatIf is its answer.
type WhatIf struct {
	What    string       `json:"what"`
	From    uint64       `json:"from"` // index of the oldest decision looked at
	To      uint64       `json:"to"`
	Looked  uint64       `json:"looked"`
	Changed uint64       `json:"changed"`
	Allowed uint64       `json:"now_allowed"` // refused then, allowed so
	Refused uint64       `json:"now_refused"`
	Other   uint64       `json:"other_reason"` // the same answer for another reason
	Rows    []WhatIfRow  `json:"rows"`         // the first 200 that change, oldest first
	PerGate []WhatIfGate `json:"per_gate"`     // gates whose refusals change
}

// WhatIfRow is one decision that would be another.
type WhatIfRow struct {
	Index  uint64    `json:"index"`
	Time   time.Time `json:"time"`
	Action string    `json:"action"`
	Unit   string    `json:"unit"`
	Actor  string    `json:"actor"`
	Before string    `json:"before"` // "allow", or "deny 8 unit_policy"
	After  string    `json:"after"`
	Why    string    `json:"why"`
}

// WhatIfGate counts one gate's refusals before and after.
type WhatIfGate struct {
	Gate   int    `json:"gate"`
	Name   string `json:"name"`
	Before uint64 `json:"before"`
	After  uint64 `json:"after"`
}

// GateSets lists the gate sets that a node knows (`nexus gates sets`), oldest first.
type GateSets struct {
	Sets []GateSet `json:"sets"`
}

// GateSet is one of them. Versions are those of gates 1 to 17.
type GateSet struct {
	Hash     string `json:"hash"`
	InForce  bool   `json:"in_force"`
	Versions []int  `json:"versions"`
}

// Policy is a unit's policy in force (`nexus policy show`). Version 0: none was ever set.
type Policy struct {
	Unit      string          `json:"unit"`
	UnitID    string          `json:"unit_id"`
	Version   uint64          `json:"version"`
	SetBy     string          `json:"set_by,omitempty"`
	SetTime   *time.Time      `json:"set_time,omitempty"`
	Index     uint64          `json:"index"`              // decision that put it in force
	Guardian  string          `json:"guardian,omitempty"` // whose word counts now; empty: nobody's
	Policy    json.RawMessage `json:"policy"`
	Canonical []byte          `json:"canonical"` // state.UnitPolicy
	Uses      []PolicyUse     `json:"uses"`
}

// PolicyUse says how far a limit is used.
type PolicyUse struct {
	Rule  string `json:"rule"`
	Used  int    `json:"used"`
	Count int    `json:"count"`
	PerS  int64  `json:"per_s"`
}

// PolicyTry is the body of POST /v1/policy/try: a signed action and the policy to judge it by.
type PolicyTry struct {
	Action []byte `json:"action"`
	Policy []byte `json:"policy"` // canonical state.UnitPolicy
}

// ConsentLog is the history of one person (`nexus consent log`).
type ConsentLog struct {
	Subject  string       `json:"subject"`
	Seq      uint64       `json:"seq"`      // statements there are
	Head     string       `json:"head"`     // hash that the next one carries
	Complete bool         `json:"complete"` // numbered without a gap, each hashed to the one before, up to head
	Partial  bool         `json:"partial"`  // rows of other units were left out: they are not this reader's
	Rows     []ConsentRow `json:"rows"`     // in order
	Standing []ConsentRow `json:"standing"` // what is in force
}

// ConsentRow is one statement, or one use under it (seq 0).
type ConsentRow struct {
	Index     uint64    `json:"index"`
	Time      time.Time `json:"time"`
	Verb      string    `json:"verb"` // given, withdrawn, used
	Unit      string    `json:"unit"`
	UnitID    string    `json:"unit_id"`
	Purpose   string    `json:"purpose"`
	Text      string    `json:"text,omitempty"` // SHA-256 of what the person was shown
	Seq       uint64    `json:"seq,omitempty"`
	By        string    `json:"by"` // who brought it
	Signed    bool      `json:"signed"`
	Uses      uint64    `json:"uses,omitempty"`
	What      string    `json:"what,omitempty"`
	Statement []byte    `json:"statement,omitempty"` // canonical state.ConsentStatement
}

// UnitName is what the public registry says of a unit.
type UnitName struct {
	ID    string `json:"id"`
	Label string `json:"label"`
}
