package state_test

import (
	"maps"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func (w *court) sell(unit nexus.ID, id string, minor int64) {
	w.must(w.operator, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{sale(unit, id, minor)}})
}

func (w *court) earned(unit nexus.ID) map[nexus.PublicKey]int64 {
	out := map[nexus.PublicKey]int64{}
	for _, e := range w.a.EarnedBy(unit) {
		out[e.Owner] += e.Minor
	}
	return out
}

// transfer takes a unit from ada to bob with all three signatures.
func (w *court) transfer(unit nexus.ID) {
	p := w.openAs(w.ada, state.KindUnitTransfer, unit, state.UnitTransfer{To: w.bob.Public()}, 0)
	w.must(w.bob, state.KindProposalGrant, unit, word(p))
	w.must(w.operator, state.KindProposalGrant, unit, word(p))
}

// A transfer needs the present owner, the new owner and the platform; what was earned before stays with the earlier owner.
func TestEarlierRevenueStaysWithTheEarlierOwner(t *testing.T) {
	t.Parallel()
	w := newCourt(t) // 107 sold: 59 are ada's
	p := w.openAs(w.ada, state.KindUnitTransfer, w.imvu, state.UnitTransfer{To: w.bob.Public()}, 0)
	w.must(w.operator, state.KindProposalGrant, w.imvu, word(p))
	if w.a.Units[w.imvu].Owner != w.ada.Public() {
		t.Fatal("the unit moved without the new owner's signature")
	}
	w.must(w.bob, state.KindProposalGrant, w.imvu, word(p))
	if w.a.Units[w.imvu].Owner != w.bob.Public() {
		t.Fatal("the unit did not move with all signatures")
	}
	w.swap()
	w.sell(w.imvu, "after", 1000)
	got := w.earned(w.imvu)
	acc := w.a.Accounts[state.AccountKey{Unit: w.imvu, Currency: "USD"}]
	if got[w.ada.Public()] != 59 || got[w.bob.Public()] != acc.Creator-59 || acc.Gross != 1107 {
		t.Errorf("earned %v of %+v", got, acc)
	}
	periods := w.a.OwnerPeriods(w.imvu)
	if len(periods) != 1 || periods[0].Owner != w.ada.Public() || periods[0].NextOwner != w.bob.Public() || periods[0].Proposal != p.ID ||
		len(periods[0].Balances) != 1 || periods[0].Balances[0].Creator != 59 {
		t.Errorf("periods %+v", periods)
	}
	// Ada has no word on the unit any more, bob has.
	if out := w.do(w.ada, state.KindRouteSet, w.imvu, w.route("http://127.0.0.1:9003")); out.Receipt.Allowed {
		t.Error("the earlier owner still sets routes")
	}
	w.must(w.bob, state.KindRouteSet, w.imvu, w.route("http://127.0.0.1:9003"))
	w.swap()
	w.check()
}

func to(key nexus.Signer) state.UnitTransfer { return state.UnitTransfer{To: key.Public()} }

func handOver(key nexus.Signer) state.ProposalOpen {
	return state.ProposalOpen{Kind: state.KindUnitTransfer, Body: nexus.Encode(to(key))}
}

func unsignedTransfers() map[string]func(t *testing.T, w *court) {
	return map[string]func(t *testing.T, w *court){
		"by the owner alone": func(t *testing.T, w *court) {
			refusedFor(t, w.do(w.ada, state.KindUnitTransfer, w.imvu, to(w.bob)), 1, "0 of 3 signatures")
		},
		"by an operator alone": func(t *testing.T, w *court) {
			refusedFor(t, w.do(w.operator, state.KindUnitTransfer, w.imvu, to(w.operator)), 1, "0 of 3 signatures")
		},
		"by a stranger": func(t *testing.T, w *court) {
			refusedFor(t, w.do(w.bob, state.KindProposalOpen, w.imvu, handOver(w.bob)), 1, "may not ask")
		},
		"without the present owner": func(t *testing.T, w *court) {
			p := w.openAs(w.operator, state.KindUnitTransfer, w.imvu, to(w.bob), 0)
			w.must(w.bob, state.KindProposalGrant, w.imvu, word(p))
			refusedFor(t, w.do(w.second, state.KindProposalGrant, w.imvu, word(p)), 1, "has no word to give")
		},
		"without the platform": func(t *testing.T, w *court) {
			p := w.openAs(w.ada, state.KindUnitTransfer, w.imvu, to(w.bob), 0)
			w.must(w.bob, state.KindProposalGrant, w.imvu, word(p))
			refusedFor(t, w.do(w.carl, state.KindProposalGrant, w.imvu, word(p)), 1, "has no word to give")
		},
	}
}

func brokenTransfers() map[string]func(t *testing.T, w *court) {
	return map[string]func(t *testing.T, w *court){
		"to one who said no": func(t *testing.T, w *court) {
			p := w.openAs(w.ada, state.KindUnitTransfer, w.imvu, to(w.bob), 0)
			w.must(w.bob, state.KindProposalRefuse, w.imvu, word(p))
			if out := w.do(w.operator, state.KindProposalGrant, w.imvu, word(p)); out.Err == nil {
				t.Error("granted after a refusal")
			}
		},
		"after the owner took his word back": func(t *testing.T, w *court) {
			p := w.openAs(w.ada, state.KindUnitTransfer, w.imvu, to(w.bob), 0)
			w.must(w.bob, state.KindProposalGrant, w.imvu, word(p))
			w.must(w.ada, state.KindProposalRefuse, w.imvu, word(p))
			invalidFor(t, w.do(w.operator, state.KindProposalGrant, w.imvu, word(p)), nexus.CodeConflict, "was refused")
		},
		"in the silence of the new owner": func(t *testing.T, w *court) {
			p := w.openAs(w.ada, state.KindUnitTransfer, w.imvu, to(w.bob), 0)
			w.must(w.operator, state.KindProposalGrant, w.imvu, word(p))
			w.now = p.ExpiresMs
			invalidFor(t, w.do(w.bob, state.KindProposalGrant, w.imvu, word(p)), nexus.CodeConflict, "silence was refusal")
			w.must(w.node, state.KindProposalExpire, w.imvu, word(p))
			invalidFor(t, w.do(w.bob, state.KindProposalGrant, w.imvu, word(p)), nexus.CodeConflict, "was expired")
		},
		"to another than was signed": func(t *testing.T, w *court) {
			p := w.openAs(w.ada, state.KindUnitTransfer, w.imvu, to(w.bob), 0)
			q := w.openAs(w.ada, state.KindUnitTransfer, w.imvu, to(w.carl), 0)
			w.must(w.operator, state.KindProposalGrant, w.imvu, word(p))
			invalidFor(t, w.do(w.bob, state.KindProposalGrant, w.imvu, state.ProposalDecide{Proposal: p.ID, Change: q.Change}), nexus.CodeConflict, "its digest is")
			refusedFor(t, w.do(w.bob, state.KindProposalGrant, w.imvu, word(q)), 1, "has no word to give")
		},
		"by the words of another unit's": func(t *testing.T, w *court) {
			p := w.openAs(w.ada, state.KindUnitTransfer, w.platform, to(w.bob), 0)
			invalidFor(t, w.do(w.bob, state.KindProposalGrant, w.imvu, word(p)), nexus.CodeMalformed, "is not about IMVU")
		},
		"by one word twice": func(t *testing.T, w *court) {
			p := w.openAs(w.ada, state.KindUnitTransfer, w.imvu, to(w.bob), 0)
			w.must(w.bob, state.KindProposalGrant, w.imvu, word(p))
			refusedFor(t, w.do(w.bob, state.KindProposalGrant, w.imvu, word(p)), 1, "has no word to give")
			refusedFor(t, w.do(w.ada, state.KindProposalGrant, w.imvu, word(p)), 1, "has no word to give")
		},
		"with the signature of a key revoked since": func(t *testing.T, w *court) {
			p := w.openAs(w.ada, state.KindUnitTransfer, w.imvu, to(w.bob), 0)
			w.must(w.operator, state.KindProposalGrant, w.imvu, word(p))
			w.revoke(w.ada)
			invalidFor(t, w.do(w.bob, state.KindProposalGrant, w.imvu, word(p)), nexus.CodeConflict, "the owner's signature is of a key that was revoked since")
		},
	}
}

func oddTransfers() map[string]func(t *testing.T, w *court) {
	return map[string]func(t *testing.T, w *court){
		"to nobody": func(t *testing.T, w *court) {
			invalidFor(t, w.do(w.ada, state.KindProposalOpen, w.imvu, handOver(signer(99))),
				nexus.CodeNotFound, "no creator's or operator's identity")
		},
		"to a node": func(t *testing.T, w *court) {
			invalidFor(t, w.do(w.ada, state.KindProposalOpen, w.imvu, handOver(w.node)),
				nexus.CodeNotFound, "no creator's or operator's identity")
		},
		"to himself": func(t *testing.T, w *court) {
			invalidFor(t, w.do(w.ada, state.KindProposalOpen, w.imvu, handOver(w.ada)),
				nexus.CodeConflict, "belongs to ada already")
		},
		"of the platform's own": func(t *testing.T, w *court) {
			stream, _ := w.a.FindUnit("stream")
			invalidFor(t, w.do(w.world.platform, state.KindProposalOpen, stream.ID, handOver(w.bob)),
				nexus.CodeConflict, "belongs to the platform itself")
		},
	}
}

func TestTransfersThatAreNotMade(t *testing.T) {
	t.Parallel()
	all := unsignedTransfers()
	maps.Copy(all, brokenTransfers())
	maps.Copy(all, oddTransfers())
	for name, run := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCourt(t)
			run(t, w)
			if w.a.Units[w.imvu].Owner != w.ada.Public() || len(w.a.OwnerPeriods(w.imvu)) != 0 {
				t.Error("the unit changed hands")
			}
			w.check()
		})
	}
}

// Back and forth: each keeps what was earned in the times it was theirs, and all parts add up to the account.
func TestPeriodsAddUp(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	w.transfer(w.platform)
	w.sell(w.platform, "a", 333)
	p := w.openAs(w.bob, state.KindUnitTransfer, w.platform, state.UnitTransfer{To: w.ada.Public()}, 0)
	w.must(w.ada, state.KindProposalGrant, w.platform, word(p))
	w.must(w.second, state.KindProposalGrant, w.platform, word(p))
	w.sell(w.platform, "b", 1)
	w.must(w.operator, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
		{Unit: w.platform, EventID: "r", Kind: "refund", Currency: "USD", Minor: -333, TimeMs: 1, RefundOf: "a"}}})
	w.swap()
	sum := int64(0)
	for _, e := range w.a.EarnedBy(w.platform) {
		sum += e.Minor
	}
	if acc := w.a.Accounts[state.AccountKey{Unit: w.platform, Currency: "USD"}]; sum != acc.Creator || w.earned(w.platform)[w.bob.Public()] != 267 {
		t.Errorf("parts %v of %+v", w.a.EarnedBy(w.platform), acc)
	}
	w.check()
}
