package state_test

import (
	"maps"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

const hourMs = 60 * 60 * 1000

// court is a town with the people that proposals need: ada owns, bob and carl are creators, the operators run the platform.
type court struct {
	*town
	bob, carl, second nexus.KeySigner
}

func newCourt(t failer) *court {
	w := &court{town: newTown(t), bob: signer(40), carl: signer(41), second: signer(42)}
	for name, key := range map[string]nexus.KeySigner{"bob": w.bob, "carl": w.carl} {
		w.must(key, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: name, Key: key.Public(), Role: uint8(gates.RoleCreator)})
	}
	w.must(w.operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "second", Key: w.second.Public(), Role: uint8(gates.RoleOperator)})
	return w
}

func (w *court) openAs(s nexus.Signer, kind string, unit nexus.ID, body any, life int64) *state.Proposal {
	w.t.Helper()
	out := w.must(s, state.KindProposalOpen, unit, state.ProposalOpen{Kind: kind, Body: nexus.Encode(body), LifeMs: life})
	var made state.ProposalOpened
	if err := nexus.Decode(out.Receipt.Result, &made); err != nil {
		w.t.Fatalf("%v", err)
	}
	p, ok := w.a.FindProposal(made.ID.String())
	if !ok || p.Status != state.ProposalPending || p.Change != made.Change || p.ExpiresMs != made.ExpiresMs {
		w.t.Fatalf("opened %+v, found %+v", made, p)
	}
	return p
}

func (w *court) route(backend string) state.RouteSet {
	return state.RouteSet{Host: w.a.Units[w.imvu].Domain, Backend: backend}
}

// reroute is an operator's proposal to change the route that ada set.
func (w *court) reroute() *state.Proposal {
	w.t.Helper()
	w.must(w.ada, state.KindRouteSet, w.imvu, w.route("http://127.0.0.1:9000"))
	return w.openAs(w.operator, state.KindRouteSet, w.imvu, w.route("http://127.0.0.1:9001"), 0)
}

func word(p *state.Proposal) state.ProposalDecide {
	return state.ProposalDecide{Proposal: p.ID, Change: p.Change}
}

func (w *court) backend() string { return w.a.Routes[w.a.Units[w.imvu].Domain].Backend }

// invalidFor wants an action that all gates allow to be without effect, for a reason.
func invalidFor(t *testing.T, out *state.Outcome, code nexus.Code, want string) {
	t.Helper()
	if !out.Receipt.Allowed || nexus.CodeOf(out.Err) != code || !strings.Contains(out.Err.Error(), want) || len(out.Record.Entries) != 1 {
		t.Errorf("allowed %v, gates %v %s, error %v, %d entries; want %s: %s", out.Receipt.Allowed, out.Receipt.Gates, out.Receipt.Reason,
			out.Err, len(out.Record.Entries), code, want)
	}
}

// An operator's change of a route: refused alone, and made with the owner's signature on the very change.
func TestTheOwnersGrantAppliesTheChange(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	p := w.reroute()
	refusedFor(t, w.do(w.operator, state.KindRouteSet, w.imvu, w.route("http://127.0.0.1:9001")), 14, "without the owner's approval")
	if w.backend() != "http://127.0.0.1:9000" {
		t.Fatal("a route changed without its owner")
	}
	w.swap()
	out := w.must(w.ada, state.KindProposalGrant, w.imvu, word(p))
	p, _ = w.a.FindProposal(p.ID.String())
	if w.backend() != "http://127.0.0.1:9001" || p.Status != state.ProposalApplied || p.DecidedIndex != w.index {
		t.Errorf("backend %s, proposal %+v", w.backend(), p)
	}
	var f gates.Facts
	if err := gates.DecodeFacts(out.Decision.Facts, &f); err != nil || len(f.Route) != 1 || !f.Route[0].OwnerApproved ||
		len(f.Approval) != 1 || f.Approval[0].Granted != 1 || f.Approval[0].Change != p.Change {
		t.Errorf("evidence %+v, %v", f, err)
	}
	kinds := map[ledger.EntryKind]int{}
	for _, raw := range out.Record.Entries {
		e, err := ledger.ParseEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		kinds[e.Kind]++
	}
	if kinds[ledger.KindRoute] != 1 || kinds[ledger.KindProposal] != 1 || kinds[ledger.KindNotice] < 2 {
		t.Errorf("entries %v", kinds)
	}
	w.check()
}

// wordCase is one word on a proposal that decides nothing: by whom, of what kind, about what, after what.
type wordCase struct {
	by   func(w *court) nexus.Signer
	kind string
	body func(w *court, p *state.Proposal) state.ProposalDecide
	unit func(w *court) nexus.ID
	do   func(w *court, p *state.Proposal) // before
	gate int                               // that refuses; 0: the state has no room for it
	code nexus.Code                        // then
	want string
}

const noWord = "has no word to give"

func foreignWords() map[string]wordCase {
	successor := func(*court) nexus.Signer { return signer(77) }
	rotated := func(w *court, _ *state.Proposal) { w.rotate(w.ada, signer(77)) }
	revoked := func(w *court, _ *state.Proposal) { w.revoke(w.ada) }
	return map[string]wordCase{
		"a stranger grants":           {by: bobs, gate: 1, want: noWord},
		"a stranger refuses":          {by: bobs, kind: state.KindProposalRefuse, gate: 1, want: noWord},
		"the proposer grants":         {by: operators, gate: 1, want: noWord},
		"another operator grants":     {by: seconds, gate: 1, want: noWord},
		"the node grants":             {by: nodes, gate: 1, want: noWord},
		"nobody known grants":         {by: func(*court) nexus.Signer { return signer(99) }, gate: 1, want: "was never issued here"},
		"a stranger withdraws":        {by: bobs, kind: state.KindProposalWithdraw, gate: 1, want: "may not ask for proposal.withdraw"},
		"the owner withdraws":         {by: adas, kind: state.KindProposalWithdraw, gate: 1, want: "may not ask"},
		"an operator ends it by hand": {by: operators, kind: state.KindProposalExpire, gate: 1, want: "neither past its time nor out of date"},
		"a stranger ends it":          {by: bobs, kind: state.KindProposalExpire, gate: 1, want: "may not ask"},
		"the node ends it too early":  {by: nodes, kind: state.KindProposalExpire, gate: 1, want: "neither past its time"},
		"a stranger ends it when due": {by: bobs, kind: state.KindProposalExpire, do: lateBy(72 * hourMs), gate: 1, want: "may not ask"},
		"a revoked key":               {by: adas, do: revoked, gate: 1, want: "is revoked"},
		"a key rotated away":          {by: adas, do: rotated, gate: 1, want: "is revoked"},
		"the successor of the key":    {by: successor, do: rotated, gate: 1, want: noWord},
		"the backend is another's":    {by: adas, do: foreignBackend, gate: 2, want: "reaches the network of unit"},
		"a second grant":              {by: adas, do: decide(adas, state.KindProposalGrant), gate: 1, want: noWord},
	}
}

func lateWords() map[string]wordCase {
	none := func(_ *court, p *state.Proposal) state.ProposalDecide { return state.ProposalDecide{Proposal: p.ID} }
	unknown := func(*court, *state.Proposal) state.ProposalDecide { return state.ProposalDecide{Proposal: nexus.ID{9}} }
	elsewhere := func(w *court) nexus.ID { return w.platform }
	const conflict = nexus.CodeConflict
	return map[string]wordCase{
		"another digest":              {by: adas, body: otherDigest, code: conflict, want: "its digest is"},
		"no digest":                   {by: adas, body: none, code: conflict, want: "its digest is"},
		"no such proposal":            {by: adas, body: unknown, code: nexus.CodeNotFound, want: "no such proposal"},
		"about another unit":          {by: adas, unit: elsewhere, code: nexus.CodeMalformed, want: "is not about PLAT"},
		"a late grant":                {by: adas, do: lateBy(72 * hourMs), code: conflict, want: "silence was refusal"},
		"a late refusal":              {by: adas, kind: state.KindProposalRefuse, do: lateBy(72 * hourMs), code: conflict, want: "silence was refusal"},
		"after a refusal":             {by: adas, do: decide(adas, state.KindProposalRefuse), code: conflict, want: "was refused at decision"},
		"a refusal after the grant":   {by: adas, kind: state.KindProposalRefuse, do: decide(adas, state.KindProposalGrant), code: conflict, want: "was applied"},
		"after it was withdrawn":      {by: adas, do: decide(operators, state.KindProposalWithdraw), code: conflict, want: "was withdrawn at decision"},
		"after it expired":            {by: adas, do: expired, code: conflict, want: "was expired at decision"},
		"the unit changed meanwhile":  {by: adas, do: scaled, code: conflict, want: "changed since it was opened"},
		"the route changed meanwhile": {by: adas, do: rerouted, code: conflict, want: "changed since it was opened"},
		"the slice changed meanwhile": {by: adas, do: resliced, code: conflict, want: "changed since it was opened"},
		"stale and ended by the node": {by: adas, do: staleEnded, code: conflict, want: "was stale at decision"},
	}
}

// What is not exactly a party's word, once, in time and on the very change, decides nothing.
func TestForeignWordsDecideNothing(t *testing.T) {
	t.Parallel()
	all := foreignWords()
	maps.Copy(all, lateWords())
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCourt(t)
			p := w.reroute()
			if c.do != nil {
				c.do(w, p)
			}
			before := w.backend()
			kind, unit, body := state.KindProposalGrant, w.imvu, word(p)
			if c.kind != "" {
				kind = c.kind
			}
			if c.unit != nil {
				unit = c.unit(w)
			}
			if c.body != nil {
				body = c.body(w, p)
			}
			out := w.do(c.by(w), kind, unit, body)
			if c.gate > 0 {
				refusedFor(t, out, c.gate, c.want)
			} else {
				invalidFor(t, out, c.code, c.want)
			}
			if w.backend() != before {
				t.Errorf("the route went from %s to %s", before, w.backend())
			}
			w.swap()
			w.check()
		})
	}
}

func adas(w *court) nexus.Signer      { return w.ada }
func bobs(w *court) nexus.Signer      { return w.bob }
func operators(w *court) nexus.Signer { return w.operator }
func seconds(w *court) nexus.Signer   { return w.second }
func nodes(w *court) nexus.Signer     { return w.node }

func otherDigest(_ *court, p *state.Proposal) state.ProposalDecide {
	d := word(p)
	d.Change[0] ^= 1
	return d
}

func lateBy(ms int64) func(*court, *state.Proposal) {
	return func(w *court, _ *state.Proposal) { w.now += ms }
}

func decide(by func(*court) nexus.Signer, kind string) func(*court, *state.Proposal) {
	return func(w *court, p *state.Proposal) { w.must(by(w), kind, p.Unit, word(p)) }
}

func expired(w *court, p *state.Proposal) {
	w.now += 72 * hourMs
	w.must(w.node, state.KindProposalExpire, p.Unit, word(p))
}

func scaled(w *court, _ *state.Proposal) {
	u := w.a.Units[w.imvu]
	w.must(w.ada, state.KindUnitScale, w.imvu, state.UnitScale{CPUMilli: u.Envelope.CPUMilli + 1, MemoryBytes: u.Envelope.MemoryBytes,
		StorageBytes: u.Envelope.StorageBytes, Processes: u.Envelope.Processes})
}

func rerouted(w *court, _ *state.Proposal) {
	w.must(w.ada, state.KindRouteSet, w.imvu, w.route("http://127.0.0.1:9002"))
}

func resliced(w *court, _ *state.Proposal) {
	w.must(w.ada, state.KindSliceSet, w.imvu, state.SliceSet{Class: "bulk"})
}

func staleEnded(w *court, p *state.Proposal) {
	scaled(w, p)
	w.must(w.node, state.KindProposalExpire, p.Unit, word(p))
}

// foreignBackend makes the proposed backend another unit's, so the gates refuse at the last grant what they allowed before.
func foreignBackend(w *court, _ *state.Proposal) {
	w.must(w.ada, state.KindRouteSet, w.platform, state.RouteSet{Host: w.a.Units[w.platform].Domain, Backend: "http://127.0.0.1:9001"})
}

func (w *court) revoke(s nexus.Signer) {
	w.must(s, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: s.Public(), Reason: "lost"})
}

func (w *court) rotate(from, to nexus.Signer) {
	w.must(from, state.KindIdentityRotate, nexus.ID{}, state.IdentityChange{Old: from.Public(), New: to.Public()})
}

// What could never be applied, what needs nobody's word, what is too much, and who may not ask.
func TestProposalsThatAreNotTaken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		by   func(w *court) nexus.Signer
		body func(w *court) state.ProposalOpen
		gate int
		code nexus.Code
		want string
	}{
		"by a stranger":        {by: bobs, gate: 1, want: "may not ask for proposal.open"},
		"by the owner himself": {by: adas, code: nexus.CodeConflict, want: "nobody else's approval is needed"},
		"of money":             {body: change(state.KindRevenuePost, state.RevenuePost{}), code: nexus.CodeMalformed, want: "cannot be proposed"},
		"of a proposal":        {body: change(state.KindProposalOpen, state.ProposalOpen{}), code: nexus.CodeMalformed, want: "cannot be proposed"},
		"of nothing":           {body: change("", struct{}{}), code: nexus.CodeMalformed, want: "cannot be proposed"},
		"for too short":        {body: living(state.ProposalLifeMinMs - 1), code: nexus.CodeMalformed, want: "out of range"},
		"for too long":         {body: living(state.ProposalLifeMaxMs + 1), code: nexus.CodeMalformed, want: "out of range"},
		"for ever":             {body: living(-1), code: nexus.CodeMalformed, want: "out of range"},
		"too large": {body: func(w *court) state.ProposalOpen {
			return state.ProposalOpen{Kind: state.KindRouteSet, Body: make([]byte, state.MaxProposedBytes+1)}
		}, code: nexus.CodeMalformed, want: "at most 4096 bytes"},
		"that the gates refuse anyhow": {body: func(w *court) state.ProposalOpen {
			return state.ProposalOpen{Kind: state.KindRouteSet, Body: nexus.Encode(w.route("http://10.0.0.1:80"))}
		}, code: nexus.CodeRefused, want: "even when granted gate 8"},
		"of a malformed change": {body: func(*court) state.ProposalOpen {
			return state.ProposalOpen{Kind: state.KindRouteSet, Body: []byte{0xff}}
		}, code: nexus.CodeMalformed, want: "body"},
		"of a route that is not there": {body: func(w *court) state.ProposalOpen {
			return state.ProposalOpen{Kind: state.KindRouteDrop, Body: nexus.Encode(state.RouteSet{Host: "no.such"})}
		}, code: nexus.CodeNotFound, want: "no such route"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCourt(t)
			by, body := w.operator, func(w *court) state.ProposalOpen {
				return state.ProposalOpen{Kind: state.KindRouteSet, Body: nexus.Encode(w.route("http://127.0.0.1:9001"))}
			}
			if c.by != nil {
				by = c.by(w).(nexus.KeySigner)
			}
			if c.body != nil {
				body = c.body
			}
			out := w.do(by, state.KindProposalOpen, w.imvu, body(w))
			if c.gate > 0 {
				refusedFor(t, out, c.gate, c.want)
			} else {
				invalidFor(t, out, c.code, c.want)
			}
			if len(w.a.Proposals()) != 0 {
				t.Error("it was opened all the same")
			}
			w.check()
		})
	}
}

func change(kind string, body any) func(*court) state.ProposalOpen {
	return func(*court) state.ProposalOpen { return state.ProposalOpen{Kind: kind, Body: nexus.Encode(body)} }
}

func living(ms int64) func(*court) state.ProposalOpen {
	return func(w *court) state.ProposalOpen {
		return state.ProposalOpen{Kind: state.KindRouteSet, Body: nexus.Encode(w.route("http://127.0.0.1:9001")), LifeMs: ms}
	}
}

// One who proposes without end is stopped; others still can, and so can he once one of his is decided.
func TestProposalsAreBounded(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	var first *state.Proposal
	body := func(n int) state.ProposalOpen {
		size := state.UnitScale{CPUMilli: 100 + int64(n), MemoryBytes: 1 << 30, StorageBytes: 1 << 30, Processes: 1}
		return state.ProposalOpen{Kind: state.KindUnitScale, Body: nexus.Encode(size)}
	}
	for n := range 8 {
		w.must(w.operator, state.KindProposalOpen, w.imvu, body(n))
		if n == 0 {
			first = w.a.Proposals()[0]
		}
	}
	invalidFor(t, w.do(w.operator, state.KindProposalOpen, w.imvu, body(9)), nexus.CodeConflict, "8 are pending for IMVU-001")
	w.must(w.second, state.KindProposalOpen, w.imvu, body(10))
	w.must(w.operator, state.KindProposalOpen, w.platform, body(11))
	w.must(w.operator, state.KindProposalWithdraw, w.imvu, word(first))
	w.must(w.operator, state.KindProposalOpen, w.imvu, body(12))
	w.now += 72 * hourMs
	due := w.a.DueProposals(w.now, 100)
	if len(due) != 10 {
		t.Fatalf("%d are due", len(due))
	}
	for _, p := range due {
		w.must(w.node, state.KindProposalExpire, p.Unit, word(p))
	}
	if left := w.a.DueProposals(w.now, 100); len(left) != 0 {
		t.Errorf("%d are still due", len(left))
	}
	w.swap()
	w.check()
}

// The same signed grant sent again is looked up, not repeated; the same grant signed under a new id decides nothing.
func TestGrantsAreNotReplayed(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	p := w.reroute()
	cmd := w.command(w.action(w.ada, state.KindProposalGrant, w.imvu, word(p)))
	if out := w.apply(cmd); !out.Receipt.Allowed || out.Err != nil {
		t.Fatalf("%+v", out.Receipt)
	}
	rerouted(w, p) // the owner changes his mind
	if out := w.apply(cmd); !out.Repeated || w.backend() != "http://127.0.0.1:9002" {
		t.Errorf("repeated %v, backend %s", out.Repeated, w.backend())
	}
	if out := w.do(w.ada, state.KindProposalGrant, w.imvu, word(p)); out.Err == nil && out.Receipt.Allowed {
		t.Error("an applied proposal was granted again")
	}
	w.check()
}
