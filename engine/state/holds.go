package state

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// A hold sets part of what an owner is owed aside, for a stated reason and time. It is placed by the owner (who thereby consents that the
// platform may capture it) or by an operator; an operator's can be captured with the owner's approval only. It ends by itself, and at
// once when the unit leaves: a hold never touches an exit.

// Bounds of holds. Lives in milliseconds.
const (
	HoldLifeMinMs      = 60 * 1000
	HoldLifePlatformMs = 90 * 24 * 60 * 60 * 1000  // at most, placed by an operator
	HoldLifeOwnerMs    = 366 * 24 * 60 * 60 * 1000 // at most, placed by the owner
	maxHoldsPerUnit    = 64
)

// Hold is a hold that stands.
type Hold struct {
	ID        nexus.ID
	Unit      nexus.ID
	Period    uint32
	Currency  string
	Minor     int64
	Consented bool // placed by the owner
	By        nexus.PublicKey
	Reason    string
	PlacedMs  int64
	ExpiresMs int64
	Index     uint64
}

// HoldPlace is the body of hold.place.
type HoldPlace struct {
	Period   uint32
	Currency string
	Minor    int64
	LifeMs   int64
	Reason   string
}

// HoldPlaced is its result.
type HoldPlaced struct {
	ID        nexus.ID
	ExpiresMs int64
	Payable   int64
}

// HoldEnd is the body of hold.release, hold.capture and, by a node, hold.expire.
type HoldEnd struct {
	Hold   nexus.ID
	Minor  int64 // of hold.capture: what the platform keeps; 0: all of it; the rest goes back
	Reason string
}

func (st *step) holdPlace() error {
	var b HoldPlace
	if !st.body(&b) {
		return nil
	}
	st.reason(b.Reason)
	o := st.owedIn(b.Period, b.Currency)
	if o == nil {
		return nil
	}
	st.facts.Exit.Hinders = true
	consented := o.byOwner()
	st.facts.Identity.MayIssue = consented || st.byPlatform()
	st.reach(o.unit, "ledger", consented || st.byPlatform())
	most := int64(HoldLifePlatformMs)
	if consented {
		most = HoldLifeOwnerMs
	}
	if b.LifeMs < HoldLifeMinMs || b.LifeMs > most {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("life of %d ms", b.LifeMs), fmt.Sprintf("a minute to %d days", most/86_400_000), "out of range")
	}
	here := 0
	for _, h := range st.s.money.Holds { // any order: counted only
		// From level 4 on each owner has a bound of their own, and so has the platform towards each: neither fills the other's.
		if h.Unit == o.unit.ID && (!st.s.fourth() || h.Period == b.Period && h.Consented == consented) {
			here++
		}
	}
	if here >= maxHoldsPerUnit {
		st.fail(nexus.CodeConflict, "holds of "+o.unit.Label, "release some", "%d stand, at most %d", here, maxHoldsPerUnit)
	}
	o.leaves(b.Minor)
	digest := st.cmd.Action.Digest()
	h := &Hold{ID: nexus.DeriveID("hold", st.s.Cluster[:], digest[:]), Unit: o.unit.ID, Period: b.Period, Currency: b.Currency, Minor: b.Minor,
		Consented: consented, By: st.cmd.Action.Actor, Reason: b.Reason, PlacedMs: st.now, ExpiresMs: st.now + b.LifeMs, Index: st.index}
	st.effect = func() {
		if st.s.money.Holds == nil {
			st.s.money.Holds = map[nexus.ID]*Hold{}
		}
		st.s.money.Holds[h.ID] = h
		payable := o.holdEntry(h, "placed", 0, b.Reason, o.legs(ledger.AccountOwner, "", ledger.AccountHeld, h.ID.String(), h.Minor))
		o.tell("%s of what %s earned you is held by %s: %s; at most until %s, see nexus revenue holds", o.words(h.Minor), o.unit.Label, st.s.nameOf(h.By),
			b.Reason, dayText(h.ExpiresMs))
		st.result = nexus.Encode(HoldPlaced{ID: h.ID, ExpiresMs: h.ExpiresMs, Payable: payable})
	}
	return nil
}

// holdEntry writes the entry of one verb and gives what is payable after it.
func (o *owed) holdEntry(h *Hold, verb string, captured int64, reason string, postings []ledger.Posting) int64 {
	body := ledger.HoldBody{Verb: verb, Hold: h.ID, Period: h.Period, Currency: h.Currency, Minor: h.Minor, Captured: captured, Consented: h.Consented,
		ExpiresMs: h.ExpiresMs, Reason: reason, Approval: o.st.approvalID(), Payable: o.after()}
	o.st.draft(o.unit.ID, ledger.KindHold, body, postings...)
	o.st.events = append(o.st.events, nexus.Event{Type: "hold." + verb, Index: o.st.index, Unit: o.unit.ID, MustDeliver: true})
	return body.Payable
}

// standing finds the hold that an action ends; nil: said why.
func (st *step) standing() (*Hold, *HoldEnd, *owed) {
	var b HoldEnd
	if !st.body(&b) {
		return nil, nil, nil
	}
	st.text("reason", b.Reason)
	h := st.s.money.Holds[b.Hold]
	if h == nil || h.Unit != st.cmd.Action.Unit {
		st.fail(nexus.CodeNotFound, "hold "+b.Hold.String(), "list them with nexus revenue holds", "none stands under this id on this unit")
		return nil, nil, nil
	}
	return h, &b, st.owedIn(h.Period, h.Currency)
}

func (st *step) holdRelease() error {
	h, b, o := st.standing()
	if o == nil {
		return nil
	}
	st.facts.Identity.MayIssue = st.byPlatform()
	st.reach(o.unit, "ledger", st.byPlatform())
	st.effect = func() { o.release(h, "released", orDefault(b.Reason, "released")) }
	return nil
}

// release gives the whole of a hold back.
func (o *owed) release(h *Hold, verb, reason string) {
	delete(o.st.s.money.Holds, h.ID)
	payable := o.holdEntry(h, verb, 0, reason, o.legs(ledger.AccountHeld, h.ID.String(), ledger.AccountOwner, "", h.Minor))
	o.tell("the hold of %s on %s is over (%s); %s is payable now", o.words(h.Minor), o.unit.Label, reason, o.words(payable))
}

// holdCapture gives a hold, or part of it, to the platform. The owner's consent is needed: given when the owner placed it, or by the
// proposal at hand.
func (st *step) holdCapture() error {
	h, b, o := st.standing()
	if o == nil {
		return nil
	}
	st.reason(b.Reason)
	may := st.byPlatform() || st.approval != nil || o.byOwner()
	st.facts.Identity.MayIssue = may
	st.reach(o.unit, "ledger", may)
	st.facts.Exit.Hinders = true
	if h.Consented {
		st.facts.Approval = append(st.facts.Approval, gates.ApprovalFacts{Kind: KindHoldCapture, Needed: true, Parties: 1, Granted: 1})
	} else {
		o.owes(KindHoldCapture)
	}
	if st.s.fourth() && st.s.holdDue(h, st.now) { // whatever the owner consented to was for that time
		st.fail(nexus.CodeConflict, "hold "+h.ID.String(), "ask the owner for a transfer", "its time was up at %s; it goes back to the owner", dayText(h.ExpiresMs))
	}
	minor := orNumber(b.Minor, h.Minor)
	if minor < 0 || minor > h.Minor {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("amount %d", minor), "capture at most what is held", "%s is held", o.words(h.Minor))
		return nil
	}
	st.effect = func() {
		delete(st.s.money.Holds, h.ID)
		postings := o.legs(ledger.AccountHeld, h.ID.String(), ledger.AccountDues, "", minor)
		if rest := h.Minor - minor; rest > 0 {
			postings = append(postings, o.legs(ledger.AccountHeld, h.ID.String(), ledger.AccountOwner, "", rest)...)
		}
		o.holdEntry(h, "captured", minor, b.Reason, postings)
		o.tell("%s of the hold of %s on %s went to the platform, as you consented: %s", o.words(minor), o.words(h.Minor), o.unit.Label, b.Reason)
	}
	return nil
}

// holdExpire is a node's word that a hold's time is up, or that its unit leaves. It is refused when not due.
func (st *step) holdExpire() error {
	h, _, o := st.standing()
	if o == nil {
		return nil
	}
	st.byNode()
	if !st.s.holdDue(h, st.now) {
		st.fail(nexus.CodeConflict, "hold "+h.ID.String(), "wait", "stands until %s", dayText(h.ExpiresMs))
	}
	st.effect = func() { o.release(h, "expired", "its time is up, or the unit leaves") }
	return nil
}

func (s *State) holdDue(h *Hold, nowMs int64) bool {
	u := s.Units[h.Unit]
	return nowMs >= h.ExpiresMs || u != nil && leaving(u)
}

// Holds lists what stands, by id. The list is the caller's, the holds are not.
func (s *State) Holds() []*Hold {
	var out []*Hold
	for _, id := range sortedIDs(s.money.Holds) {
		out = append(out, s.money.Holds[id])
	}
	return out
}

// DueHolds lists up to most that a node should end at a log time.
func (s *State) DueHolds(nowMs int64, most int) []Hold {
	var out []Hold
	for _, h := range s.Holds() {
		if len(out) < most && s.holdDue(h, nowMs) {
			out = append(out, *h)
		}
	}
	return out
}
