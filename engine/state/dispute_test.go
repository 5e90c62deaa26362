package state_test

import (
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// Who may contest what, and who may answer: everything else is refused and leaves the state as it was.
func TestDisputesRefused(t *testing.T) {
	t.Parallel()
	w, unit := moneyStory(t)
	ada, bob := signer(31), signer(32)
	open := func(change func(*state.DisputeOpen)) state.DisputeOpen {
		b := state.DisputeOpen{Period: 1, Month: 197003, Currency: "USD", Minor: 5, Reason: "short"}
		change(&b)
		return b
	}
	var made state.DisputeMade
	w.result(w.must(bob, state.KindDisputeOpen, unit, open(func(b *state.DisputeOpen) { b.Entry = 7 })), &made)
	end := state.DisputeEnd{Dispute: made.ID, Reason: "no"}
	for name, c := range map[string]struct {
		by   nexus.Signer
		kind string
		body any
		want string
	}{
		"another's period":      {ada, state.KindDisputeOpen, open(func(*state.DisputeOpen) {}), "may not ask"},
		"the platform's own":    {w.operator, state.KindDisputeOpen, open(func(*state.DisputeOpen) {}), "may not ask"},
		"month without one":     {bob, state.KindDisputeOpen, open(func(b *state.DisputeOpen) { b.Month = 197002 }), "not issued"},
		"entry after it":        {bob, state.KindDisputeOpen, open(func(b *state.DisputeOpen) { b.Entry = 1 << 40 }), "was made from"},
		"below zero":            {bob, state.KindDisputeOpen, open(func(b *state.DisputeOpen) { b.Minor = -1 }), "below zero"},
		"without a reason":      {bob, state.KindDisputeOpen, open(func(b *state.DisputeOpen) { b.Reason = "" }), "reason"},
		"the same twice":        {bob, state.KindDisputeOpen, open(func(b *state.DisputeOpen) { b.Entry, b.Minor = 7, 6 }), "is open"},
		"answered by its owner": {bob, state.KindDisputeAnswer, end, "may not ask"},
		"withdrawn by another":  {w.operator, state.KindDisputeWithdraw, end, "may not ask"},
		"rejected with money":   {w.operator, state.KindDisputeAnswer, state.DisputeEnd{Dispute: made.ID, Minor: 1, Reason: "no"}, "accepted"},
		"paid past all bounds": {w.operator, state.KindDisputeAnswer, state.DisputeEnd{Dispute: made.ID, Accept: true, Minor: 1 << 60, Reason: "no"},
			"out of range"},
		"answer without reason": {w.operator, state.KindDisputeAnswer, state.DisputeEnd{Dispute: made.ID}, "reason"},
		"unknown":               {w.operator, state.KindDisputeAnswer, state.DisputeEnd{Dispute: unit, Reason: "no"}, "not known"},
	} {
		before := len(w.a.Disputes())
		out := w.do(c.by, c.kind, unit, c.body)
		said := out.Receipt.Reason
		if out.Err != nil {
			said += out.Err.Error()
		}
		if out.Receipt.Allowed && out.Err == nil || !strings.Contains(said, c.want) {
			t.Errorf("%s: allowed %v, %q, want %q", name, out.Receipt.Allowed, said, c.want)
		}
		if len(w.a.Disputes()) != before {
			t.Errorf("%s: changed the disputes", name)
		}
	}
	w.must(w.operator, state.KindDisputeAnswer, unit, end)
	if out := w.do(w.operator, state.KindDisputeAnswer, unit, end); out.Receipt.Allowed && out.Err == nil {
		t.Error("answered twice")
	}
	w.now += state.DisputeTermMs
	if out := w.do(bob, state.KindDisputeOpen, unit, open(func(*state.DisputeOpen) {})); out.Err == nil && out.Receipt.Allowed {
		t.Error("contested after its term")
	}
	w.check()
	w.checkOwners()
	w.verified()
	w.replay()
}

// An unanswered dispute is overdue from its term on, and only then; a decided one never is.
func TestDisputeOverdue(t *testing.T) {
	t.Parallel()
	w, unit := moneyStory(t)
	var made state.DisputeMade
	w.result(w.must(signer(32), state.KindDisputeOpen, unit, state.DisputeOpen{Period: 1, Month: 197003, Currency: "USD", Reason: "short"}), &made)
	for _, d := range w.a.Disputes() {
		if open := d.ID == made.ID; d.Overdue(made.DueMs-1) || d.Overdue(made.DueMs) != open {
			t.Errorf("dispute %s, %s: overdue %v before, %v at its term", d.ID, d.Status, d.Overdue(made.DueMs-1), d.Overdue(made.DueMs))
		}
	}
}
