package state

import nexus "github.com/BobbyBlanco400/nexus-cos"

// The kinds of action this version applies. A kind that is not listed halts the machine when it is found in the log: a
// command that the program does not know is never skipped (DESIGN.md section 1).
const (
	KindGenesis          = "cluster.genesis"
	KindNodeAdmit        = "node.admit"
	KindNodeRemove       = "node.remove"
	KindClusterRekey     = "cluster.rekey"
	KindIdentityIssue    = "identity.issue"
	KindIdentityRevoke   = "identity.revoke"
	KindIdentityRotate   = "identity.rotate"
	KindIdentityRecover  = "identity.recover"
	KindIdentityComplete = "identity.complete"
	KindIdentityCancel   = "identity.cancel"
	KindIdentityBind     = "identity.bind"
	KindIdentityAttest   = "identity.attest"
	KindIdentityUnbind   = "identity.unbind"
	KindIMVUCreate       = "imvu.create"
	KindPlatformCreate   = "platform.create"
	KindChannelCreate    = "channel.create"
	KindProbeCreate      = "probe.create"
	KindProbeRetire      = "probe.retire"
	KindUnitScale        = "imvu.scale"
	KindUnitSuspend      = "imvu.suspend"
	KindUnitResume       = "imvu.resume"
	KindSliceSet         = "slice.set"
	KindSliceSessions    = "slice.sessions"
	KindRouteSet         = "route.set"
	KindRouteDrop        = "route.drop"
	KindDomainClaim      = "domain.claim"
	KindSourceRegister   = "source.register"
	KindSourceClose      = "source.close"
	KindRevenuePost      = "revenue.post"
	KindReportPost       = "report.post"
	KindAuditFinding     = "audit.finding"
	KindRefusalRollup    = "audit.rollup"
	KindNodeStop         = "node.stop"
	KindLedgerEdit       = "ledger.edit"
	KindClusterRules     = "cluster.rules"
	KindProposalOpen     = "proposal.open"
	KindProposalGrant    = "proposal.grant"
	KindProposalRefuse   = "proposal.refuse"
	KindProposalWithdraw = "proposal.withdraw"
	KindProposalExpire   = "proposal.expire"
	KindUnitTransfer     = "unit.transfer"
	KindOwnershipSettle  = "ownership.settle"
	KindNoticeMark       = "notice.mark"
	KindGateSetSwitch    = "cluster.gates"
	KindRefusalFlood     = "audit.flood"
	KindPolicySet        = "policy.set"
	KindConsentGive      = "consent.give"
	KindConsentWithdraw  = "consent.withdraw"
	KindConsentUse       = "consent.use"
	KindSliceMinutes     = "slice.minutes"
	KindSliceBreach      = "slice.breach"
	KindSliceShort       = "slice.short"
	KindPhaseRerun       = "phase.rerun"
	KindSessionRecord    = "session.record"
)

// Kinds lists every kind, in the order of docs/reference/actions.md.
func Kinds() []string {
	return []string{KindGenesis, KindNodeAdmit, KindNodeRemove, KindClusterRekey, KindIdentityIssue, KindIdentityRevoke, KindIdentityRotate,
		KindIdentityRecover, KindIdentityComplete, KindIdentityCancel, KindIMVUCreate, KindPlatformCreate,
		KindChannelCreate, KindProbeCreate, KindProbeRetire, KindUnitScale, KindUnitSuspend, KindUnitResume, KindSliceSet,
		KindSliceSessions, KindRouteSet, KindRouteDrop, KindDomainClaim, KindSourceRegister, KindSourceClose, KindRevenuePost,
		KindPendingOpen, KindPendingPost, KindPendingVoid, KindPendingExpire, KindTransferMake, KindHoldPlace, KindHoldRelease, KindHoldCapture,
		KindHoldExpire, KindPayoutSet, KindPayoutOpen, KindPayoutPost, KindPayoutVoid, KindStatementIssue, KindDisputeOpen,
		KindDisputeAnswer, KindDisputeWithdraw, KindReportPost,
		KindAuditFinding, KindRefusalRollup, KindNodeStop, KindLedgerEdit, KindClusterRules, KindProposalOpen, KindProposalGrant,
		KindProposalRefuse, KindProposalWithdraw, KindProposalExpire, KindUnitTransfer, KindOwnershipSettle, KindNoticeMark,
		KindGateSetSwitch, KindRefusalFlood, KindPolicySet, KindConsentGive, KindConsentWithdraw, KindConsentUse,
		KindSliceMinutes, KindSliceBreach, KindSliceShort, KindPhaseRerun, KindSessionRecord, KindIdentityErase, KindIdentityErased, KindExitBegin,
		KindExitCancel, KindExitComplete, KindExitSettle, KindUnitImport, KindIdentityBind, KindIdentityAttest, KindIdentityUnbind,
		KindExitFail, KindPublicationIssue, KindPricesPublish, KindPricesTell, KindUsagePost}
}

// Command is what is replicated: the action as its actor signed it, and what the admitting node saw.
type Command struct {
	Action   nexus.Action
	Evidence Evidence
}

// Evidence is what the admitting node adds: its clock and what it measured. Signed by the node, bound to the action.
type Evidence struct {
	Node            nexus.PublicKey
	NowMs           int64      // the node's clock at admission, Unix milliseconds
	Salt            [16]byte   // random; salts the commitments of the command's entries
	LargestCPUMilli int64      // capacity of the largest node
	LargestMemory   int64      // bytes
	CapacityBps     int64      // of the gateway
	Digest          nexus.Hash // of the action
	Signature       []byte
}

const evidenceDomain = "nexus-evidence-v1\n"

// SigningBytes are the bytes the node signs.
func (e Evidence) SigningBytes() []byte {
	e.Signature = nil
	return nexus.AppendCanonical([]byte(evidenceDomain), e)
}

// NodeAdmit is the body of node.admit and node.remove: an operator lets a node carry traffic, or ends that.
type NodeAdmit struct {
	Key          nexus.PublicKey
	Name         string
	Jurisdiction string // where it stands; empty: not declared
}

// PhaseRerun is the body of phase.rerun: an operator has a phase of the launch, and what depends on it, run again.
type PhaseRerun struct{ Phase uint32 }

// IdentityIssue is the body of identity.issue.
type IdentityIssue struct {
	Name     string
	Key      nexus.PublicKey
	Recovery nexus.PublicKey // zero: none
	Role     uint8           // gates.RoleCreator or gates.RoleOperator; an operator is made by an operator only
}

// IdentityChange is the body of identity.revoke, .rotate, .recover, .complete and .cancel.
type IdentityChange struct {
	Old    nexus.PublicKey
	New    nexus.PublicKey // zero for revoke and cancel
	Reason string
}

// UnitCreate is the body of imvu.create, platform.create, channel.create and probe.create. Sizes are ceilings.
type UnitCreate struct {
	Name           string
	Slug           string          // wanted; empty: made from the name
	OwnerName      string          // empty: the actor
	OwnerKey       nexus.PublicKey // used when OwnerName is not known yet: the identity issued in the same act
	OwnerMustExist bool
	Jurisdiction   string
	CPUMilli       int64
	MemoryBytes    int64
	StorageBytes   int64
	Processes      int64
	Class          string
	GuaranteedBps  int64
	CeilingBps     int64
	Parent         nexus.ID // of a channel: its platform
	Domain         string   // wanted own domain; empty: the one made from slug and label
	Dormant        bool
	Percent        uint8 // probe units only: 55 or 80
}

// UnitCreated is the result of a creation.
type UnitCreated struct {
	ID     nexus.ID
	Label  string
	Slug   string
	Domain string
	Owner  nexus.PublicKey
	Issued bool // the owner was issued an identity in the same act
}

// UnitScale is the body of imvu.scale: the new ceilings, all of them.
type UnitScale struct {
	CPUMilli     int64
	MemoryBytes  int64
	StorageBytes int64
	Processes    int64
}

// UnitReason is the body of imvu.suspend, imvu.resume and probe.retire.
type UnitReason struct{ Reason string }

// SliceSet is the body of slice.set: the new slice, all of it.
type SliceSet struct {
	Class         string
	GuaranteedBps int64
	CeilingBps    int64
	BudgetMicros  int64
}

// RouteSet is the body of route.set and route.drop. Backend is "http://127.0.0.1:PORT" or "dir:/absolute/folder".
type RouteSet struct {
	Host    string
	Backend string
}

// DomainClaim is the body of domain.claim.
type DomainClaim struct{ Name string }

// Source classes (SPEC section 1, Sources). Stored: never renumber.
const (
	ClassMetered  = 1
	ClassProvider = 2
	ClassAttested = 3
)

// SourceRegister is the body of source.register and source.close: the platform binds a revenue source to a key.
type SourceRegister struct {
	Name  string
	Class uint8
	Key   nexus.PublicKey
}

// RevenueEvent is one event. Minor is never zero; below zero it is a refund or chargeback and RefundOf names the
// original event of the same unit and source.
type RevenueEvent struct {
	Unit     nexus.ID
	EventID  string // unique per (unit, source); empty in a producer-sequenced batch
	Kind     string // "sale", "refund", ...
	Currency string
	Minor    int64
	TimeMs   int64 // event time, Unix milliseconds
	Memo     []byte
	RefundOf string
}

// RevenuePost is the body of revenue.post. With FirstSeq > 0 the batch is producer-sequenced: its events are numbered
// FirstSeq, FirstSeq+1, ... by the source, gapless for ever, and carry no ids of their own.
type RevenuePost struct {
	Source   string
	FirstSeq uint64
	Events   []RevenueEvent
}

// RevenuePosted is its result.
type RevenuePosted struct {
	Posted     uint64
	Duplicates uint64 // already there with the same content: counted once
}

// ReportPost is the body of report.post: the digest of a deployment report.
type ReportPost struct {
	SHA256  nexus.Hash
	Verdict string
	Name    string
}

// AuditFinding is the body of audit.finding, posted by a node's scrub.
type AuditFinding struct {
	Unit     nexus.ID
	Code     string
	Observed string
	Required string
	Evidence string
}

// RefusalRollup is the body of audit.rollup: input that never reached consensus, counted by a node.
type RefusalRollup struct {
	Reason  string
	Source  string // source prefix
	Count   uint64
	SinceMs int64
}

// LedgerEdit is the body of ledger.edit: an attempt to change stored entries. It exists so that the attempt is a
// decision with an entry; gate 11 refuses it for everybody.
type LedgerEdit struct{ Seq uint64 }
