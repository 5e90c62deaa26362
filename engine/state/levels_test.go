package state_test

import (
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// many is a world in which almost everything happens that a later level of the rules words or judges otherwise, allowed or not.
type many struct {
	*world
	ada, bob, shop, extra nexus.KeySigner
	unit, studio          nexus.ID
}

// happened makes one of a level. What it does never changes: the roots below are those of the versions that brought the levels.
func happened(t failer, level uint32) *many {
	w := &many{world: newWorld(t), ada: signer(61), bob: signer(62), shop: signer(63), extra: signer(64)}
	for w.a.Rules < level {
		w.must(w.node, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: w.a.Rules + 1})
	}
	w.must(w.operator, state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "shop", Class: state.ClassProvider, Key: w.shop.Public()})
	w.must(w.operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "bob", Key: w.bob.Public(), Recovery: signer(65).Public(),
		Role: uint8(gates.RoleCreator)})
	w.unit = w.create(w.operator, state.KindIMVUCreate, state.UnitCreate{Name: "Shop", OwnerName: "ada", OwnerKey: w.ada.Public()})
	w.studio = w.create(w.bob, state.KindPlatformCreate, state.UnitCreate{Name: "Studio"})
	w.identities()
	w.units()
	w.moneys()
	w.leavings()
	return w
}

func (w *many) identities() {
	creator := func(name string, key nexus.KeySigner) state.IdentityIssue {
		return state.IdentityIssue{Name: name, Key: key.Public(), Role: uint8(gates.RoleCreator)}
	}
	w.do(signer(70), state.KindIdentityIssue, nexus.ID{}, creator("node-00112233", signer(70)))
	w.do(signer(71), state.KindIdentityIssue, nexus.ID{}, creator("Source-pay", signer(71)))
	w.do(signer(72), state.KindIdentityIssue, nexus.ID{}, creator("a b", signer(72)))
	w.do(signer(65), state.KindIdentityRecover, nexus.ID{}, state.IdentityChange{Old: w.bob.Public(), New: signer(66).Public()})
	w.do(w.ada, state.KindIdentityBind, nexus.ID{}, state.BindingStatement{Subject: w.ada.Public(), By: signer(67).Public(), Claim: "Not one", Number: 1})
	w.do(w.ada, state.KindIdentityUnbind, nexus.ID{}, state.BindingEnd{Subject: w.ada.Public(), By: w.bob.Public()})
	w.do(w.ada, state.KindIdentityErase, nexus.ID{}, state.IdentityErase{Subject: w.ada.Public(), Number: 9})
	w.must(w.operator, state.KindNodeAdmit, nexus.ID{}, state.NodeAdmit{Key: w.extra.Public(), Name: "extra"})
	w.must(w.operator, state.KindNodeRemove, nexus.ID{}, state.NodeAdmit{Key: w.extra.Public(), Name: "extra"})
	w.do(w.extra, state.KindRefusalRollup, nexus.ID{}, state.RefusalRollup{Reason: "r", Source: "s", Count: 1})
	w.do(w.node, state.KindUsagePost, nexus.ID{}, state.UsagePost{ToMs: 60_000, Rows: []state.UsageRow{{Unit: nexus.ID{1}}}})
}

func (w *many) units() {
	w.do(w.ada, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "turned \u202e round"})
	w.do(w.ada, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "no class", Class: "none"})
	w.do(w.ada, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "much", MemoryBytes: 1 << 50})
	w.do(w.ada, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "first served", Class: "control", GuaranteedBps: 1_000_000})
	w.do(w.ada, state.KindSliceSet, w.unit, state.SliceSet{Class: "control", GuaranteedBps: 2_000_000})
	w.do(w.ada, state.KindUnitScale, w.unit, state.UnitScale{CPUMilli: 1, MemoryBytes: 1 << 50, StorageBytes: 1, Processes: 1})
	w.do(w.ada, state.KindPolicySet, w.unit, state.PolicySet{Policy: state.UnitPolicy{Guardian: w.ada.Public()}})
	w.do(w.operator, state.KindProposalOpen, w.unit, state.ProposalOpen{Kind: state.KindUnitTransfer, Body: nexus.Encode(state.UnitTransfer{To: w.shop.Public()})})
	w.do(w.operator, state.KindProposalOpen, w.unit, state.ProposalOpen{Kind: state.KindUnitTransfer, Body: nexus.Encode(state.UnitTransfer{To: w.bob.Public()})})
	for _, p := range w.a.Proposals() {
		w.do(w.ada, state.KindProposalGrant, p.Unit, word(p))
		w.do(w.bob, state.KindProposalGrant, p.Unit, word(p))
	}
}

func (w *many) moneys() {
	event := func(id, kind string, minor int64, of string) state.RevenueEvent {
		return state.RevenueEvent{Unit: w.unit, EventID: id, Kind: kind, Currency: "USD", Minor: minor, TimeMs: w.now, RefundOf: of}
	}
	post := func(events ...state.RevenueEvent) {
		w.do(w.shop, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: "shop", Events: events})
	}
	post(event("a", "sale", 100_001, ""), event("b", "sale", 5000, ""))
	post(event("c", "chargeback", -2500, "b"), event("d", "chargeback", -250, "b"))
	post(event("e", "refund", -100_002, "a"))
	owner := w.a.Units[w.unit].Owner
	holder := map[nexus.PublicKey]nexus.KeySigner{w.ada.Public(): w.ada, w.bob.Public(): w.bob}[owner]
	period := uint32(len(w.a.Periods(w.unit)) - 1)
	w.must(holder, state.KindHoldPlace, w.unit, state.HoldPlace{Period: period, Currency: "USD", Minor: 100, LifeMs: 60_000, Reason: "deposit"})
	w.must(w.operator, state.KindHoldPlace, w.unit, state.HoldPlace{Period: period, Currency: "USD", Minor: 50, LifeMs: dayMs, Reason: "damage"})
	for _, h := range w.a.Holds() {
		w.do(w.operator, state.KindProposalOpen, w.unit, state.ProposalOpen{Kind: state.KindHoldCapture,
			Body: nexus.Encode(state.HoldEnd{Hold: h.ID, Reason: "broken"})})
	}
	w.now += 120_000
	for _, h := range w.a.Holds() {
		w.do(w.operator, state.KindHoldCapture, w.unit, state.HoldEnd{Hold: h.ID, Reason: "late"})
	}
	w.now += 40 * dayMs
	w.do(w.node, state.KindStatementIssue, w.unit, state.StatementIssue{Month: 197001, Size: w.a.Chain.Size(), Digest: nexus.Hash{1}})
}

func (w *many) leavings() {
	w.must(w.bob, state.KindExitBegin, w.studio, state.ExitBegin{})
	head := w.heads[w.studio]
	w.must(w.bob, state.KindExitComplete, w.studio, state.ExitComplete{Manifest: nexus.Hash{1}, Size: w.a.Chain.Size(), UnitSeq: head.Seq, UnitHead: head.Head,
		Files: 1, Bytes: 1})
	w.do(w.ada, state.KindChannelCreate, nexus.ID{}, state.UnitCreate{Name: "late channel", Parent: w.studio})
	w.now += state.ExitGraceMs
	w.must(w.node, state.KindExitSettle, w.studio, struct{}{})
	w.do(w.bob, state.KindSliceSet, w.studio, state.SliceSet{Class: "bulk", GuaranteedBps: 1_000_000, BudgetMicros: 1})
	w.do(w.bob, state.KindDomainClaim, w.studio, state.DomainClaim{Name: "x." + w.a.Units[w.studio].Domain})
	w.do(w.bob, state.KindRouteSet, w.studio, state.RouteSet{Host: "x." + w.a.Units[w.studio].Domain, Backend: "http://127.0.0.1:9"})
	w.do(w.bob, state.KindUnitScale, w.studio, state.UnitScale{CPUMilli: 9000, MemoryBytes: 8 << 30, StorageBytes: 99 << 30, Processes: 999})
}

// A level changes nothing below it: entries and state of the same commands are those of the version that brought the level.
func TestEarlierLevelsKeepTheirBytes(t *testing.T) {
	t.Parallel()
	want := []string{
		"80c18bfcaac45657bbf5cfd3952e720a09b9f809b9cd7d890d5a85b8b285fcaa",
		"54257875120165e6064c02fadc7cef8f3b95af514b5782de4a3a8248c0d548de",
		"8644c6361d812164c8efacdc0d9818f7b0e50b0424d40a8a042793869760bdfa",
		"27416ad54c1ca403b1d502fde446c717db61f8c6c1cf77b2b78d6a3d12d22e33",
		"e6d3e3b339d035814d749e4cf7e5b86f89dcb21b9ae1e93cb04b0f92702f431d",
		"f7648147638edeab9ac7436d00db1d22a8880c5b187a8e40c2d4d7c223a86f20",
		"8fa3dc2a1ac7fef5f0f833e851c563694357b328608662abe60e4cc6271bb071",
	}
	for level, root := range want {
		w := happened(t, uint32(level))
		if got := w.a.Chain.Root().String(); got != root {
			t.Errorf("level %d: the log's root is %s, it was %s", level, got, root)
		}
		w.check()
		w.replay()
	}
}
