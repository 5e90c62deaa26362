package state_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// both runs a test under the rules before level 4 and under those of it.
func both(t *testing.T, f func(t *testing.T, level uint32)) {
	t.Helper()
	for _, level := range []uint32{state.RulesNames, state.RulesStanding} {
		t.Run(fmt.Sprint("level ", level), func(t *testing.T) {
			t.Parallel()
			f(t, level)
		})
	}
}

// hall is a world of a level with two creators, ada with a unit, a second operator and a source.
type hall struct {
	*world
	ada, bob, second, shop nexus.KeySigner
	unit                   nexus.ID
}

func newHall(t *testing.T, level uint32) *hall {
	t.Helper()
	w := &hall{world: raised(t, level), ada: signer(81), bob: signer(82), second: signer(83), shop: signer(84)}
	issue := func(name string, key nexus.KeySigner, role gates.Role) {
		w.must(w.operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: name, Key: key.Public(), Role: uint8(role)})
	}
	issue("ada", w.ada, gates.RoleCreator)
	issue("bob", w.bob, gates.RoleCreator)
	issue("second", w.second, gates.RoleOperator)
	w.must(w.operator, state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "shop", Class: state.ClassProvider, Key: w.shop.Public()})
	w.unit = w.create(w.ada, state.KindIMVUCreate, state.UnitCreate{Name: "Shop"})
	return w
}

func (w *hall) sale(id string, minor int64) state.RevenueEvent {
	return state.RevenueEvent{Unit: w.unit, EventID: id, Kind: "sale", Currency: "USD", Minor: minor, TimeMs: w.now}
}

func (w *hall) post(events ...state.RevenueEvent) *state.Outcome {
	return w.do(w.shop, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: "shop", Events: events})
}

// to hands the unit over from ada: both owners and the platform sign.
func (w *hall) to(owner nexus.KeySigner) { w.hand(w.ada, owner) }

func (w *hall) hand(from, owner nexus.KeySigner) {
	w.t.Helper()
	w.must(w.operator, state.KindProposalOpen, w.unit, state.ProposalOpen{Kind: state.KindUnitTransfer,
		Body: nexus.Encode(state.UnitTransfer{To: owner.Public()})})
	list := w.a.Proposals()
	p := list[len(list)-1]
	w.must(from, state.KindProposalGrant, w.unit, word(p))
	w.must(owner, state.KindProposalGrant, w.unit, word(p))
}

func (w *hall) newest(s nexus.Signer) string {
	list := w.a.InboxOf(s.Public()).List
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1].Text
}

func took(out *state.Outcome) bool { return out.Receipt.Allowed && out.Err == nil }

// The platform's own class is taken by the platform's word only: on a creation, a change, and a unit that comes from elsewhere. What holds it
// already keeps it.
func TestThePlatformsClassNeedsThePlatformsWord(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, level uint32) {
		w := newHall(t, level)
		held := level >= state.RulesStanding
		for name, out := range map[string]*state.Outcome{
			"creation": w.do(w.ada, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "first", Class: "control", GuaranteedBps: 1000}),
			"platform": w.do(w.ada, state.KindPlatformCreate, nexus.ID{}, state.UnitCreate{Name: "first", Class: "control"}),
			"change":   w.do(w.ada, state.KindSliceSet, w.unit, state.SliceSet{Class: "control"}),
		} {
			if took(out) == held {
				t.Errorf("%s by a creator: %+v, %v", name, out.Receipt, out.Err)
			}
			if held {
				refusedFor(t, out, 8, "the platform's own signalling without the platform's word")
			}
		}
		if held && w.a.Units[w.unit].Slice.Class != state.DefaultClass {
			t.Errorf("the slice became %+v", w.a.Units[w.unit].Slice)
		}
		w.must(w.operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "by an operator", Class: "control"})
		w.must(w.node, state.KindProbeCreate, nexus.ID{}, state.UnitCreate{Name: "probe", Class: "control", Percent: 55})
		w.replay()
	})
}

// A creator proposes it and an operator grants, or an operator proposes and the owner grants; a change of what was granted needs no second word.
func TestThePlatformsClassByProposal(t *testing.T) {
	t.Parallel()
	open := func(w *hall, s nexus.Signer) *state.Proposal {
		w.must(s, state.KindProposalOpen, w.unit, state.ProposalOpen{Kind: state.KindSliceSet,
			Body: nexus.Encode(state.SliceSet{Class: "control", GuaranteedBps: 1000})})
		list := w.a.Proposals()
		return list[len(list)-1]
	}
	for name, proposer := range map[string]func(*hall) (by, granter nexus.Signer){
		"owner":    func(w *hall) (by, granter nexus.Signer) { return w.ada, w.operator },
		"operator": func(w *hall) (by, granter nexus.Signer) { return w.operator, w.ada },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newHall(t, state.RulesStanding)
			by, granter := proposer(w)
			p := open(w, by)
			if len(p.Parties) != 2 || p.Parties[0].Role != state.PartyOwner || p.Parties[1].Role != state.PartyPlatform {
				t.Fatalf("parties: %+v", p.Parties)
			}
			refusedFor(t, w.do(w.bob, state.KindProposalGrant, w.unit, word(p)), 1, "has no word to give")
			w.must(granter, state.KindProposalGrant, w.unit, word(p))
			if got := w.a.Units[w.unit].Slice; got.Class != "control" || got.GuaranteedBps != 1000 {
				t.Fatalf("granted by both, the slice is %+v", got)
			}
			w.must(w.ada, state.KindSliceSet, w.unit, state.SliceSet{Class: "control", GuaranteedBps: 2000})
			if p := open(w, w.operator); len(p.Parties) != 1 {
				t.Errorf("a class that is held already needs %+v", p.Parties)
			}
			w.must(w.ada, state.KindSliceSet, w.unit, state.SliceSet{Class: "realtime", GuaranteedBps: 2000})
			refusedFor(t, w.do(w.ada, state.KindSliceSet, w.unit, state.SliceSet{Class: "control", GuaranteedBps: 2000}), 8, "own signalling")
			w.replay()
		})
	}
	// One that was opened before the level, when it needed no word of the platform, has none.
	w := newHall(t, state.RulesNames)
	w.must(w.ada, state.KindPolicySet, w.unit, state.PolicySet{Policy: state.UnitPolicy{Guardian: w.bob.Public(),
		Rules: []state.PolicyRule{{Name: "ask", Effect: state.EffectApprove, On: []string{state.KindSliceSet}}}}})
	p := open(w, w.ada)
	w.must(w.node, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: state.RulesStanding})
	refusedFor(t, w.do(w.bob, state.KindProposalGrant, w.unit, word(p)), 8, "own signalling")
	w = newHall(t, state.RulesStanding)
	p = open(w, w.ada)
	w.must(w.operator, state.KindProposalRefuse, w.unit, word(p))
	if got := w.a.Units[w.unit].Slice; got.Class != state.DefaultClass {
		t.Errorf("refused by the platform, the slice is %+v", got)
	}
}

// A class that another platform gave is that platform's word: the unit comes all the same, in the class that every unit has (gate 13).
func TestThePlatformsClassDoesNotComeFromElsewhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		by   func(w *house) nexus.Signer
		want string
	}{
		"by its owner":   {func(w *house) nexus.Signer { return w.eve }, state.DefaultClass},
		"by an operator": {func(w *house) nexus.Signer { return w.operator }, "control"},
	} {
		w := newHouse(t)
		b := importOf(foreign(t, w.eve.Public(), 55, 45))
		b.Class = "control"
		w.must(c.by(w), state.KindUnitImport, nexus.ID{}, b)
		if got := w.a.Units[b.Evidence.Unit].Slice.Class; got != c.want {
			t.Errorf("%s it comes as %s, want %s", name, got, c.want)
		}
	}
}

// A node that was removed states nothing and reads nothing any more, whoever takes its words in.
func TestARemovedNodeSpeaksForNobody(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, level uint32) {
		w := newHall(t, level)
		node := signer(90)
		words := func() *state.Outcome {
			return w.do(node, state.KindAuditFinding, nexus.ID{}, state.AuditFinding{Unit: w.unit, Code: "made up", Observed: "o", Required: "r"})
		}
		reads := func() bool {
			q := nexus.Query{Actor: node.Public(), Cluster: w.cluster, TimeMs: w.now}
			f := w.a.ReadFacts(&q, w.now, w.unit, "ledger", false)
			return f.Reach[0].Granted
		}
		w.must(w.operator, state.KindNodeAdmit, nexus.ID{}, state.NodeAdmit{Key: node.Public(), Name: "second"})
		if !took(words()) || !reads() {
			t.Fatal("an admitted node is not heard")
		}
		w.must(w.operator, state.KindNodeRemove, nexus.ID{}, state.NodeAdmit{Key: node.Public(), Name: "second"})
		out := words()
		if took(out) == (level >= state.RulesStanding) || reads() {
			t.Errorf("removed: %+v, reads %t", out.Receipt, reads())
		}
		w.must(w.operator, state.KindNodeAdmit, nexus.ID{}, state.NodeAdmit{Key: node.Public(), Name: "second"})
		if !took(words()) || !reads() {
			t.Error("admitted again, it is not heard")
		}
		w.replay()
	})
}

// A hold ends by itself: nothing is captured after its time, whether or not a node came to end it.
func TestNoHoldIsCapturedAfterItsTime(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, level uint32) {
		w := newHall(t, level)
		w.post(w.sale("a", 1000))
		w.must(w.ada, state.KindHoldPlace, w.unit, state.HoldPlace{Currency: "USD", Minor: 100, LifeMs: state.HoldLifeMinMs, Reason: "deposit"})
		h := w.a.Holds()[0]
		w.now = h.ExpiresMs
		out := w.do(w.operator, state.KindHoldCapture, w.unit, state.HoldEnd{Hold: h.ID, Reason: "broken"})
		if took(out) == (level >= state.RulesStanding) {
			t.Errorf("captured after its time: %+v, %v", out.Receipt, out.Err)
		}
		if level < state.RulesStanding {
			return
		}
		invalidFor(t, out, nexus.CodeConflict, "its time was up")
		w.must(w.node, state.KindHoldExpire, w.unit, state.HoldEnd{Hold: h.ID})
		if owed := w.a.OwedIn(w.unit, 0, "USD").Payable(); owed != 550 {
			t.Errorf("%d payable after the hold", owed)
		}
		w.must(w.ada, state.KindHoldPlace, w.unit, state.HoldPlace{Currency: "USD", Minor: 100, LifeMs: state.HoldLifeMinMs, Reason: "deposit"})
		w.must(w.operator, state.KindHoldCapture, w.unit, state.HoldEnd{Hold: w.a.Holds()[0].ID, Reason: "broken"})
		w.checkOwners()
	})
}

// What bounds an owner's payouts, holds and disputes is that owner's own: the one before fills none of it, and an owner's holds leave the
// platform its own.
func TestNoOwnerFillsAnothersBounds(t *testing.T) {
	t.Parallel()
	const bound = 64
	both(t, func(t *testing.T, level uint32) {
		w := newHall(t, level)
		own := level >= state.RulesStanding
		w.post(w.sale("a", 1_000_000))
		hold := func(s nexus.Signer, period uint32) *state.Outcome {
			return w.do(s, state.KindHoldPlace, w.unit, state.HoldPlace{Period: period, Currency: "USD", Minor: 1, LifeMs: dayMs, Reason: "r"})
		}
		payout := func(s nexus.Signer, period uint32) *state.Outcome {
			return w.do(s, state.KindPayoutOpen, w.unit, state.PayoutOpen{Period: period, Currency: "USD", Minor: 1})
		}
		w.must(w.ada, state.KindPayoutSet, w.unit, state.PayoutSet{Destination: "a"})
		for range bound {
			if !took(hold(w.ada, 0)) || !took(payout(w.ada, 0)) {
				t.Fatal("not even the first ones")
			}
		}
		if took(hold(w.ada, 0)) || took(payout(w.ada, 0)) {
			t.Error("there is no bound")
		}
		if out := hold(w.operator, 0); took(out) != own {
			t.Errorf("the platform's first hold: %v", out.Err)
		}
		w.to(w.bob)
		w.post(w.sale("b", 1_000_000))
		w.must(w.bob, state.KindPayoutSet, w.unit, state.PayoutSet{Period: 1, Destination: "b"})
		if out := payout(w.bob, 1); took(out) != own {
			t.Errorf("the next owner's first payout: %v", out.Err)
		}
		if out := hold(w.bob, 1); took(out) != own {
			t.Errorf("the next owner's first hold: %v", out.Err)
		}
		w.checkOwners()
		w.replay()
	})
}

// Disputes likewise.
func TestNoOwnerFillsAnothersDisputes(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, level uint32) {
		w := newHall(t, level)
		w.to(w.bob)
		w.now = 40 * dayMs
		w.must(w.node, state.KindStatementIssue, w.unit, state.StatementIssue{Month: 197001, Size: w.a.Chain.Size(), Digest: nexus.Hash{1}})
		dispute := func(s nexus.Signer, period uint32, entry int) *state.Outcome {
			return w.do(s, state.KindDisputeOpen, w.unit, state.DisputeOpen{Period: period, Month: 197001, Entry: uint64(entry), Currency: "USD", Reason: "r"})
		}
		n := 0
		for ; n < 64; n++ {
			if out := dispute(w.ada, 0, n%30); n < 30 && !took(out) {
				t.Fatalf("dispute %d: %v", n, out.Err)
			} else if n >= 30 {
				break
			}
		}
		for _, currency := range []string{"EUR", "JPY"} {
			for entry := range 30 {
				w.do(w.ada, state.KindDisputeOpen, w.unit, state.DisputeOpen{Month: 197001, Entry: uint64(entry), Currency: currency, Reason: "r"})
			}
		}
		if open := len(w.a.Disputes()); open != 64 {
			t.Fatalf("%d disputes are open", open)
		}
		if out := dispute(w.bob, 1, 1); took(out) != (level >= state.RulesStanding) {
			t.Errorf("the next owner's first dispute: %v", out.Err)
		}
	})
}

// A unit whose resources went takes none, and no channel is made on a platform that has left.
func TestWhatHasLeftTakesNothing(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, level uint32) {
		w := newHall(t, level)
		w.unit = w.create(w.ada, state.KindPlatformCreate, state.UnitCreate{Name: "Studio"})
		w.must(w.ada, state.KindExitBegin, w.unit, state.ExitBegin{})
		w.must(w.bob, state.KindChannelCreate, nexus.ID{}, state.UnitCreate{Name: "while it serves", Parent: w.unit})
		head := w.heads[w.unit]
		w.must(w.ada, state.KindExitComplete, w.unit, state.ExitComplete{Manifest: nexus.Hash{1}, Size: w.a.Chain.Size(), UnitSeq: head.Seq, UnitHead: head.Head,
			Files: 1, Bytes: 1})
		left := level < state.RulesStanding
		if out := w.do(w.bob, state.KindChannelCreate, nexus.ID{}, state.UnitCreate{Name: "too late", Parent: w.unit}); took(out) != left {
			t.Errorf("a channel of a platform that has left: %v", out.Err)
		}
		w.must(w.ada, state.KindSliceSet, w.unit, state.SliceSet{Class: "interactive", GuaranteedBps: 1000}) // in its time of grace
		w.now += state.ExitGraceMs
		w.must(w.node, state.KindExitSettle, w.unit, struct{}{})
		u := w.a.Units[w.unit]
		host := "x." + u.Domain
		for name, out := range map[string]*state.Outcome{
			"a guarantee": w.do(w.ada, state.KindSliceSet, w.unit, state.SliceSet{Class: "interactive", GuaranteedBps: 900_000_000}),
			"a cap":       w.do(w.ada, state.KindSliceSessions, w.unit, state.SliceSessions{Sessions: 9}),
			"a host":      w.do(w.ada, state.KindDomainClaim, w.unit, state.DomainClaim{Name: host}),
			"an envelope": w.do(w.ada, state.KindUnitScale, w.unit, state.UnitScale{CPUMilli: 9000, MemoryBytes: 8 << 30, StorageBytes: 99 << 30, Processes: 999}),
		} {
			if took(out) != left {
				t.Errorf("%s for a unit that has left: %+v, %v", name, out.Receipt, out.Err)
			}
			if !left {
				invalidFor(t, out, nexus.CodeConflict, "has left and its resources went")
			}
		}
		if !left && u.Slice.GuaranteedBps != 0 {
			t.Errorf("it still has %d bit/s guaranteed", u.Slice.GuaranteedBps)
		}
		w.replay()
	})
}

// Names that the platform gives by itself are not to be had beforehand, so nobody keeps a source or a node out.
func TestNamesOfNodesAndSourcesAreNobodys(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, level uint32) {
		w := newHall(t, level)
		node := signer(91)
		taken := level < state.RulesStanding
		for i, name := range []string{"source-pay", "node-" + node.Public().Short(), "Source-Pay"} {
			squatter := signer(byte(92 + i))
			out := w.do(squatter, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: name, Key: squatter.Public(), Role: uint8(gates.RoleCreator)})
			if took(out) != taken {
				t.Errorf("%s: %v", name, out.Err)
			}
			if !taken {
				invalidFor(t, out, nexus.CodeConflict, "name that the platform gives to a")
			}
		}
		if out := w.do(w.operator, state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "pay", Class: state.ClassProvider,
			Key: signer(96).Public()}); took(out) == taken {
			t.Errorf("the source: %v", out.Err)
		}
		if out := w.do(w.operator, state.KindNodeAdmit, nexus.ID{}, state.NodeAdmit{Key: node.Public(), Name: "n2"}); took(out) == taken {
			t.Errorf("the node: %v", out.Err)
		}
	})
}

// Nobody but the platform's side makes a unit in the name of somebody who did not sign, or gives a name of the platform away: not a revenue source,
// nor a node that was removed.
func TestSourcesMakeNoUnitsInOthersNames(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, level uint32) {
		w := newHall(t, level)
		gone := signer(90)
		w.must(w.operator, state.KindNodeAdmit, nexus.ID{}, state.NodeAdmit{Key: gone.Public(), Name: "second"})
		w.must(w.operator, state.KindNodeRemove, nexus.ID{}, state.NodeAdmit{Key: gone.Public(), Name: "second"})
		for who, key := range map[string]nexus.Signer{"a source": w.shop, "a removed node": gone} {
			in := w.do(key, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "in ada's name, by " + who, OwnerName: "ada"})
			named := w.do(key, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "by " + who, OwnerName: "support", OwnerKey: signer(97).Public()})
			if held := level >= state.RulesStanding; took(in) == held || held && took(named) {
				t.Errorf("%s: %+v, %v; %v", who, in.Receipt, in.Err, named.Err)
			} else if held {
				refusedFor(t, in, 1, "who did not sign")
				invalidFor(t, named, nexus.CodeConflict, "is reserved")
			}
		}
		w.must(w.shop, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "a source's own"})
		w.must(w.operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "a present", OwnerName: "ada"})
	})
}

// Who owned a unit in the time of a statement is told that it is issued, once, and not of months after.
func TestEarlierOwnersAreToldOfTheirStatement(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, level uint32) {
		w := newHall(t, level)
		w.to(w.bob)
		issue := func(month uint32, at int64) string {
			before := len(w.a.InboxOf(w.ada.Public()).List)
			w.now = at
			w.must(w.node, state.KindStatementIssue, w.unit, state.StatementIssue{Month: month, Size: w.a.Chain.Size(), Digest: nexus.Hash{1}})
			if !strings.Contains(w.newest(w.bob), "is issued: nexus revenue statement") {
				t.Errorf("the present owner was told %q", w.newest(w.bob))
			}
			if len(w.a.InboxOf(w.ada.Public()).List) == before {
				return ""
			}
			return w.newest(w.ada)
		}
		said := issue(197001, 32*dayMs)
		if strings.Contains(said, "which you owned until 1970-01-01 00:") != (level >= state.RulesStanding) {
			t.Errorf("the earlier owner was told %q", said)
		}
		if said := issue(197002, 60*dayMs); said != "" {
			t.Errorf("of a month after the earlier owner was told %q", said)
		}
		w.replay()
	})
}

// Texts of the ledger say a thing once, name whom they mean, and the limit that was passed.
func TestTextsOfTheLedger(t *testing.T) {
	t.Parallel()
	w := newHall(t, state.RulesStanding)
	out := w.do(w.ada, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "turned \u202e round"})
	if got := out.Err.Error(); strings.Count(got, "name ") != 1 || strings.Count(got, "1 to 80") != 1 || !strings.Contains(got, `'\u202e'`) {
		t.Errorf("of a direction mark: %s", got)
	}
	if got := w.do(w.operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "a b", Key: signer(99).Public(),
		Role: uint8(gates.RoleCreator)}).Err.Error(); strings.Count(got, `"a b"`) != 1 {
		t.Errorf("of an identity's name: %s", got)
	}
	out = w.do(w.ada, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "much", MemoryBytes: 999999 << 30})
	refusedFor(t, out, 7, "asks for 999999 GiB of memory; required: above 0, at most 64 TiB of memory")
	w.post(w.sale("a", 500_000))
	back := w.sale("b", -250_000)
	back.Kind, back.RefundOf = "chargeback", "a"
	w.must(w.shop, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: "shop", Events: []state.RevenueEvent{back}})
	if got := w.newest(w.ada); !strings.HasPrefix(got, "a chargeback on IMVU-001 took back USD 2,500.00; your share fell by USD 1,375.00 (") {
		t.Errorf("of a chargeback: %s", got)
	}
	more := w.sale("c", -250_001)
	more.RefundOf = "a"
	refusedFor(t, w.post(more), 6, "refund of USD 2,500.01 exceeds the USD 2,500.00 left of event")
	w.must(w.operator, state.KindProposalOpen, w.unit, state.ProposalOpen{Kind: state.KindUnitTransfer,
		Body: nexus.Encode(state.UnitTransfer{To: w.bob.Public()})})
	if got := w.newest(w.ada); !strings.Contains(got, "unit.transfer to bob on IMVU-001, by operator") {
		t.Errorf("of a transfer: %s", got)
	}
	w.must(w.ada, state.KindProposalRefuse, w.unit, word(w.a.Proposals()[0]))
	if got := w.newest(w.operator); !strings.Contains(got, "(unit.transfer to bob on IMVU-001) is refused") {
		t.Errorf("of a refused transfer: %s", got)
	}
	w.do(w.operator, state.KindDisputeOpen, w.unit, state.DisputeOpen{Currency: "USD", Reason: "r"})
	if got := w.newest(w.ada); !strings.Contains(got, "by operator (gate 1 identity-binding: operator may not ask for dispute.open)") {
		t.Errorf("of an attempt: %s", got)
	}
	w.must(w.operator, state.KindHoldPlace, w.unit, state.HoldPlace{Currency: "USD", Minor: 7550, LifeMs: dayMs, Reason: "damage"})
	w.must(w.operator, state.KindProposalOpen, w.unit, state.ProposalOpen{Kind: state.KindHoldCapture,
		Body: nexus.Encode(state.HoldEnd{Hold: w.a.Holds()[0].ID, Reason: "broken"})})
	if got := w.newest(w.ada); !strings.Contains(got, "hold.capture of USD 75.50 held since 1970-01-01 00:1") {
		t.Errorf("of a hold: %s", got)
	}
	own := state.PolicySet{Policy: state.UnitPolicy{Guardian: w.ada.Public()}}
	invalidFor(t, w.do(w.ada, state.KindPolicySet, w.unit, own), nexus.CodeNotFound, "guardian ada")
	invalidFor(t, w.do(w.node, state.KindUsagePost, nexus.ID{}, state.UsagePost{ToMs: 60_000, Rows: []state.UsageRow{{Unit: nexus.ID{1},
		Counts: []ledger.UsageCount{{Meter: state.MeterRequests, Quantity: 1}}}}}), nexus.CodeMalformed, "no unit here")
}

// The ledger stops at a balance that passes 64 bits, so nothing that is committed may lead to one: not the opposite of the smallest gross, and not
// what the platform pays an owner again and again.
func TestNoAmountStopsTheLedger(t *testing.T) {
	t.Parallel()
	w := newHall(t, state.RulesStanding)
	other := signer(98)
	w.must(w.operator, state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "other", Class: state.ClassProvider, Key: other.Public()})
	half := state.RevenueEvent{Unit: w.unit, Kind: "correction", Currency: "JPY", Minor: math.MinInt64 / 2, TimeMs: w.now}
	w.must(w.shop, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: "shop", FirstSeq: 1, Events: []state.RevenueEvent{half}})
	out := w.do(other, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: "other", FirstSeq: 1, Events: []state.RevenueEvent{half}})
	refusedFor(t, out, 6, "past 64 bits")
	w.must(w.ada, state.KindPayoutSet, w.unit, state.PayoutSet{Destination: "a"})
	const most = 1 << 56
	paid := 0
	for range 140 {
		out := w.do(w.operator, state.KindTransferMake, w.unit, state.TransferMake{Currency: "EUR", Minor: most, ToOwner: true, Reason: "r"})
		if !took(out) {
			invalidFor(t, out, nexus.CodeConflict, "past 64 bits")
			break
		}
		paid++
		w.must(w.ada, state.KindPayoutOpen, w.unit, state.PayoutOpen{Currency: "EUR", Minor: most})
		for _, p := range w.a.Payouts() {
			if p.Status == state.PayoutPending {
				w.must(w.operator, state.KindPayoutPost, w.unit, state.PayoutSettle{Payout: p.ID, Reference: "r"})
			}
		}
	}
	if paid < 100 || paid > 128 {
		t.Errorf("paid %d times", paid)
	}
	w.checkOwners()
	w.replay()
}

// Nor do owners who come and go: each earns all that 64 bits hold, is paid, and hands the unit over once the sale was taken back.
func TestNoRowOfOwnersStopsTheLedger(t *testing.T) {
	t.Parallel()
	w := newHall(t, state.RulesStanding)
	owners := []nexus.KeySigner{w.ada, w.bob}
	refused := 0
	for period := range 6 {
		owner, next := owners[period%2], owners[(period+1)%2]
		id := fmt.Sprint("sale-", period)
		if out := w.post(w.sale(id, math.MaxInt64)); !took(out) {
			t.Fatalf("sale %d: %+v", period, out.Receipt)
		}
		w.must(owner, state.KindPayoutSet, w.unit, state.PayoutSet{Period: uint32(period), Destination: "a"})
		out := w.do(owner, state.KindPayoutOpen, w.unit, state.PayoutOpen{Period: uint32(period), Currency: "USD"})
		if took(out) {
			list := w.a.Payouts()
			w.must(w.operator, state.KindPayoutPost, w.unit, state.PayoutSettle{Payout: list[len(list)-1].ID, Reference: "r"})
		} else {
			invalidFor(t, out, nexus.CodeConflict, "past 64 bits")
			refused++
		}
		back := w.sale(id+"-back", -math.MaxInt64)
		back.RefundOf = id
		if out := w.post(back); !took(out) {
			t.Fatalf("refund %d: %+v", period, out.Receipt)
		}
		w.hand(owner, next)
	}
	if refused == 0 {
		t.Error("six times the half of 64 bits were paid")
	}
	w.checkOwners()
	w.replay()
}

// What the platform pays in a currency that a unit earned nothing in is paid out by the schedule as well.
func TestTheScheduleKnowsEveryCurrency(t *testing.T) {
	t.Parallel()
	w := newHall(t, state.RulesStanding)
	w.must(w.ada, state.KindPayoutSet, w.unit, state.PayoutSet{Destination: "a", Schedule: state.ScheduleDaily})
	w.must(w.operator, state.KindTransferMake, w.unit, state.TransferMake{Currency: "EUR", Minor: 500, ToOwner: true, Reason: "prize"})
	w.now += dayMs
	due := w.a.DuePayouts(w.now, 10)
	if len(due) != 1 || due[0].Currency != "EUR" {
		t.Fatalf("due: %+v", due)
	}
	w.must(w.node, state.KindPayoutOpen, w.unit, state.PayoutOpen{Currency: "EUR"})
	w.checkOwners()
}
