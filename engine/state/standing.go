package state

import (
	"fmt"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// What level 4 of the rules changed (docs/decisions/0062-level-four.md). Each function here does as before below that level.

// fourth reports whether the rules of level 4 hold.
func (s *State) fourth() bool { return s.Rules >= RulesStanding }

// role is what an identity may act as: a node that was removed is nobody any more.
func (s *State) role(id *Identity) gates.Role {
	if n := s.Nodes[id.Key]; id.Role == gates.RoleNode && (n == nil || !n.Admitted) {
		return gates.RoleNone
	}
	return id.Role
}

// signals reports whether a class is the one that carries the platform's own signalling.
func signals(class string) bool { return class == slices.ClassControl.String() }

// signalFacts says whose word stands behind a slice of the platform's own class; nil for any other class.
func (st *step) signalFacts(class, held string) []gates.SignalFacts {
	if !st.s.fourth() || !signals(class) {
		return nil
	}
	return []gates.SignalFacts{{Held: signals(held), Platform: st.platformsWord()}}
}

// platformsWord reports whether the platform's side stands behind the change at hand: it signed the action, or proposed or granted the very
// proposal that is being applied.
func (st *step) platformsWord() bool {
	p := st.approval
	if p == nil {
		return st.platformSide()
	}
	for i := range p.Parties {
		if x := &p.Parties[i]; x.Role == PartyPlatform && !x.GrantedBy.IsZero() {
			return true
		}
	}
	return st.s.actsFor(p.Proposer)
}

// platformSide reports whether the actor is of the platform's side: an operator, the platform or a node.
func (st *step) platformSide() bool {
	role := st.facts.Identity.Role
	return role == gates.RoleOperator || role == gates.RolePlatform || role == gates.RoleNode
}

// signalParty lists the platform as a party to a slice of its own class.
func (s *State) signalParty(u *Unit, kind string, body []byte) []Party {
	var b SliceSet
	if !s.fourth() || kind != KindSliceSet || nexus.Decode(body, &b) != nil || !signals(b.Class) || signals(u.Slice.Class) {
		return nil
	}
	return []Party{{Role: PartyPlatform}}
}

// limitFacts are the program's limits, when an envelope asked for is not within them.
func (s *State) limitFacts(f *gates.EnvelopeFacts) []gates.LimitFacts {
	if !s.fourth() || f.Valid {
		return nil
	}
	return []gates.LimitFacts{{CPUMilli: maxCPUMilli, MemoryBytes: maxMemoryBytes, StorageBytes: maxStorageBytes, Processes: maxProcesses}}
}

// here refuses to give resources to a unit that has left: what it would hold is missing for those that are here, and nobody ever takes
// it back.
func (st *step) here(u *Unit) {
	x := st.s.exits[u.ID]
	if st.s.fourth() && (u.Status == StatusClosed || x != nil && x.ReleasedMs != 0) {
		st.fail(nexus.CodeConflict, "unit "+u.Label, "bring it back first: nexus imvu import DIR", "has left and its resources went")
	}
}

// likeIssued says for what a name stands that the platform gives to nodes and sources by itself: taken beforehand, it would keep them out.
func likeIssued(name string) string {
	name = strings.ToLower(name)
	for _, prefix := range []string{"node-", "source-"} {
		if strings.HasPrefix(name, prefix) {
			return "name that the platform gives to a " + strings.TrimSuffix(prefix, "-")
		}
	}
	return ""
}

// who names an identity in a text of this log: before level 4 as earlier versions did.
func (st *step) who(key nexus.PublicKey) string {
	if !st.s.fourth() {
		return key.Short()
	}
	return st.s.nameOf(key)
}

// cause gives an error's words for a text that names operation, subject and way out by itself.
func (st *step) cause(err error) any {
	if e, ok := err.(*nexus.Error); ok && st.s.fourth() && e.Cause != nil {
		return e.Cause
	}
	return err
}

// hint gives an error's way out, and before level 4 the one that earlier versions named.
func (st *step) hint(err error, before string) string {
	if e, ok := err.(*nexus.Error); ok && st.s.fourth() {
		return e.Hint
	}
	return before
}

// moment writes a log time for people.
func (st *step) moment(ms int64) string {
	if !st.s.fourth() {
		return fmt.Sprint(ms)
	}
	return dayText(ms)
}

// changeWords words a proposal's change for its parties, with the names that are known here.
func (s *State) changeWords(p *Proposal) string {
	if !s.fourth() {
		return describeChange(p)
	}
	switch p.Kind {
	case KindSliceSet:
		var b SliceSet
		if u := s.Units[p.Unit]; u != nil && nexus.Decode(p.Body, &b) == nil {
			if s.seventh() {
				return s.proposedSlice(u, &b)
			}
			if from, to := s.capsOfClasses(u, b.Class); from != to {
				return wordsOfChange("%s; at most %d connections at once in place of %d, by the class", describeChange(p), to, from)
			}
		}
	case KindUnitTransfer:
		var b UnitTransfer
		if nexus.Decode(p.Body, &b) == nil {
			return "unit.transfer to " + s.nameOf(b.To)
		}
	case KindHoldCapture:
		var b HoldEnd
		if nexus.Decode(p.Body, &b) == nil && s.money.Holds[b.Hold] != nil {
			h := s.money.Holds[b.Hold]
			minor := nexus.Money{Minor: orNumber(b.Minor, h.Minor), Currency: h.Currency}
			return wordsOfChange("hold.capture of %s held since %s: %s", minor, dayText(h.PlacedMs), b.Reason)
		}
	}
	return describeChange(p)
}

// roomFor reports whether an amount may come to what the unit's owners have in a currency, or leave it, without any balance of the unit
// passing 64 bits: then, and whatever becomes of it afterwards. The ledger adds up the accounts of all periods.
func (o *owed) roomFor(minor int64, comes bool) bool {
	if !o.st.s.fourth() {
		return true
	}
	var all Purse
	ok := true
	add := func(to *int64, minor int64) {
		sum, fits := nexus.AddMinor(*to, minor)
		*to, ok = sum, ok && fits
	}
	for _, p := range o.st.s.Periods(o.unit.ID) {
		x := o.st.s.PurseOf(PurseKey{o.unit.ID, uint32(p.Number), o.currency})
		add(&all.Drawn, x.Drawn)
		add(&all.Held, x.Held)
		add(&all.OnItsWay, x.OnItsWay)
		add(&all.Paid, x.Paid)
		add(&all.Dues, x.Dues)
	}
	if comes {
		add(&all.Dues, -minor)
		all.Drawn = max(all.Drawn, 0)
		for _, x := range []int64{all.Held, all.OnItsWay, all.Paid, minor} {
			add(&all.Drawn, x)
		}
		return ok
	}
	add(&all.Drawn, -minor)
	all.Dues = max(all.Dues, 0)
	for _, x := range []int64{all.Held, all.OnItsWay, all.Paid, minor} {
		add(&all.Dues, x)
	}
	return ok
}

// tellEarlierOwners tells those who owned a unit in the time that a statement is of, and own it no more, that it is issued: they may dispute it
// as the present owner may.
func (st *step) tellEarlierOwners(u *Unit, month, after uint32) {
	if !st.s.fourth() {
		return
	}
	begin, _ := MonthEndMs(after) // 0: the first statement
	told := map[nexus.PublicKey]bool{u.Owner: true, st.s.Platform: true}
	for n, p := range st.s.OwnerPeriods(u.ID) {
		owner := st.s.heir(p.Owner)
		if p.UntilMs <= begin || told[owner] {
			continue
		}
		told[owner] = true
		st.noticeTo(owner, u.ID, "the statement of %s for %s, which you owned until %s, is issued; what it says of your period %d can be disputed until %s",
			u.Label, MonthText(month), dayText(p.UntilMs), n, dayText(st.now+DisputeTermMs))
	}
}

// chargebackText words what chargebacks took from an owner. The first form said so twice: it took back a sum below zero.
func (b *batch) chargebackText(u *Unit, l *chargebackLot, currency string) string {
	amount, share := nexus.Money{Minor: l.minor, Currency: currency}, nexus.Money{Minor: l.creator, Currency: currency}
	first := clipTo(orDefault(l.first.EventID, "in a sequence"), 64)
	if !b.st.s.fourth() {
		return fmt.Sprintf("%d chargeback(s) on %s took back %s; your share changed by %s (first event %q of source %s): nexus revenue balance --unit %s",
			l.count, u.Label, amount, share, first, b.src.Name, u.Label)
	}
	amount.Minor, share.Minor = opposite(amount.Minor), opposite(share.Minor)
	what := "a chargeback"
	if l.count > 1 {
		what = fmt.Sprintf("%d chargebacks", l.count)
	}
	return fmt.Sprintf("%s on %s took back %s; your share fell by %s (first event %q of source %s): nexus revenue balance --unit %s", what, u.Label, amount,
		share, first, b.src.Name, u.Label)
}

// opposite turns a sign around; the smallest number, which has no opposite, becomes the largest.
func opposite(n int64) int64 {
	if n == -1<<63 {
		return 1<<63 - 1
	}
	return -n
}

// noRoom refuses an amount that the unit's balances cannot take.
func (o *owed) noRoom(minor int64) {
	o.st.fail(nexus.CodeConflict, fmt.Sprintf("amount %d", minor), "settle it in smaller parts, or in another way",
		"takes a balance of %s in %s past 64 bits", o.unit.Label, o.currency)
}
