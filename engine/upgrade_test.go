package engine_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// Data directories of earlier versions, one archive each, with what stood in them when they were written. The next version's
// is added by NEXUS_WRITE_UPGRADE=NAME go test ./engine/ -run TestOldDataOpens (docs/operate/upgrade.md). Old ones stay for ever.
const (
	upgradeDir   = "testdata/upgrade"
	upgradeBytes = 1 << 20
	writeUpgrade = "NEXUS_WRITE_UPGRADE"
)

// stood is what a kept data directory held.
type stood struct {
	Root   nexus.Hash
	Size   uint64
	Index  uint64
	Tallys []wire.TallyRow
	Rules  uint32 `json:",omitempty"` // level of the rules; directories from before level 3 do not say
}

func (r *rig) stands() (s stood) {
	r.eng.View(func(st *state.State) {
		s.Root, s.Size, s.Index, s.Rules = st.Chain.Root(), st.Chain.Size(), st.Index, st.Rules
	})
	for _, row := range r.eng.Tally(false).Units {
		s.Tallys = append(s.Tallys, wire.TallyRow{UnitID: row.UnitID, Currency: row.Currency, Gross: row.Gross, Creator: row.Creator,
			Platform: row.Platform, Events: row.Events})
	}
	return s
}

// Every kept directory is whole, verifies, opens at the same head, replays from its records to the same root, and goes on.
func TestOldDataOpens(t *testing.T) {
	t.Parallel()
	if name := os.Getenv(writeUpgrade); name != "" {
		writeOldData(t, name)
	}
	archives, err := filepath.Glob(filepath.Join(upgradeDir, "*.tar.gz"))
	if err != nil || len(archives) == 0 {
		t.Fatalf("no kept data directory: %v", err)
	}
	for _, archive := range archives {
		t.Run(filepath.Base(archive), func(t *testing.T) {
			t.Parallel()
			openOldData(t, archive)
		})
	}
}

func openOldData(t *testing.T, archive string) {
	info, err := os.Stat(archive)
	if err != nil || info.Size() > upgradeBytes {
		t.Fatalf("%d bytes, at most %d: %v", info.Size(), upgradeBytes, err)
	}
	var want stood
	text, err := os.ReadFile(strings.TrimSuffix(archive, ".tar.gz") + ".json")
	if err != nil || json.Unmarshal(text, &want) != nil || want.Size == 0 || len(want.Tallys) == 0 {
		t.Fatalf("what stood in it: %s, %v", text, err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	unpack(t, archive, dir)
	rep, err := engine.VerifyOffline(context.Background(), dir)
	if err != nil || len(rep.Findings) > 0 || rep.Verified != want.Size {
		t.Fatalf("verified %d of %d entries, %v, %v", rep.Verified, want.Size, rep.Findings, err)
	}
	r := &rig{t: t, dir: dir, clock: time.Now}
	if r.gen, err = identity.ReadGenesis(dir); err != nil {
		t.Fatal(err)
	}
	if r.keys, err = identity.LoadKeys(dir, r.gen); err != nil {
		t.Fatal(err)
	}
	parts := filepath.Join(t.TempDir(), "backup")
	r.open()
	// A newer program switches gates and raises rules, which makes entries of its own; the beginning must be the same.
	if err := r.eng.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.backUp(parts)
	got := r.stands()
	if got.Rules != state.RulesMax || want.Rules > got.Rules {
		t.Errorf("the rules are of level %d, they were of level %d", got.Rules, want.Rules)
	}
	if got.Size < want.Size || got.Index < want.Index {
		t.Fatalf("stands at %d entries, index %d; it held %d and %d", got.Size, got.Index, want.Size, want.Index)
	}
	if root, err := r.eng.RootAt(want.Size); err != nil || root != want.Root {
		t.Fatalf("root at %d entries is %s, it was %s: %v", want.Size, root, want.Root, err)
	}
	a, _ := json.Marshal(got.Tallys)
	b, _ := json.Marshal(want.Tallys)
	if !bytes.Equal(a, b) {
		t.Errorf("tallies are\n%s, they were\n%s", a, b)
	}
	r.create("After the upgrade", "owner", testKey(9).Public())
	again, err := engine.Restore(context.Background(), engine.RestoreConfig{Backup: parts, DataDir: filepath.Join(t.TempDir(), "again"), Check: true})
	if err != nil || again.Entries < want.Size || again.Entries > got.Size {
		t.Fatalf("applied again from the first record: %+v, %v; it held %d entries, and then %d", again, err, want.Size, got.Size)
	}
	// The sweep that every engine runs by itself may add an entry between the backup and the look, so the root is that of the backup's size.
	if root, err := r.eng.RootAt(again.Entries); err != nil || root != again.Root {
		t.Errorf("applied again from the first record: root %s at %d entries, want %s: %v", again.Root, again.Entries, root, err)
	}
}

// writeOldData makes a small directory with what this version can hold, and keeps it as a killed node leaves it.
func writeOldData(t *testing.T, name string) {
	r := newRig(t)
	if err := r.eng.Sweep(context.Background()); err != nil { // raises the rules to those of this version
		t.Fatal(err)
	}
	r.fill(500)
	unit := r.create("Third", "owner-2", testKey(2).Public())
	r.sell(unit, "third", 30)
	post := state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
		{Unit: unit, EventID: "yen", Kind: "sale", Currency: "JPY", Minor: 777, TimeMs: 1},
		{Unit: unit, EventID: "back", Kind: "refund", Currency: "JPY", Minor: -7, TimeMs: 2, RefundOf: "yen"}}}
	if _, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, post); err != nil {
		t.Fatal(err)
	}
	r.judged(unit, testKey(2))
	r.leaves(unit, testKey(2))
	text, err := json.MarshalIndent(r.stands(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	copyTree(t, r.dir, dir)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	err = errors.Join(w.AddFS(os.DirFS(dir)), w.Close(), z.Close(), os.MkdirAll(upgradeDir, 0o755),
		os.WriteFile(filepath.Join(upgradeDir, name+".tar.gz"), b.Bytes(), 0o644),
		os.WriteFile(filepath.Join(upgradeDir, name+".json"), append(text, '\n'), 0o644))
	if err != nil {
		t.Fatal(err)
	}
}

// judged does what levels of the rules judge and word differently; what comes of it, refusals too, is what the log holds.
func (r *rig) judged(unit nexus.ID, owner nexus.KeySigner) {
	r.t.Helper()
	node, now := testKey(7).Public(), time.Now().UnixMilli()
	breach := state.SliceBreach{Open: true, SinceMs: now - 60_000, UntilMs: now, Budget: 400, AddedP99: 25_001, BaselineP99: 390, Samples: 300, Missed: 2}
	kept := state.SliceBreach{SinceMs: now - 60_000, UntilMs: now, Budget: 400, AddedP99: 399, BaselineP99: 390, Samples: 300}
	for _, x := range []struct {
		by   nexus.Signer
		kind string
		unit nexus.ID
		body any
	}{
		{owner, state.KindSliceSet, unit, state.SliceSet{Class: "control", GuaranteedBps: 1_000_000}},
		{owner, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "turned \u202e round"}},
		{owner, state.KindUnitScale, unit, state.UnitScale{CPUMilli: 1, MemoryBytes: 1 << 60, StorageBytes: 1, Processes: 1}},
		{r.operator(), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
			{Unit: unit, EventID: "charged", Kind: "chargeback", Currency: "USD", Minor: -2, TimeMs: 3, RefundOf: "third-1"}}}},
		{r.operator(), state.KindProposalOpen, unit, state.ProposalOpen{Kind: state.KindUnitTransfer,
			Body: nexus.Encode(state.UnitTransfer{To: testKey(1).Public()})}},
		{r.operator(), state.KindNodeAdmit, nexus.ID{}, state.NodeAdmit{Key: node, Name: "second"}},
		{r.operator(), state.KindNodeRemove, nexus.ID{}, state.NodeAdmit{Key: node, Name: "second"}},
		{testKey(7), state.KindRefusalRollup, nexus.ID{}, state.RefusalRollup{Reason: "r", Source: "s", Count: 1}},
		{r.operator(), state.KindSliceSet, unit, state.SliceSet{Class: "bulk", BudgetMicros: 1}},
		{owner, state.KindSliceSet, unit, state.SliceSet{Class: "bulk"}},
		{owner, state.KindSliceSessions, unit, state.SliceSessions{Sessions: 99}},
		{r.operator(), state.KindProposalOpen, unit, state.ProposalOpen{Kind: state.KindSliceSessions,
			Body: nexus.Encode(state.SliceSessions{Sessions: 9})}},
		{owner, state.KindPolicySet, unit, state.PolicySet{Policy: state.UnitPolicy{Rules: []state.PolicyRule{
			{Name: "capped", Effect: state.EffectDeny, On: []string{state.KindSliceSessions}}}}}},
		{owner, state.KindSliceSet, unit, state.SliceSet{Class: "bulk", BudgetMicros: 400}},
		{owner, state.KindSliceSet, unit, state.SliceSet{Class: "live", GuaranteedBps: 2_000_000, CeilingBps: 8_000_001, BudgetMicros: 1500}},
		{r.operator(), state.KindProposalOpen, unit, state.ProposalOpen{Kind: state.KindSliceSet, Body: nexus.Encode(state.SliceSet{Class: "bulk"})}},
		{r.keys.Node, state.KindSliceBreach, unit, breach},
		{r.keys.Node, state.KindSliceBreach, unit, kept},
	} {
		if rec, err := r.do(x.by, x.kind, x.unit, x.body); rec.Index == 0 {
			r.t.Fatalf("%s came to no decision: %v", x.kind, err)
		}
	}
}

// leaves has a unit's owner bind a key, and the unit leave, stay, and leave for good.
func (r *rig) leaves(unit nexus.ID, owner nexus.KeySigner) {
	r.t.Helper()
	must := func(kind string, unit nexus.ID, body any) {
		r.t.Helper()
		if _, err := r.do(owner, kind, unit, body); err != nil {
			r.t.Fatalf("%s: %v", kind, err)
		}
	}
	key := testKey(3)
	b := state.BindingStatement{Subject: owner.Public(), By: key.Public(), Claim: "release-key", Number: 1, BringMs: time.Now().Add(time.Hour).UnixMilli()}
	sig, err := key.Sign(b.SigningBytes(r.eng.Cluster(), false))
	if err != nil {
		r.t.Fatal(err)
	}
	b.Signature = sig
	must(state.KindIdentityBind, nexus.ID{}, b)
	must(state.KindExitBegin, unit, state.ExitBegin{Reason: "moving"})
	must(state.KindExitCancel, unit, state.ExitBegin{})
	must(state.KindExitBegin, unit, state.ExitBegin{})
	done := state.ExitComplete{Manifest: nexus.Hash{1}, Files: 3, Bytes: 99}
	r.eng.View(func(st *state.State) {
		head := st.Chain.Head(unit)
		done.Size, done.UnitSeq, done.UnitHead = st.Chain.Size(), head.Seq, head.Head
	})
	must(state.KindExitComplete, unit, done)
}

func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for in := tar.NewReader(z); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.Clean("/"+h.Name))
		if h.FileInfo().IsDir() {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, h.FileInfo().Mode().Perm())
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(out, in)
		if err := errors.Join(err, out.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
