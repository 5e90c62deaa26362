package state

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Who owns a unit, and since when. A transfer is signed by the present and the new owner and approved by the platform (SPEC
// section 3); what the unit earned until then stays payable to the earlier owner, so each period of ownership keeps the
// balances it began and ended with.

// Balance is the state of one currency of a unit at the end of a period of ownership. Minor units.
type Balance struct {
	Currency string
	Gross    int64
	Creator  int64
	Platform int64
	Events   uint64
}

// OwnerPeriod is one closed period of ownership. The creator's part earned in it is Creator of its balances less Creator of
// the balances of the period before.
type OwnerPeriod struct {
	Owner     nexus.PublicKey
	UntilMs   int64
	Index     uint64 // decision that ended it
	Proposal  nexus.ID
	Balances  []Balance // at its end, by currency
	NextOwner nexus.PublicKey
}

// holding is what is remembered of a unit that came to another key at least once.
type holding struct {
	Since   uint64 // decision by which it came to the present key
	Periods []OwnerPeriod
}

// maxTransfers bounds how often a unit changes hands; each transfer is remembered for ever.
const maxTransfers = 1000

// UnitTransfer is the body of unit.transfer, which takes effect by a proposal of its parties only.
type UnitTransfer struct{ To nexus.PublicKey }

// OwnershipEntry is the body of an ownership entry, in the unit's chain: from here on the unit is To's, and the balances
// named stay payable to From. Rotations carry no balances: it is the same owner under another key.
type OwnershipEntry struct {
	Verb     string // "transferred", "rotated", "recovered"
	Unit     nexus.ID
	From     nexus.PublicKey
	To       nexus.PublicKey
	Proposal nexus.ID
	Balances []Balance
}

func (st *step) unitTransfer() error {
	var b UnitTransfer
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	st.reach(u, "ledger", st.administers(u))
	st.facts.Exit.Hinders = true
	f := gates.ApprovalFacts{Kind: KindUnitTransfer, Needed: true, Parties: uint32(len(st.s.partiesOf(u, KindUnitTransfer, st.cmd.Action.Body)))}
	if p := st.approval; p != nil {
		f.Proposal, f.Change, f.Granted = p.ID, p.Change, uint32(len(p.Parties)-p.missing())
	}
	st.facts.Approval = append(st.facts.Approval, f)
	to := st.s.Identities[b.To]
	switch {
	case to == nil || to.Revoked || to.Role != gates.RoleCreator && to.Role != gates.RoleOperator:
		st.fail(nexus.CodeNotFound, "new owner "+st.who(b.To), "name an identity that stands (nexus identity list)",
			"no creator's or operator's identity in good order")
	case u.Owner == b.To:
		st.fail(nexus.CodeConflict, "unit "+u.Label, "", "belongs to %s already", to.Name)
	case u.Owner == st.s.Platform:
		st.fail(nexus.CodeConflict, "unit "+u.Label, "create a mini-platform of your own", "belongs to the platform itself")
	case len(st.s.OwnerPeriods(u.ID)) >= maxTransfers:
		st.fail(nexus.CodeConflict, "unit "+u.Label, "", "changed hands %d times", maxTransfers)
	}
	st.effect = func() { st.transfer(u, b.To) }
	return nil
}

// transfer closes the period of the present owner with the balances as they are, and begins the next.
func (st *step) transfer(u *Unit, to nexus.PublicKey) {
	p := OwnerPeriod{Owner: u.Owner, UntilMs: st.now, Index: st.index, Balances: st.s.balances(u.ID), NextOwner: to}
	if st.approval != nil {
		p.Proposal = st.approval.ID
	}
	h := st.s.holdingOf(u.ID)
	h.Since, h.Periods = st.index, append(h.Periods, p)
	from := u.Owner
	u.Owner = to
	st.unitEntry(u, "transferred")
	st.draft(u.ID, ledger.KindOwnership, OwnershipEntry{Verb: "transferred", Unit: u.ID, From: from, To: to, Proposal: p.Proposal, Balances: p.Balances})
	text := fmt.Sprintf("%s belongs to %s now, before to %s; what it earned until now stays payable to %s", u.Label, st.s.nameOf(to),
		st.s.nameOf(from), st.s.nameOf(from))
	st.noticeTo(from, u.ID, "%s", text)
	st.noticeTo(to, u.ID, "%s", text)
	st.events = append(st.events, nexus.Event{Type: "unit.transferred", Index: st.index, Unit: u.ID, MustDeliver: true})
}

// balances gives a unit's accounts as they stand.
func (s *State) balances(unit nexus.ID) []Balance {
	var out []Balance
	for _, a := range s.accounts[unit] {
		out = append(out, Balance{Currency: a.Currency, Gross: a.Gross, Creator: a.Creator, Platform: a.Platform, Events: a.Events})
	}
	return out
}

// holdingOf gives what is remembered of a unit, to be changed.
func (s *State) holdingOf(unit nexus.ID) *holding {
	if s.owners == nil {
		s.owners = map[nexus.ID]*holding{}
	}
	if s.owners[unit] == nil {
		s.owners[unit] = &holding{}
	}
	return s.owners[unit]
}

// OwnerPeriods lists the closed periods of a unit's ownership, oldest first. Empty: it never changed hands.
func (s *State) OwnerPeriods(unit nexus.ID) []OwnerPeriod {
	if h := s.owners[unit]; h != nil {
		return append([]OwnerPeriod(nil), h.Periods...)
	}
	return nil
}

// OwnershipEnds gives the decisions that ended periods of ownership, oldest first, of the units that changed hands.
func (s *State) OwnershipEnds() map[nexus.ID][]uint64 {
	out := make(map[nexus.ID][]uint64, len(s.owners))
	for unit, h := range s.owners {
		for i := range h.Periods {
			out[unit] = append(out[unit], h.Periods[i].Index)
		}
	}
	return out
}

// OwnedSince gives the decisions whose entries may show the present owner of a unit, best first: that by which it came to the
// present key, the newest change of the unit, its creation.
func (s *State) OwnedSince(u *Unit) []uint64 {
	if h := s.owners[u.ID]; h != nil {
		return []uint64{h.Since}
	}
	return []uint64{u.CreatedIndex, u.UpdatedIndex}
}

// Earned is the creator's part of one currency earned in one period of ownership.
type Earned struct {
	Owner    nexus.PublicKey
	Currency string
	Minor    int64 // less than zero when more was refunded than earned in the period
	Open     bool  // the present owner's, still growing
}

// EarnedBy splits the creator's part of a unit by who owned it when it was posted: the parts of all periods add up to the
// account. A refund lowers the part of the period it is posted in.
func (s *State) EarnedBy(unit nexus.ID) []Earned {
	u := s.Units[unit]
	if u == nil {
		return nil
	}
	var out []Earned
	before := map[string]int64{}
	period := func(owner nexus.PublicKey, balances []Balance, open bool) {
		for _, b := range balances {
			if part := b.Creator - before[b.Currency]; part != 0 || open {
				out = append(out, Earned{Owner: owner, Currency: b.Currency, Minor: part, Open: open})
			}
			before[b.Currency] = b.Creator
		}
	}
	for _, p := range s.OwnerPeriods(unit) {
		period(p.Owner, p.Balances, false)
	}
	period(u.Owner, s.balances(unit), true)
	return out
}

// ownersPart saves what is remembered of units that changed hands, in order of creation.
func ownersPart() part {
	type held struct {
		Unit nexus.ID
		Held holding
	}
	type picture struct{ Units []held }
	return part{name: "owners", save: func(s *State) []byte {
		if len(s.owners) == 0 {
			return nil
		}
		var p picture
		for _, u := range s.order {
			if h := s.owners[u.ID]; h != nil {
				p.Units = append(p.Units, held{u.ID, *h})
			}
		}
		return nexus.Encode(p)
	}, load: func(s *State, b []byte) error {
		var p picture
		if err := nexus.Decode(b, &p); err != nil {
			return err
		}
		for i := range p.Units {
			*s.holdingOf(p.Units[i].Unit) = p.Units[i].Held
		}
		return nil
	}}
}

// OwnerNamed reads which unit an entry gives to which key; zero when it says nothing of the kind.
func OwnerNamed(e ledger.Entry) (unit nexus.ID, owner nexus.PublicKey) {
	switch e.Kind {
	case ledger.KindUnit:
		var b ledger.UnitBody
		if nexus.Decode(e.Body, &b) == nil {
			return b.Unit, b.Owner
		}
	case ledger.KindOwnership:
		var b OwnershipEntry
		if nexus.Decode(e.Body, &b) == nil {
			return b.Unit, b.To
		}
	}
	return nexus.ID{}, nexus.PublicKey{}
}

// nameOf names an identity for people: its name, or the short hash of its key.
func (s *State) nameOf(key nexus.PublicKey) string {
	if id := s.Identities[key]; id != nil && id.Name != "" {
		return id.Name
	}
	return "key " + key.Short()
}
