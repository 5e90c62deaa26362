package state_test

import (
	"fmt"
	"maps"
	stdslices "slices"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/publication"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// The matrix of acts and hostile cases: each kind of action that there is, in a state in which its rightful signer's is taken, and beside
// it every form of the same act that nobody entitled signed as it stands. A kind without an act here fails the test.

// act is one action as its rightful signer asks for it.
type act struct {
	by   nexus.Signer
	kind string
	unit nexus.ID
	body any
}

// acting prepares a state and gives the act.
type acting func(w *house) act

// neverTaken are kinds that no signature alone has taken: the forged forms are refused like any other's.
func neverTaken() map[string]acting {
	return map[string]acting{
		state.KindLedgerEdit:   func(w *house) act { return act{w.operator, "", nexus.ID{}, state.LedgerEdit{Seq: 1}} },
		state.KindUnitTransfer: func(w *house) act { return act{w.ada, "", w.imvu, to(w.bob)} }, // three signatures: proposals
		state.KindClusterRules: func(w *house) act { return act{w.node, "", nexus.ID{}, state.RulesRaise{Level: state.RulesMax}} },
		state.KindGateSetSwitch: func(w *house) act {
			return act{w.node, "", nexus.ID{}, state.GateSetSwitch{From: w.chain.Hash(), To: w.chain.Hash()}}
		},
		state.KindOwnershipSettle: func(w *house) act { return act{w.node, "", nexus.ID{}, struct{}{}} }, // TestRotationOfManyUnits
	}
}

func platformActs() map[string]acting {
	reason := state.UnitReason{Reason: "r"}
	return map[string]acting{
		state.KindNodeAdmit: func(w *house) act {
			return act{w.operator, "", nexus.ID{}, state.NodeAdmit{Key: signer(60).Public(), Name: "n2"}}
		},
		state.KindNodeRemove: func(w *house) act {
			w.must(w.operator, state.KindNodeAdmit, nexus.ID{}, state.NodeAdmit{Key: signer(60).Public(), Name: "n2"})
			return act{w.operator, "", nexus.ID{}, state.NodeAdmit{Key: signer(60).Public(), Name: "n2"}}
		},
		state.KindClusterRekey: func(w *house) act {
			return act{w.operator, "", nexus.ID{}, state.ClusterRekey{Generation: w.a.Gossip().Generation + 1}}
		},
		state.KindProbeCreate: func(w *house) act { return act{w.node, "", nexus.ID{}, state.UnitCreate{Name: "p2", Percent: 55}} },
		state.KindProbeRetire: func(w *house) act { return act{w.node, "", w.probe, struct{}{}} },
		state.KindUnitSuspend: func(w *house) act { return act{w.operator, "", w.unit, reason} },
		state.KindUnitResume: func(w *house) act {
			w.must(w.operator, state.KindUnitSuspend, w.unit, reason)
			return act{w.operator, "", w.unit, reason}
		},
		state.KindReportPost: func(w *house) act {
			return act{w.node, "", nexus.ID{}, state.ReportPost{SHA256: nexus.Hash{1}, Verdict: "passed", Name: "r"}}
		},
		state.KindAuditFinding: func(w *house) act {
			return act{w.node, "", nexus.ID{}, state.AuditFinding{Unit: w.unit, Code: "c", Observed: "o", Required: "r"}}
		},
		state.KindRefusalRollup: func(w *house) act {
			return act{w.node, "", nexus.ID{}, state.RefusalRollup{Reason: "unsigned", Count: 3, SinceMs: w.now}}
		},
		state.KindRefusalFlood: func(w *house) act {
			return act{w.node, "", nexus.ID{}, state.RefusalFlood{Gate: 1, Reason: "unknown", Kind: state.KindIMVUCreate, Count: 3, FirstMs: w.now, LastMs: w.now,
				Actions: nexus.Hash{1}}}
		},
		state.KindNodeStop:   func(w *house) act { return act{w.operator, "", nexus.ID{}, struct{}{}} },
		state.KindPhaseRerun: func(w *house) act { return act{w.operator, "", nexus.ID{}, state.PhaseRerun{Phase: 3}} },
		state.KindSessionRecord: func(w *house) act {
			w.now = 10 * hourMs
			return act{w.node, "", nexus.ID{}, recorded(w, "00aa11bb22")}
		},
		state.KindSliceMinutes: func(w *house) act {
			w.now = 10 * hourMs
			return act{w.node, "", nexus.ID{}, minutesOf(w, state.MinutesRow{Unit: w.unit, Kept: 58, WorstP99: 12_000})}
		},
		state.KindSliceBreach: func(w *house) act {
			w.now = 10 * hourMs
			return act{w.node, "", w.unit, breach(w, true, 25_000)}
		},
		state.KindSliceShort: func(w *house) act {
			w.now = 10 * hourMs
			return act{w.node, "", w.unit, short(w, true, 2)}
		},
		state.KindSourceRegister: func(w *house) act {
			return act{w.operator, "", nexus.ID{}, state.SourceRegister{Name: "shop", Class: state.ClassProvider, Key: w.shop.Public()}}
		},
		state.KindSourceClose: func(w *house) act {
			w.source()
			return act{w.operator, "", nexus.ID{}, state.SourceRegister{Name: "shop"}}
		},
	}
}

func (w *house) source() {
	w.must(w.operator, state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "shop", Class: state.ClassProvider, Key: w.shop.Public()})
}

func identityActs() map[string]acting {
	self := func(w *house) state.IdentityChange { return state.IdentityChange{Old: w.eve.Public()} }
	return map[string]acting{
		state.KindIdentityIssue: func(w *house) act {
			return act{w.operator, "", nexus.ID{}, state.IdentityIssue{Name: "third", Key: signer(61).Public(), Role: uint8(gates.RoleOperator)}}
		},
		state.KindIdentityRevoke:  func(w *house) act { return act{w.eve, "", nexus.ID{}, self(w)} },
		state.KindIdentityRotate:  func(w *house) act { return act{w.eve, "", nexus.ID{}, w.change()} },
		state.KindIdentityRecover: func(w *house) act { return act{w.spare, "", nexus.ID{}, w.change()} },
		state.KindIdentityComplete: func(w *house) act {
			w.must(w.spare, state.KindIdentityRecover, nexus.ID{}, w.change())
			w.now += 72 * hourMs
			return act{w.next, "", nexus.ID{}, w.change()}
		},
		state.KindIdentityCancel: func(w *house) act {
			w.must(w.spare, state.KindIdentityRecover, nexus.ID{}, w.change())
			return act{w.eve, "", nexus.ID{}, self(w)}
		},
		state.KindIdentityBind: func(w *house) act { return act{w.eve, "", nexus.ID{}, w.says(signer(62), w.eve, false, "release-key")} },
		state.KindIdentityAttest: func(w *house) act {
			return act{w.eve, "", nexus.ID{}, w.says(w.operator, w.eve, true, "holder")}
		},
		state.KindIdentityUnbind: func(w *house) act {
			w.must(w.eve, state.KindIdentityBind, nexus.ID{}, w.says(signer(62), w.eve, false, "release-key"))
			return act{w.eve, "", nexus.ID{}, w.ends(signer(62).Public(), false, "")}
		},
		state.KindIdentityErase: func(w *house) act { return act{w.eve, "", nexus.ID{}, w.eraseRequest(w.eve.Public(), 0, nil)} },
		state.KindIdentityErased: func(w *house) act {
			w.must(w.eve, state.KindIdentityErase, nexus.ID{}, w.eraseRequest(w.eve.Public(), 0, nil))
			return act{w.node, "", nexus.ID{}, state.IdentityErased{Keys: []state.ErasedKey{{Subject: w.eve.Public(), Number: 1}}}}
		},
		state.KindNoticeMark: func(w *house) act {
			w.must(w.operator, state.KindUnitSuspend, w.unit, state.UnitReason{Reason: "r"})
			return act{w.eve, "", nexus.ID{}, state.NoticeMark{Delivered: 1}}
		},
	}
}

func unitActs() map[string]acting {
	owns := func(body func(w *house) any) acting {
		return func(w *house) act { return act{w.eve, "", w.unit, body(w)} }
	}
	route := func(w *house) any {
		return state.RouteSet{Host: w.a.Units[w.unit].Domain, Backend: "http://127.0.0.1:9100"}
	}
	says := func(given bool) acting {
		return func(w *house) act {
			person := signer(63)
			if !given {
				w.must(w.eve, state.KindConsentGive, w.unit, w.next1(person, true))
			}
			return act{w.eve, "", w.unit, w.next1(person, given)}
		}
	}
	return map[string]acting{
		state.KindIMVUCreate: func(w *house) act {
			return act{w.operator, "", nexus.ID{}, state.UnitCreate{Name: "New", OwnerName: "eve"}}
		},
		state.KindPlatformCreate: func(w *house) act {
			return act{w.operator, "", nexus.ID{}, state.UnitCreate{Name: "New", OwnerName: "eve"}}
		},
		state.KindChannelCreate: func(w *house) act {
			return act{w.operator, "", nexus.ID{}, state.UnitCreate{Name: "New", OwnerName: "eve", Parent: w.platform}}
		},
		state.KindUnitScale: owns(func(w *house) any {
			e := w.a.Units[w.unit].Envelope
			return state.UnitScale{CPUMilli: e.CPUMilli + 1, MemoryBytes: e.MemoryBytes, StorageBytes: e.StorageBytes, Processes: e.Processes}
		}),
		state.KindSliceSet:      owns(func(*house) any { return state.SliceSet{Class: "bulk"} }),
		state.KindSliceSessions: owns(func(*house) any { return state.SliceSessions{Sessions: 9} }),
		state.KindRouteSet:      owns(route),
		state.KindRouteDrop:     owns(func(w *house) any { w.must(w.eve, state.KindRouteSet, w.unit, route(w)); return route(w) }),
		state.KindDomainClaim: owns(func(w *house) any {
			return state.DomainClaim{Name: "www." + w.a.Units[w.unit].Domain}
		}),
		state.KindPolicySet:       owns(func(w *house) any { return state.PolicySet{Policy: policy(w.t, noBigScale, w.bob)} }),
		state.KindConsentGive:     says(true),
		state.KindConsentWithdraw: says(false),
		state.KindConsentUse: func(w *house) act {
			w.must(w.eve, state.KindConsentGive, w.unit, w.next1(signer(63), true))
			return act{w.eve, "", w.unit, state.ConsentUse{Subject: signer(63).Public(), Purpose: "news", What: "issue 1"}}
		},
		state.KindExitBegin: owns(func(*house) any { return state.ExitBegin{} }),
		state.KindExitCancel: owns(func(w *house) any {
			w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
			return state.ExitBegin{}
		}),
		state.KindExitComplete: owns(func(w *house) any { w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{}); return w.complete() }),
		state.KindExitSettle: func(w *house) act {
			w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
			w.must(w.eve, state.KindExitComplete, w.unit, w.complete())
			x, _ := w.a.ExitOf(w.unit)
			w.now = x.Done.GraceMs
			return act{w.node, "", w.unit, struct{}{}}
		},
		state.KindUnitImport: func(w *house) act {
			return act{w.operator, "", nexus.ID{}, importOf(foreign(w.t.(*testing.T), w.eve.Public(), 55, 45))}
		},
	}
}

// next1 is a person's next statement to eve's unit.
func (w *house) next1(person nexus.Signer, given bool) state.ConsentStatement {
	return w.court.next(person.Public(), w.unit, "news", given, person)
}

func proposalActs() map[string]acting {
	decided := func(by func(w *house) nexus.Signer, late int64) acting {
		return func(w *house) act {
			p := w.reroute()
			w.now += late
			return act{by(w), "", w.imvu, word(p)}
		}
	}
	ada := func(w *house) nexus.Signer { return w.ada }
	return map[string]acting{
		state.KindProposalOpen: func(w *house) act {
			w.must(w.ada, state.KindRouteSet, w.imvu, w.route("http://127.0.0.1:9000"))
			return act{w.operator, "", w.imvu, state.ProposalOpen{Kind: state.KindRouteSet, Body: nexus.Encode(w.route("http://127.0.0.1:9001"))}}
		},
		state.KindProposalGrant:    decided(ada, 0),
		state.KindProposalRefuse:   decided(ada, 0),
		state.KindProposalWithdraw: decided(func(w *house) nexus.Signer { return w.operator }, 0),
		state.KindProposalExpire:   decided(func(w *house) nexus.Signer { return w.node }, 72*hourMs),
	}
}

func moneyActs() map[string]acting {
	pending := func(by func(w *house) nexus.Signer, late int64) acting {
		return func(w *house) act {
			w.source()
			var o state.PendingOpened
			w.result(w.must(w.shop, state.KindPendingOpen, nexus.ID{}, state.PendingOpen{Source: "shop", Event: sale(w.unit, "p", 10),
				LifeMs: state.PendingLifeMinMs}), &o)
			w.now += late
			return act{by(w), "", nexus.ID{}, state.PendingSettle{Pending: o.ID, Reason: "r"}}
		}
	}
	shop, node := func(w *house) nexus.Signer { return w.shop }, func(w *house) nexus.Signer { return w.node }
	operator := func(w *house) nexus.Signer { return w.operator }
	hold := func(by func(w *house) nexus.Signer, late int64) acting {
		return func(w *house) act {
			w.sell(w.unit, "h", 1000)
			var h state.HoldPlaced
			w.result(w.must(w.eve, state.KindHoldPlace, w.unit, state.HoldPlace{Currency: "USD", Minor: 9, LifeMs: state.HoldLifeMinMs, Reason: "r"}), &h)
			w.now += late
			return act{by(w), "", w.unit, state.HoldEnd{Hold: h.ID, Reason: "r"}}
		}
	}
	payout := func(w *house) state.PayoutSettle {
		w.sell(w.unit, "o", 1000)
		w.must(w.eve, state.KindPayoutSet, w.unit, state.PayoutSet{Schedule: state.ScheduleManual, Destination: "acct"})
		var o state.PayoutOpened
		w.result(w.must(w.eve, state.KindPayoutOpen, w.unit, state.PayoutOpen{Currency: "USD", Minor: 5}), &o)
		return state.PayoutSettle{Payout: o.ID, Reference: "tr", Reason: "r"}
	}
	out := map[string]acting{
		state.KindRevenuePost: func(w *house) act {
			return act{w.operator, "", nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{sale(w.unit, "x", 5)}}}
		},
		state.KindPendingOpen: func(w *house) act {
			w.source()
			return act{w.shop, "", nexus.ID{}, state.PendingOpen{Source: "shop", Event: sale(w.unit, "p", 10), LifeMs: state.PendingLifeMinMs}}
		},
		state.KindPendingPost:   pending(shop, 0),
		state.KindPendingVoid:   pending(shop, 0),
		state.KindPendingExpire: pending(node, state.PendingLifeMinMs),
		state.KindTransferMake: func(w *house) act {
			w.sell(w.unit, "t", 1000)
			return act{w.eve, "", w.unit, state.TransferMake{Currency: "USD", Minor: 5, Reason: "r"}}
		},
		state.KindHoldPlace: func(w *house) act {
			w.sell(w.unit, "h", 1000)
			return act{w.eve, "", w.unit, state.HoldPlace{Currency: "USD", Minor: 9, LifeMs: state.HoldLifeMinMs, Reason: "r"}}
		},
		state.KindHoldRelease: hold(operator, 0),
		state.KindHoldCapture: hold(operator, 0),
		state.KindHoldExpire:  hold(node, state.HoldLifeMinMs),
		state.KindPayoutSet:   func(w *house) act { return act{w.eve, "", w.unit, state.PayoutSet{Destination: "acct"}} },
		state.KindPayoutOpen: func(w *house) act {
			payout(w)
			return act{w.eve, "", w.unit, state.PayoutOpen{Currency: "USD", Minor: 5}}
		},
		state.KindPayoutPost: func(w *house) act { return act{w.operator, "", w.unit, payout(w)} },
		state.KindPayoutVoid: func(w *house) act { return act{w.operator, "", w.unit, payout(w)} },
	}
	maps.Copy(out, statementActs())
	return out
}

func statementActs() map[string]acting {
	issue := func(w *house) state.StatementIssue {
		w.sell(w.unit, "s", 1000)
		w.now += 62 * 24 * hourMs
		return state.StatementIssue{Month: 197001, Size: w.a.Chain.Size(), Digest: nexus.Hash{1}}
	}
	contest := state.DisputeOpen{Month: 197001, Currency: "USD", Minor: 9, Reason: "r"}
	dispute := func(w *house) state.DisputeEnd {
		w.must(w.operator, state.KindStatementIssue, w.unit, issue(w))
		var d state.DisputeMade
		w.result(w.must(w.eve, state.KindDisputeOpen, w.unit, contest), &d)
		return state.DisputeEnd{Dispute: d.ID, Reason: "r"}
	}
	return map[string]acting{
		state.KindStatementIssue: func(w *house) act { return act{w.operator, "", w.unit, issue(w)} },
		state.KindDisputeOpen: func(w *house) act {
			w.must(w.operator, state.KindStatementIssue, w.unit, issue(w))
			return act{w.eve, "", w.unit, contest}
		},
		state.KindDisputeAnswer:   func(w *house) act { return act{w.operator, "", w.unit, dispute(w)} },
		state.KindDisputeWithdraw: func(w *house) act { return act{w.eve, "", w.unit, dispute(w)} },
	}
}

func publishedActs() map[string]acting {
	return map[string]acting{
		state.KindExitFail: func(w *house) act {
			w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
			return act{w.eve, "", w.unit, state.ExitFail{Step: state.ExitStepFetch, Code: nexus.CodeUnavailable}}
		},
		state.KindPublicationIssue: func(w *house) act {
			w.at(1970, 2, 1, 0)
			b, _ := (&press{w: w.world, fold: publication.NewFold()}).of(197001)
			return act{w.node, "", nexus.ID{}, b}
		},
		state.KindPricesPublish: func(w *house) act {
			w.at(2026, 3, 10, 0)
			return act{w.operator, "", nexus.ID{}, pricesFrom(202603, 5)}
		},
		state.KindPricesTell: func(w *house) act {
			for i := range 300 { // more owners than one command tells
				w.create(w.operator, state.KindIMVUCreate, state.UnitCreate{Name: fmt.Sprintf("Shop %d", i), OwnerName: fmt.Sprintf("owner-%d", i),
					OwnerKey: nexus.PublicKey{0: 7, 1: byte(i), 2: byte(i >> 8), 31: 1}})
			}
			w.at(2026, 3, 10, 0)
			w.must(w.operator, state.KindPricesPublish, nexus.ID{}, pricesFrom(202603, 5))
			return act{w.node, "", nexus.ID{}, struct{}{}}
		},
		state.KindUsagePost: func(w *house) act {
			w.at(2026, 3, 10, 0)
			return act{w.node, "", nexus.ID{}, usageOfHour(w, w.unit, ledger.UsageCount{Meter: state.MeterBytesIn, Quantity: 10})}
		},
	}
}

// forgery makes another command of a genuine one. Each is refused by gate 1, whatever the act.
type forgery func(w *house, a nexus.Action) nexus.Action

func forgeries() map[string]forgery {
	altered := func(change func(*nexus.Action)) forgery {
		return func(_ *house, a nexus.Action) nexus.Action {
			a.Body, a.Signature = append([]byte(nil), a.Body...), append([]byte(nil), a.Signature...)
			change(&a)
			return a
		}
	}
	resigned := func(s func(*house) nexus.Signer, change func(*nexus.Action)) forgery {
		return func(w *house, a nexus.Action) nexus.Action {
			change(&a)
			a.Signature = nil
			signed, err := nexus.SignAction(s(w), a)
			if err != nil {
				w.t.Fatalf("%v", err)
			}
			return signed
		}
	}
	stranger := func(*house) nexus.Signer { return signer(99) }
	return map[string]forgery{
		"unsigned":      altered(func(a *nexus.Action) { a.Signature = nil }),
		"zeros":         altered(func(a *nexus.Action) { clear(a.Signature) }),
		"a flipped bit": altered(func(a *nexus.Action) { a.Signature[9] ^= 1 }),
		"longer body":   altered(func(a *nexus.Action) { a.Body = append(a.Body, 0) }),
		"another unit":  altered(func(a *nexus.Action) { a.Unit[0] ^= 1 }),
		"another id":    altered(func(a *nexus.Action) { a.ID[0] ^= 1 }),
		"prolonged":     altered(func(a *nexus.Action) { a.ExpiresMs++ }),
		"another actor": altered(func(a *nexus.Action) { a.Actor = signer(3).Public(); a.Signature[0] ^= 1 }),
		"a stranger's":  resigned(stranger, func(*nexus.Action) {}),
		"under his name": func(w *house, a nexus.Action) nexus.Action {
			b := resigned(stranger, func(*nexus.Action) {})(w, a)
			a.Signature = b.Signature
			return a
		},
		"expired":       resigned(signerOf, func(a *nexus.Action) { a.TimeMs, a.ExpiresMs = a.TimeMs-900_000, a.TimeMs-300_000 }),
		"other cluster": resigned(signerOf, func(a *nexus.Action) { a.Cluster = nexus.ID{9} }),
		"not yet":       resigned(signerOf, func(a *nexus.Action) { a.TimeMs, a.ExpiresMs = a.TimeMs+hourMs, a.ExpiresMs+hourMs }),
	}
}

// signerOf is the genuine signer; matrix sets it in the house.
func signerOf(w *house) nexus.Signer { return w.actor }

// Whoever could not sign an act as it stands has it refused by gate 1, whatever the act, and nothing but its decision is written; the genuine
// one is taken in the same state, once: again it is a look-up, and under its id nothing else is taken.
func TestNoActIsTakenForged(t *testing.T) {
	t.Parallel()
	taken, never := map[string]acting{}, neverTaken()
	for _, list := range []map[string]acting{platformActs(), identityActs(), unitActs(), proposalActs(), moneyActs(), publishedActs()} {
		maps.Copy(taken, list)
	}
	for _, kind := range state.Kinds() {
		if kind != state.KindGenesis && taken[kind] == nil && never[kind] == nil {
			t.Errorf("kind %s: no act of it is here; add one to the list that fits", kind)
		}
	}
	for kind, prepare := range taken {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			hostileForms(t, kind, prepare, true)
		})
	}
	for kind, prepare := range never {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			hostileForms(t, kind, prepare, false)
		})
	}
}

func hostileForms(t *testing.T, kind string, prepare acting, taken bool) {
	w := newHouse(t)
	x := prepare(w)
	w.actor = x.by
	before := w.a.DesiredHash()
	all := forgeries()
	for _, name := range stdslices.Sorted(maps.Keys(all)) {
		out := w.apply(w.command(all[name](w, w.action(x.by, kind, x.unit, x.body))))
		if out.Repeated || out.Receipt.Allowed || len(out.Receipt.Gates) == 0 || out.Receipt.Gates[0] != 1 {
			t.Errorf("%s: allowed %v, gates %v %s, %v", name, out.Receipt.Allowed, out.Receipt.Gates, out.Receipt.Reason, out.Err)
		}
	}
	if w.a.DesiredHash() != before {
		t.Error("a forged act changed what is to be")
	}
	others(t, w, kind, x)
	if !taken {
		return
	}
	sent := w.action(x.by, kind, x.unit, x.body)
	out := w.apply(w.command(sent))
	if !out.Receipt.Allowed || out.Err != nil {
		t.Fatalf("the genuine one: %+v, %v", out.Receipt, out.Err)
	}
	size, after := w.a.Chain.Size(), w.a.DesiredHash()
	if again := w.apply(w.command(sent)); !again.Repeated || again.Err != nil || again.Receipt.Index != out.Receipt.Index {
		t.Errorf("replayed: %+v, %v", again.Receipt, again.Err)
	}
	other := sent
	other.Body, other.Signature = append([]byte{1}, sent.Body...), nil
	other, err := nexus.SignAction(x.by, other)
	if err != nil {
		t.Fatal(err)
	}
	if again := w.apply(w.command(other)); !again.Repeated || nexus.CodeOf(again.Err) != nexus.CodeConflict {
		t.Errorf("other content under its id: %+v, %v", again.Receipt, again.Err)
	}
	if w.a.Chain.Size() != size || w.a.DesiredHash() != after {
		t.Error("a replayed act had an effect")
	}
	w.swap()
	w.check()
}

// others has everybody else sign the very act: who may do it beside its rightful signer is said in alsoTaken, and nobody else may.
func others(t *testing.T, w *house, kind string, x act) {
	t.Helper()
	gone := signer(64)
	w.must(gone, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "gone", Key: gone.Public(), Role: uint8(gates.RoleCreator)})
	w.must(w.operator, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: gone.Public(), Reason: "r"})
	var also []string
	for _, other := range []struct {
		name string
		by   nexus.KeySigner
	}{{"creator", w.bob}, {"node", w.node}, {"operator", w.second}, {"platform", w.world.platform}, {"revoked", gone}} {
		if other.by.Public() == x.by.Public() {
			continue
		}
		var cmd state.Command
		if err := nexus.Decode(w.command(w.action(other.by, kind, x.unit, x.body)), &cmd); err != nil {
			t.Fatal(err)
		}
		if d, err := w.a.Try(&cmd, w.look); err == nil && d.Allow {
			also = append(also, other.name)
		}
	}
	if got := strings.Join(also, " "); got != alsoTaken[kind] {
		t.Errorf("also taken of %q, expected of %q", got, alsoTaken[kind])
	}
}

// alsoTaken says by kind of whom else than its rightful signer the very act is taken.
var alsoTaken = byWhom(map[string][]string{
	"creator operator platform": {state.KindProbeCreate},
	"node":                      {state.KindConsentUse},
	"node operator":             {state.KindConsentGive, state.KindConsentWithdraw},
	"node operator platform": {state.KindChannelCreate, state.KindIMVUCreate, state.KindPlatformCreate, state.KindNodeStop,
		state.KindPhaseRerun, state.KindStatementIssue},
	"operator": {
		state.KindDomainClaim, state.KindIdentityIssue, state.KindIdentityRevoke, state.KindNodeAdmit, state.KindNodeRemove,
		state.KindClusterRekey, state.KindProbeRetire, state.KindUnitImport, state.KindUnitResume, state.KindUnitScale, state.KindUnitSuspend,
	},
	"operator platform": {
		state.KindAuditFinding, state.KindDisputeAnswer, state.KindPricesPublish, state.KindPricesTell, state.KindExitSettle,
		state.KindHoldCapture, state.KindHoldExpire,
		state.KindHoldPlace, state.KindHoldRelease, state.KindPayoutPost, state.KindPayoutVoid, state.KindPendingExpire,
		state.KindProposalExpire, state.KindProposalOpen, state.KindRefusalFlood, state.KindRefusalRollup, state.KindReportPost,
		state.KindSourceClose, state.KindSourceRegister,
	},
	"node platform": {state.KindExitFail},
	"platform": {state.KindPublicationIssue, state.KindUsagePost,
		state.KindIdentityErased, state.KindSessionRecord, state.KindSliceBreach, state.KindSliceMinutes, state.KindSliceShort},
	"revoked": {state.KindNoticeMark},
})

func byWhom(list map[string][]string) map[string]string {
	out := map[string]string{}
	for who, kinds := range list {
		for _, kind := range kinds {
			out[kind] = who
		}
	}
	return out
}
