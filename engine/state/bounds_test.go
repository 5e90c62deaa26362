package state_test

import (
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// storeTakes and storeValueMax are what the store takes in one transaction and as one value (badgerstore's defaults).
const (
	storeTakes    = 4 << 20
	storeValueMax = 512 << 10
)

// desk is one state machine with its keys, before which each test lays its actions.
type desk struct {
	t     testing.TB
	s     *state.State
	store map[string][]byte
	index uint64
	now   int64
}

func deskKey(n byte) nexus.KeySigner {
	seed := make([]byte, ed25519.SeedSize)
	seed[31] = n
	return nexus.KeySigner(ed25519.NewKeyFromSeed(seed))
}

// The seeds of genesis' keys.
const deskPlatform, deskNode, deskOperator = 1, 2, 3

func newDesk(t testing.TB) *desk {
	t.Helper()
	chain, err := gates.NewChain(rules.All())
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, s: state.New(chain), store: map[string][]byte{}, now: 1_000_000}
	d.must(deskKey(deskPlatform), state.KindGenesis, nexus.ID{}, state.GenesisBody{Cluster: nexus.ID{9}, Profile: "dev", BaseDomain: "nexus.localhost",
		Platform: deskKey(deskPlatform).Public(), Node: deskKey(deskNode).Public(), NodeName: "n", Operator: deskKey(deskOperator).Public(),
		OperatorName: "operator"})
	return d
}

// do applies one action and holds the outcome to what the store takes: a committed command that it refuses stops the machine.
func (d *desk) do(s nexus.Signer, kind string, unit nexus.ID, body any) *state.Outcome {
	d.t.Helper()
	d.index++
	d.now += 10
	a, err := nexus.SignAction(s, nexus.Action{Version: 1, Cluster: nexus.ID{9}, Kind: kind, Unit: unit, TimeMs: d.now,
		ID: nexus.DeriveID("desk", fmt.Append(nil, d.index)), ExpiresMs: d.now + 600_000, Body: nexus.Encode(body)})
	if err != nil {
		d.t.Fatal(err)
	}
	e := state.Evidence{Node: deskKey(deskNode).Public(), NowMs: d.now, Digest: a.Digest(), CapacityBps: 1e9}
	if e.Signature, err = deskKey(deskNode).Sign(e.SigningBytes()); err != nil {
		d.t.Fatal(err)
	}
	out, err := d.s.Apply(d.index, 1, nexus.Encode(state.Command{Action: a, Evidence: e}),
		func(key []byte) ([]byte, error) { return d.store[string(key)], nil })
	if err != nil {
		d.t.Fatalf("%s halts the machine: %v", kind, err)
	}
	for _, kv := range out.Puts {
		if len(kv.Value) > storeValueMax {
			d.t.Fatalf("%s stores a value of %d bytes", kind, len(kv.Value))
		}
		d.store[string(kv.Key)] = kv.Value
	}
	if n := (ledger.Batch{Records: []ledger.Record{out.Record}, Leaves: out.Leaves, Puts: out.Puts}).Size(); n > storeTakes*9/10 {
		d.t.Fatalf("%s makes a transaction of %d bytes", kind, n)
	}
	return out
}

func (d *desk) must(s nexus.Signer, kind string, unit nexus.ID, body any) *state.Outcome {
	d.t.Helper()
	out := d.do(s, kind, unit, body)
	if !out.Receipt.Allowed || out.Err != nil {
		d.t.Fatalf("%s: %s, %v", kind, out.Receipt.Reason, out.Err)
	}
	return out
}

func (d *desk) refused(what string, out *state.Outcome) {
	d.t.Helper()
	if out.Receipt.Allowed && out.Err == nil {
		d.t.Errorf("%s took effect", what)
	}
}

func (d *desk) unit(s nexus.Signer, name string) nexus.ID {
	d.t.Helper()
	var c state.UnitCreated
	if err := nexus.Decode(d.must(s, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: name}).Receipt.Result, &c); err != nil {
		d.t.Fatal(err)
	}
	return c.ID
}

func (d *desk) creator(n byte) nexus.KeySigner {
	d.t.Helper()
	k := deskKey(n)
	d.must(k, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: fmt.Sprintf("creator-%d", n), Key: k.Public(), Role: uint8(gates.RoleCreator)})
	return k
}

// TestOversizedTextsNeverHaltTheMachine: bodies full of one hostile text, of every kind, stay within what the store takes.
func TestOversizedTextsNeverHaltTheMachine(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	long := strings.Repeat("\x00", 120<<10) // quoted, a byte becomes four
	owner := d.creator(10)
	unit := d.unit(owner, "one")
	event := state.RevenueEvent{Unit: unit, EventID: "e", Kind: "sale", Currency: long, Minor: 1, TimeMs: 1}
	operator := deskKey(deskOperator)
	for _, c := range []struct {
		by   nexus.Signer
		kind string
		unit nexus.ID
		body any
	}{
		{owner, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: long}},
		{owner, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "x", OwnerName: long}},
		{owner, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "y", Slug: long, Class: long}},
		{owner, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "z", Domain: long, Jurisdiction: long}},
		{owner, state.KindUnitSuspend, unit, state.UnitReason{Reason: long}},
		{owner, state.KindRouteSet, unit, state.RouteSet{Host: long, Backend: long}},
		{owner, state.KindDomainClaim, unit, state.DomainClaim{Name: long}},
		{owner, state.KindSliceSet, unit, state.SliceSet{Class: long}},
		{deskKey(11), state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: long, Key: deskKey(11).Public(), Role: uint8(gates.RoleCreator)}},
		{owner, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: owner.Public(), Reason: long}},
		{operator, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{event}}},
		{operator, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: long, Events: []state.RevenueEvent{event}}},
		{operator, state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: long, Class: 3, Key: deskKey(12).Public()}},
		{operator, state.KindNodeAdmit, nexus.ID{}, state.NodeAdmit{Key: deskKey(13).Public(), Name: long, Jurisdiction: long}},
		{operator, state.KindReportPost, nexus.ID{}, state.ReportPost{Verdict: long, Name: long}},
		{operator, state.KindAuditFinding, nexus.ID{}, state.AuditFinding{Code: long, Observed: long}},
		{operator, state.KindRefusalRollup, nexus.ID{}, state.RefusalRollup{Reason: long, Source: long}},
	} {
		d.refused(c.kind+" with a text of 120 KiB", d.do(c.by, c.kind, c.unit, c.body))
	}
	if n := len(d.s.Snapshot()); n > 64<<10 {
		t.Errorf("the state grew to %d bytes", n)
	}
}

// TestLargestBatchFitsTheStore: what is posted fits one transaction, however the batch is filled; what would not is refused.
func TestLargestBatchFitsTheStore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	name := strings.Repeat("s", 64)
	key := deskKey(20)
	d.must(deskKey(deskOperator), state.KindSourceRegister, nexus.ID{}, state.SourceRegister{Name: name, Class: state.ClassAttested, Key: key.Public()})
	unit := d.unit(d.creator(21), "one")
	var sales, refunds []state.RevenueEvent
	for i := range state.MaxBatchEvents {
		id := fmt.Sprintf("%040d", i)
		sales = append(sales, state.RevenueEvent{Unit: unit, EventID: id, Kind: "s", Currency: "USD", Minor: 1 << 40, TimeMs: 1 << 40})
		refunds = append(refunds, state.RevenueEvent{Unit: unit, EventID: "r" + id, Kind: "r", Currency: "USD", Minor: -1, TimeMs: 1 << 40, RefundOf: id})
	}
	d.must(key, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: name, Events: sales})
	d.refused("a batch that the store would not take", d.do(key, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: name, Events: refunds}))
	refunds = refunds[:3500]
	taken := 0
	for round := range 70 { // do holds every one to the store's limit
		for i := range refunds {
			refunds[i].EventID = fmt.Sprintf("%d-%d", round, i)
		}
		if out := d.do(key, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: name, Events: refunds}); out.Err == nil && out.Receipt.Allowed {
			taken++
		} else if round < 3 {
			t.Fatalf("round %d: %s, %v", round, out.Receipt.Reason, out.Err)
		}
	}
	if taken == 70 {
		t.Error("one event was refunded 70 times")
	}
}

// TestSequencedBatchNamesNoRefund: its events have no ids, so nobody could check the original.
func TestSequencedBatchNamesNoRefund(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	unit := d.unit(d.creator(22), "one")
	d.refused("a refund of an event that nobody can look up", d.do(deskKey(deskOperator), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{
		Source: state.OperatorSource, FirstSeq: 1, Events: []state.RevenueEvent{{Unit: unit, Kind: "refund", Currency: "USD", Minor: -5, TimeMs: 1, RefundOf: "x"}}}))
}

// TestBackendsAreLiteralAndOwn: a route's backend is an address of this host in one spelling, or a folder that shares nothing
// with another unit's.
func TestBackendsAreLiteralAndOwn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	one, two := d.creator(30), d.creator(31)
	a, b := d.unit(one, "one"), d.unit(two, "two")
	host := func(u nexus.ID) string { return d.s.Units[u].Domain }
	for _, backend := range []string{"http://127.example.com:80", "http://127.0.0.1:0", "http://127.0.0.1:65536", "http://127.0.0.1:080",
		"http://127.0.0.1:80#x", "http://127.0.0.1:80?", "http://[::1]:080", "HTTP://127.0.0.1:80", "http://127.0.0.1", "http://localhost:80"} {
		d.refused("backend "+backend, d.do(one, state.KindRouteSet, a, state.RouteSet{Host: host(a), Backend: backend}))
	}
	for _, backend := range []string{"http://127.0.0.1:80", "http://[::1]:80", "dir:/srv/one"} {
		d.must(one, state.KindRouteSet, a, state.RouteSet{Host: host(a), Backend: backend})
	}
	for _, backend := range []string{"dir:/srv/one", "dir:/srv/one/below", "dir:/srv", "dir:/"} {
		d.refused("a folder that overlaps another unit's: "+backend, d.do(two, state.KindRouteSet, b, state.RouteSet{Host: host(b), Backend: backend}))
	}
	d.must(two, state.KindRouteSet, b, state.RouteSet{Host: host(b), Backend: "dir:/srv/one-more"})
}

// TestSlicesThatNoGatewayTakes: what the gateway's table refuses must not stand in the state, or no later change is served.
func TestSlicesThatNoGatewayTakes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	owner := d.creator(40)
	unit := d.unit(owner, "one")
	for _, b := range []state.SliceSet{{Class: "interactive", CeilingBps: 1 << 60}, {Class: "interactive", BudgetMicros: 1 << 40}} {
		d.refused("a slice out of range", d.do(owner, state.KindSliceSet, unit, b))
	}
	d.refused("a unit with a slice out of range", d.do(owner, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "two", CeilingBps: 1 << 60}))
}

// TestIdentitiesThatMustStand: platform and node keys are bound by genesis, one operator always remains, and a recovery never
// takes a key that somebody registered meanwhile.
func TestIdentitiesThatMustStand(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	operator := deskKey(deskOperator)
	for _, n := range []byte{deskPlatform, deskNode} {
		d.refused("rotating a key of genesis", d.do(deskKey(n), state.KindIdentityRotate, nexus.ID{},
			state.IdentityChange{Old: deskKey(n).Public(), New: deskKey(50 + n).Public()}))
	}
	revoke := state.IdentityChange{Old: operator.Public()}
	d.refused("revoking the last operator", d.do(operator, state.KindIdentityRevoke, nexus.ID{}, revoke))
	lost, recovery, next := deskKey(60), deskKey(61), deskKey(62)
	d.must(operator, state.KindIdentityIssue, nexus.ID{},
		state.IdentityIssue{Name: "lost", Key: lost.Public(), Recovery: recovery.Public(), Role: uint8(gates.RoleCreator)})
	change := state.IdentityChange{Old: lost.Public(), New: next.Public()}
	d.must(recovery, state.KindIdentityRecover, nexus.ID{}, change)
	d.must(operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "second", Key: next.Public(), Role: uint8(gates.RoleOperator)})
	d.now += state.RecoveryWaitMs
	d.refused("a recovery to a key that is somebody's", d.do(recovery, state.KindIdentityComplete, nexus.ID{}, change))
	if id := d.s.Identities[next.Public()]; id.Role != gates.RoleOperator || id.Name != "second" {
		t.Errorf("the other identity became %+v", id)
	}
	d.refused("a recovery key that is the key", d.do(operator, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "same",
		Key: deskKey(63).Public(), Recovery: deskKey(63).Public(), Role: uint8(gates.RoleCreator)}))
	d.must(operator, state.KindIdentityRevoke, nexus.ID{}, revoke)
}

// TestRetiredProbesStayAsTheyAre: nothing is bound to a unit whose names were given back.
func TestRetiredProbesStayAsTheyAre(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	node := deskKey(deskNode)
	var c state.UnitCreated
	if err := nexus.Decode(d.must(node, state.KindProbeCreate, nexus.ID{}, state.UnitCreate{Name: "p", Percent: 55}).Receipt.Result, &c); err != nil {
		t.Fatal(err)
	}
	d.must(node, state.KindProbeRetire, c.ID, state.UnitReason{})
	d.refused("a domain of a retired probe", d.do(node, state.KindDomainClaim, c.ID, state.DomainClaim{Name: "a." + c.Domain}))
	d.refused("a scale of a retired probe", d.do(node, state.KindUnitScale, c.ID,
		state.UnitScale{CPUMilli: 4000, MemoryBytes: 8 << 30, StorageBytes: 60 << 30, Processes: 600}))
}
