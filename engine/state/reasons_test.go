package state_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// town is a world with one unit of each kind and one sale.
type town struct {
	*world
	ada, shop                       nexus.KeySigner
	imvu, platform, probe, operated nexus.ID
}

func newTown(t failer) *town {
	w := &town{world: newWorld(t), ada: signer(30), shop: signer(31)}
	w.imvu = w.create(w.operator, state.KindIMVUCreate, state.UnitCreate{Name: "Ada's", OwnerName: "ada", OwnerKey: w.ada.Public()})
	w.platform = w.create(w.operator, state.KindPlatformCreate, state.UnitCreate{Name: "Shop", OwnerName: "ada"})
	w.probe = w.create(w.node, state.KindProbeCreate, state.UnitCreate{Name: "p", Percent: 80})
	w.operated = w.create(w.operator, state.KindIMVUCreate, state.UnitCreate{Name: "Own"})
	w.must(w.operator, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
		sale(w.imvu, "sold", 100), sale(w.imvu, "other", 7)}})
	return w
}

func sale(unit nexus.ID, id string, minor int64) state.RevenueEvent {
	return state.RevenueEvent{Unit: unit, EventID: id, Kind: "sale", Currency: "USD", Minor: minor, TimeMs: 1}
}

func with(e state.RevenueEvent, change func(*state.RevenueEvent)) state.RevenueEvent {
	change(&e)
	return e
}

// Every bad event refuses its whole batch by gate 6 with the fault named, posts nothing and leaves the money as it was.
func TestFaultyEventsAreRefused(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	refund := func(minor int64, of string) state.RevenueEvent {
		return with(sale(w.imvu, "back", minor), func(e *state.RevenueEvent) { e.Kind, e.RefundOf = "refund", of })
	}
	type cases map[string]struct {
		events []state.RevenueEvent
		want   string
	}
	edit := func(change func(*state.RevenueEvent)) []state.RevenueEvent {
		return []state.RevenueEvent{with(sale(w.imvu, "x", 5), change)}
	}
	for name, c := range (cases{
		"past 64 bits": {[]state.RevenueEvent{sale(w.imvu, "x", math.MaxInt64)}, "past 64 bits"},
		"out of range": {edit(func(e *state.RevenueEvent) { e.Minor = math.MinInt64 }), "amount -9223372036854775808 is out of range"},
		"clearing past range": {[]state.RevenueEvent{sale(w.imvu, "x", 1<<62), sale(w.platform, "y", 1<<62), sale(w.platform, "z", 1<<61)},
			"clearing account of source \"operator\" past 64 bits"},
		"unknown currency":     {edit(func(e *state.RevenueEvent) { e.Currency = "ZZZ" }), "unknown currency \"ZZZ\""},
		"zero":                 {edit(func(e *state.RevenueEvent) { e.Minor = 0 }), "amount 0"},
		"unknown unit":         {edit(func(e *state.RevenueEvent) { e.Unit = nexus.ID{9} }), "unknown unit 09"},
		"test money on a unit": {edit(func(e *state.RevenueEvent) { e.Currency = "XTS" }), "currency XTS on IMVU-001"},
		"money on a probe":     {edit(func(e *state.RevenueEvent) { e.Unit = w.probe }), "currency USD on PROBE-001"},
		"no kind":              {edit(func(e *state.RevenueEvent) { e.Kind = "" }), "event kind \"\""},
		"long kind":            {edit(func(e *state.RevenueEvent) { e.Kind = strings.Repeat("k", 33) }), "event kind"},
		"no id":                {edit(func(e *state.RevenueEvent) { e.EventID = "" }), "event id \"\""},
		"long id":              {edit(func(e *state.RevenueEvent) { e.EventID = strings.Repeat("i", 257) }), "event id"},
		"large memo":           {edit(func(e *state.RevenueEvent) { e.Memo = make([]byte, 8193) }), "memo of 8193 bytes"},
		"before year 1":        {edit(func(e *state.RevenueEvent) { e.TimeMs = math.MinInt64 }), "event time"},
		"after year 9999":      {edit(func(e *state.RevenueEvent) { e.TimeMs = math.MaxInt64 }), "event time"},
		"no original":          {edit(func(e *state.RevenueEvent) { e.Minor = -1 }), "a negative amount needs the event it refunds"},
		"used with other":      {edit(func(e *state.RevenueEvent) { e.EventID = "sold" }), "event id \"sold\" was used at index 6 with other content"},
		"twice in one batch":   {[]state.RevenueEvent{sale(w.imvu, "x", 1), sale(w.imvu, "x", 2)}, "event id \"x\" was used"},
		"refund beyond":        {[]state.RevenueEvent{refund(-101, "sold")}, "refund of 101 exceeds the 100 left of event \"sold\""},
		"refunds beyond": {[]state.RevenueEvent{refund(-60, "sold"), with(refund(-41, "sold"), func(e *state.RevenueEvent) { e.EventID = "more" })},
			"event 2 of 2: refund of 41 exceeds the 40 left"},
		"refund of unknown":  {[]state.RevenueEvent{refund(-1, "nothing")}, "refund of unknown event \"nothing\""},
		"refund elsewhere":   {[]state.RevenueEvent{with(refund(-1, "sold"), func(e *state.RevenueEvent) { e.Unit = w.platform })}, "refund of unknown event"},
		"refund that raises": {[]state.RevenueEvent{refund(1, "sold")}, "must lower a sale"},
		"refund in other money": {[]state.RevenueEvent{with(refund(-1, "sold"), func(e *state.RevenueEvent) { e.Currency = "EUR" })},
			"refund in EUR of a sale in USD"},
		"second of three is bad":  {[]state.RevenueEvent{sale(w.imvu, "1", 1), sale(w.imvu, "2", 0), sale(w.imvu, "3", 1)}, "event 2 of 3: amount 0"},
		"own unit of the source":  {[]state.RevenueEvent{sale(w.operated, "x", 1)}, "which its holder owns"},
		"one own unit among more": {[]state.RevenueEvent{sale(w.imvu, "x", 1), sale(w.operated, "y", 1)}, "which its holder owns"},
	}) {
		t.Run(name, func(t *testing.T) {
			w.t = t
			out := w.do(w.operator, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: c.events})
			refusedFor(t, out, 6, c.want)
		})
	}
	w.t = t
	w.check()
	if acc := w.a.Accounts[state.AccountKey{Unit: w.imvu, Currency: "USD"}]; acc.Gross != 107 || acc.Events != 2 || len(w.a.Accounts) != 1 {
		t.Errorf("refused batches left %+v", acc)
	}
}

func refusedFor(t *testing.T, out *state.Outcome, gate int, want string) {
	t.Helper()
	if out.Receipt.Allowed || len(out.Receipt.Gates) == 0 || out.Receipt.Gates[0] != gate || !strings.Contains(out.Receipt.Reason, want) ||
		out.Receipt.Fix == "" || len(out.Record.Entries) != 1 || len(out.Puts) != 1 {
		t.Errorf("gates %v, reason %q, fix %q, %d entries, %d keys; want gate %d for %q", out.Receipt.Gates, out.Receipt.Reason,
			out.Receipt.Fix, len(out.Record.Entries), len(out.Puts), gate, want)
	}
}

// Sources: sequence gaps, foreign keys, closed and unknown sources.
func TestSourcesAreHeld(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.must(w.operator, state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "shop", Class: state.ClassProvider, Key: w.shop.Public()})
	numbered := func(first uint64) state.RevenuePost {
		e := sale(w.imvu, "", 10)
		return state.RevenuePost{Source: "shop", FirstSeq: first, Events: []state.RevenueEvent{e, e}}
	}
	w.must(w.shop, state.KindRevenuePost, nexus.ID{}, numbered(1))
	for first, want := range map[uint64]string{1: "producer sequence 1, expected 3", 2: "producer sequence 2, expected 3",
		4: "producer sequence 4, expected 3", math.MaxUint64: "expected 3"} {
		refusedFor(t, w.do(w.shop, state.KindRevenuePost, nexus.ID{}, numbered(first)), 6, want)
	}
	with := numbered(3)
	with.Events[1].EventID = "named"
	refusedFor(t, w.do(w.shop, state.KindRevenuePost, nexus.ID{}, with), 6, "event 2 of 2: event id \"named\"")
	refusedFor(t, w.do(w.operator, state.KindRevenuePost, nexus.ID{}, numbered(3)), 6, "signed by another key")
	refusedFor(t, w.do(w.ada, state.KindRevenuePost, nexus.ID{}, numbered(3)), 6, "signed by another key")
	none := numbered(3)
	none.Source = "nobody"
	refusedFor(t, w.do(w.shop, state.KindRevenuePost, nexus.ID{}, none), 6, "is not registered")
	test := numbered(3)
	test.Events[0].Unit, test.Events[0].Currency = w.probe, "XTS"
	refusedFor(t, w.do(w.shop, state.KindRevenuePost, nexus.ID{}, test), 6, "a probe takes test money from a probe source only")
	w.must(w.shop, state.KindRevenuePost, nexus.ID{}, numbered(3))
	w.must(w.operator, state.KindSourceClose, nexus.ID{}, state.SourceRegister{Name: "shop"})
	refusedFor(t, w.do(w.shop, state.KindRevenuePost, nexus.ID{}, numbered(5)), 6, "is closed")
	w.check()
}

// What all gates allow and the state still cannot take: the decision stands, the reason is given, nothing else happens.
func TestInvalidActsHaveReasons(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	gone := w.create(w.node, state.KindProbeCreate, state.UnitCreate{Name: "gone", Percent: 55})
	w.must(w.node, state.KindProbeRetire, gone, state.UnitReason{})
	unit := func(change func(*state.UnitCreate)) state.UnitCreate {
		b := state.UnitCreate{Name: "New", OwnerName: "ada"}
		change(&b)
		return b
	}
	many := state.RevenuePost{Source: state.OperatorSource, Events: make([]state.RevenueEvent, state.MaxBatchEvents+1)}
	for name, c := range map[string]struct {
		kind string
		unit nexus.ID
		body any
		code nexus.Code
		want string
	}{
		"body":              {state.KindIMVUCreate, nexus.ID{}, []byte{0xff}, nexus.CodeMalformed, "body"},
		"left-over bytes":   {state.KindReportPost, nexus.ID{}, append(nexus.Encode(state.ReportPost{}), 0), nexus.CodeMalformed, "left over"},
		"empty batch":       {state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource}, nexus.CodeMalformed, "batch of 0 events"},
		"oversized batch":   {state.KindRevenuePost, nexus.ID{}, many, nexus.CodeMalformed, "4097"},
		"name taken":        {state.KindIMVUCreate, nexus.ID{}, unit(func(b *state.UnitCreate) { b.Name = "Ada's" }), nexus.CodeConflict, "taken by IMVU-001"},
		"no name":           {state.KindIMVUCreate, nexus.ID{}, unit(func(b *state.UnitCreate) { b.Name = "" }), nexus.CodeMalformed, "empty"},
		"control character": {state.KindIMVUCreate, nexus.ID{}, unit(func(b *state.UnitCreate) { b.Name = "a\x1b[2J" }), nexus.CodeMalformed, "character"},
		"bad slug":          {state.KindIMVUCreate, nexus.ID{}, unit(func(b *state.UnitCreate) { b.Slug = "a--b" }), nexus.CodeMalformed, "not a slug"},
		"parent":            {state.KindIMVUCreate, nexus.ID{}, unit(func(b *state.UnitCreate) { b.Parent = w.platform }), nexus.CodeMalformed, "not a channel"},
		"channel of no platform": {state.KindChannelCreate, nexus.ID{}, unit(func(b *state.UnitCreate) { b.Parent = w.imvu }), nexus.CodeMalformed,
			"platform of the channel"},
		"third rule":         {state.KindProbeCreate, nexus.ID{}, unit(func(b *state.UnitCreate) { b.Percent = 60 }), nexus.CodeMalformed, "no such rule"},
		"retire a real unit": {state.KindProbeRetire, w.operated, state.UnitReason{}, nexus.CodeConflict, "only probe units are retired"},
		"resume what runs":   {state.KindUnitResume, w.operated, state.UnitReason{}, nexus.CodeConflict, "is active, not suspended"},
		"source twice": {state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "probe", Class: 1, Key: w.shop.Public()}, nexus.CodeConflict,
			"already registered"},
		"source class": {state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "s", Class: 9, Key: w.shop.Public()}, nexus.CodeMalformed,
			"no such class"},
		"source name": {state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "a b", Class: 1, Key: w.shop.Public()}, nexus.CodeMalformed,
			"not a name"},
		"source without key":   {state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "s", Class: 1}, nexus.CodeMalformed, "missing"},
		"close unknown source": {state.KindSourceClose, nexus.ID{}, state.SourceRegister{Name: "s"}, nexus.CodeNotFound, "not registered"},
		"identity name": {state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "ada", Key: w.shop.Public(), Role: 2}, nexus.CodeConflict,
			"taken"},
		"identity key": {state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "eve", Key: w.ada.Public(), Role: 2}, nexus.CodeConflict,
			"already registered"},
		"identity role": {state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "eve", Key: w.shop.Public(), Role: uint8(gates.RolePlatform)},
			nexus.CodeMalformed, "not a role that can be issued"},
		"platform's key": {state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: w.world.platform.Public()}, nexus.CodeConflict,
			"platform and node keys"},
		"remove the node asked": {state.KindNodeRemove, nexus.ID{}, state.NodeAdmit{Key: w.node.Public()}, nexus.CodeConflict, "the node that asks"},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			out := w.do(w.operator, c.kind, c.unit, c.body)
			if !out.Receipt.Allowed || nexus.CodeOf(out.Err) != c.code || !strings.Contains(out.Err.Error(), c.want) || len(out.Record.Entries) != 1 {
				t.Errorf("allowed %t (%s), %v, %d entries; want %s: %q", out.Receipt.Allowed, out.Receipt.Reason, out.Err,
					len(out.Record.Entries), c.code, c.want)
			}
		})
	}
	w.t = t
	again := w.do(w.node, state.KindProbeRetire, gone, state.UnitReason{})
	if again.Err == nil || !strings.Contains(again.Err.Error(), "retired already") {
		t.Errorf("a probe is retired twice: %v", again.Err)
	}
	w.check()
}

// A retired probe's slug may be taken again, and a restored state hands it out like the one that went on.
func TestSlugOfRetiredProbe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slug := func() string {
		id := w.create(w.node, state.KindProbeCreate, state.UnitCreate{Name: "probe", Percent: 55})
		w.must(w.node, state.KindProbeRetire, id, state.UnitReason{})
		return w.a.Units[id].Slug
	}
	first := slug()
	w.swap()
	if second := slug(); second != first {
		t.Errorf("slugs %q and %q", first, second)
	}
	w.check()
}

// A name that registering a source or a node would give to its key must be free: two keys of one name would be told apart
// differently by a restored state.
func TestNamesMadeByTheMachineAreFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	eve, shop, node := signer(40), signer(41), signer(42)
	w.must(w.operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "source-shop", Key: eve.Public(), Role: 2})
	out := w.do(w.operator, state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "shop", Class: 3, Key: shop.Public()})
	if nexus.CodeOf(out.Err) != nexus.CodeConflict || w.a.Names["source-shop"] != eve.Public() {
		t.Errorf("a source takes over the name of an identity: %v", out.Err)
	}
	w.must(w.operator, state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: "shop", Class: 3, Key: eve.Public()})
	w.must(w.operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "node-" + node.Public().Short(), Key: signer(43).Public(), Role: 2})
	out = w.do(w.operator, state.KindNodeAdmit, nexus.ID{}, state.NodeAdmit{Key: node.Public(), Name: "n2"})
	if nexus.CodeOf(out.Err) != nexus.CodeConflict {
		t.Errorf("a node takes over the name of an identity: %v", out.Err)
	}
	w.swap()
	w.check()
}

// Evidence that no admitted node signed is refused and cannot move the log's time; nor can a clock beyond the year 9999.
func TestForgedEvidence(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a := func() nexus.Action {
		return w.action(w.operator, state.KindReportPost, nexus.ID{}, state.ReportPost{Name: "r"})
	}
	forge := func(key nexus.Signer, change func(*state.Evidence)) []byte {
		act := a()
		e := state.Evidence{Node: key.Public(), NowMs: w.now, Digest: act.Digest()}
		change(&e)
		e.Signature, _ = key.Sign(e.SigningBytes())
		return nexus.Encode(state.Command{Action: act, Evidence: e})
	}
	nothing := func(*state.Evidence) {}
	late := func(e *state.Evidence) { e.NowMs = math.MaxInt64 }
	unsigned := func() []byte {
		act := a()
		return nexus.Encode(state.Command{Action: act, Evidence: state.Evidence{Node: w.node.Public(), NowMs: math.MaxInt64, Digest: act.Digest()}})
	}
	for name, cmd := range map[string]func() []byte{
		"another key":             func() []byte { return forge(w.ada, nothing) },
		"another key's late time": func() []byte { return forge(w.ada, late) },
		"another action":          func() []byte { return forge(w.node, func(e *state.Evidence) { e.Digest[0] ^= 1 }) },
		"no signature":            unsigned,
	} {
		before := w.a.TimeMs
		out := w.apply(cmd())
		if out.Receipt.Allowed || !bytes.Contains([]byte(out.Receipt.Reason), []byte("gate 17")) {
			t.Errorf("%s: allowed %t, %s", name, out.Receipt.Allowed, out.Receipt.Reason)
		}
		if w.a.TimeMs != before+1 {
			t.Errorf("%s: the log's time went from %d to %d", name, before, w.a.TimeMs)
		}
	}
	w.apply(forge(w.node, late))
	if w.a.TimeMs > w.now {
		t.Errorf("a clock beyond the year 9999 set the log's time to %d", w.a.TimeMs)
	}
	w.must(w.operator, state.KindReportPost, nexus.ID{}, state.ReportPost{Name: "r"})
	w.check()
}
