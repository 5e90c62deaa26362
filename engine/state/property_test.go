package state_test

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// TestReplicasAgree feeds random commands of every kind, sensible and not, from known and unknown keys, to two replicas of
// which one is restored from its snapshot now and then. Every byte of what they answer and store must be equal, money must
// be what math/big says, and every chain must be whole.
func TestReplicasAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := &generator{t: t, w: newWorld(t)}
		g.prepare()
		for range rapid.IntRange(1, 60).Draw(t, "commands") {
			g.step()
			if rapid.IntRange(0, 9).Draw(t, "restore") == 0 {
				g.w.swap()
			}
		}
		g.w.check()
		g.w.verified()
	})
}

// generator draws commands that have a chance to be allowed, from what the state holds.
type generator struct {
	t     *rapid.T
	w     *world
	keys  []nexus.KeySigner
	units []nexus.ID
	sold  []state.RevenueEvent
	last  nexus.Action
}

func (g *generator) prepare() {
	g.keys = []nexus.KeySigner{g.w.operator, g.w.node, g.w.platform}
	for n := byte(10); n < 18; n++ {
		g.keys = append(g.keys, signer(n))
	}
	for _, u := range g.w.a.SortedUnits() {
		g.units = append(g.units, u.ID)
	}
	g.units = append(g.units, g.w.create(g.w.operator, state.KindIMVUCreate, state.UnitCreate{Name: "First", OwnerName: "ada",
		OwnerKey: g.keys[3].Public()}))
	for range pick(g, []int{state.RulesMax, 0, 1, 2, 3, state.RulesMax, state.RulesMax}, "level") {
		g.w.must(g.w.node, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: g.w.a.Rules + 1})
	}
}

// signalling lists the units in the platform's own class.
func (g *generator) signalling() map[nexus.ID]bool {
	out := map[nexus.ID]bool{}
	for _, u := range g.w.a.SortedUnits() {
		if u.Slice.Class == "control" {
			out[u.ID] = true
		}
	}
	return out
}

// platformStands holds that by the rules of level 4 no unit came to the platform's class without its word: the actor's, or that of a party to the
// proposal which the command applied.
func (g *generator) platformStands(before map[nexus.ID]bool, actor nexus.PublicKey, body any) {
	g.t.Helper()
	stands := g.w.a.ActsFor(actor)
	if b, ok := body.(state.ProposalDecide); ok {
		if p, found := g.w.a.FindProposal(b.Proposal.String()); found {
			stands = g.w.a.ActsFor(p.Proposer)
			for i := range p.Parties {
				stands = stands || g.w.a.ActsFor(p.Parties[i].GrantedBy)
			}
		}
	}
	for id := range g.signalling() {
		if !before[id] && !stands && g.w.a.Rules >= state.RulesStanding {
			g.t.Fatalf("%s is in the platform's class by the word of %s alone", g.w.a.Units[id].Label, actor.Short())
		}
	}
}

func pick[T any](g *generator, from []T, what string) T {
	return from[rapid.IntRange(0, len(from)-1).Draw(g.t, what)]
}

// names clash on purpose: with each other, with those the machine makes itself, and as slugs.
var names = []string{"ada", "bob", "shop", "source-shop", "stream", "Probe", "probe", "probe-2", "node-1", "", "a b", "platform"}

func (g *generator) name() string             { return pick(g, names, "name") }
func (g *generator) key() nexus.KeySigner     { return pick(g, g.keys, "key") }
func (g *generator) unit() nexus.ID           { return pick(g, g.units, "unit") }
func (g *generator) amount(most int64) int64  { return rapid.Int64Range(0, most).Draw(g.t, "amount") }
func (g *generator) public() nexus.PublicKey  { return g.key().Public() }
func (g *generator) chance(one int) bool      { return rapid.IntRange(1, one).Draw(g.t, "chance") == 1 }
func (g *generator) word(of ...string) string { return pick(g, of, "word") }
func (g *generator) size() int64              { return g.amount(4) * 1000 }
func (g *generator) anything() []byte         { return rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(g.t, "bytes") }
func (g *generator) domain(u nexus.ID) string { return g.w.a.Units[u].Domain }
func (g *generator) percent() uint8           { return pick(g, []uint8{55, 80, 55, 80, 55, 81}, "percent") }

// step draws one command, applies it and remembers what it made.
func (g *generator) step() {
	kind := pick(g, append(state.Kinds(), state.KindRevenuePost, state.KindRevenuePost, state.KindRevenuePost,
		state.KindRevenuePost, state.KindProbeCreate, state.KindProbeCreate, state.KindProbeRetire, state.KindProbeRetire,
		state.KindIMVUCreate, state.KindSourceRegister, state.KindIdentityIssue, state.KindProposalOpen, state.KindProposalGrant,
		state.KindProposalGrant, state.KindSliceSet, state.KindSliceSet, state.KindSliceSet), "kind")
	unit := nexus.ID{}
	if !g.chance(3) || kind == state.KindProbeRetire {
		unit = g.unit()
	}
	if kind == state.KindSliceSet { // of one with an owner who is no operator
		unit = g.units[len(g.units)-1]
	}
	if kind == state.KindProbeRetire {
		unit = g.units[len(g.units)-1-rapid.IntRange(0, min(2, len(g.units)-1)).Draw(g.t, "newest")]
	}
	var body any
	body, unit = g.body(kind, unit)
	actor := g.fitting(kind, unit, body)
	if g.chance(12) {
		body = g.anything()
	}
	if g.chance(8) {
		actor = g.key()
	}
	a := g.w.action(actor, kind, unit, body)
	if g.chance(15) && g.last.Kind != "" {
		a = g.last // the same action again, or the same id with other content
		if g.chance(2) {
			a.Body = append([]byte(nil), append(a.Body, 0)...)
		}
	}
	before := g.signalling()
	out := g.w.apply(g.w.command(a))
	g.platformStands(before, a.Actor, body)
	g.last = a
	if !out.Repeated && out.Receipt.Allowed && out.Err == nil {
		g.made(kind, body, out)
	}
}

// fitting gives the key that may ask for an action, as far as there is one.
func (g *generator) fitting(kind string, unit nexus.ID, body any) nexus.Signer {
	want := g.w.operator.Public()
	switch b := body.(type) {
	case state.RevenuePost:
		if src := g.w.a.Sources[b.Source]; src != nil {
			want = src.Key
		}
	case state.ProposalOpen:
		return g.w.operator
	case state.ProposalDecide:
		if p, ok := g.w.a.FindProposal(b.Proposal.String()); ok && kind != state.KindProposalExpire {
			want = p.Proposer
			for _, party := range p.Parties {
				if kind != state.KindProposalWithdraw && party.GrantedBy.IsZero() && !party.Key.IsZero() {
					want = party.Key
				}
			}
		}
	case state.IdentityChange:
		switch id := g.w.a.Identities[b.Old]; {
		case id == nil:
		case kind == state.KindIdentityRecover || kind == state.KindIdentityComplete:
			want = id.Recovery
		default:
			want = b.Old
		}
	default:
		if u := g.w.a.Units[unit]; u != nil && kind != state.KindUnitSuspend {
			want = u.Owner
		}
	}
	for _, k := range g.keys {
		if k.Public() == want {
			return k
		}
	}
	return g.w.operator
}

// made notes new units and sales.
func (g *generator) made(kind string, body any, out *state.Outcome) {
	var c state.UnitCreated
	if post, ok := body.(state.RevenuePost); ok && kind == state.KindRevenuePost {
		for _, e := range post.Events {
			if e.EventID != "" {
				g.sold = append(g.sold, e)
			}
		}
	} else if len(out.Receipt.Result) > 0 && nexus.Decode(out.Receipt.Result, &c) == nil {
		g.units = append(g.units, c.ID)
	}
}

func (g *generator) body(kind string, unit nexus.ID) (any, nexus.ID) {
	switch kind {
	case state.KindIMVUCreate, state.KindPlatformCreate, state.KindChannelCreate, state.KindProbeCreate:
		return g.create(kind), nexus.ID{}
	case state.KindRevenuePost:
		return g.post(), nexus.ID{}
	case state.KindIdentityIssue:
		return state.IdentityIssue{Name: g.name(), Key: g.public(), Recovery: g.public(),
			Role: uint8(pick(g, []gates.Role{gates.RoleCreator, gates.RoleOperator, gates.RoleNode}, "role"))}, nexus.ID{}
	case state.KindIdentityRevoke, state.KindIdentityRotate, state.KindIdentityRecover, state.KindIdentityComplete,
		state.KindIdentityCancel:
		c := state.IdentityChange{Old: g.keys[3:][g.amount(int64(len(g.keys)-4))].Public(), New: g.public(), Reason: "r"}
		if id := g.w.a.Identities[c.Old]; id != nil && kind == state.KindIdentityComplete {
			c.New = id.PendingKey
			g.w.now += g.amount(2) * state.RecoveryWaitMs
		}
		return c, nexus.ID{}
	case state.KindSourceRegister, state.KindSourceClose:
		return state.SourceRegister{Name: g.name(), Class: uint8(1 + g.amount(3)), Key: g.public()}, nexus.ID{}
	case state.KindNodeAdmit, state.KindNodeRemove:
		return state.NodeAdmit{Key: g.public(), Name: g.name(), Jurisdiction: g.word("", "EU-GDPR", "US-CCPA")}, nexus.ID{}
	case state.KindClusterRekey:
		return state.ClusterRekey{Generation: g.w.a.Gossip().Generation + uint64(g.amount(2))}, nexus.ID{}
	case state.KindUnitScale:
		return state.UnitScale{CPUMilli: 1 + g.size(), MemoryBytes: 1 + g.size(), StorageBytes: 1 + g.size(), Processes: 1 + g.size()}, unit
	case state.KindSliceSet:
		return state.SliceSet{Class: g.word("control", "interactive", "none"), BudgetMicros: g.size(), GuaranteedBps: g.size(), CeilingBps: g.size()}, unit
	case state.KindSliceSessions:
		return state.SliceSessions{Sessions: uint32(g.size() % 20_000)}, unit
	case state.KindRouteSet, state.KindRouteDrop, state.KindDomainClaim:
		if unit.IsZero() {
			unit = g.unit()
		}
		host := g.word("", "a.", "stage.") + g.domain(unit)
		if kind == state.KindDomainClaim {
			return state.DomainClaim{Name: host}, unit
		}
		return state.RouteSet{Host: host, Backend: g.word("http://127.0.0.1:9", "dir:/srv", "http://10.0.0.1:80", "x")}, unit
	case state.KindGenesis:
		return state.GenesisBody{Cluster: nexus.ID{9}, Platform: g.public(), Operator: g.public(), Node: g.public()}, unit
	case state.KindReportPost:
		return state.ReportPost{Verdict: "passed", Name: g.name()}, nexus.ID{}
	case state.KindAuditFinding:
		return state.AuditFinding{Unit: unit, Code: "c"}, nexus.ID{}
	case state.KindRefusalRollup:
		return state.RefusalRollup{Reason: "unsigned", Count: 3}, nexus.ID{}
	case state.KindClusterRules:
		return state.RulesRaise{Level: g.w.a.Rules + 1}, nexus.ID{}
	case state.KindProposalOpen:
		inner := g.word(state.KindRouteSet, state.KindRouteDrop, state.KindSliceSet, state.KindSliceSessions, state.KindUnitScale,
			state.KindUnitTransfer, state.KindDomainClaim)
		if unit.IsZero() {
			unit = g.unit()
		}
		change, _ := g.body(inner, unit)
		return state.ProposalOpen{Kind: inner, Body: nexus.Encode(change), LifeMs: g.amount(2) * state.ProposalLifeMinMs}, unit
	case state.KindProposalGrant, state.KindProposalRefuse, state.KindProposalWithdraw, state.KindProposalExpire:
		return g.decide(kind, unit)
	case state.KindUnitTransfer:
		return state.UnitTransfer{To: g.public()}, unit
	default:
		return state.UnitReason{Reason: g.name()}, unit
	}
}

// decide draws a word on one of the newest proposals.
func (g *generator) decide(kind string, unit nexus.ID) (any, nexus.ID) {
	all := g.w.a.Proposals()
	if len(all) == 0 {
		return state.ProposalDecide{}, unit
	}
	p := all[len(all)-1-rapid.IntRange(0, min(2, len(all)-1)).Draw(g.t, "newest")]
	if kind == state.KindProposalExpire && g.chance(2) {
		g.w.now += state.ProposalLifeMs
	}
	return state.ProposalDecide{Proposal: p.ID, Change: p.Change, Reason: g.name()}, p.Unit
}

func (g *generator) create(kind string) state.UnitCreate {
	b := state.UnitCreate{Name: g.name(), Slug: g.word("", "", "probe", "probe", "stream"), Percent: g.percent(),
		Class: g.word("", "bulk", "control"), GuaranteedBps: g.size(), CPUMilli: g.size()}
	if g.chance(12) {
		b.Slug, b.Jurisdiction, b.Class = "Bad Slug", g.word("EU-GDPR", "MOON"), "none"
	}
	if g.chance(2) && kind != state.KindProbeCreate {
		b.OwnerName, b.OwnerKey = g.name(), g.public()
	}
	if kind == state.KindChannelCreate {
		b.Parent = g.unit()
	}
	if g.chance(8) {
		b.Domain = g.word("ada.example", "stream.nexus.localhost", "..")
	}
	return b
}

// post draws a batch: sales, refunds of earlier sales, repetitions, changed repetitions, bad events; numbered or with ids.
func (g *generator) post() state.RevenuePost {
	b := state.RevenuePost{Source: g.word(state.OperatorSource, state.OperatorSource, state.ProbeSource, "shop")}
	if g.chance(4) {
		b.FirstSeq = 1
		if src := g.w.a.Sources[b.Source]; src != nil && !g.chance(8) {
			b.FirstSeq = src.LastSeq + 1
		}
	}
	var units []nexus.ID
	for _, id := range g.units {
		u := g.w.a.Units[id]
		if (u.Kind == nexus.KindProbe) == (b.Source == state.ProbeSource) && u.Owner != g.w.operator.Public() {
			units = append(units, id)
		}
	}
	if len(units) == 0 {
		units = g.units
	}
	for range 1 + g.amount(5) {
		b.Events = append(b.Events, g.event(&b, pick(g, units, "unit")))
	}
	return b
}

func (g *generator) event(b *state.RevenuePost, unit nexus.ID) state.RevenueEvent {
	e := state.RevenueEvent{Unit: unit, Kind: "sale", Currency: g.word("USD", "JPY"), TimeMs: 1 + g.amount(1000),
		Minor: pick(g, []int64{1, 1, 2, 99, 100, 12345, 1 << 40}, "minor")}
	if g.w.a.Units[unit].Kind == nexus.KindProbe {
		e.Currency = nexus.TestCurrency
	}
	if g.chance(40) {
		e.Currency = g.word(nexus.TestCurrency, "usd", "")
	}
	if g.chance(30) {
		e.Minor = pick(g, []int64{0, math.MaxInt64, math.MaxInt64 - 5, math.MinInt64, math.MinInt64 + 1}, "extreme")
	}
	if b.FirstSeq > 0 {
		if g.chance(2) {
			e.Minor = -e.Minor
		}
		return e
	}
	e.EventID = fmt.Sprintf("e%d", g.amount(1_000_000))
	if len(g.sold) == 0 || !g.chance(3) {
		return e
	}
	old := pick(g, g.sold, "sold")
	switch {
	case g.chance(2):
		e.Unit, e.Currency, e.Kind, e.RefundOf = old.Unit, old.Currency, "refund", old.EventID
		e.Minor = -1 - g.amount(max(0, min(old.Minor, 1<<41)/2))
		return e
	case g.chance(6):
		old.Minor++
	}
	return old
}

// Ten thousand events in batches of all sizes: totals by formula, every entry followed, and the same history once more on
// a restored replica.
func TestTenThousandEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var units []nexus.ID
	for i := range 5 {
		kind := []string{state.KindIMVUCreate, state.KindPlatformCreate}[i%2]
		units = append(units, w.create(w.operator, kind, state.UnitCreate{Name: fmt.Sprint("Unit ", i), OwnerName: fmt.Sprint("owner", i),
			OwnerKey: signer(byte(20 + i)).Public()}))
	}
	sent, size := 0, 1
	for sent < 10_000 {
		size = min(size*2, state.MaxBatchEvents, 10_000-sent)
		post := state.RevenuePost{Source: state.OperatorSource}
		for i := range size {
			n := sent + i
			e := state.RevenueEvent{Unit: units[n%len(units)], EventID: fmt.Sprint("e", n), Kind: "sale", Currency: []string{"USD", "JPY", "KWD"}[n%3],
				Minor: int64(n*7919%100_003) + 1, TimeMs: int64(n + 1)}
			if n%15 == 14 && n >= 30 { // a fifth of an earlier sale of the same unit and currency goes back
				old := n - 15
				e.Kind, e.RefundOf, e.Minor = "refund", fmt.Sprint("e", old), -(int64(old*7919%100_003)+1+4)/5
				if old%15 == 14 {
					e.Kind, e.RefundOf, e.Minor = "sale", "", 3
				}
			}
			post.Events = append(post.Events, e)
		}
		w.must(w.operator, state.KindRevenuePost, nexus.ID{}, post)
		again := w.must(w.operator, state.KindRevenuePost, nexus.ID{}, post)
		var posted state.RevenuePosted
		if err := nexus.Decode(again.Receipt.Result, &posted); err != nil || posted.Posted != 0 || posted.Duplicates != uint64(size) {
			t.Fatalf("the same batch again: %+v, %v", posted, err)
		}
		sent += size
		w.swap()
	}
	w.check()
	if w.a.Counters.Events != 10_000 || len(w.money) != 15 {
		t.Errorf("%d events in %d accounts", w.a.Counters.Events, len(w.money))
	}
}
