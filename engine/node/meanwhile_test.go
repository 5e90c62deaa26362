package node_test

import (
	"context"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/node"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// A node that is started again while its owners and sources go on acting does not take their acts for changes of its own: it would
// fail its launch and stop, and be down for as long as they act. An act of the launch's own fails it.
func TestLaunchWhileOthersAct(t *testing.T) {
	t.Parallel()
	unit := state.UnitCreate{Name: "Meanwhile", OwnerName: "platform"}
	last, n := relaunched(t, func(_ *node.Node, dir string) error {
		c := client(t, dir)
		a, err := engine.NewAction(c.Signer(), c.Cluster(), state.KindIMVUCreate, nexus.ID{}, unit, time.Now())
		if err == nil {
			_, err = c.Do(context.Background(), a)
		}
		return err
	})
	if own, others, err := n.Meanwhile(); last.Failed != 0 || own != 0 || others != 1 || err != nil {
		t.Errorf("%+v; own %d, others %d, %v", last, own, others, err)
	}
	if c := changed(t, n); c.Status != wire.StatusPassed || !strings.Contains(c.Detail, "others acted meanwhile (1 acts)") {
		t.Errorf("phase 12 says %+v", c)
	}
}

func TestLaunchThatActsItselfFails(t *testing.T) {
	t.Parallel()
	last, n := relaunched(t, func(n *node.Node, _ string) error {
		_, err := n.Engine().Act(context.Background(), state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "The node's", OwnerName: "platform"})
		return err
	})
	if own, others, err := n.Meanwhile(); last.Failed == 0 || own != 1 || others != 0 || err != nil {
		t.Errorf("%+v; own %d, others %d, %v", last, own, others, err)
	}
	if c := changed(t, n); c.Status != wire.StatusFailed {
		t.Errorf("phase 12 says %+v", c)
	}
}

// That others acted too does not hide what the launch did itself.
func TestLaunchThatActsAmongOthersFails(t *testing.T) {
	t.Parallel()
	last, n := relaunched(t, func(n *node.Node, dir string) error {
		_, err := n.Engine().Act(context.Background(), state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "The node's", OwnerName: "platform"})
		if err != nil {
			return err
		}
		c := client(t, dir)
		a, err := engine.NewAction(c.Signer(), c.Cluster(), state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Another's", OwnerName: "platform"},
			time.Now())
		if err == nil {
			_, err = c.Do(context.Background(), a)
		}
		return err
	})
	if own, others, err := n.Meanwhile(); last.Failed == 0 || own != 1 || others != 1 || err != nil {
		t.Errorf("%+v; own %d, others %d, %v", last, own, others, err)
	}
	if c := changed(t, n); c.Status != wire.StatusFailed {
		t.Errorf("phase 12 says %+v", c)
	}
}

// relaunched starts a node over a ledger that is there already, and has act done as its last phase begins.
func relaunched(t *testing.T, act func(n *node.Node, dir string) error) (wire.LaunchFinishedLine, *node.Node) {
	t.Helper()
	dir := t.TempDir()
	n, err := node.Start(node.Config{DataDir: dir, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	n.Launch(context.Background())
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	done := false
	var again *node.Node
	again, err = node.Start(node.Config{DataDir: dir, Version: "test", Emit: func(v any) {
		if p, ok := v.(wire.PhaseStartedLine); ok && p.Phase == wire.PhaseCount {
			if err := act(again, dir); err != nil {
				t.Error(err)
			}
			done = true
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := again.Stop(); err != nil {
			t.Error(err)
		}
	})
	last := again.Launch(context.Background())
	if !done {
		t.Error("nothing was done meanwhile")
	}
	return last, again
}

// changed is what phase 12 says of changes.
func changed(t *testing.T, n *node.Node) wire.Check {
	t.Helper()
	for _, check := range n.Results()[wire.PhaseCount-1].Checks {
		if check.Name == "changed" {
			return check
		}
	}
	t.Fatalf("phase 12 has %+v", n.Results()[wire.PhaseCount-1].Checks)
	return wire.Check{}
}
