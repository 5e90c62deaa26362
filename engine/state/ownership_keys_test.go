package state_test

import (
	"fmt"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// newHouse is a court under the newest rules, with eve, who registered a recovery key and owns a unit.
type house struct {
	*court
	eve, spare, next nexus.KeySigner
	unit             nexus.ID
	actor            nexus.Signer // of the act that a matrix tries
}

func newHouse(t failer) *house {
	w := &house{court: newCourt(t), eve: signer(50), spare: signer(51), next: signer(52)}
	for w.a.Rules < state.RulesMax {
		w.must(w.node, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: w.a.Rules + 1})
	}
	w.must(w.eve, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "eve", Key: w.eve.Public(), Recovery: w.spare.Public(),
		Role: uint8(gates.RoleCreator)})
	w.unit = w.create(w.operator, state.KindIMVUCreate, state.UnitCreate{Name: "Eve's", OwnerName: "eve"})
	return w
}

func (w *house) change() state.IdentityChange {
	return state.IdentityChange{Old: w.eve.Public(), New: w.next.Public(), Reason: "r"}
}

func entriesOf(t *testing.T, out *state.Outcome, kind ledger.EntryKind) (list []ledger.Entry) {
	t.Helper()
	for _, raw := range out.Record.Entries {
		e, err := ledger.ParseEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

func TestRulesRiseOneByOne(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	invalidFor(t, w.do(w.node, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: 0}), nexus.CodeConflict, "the level is 0")
	invalidFor(t, w.do(w.node, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: state.RulesMax + 1}), nexus.CodeConflict, "the level is 0")
	refusedFor(t, w.do(w.ada, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: 1}), 1, "may not ask")
	w.must(w.operator, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: 1})
	invalidFor(t, w.do(w.node, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: 1}), nexus.CodeConflict, "the level is 1")
	w.swap()
	w.check()
}

// A rotation stands in the chain of every unit that moves, in as many commands as that takes; before the rules it did not.
func TestRotationIsInEveryChain(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	second := w.create(w.operator, state.KindPlatformCreate, state.UnitCreate{Name: "Eve's too", OwnerName: "eve"})
	out := w.must(w.eve, state.KindIdentityRotate, nexus.ID{}, w.change())
	moved := map[nexus.ID]bool{}
	for _, e := range entriesOf(t, out, ledger.KindOwnership) {
		unit, owner := state.OwnerNamed(e)
		if unit != e.Unit || owner != w.next.Public() {
			t.Errorf("entry of %s gives %s to %s", e.Unit, unit, owner.Short())
		}
		moved[unit] = true
	}
	if len(moved) != 2 || !moved[w.unit] || !moved[second] || w.a.Units[second].Owner != w.next.Public() {
		t.Errorf("moved %v", moved)
	}
	if at := w.a.OwnedSince(w.a.Units[w.unit]); len(at) != 1 || at[0] != w.index {
		t.Errorf("owned since %v, rotated at %d", at, w.index)
	}
	invalidFor(t, w.do(w.node, state.KindOwnershipSettle, nexus.ID{}, struct{}{}), nexus.CodeConflict, "none is missing")
	old := newCourt(t)
	if list := entriesOf(t, old.must(old.ada, state.KindIdentityRotate, nexus.ID{},
		state.IdentityChange{Old: old.ada.Public(), New: signer(90).Public()}), ledger.KindOwnership); len(list) != 0 {
		t.Errorf("under the first rules %d entries", len(list))
	}
	w.swap()
	w.check()
}

func TestRotationOfManyUnits(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	const units = 4200
	for n := range units {
		w.create(w.operator, state.KindIMVUCreate, state.UnitCreate{Name: fmt.Sprint("Unit ", n), OwnerName: "eve", Dormant: true})
	}
	out := w.must(w.eve, state.KindIdentityRotate, nexus.ID{}, w.change())
	first := len(entriesOf(t, out, ledger.KindOwnership))
	if left := w.a.UnsettledMoves(); first+left != units+1 || left == 0 || len(out.Record.Encode()) > state.MaxRecordBytes {
		t.Fatalf("%d entries, %d left, record of %d bytes", first, left, len(out.Record.Encode()))
	}
	w.swap()
	refusedFor(t, w.do(w.bob, state.KindOwnershipSettle, nexus.ID{}, struct{}{}), 1, "may not ask")
	rest := len(entriesOf(t, w.must(w.node, state.KindOwnershipSettle, nexus.ID{}, struct{}{}), ledger.KindOwnership))
	if first+rest != units+1 || w.a.UnsettledMoves() != 0 {
		t.Errorf("%d and %d entries", first, rest)
	}
	w.check()
}

// An operator who revokes an owner's key stops the key. The units stay hers: her recovery key leads to a successor, and nobody
// takes her name.
func TestRevocationSeizesNothing(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.must(w.operator, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: w.eve.Public(), Reason: "trouble"})
	if box := w.a.InboxOf(w.eve.Public()); len(box.List) == 0 || !strings.Contains(box.List[len(box.List)-1].Text, "revoked the key of eve") {
		t.Errorf("inbox %+v", box)
	}
	scale := state.UnitScale{CPUMilli: 1, MemoryBytes: 1 << 30, StorageBytes: 1 << 30, Processes: 1}
	refusedFor(t, w.do(w.eve, state.KindUnitScale, w.unit, scale), 1, "is revoked")
	for name, out := range map[string]*state.Outcome{
		"the name":      w.do(w.operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "eve", Key: signer(60).Public(), Role: 2}),
		"a unit's name": w.do(w.operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "n", OwnerName: "eve", OwnerKey: signer(61).Public()}),
	} {
		if out.Err == nil && out.Receipt.Allowed || out.Err != nil && !strings.Contains(out.Err.Error(), "belonged to a key that was revoked") {
			t.Errorf("%s: %+v, %v", name, out.Receipt, out.Err)
		}
	}
	p := w.openAs(w.operator, state.KindUnitTransfer, w.unit, to(w.bob), 0)
	w.must(w.bob, state.KindProposalGrant, w.unit, word(p))
	if out := w.do(w.operator, state.KindProposalGrant, w.unit, word(p)); out.Receipt.Allowed || out.Receipt.Gates[0] != 1 {
		t.Errorf("the operator's second word: %+v", out.Receipt)
	}
	// The way back.
	w.swap()
	w.must(w.spare, state.KindIdentityRecover, nexus.ID{}, w.change())
	invalidFor(t, w.do(w.spare, state.KindIdentityComplete, nexus.ID{}, w.change()), nexus.CodeConflict, "the public wait ends")
	w.now += 72*hourMs + 1
	w.must(w.next, state.KindIdentityComplete, nexus.ID{}, w.change())
	if id := w.a.Identities[w.next.Public()]; id == nil || id.Name != "eve" || w.a.Units[w.unit].Owner != w.next.Public() {
		t.Errorf("successor %+v of unit %+v", id, w.a.Units[w.unit])
	}
	w.must(w.next, state.KindUnitScale, w.unit, scale)
	w.swap()
	w.check()
}

// What a key that somebody else revoked may still sign, and what it may not.
func TestRevokedKeysStillLeave(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.must(w.operator, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: w.eve.Public(), Reason: "trouble"})
	w.must(w.eve, state.KindNoticeMark, nexus.ID{}, state.NoticeMark{ReadUpTo: 1})
	w.must(w.spare, state.KindIdentityRecover, nexus.ID{}, w.change())
	w.must(w.eve, state.KindIdentityCancel, nexus.ID{}, state.IdentityChange{Old: w.eve.Public()})
	refusedFor(t, w.do(w.eve, state.KindIdentityRotate, nexus.ID{}, w.change()), 1, "is revoked")
	refusedFor(t, w.do(w.eve, state.KindIdentityCancel, nexus.ID{}, state.IdentityChange{Old: w.ada.Public()}), 1, "is revoked")
	query := func(unit nexus.ID, public bool) bool {
		q := nexus.Query{Cluster: w.cluster, Method: "GET", Target: "/", Actor: w.eve.Public(), TimeMs: w.now}
		q.Signature, _ = w.eve.Sign(q.SigningBytes())
		f := w.a.ReadFacts(&q, w.now, unit, "ledger", public)
		d := w.a.Decide(&f, gates.DecisionInput{})
		return d.Allow
	}
	if !query(w.unit, false) || !query(nexus.ID{}, true) || query(w.imvu, false) || query(nexus.ID{}, false) {
		t.Errorf("reads: own %v, public %v, another's %v, the platform's %v", query(w.unit, false), query(nexus.ID{}, true), query(w.imvu, false),
			query(nexus.ID{}, false))
	}
	// Her own word makes it final: she cancels no recovery any more, and the recovery key still mends it.
	w.must(w.eve, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: w.eve.Public(), Reason: "stolen after all"})
	w.must(w.spare, state.KindIdentityRecover, nexus.ID{}, w.change())
	refusedFor(t, w.do(w.eve, state.KindIdentityCancel, nexus.ID{}, state.IdentityChange{Old: w.eve.Public()}), 1, "is revoked")
	if query(w.unit, false) {
		t.Error("a key that its holder revoked still reads")
	}
	w.now += 72*hourMs + 1
	w.must(w.spare, state.KindIdentityComplete, nexus.ID{}, w.change())
	invalidFor(t, w.do(w.operator, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: w.eve.Public()}), nexus.CodeConflict, "already revoked")
	w.swap()
	w.check()
}
