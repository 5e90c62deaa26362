package node_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/node"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// lines collects what a launch emits.
type lines struct {
	mu  sync.Mutex
	all []any
}

func (l *lines) add(v any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, v)
}

func start(t *testing.T, cfg node.Config) (*node.Node, wire.LaunchFinishedLine, *lines) {
	t.Helper()
	l := &lines{}
	cfg.Emit = l.add
	cfg.Version = "test"
	n, err := node.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return n, n.Launch(ctx), l
}

func client(t *testing.T, dir string) *control.Client {
	t.Helper()
	f, err := control.ReadNodeFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := identity.Resolve("", dir, "")
	if err != nil {
		t.Fatal(err)
	}
	c := control.NewClient(f.Addresses["api"], f.Cluster, signer)
	t.Cleanup(c.Close)
	return c
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if ok() {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Fatalf("not within 20 s: %s", what)
}

// TestLaunchTellsTheTruth: phases without a fabric are skipped with a reason, none is failed, nothing is passed unchecked,
// and the report's digest stands in the ledger.
func TestLaunchTellsTheTruth(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, last, l := start(t, node.Config{DataDir: dir})
	if last.Status != wire.StatusDegraded || last.Failed != 0 {
		t.Fatalf("%+v\n%+v", last, n.Results())
	}
	if o := n.Overview(); o.Launch.Status != last.Status || o.Node.State != wire.NodeDegraded || o.Launch.Phases[11].Status != wire.StatusPassed {
		t.Errorf("asked after the last line: launch %s, node %s, phase 12 %s", o.Launch.Status, o.Node.State, o.Launch.Phases[11].Status)
	}
	for _, p := range n.Results() {
		if p.Status == wire.StatusPassed && len(p.Checks) == 0 {
			t.Errorf("phase %d passed without a check", p.Number)
		}
		if (p.Status == wire.StatusSkipped || p.Status == wire.StatusDegraded) && p.Reason == "" {
			t.Errorf("phase %d is %s without a reason", p.Number, p.Status)
		}
	}
	if _, ok := l.all[0].(wire.VersionLine); !ok {
		t.Errorf("first line %T", l.all[0])
	}
	if _, ok := l.all[len(l.all)-1].(wire.LaunchFinishedLine); !ok {
		t.Errorf("last line %T", l.all[len(l.all)-1])
	}
	rep, err := node.VerifyReport(last.Report)
	if err != nil || rep.Verdict != wire.StatusDegraded {
		t.Fatalf("report %v %s", err, rep.Verdict)
	}
	var posted wire.Reports
	if err := client(t, dir).Get(context.Background(), "/v1/reports", nil, &posted); err != nil || len(posted.Reports) != 1 ||
		posted.Reports[0].SHA256 != last.ReportSHA256 {
		t.Fatalf("%v %+v", err, posted)
	}
	b, err := os.ReadFile(last.Report)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	bad := filepath.Join(t.TempDir(), "r.json")
	if err := os.WriteFile(bad, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := node.VerifyReport(bad); err == nil {
		t.Error("a changed report verified")
	}
}

// TestLaunchOverExistingData changes nothing, and a second launch on a held directory is refused with the node's address.
func TestLaunchOverExistingData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, err := node.Start(node.Config{DataDir: dir, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	n.Launch(context.Background())
	c := client(t, dir)
	a, err := engine.NewAction(c.Signer(), c.Cluster(), state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Kept", OwnerName: "platform"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Start(node.Config{DataDir: dir}); nexus.CodeOf(err) != nexus.CodeConflict {
		t.Fatalf("second launch on a held directory: %v", err)
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	// What a killed import left goes with the next start.
	left := filepath.Join(dir, engine.ImportsDir, "killed.partial", "unit.json")
	if err := errors.Join(os.MkdirAll(filepath.Dir(left), 0o700), os.WriteFile(left, []byte("half"), 0o600)); err != nil {
		t.Fatal(err)
	}
	again, last, _ := start(t, node.Config{DataDir: dir})
	eventually(t, "the leftovers of an import are gone", func() bool {
		_, err := os.Stat(filepath.Dir(left))
		return errors.Is(err, fs.ErrNotExist)
	})
	if last.Failed != 0 {
		t.Fatalf("%+v %+v", last, again.Results())
	}
	for _, check := range again.Results()[11].Checks {
		if check.Name == "changed" {
			if *check.Value != 0 || check.Status != wire.StatusPassed {
				t.Errorf("%+v", check)
			}
			return
		}
	}
	t.Error("no check of what changed")
}

// TestJoin: a second node joins by token, runs phases 1 and 3, is listed unadmitted until an operator admits it, and its death
// is noticed.
func TestJoin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, _, _ := start(t, node.Config{DataDir: dir, NodeName: "ledger-1"})
	c := client(t, dir)
	var inv wire.Invite
	if err := c.Post(context.Background(), "/v1/invite", wire.InviteRequest{TTLSeconds: 60}, &inv); err != nil {
		t.Fatal(err)
	}
	second, err := node.Start(node.Config{DataDir: t.TempDir(), NodeName: "edge-2", JoinToken: inv.Token, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	second.Launch(context.Background())
	for _, p := range second.Results() {
		ran := p.Number == 1 || p.Number == 3
		if ran == (p.Status == wire.StatusSkipped) || p.Status == wire.StatusFailed {
			t.Errorf("phase %d on the joined node: %s %s", p.Number, p.Status, p.Reason)
		}
	}
	var joined wire.MemberRow
	find := func() bool {
		for _, m := range first.Members() {
			if m.Name == "edge-2" {
				joined = m
				return true
			}
		}
		return false
	}
	eventually(t, "edge-2 is a member", find)
	if joined.Admitted {
		t.Error("a member is admitted before an operator said so")
	}
	var key nexus.PublicKey
	if err := key.UnmarshalText([]byte(joined.Node)); err != nil {
		t.Fatal(err)
	}
	a, err := engine.NewAction(c.Signer(), c.Cluster(), state.KindNodeAdmit, nexus.ID{}, state.NodeAdmit{Key: key, Name: "edge-2"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	eventually(t, "edge-2 is admitted", func() bool { return find() && joined.Admitted })
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its leaving is noticed", func() bool { return find() && joined.State != "alive" })
}
