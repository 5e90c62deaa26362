package gates

import nexus "github.com/BobbyBlanco400/nexus-cos"

// Role is what the replicated state says an identity is. An actor never states its own role.
type Role uint8

// The roles. Stored in facts digests: never renumber.
const (
	RoleNone     Role = 0 // unknown identity
	RoleOperator Role = 1 // runs the platform; bound by every gate all the same
	RoleCreator  Role = 2 // owns or may own units
	RoleSource   Role = 3 // a registered revenue source
	RoleNode     Role = 4 // a node's own key: measurements, reports
	RolePlatform Role = 5 // the platform's signing key
)

// Facts are everything a gate may look at: one immutable picture, made by engine/state from the state at the
// command's index and from evidence signed by somebody other than the actor. A part that does not concern the action is
// nil, and a gate that judges that part then says that it is not concerned. What the actor asks for (a size, a name) is
// a fact of the request; what would make the request allowed (ownership, approval, admission, a tag) never comes
// from it.
// Canonical: the digest of its encoding stands in the decision.
type Facts struct {
	Kind     string // action kind, "imvu.create"
	Read     bool   // a read: changes nothing
	NowMs    int64  // log time at this index
	Identity IdentityFacts
	Unit     UnitFacts
	Reach    []ReachFacts  // every unit whose data, compute, network or mail the action touches
	Domain   []DomainFacts // 0 or 1 elements, as for all slices below: nil when not concerned
	Zone     []ZoneFacts
	Mail     []MailFacts
	Revenue  []RevenueFacts
	Envelope []EnvelopeFacts
	Slice    []SliceFacts
	Route    []RouteFacts
	Tags     []TagFacts
	Consent  []ConsentFacts
	Audit    AuditFacts
	Snapshot []SnapshotFacts
	Exit     ExitFacts
	Platform PlatformFacts

	// The parts from here on came later. Empty ones at the end are not written (EncodeFacts), so what was decided before
	// they existed keeps its bytes. A new part is added below the last one and to tails.
	Approval []ApprovalFacts
	Binding  []BindingFacts
	Signal   []SignalFacts
	Limit    []LimitFacts
	Session  []SessionFacts
}

// tails gives the lengths of the parts that came later, in order.
func (f *Facts) tails() [5]int {
	return [...]int{len(f.Approval), len(f.Binding), len(f.Signal), len(f.Limit), len(f.Session)}
}

// IdentityFacts: gate 1. Checked on every replica, not only at admission.
type IdentityFacts struct {
	Actor          nexus.PublicKey
	SignatureValid bool // Ed25519 over the canonical action, verified at this index
	ClusterMatches bool
	InTime         bool // TimeMs <= now + 60 s and now <= ExpiresMs
	Known          bool // issued here; a self-issue (identity.issue by its own key) counts as known
	Revoked        bool
	Role           Role
	MayIssue       bool // for identity.*: the actor is the identity itself, its recovery key or an operator
}

// UnitFacts describe the unit acted on, from the registry. Exists is false while it is being created.
type UnitFacts struct {
	Concerned    bool // the action names a unit or creates one
	Exists       bool
	ID           nexus.ID
	Kind         nexus.UnitKind
	Owner        nexus.PublicKey // of an existing unit: the registry's; of a new one: the identity the name resolves to
	OwnerKnown   bool
	OwnerRevoked bool
	ActorOwns    bool
	Status       string
	NameFree     bool     // creation: no other unit holds the name or slug
	Tightened    []string // the unit's own policies that this action breaks, by name (SPEC section 1)
}

// ReachFacts: gates 2 and 16. One unit touched, and whether the actor has a right there in the registry.
type ReachFacts struct {
	Unit     nexus.ID
	Resource string // "compute", "network", "data", "mail", "ledger"
	Granted  bool   // owner, or a grant stored in the state; operators for platform-wide aggregates only
	Public   bool   // public by constitution: routes, checkpoints, registry entries
}

// DomainFacts: gate 3.
type DomainFacts struct {
	Name     string
	Valid    bool // a DNS name by RFC 1035 and 5891
	Reserved bool // under the base domain but not this unit's own name
	Bound    bool
	BoundTo  nexus.ID
	Claimant nexus.ID
	Proven   bool // under the base domain by construction, or control proven by evidence signed by a node
}

// ZoneFacts: gate 4.
type ZoneFacts struct {
	Zone     string
	ZoneUnit nexus.ID // who holds the zone in the registry; zero: nobody
	Record   string
	InZone   bool // the record name lies in the zone
	QueryAny bool // query side: an ANY query or one over UDP past the source's rate
	OverRate bool
}

// MailFacts: gate 5.
type MailFacts struct {
	From          string
	FromUnit      nexus.ID // unit that holds the From domain
	Authenticated bool     // the session proved an identity
	SessionUnit   nexus.ID // the unit that the identity's mailbox belongs to
	RecipientHere bool     // the recipient's domain is served here (otherwise it is relaying)
}

// RevenueFacts: gate 6. A batch summarised by engine/state; one decision for the whole batch.
type RevenueFacts struct {
	Source          string
	SourceKnown     bool
	SourceActive    bool
	SourceClass     uint8 // 1 metered, 2 provider, 3 attested
	ActorIsSource   bool  // the actor's key is the one the source is bound to by a platform-signed act
	Beneficiary     bool  // the actor, or whoever the source is bound to, owns a unit of the batch
	BeneficiaryOf   nexus.ID
	Events          uint64
	Duplicates      uint64 // same id, same content: counted once, no new posting
	Conflicts       uint64 // same id, other content
	FirstOffender   uint64 // 1-based event number of the first fault; 0: none
	Fault           string // what is wrong with it: "unknown unit", "amount 0", "currency XTS on a real unit", ...
	MeterKnown      bool   // a meter measured the same thing
	MeterMinor      int64
	ReportedMinor   int64
	SplitPercent    uint8 // what the effect would post with
	RequiredPercent uint8 // what the constitution says for the unit's kind
}

// EnvelopeFacts: gates 7 and 15. Ceilings in the unit's own words; milli-cores and bytes.
type EnvelopeFacts struct {
	CPUMilli           int64 // requested
	MemoryBytes        int64
	StorageBytes       int64
	Processes          int64
	CurrentCPUMilli    int64 // 0 when new
	CurrentMemory      int64
	CurrentStorage     int64
	CurrentProcesses   int64
	LargestCPUMilli    int64 // the largest node's
	LargestMemory      int64
	ReservedCPUMilli   int64    // explicit reservation asked for
	ReservableCPUMilli int64    // what is left to reserve
	Valid              bool     // all positive and within the program's absolute limits
	InUse              bool     // an action that uses the envelope (start, exec, deploy)
	ByUnit             nexus.ID // whose workload would use it; must be the unit
	UsageMeasured      bool
	UsageOverCeiling   bool
	OwnerApproved      bool // a granted proposal by the owner, bound to this action's digest
	NoticeQueued       bool // the notice to the owner is part of the same transaction
}

// SliceFacts: gates 8 and 15. Rates in bits per second.
type SliceFacts struct {
	ClassKnown        bool
	GuaranteedBps     int64
	CeilingBps        int64
	CurrentGuaranteed int64
	CurrentCeiling    int64
	BudgetMicros      int64
	CurrentBudget     int64
	OthersGuaranteed  int64 // sum over the other slices of the gateway
	CapacityBps       int64
	ByPolicy          bool // the unit's policy or the default asks for it: the actor owns the unit, or it is being created
	OwnerApproved     bool
	NoticeQueued      bool
}

// SessionFacts: gates 8 and 15. The session cap of a slice: connections at once at a gateway, in place of 0 the number of its class.
type SessionFacts struct {
	Sessions      int64 // asked for
	Current       int64 // in force
	Most          int64 // that a gateway takes of all slices together
	ByPolicy      bool  // the actor owns the unit
	OwnerApproved bool
	NoticeQueued  bool // the notice to the owner is part of the same transaction
}

// RouteFacts: gates 8 and 14.
type RouteFacts struct {
	Host           string
	HostUnit       nexus.ID // who holds the host in the registry; zero: free
	Unit           nexus.ID // whose route it would be
	Exists         bool
	BackendUnit    nexus.ID // unit that the backend address belongs to, zero: outside
	ForeignBackend bool     // the backend belongs to another unit
	LoopbackOnly   bool     // the backend address is allowed for units (dev: loopback; prod: the unit's own nodes)
	Changes        bool     // an existing route would change
	OwnerApproved  bool     // the owner signed this action, or granted the proposal bound to its digest
	PublicEntry    bool     // the route entry is part of the same transaction
}

// TagFacts: gate 9.
type TagFacts struct {
	Jurisdiction      string
	Known             bool
	ResourceTags      []string // tags of every resource the action makes or moves
	UnitJurisdiction  string   // the registry's, empty when new
	NodeJurisdictions []string // where it would be placed; empty: no constraint declared by nodes
}

// ConsentFacts: gate 10.
type ConsentFacts struct {
	Subject   nexus.PublicKey
	Given     bool // true: giving, false: withdrawing
	BySubject bool // the subject's own signature
	Purpose   string
	Removes   bool // would delete or change an earlier record
	Required  bool // the action processes personal data that needs consent
	Recorded  bool // a standing consent exists in the state
}

// AuditFacts: gate 11.
type AuditFacts struct {
	Privileged   bool // changes anything at all
	EntryPlanned bool // engine/state put the decision entry into the same transaction
	LogWritable  bool // ledger open, last checkpoint consistent
	TouchesLog   bool // the action would delete or edit stored entries
}

// SnapshotFacts: gate 12.
type SnapshotFacts struct {
	Digest  nexus.Hash // named by the action
	Stored  nexus.Hash // recomputed from the stored bytes by a node, signed
	Exists  bool
	Mutates bool // would change an existing snapshot
	OfUnit  nexus.ID
}

// ExitFacts: gate 13.
type ExitFacts struct {
	Status   string // "", "active", "exiting", "exited"
	Hinders  bool   // the action would suspend, stop, delete, shrink, re-route, transfer or delay the unit or its export
	IsExit   bool   // the action is the exit itself (or a step of it)
	Refusing bool   // the action would refuse or cancel the exit
	ByOwner  bool
}

// PlatformFacts: gate 17.
type PlatformFacts struct {
	Acts   bool // the action is the platform's: operator, node or platform role acting for it
	Signed bool // by a key the state binds to the platform, node or operator
	Logged bool // a public entry is part of the same transaction
	Denies bool // would remove or replace an earlier platform act
}

// ApprovalFacts: gate 1, and what gates 8, 14 and 15 call the owner's approval comes from the same proposal. All of it is
// read from the replicated proposal, nothing from the action but whose signature it bears.
type ApprovalFacts struct {
	Proposal nexus.ID
	Change   nexus.Hash // digest of the exact change that the parties sign
	Kind     string     // of the change: "route.set"
	Needed   bool       // the change takes effect by a proposal only, whoever asks (a transfer)
	Parties  uint32     // signatures that the change needs
	Granted  uint32     // those there are, this one included
	Decides  bool       // the action grants or refuses the proposal
	ByParty  bool       // the actor is a party to it whose word is still out
	Ends     bool       // the action ends a proposal that nobody decided
	Due      bool       // its time is up by the log's time, or what it would change has changed since
}

// BindingFacts: gate 1. A statement about an identity that another key signs, brought or ended. Recomputed on every replica.
type BindingFacts struct {
	Subject        nexus.PublicKey // the identity that it is about
	By             nexus.PublicKey // who signs it: the key that is bound, or the identity that attests
	Attests        bool
	BySubject      bool // the action is signed by the identity that it is about
	OwnWord        bool // signed by that identity itself and nobody else
	Signed         bool // By's Ed25519 signature over this very statement, for this cluster
	InTime         bool // before the last moment of bringing it
	Next           bool // numbered as that identity's next statement: it was never brought before
	Held           bool // the key is an identity of its own, or bound to another one
	AttesterStands bool // the identity that attests is known and not revoked
	Ends           bool // the action ends a statement
	ByParty        bool // ends: by the identity, or by who signed the statement
}

// SignalFacts: gate 8. The slice asked for is of the class that carries the platform's own signalling; for any other class there is nothing here.
type SignalFacts struct {
	Held     bool // the slice is of that class already
	Platform bool // the platform's side signed the action, or opened or granted the very proposal
}

// LimitFacts: gate 7. The program's absolute limits, when an envelope asked for does not lie within them. Milli-cores and bytes.
type LimitFacts struct {
	CPUMilli     int64
	MemoryBytes  int64
	StorageBytes int64
	Processes    int64
}
