package wire

import "time"

// Limits of one Overview. A list that was cut says so by its *_total field; the whole list is a request of its own.
const (
	DecisionRowsMax = 200  // newest decisions
	UnitRowsMax     = 1000 // units by label
	TallyRowsMax    = 1000 // tallies by label, then currency
	AlertRowsMax    = 50   // newest alerts
	HistoryCellsMax = 60   // one second each, oldest first
)

// Overview is the console's whole picture of one node at one moment: an immutable snapshot. Seq grows by one with each
// snapshot of a node process, so that a reader can tell a repeated one from a new one.
type Overview struct {
	Seq       uint64        `json:"seq"`
	Time      time.Time     `json:"time"`
	Node      NodeInfo      `json:"node"`
	Identity  Identity      `json:"identity"` // the identity whose view this is
	Ledger    LedgerInfo    `json:"ledger"`
	Launch    Launch        `json:"launch"`
	Slices    []SliceRow    `json:"slices"`
	Gates     []GateRow     `json:"gates"`     // 17, by number
	Decisions []DecisionRow `json:"decisions"` // newest first
	// DecisionsAllowed and DecisionsDenied count whole decisions since genesis; a refusal by two gates is one.
	DecisionsAllowed uint64      `json:"decisions_allowed"`
	DecisionsDenied  uint64      `json:"decisions_denied"`
	Tallies          []TallyRow  `json:"tallies"` // probe units are left out
	TalliesTotal     int         `json:"tallies_total"`
	Totals           []TotalRow  `json:"totals"` // per rule and currency, over all tallies
	Cluster          []MemberRow `json:"cluster"`
	Edges            []EdgeRow   `json:"edges"` // processes that serve, the node's own gateway first; none for whoever does not act for the platform
	Units            []UnitRow   `json:"units"` // probe units are left out
	UnitsTotal       int         `json:"units_total"`
	// Cut says that the node has more units or tallies than a picture carries, also to who is shown few of them.
	Cut             bool    `json:"cut,omitempty"`
	Alerts          []Alert `json:"alerts"`            // newest first
	EventsPerSecond float64 `json:"events_per_second"` // durable events, mean of the last whole second
	// lossy events that this reader did not get; denials are never lossy
	Dropped uint64 `json:"dropped"`
}

// Node states.
const (
	NodeLaunching = "launching"
	NodeServing   = "serving"
	NodeDegraded  = "degraded"
	NodeFailed    = "failed"
	NodeStopping  = "stopping"
)

// NodeInfo names the node process.
type NodeInfo struct {
	Name      string            `json:"name"`
	Cluster   string            `json:"cluster"` // cluster id, 32 hexadecimal digits
	State     string            `json:"state"`   // one of the Node* constants
	Profile   string            `json:"profile"` // dev or prod
	PID       int               `json:"pid"`
	Version   string            `json:"version"`
	Addresses map[string]string `json:"addresses"` // at least api and gateway once they listen
	Started   time.Time         `json:"started"`
	// SSHHostKey is the fingerprint of the SSH console's host key, as ssh-keygen -l prints it; empty when there is none.
	SSHHostKey string `json:"ssh_host_key,omitempty"`
}

// Identity is a public key with a name and what it may do here.
type Identity struct {
	Name        string   `json:"name"`
	Key         string   `json:"key"`         // base64 of the Ed25519 public key
	Fingerprint string   `json:"fingerprint"` // as ssh-keygen -l prints it: SHA256:...
	Roles       []string `json:"roles"`       // operator, creator, platform, node
	ReadOnly    bool     `json:"read_only"`   // no key to sign with: nothing can be changed
	Source      string   `json:"source"`      // where the key is: file path, agent:FINGERPRINT
	Reports     []string `json:"reports"`     // active revenue sources that this key signs for, sorted; null where nobody was asked
}

// LedgerInfo is the state of the node's log. Verified of Entries says how far the stored bytes were re-read.
type LedgerInfo struct {
	Size            uint64 `json:"size"` // entries in the tree
	Root            string `json:"root"` // base64 of the RFC 6962 root
	Index           uint64 `json:"index"`
	Checkpoint      string `json:"checkpoint"`        // signed note (C2SP)
	CheckpointAgeMs int64  `json:"checkpoint_age_ms"` // -1 before the first
	Cosigners       int    `json:"cosigners"`         // other parties that signed the checkpoint which is published; 0 on a single node
	CosignedSize    uint64 `json:"cosigned_size"`     // entries under that one; it follows Size
	Cosigned        string `json:"cosigned"`          // that one, with its cosignatures; empty without any
	Verified        uint64 `json:"verified"`
	Entries         uint64 `json:"entries"`
	On              string `json:"on"` // the node that holds the ledger when it is not this one

	Witnesses []WitnessRow `json:"witnesses"` // that are asked to cosign
}

// WitnessRow is where an outside witness of the log stands.
type WitnessRow struct {
	Name     string    `json:"name"`
	Key      string    `json:"key"`           // verifier key
	URL      string    `json:"url,omitempty"` // for operators
	Status   string    `json:"status"`
	Size     uint64    `json:"size"`                   // entries under the newest checkpoint that it cosigned
	Lag      uint64    `json:"lag"`                    // entries of the log that it has not cosigned yet
	Cosigned time.Time `json:"cosigned_time,omitzero"` // of that cosignature, as the witness dates it
	Since    time.Time `json:"since,omitzero"`         // of its newest answer, or of the first failure after it
	Error    string    `json:"error,omitempty"`        // of the newest attempt; for operators
}

// The words of WitnessRow.Status.
const (
	WitnessWaiting   = "waiting"   // has not cosigned anything yet
	WitnessCosigning = "cosigning" // cosigned what it was shown last
	WitnessFailing   = "failing"   // did not answer, or without a cosignature
	WitnessConflict  = "conflict"  // holds another history than the log
)

// SliceRow is one slice of the edge. Latencies are what a client observes through the real listener less the direct
// baseline (SPEC section 4); nil where nothing was measured.
type SliceRow struct {
	Slice         string     `json:"slice"`
	Unit          string     `json:"unit"` // unit id
	Label         string     `json:"label"`
	Name          string     `json:"name"`
	Class         string     `json:"class"`
	P50Ms         *float64   `json:"p50_ms"`
	P99Ms         *float64   `json:"p99_ms"`
	P999Ms        *float64   `json:"p999_ms"`
	BaselineP50Ms *float64   `json:"baseline_p50_ms"`
	BaselineP99Ms *float64   `json:"baseline_p99_ms"` // of requests straight to the responder: over the budget, the machine is too slow
	OwnP99Ms      float64    `json:"own_p99_ms"`      // of p99_ms, what the slice's own limits made its probes wait: the record is judged by the rest
	GatewayP99Ms  *float64   `json:"gateway_p99_ms"`  // first byte read to last written, less backend time
	Samples       uint64     `json:"samples"`         // probes of the last minute
	Probes        uint64     `json:"probes"`          // since the node started, at all edges: grows with each
	RateBps       float64    `json:"rate_bps"`        // bits per second, last second
	InFlight      int        `json:"in_flight"`
	Queue         int        `json:"queue"` // that wait for a place or for bandwidth
	Refused       uint64     `json:"refused"`
	Dropped       uint64     `json:"dropped"`
	GuaranteedBps uint64     `json:"guaranteed_bps"` // bits per second, 0 is a fair share
	CeilingBps    uint64     `json:"ceiling_bps"`    // bits per second, 0 is the gateway's capacity
	BudgetMs      float64    `json:"budget_ms"`
	SessionCap    int        `json:"session_cap"`         // connections at once at an edge, in force
	CapIsOwn      bool       `json:"session_cap_own"`     // the slice was given this cap; false: it is its class's
	Sessions      int        `json:"sessions"`            // that move between edges, held now
	Planned       uint64     `json:"handoffs_planned"`    // hand-offs since the start, old connection working until the new one was in use
	Recovered     uint64     `json:"handoffs_recovered"`  // hand-offs since the start after an edge died or fell silent
	PerMinute     int        `json:"handoffs_per_minute"` // of both kinds, in the last 60 s
	TripP50Ms     *float64   `json:"rtt_p50_ms"`          // round trip client, edge, home and back in the last minute, as clients of sessions told it
	TripP99Ms     *float64   `json:"rtt_p99_ms"`
	Requests      uint64     `json:"requests"` // answered, by all edges since the node started
	BytesIn       uint64     `json:"bytes_in"` // from clients
	BytesOut      uint64     `json:"bytes_out"`
	History       []*float64 `json:"history"` // p99 of the last 60 s in ms, oldest first, nil where nothing was measured

	// How the guaranteed rate was kept, in windows of 2 s in which the slice moved or waited for bytes.
	GuaranteeWindows uint64   `json:"guarantee_windows"`      // since the node started, at all edges
	GuaranteeKept    uint64   `json:"guarantee_windows_kept"` // of them: with at least 98 % of what was owed
	GuaranteePercent *float64 `json:"guarantee_kept_percent"` // the least that went in a window of the last minute, of what was owed; nil: none was judged

	// Breaches of the service-level record that are open: since when, nil: none.
	OverSince  *time.Time `json:"over_since"`  // of the latency budget
	ShortSince *time.Time `json:"short_since"` // of the guaranteed rate

	Minutes          MinuteCounts `json:"minutes"`            // judged since the node started
	MinutesSincePost MinuteCounts `json:"minutes_since_post"` // of these, not in the service-level record yet

	Edges       []SliceEdge  `json:"edges,omitempty"`
	Routes      []SliceRoute `json:"routes,omitempty"` // SliceRoutesMax at most
	RoutesTotal int          `json:"routes_total"`     // hosts at each edge
}

// Judged is the added p99 that the service-level record goes by, milliseconds; p99_ms must not be nil.
func (r *SliceRow) Judged() float64 { return max(*r.P99Ms-r.OwnP99Ms, 0) }

// AtCeiling reports whether the slice had all that its ceiling allows in the last second: what it asks for besides waits for its own ceiling, its probes
// among it, so its latency then says nothing of the gateway.
func (r *SliceRow) AtCeiling() bool {
	return r.CeilingBps > 0 && r.RateBps >= 0.98*float64(r.CeilingBps)
}

// SliceEdge is one slice at one edge: the node's own gateway or an edge process, by its last report. nil: not measured.
type SliceEdge struct {
	Edge        string   `json:"edge"`
	ReportAgeMs int64    `json:"report_age_ms"` // 0 for the node's own gateway
	P99Ms       *float64 `json:"p99_ms"`        // added latency by this edge's own probes
	Samples     uint64   `json:"samples"`
	RateBps     float64  `json:"rate_bps"`
	InFlight    int      `json:"in_flight"`
	Queue       int      `json:"queue"`
	Requests    uint64   `json:"requests"`
	Refused     uint64   `json:"refused"`
	Strays      uint64   `json:"strays"`       // connections that another process of this edge should have served: limits are counted in each
	BackendsOut int      `json:"backends_out"` // that get no requests now
	Ejections   uint64   `json:"ejections"`    // times that one was taken out
	TurnedAway  uint64   `json:"turned_away"`  // requests refused because their backend was out
	Retries     uint64   `json:"retries"`
	RetriesLeft int      `json:"retries_left"` // of the budget, now
	LinkRTTMs   *float64 `json:"link_rtt_ms"`  // edge to home and back over their link; nil for the node's own gateway, which needs none
	TripP50Ms   *float64 `json:"rtt_p50_ms"`   // client, this edge, home and back in the last minute, as clients of sessions told it
	TripP99Ms   *float64 `json:"rtt_p99_ms"`
}

// SliceRoute is how one host is served at one edge.
type SliceRoute struct {
	Edge        string       `json:"edge"`
	Host        string       `json:"host"`
	Backend     string       `json:"backend"` // address or folder, empty: nothing is deployed
	State       string       `json:"state"`   // not measured, answers, failing, out, files, nothing deployed
	InARow      int          `json:"failures_in_a_row"`
	LastAnswer  *time.Time   `json:"last_answer"` // nil: never, or not asked
	LastFailure *time.Time   `json:"last_failure"`
	Certificate *Certificate `json:"certificate"` // nil: this edge has no TLS listener, or does not tell
}

// Certificate is the state of a host's certificate at one edge. NotAfter nil: there is none yet.
type Certificate struct {
	Source   string     `json:"source"` // own authority, or the URL of an ACME directory
	NotAfter *time.Time `json:"not_after"`
	Renews   *time.Time `json:"renews"` // when a new one is due
	Error    string     `json:"error,omitempty"`
	ErrorAt  *time.Time `json:"error_at"`
}

// OwnAuthority is the Source of certificates that the node's own authority signs.
const OwnAuthority = "own authority"

// SliceRoutesMax bounds the routes shown of one slice, those with trouble first.
const SliceRoutesMax = 32

// GateRow is one of the 17 gates with its counters since genesis.
type GateRow struct {
	Gate           int        `json:"gate"`
	Name           string     `json:"name"` // slug of SPEC section 1
	Rule           string     `json:"rule"`
	Allowed        uint64     `json:"allowed"`
	Denied         uint64     `json:"denied"`    // rolled-up ones included
	RolledUp       uint64     `json:"rolled_up"` // of Denied: refused in floods, which have one entry together
	Decides        bool       `json:"decides"`
	Enforced       bool       `json:"enforced"`
	EnforcedBy     string     `json:"enforced_by"` // what makes it so, or will once it is built
	LastDeniedTime *time.Time `json:"last_denied_time"`
	LastReason     string     `json:"last_reason"`

	Cosigners *int `json:"cosigners,omitempty"` // of gate 17: other parties that signed the published checkpoint
}

// Verdict words of a decision and of a gate.
const (
	VerdictAllow = "allow"
	VerdictDeny  = "deny"
)

// DecisionRow is the short form of a decision; Index leads to the Decision.
type DecisionRow struct {
	Index     uint64    `json:"index"`
	Time      time.Time `json:"time"`
	Verdict   string    `json:"verdict"`
	Gates     []int     `json:"gates"` // the gates that refused
	Action    string    `json:"action"`
	Actor     string    `json:"actor"` // base64 public key
	ActorName string    `json:"actor_name"`
	Unit      string    `json:"unit"` // unit id, empty when there is none
	UnitLabel string    `json:"unit_label"`
	Reason    string    `json:"reason"` // of the first refusal, or why what was allowed came to nothing
	Observed  string    `json:"observed"`
	Required  string    `json:"required"`
	Fix       string    `json:"fix"`
	Session   string    `json:"session,omitempty"` // of the SSH console that asked, ten hexadecimal digits
}

// InVain reports whether all gates allowed the act and it came to nothing all the same: a name was taken, a body malformed. Reason says what.
func (d *DecisionRow) InVain() bool { return d.Verdict == VerdictAllow && d.Reason != "" }

// TallyRow is the split of one unit (or channel) in one currency, as `nexus revenue tally -o json` prints it.
type TallyRow struct {
	Unit            string    `json:"unit"` // label, IMVU-001
	UnitID          string    `json:"unit_id"`
	Label           string    `json:"label"` // the same label, under the key that other rows use
	Name            string    `json:"name"`
	Kind            string    `json:"kind"` // imvu, platform, channel, probe
	Rule            string    `json:"rule"` // 55/45 or 80/20
	Currency        string    `json:"currency"`
	Gross           int64     `json:"gross"` // minor units, as the two after it
	Creator         int64     `json:"creator"`
	Platform        int64     `json:"platform"`
	Events          uint64    `json:"events"`
	Channel         string    `json:"channel,omitempty"`
	Owner           string    `json:"owner,omitempty"`
	NewestEventTime time.Time `json:"newest_event_time,omitzero"`
	PostedTime      time.Time `json:"posted_time,omitzero"` // when the newest of its events was made durable
	Pending         int64     `json:"pending"`              // announced and neither posted, voided nor expired, minor units; counts in no split
	PendingEvents   uint64    `json:"pending_events"`
}

// TotalRow sums the tallies of one rule in one currency.
type TotalRow struct {
	Rule     string `json:"rule"`
	Currency string `json:"currency"`
	Gross    int64  `json:"gross"`
	Creator  int64  `json:"creator"`
	Platform int64  `json:"platform"`
	Events   uint64 `json:"events"`
	Units    int    `json:"units"`

	Pending       int64  `json:"pending"`
	PendingEvents uint64 `json:"pending_events"`
}

// MemberRow is one member of the cluster as gossip and the replicated state show it.
type MemberRow struct {
	Name     string    `json:"name"`
	Node     string    `json:"node"`  // node key, short
	State    string    `json:"state"` // alive, suspect, failed, left
	Addr     string    `json:"addr"`
	Role     string    `json:"role"`     // voter, nonvoter, edge
	Admitted bool      `json:"admitted"` // false: listed, carries no traffic
	RTTMs    *float64  `json:"rtt_ms"`
	LastSeen time.Time `json:"last_seen"`
}

// EdgeRow is one process that serves as an edge, by its last report: the node's own gateway, or one that nexus slices edge runs. nil: not measured.
type EdgeRow struct {
	Name        string    `json:"name"`
	Edge        string    `json:"edge"`            // that it serves for: workers of one supervisor, and those after them, have it in common
	Group       string    `json:"group,omitempty"` // of slice classes that it is there for, beside another process; empty: all
	State       string    `json:"state"`           // one of the Edge* words
	Cause       string    `json:"cause,omitempty"` // of a state that is not well
	Since       time.Time `json:"since"`           // when that state began
	Addresses   []string  `json:"addresses"`       // where clients reach it; empty where another process hands connections on to it
	ReportAgeMs *int64    `json:"report_age_ms"`   // nil: it never reported
	Slices      int       `json:"slices"`
	Hosts       int       `json:"hosts"`
	P99Ms       *float64  `json:"p99_ms"`      // added latency by its own probes, of the slice with the worst
	RateBps     float64   `json:"rate_bps"`    // bits per second
	Connections int64     `json:"connections"` // open now, of all slices
	Streams     int64     `json:"streams"`     // of these, WebSockets and others that were switched
	InFlight    int       `json:"in_flight"`   // requests
	Queue       int       `json:"queue"`       // requests that wait
	Requests    uint64    `json:"requests"`    // since its start
	Refused     uint64    `json:"refused"`     // since its start
	BackendsOut int       `json:"backends_out"`
	LinkRTTMs   *float64  `json:"link_rtt_ms"` // to its home and back; nil for the node's own gateway, which needs no link
	Table       EdgeTable `json:"table"`       // what it serves, and what it refused to; zero for the node's own gateway
}

// EdgeTable says which of the home's tables an edge process serves, and what came as a table and was refused.
type EdgeTable struct {
	Index   uint64            `json:"index"`             // of the ledger, that it was made at
	Number  uint64            `json:"number"`            // among those of the home's run; 0: none was told
	Refused map[string]uint64 `json:"refused,omitempty"` // since the start of the process, by kind: stranger, damaged, foreign, old, forked, unfit
	// Kind, Cause and At are of the newest refusal; nil: there was none. Standing until a table was taken after it.
	Kind     string     `json:"kind,omitempty"`
	Cause    string     `json:"cause,omitempty"`
	At       *time.Time `json:"at,omitempty"`
	Standing bool       `json:"standing,omitempty"`
}

// TableRefusals are the kinds of EdgeTable.Refused: another user's socket, bytes that nobody sealed so, another home or cluster, older than what it has, two of
// one number, and what its home means but cannot be served.
func TableRefusals() []string {
	return []string{"stranger", "damaged", "foreign", "old", "forked", "unfit"}
}

// Refusals is their number.
func (t *EdgeTable) Refusals() (n uint64) {
	for _, k := range t.Refused {
		n += k
	}
	return n
}

// The words of EdgeRow.State. Figures of one that is dead, silent or orphaned are its last.
const (
	EdgeServing  = "serving"
	EdgeClosing  = "closing"  // asked to end: accepts nothing, finishes what it has
	EdgeOrphaned = "orphaned" // its supervisor has gone: accepts nothing, and nobody starts another
	EdgeSilent   = "silent"   // no word for longer than it may take
	EdgeFailed   = "failed"   // ended without a goodbye
)

// Lost reports whether an operator should look after this edge.
func (e *EdgeRow) Lost() bool {
	return e.State == EdgeOrphaned || e.State == EdgeSilent || e.State == EdgeFailed
}

// Envelope is a unit's ceilings. They are not reservations.
type Envelope struct {
	CPUCores     float64 `json:"cpu_cores"`
	MemoryBytes  uint64  `json:"memory_bytes"`
	StorageBytes uint64  `json:"storage_bytes"`
	Processes    uint64  `json:"processes"`
}

// UnitRow is one unit in lists and, printed alone, the answer to a creation.
type UnitRow struct {
	ID           string   `json:"id"`
	Label        string   `json:"label"`
	Name         string   `json:"name"`
	Kind         string   `json:"kind"`
	Owner        string   `json:"owner"`      // base64 public key
	OwnerName    string   `json:"owner_name"` // name of the identity
	Status       string   `json:"status"`     // creating, active, suspended, exiting, exited
	Domain       string   `json:"domain"`
	StageDomain  string   `json:"stage_domain"`
	Slice        string   `json:"slice"`
	Rule         string   `json:"rule"`
	Jurisdiction string   `json:"jurisdiction"`
	Envelope     Envelope `json:"envelope"`
	Dormant      bool     `json:"dormant"` // made by a bulk import: recorded, nothing running
}

// Alert levels, in rising order.
const (
	LevelInfo     = "info"
	LevelWarning  = "warning"
	LevelCritical = "critical"
)

// Alert is something an operator should look at. Index, when not 0, is the decision or entry it comes from.
type Alert struct {
	Time  time.Time `json:"time"`
	Level string    `json:"level"`
	Code  string    `json:"code"` // gate.denied, edge.failed, witness.failing...
	Text  string    `json:"text"`
	Unit  string    `json:"unit"` // label
	Index uint64    `json:"index"`
	Fix   string    `json:"fix"`
}
