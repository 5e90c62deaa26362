package wire

import (
	"encoding/json"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// GateCount is the number of gates; a Decision and a dry run carry one Verdict of each.
const GateCount = 17

// Verdict is what one gate said.
type Verdict struct {
	Gate       int    `json:"gate"`
	Name       string `json:"name"`
	Verdict    string `json:"verdict"` // allow, deny or withheld
	ReasonCode string `json:"reason_code"`
	Reason     string `json:"reason"`
	Observed   string `json:"observed"`
	Required   string `json:"required"`
	Fix        string `json:"fix"` // smallest change that would be allowed
}

// Decision is the full evidence of one decision.
type Decision struct {
	DecisionRow
	Verdicts    []Verdict `json:"verdicts"` // 17, by number
	FactsDigest string    `json:"facts_digest"`
	GateSet     string    `json:"gate_set"` // hash of the active gate set
	ActionID    string    `json:"action_id"`
	Digest      string    `json:"digest"` // of the action
	// Entry and Leaf locate the decision in the log; Proof shows that Leaf is under Checkpoint.
	Entry      uint64   `json:"entry"`
	Leaf       string   `json:"leaf"`
	Proof      []string `json:"proof"`
	Checkpoint string   `json:"checkpoint"`
	Cosigners  int      `json:"cosigners"` // other parties that signed the checkpoint
	Size       uint64   `json:"size"`
}

// Proof shows that a unit's tally in one currency is what the log says. Hashes are hexadecimal.
type Proof struct {
	Unit           string   `json:"unit"` // label
	UnitID         string   `json:"unit_id"`
	Currency       string   `json:"currency"`
	Rule           string   `json:"rule"`
	CreatorPercent int64    `json:"creator_percent"`
	Gross          int64    `json:"gross"` // minor units, as the two after it
	Creator        int64    `json:"creator"`
	Platform       int64    `json:"platform"`
	Events         uint64   `json:"events"`
	Sequence       uint64   `json:"sequence"` // the unit's last entry, counted per unit
	Head           string   `json:"head"`     // hash of that entry
	Entry          uint64   `json:"entry"`    // its sequence number in the log
	Leaf           string   `json:"leaf"`
	Inclusion      []string `json:"inclusion"`
	Size           uint64   `json:"size"`
	Root           string   `json:"root"` // base64, as in Head
	Checkpoint     string   `json:"checkpoint"`
	Cosigners      int      `json:"cosigners"`
	// Included says that the node's client re-computed the root from Leaf and Inclusion; the console never assumes it.
	Included bool `json:"included"`
	// Command is the command line that checks the same independently.
	Command string `json:"command"`
}

// Tally is the answer of `nexus revenue tally -o json`.
type Tally struct {
	Units  []TallyRow `json:"units"`
	Totals []TotalRow `json:"totals"`
	Index  uint64     `json:"index"` // ledger index it was taken at
	Time   time.Time  `json:"time"`

	At *TallyPlace `json:"at,omitempty"` // of a tally of an earlier ledger
}

// TallyPlace says of which ledger earlier figures are: the entries before Size, whose tree has Root.
type TallyPlace struct {
	Size  uint64    `json:"size"`
	Root  string    `json:"root"` // base64
	Index uint64    `json:"index"`
	Time  time.Time `json:"time"` // log time of its newest entry
}

// Head is the answer of `nexus ledger head -o json`.
type Head struct {
	Size       uint64 `json:"size"`
	Root       string `json:"root"`       // base64
	Checkpoint string `json:"checkpoint"` // signed note text
	Cosigners  int    `json:"cosigners"`  // other parties that signed this checkpoint: distinct keys, verified
	Key        string `json:"key"`        // verifier key of the signer, note format: what recipients give to nexus-verify

	Witnesses []WitnessRow `json:"witnesses"` // that are asked to cosign
}

// Gates is the answer of `nexus gates list -o json`.
type Gates struct {
	Gates []GateRow `json:"gates"`
}

// Slices is the answer of `nexus slices list -o json`.
type Slices struct {
	Slices []SliceRow `json:"slices"`
	Edges  []EdgeRow  `json:"edges"` // as Overview.Edges
}

// ActionRequest carries one signed action: the base64 of its canonical encoding, so that what is signed is what is
// sent.
type ActionRequest struct {
	Action []byte `json:"action"`
	// DryRun asks for the decision without its effect; nothing is recorded.
	DryRun bool `json:"dry_run,omitempty"`
}

// ActionAnswer is the answer to an ActionRequest: the receipt, or for a dry run the verdicts.
type ActionAnswer struct {
	Receipt  *nexus.Receipt `json:"receipt,omitempty"`
	Verdicts []Verdict      `json:"verdicts,omitempty"`
	Unit     *UnitRow       `json:"unit,omitempty"` // of a creation
	// NotServed says why the node's gateway does not serve yet what the action has changed; empty when it does, or the action changes nothing there.
	NotServed string   `json:"not_served,omitempty"`
	Error     *Problem `json:"error,omitempty"`
}

// UnitCreate asks for a new IMVU or mini-platform. Zero values take the defaults of SPEC sections 3 and 4.
type UnitCreate struct {
	Kind           string   `json:"kind"`         // imvu, platform or channel
	On             string   `json:"on,omitempty"` // of a channel: its mini-platform, by label or slug
	Name           string   `json:"name"`         // UTF-8, 1 to 80
	Owner          string   `json:"owner,omitempty"`
	OwnerMustExist bool     `json:"owner_must_exist,omitempty"`
	Jurisdiction   string   `json:"jurisdiction,omitempty"`
	Envelope       Envelope `json:"envelope"`
	Class          string   `json:"class,omitempty"`
	GuaranteedBps  uint64   `json:"guaranteed_bps,omitempty"`
	CeilingBps     uint64   `json:"ceiling_bps,omitempty"`
	Backend        string   `json:"backend,omitempty"`  // address or folder the first public route leads to
	Sessions       uint32   `json:"sessions,omitempty"` // session cap of the slice, an act of its own; 0: the class's number
}

// UnitCreated is the answer to a UnitCreate: the unit as it now stands and the receipt of the act.
type UnitCreated struct {
	Unit    UnitRow       `json:"unit"`
	Receipt nexus.Receipt `json:"receipt"`
	// OwnerKeyFile is where the key of an owner issued in the same act was written, empty when the owner was known.
	OwnerKeyFile string `json:"owner_key_file,omitempty"`
	// Undone says what of the request was not done although the unit stands, and why; empty when all was.
	Undone string `json:"undone,omitempty"`
	// NotServed says why the node's gateway does not serve its hosts yet; empty when it does.
	NotServed string `json:"not_served,omitempty"`
}

// Event is one durable happening or measurement of the event stream (nexus.Event with its data left as JSON).
type Event struct {
	Type  string          `json:"type"`
	Time  time.Time       `json:"time"`
	Index uint64          `json:"index,omitempty"`
	Unit  string          `json:"unit,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"`
}

// Problem is a nexus.Error on its way through a socket.
type Problem struct {
	Op      string     `json:"op"`
	Code    nexus.Code `json:"code"`
	Subject string     `json:"subject"`
	Cause   string     `json:"cause"`
	Hint    string     `json:"hint"`
}

// ProblemOf describes any error; one that is no nexus.Error becomes an internal one.
func ProblemOf(err error) *Problem {
	if err == nil {
		return nil
	}
	p := &Problem{Code: nexus.CodeInternal, Cause: err.Error()}
	if e, ok := asError(err); ok {
		p.Op, p.Code, p.Subject, p.Hint, p.Cause = e.Op, e.Code, e.Subject, e.Hint, ""
		if e.Cause != nil {
			p.Cause = e.Cause.Error()
		}
	}
	return p
}

// Err gives the error back, nil for nil.
func (p *Problem) Err() error {
	if p == nil {
		return nil
	}
	e := &nexus.Error{Op: p.Op, Code: p.Code, Subject: p.Subject, Hint: p.Hint}
	if p.Cause != "" {
		e.Cause = plainError(p.Cause)
	}
	return e
}
