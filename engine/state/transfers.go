package state

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// TransferMake is the body of transfer.make: money between the owner of a period and the platform for other reasons than the split. What
// an owner pays (a fee owed) needs the owner's approval; what the platform pays, an operator's signature.
type TransferMake struct {
	Period   uint32 // of ownership, from 0
	Currency string
	Minor    int64 // above zero
	ToOwner  bool  // the platform pays
	Reason   string
}

// TransferMade is its result.
type TransferMade struct {
	ID      nexus.ID
	Payable int64
}

func (st *step) transferMake() error {
	var b TransferMake
	if !st.body(&b) {
		return nil
	}
	st.reason(b.Reason)
	o := st.owedIn(b.Period, b.Currency)
	if o == nil {
		return nil
	}
	if b.ToOwner && st.approval != nil {
		st.fail(nexus.CodeConflict, "transfer to the owner", "send it itself, signed by an operator", "needs nobody's approval")
	}
	if b.ToOwner {
		st.facts.Identity.MayIssue = st.byPlatform()
		st.reach(o.unit, "ledger", st.byPlatform())
		if !o.fits(b.Minor) {
			st.fail(nexus.CodeMalformed, fmt.Sprintf("amount %d", b.Minor), fmt.Sprintf("1 to %d minor units", int64(maxTransferMinor)), "out of range")
		} else if !o.roomFor(b.Minor, true) {
			o.noRoom(b.Minor)
		}
	} else {
		o.owes(KindTransferMake)
		st.facts.Identity.MayIssue = o.byOwner() || st.byPlatform() || st.approval != nil
		st.reach(o.unit, "ledger", o.byOwner() || st.byPlatform() || st.approval != nil)
		o.leaves(b.Minor)
	}
	digest := st.cmd.Action.Digest()
	id := nexus.DeriveID("transfer", st.s.Cluster[:], digest[:])
	st.effect = func() { o.transfer(&b, id) }
	return nil
}

// maxTransferMinor bounds what the platform pays at once, so that no balance can be brought near the end of 64 bits.
const maxTransferMinor = 1 << 56

// fits reports whether the platform may pay an amount: above zero, and within the bounds of every balance.
func (o *owed) fits(minor int64) bool {
	_, drawn := nexus.AddMinor(o.st.s.PurseOf(o.key()).Drawn, minor)
	_, owed := nexus.AddMinor(o.payable, minor)
	return minor > 0 && minor <= maxTransferMinor && drawn && owed
}

func (o *owed) transfer(b *TransferMake, id nexus.ID) {
	from, to := ledger.AccountOwner, ledger.AccountDues
	if b.ToOwner {
		from, to = to, from
	}
	postings := o.legs(from, "", to, "", b.Minor)
	body := ledger.TransferBody{Transfer: id, Period: b.Period, Currency: b.Currency, Minor: b.Minor, ToOwner: b.ToOwner, Reason: b.Reason,
		Approval: o.st.approvalID(), Payable: o.after()}
	o.st.draft(o.unit.ID, ledger.KindTransfer, body, postings...)
	if b.ToOwner {
		o.tell("the platform pays you %s for %s: %s; %s is payable now", o.words(b.Minor), o.unit.Label, b.Reason, o.words(body.Payable))
	} else {
		o.tell("%s went from your account of %s to the platform, as you approved: %s; %s is payable now", o.words(b.Minor), o.unit.Label, b.Reason,
			o.words(body.Payable))
	}
	o.st.result = nexus.Encode(TransferMade{ID: id, Payable: body.Payable})
	o.st.events = append(o.st.events, nexus.Event{Type: "transfer.made", Index: o.st.index, Unit: o.unit.ID, MustDeliver: true})
}
