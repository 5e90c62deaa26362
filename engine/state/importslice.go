package state

import (
	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// What the slice of a unit that comes had of its own beside class, guarantee and ceiling (docs/decisions/0071-caps-that-stay.md).

// UnitImportSlice is what a unit is taken in with, whole. It is the body of unit.import from level 6 on, where its slice had a latency budget or a session
// cap of its own; else, and before, the first part is (Body): logs hold that one.
type UnitImportSlice struct {
	UnitImport
	BudgetMicros int64  // added latency allowed at the 99th percentile; 0: the class's number
	Sessions     uint32 // session cap; 0: the class's number
}

// Body is the body of unit.import that says this: each import has one spelling.
func (b UnitImportSlice) Body() any {
	if b.plain() {
		return b.UnitImport
	}
	return b
}

// plain reports whether the slice has nothing that the first form cannot say.
func (b *UnitImportSlice) plain() bool {
	return b.Sessions == 0 && (b.BudgetMicros == 0 || b.BudgetMicros == budgetMicros(orDefault(b.Class, DefaultClass)))
}

// DecodeUnitImport reads a body of unit.import in either form.
func DecodeUnitImport(body []byte) (UnitImportSlice, error) {
	var b UnitImportSlice
	err := nexus.Decode(body, &b.UnitImport)
	if err == nil {
		return b, nil
	}
	var whole UnitImportSlice
	if nexus.Decode(body, &whole) != nil || whole.plain() {
		return UnitImportSlice{}, err
	}
	return whole, nil
}

// importBody reads the body of the action at hand; before level 6 there was one form.
func (st *step) importBody() (b UnitImportSlice, ok bool) {
	if st.s.sixth() {
		if whole, err := DecodeUnitImport(st.cmd.Action.Body); err == nil {
			return whole, true
		}
	}
	ok = st.body(&b.UnitImport)
	return b, ok
}

// importCap gives the slice of a unit that comes the cap that it left with, or as much of it as a gateway here takes: a cap keeps nobody from coming
// (gate 13). The facts are of a cap by the unit's own policy, as its slice's are.
func (st *step) importCap(u *Unit, b *UnitImportSlice) (effect func()) {
	if b.Sessions == 0 {
		return func() {}
	}
	n := min(b.Sessions, slices.GatewayConnectionsMax)
	st.facts.Session = []gates.SessionFacts{{Sessions: int64(n), Current: sessionsInForce(st.s.SessionCap(u.ID), u.Slice.Class),
		Most: slices.GatewayConnectionsMax, ByPolicy: true, OwnerApproved: st.ownerApproves(u), NoticeQueued: true}}
	return func() {
		st.s.setSessionCap(u.ID, n)
		st.draft(u.ID, ledger.KindSlice, SessionsEntry{Sessions: n})
	}
}
