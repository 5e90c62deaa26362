package bundle_test

import (
	"context"
	"crypto/ed25519"
	"io"
	"log/slog"
	"mime/multipart"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bundle"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// rig is a cluster of its own, with a clock that the test turns.
type rig struct {
	t     testing.TB
	eng   *engine.Engine
	keys  identity.Keys
	nowMs atomic.Int64
}

func key(n byte) nexus.KeySigner {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return nexus.KeySigner(ed25519.NewKeyFromSeed(seed))
}

func newRig(t testing.TB) *rig {
	t.Helper()
	dir := t.TempDir()
	gen, err := identity.NewGenesis(dir, identity.GenesisOptions{Profile: identity.ProfileDev, NodeName: "test", OperatorName: "operator"})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t}
	if r.keys, err = identity.LoadKeys(dir, gen); err != nil {
		t.Fatal(err)
	}
	act, err := engine.Found(gen, r.keys.Platform)
	if err != nil {
		t.Fatal(err)
	}
	r.nowMs.Store(time.Now().UnixMilli())
	r.eng, err = engine.Open(engine.Config{DataDir: dir, NodeName: "test", Cluster: gen.Cluster, Node: r.keys.Node, Genesis: act,
		Bus: bus.New(bus.Limits{}), Logger: slog.New(slog.DiscardHandler), Capacity: engine.Capacity{CPUMilli: 2000, MemoryBytes: 8 << 30, NetworkBps: 1e9},
		Clock: func() time.Time { return time.UnixMilli(r.nowMs.Load()) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.eng.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) do(s nexus.Signer, kind string, unit nexus.ID, body any) (nexus.Receipt, error) {
	r.t.Helper()
	r.nowMs.Add(10)
	sealed, err := r.eng.SealBody(kind, unit, nexus.Encode(body))
	if err != nil {
		r.t.Fatal(err)
	}
	a, err := engine.NewActionOf(s, r.eng.Cluster(), kind, unit, sealed.Body, time.UnixMilli(r.nowMs.Load()))
	if err != nil {
		r.t.Fatal(err)
	}
	return r.eng.Do(context.Background(), a)
}

func (r *rig) must(s nexus.Signer, kind string, unit nexus.ID, body any) nexus.Receipt {
	r.t.Helper()
	rec, err := r.do(s, kind, unit, body)
	if err != nil {
		r.t.Fatalf("%s: %v", kind, err)
	}
	return rec
}

func (r *rig) sell(unit nexus.ID, id string, minor int64, refundOf string) {
	r.t.Helper()
	kind := "sale"
	if minor < 0 {
		kind = "refund"
	}
	r.must(r.keys.Operator, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
		{Unit: unit, EventID: id, Kind: kind, Currency: "USD", Minor: minor, TimeMs: r.nowMs.Load(), RefundOf: refundOf}}})
}

// use has the node meter what the unit used in the last second.
func (r *rig) use(unit nexus.ID, bytes uint64) {
	r.t.Helper()
	r.nowMs.Add(1000)
	now := r.nowMs.Load()
	r.must(r.keys.Node, state.KindUsagePost, nexus.ID{}, state.UsagePost{FromMs: now - 1000, ToMs: now, Rows: []state.UsageRow{{Unit: unit,
		Counts: []ledger.UsageCount{{Meter: state.MeterBytesIn, Quantity: bytes}, {Meter: state.MeterRequests, Quantity: 1}}}}})
}

func (r *rig) nextMonth() uint32 {
	month := state.MonthOf(r.nowMs.Load())
	end, _ := state.MonthEndMs(month)
	r.nowMs.Store(end + 1000)
	return month
}

func (r *rig) issue(unit nexus.ID, month uint32) {
	r.t.Helper()
	d, _, err := r.eng.Statement(unit, month)
	if err != nil {
		r.t.Fatal(err)
	}
	r.must(r.keys.Operator, state.KindStatementIssue, unit, state.StatementIssue{Month: month, Size: d.Size, Digest: d.Digest()})
}

// populate gives ada a unit with something of everything: sales, refunds, a closed month, money on its way, policy, route, consent.
func (r *rig) populate() (unit nexus.ID, ada nexus.KeySigner) {
	r.t.Helper()
	ada = key(1)
	rec := r.must(r.keys.Operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Ada's shop", OwnerName: "ada", OwnerKey: ada.Public()})
	var made state.UnitCreated
	if err := nexus.Decode(rec.Result, &made); err != nil {
		r.t.Fatal(err)
	}
	unit = made.ID
	r.must(ada, state.KindSliceSessions, unit, state.SliceSessions{Sessions: 321})
	r.must(ada, state.KindRouteSet, unit, state.RouteSet{Host: made.Domain, Backend: "http://127.0.0.1:9321"})
	r.must(ada, state.KindPolicySet, unit, state.PolicySet{Policy: state.UnitPolicy{Rules: []state.PolicyRule{
		{Name: "no-drop", Effect: state.EffectDeny, On: []string{state.KindRouteDrop}}}}})
	person := key(7)
	said := state.ConsentStatement{Subject: person.Public(), Purpose: "newsletter", Seq: 1}
	sealed, err := r.eng.SealBody(state.KindConsentGive, unit, nexus.Encode(said))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := nexus.Decode(sealed.Body, &said); err != nil {
		r.t.Fatal(err)
	}
	sig, err := person.Sign(said.SigningBytes(r.eng.Cluster(), unit, true))
	if err != nil {
		r.t.Fatal(err)
	}
	said.Signature = sig
	r.must(ada, state.KindConsentGive, unit, said)
	r.sell(unit, "a", 1999, "")
	r.sell(unit, "b", 3, "")
	r.sell(unit, "b-back", -1, "b")
	r.must(ada, state.KindPayoutSet, unit, state.PayoutSet{Schedule: state.ScheduleManual, Destination: "acct_1"})
	r.must(ada, state.KindPayoutOpen, unit, state.PayoutOpen{Currency: "USD", Minor: 100})
	r.must(ada, state.KindHoldPlace, unit, state.HoldPlace{Currency: "USD", Minor: 50, LifeMs: 80 * 86_400_000, Reason: "deposit"})
	r.use(unit, 1_500)
	r.must(r.keys.Operator, state.KindPricesPublish, nexus.ID{}, state.PricesPublish{FromMonth: state.MonthOf(r.nowMs.Load()), Currency: "EUR",
		Lines: []ledger.PriceLine{{Meter: state.MeterBytesIn, Per: 1000, Minor: 3}}})
	r.use(unit, 1_999) // 5 at list price: 5.997, rounded down
	month := r.nextMonth()
	r.sell(unit, "c", 777, "")
	r.issue(unit, month)
	r.use(unit, 2_000)
	r.sell(unit, "late", 10, "")
	return unit, ada
}

// receive has the unit's bundle written into a folder.
func (r *rig) receive(unit nexus.ID, to *bundle.Receiver) (bundle.Received, error) {
	r.t.Helper()
	in, out := io.Pipe()
	w := multipart.NewWriter(out)
	go func() { out.CloseWithError(bundle.Write(context.Background(), r.eng, unit, w, nil)) }()
	to.Key = r.eng.NodeKey()
	got, err := to.Receive(context.Background(), multipart.NewReader(in, w.Boundary()))
	_ = in.Close()
	return got, err
}

func (r *rig) bundle(unit nexus.ID) bundle.Received {
	r.t.Helper()
	got, err := r.receive(unit, &bundle.Receiver{Target: filepath.Join(r.t.TempDir(), "out")})
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

// leave has ada's unit leave and gives its bundle.
func (r *rig) leave(unit nexus.ID, ada nexus.Signer) bundle.Received {
	r.t.Helper()
	r.must(ada, state.KindExitBegin, unit, state.ExitBegin{Reason: "moving"})
	got := r.bundle(unit)
	m := &got.Report.Manifest
	r.must(ada, state.KindExitComplete, unit, state.ExitComplete{Manifest: got.Report.Digest, Size: m.Size, UnitSeq: m.UnitSeq, UnitHead: m.UnitHead,
		Files: uint32(len(m.Files)), Bytes: got.Report.Bytes})
	return got
}

func copyTree(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}
