package engine_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/witness"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// quickPace is a pace for tests; on a busy machine no witness is given up that answers.
var quickPace = witness.Pace{Between: 20 * time.Millisecond, Patience: 2 * time.Second, Timeout: 10 * time.Second, RetryMax: 50 * time.Millisecond}

func seeded(name string) nexus.KeySigner {
	seed := sha256.Sum256([]byte(name))
	return nexus.KeySigner(newKey(seed[:]))
}

// outsider is a witness of one log, over HTTP, with what stands before it.
type outsider struct {
	target witness.Target
	key    verify.WitnessKey
}

func newOutsider(t *testing.T, cfg *engine.Config, name string, before func(http.Handler) http.Handler) outsider {
	t.Helper()
	signer := seeded(name)
	key, err := verify.NewWitnessKey(name, signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	vkey, err := ledger.VerifierKey(ledger.Checkpoint{Cluster: cfg.Cluster}.Origin(), cfg.Node.Public())
	if err != nil {
		t.Fatal(err)
	}
	log, err := witness.ParseLogKey(vkey)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), name)
	if err := witness.Init(dir, key); err != nil {
		t.Fatal(err)
	}
	w, err := witness.Open(witness.Config{Dir: dir, Name: name, Signer: signer, Logs: []witness.LogKey{log}})
	if err != nil {
		t.Fatal(err)
	}
	h := w.Handler()
	if before != nil {
		h = before(h)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		srv.Close()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return outsider{target: witness.Target{URL: srv.URL, Key: key}, key: key}
}

// TestCosigned: what leaves the node carries the cosignatures of its witnesses, a recipient may demand them, and their number is shown
// beside gate 17. After a restart they are there at once.
func TestCosigned(t *testing.T) {
	t.Parallel()
	var one, two outsider
	r := newRigWith(t, time.Now, func(c *engine.Config) {
		if one.target.URL == "" {
			one, two = newOutsider(t, c, "one.example", nil), newOutsider(t, c, "two.example", nil)
		}
		c.Witnesses, c.WitnessPace = []witness.Target{one.target, two.target}, quickPace
	})
	older := r.eng.AttestedHead(context.Background())
	if older.Cosigners != 2 {
		t.Fatalf("%+v", r.eng.Witnesses())
	}
	unit := r.create("Ada", "ada", seeded("ada").Public())
	o := verify.Options{Cluster: r.gen.Cluster, Key: r.keys.Node.Public(), Witnesses: []verify.WitnessKey{one.key, two.key}, Quorum: 2}
	var whole, part bytes.Buffer
	for _, x := range []struct {
		out  *bytes.Buffer
		unit *nexus.ID
	}{{&whole, nil}, {&part, &unit}} {
		size := r.eng.Store().Size()
		if err := r.eng.Export(context.Background(), x.out, x.unit); err != nil {
			t.Fatal(err)
		}
		rep, err := verify.CheckExport(context.Background(), x.out, o)
		if err != nil || !rep.Clean() || rep.Cosigners != 2 || rep.CheckpointSize < size {
			t.Errorf("%d of %d entries, %d cosigners: %v, %v", rep.CheckpointSize, size, rep.Cosigners, rep.Findings, err)
		}
	}
	frozenCosigned(t, r, unit, o)
	entry, err := r.eng.EntryProof(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	grown, err := r.eng.ConsistencyProof(context.Background(), older.Note)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{entry, grown} {
		if rep, err := verify.CheckProof(b, o); err != nil || rep.Cosigners != 2 {
			t.Errorf("%+v, %v", rep, err)
		}
	}
	if h := r.eng.PublishedHead(); h.Cosigners != 2 || h.Checkpoint.Size < older.Checkpoint.Size {
		t.Errorf("published: %+v", h)
	}
	if g := r.eng.GateRows(); g[16].Cosigners == nil || *g[16].Cosigners != 2 || g[15].Cosigners != nil {
		t.Errorf("gate 17: %+v", g[16])
	}
	d, err := r.eng.DecisionAt(r.eng.NewestHead().Checkpoint.Index)
	if err != nil || d.Cosigners != 2 {
		t.Errorf("a decision's evidence: %d cosigners, %v", d.Cosigners, err)
	}
	for _, w := range r.eng.Witnesses() {
		if w.Status != wire.WitnessCosigning || w.Lag != 0 || w.Error != "" {
			t.Errorf("%+v", w)
		}
	}
	before := r.eng.NewestHead()
	r.close()
	kept, err := os.ReadFile(filepath.Join(r.dir, engine.CosignedFile))
	if err != nil || string(kept) != before.Note {
		t.Errorf("kept %q, %v", kept, err)
	}
	two.target.URL, one.target.URL = "http://127.0.0.1:1", "http://127.0.0.1:1"
	r.open()
	if h := r.eng.NewestHead(); h.Cosigners != 2 || h.Checkpoint != before.Checkpoint || len(verify.Cosignatures(h.Note, o.Witnesses)) != 2 {
		t.Errorf("after a restart: %+v", h)
	}
}

// frozenCosigned: what a unit leaves with is cosigned too.
func frozenCosigned(t *testing.T, r *rig, unit nexus.ID, o verify.Options) {
	t.Helper()
	frozen, err := r.eng.Freeze(unit, func(*state.State) {})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := frozen.Export(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	if rep, err := verify.CheckExport(context.Background(), &out, o); err != nil || !rep.Clean() || rep.Cosigners != 2 {
		t.Errorf("a unit that leaves: %d cosigners, %v, %v", rep.Cosigners, rep.Findings, err)
	}
}

// TestWitnessesHoldUpNothing: with one witness that hangs and one that is gone, commands go on at once, and what leaves the node does so
// soon, with the node's signature alone.
func TestWitnessesHoldUpNothing(t *testing.T) {
	t.Parallel()
	var targets []witness.Target
	r := newRigWith(t, time.Now, func(c *engine.Config) {
		hung := newOutsider(t, c, "hung.example", func(http.Handler) http.Handler {
			return http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
				_, _ = io.Copy(io.Discard, q.Body) // only then the server sees that the client goes
				<-q.Context().Done()
			})
		})
		gone := newOutsider(t, c, "gone.example", nil)
		gone.target.URL = "http://127.0.0.1:1"
		targets = []witness.Target{hung.target, gone.target}
		c.Witnesses, c.WitnessPace = targets, quickPace
	})
	var slowest time.Duration
	for i := range 20 {
		began := time.Now()
		r.create(fmt.Sprint("Ada ", i), "ada", seeded("ada").Public())
		slowest = max(slowest, time.Since(began))
	}
	if slowest >= quickPace.Patience { // what waits for a round of witnesses takes as long
		t.Errorf("a command took %v", slowest)
	}
	began := time.Now()
	var out bytes.Buffer
	if err := r.eng.Export(context.Background(), &out, nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("an export took %v", took)
	}
	o := verify.Options{Cluster: r.gen.Cluster, Key: r.keys.Node.Public()}
	rep, err := verify.CheckExport(context.Background(), bytes.NewReader(out.Bytes()), o)
	if err != nil || !rep.Clean() || rep.CheckpointSize != r.eng.Store().Size() {
		t.Errorf("%+v, %v", rep, err)
	}
	for _, x := range targets {
		o.Witnesses = append(o.Witnesses, x.Key)
	}
	o.Quorum = 1
	if rep, err := verify.CheckExport(context.Background(), &out, o); err != nil || rep.Clean() {
		t.Errorf("cosigned by nobody: %+v, %v", rep, err)
	}
}

// TestOwnKeyIsNoWitness: a node that names its own key as a witness does not open.
func TestOwnKeyIsNoWitness(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.close()
	r.change = func(c *engine.Config) {
		key, err := verify.NewWitnessKey("w.example", c.Node.Public())
		if err != nil {
			t.Fatal(err)
		}
		c.Witnesses = []witness.Target{{URL: "http://127.0.0.1:1", Key: key}}
	}
	if err := r.tryOpen(); nexus.CodeOf(err) != nexus.CodeUsage {
		t.Errorf("%v", err)
	}
	r.change = nil
	r.open()
}
