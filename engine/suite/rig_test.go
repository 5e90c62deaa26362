package suite

import (
	"context"
	"log/slog"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/audit"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/fabric"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/slicing"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// rig is an engine in a fresh directory with an edge fabric that a loop keeps in step, as a node does.
type rig struct {
	t      testing.TB
	keys   identity.Keys
	gen    identity.Genesis
	eng    *engine.Engine
	fabric *slicing.Fabric
	env    Env

	keepRetired atomic.Bool // a gateway that drops nothing
}

// table stands for the gateway: it takes whatever table the fabric builds.
type table struct{}

func (table) Swap(*edge.Table) error { return nil }

func newRig(t testing.TB) *rig {
	t.Helper()
	dir := t.TempDir()
	gen, err := identity.NewGenesis(dir, identity.GenesisOptions{Profile: identity.ProfileDev, NodeName: "test",
		OperatorName: "operator"})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := identity.LoadKeys(dir, gen)
	if err != nil {
		t.Fatal(err)
	}
	act, err := engine.Found(gen, keys.Platform)
	if err != nil {
		t.Fatal(err)
	}
	eng, err := engine.Open(engine.Config{DataDir: dir, NodeName: "test", Cluster: gen.Cluster, Node: keys.Node,
		Genesis: act, Bus: bus.New(bus.Limits{}), Logger: slog.New(slog.DiscardHandler),
		Capacity: engine.Capacity{CPUMilli: 2000, MemoryBytes: 8 << 30, NetworkBps: 1e9}})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, keys: keys, gen: gen, eng: eng, fabric: slicing.New(eng.Minter(), table{})}
	auditor := audit.New(eng)
	auditor.Watch(r.fabric)
	r.env = Env{Engine: eng, Edge: r.fabric, Node: keys.Node, Verify: eng.Verify,
		Audit: func(ctx context.Context) (wire.AuditReport, error) { return auditor.All(ctx, "") }}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.keepInStep(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// keepInStep applies what the state wants at the edge, with permits of its own.
func (r *rig) keepInStep(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.reconcile(ctx); err != nil && ctx.Err() == nil {
				r.t.Errorf("reconcile: %v", err)
				return
			}
		}
	}
}

func (r *rig) reconcile(ctx context.Context) error {
	var want []fabric.Spec[slicing.Body]
	ended := map[nexus.ID]uint64{}
	r.eng.View(func(s *state.State) {
		want = slicing.Desired(s)
		for id, u := range s.Units {
			ended[id] = u.UpdatedIndex
		}
	})
	for _, spec := range want {
		delete(ended, spec.Unit)
		if index, ok := r.fabric.Observe(spec.Unit); ok && index == spec.Index {
			continue
		}
		p, err := r.eng.Minter().Mint(spec.Index, fabric.Resource(slicing.Name, spec.Unit), spec.Index)
		if err != nil {
			return err
		}
		spec.Digest = p.Digest()
		if err := r.fabric.Apply(ctx, p, spec); err != nil {
			return err
		}
	}
	for id, index := range ended {
		if _, ok := r.fabric.Observe(id); !ok || r.keepRetired.Load() {
			continue
		}
		p, err := r.eng.Minter().Mint(index, fabric.Resource(slicing.Name, id), index)
		if err != nil {
			return err
		}
		if err := r.fabric.Remove(ctx, p, fabric.Spec[slicing.Body]{Unit: id, Index: index, Digest: p.Digest()}); err != nil {
			return err
		}
	}
	return nil
}

// run runs one suite after twist has put something else in the place of what it looks at.
func (r *rig) run(name string, twist func(*session)) wire.SuiteReport {
	r.t.Helper()
	for _, s := range order() {
		if s.name != name {
			continue
		}
		ses := newSession(r.env, name)
		if twist != nil {
			twist(ses)
		}
		report, err := runSession(context.Background(), ses, s, wire.SuiteReport{Suite: name, Started: time.Now()})
		if err != nil {
			r.t.Fatal(err)
		}
		return report
	}
	r.t.Fatalf("no suite %s", name)
	return wire.SuiteReport{}
}

// mustPass prints what a suite saw and fails on anything that did not pass.
// goSyntax is how %v prints structs, maps and slices.
var goSyntax = regexp.MustCompile(`\{[A-Z]\w*:|map\[|&\{|\[[0-9]+( [0-9]+)*\]`)

func mustPass(t *testing.T, rep wire.SuiteReport) {
	t.Helper()
	for _, c := range rep.Checks {
		t.Logf("%-8s %-32s %s", c.Status, c.Name, c.Detail)
		if goSyntax.MatchString(c.Detail) {
			t.Errorf("%s speaks Go to an operator: %s", c.Name, c.Detail)
		}
		if (c.Limit == nil) != (c.Bound == "") {
			t.Errorf("%s has a limit and does not say which way it goes: %+v", c.Name, c)
		}
	}
	if rep.Status != wire.StatusPassed {
		t.Fatalf("%s is %s: %s", rep.Suite, rep.Status, rep.Reason)
	}
}

// mustFail wants a named check to have failed, and says which others did.
func mustFail(t *testing.T, rep wire.SuiteReport, name string) {
	t.Helper()
	var failed []string
	for _, c := range rep.Checks {
		if c.Status != wire.StatusFailed {
			continue
		}
		if c.Remedy == "" || c.Detail == "" {
			t.Errorf("%s failed without detail or remedy", c.Name)
		}
		if c.Name == name {
			return
		}
		failed = append(failed, c.Name+": "+c.Detail)
	}
	t.Errorf("%q did not fail; these did: %q", name, failed)
}
