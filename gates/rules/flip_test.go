package rules_test

import (
	"fmt"
	"reflect"
	stdslices "slices"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
)

// flip changes one fact of facts that all gates allow, and one gate must then refuse with the reason code. A nil to
// means: the other bool. Other gates may refuse as well.
type flip struct {
	gate   int
	path   string // field names; into a slice: into its first element
	to     any
	reason string
	from   func() gates.Facts // nil: the gate's own good sample
}

func good(number int, change ...func(*gates.Facts)) func() gates.Facts {
	return func() gates.Facts {
		f := rules.All()[number-1].Good()
		for _, c := range change {
			c(&f)
		}
		return f
	}
}

func bad(number int, change ...func(*gates.Facts)) func() gates.Facts {
	return func() gates.Facts {
		f := rules.All()[number-1].Bad()
		for _, c := range change {
			c(&f)
		}
		return f
	}
}

func otherID() nexus.ID { return nexus.ID{0x77} }

func otherHash() nexus.Hash { return nexus.Hash{0x77} }

// envelopeInUse is an envelope that a workload of the unit runs in, with nothing reserved.
func envelopeInUse() []gates.EnvelopeFacts {
	e := rules.All()[6].Bad().Envelope
	e[0].ReservedCPUMilli = 0
	return e
}

// Starting points beside the good samples. Each is allowed by all 17.

// scale is the owner asking for the envelope that the unit has.
func scale() gates.Facts {
	f := good(11)()
	f.Envelope = envelopeInUse()
	f.Envelope[0].InUse, f.Envelope[0].NoticeQueued = false, true
	return f
}

// shrunkByProposal is an operator taking a milli-core away, as the owner granted.
func shrunkByProposal() gates.Facts {
	f := byOperator(scale)()
	f.Envelope[0].OwnerApproved = true
	f.Envelope[0].CPUMilli--
	return f
}

// sessionsKept is an operator setting the session cap of Ada's slice to what it is; by its owner's policy.
func sessionsKept() gates.Facts {
	f := bad(15)()
	f.Slice, f.Session = nil, []gates.SessionFacts{{Sessions: 8192, Current: 8192, Most: 16384, ByPolicy: true, NoticeQueued: true}}
	return f
}

// sessionsLowered is a lower cap, as the owner granted.
func sessionsLowered() gates.Facts {
	f := sessionsKept()
	f.Session[0].Sessions, f.Session[0].ByPolicy, f.Session[0].OwnerApproved = 100, false, true
	return f
}

// sessionsRaised asks for all that a gateway takes.
func sessionsRaised() gates.Facts {
	f := sessionsKept()
	f.Session[0].Sessions = f.Session[0].Most
	return f
}

// sessionsAbove is a cap that is above what a gateway takes now, kept as it is.
func sessionsAbove() gates.Facts {
	f := sessionsKept()
	f.Session[0].Most = 8191
	return f
}

// limited carries the program's limits.
func limited() gates.Facts {
	f := good(7)()
	f.Limit = []gates.LimitFacts{{CPUMilli: 1, MemoryBytes: 1, StorageBytes: 1, Processes: 1}}
	return f
}

func start() gates.Facts {
	f := bad(7)()
	f.Envelope = envelopeInUse()
	f.Envelope[0].UsageMeasured = true
	return f
}

// overUse is over its ceiling by a figure that nobody measured.
func overUse() gates.Facts {
	f := start()
	f.Envelope[0].UsageOverCeiling, f.Envelope[0].UsageMeasured = true, false
	return f
}

// sliceKept is an operator setting a slice to what it is.
func sliceKept() gates.Facts {
	f := bad(15)()
	f.Slice[0].CeilingBps = f.Slice[0].CurrentCeiling
	return f
}

func sliceByProposal() gates.Facts {
	f := good(15)()
	f.Slice[0].ByPolicy = false
	return f
}

// sliceRaised raises a guarantee from 10 to 100 Mbit/s beside 700 Mbit/s of others on a gateway of 1 Gbit/s.
func sliceRaised() gates.Facts {
	f := sliceKept()
	f.Slice[0].GuaranteedBps, f.Slice[0].OthersGuaranteed = 100_000_000, 700_000_000
	return f
}

// signalling is a new unit in the platform's own class, by the platform's word.
func signalling() gates.Facts {
	f := good(8)()
	f.Signal = []gates.SignalFacts{{Platform: true}}
	return f
}

// signalHeld is an owner's change of a slice that is in that class already.
func signalHeld() gates.Facts {
	f := sliceByProposal()
	f.Signal = []gates.SignalFacts{{Held: true}}
	return f
}

func newRoute() gates.Facts {
	f := good(14)()
	f.Route[0].Exists, f.Route[0].Changes = false, false
	return f
}

func sameRoute() gates.Facts {
	f := bad(14)()
	f.Route[0].Changes = false
	return f
}

// ownersNewRoute is approved by the owner's own signature alone.
func ownersNewRoute() gates.Facts {
	f := newRoute()
	f.Unit.ActorOwns, f.Route[0].OwnerApproved = true, false
	return f
}

// inbound is mail from outside to a mailbox here.
func inbound() gates.Facts {
	f := good(5)()
	f.Mail[0] = gates.MailFacts{From: "a@elsewhere.example", RecipientHere: true}
	return f
}

// processing uses personal data under a standing consent.
func processing() gates.Facts {
	f := good(10)()
	f.Consent[0] = gates.ConsentFacts{Subject: nexus.PublicKey{9}, Purpose: "newsletter", Required: true, Recorded: true}
	return f
}

func exiting() gates.Facts {
	f := good(11)()
	f.Exit.Status = "exiting"
	return f
}

// exitStep is the owner's exit taking something down.
func exitStep() gates.Facts {
	f := bad(13)()
	f.Exit.ByOwner, f.Exit.IsExit = true, true
	return f
}

func suspending() gates.Facts {
	f := bad(13)()
	f.Unit.Status, f.Exit.Status = "active", "active"
	return f
}

func publicRead() gates.Facts {
	f := bad(16)()
	f.Reach[0].Public = true
	return f
}

// boundToItself claims what the unit has.
func boundToItself() gates.Facts {
	f := bad(3)()
	f.Domain[0].BoundTo = f.Domain[0].Claimant
	return f
}

func unmetered() gates.Facts {
	f := good(6)()
	f.Revenue[0].MeterMinor, f.Revenue[0].MeterKnown = 1, false
	return f
}

func newSnapshot() gates.Facts {
	f := good(12)()
	f.Snapshot[0].Digest, f.Snapshot[0].Exists = nexus.Hash{}, false
	return f
}

// ownerAct is a creator's own act, which no platform key signs.
func ownerAct() gates.Facts {
	f := good(11)()
	f.Platform.Signed = false
	return f
}

// ownerUnknown makes a unit for nobody: what must not pass once it is told to be a creation.
func ownerUnknown(kind string, concerned bool) func() gates.Facts {
	return good(1, func(f *gates.Facts) { f.Kind, f.Unit.Concerned, f.Unit.OwnerKnown = kind, concerned, false })
}

// publicCompute reads what another unit made public of its compute.
func publicCompute() gates.Facts {
	f := bad(2)()
	f.Read, f.Reach[1].Public, f.Reach[0] = true, true, f.Reach[1]
	f.Reach[0].Public = true
	return f
}

func flips() []flip {
	return stdslices.Concat(identityAndNameFlips(), moneyAndSizeFlips(), networkAndTagFlips(), recordFlips(), reductionFlips(),
		approvalFlips(), bindingFlips())
}

// deciding is Ada granting a change, the last of two signatures.
func deciding() gates.Facts {
	f := good(11)()
	f.Approval = []gates.ApprovalFacts{{Kind: "imvu.transfer", Needed: true, Parties: 2, Granted: 2, Decides: true, ByParty: true}}
	return f
}

// strangerLooks is an action by nobody's party that decides nothing.
func strangerLooks() gates.Facts {
	f := deciding()
	f.Approval[0].Decides, f.Approval[0].ByParty = false, false
	return f
}

// ending ends a proposal whose time is up; notEnding leaves one alone that has time.
func ending() gates.Facts {
	f := strangerLooks()
	f.Approval[0].Ends, f.Approval[0].Due = true, true
	return f
}

func notEnding() gates.Facts {
	f := ending()
	f.Approval[0].Ends, f.Approval[0].Due = false, false
	return f
}

// halfGranted has one of two signatures for a change that the actor could make alone.
func halfGranted() gates.Facts {
	f := deciding()
	f.Approval[0].Granted, f.Approval[0].Needed = 1, false
	return f
}

func approvalFlips() []flip {
	return []flip{
		{1, "Approval.ByParty", nil, "not_a_party", deciding},
		{1, "Approval.Decides", nil, "not_a_party", strangerLooks},
		{1, "Approval.Due", nil, "not_due", ending},
		{1, "Approval.Ends", nil, "not_due", notEnding},
		{1, "Approval.Granted", uint32(1), "unapproved_change", deciding},
		{1, "Approval.Parties", uint32(3), "unapproved_change", deciding},
		{1, "Approval.Needed", nil, "unapproved_change", halfGranted},
	}
}

// taking is Ada binding a key of hers; attesting, somebody's attestation that she takes; unbinding, the end of either.
func taking() gates.Facts {
	f := good(11)()
	f.Binding = []gates.BindingFacts{{BySubject: true, Signed: true, InTime: true, Next: true}}
	return f
}

func attesting() gates.Facts {
	f := taking()
	f.Binding[0].Attests, f.Binding[0].AttesterStands = true, true
	return f
}

func unbinding() gates.Facts {
	f := good(11)()
	f.Binding = []gates.BindingFacts{{Ends: true, ByParty: true}}
	return f
}

func bindingFlips() []flip {
	return []flip{
		{1, "Binding.BySubject", nil, "not_taken", taking},
		{1, "Binding.OwnWord", nil, "own_word", taking},
		{1, "Binding.Signed", nil, "unproven_binding", taking},
		{1, "Binding.InTime", nil, "stale_binding", taking},
		{1, "Binding.Next", nil, "replayed_binding", taking},
		{1, "Binding.Held", nil, "bound_elsewhere", taking},
		{1, "Binding.Attests", nil, "unknown_attester", taking},
		{1, "Binding.AttesterStands", nil, "unknown_attester", attesting},
		{1, "Binding.Ends", nil, "not_a_party", taking},
		{1, "Binding.ByParty", nil, "not_a_party", unbinding},
	}
}

func identityAndNameFlips() []flip {
	return []flip{
		{1, "Identity.Actor", nexus.PublicKey{}, "anonymous", nil},
		{1, "Identity.SignatureValid", nil, "unsigned", nil},
		{1, "Identity.ClusterMatches", nil, "foreign_cluster", nil},
		{1, "Identity.InTime", nil, "out_of_time", nil},
		{1, "Identity.Known", nil, "unknown_identity", nil},
		{1, "Identity.Revoked", nil, "revoked_identity", nil},
		{1, "Identity.MayIssue", nil, "not_entitled", nil},
		{1, "Unit.OwnerKnown", nil, "unknown_owner", nil},
		{1, "Unit.OwnerRevoked", nil, "revoked_owner", nil},
		{1, "Kind", "imvu.create", "unknown_owner", ownerUnknown("imvu.show", true)},
		{1, "Unit.Concerned", nil, "unknown_owner", ownerUnknown("imvu.create", false)},
		{2, "Reach.Granted", nil, "foreign_compute", nil},
		{3, "Unit.NameFree", nil, "name_taken", nil},
		{3, "Unit.ID", otherID(), "foreign_claimant", nil},
		{3, "Domain.Valid", nil, "invalid_domain", nil},
		{3, "Domain.Claimant", otherID(), "foreign_claimant", nil},
		{3, "Domain.Claimant", nexus.ID{}, "foreign_claimant", nil},
		{3, "Domain.Bound", nil, "domain_taken", nil},
		{3, "Domain.BoundTo", otherID(), "domain_taken", boundToItself},
		{3, "Domain.BoundTo", nexus.ID{}, "domain_taken", boundToItself},
		{3, "Domain.Bound", true, "domain_taken", bad(3, func(f *gates.Facts) { f.Domain[0].Bound = false })},
		{3, "Domain.Reserved", nil, "domain_reserved", nil},
		{3, "Domain.Proven", nil, "control_unproven", nil},
		{4, "Zone.ZoneUnit", otherID(), "foreign_zone", nil},
		{4, "Zone.ZoneUnit", nexus.ID{}, "unknown_zone", nil},
		{4, "Zone.InZone", nil, "outside_zone", nil},
		{4, "Zone.QueryAny", nil, "query_any", nil},
		{4, "Zone.OverRate", nil, "over_rate", nil},
		{5, "Mail.From", "", "no_sender", nil},
		{5, "Mail.FromUnit", otherID(), "spoofed_sender", nil},
		{5, "Mail.FromUnit", nexus.ID{}, "spoofed_sender", nil},
		{5, "Mail.Authenticated", nil, "unauthenticated", nil},
		{5, "Mail.SessionUnit", otherID(), "spoofed_sender", nil},
		{5, "Mail.SessionUnit", nexus.ID{}, "no_mailbox", nil},
		{5, "Mail.RecipientHere", nil, "relay", inbound},
		{5, "Mail.FromUnit", otherID(), "unauthenticated", inbound},
		{16, "Reach.Granted", nil, "foreign_ledger", good(16)},
		{16, "Reach.Public", nil, "foreign_ledger", publicRead},
		{2, "Read", nil, "foreign_compute", publicCompute},
		{16, "Read", nil, "foreign_ledger", publicRead},
		{16, "Unit.Tightened", []string{"reads from office hours only"}, "unit_policy", nil},
	}
}

func moneyAndSizeFlips() []flip {
	return []flip{
		{6, "Revenue.SourceKnown", nil, "unknown_source", nil},
		{6, "Revenue.SourceActive", nil, "inactive_source", nil},
		{6, "Revenue.SourceClass", uint8(0), "unknown_class", nil},
		{6, "Revenue.SourceClass", uint8(4), "unknown_class", nil},
		{6, "Revenue.ActorIsSource", nil, "not_the_source", nil},
		{6, "Revenue.Beneficiary", nil, "beneficiary", nil},
		{6, "Revenue.Conflicts", uint64(1), "conflicting_event", nil},
		{6, "Revenue.FirstOffender", uint64(2), "faulty_event", nil},
		{6, "Revenue.Fault", "amount 0", "faulty_event", nil},
		{6, "Revenue.MeterKnown", nil, "meter_contradicts", unmetered},
		{6, "Revenue.MeterMinor", int64(5998), "meter_contradicts", nil},
		{6, "Revenue.ReportedMinor", int64(-5997), "meter_contradicts", nil},
		{6, "Revenue.SplitPercent", uint8(54), "wrong_split", nil},
		{6, "Revenue.RequiredPercent", uint8(80), "wrong_split", nil},
		{6, "Revenue.RequiredPercent", uint8(0), "unknown_split", nil},
		{7, "Envelope.Valid", nil, "invalid_envelope", nil},
		{7, "Envelope.Valid", nil, "invalid_envelope", limited},
		{7, "Envelope.ReservedCPUMilli", int64(6001), "over_reserved", nil},
		{7, "Envelope.ReservedCPUMilli", int64(-1), "over_reserved", nil},
		{7, "Envelope.ReservableCPUMilli", int64(1999), "over_reserved",
			good(7, func(f *gates.Facts) { f.Envelope[0].ReservedCPUMilli = 2000 })},
		{7, "Envelope.InUse", nil, "unattributed_use", nil},
		{7, "Envelope.ByUnit", otherID(), "foreign_workload", nil},
		{7, "Envelope.ByUnit", otherID(), "foreign_workload", start},
		{7, "Envelope.UsageOverCeiling", nil, "over_ceiling", start},
		{7, "Envelope.UsageMeasured", nil, "over_ceiling", overUse},
		{7, "Unit.Tightened", []string{"at most 2 cores"}, "unit_policy", scale},
	}
}

func networkAndTagFlips() []flip {
	return []flip{
		{8, "Signal.Platform", nil, "platform_class", signalling},
		{8, "Signal.Held", nil, "platform_class", signalHeld},
		{8, "Unit.Exists", nil, "platform_class", signalHeld},
		{8, "Session.Sessions", int64(16385), "over_connections", sessionsKept},
		{8, "Session.Most", int64(8192), "over_connections", sessionsRaised},
		{8, "Session.Current", int64(8191), "over_connections", sessionsAbove},
		{8, "Session.ByPolicy", nil, "not_by_policy", sessionsKept},
		{8, "Session.OwnerApproved", nil, "not_by_policy", sessionsLowered},
		{8, "Slice.ClassKnown", nil, "unknown_class", nil},
		{8, "Slice.GuaranteedBps", int64(200_000_001), "over_capacity", nil},
		{8, "Slice.GuaranteedBps", int64(-1), "negative_rate", nil},
		{8, "Slice.CeilingBps", int64(99_999_999), "guarantee_above_ceiling", nil},
		{8, "Slice.CeilingBps", int64(-1), "negative_rate", nil},
		{8, "Slice.BudgetMicros", int64(-1), "negative_rate", nil},
		{8, "Slice.OthersGuaranteed", int64(800_000_001), "over_capacity", nil},
		{8, "Slice.CapacityBps", int64(888_888_888), "over_capacity", nil},
		{8, "Slice.CapacityBps", int64(0), "over_capacity", nil},
		{8, "Slice.CapacityBps", int64(800_000_000), "over_capacity", sliceRaised},
		{8, "Slice.ByPolicy", nil, "not_by_policy", sliceKept},
		{8, "Slice.OwnerApproved", nil, "not_by_policy", sliceByProposal},
		{8, "Route.HostUnit", otherID(), "foreign_host", good(14)},
		{8, "Route.HostUnit", nexus.ID{}, "unclaimed_host", good(14)},
		{8, "Route.Unit", otherID(), "foreign_route", good(14)},
		{8, "Route.BackendUnit", otherID(), "foreign_backend", good(14)},
		{8, "Route.ForeignBackend", nil, "foreign_backend", good(14)},
		{8, "Route.LoopbackOnly", nil, "backend_not_allowed", good(14)},
		{8, "Route.OwnerApproved", nil, "not_by_policy", newRoute},
		{8, "Route.Exists", nil, "not_by_policy", sameRoute},
		{8, "Unit.ActorOwns", nil, "not_by_policy", ownersNewRoute},
		{8, "Unit.Tightened", []string{"routes on weekdays only"}, "unit_policy", nil},
		{8, "Unit.Tightened", []string{"never fewer than 500"}, "unit_policy", sessionsKept},
		{9, "Tags.Jurisdiction", "", "untagged", nil},
		{9, "Tags.Jurisdiction", "EU-GDPR", "tag_crossing", nil},
		{9, "Tags.Jurisdiction", "XX-NONE", "unknown_jurisdiction", nil},
		{9, "Tags.Known", nil, "unknown_jurisdiction", nil},
		{9, "Tags.ResourceTags", []string{"US-CCPA", ""}, "untagged_resource", nil},
		{9, "Tags.ResourceTags", []string{"EU-GDPR"}, "tag_crossing", nil},
		{9, "Tags.ResourceTags", []string(nil), "untagged_resource", nil},
		{9, "Tags.UnitJurisdiction", "EU-GDPR", "tag_crossing", nil},
		{9, "Tags.NodeJurisdictions", []string{"EU-GDPR"}, "no_node_there", nil},
		{9, "Tags.NodeJurisdictions", []string{"EU-GDPR"}, "no_node_there", start},
		{9, "Tags", []gates.TagFacts(nil), "untagged", nil},
	}
}

func recordFlips() []flip {
	return []flip{
		{10, "Consent.Subject", nexus.PublicKey{}, "no_subject", nil},
		{10, "Consent.BySubject", nil, "not_by_subject", nil},
		{10, "Consent.Purpose", "", "no_purpose", nil},
		{10, "Consent.Removes", nil, "removes_consent", nil},
		{10, "Consent.Recorded", nil, "no_consent", processing},
		{10, "Consent.Required", nil, "no_consent", nil},
		{10, "Consent.Required", false, "not_by_subject", processing},
		{11, "Audit.EntryPlanned", nil, "no_entry", nil},
		{11, "Audit.LogWritable", nil, "log_not_writable", nil},
		{11, "Audit.TouchesLog", nil, "touches_log", nil},
		{11, "Audit.Privileged", nil, "no_entry", good(16)},
		{12, "Snapshot.Digest", otherHash(), "snapshot_changed", nil},
		{12, "Snapshot.Digest", nexus.Hash{}, "no_digest", nil},
		{12, "Snapshot.Stored", otherHash(), "snapshot_changed", nil},
		{12, "Snapshot.Mutates", nil, "mutates_snapshot", nil},
		{12, "Snapshot.OfUnit", otherID(), "foreign_snapshot", nil},
		{12, "Snapshot.OfUnit", nexus.ID{}, "foreign_snapshot", nil},
		{12, "Snapshot.Digest", otherHash(), "unknown_snapshot", newSnapshot},
		{12, "Snapshot.Exists", nil, "no_digest", newSnapshot},
		{13, "Exit.ByOwner", nil, "not_owners_exit", nil},
		{13, "Exit.Refusing", nil, "refuses_exit", nil},
		{13, "Exit.Refusing", nil, "refuses_exit", exiting},
		{13, "Exit.Hinders", nil, "hinders_exit", exiting},
		{13, "Exit.ByOwner", nil, "hinders_exit", exitStep},
		{13, "Exit.IsExit", nil, "hinders_exit", exitStep},
		{13, "Exit.Status", "exiting", "hinders_exit", suspending},
		{13, "Exit.Status", "exited", "retaliates", suspending},
		{14, "Route.OwnerApproved", nil, "unapproved_redirection", nil},
		{14, "Route.PublicEntry", nil, "no_public_entry", nil},
		{14, "Route.Changes", nil, "unapproved_redirection", sameRoute},
	}
}

func reductionFlips() []flip {
	return []flip{
		{15, "Session.Sessions", int64(8191), "unapproved_reduction", sessionsKept},
		{15, "Session.Current", int64(8193), "unapproved_reduction", sessionsKept},
		{15, "Session.OwnerApproved", nil, "unapproved_reduction", sessionsLowered},
		{15, "Session.NoticeQueued", nil, "no_notice", sessionsLowered},
		{15, "Slice.OwnerApproved", nil, "unapproved_reduction", nil},
		{15, "Slice.NoticeQueued", nil, "no_notice", nil},
		{15, "Slice.CeilingBps", int64(99_999_999), "unapproved_reduction", sliceKept},
		{15, "Slice.CurrentCeiling", int64(0), "unapproved_reduction", sliceKept},
		{15, "Slice.GuaranteedBps", int64(9_999_999), "unapproved_reduction", sliceKept},
		{15, "Slice.CurrentGuaranteed", int64(10_000_001), "unapproved_reduction", sliceKept},
		{15, "Slice.BudgetMicros", int64(10_001), "unapproved_reduction", sliceKept},
		{15, "Slice.BudgetMicros", int64(0), "unapproved_reduction", sliceKept},
		{15, "Slice.CurrentBudget", int64(9_999), "unapproved_reduction", sliceKept},
		{15, "Unit.Exists", nil, "unapproved_reduction",
			func() gates.Facts { f := rules.All()[14].Bad(); f.Unit.Exists = false; return f }},
		{15, "Envelope.OwnerApproved", nil, "unapproved_reduction", shrunkByProposal},
		{15, "Envelope.NoticeQueued", nil, "no_notice", shrunkByProposal},
		{15, "Envelope.CPUMilli", int64(1999), "unapproved_reduction", byOperator(scale)},
		{15, "Envelope.CurrentCPUMilli", int64(2001), "unapproved_reduction", byOperator(scale)},
		{15, "Envelope.MemoryBytes", int64(1), "unapproved_reduction", byOperator(scale)},
		{15, "Envelope.CurrentMemory", int64(1 << 40), "unapproved_reduction", byOperator(scale)},
		{15, "Envelope.StorageBytes", int64(1), "unapproved_reduction", byOperator(scale)},
		{15, "Envelope.CurrentStorage", int64(1 << 50), "unapproved_reduction", byOperator(scale)},
		{15, "Envelope.Processes", int64(511), "unapproved_reduction", byOperator(scale)},
		{15, "Envelope.CurrentProcesses", int64(513), "unapproved_reduction", byOperator(scale)},
		{17, "Platform.Signed", nil, "unsigned_platform_act", nil},
		{17, "Platform.Logged", nil, "unlogged_platform_act", nil},
		{17, "Platform.Denies", nil, "denies_act", nil},
		{17, "Platform.Acts", nil, "unsigned_platform_act", ownerAct},
		{17, "Identity.Role", gates.RoleNode, "unsigned_platform_act", ownerAct},
	}
}

// byOperator is the same action asked for by somebody who does not own the unit.
func byOperator(base func() gates.Facts) func() gates.Facts {
	return func() gates.Facts {
		f := base()
		f.Unit.ActorOwns, f.Exit.ByOwner = false, false
		return f
	}
}

// contextOnly are the facts that name things in texts and evidence and, alone, decide nothing; with the reason.
func contextOnly() map[string]string {
	return map[string]string{
		"NowMs":                    "times are judged when the facts are made (Identity.InTime); this one dates the evidence",
		"Limit.CPUMilli":           "named in texts; Envelope.Valid decides",
		"Limit.MemoryBytes":        "named in texts; Envelope.Valid decides",
		"Limit.StorageBytes":       "named in texts; Envelope.Valid decides",
		"Limit.Processes":          "named in texts; Envelope.Valid decides",
		"Unit.Kind":                "the split by kind stands in Revenue.RequiredPercent",
		"Unit.Owner":               "named in texts; OwnerKnown, OwnerRevoked and ActorOwns decide",
		"Unit.Status":              "Exit.Status decides",
		"Reach.Resource":           "says which of gates 2 and 16 judges; Granted decides",
		"Reach.Unit":               "named in texts; Granted decides",
		"Domain.Name":              "named in texts; Valid decides",
		"Zone.Zone":                "named in texts; ZoneUnit decides",
		"Zone.Record":              "named in texts; InZone decides",
		"Revenue.Source":           "named in texts; SourceKnown decides",
		"Revenue.BeneficiaryOf":    "named in texts; Beneficiary decides",
		"Revenue.Events":           "named in texts; the size of a batch is checked before the gates",
		"Revenue.Duplicates":       "the same again counts once and is no fault",
		"Envelope.LargestCPUMilli": "a ceiling above the largest node is a warning, not a refusal (SPEC section 3)",
		"Envelope.LargestMemory":   "a ceiling above the largest node is a warning, not a refusal (SPEC section 3)",
		"Route.Host":               "named in texts; HostUnit decides",
		"Consent.Given":            "giving and withdrawing are judged alike",
		"Approval.Proposal":        "named in texts; ByParty decides",
		"Approval.Change":          "says what was signed; another digest is refused before the gates",
		"Binding.Subject":          "named in texts; BySubject decides",
		"Binding.By":               "named in texts; Signed decides",
		"Approval.Kind":            "named in texts; the change's own facts decide",
	}
}

func field(f *gates.Facts, path string) (reflect.Value, bool) {
	v := reflect.ValueOf(f).Elem()
	for _, name := range strings.Split(path, ".") {
		if v.Kind() == reflect.Slice {
			if v.Len() == 0 {
				return v, false
			}
			v = v.Index(0)
		}
		v = v.FieldByName(name)
		if !v.IsValid() {
			return v, false
		}
	}
	return v, true
}

func TestEachFactFlipsItsVerdict(t *testing.T) {
	t.Parallel()
	c := chain(t)
	for _, x := range flips() {
		from := x.from
		if from == nil {
			from = rules.All()[x.gate-1].Good
		}
		name := fmt.Sprintf("gate %d %s=%v %s", x.gate, x.path, x.to, x.reason)
		f := from()
		if d := decide(c, f); !d.Allow {
			v, _ := d.FirstRefusal()
			t.Errorf("%s: starting point refused by gate %d %s: %s", name, v.Gate, v.ReasonCode, v.Observed)
			continue
		}
		v, ok := field(&f, x.path)
		if !ok {
			t.Errorf("%s: no such fact in the starting point", name)
			continue
		}
		before := v.Interface()
		if x.to == nil {
			v.SetBool(!v.Bool())
		} else {
			v.Set(reflect.ValueOf(x.to).Convert(v.Type()))
		}
		if reflect.DeepEqual(before, v.Interface()) {
			t.Errorf("%s: nothing flipped", name)
		}
		got := decide(c, f).Verdicts[x.gate-1]
		if got.Allow || got.ReasonCode != x.reason || got.Observed == "" || got.Required == "" || got.Fix == "" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// TestEveryFactIsJudged holds that no fact is gathered in vain: each flips a verdict or stands in contextOnly.
func TestEveryFactIsJudged(t *testing.T) {
	t.Parallel()
	covered := contextOnly()
	for _, x := range flips() {
		if _, both := contextOnly()[x.path]; both {
			t.Errorf("%s is flipped and called context only", x.path)
		}
		covered[x.path] = x.reason
	}
	var walk func(rt reflect.Type, path string)
	walk = func(rt reflect.Type, path string) {
		if rt.Kind() == reflect.Slice && rt.Elem().Kind() == reflect.Struct {
			rt = rt.Elem()
		}
		if rt.Kind() != reflect.Struct {
			if covered[path] == "" {
				t.Errorf("fact %s decides nothing and is not called context only", path)
			}
			return
		}
		for i := range rt.NumField() {
			walk(rt.Field(i).Type, strings.TrimPrefix(path+"."+rt.Field(i).Name, "."))
		}
	}
	walk(reflect.TypeFor[gates.Facts](), "")
}

// TestContextFactsChangeNoVerdict is the other half: what is called context only is.
func TestContextFactsChangeNoVerdict(t *testing.T) {
	t.Parallel()
	c := chain(t)
	for path := range contextOnly() {
		for _, g := range rules.All() {
			for _, sample := range []func() gates.Facts{g.Good, g.Bad} {
				f := sample()
				v, ok := field(&f, path)
				if !ok {
					continue
				}
				before := decide(c, f)
				want := before.Refusing()
				switch v.Kind() {
				case reflect.Bool:
					v.SetBool(!v.Bool())
				case reflect.String:
					v.SetString("changed")
				case reflect.Array:
					v.Set(reflect.Zero(v.Type()))
				case reflect.Int64:
					v.SetInt(v.Int() + 1)
				default:
					v.SetUint(v.Uint() + 1)
				}
				after := decide(c, f)
				if got := after.Refusing(); !reflect.DeepEqual(got, want) {
					t.Errorf("gate %d sample with another %s: refused by %v instead of %v", g.Number, path, got, want)
				}
			}
		}
	}
}
