package state_test

import (
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// TestNoSequenceOfEventsDriftsFromTheFormula runs random sequences of sales, refunds, chargebacks, pending events posted in whole or in
// part, voided and expired, transfers, holds, payouts and changes of owner, in several currencies. After each command creator =
// ceil(gross x percent / 100) in big numbers, the gross is what was accepted and nothing pending, every entry sums to zero per
// currency, and no owner's account went below zero by anything but a refund. At the end the commands, applied again, give the same
// bytes and the same state.
func TestNoSequenceOfEventsDriftsFromTheFormula(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := newMoneyRun(t)
		for range rapid.IntRange(5, 80).Draw(t, "commands") {
			g.step()
			if rapid.IntRange(0, 9).Draw(t, "restore") == 0 {
				g.w.swap()
			}
		}
		g.w.check()
		g.w.checkOwners()
		g.checkGross()
		g.w.verified()
		g.w.replay()
	})
}

// moneyRun draws commands about money and keeps the gross that the accepted ones must add up to.
type moneyRun struct {
	t      *rapid.T
	w      *world
	shop   nexus.KeySigner
	owners []nexus.KeySigner
	units  []nexus.ID
	sold   []state.RevenueEvent
	opened []nexus.ID // pending events
	gross  map[state.AccountKey]*big.Int
	next   int
}

func newMoneyRun(t *rapid.T) *moneyRun {
	g := &moneyRun{t: t, w: newWorld(t), shop: signer(30), owners: []nexus.KeySigner{signer(31), signer(32), signer(33)},
		gross: map[state.AccountKey]*big.Int{}}
	g.w.must(g.w.operator, state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "shop", Class: state.ClassProvider, Key: g.shop.Public()})
	for i, kind := range []string{state.KindIMVUCreate, state.KindPlatformCreate, state.KindIMVUCreate} {
		g.units = append(g.units, g.w.create(g.w.operator, kind, state.UnitCreate{Name: fmt.Sprint("Unit ", i), OwnerName: fmt.Sprint("owner", i),
			OwnerKey: g.owners[i].Public()}))
	}
	for range rapid.IntRange(0, state.RulesMax).Draw(t, "level") {
		g.raise()
	}
	return g
}

// raise brings the rules to the next level, as the start of a newer program does in the middle of a log.
func (g *moneyRun) raise() {
	if g.w.a.Rules < state.RulesMax {
		g.w.must(g.w.node, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: g.w.a.Rules + 1})
	}
}

func draw[T any](g *moneyRun, from []T, what string) T {
	return from[rapid.IntRange(0, len(from)-1).Draw(g.t, what)]
}

func (g *moneyRun) number(low, high int64) int64 {
	return rapid.Int64Range(low, high).Draw(g.t, "number")
}

// small amounts show rounding, large ones overflow.
func (g *moneyRun) minor() int64 {
	return draw(g, []int64{1, 1, 1, 2, 3, 7, 99, 100, 101, 1999, 1 << 40, 1 << 62}, "minor")
}

func (g *moneyRun) signerOf(key nexus.PublicKey) nexus.Signer {
	for _, s := range g.owners {
		if s.Public() == key {
			return s
		}
	}
	return g.w.operator
}

func (g *moneyRun) step() {
	steps := []func(){g.sale, g.sale, g.sale, g.refund, g.refund, g.announce, g.announce, g.settle, g.settle, g.settle, g.transfer, g.hold, g.endHold,
		g.terms, g.payout, g.payout, g.settlePayout, g.settlePayout, g.handOver, g.fee, g.raise}
	draw(g, steps, "step")()
	g.w.now += draw(g, []int64{0, 0, 1000, 3_600_000, 40 * 86_400_000}, "wait")
}

func (g *moneyRun) event() state.RevenueEvent {
	g.next++
	return state.RevenueEvent{Unit: draw(g, g.units, "unit"), EventID: fmt.Sprint("e", g.next), Kind: "sale", Currency: draw(g, []string{"USD",
		"JPY", "KWD"}, "currency"),
		Minor: g.minor(), TimeMs: g.w.now}
}

// count notes what an accepted action added to the gross.
func (g *moneyRun) count(e state.RevenueEvent, minor int64) {
	k := state.AccountKey{Unit: e.Unit, Currency: e.Currency}
	if g.gross[k] == nil {
		g.gross[k] = new(big.Int)
	}
	g.gross[k].Add(g.gross[k], big.NewInt(minor))
}

func (g *moneyRun) checkGross() {
	g.t.Helper()
	for k, a := range g.w.a.Accounts {
		want := g.gross[k]
		if want == nil || want.Cmp(big.NewInt(a.Gross)) != 0 {
			g.t.Fatalf("%+v has a gross of %d, what was accepted adds up to %v", k, a.Gross, want)
		}
	}
	for k, want := range g.gross {
		if g.w.a.Accounts[k] == nil && want.Sign() != 0 {
			g.t.Fatalf("%+v should have %v", k, want)
		}
	}
}

func accepted(out *state.Outcome) bool { return out.Receipt.Allowed && out.Err == nil && !out.Repeated }

func (g *moneyRun) post(e state.RevenueEvent) {
	post := state.RevenuePost{Source: "shop", Events: []state.RevenueEvent{e}}
	out := g.w.do(g.shop, state.KindRevenuePost, nexus.ID{}, post)
	var posted state.RevenuePosted
	if accepted(out) && nexus.Decode(out.Receipt.Result, &posted) == nil && posted.Posted == 1 {
		g.count(e, e.Minor)
		g.sold = append(g.sold, e)
	}
}

func (g *moneyRun) sale() {
	if len(g.sold) > 0 && g.number(0, 5) == 0 { // the same again, or the same id with other content: neither counts
		e := draw(g, g.sold, "again")
		if g.number(0, 1) == 0 {
			e.Minor++
		}
		g.post(e)
		return
	}
	g.post(g.event())
}

func (g *moneyRun) refund() {
	if len(g.sold) == 0 {
		return
	}
	old := draw(g, g.sold, "refunded")
	e := state.RevenueEvent{Unit: old.Unit, Currency: old.Currency, Kind: draw(g, []string{"refund", "chargeback"}, "kind"), RefundOf: old.EventID,
		TimeMs: g.w.now, Minor: -draw(g, []int64{1, 1, old.Minor, old.Minor/2 + 1, old.Minor + 1}, "back")}
	g.next++
	e.EventID = fmt.Sprint("e", g.next)
	g.post(e)
}

func (g *moneyRun) announce() {
	b := state.PendingOpen{Source: "shop", Event: g.event(), LifeMs: draw(g, []int64{0, state.PendingLifeMinMs, state.PendingLifeMaxMs}, "life")}
	if len(g.sold) > 0 && g.number(0, 7) == 0 {
		b.Event.EventID = draw(g, g.sold, "taken").EventID
	}
	out := g.w.do(g.shop, state.KindPendingOpen, nexus.ID{}, b)
	var opened state.PendingOpened
	if accepted(out) && nexus.Decode(out.Receipt.Result, &opened) == nil {
		g.opened = append(g.opened, opened.ID)
	}
}

func (g *moneyRun) settle() {
	if len(g.opened) == 0 {
		return
	}
	id := draw(g, g.opened, "pending")
	var e *state.Pending
	for _, p := range g.w.a.PendingList() {
		if p.ID == id {
			e = p
		}
	}
	switch kind := draw(g, []string{state.KindPendingPost, state.KindPendingPost, state.KindPendingVoid, state.KindPendingExpire}, "settle"); kind {
	case state.KindPendingExpire:
		out := g.w.do(g.w.node, kind, nexus.ID{}, state.PendingSettle{Pending: id})
		if accepted(out) && (e == nil || g.w.a.TimeMs < e.ExpiresMs) {
			g.t.Fatalf("expired before its time: %+v", e)
		}
	case state.KindPendingVoid:
		g.w.do(g.shop, kind, nexus.ID{}, state.PendingSettle{Pending: id})
	default:
		b := state.PendingSettle{Pending: id}
		if e != nil {
			b.Minor = draw(g, []int64{0, 1, e.Event.Minor, e.Event.Minor/2 + 1, e.Event.Minor + 1}, "part")
		}
		out := g.w.do(g.shop, kind, nexus.ID{}, b)
		if !accepted(out) {
			return
		}
		if e == nil || b.Minor > e.Event.Minor {
			g.t.Fatalf("posted %d of %+v", b.Minor, e)
		}
		posted := e.Event
		if b.Minor > 0 {
			posted.Minor = b.Minor
		}
		g.count(posted, posted.Minor)
		g.sold = append(g.sold, posted)
	}
}

// owner draws a unit, one of its periods and the key that speaks for it.
func (g *moneyRun) owner() (nexus.ID, uint32, nexus.Signer) {
	unit := draw(g, g.units, "unit")
	p := draw(g, g.w.a.Periods(unit), "period")
	return unit, uint32(p.Number), g.signerOf(p.Owner)
}

func (g *moneyRun) currency() string { return draw(g, []string{"USD", "JPY", "KWD"}, "currency") }

func (g *moneyRun) transfer() {
	unit, period, owner := g.owner()
	b := state.TransferMake{Period: period, Currency: g.currency(), Minor: g.minor(), ToOwner: g.number(0, 2) == 0, Reason: "studio time"}
	if b.ToOwner {
		owner = g.w.operator
	}
	g.w.do(owner, state.KindTransferMake, unit, b)
	if !b.ToOwner {
		if out := g.w.do(g.w.operator, state.KindTransferMake, unit, b); out.Receipt.Allowed {
			g.t.Fatalf("the platform took money alone")
		}
	}
}

// fee is a transfer that the platform proposes and the owner grants.
func (g *moneyRun) fee() {
	unit, period, owner := g.owner()
	out := g.w.do(g.w.operator, state.KindProposalOpen, unit, state.ProposalOpen{Kind: state.KindTransferMake,
		Body: nexus.Encode(state.TransferMake{Period: period, Currency: g.currency(), Minor: g.minor(), Reason: "fee"})})
	var opened state.ProposalOpened
	if accepted(out) && nexus.Decode(out.Receipt.Result, &opened) == nil {
		g.w.do(owner, state.KindProposalGrant, unit, state.ProposalDecide{Proposal: opened.ID, Change: opened.Change})
	}
}

func (g *moneyRun) hold() {
	unit, period, owner := g.owner()
	if g.number(0, 1) == 0 {
		owner = g.w.operator
	}
	g.w.do(owner, state.KindHoldPlace, unit, state.HoldPlace{Period: period, Currency: g.currency(), Minor: g.minor(),
		LifeMs: draw(g, []int64{state.HoldLifeMinMs, state.HoldLifePlatformMs}, "life"), Reason: "check"})
}

func (g *moneyRun) endHold() {
	all := g.w.a.Holds()
	if len(all) == 0 {
		return
	}
	h := draw(g, all, "hold")
	kind := draw(g, []string{state.KindHoldRelease, state.KindHoldCapture, state.KindHoldExpire}, "end")
	who := nexus.Signer(g.w.operator)
	if kind == state.KindHoldExpire {
		who = g.w.node
	}
	out := g.w.do(who, kind, h.Unit, state.HoldEnd{Hold: h.ID, Minor: draw(g, []int64{0, 1, h.Minor, h.Minor + 1}, "part"), Reason: "done"})
	if accepted(out) && kind == state.KindHoldCapture && !h.Consented {
		g.t.Fatalf("a hold was captured without the owner's consent")
	}
}

func (g *moneyRun) terms() {
	unit, period, owner := g.owner()
	g.w.do(owner, state.KindPayoutSet, unit, state.PayoutSet{Period: period, Schedule: draw(g, []string{"", "weekly", "daily", "manual"}, "schedule"),
		Destination: "acct_1", Thresholds: []ledger.MinorLimit{{Currency: "USD", Minor: 50}}})
}

func (g *moneyRun) payout() {
	for _, k := range g.w.a.DuePayouts(g.w.now, 2) {
		if out := g.w.do(g.w.node, state.KindPayoutOpen, k.Unit, state.PayoutOpen{Period: k.Period, Currency: k.Currency}); !accepted(out) && out.Err == nil {
			g.t.Fatalf("a payout that is due was refused: %+v", out.Receipt)
		}
	}
	unit, period, owner := g.owner()
	g.w.do(owner, state.KindPayoutOpen, unit, state.PayoutOpen{Period: period, Currency: g.currency(), Minor: draw(g, []int64{0, 1, 1 << 41}, "part")})
}

func (g *moneyRun) settlePayout() {
	for _, p := range g.w.a.Payouts() {
		if p.Status == state.PayoutPending && g.number(0, 1) == 0 {
			g.w.do(g.w.operator, draw(g, []string{state.KindPayoutPost, state.KindPayoutVoid}, "settle"), p.Unit,
				state.PayoutSettle{Payout: p.ID, Reference: "tr_1", Reason: "closed account"})
			return
		}
	}
}

// handOver transfers a unit: both owners and the platform sign.
func (g *moneyRun) handOver() {
	unit := draw(g, g.units, "unit")
	owner, to := g.w.a.Units[unit].Owner, draw(g, g.owners, "to")
	out := g.w.do(g.w.operator, state.KindProposalOpen, unit, state.ProposalOpen{Kind: state.KindUnitTransfer,
		Body: nexus.Encode(state.UnitTransfer{To: to.Public()})})
	var opened state.ProposalOpened
	if !accepted(out) || nexus.Decode(out.Receipt.Result, &opened) != nil {
		return
	}
	for _, s := range []nexus.Signer{g.signerOf(owner), to} {
		g.w.do(s, state.KindProposalGrant, unit, state.ProposalDecide{Proposal: opened.ID, Change: opened.Change})
	}
}
