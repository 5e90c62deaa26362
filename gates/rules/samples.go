package rules

import (
	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// The people and units of the samples. They exist in no cluster.
func sampleID(n byte) nexus.ID { return nexus.ID{0x5a, 15: n} }

func sampleKey(n byte) nexus.PublicKey { return nexus.PublicKey{0x5a, 31: n} }

func sampleHash(n byte) nexus.Hash { return nexus.Hash{0x5a, 31: n} }

const (
	ada      = 1 // a creator, owns unitAda
	operator = 2
	shop     = 3 // a revenue source
	subject  = 4 // a person whose consent is asked

	unitAda   = 0x41
	unitOther = 0x42

	sampleNowMs = 1_767_225_600_000 // 2026-01-01T00:00:00Z
	gib         = 1 << 30
)

// signedSample is any change, asked for by an identity in good order, before anything it is about.
func signedSample(kind string, actor byte, role gates.Role) gates.Facts {
	acts := role == gates.RoleOperator || role == gates.RoleNode || role == gates.RolePlatform
	return gates.Facts{Kind: kind, NowMs: sampleNowMs,
		Identity: gates.IdentityFacts{Actor: sampleKey(actor), SignatureValid: true, ClusterMatches: true, InTime: true,
			Known: true, Role: role, MayIssue: true},
		Audit:    gates.AuditFacts{Privileged: true, EntryPlanned: true, LogWritable: true},
		Platform: gates.PlatformFacts{Acts: acts, Signed: true, Logged: true}}
}

// onUnit says that the sample acts on Ada's existing unit.
func onUnit(f gates.Facts, owns bool) gates.Facts {
	f.Unit = gates.UnitFacts{Concerned: true, Exists: true, ID: sampleID(unitAda), Kind: nexus.KindIMVU,
		Owner: sampleKey(ada), OwnerKnown: true, ActorOwns: owns, Status: "active", NameFree: true}
	f.Tags = []gates.TagFacts{{Jurisdiction: "US-CCPA", Known: true, ResourceTags: []string{"US-CCPA"},
		UnitJurisdiction: "US-CCPA", NodeJurisdictions: []string{"EU-GDPR", "US-CCPA"}}}
	f.Exit = gates.ExitFacts{Status: "active", ByOwner: owns}
	return f
}

// ownerSample is Ada acting on her unit.
func ownerSample(kind string) gates.Facts {
	return onUnit(signedSample(kind, ada, gates.RoleCreator), true)
}

// operatorSample is an operator acting on Ada's unit.
func operatorSample(kind string) gates.Facts {
	return onUnit(signedSample(kind, operator, gates.RoleOperator), false)
}

// createSample is a typical imvu.create: everything that a creation is judged by.
func createSample() gates.Facts {
	f := signedSample("imvu.create", ada, gates.RoleCreator)
	id := sampleID(unitAda)
	f.Unit = gates.UnitFacts{Concerned: true, ID: id, Kind: nexus.KindIMVU, Owner: sampleKey(ada), OwnerKnown: true,
		ActorOwns: true, NameFree: true}
	f.Domain = []gates.DomainFacts{{Name: "ada.imvu-001.nexus.localhost", Valid: true, Claimant: id, Proven: true}}
	f.Envelope = []gates.EnvelopeFacts{envelopeSample(2000, 4*gib)}
	f.Slice = []gates.SliceFacts{{ClassKnown: true, BudgetMicros: 10_000, CapacityBps: 1_000_000_000, ByPolicy: true}}
	f.Tags = []gates.TagFacts{{Jurisdiction: "US-CCPA", Known: true, ResourceTags: []string{"US-CCPA", "US-CCPA"},
		NodeJurisdictions: []string{"EU-GDPR", "US-CCPA"}}}
	return f
}

// envelopeSample asks for an envelope on a machine of 8 cores and 32 GiB.
func envelopeSample(cpuMilli, memoryBytes int64) gates.EnvelopeFacts {
	return gates.EnvelopeFacts{CPUMilli: cpuMilli, MemoryBytes: memoryBytes, StorageBytes: 50 * gib, Processes: 512,
		LargestCPUMilli: 8000, LargestMemory: 32 * gib, ReservableCPUMilli: 6000, Valid: true}
}

// routeSample is a route of Ada's unit to a backend on this node.
func routeSample(exists, changes bool) gates.RouteFacts {
	return gates.RouteFacts{Host: "ada.imvu-001.nexus.localhost", HostUnit: sampleID(unitAda), Unit: sampleID(unitAda),
		Exists: exists, LoopbackOnly: true, Changes: changes, PublicEntry: true}
}

// readSample is a signed read, which changes nothing.
func readSample(resource string) gates.Facts {
	f := signedSample("read."+resource, ada, gates.RoleCreator)
	f.Read, f.Audit, f.Platform = true, gates.AuditFacts{LogWritable: true}, gates.PlatformFacts{}
	f.Unit = gates.UnitFacts{Concerned: true, Exists: true, ID: sampleID(unitAda), Kind: nexus.KindIMVU,
		Owner: sampleKey(ada), OwnerKnown: true, ActorOwns: true, Status: "active", NameFree: true}
	f.Reach = []gates.ReachFacts{{Unit: sampleID(unitAda), Resource: resource, Granted: true}}
	return f
}
