package wire

import "time"

// Units is the answer of the unit lists.
type Units struct {
	Units []UnitRow `json:"units"`
}

// UnitDetail is one unit with what belongs to it.
type UnitDetail struct {
	UnitRow
	Created       time.Time  `json:"created"`
	CreatedIndex  uint64     `json:"created_index"`
	Parent        string     `json:"parent,omitempty"` // label of a channel's platform
	Class         string     `json:"class"`
	GuaranteedBps uint64     `json:"guaranteed_bps"`
	CeilingBps    uint64     `json:"ceiling_bps"`
	BudgetMs      float64    `json:"budget_ms"`
	MaxSessions   uint32     `json:"max_sessions"` // connections at once at a gateway; 0: the class's number
	Domains       []string   `json:"domains"`
	Routes        []RouteRow `json:"routes"`
	Tallies       []TallyRow `json:"tallies"`
	Sequence      uint64     `json:"sequence"` // entries in the unit's chain
	Head          string     `json:"head"`

	Imported []ImportedRow `json:"imported,omitempty"` // where the unit came from
}

// RouteRow is one route. Index is the ledger index of its public entry.
type RouteRow struct {
	Host    string `json:"host"`
	Unit    string `json:"unit"`
	Label   string `json:"label"`
	Backend string `json:"backend"`
	Index   uint64 `json:"index"`
}

// Routes is the answer of `nexus route list`.
type Routes struct {
	Routes []RouteRow `json:"routes"`
}

// IdentityRow is one registered identity.
type IdentityRow struct {
	Name        string    `json:"name"`
	Key         string    `json:"key"`
	Fingerprint string    `json:"fingerprint"` // as ssh-keygen -l prints it: SHA256:...
	Role        string    `json:"role"`
	Issued      time.Time `json:"issued"`
	Revoked     bool      `json:"revoked"`
	Successor   string    `json:"successor,omitempty"`
	Recovery    string    `json:"recovery,omitempty"`
	PendingKey  string    `json:"pending_key,omitempty"`
	PendingTime time.Time `json:"pending_time,omitzero"`

	Bindings  []BindingRow `json:"bindings,omitempty"`
	Statement uint64       `json:"statement"` // number of the identity's next binding or attestation
}

// BindingRow is a key bound to an identity, or what another identity attests of it, that was not ended.
type BindingRow struct {
	Attests   bool      `json:"attests"`
	Claim     string    `json:"claim"`
	Key       string    `json:"key"`            // that signed the statement
	Name      string    `json:"name,omitempty"` // of who attests
	Number    uint64    `json:"number"`
	Document  string    `json:"document,omitempty"` // SHA-256
	Time      time.Time `json:"time"`               // when it was taken
	Until     time.Time `json:"until,omitzero"`
	Lapsed    string    `json:"lapsed,omitempty"` // why it holds no more
	Index     uint64    `json:"index"`            // of the decision
	Statement []byte    `json:"statement"`        // canonical, with its signature
}

// Identities is the answer of `nexus identity list`.
type Identities struct {
	Identities []IdentityRow `json:"identities"`
}

// SourceRow is one revenue source.
type SourceRow struct {
	Name    string `json:"name"`
	Class   string `json:"class"` // metered, provider, attested
	Key     string `json:"key"`
	Active  bool   `json:"active"`
	LastSeq uint64 `json:"last_seq"`
	Events  uint64 `json:"events"`
	// Withheld says that LastSeq and Events are not told: they count everybody's events.
	Withheld bool `json:"withheld,omitempty"`
}

// Sources is the answer of `nexus revenue sources`.
type Sources struct {
	Sources []SourceRow `json:"sources"`
}

// Members is the answer of `nexus cluster members`.
type Members struct {
	Members []MemberRow `json:"members"`
}

// GossipKeys is the answer of `nexus cluster keys`. No secret is in it: a key's id is a part of a hash of it.
type GossipKeys struct {
	Decided    uint64      `json:"decided"`    // generation that the ledger says; 0 on a node whose ledger is elsewhere
	Generation uint64      `json:"generation"` // of the key in use; 0: a join token's, not known
	Step       string      `json:"step"`       // settled, installing, in use, old one accepted
	Version    uint64      `json:"version"`    // three a generation, and the step
	Used       string      `json:"used"`       // id of the key in use
	Accepted   []GossipKey `json:"accepted"`   // the older first
	Pending    uint64      `json:"pending,omitempty"`
	Behind     []string    `json:"behind"` // admitted members that live and have not taken the step yet; on the ledger's node
}

// GossipKey is one key by its public name.
type GossipKey struct {
	Generation uint64 `json:"generation"`
	ID         string `json:"id"`
}

// Edges is the answer of `nexus cluster edges`.
type Edges struct {
	Edges []EdgeRow `json:"edges"`
}

// Decisions is the answer of `nexus gates log`, newest first.
type Decisions struct {
	Decisions []DecisionRow `json:"decisions"`
	Next      uint64        `json:"next,omitempty"` // give it as before= for the page after
}

// Explanation is a decision with its replay (`nexus gates explain`).
type Explanation struct {
	Decision
	Facts    string `json:"facts"` // JSON of the facts the gates saw
	Replayed bool   `json:"replayed"`
	Same     bool   `json:"same"` // the gates gave the same verdicts again on the recorded facts
	// FromLog is the true replay: every command up to this one applied again from the first record.
	FromLog LogReplay `json:"from_log"`
}

// LogReplay says what applying the log again up to one decision gave.
type LogReplay struct {
	Done       bool   `json:"done"`
	Same       bool   `json:"same"`          // facts, verdicts and tree root came out the same
	Commands   uint64 `json:"commands"`      // applied again
	Why        string `json:"why,omitempty"` // not done
	StateHash  string `json:"state_hash"`    // of the whole state right after this decision
	DurationMs int64  `json:"duration_ms"`
	Differs    string `json:"differs,omitempty"` // what came out otherwise
}

// Entry is one ledger entry (`nexus ledger show`).
type Entry struct {
	Seq        uint64    `json:"seq"`
	Index      uint64    `json:"index"`
	Time       time.Time `json:"time"`
	Kind       string    `json:"kind"`
	Unit       string    `json:"unit"`
	UnitSeq    uint64    `json:"unit_seq"`
	UnitPrev   string    `json:"unit_prev"`
	Commitment string    `json:"commitment"`
	Salt       string    `json:"salt"`
	Bytes      []byte    `json:"bytes"` // canonical entry, base64
	Body       any       `json:"body,omitempty"`
	Postings   []Posting `json:"postings,omitempty"`
}

// Posting is one leg of an entry.
type Posting struct {
	Account  string `json:"account"` // source, creator, platform
	Ref      string `json:"ref,omitempty"`
	Currency string `json:"currency"`
	Minor    int64  `json:"minor"`
}

// Entries is a page of entries.
type Entries struct {
	Entries []Entry `json:"entries"`
	Size    uint64  `json:"size"`
}

// EntryProof proves one entry (`nexus ledger prove`), to be checked offline with the public key alone.
type EntryProof struct {
	Entry
	Leaf       string   `json:"leaf"`
	Inclusion  []string `json:"inclusion"`
	Size       uint64   `json:"size"`
	Root       string   `json:"root"`
	Checkpoint string   `json:"checkpoint"`
	Cosigners  int      `json:"cosigners"` // other parties that signed the checkpoint
	Key        string   `json:"key"`       // verifier key of the signer, note format
}

// Consistency proves that the log of New entries begins with the log of Old.
type Consistency struct {
	Old   uint64   `json:"old"`
	New   uint64   `json:"new"`
	Proof []string `json:"proof"`
}

// Finding is something wrong that a check found, with its evidence.
type Finding struct {
	Where    string `json:"where"` // file, record or unit
	What     string `json:"what"`
	Required string `json:"required,omitempty"`
	Evidence string `json:"evidence,omitempty"`
	Unit     string `json:"unit,omitempty"`
	// Late says that something is over a time or a budget, and nothing that is stored is wrong. A node that serves makes it good, and no other:
	// it never keeps one from starting.
	Late bool `json:"late,omitempty"`
}

// VerifyReport is the answer of `nexus ledger verify`. Verified of Entries were re-read and recomputed.
type VerifyReport struct {
	Verified   uint64    `json:"verified"`
	Entries    uint64    `json:"entries"`
	Records    uint64    `json:"records"`
	Units      int       `json:"units"`
	Size       uint64    `json:"size"`
	Root       string    `json:"root"` // base64
	Findings   []Finding `json:"findings"`
	Notes      []string  `json:"notes,omitempty"`
	DurationMs int64     `json:"duration_ms"`
}

// AuditReport is the answer of `nexus audit`.
type AuditReport struct {
	Time     time.Time `json:"time"`
	Units    int       `json:"units"`
	Checks   int       `json:"checks"`
	Findings []Finding `json:"findings"`
	LastFull time.Time `json:"last_full"`
}

// SuiteReport is the result of one live suite.
type SuiteReport struct {
	Suite      string    `json:"suite"`
	Status     string    `json:"status"`
	Reason     string    `json:"reason,omitempty"`
	Checks     []Check   `json:"checks"`
	Started    time.Time `json:"started"`
	DurationMs int64     `json:"duration_ms"`
}

// Suites is the answer of `nexus verify`.
type Suites struct {
	Suites []SuiteReport `json:"suites"`
	Checks int           `json:"checks"`
	Passed int           `json:"passed"`
}

// SuiteRequest names the suites to run; empty: the four of phase 10.
type SuiteRequest struct {
	Suites []string `json:"suites"`
}

// InviteRequest asks for a join token.
type InviteRequest struct {
	TTLSeconds int64 `json:"ttl_seconds"`
}

// Invite is a join token (`nexus cluster invite`).
type Invite struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
	Seeds   []string  `json:"seeds"`
}

// ReportRow is one deployment report that the ledger knows.
type ReportRow struct {
	Index   uint64    `json:"index"`
	Time    time.Time `json:"time"`
	SHA256  string    `json:"sha256"`
	Verdict string    `json:"verdict"`
	Name    string    `json:"name"`
}

// RecordingRow is one recorded SSH session, as the ledger holds it.
type RecordingRow struct {
	Index     uint64    `json:"index"` // of the decision
	Session   string    `json:"session"`
	Key       string    `json:"key"`  // of the identity whose session it was
	Name      string    `json:"name"` // of that identity
	Node      string    `json:"node"` // key of the node that wrote the file
	Start     time.Time `json:"start"`
	End       time.Time `json:"end"`
	Bytes     int64     `json:"bytes"`
	SHA256    string    `json:"sha256"`
	Truncated bool      `json:"truncated"` // the file ends before the session did
}

// Recordings is the answer of `nexus ssh recordings`.
type Recordings struct {
	Recordings []RecordingRow `json:"recordings"`
}

// Reports is the answer of `nexus report list`.
type Reports struct {
	Reports []ReportRow `json:"reports"`
}
